//! The common name of a client certificate, as proxies pass it on: alone, or in the subject's distinguished name
//! (RFC 2253, RFC 4514), such as `CN=alerts.example.com,O=Example`.

/// The only common name in `subject`. None if there is none or more than one, or if the text cannot be read: a guess is
/// not a proof.
pub(crate) fn common_name(subject: &str) -> Option<String> {
    if !subject.contains('=') {
        return Some(subject.trim().to_owned()).filter(|name| !name.is_empty());
    }
    let mut found = None;
    for attribute in attributes(subject)? {
        let (kind, value) = attribute.split_once('=')?;
        if kind.trim().eq_ignore_ascii_case("CN") && found.replace(unescaped(value)?).is_some() {
            return None;
        }
    }
    found.filter(|name| !name.is_empty())
}

/// The attributes as they are written. A quote or a semicolon without a backslash belongs to an older notation, in which a
/// comma does not separate. That notation is not read.
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

/// A value without its backslashes. A backslash before two hexadecimal digits is a byte; any other is the character after
/// it.
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
        for (subject, name) in [
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
            // A name in another attribute is not the common name.
            (r"O=x\,CN=app.example.com", None),
            (r"O=x\,CN=app.example.com,CN=other", Some("other")),
            ("OCN=app.example.com", None),
            // Not guessed.
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
            assert_eq!(common_name(subject).as_deref(), name, "{subject}");
        }
    }
}
