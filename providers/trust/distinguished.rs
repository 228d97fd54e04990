//! The common name of a client certificate, as proxies tell it: bare, or within the subject's distinguished name
//! (RFC 2253, RFC 4514), such as `CN=alerts.example.com,O=Example`.

/// The one common name that `told` holds. None where there is none or more than one, or where the text cannot be read:
/// nobody is believed on a guess.
pub(crate) fn common_name(told: &str) -> Option<String> {
    if !told.contains('=') {
        return Some(told.trim().to_owned()).filter(|name| !name.is_empty());
    }
    let mut found = None;
    for attribute in attributes(told)? {
        let (kind, value) = attribute.split_once('=')?;
        if kind.trim().eq_ignore_ascii_case("CN") && found.replace(unescaped(value)?).is_some() {
            return None;
        }
    }
    found.filter(|name| !name.is_empty())
}

/// The attributes as they are written. A quote or a semicolon without a backslash is of an older notation, in which
/// commas do not part; it is not guessed at.
fn attributes(name: &str) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in name.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' | ';' => return None,
            ',' | '+' => {
                parts.push(name.get(from..at)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(name.get(from..)?);
    (!escaped).then_some(parts)
}

/// A value without its backslashes: before two hexadecimal digits they stand for a byte, else for what follows.
fn unescaped(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.trim().as_bytes();
    loop {
        let mut byte = [0];
        rest = match rest {
            [] => return String::from_utf8(bytes).ok(),
            [b'\\', a, b, after @ ..] if hex::decode_to_slice([*a, *b], &mut byte).is_ok() => after,
            [b'\\', mark, after @ ..] | [mark, after @ ..] => {
                byte = [*mark];
                after
            }
        };
        bytes.extend(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_is_read_bare_or_from_a_distinguished_name() {
        for (told, name) in [
            ("app.example.com", Some("app.example.com")),
            (" app.example.com ", Some("app.example.com")),
            ("CN=app.example.com", Some("app.example.com")),
            ("CN=app.example.com,O=Example,C=US", Some("app.example.com")),
            (
                "C=US, O=Example, cn = app.example.com",
                Some("app.example.com"),
            ),
            ("OU=x+CN=app.example.com,O=y", Some("app.example.com")),
            (r"CN=a\,b\2Bc,O=Example", Some("a,b+c")),
            // A name within another attribute is not the common name.
            (r"O=x\,CN=app.example.com", None),
            (r"O=x\,CN=app.example.com,CN=other", Some("other")),
            ("OCN=app.example.com", None),
            // Not guessed at.
            ("CN=a,CN=app.example.com", None),
            (r#"O="x,CN=app.example.com,y=""#, None),
            ("O=x;CN=app.example.com", None),
            ("CN=app.example.com,", None),
            ("CN=app.example.com\\", None),
            ("/C=US/CN=app.example.com", None),
            ("O=Example", None),
            ("CN=", None),
            ("", None),
        ] {
            assert_eq!(common_name(told).as_deref(), name, "{told}");
        }
    }
}
