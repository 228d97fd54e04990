//! Reads `multipart/form-data`: the fields of a form as parts of a body.

/// The name and the value of each part that has a name and is not a file, in their order. Reads at most `max` parts.
pub(crate) fn parts(content_type: &str, body: &str, max: usize) -> Vec<(String, String)> {
    let Some(boundary) = parameter(content_type, "boundary") else {
        return Vec::new();
    };
    let delimiter = format!("--{boundary}");
    // The text before the first delimiter is not a part.
    let sections = body.split(delimiter.as_str()).skip(1);
    sections.take(max).filter_map(part).collect()
}

/// The value of `name` in `form-data; name="data"`, without its quotes.
fn parameter<'h>(header: &'h str, name: &str) -> Option<&'h str> {
    header.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
    })
}

/// Reads the text between two delimiters. Two dashes follow the last delimiter instead of a line end: that is not a
/// part.
fn part(section: &str) -> Option<(String, String)> {
    let section = section
        .strip_prefix("\r\n")
        .or_else(|| section.strip_prefix('\n'))?;
    let (head, value) = section
        .split_once("\r\n\r\n")
        .or_else(|| section.split_once("\n\n"))?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let is_file = parameter(disposition, "filename").is_some();
    let name = parameter(disposition, "name").filter(|_| !is_file)?;
    let value = value.strip_suffix('\n').unwrap_or(value);
    let value = value.strip_suffix('\r').unwrap_or(value);
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"--x\"";

    fn read(body: &str) -> Vec<(String, String)> {
        parts(TYPE, body, 3)
    }

    fn field(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn each_named_part_is_a_field_and_a_file_is_none() {
        let body = "----x\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n{\"a\":\r\n1}\r\n\
                    ----x\r\ncontent-disposition: form-data; name=f; filename=\"f.txt\"\r\n\r\nfile\r\n\
                    ----x\nContent-Disposition: form-data; name=\"b\"\n\n\n----x--\r\n";
        assert_eq!(read(body), [field("data", "{\"a\":\r\n1}"), field("b", "")]);
    }

    #[test]
    fn a_body_that_is_not_multipart_has_no_fields() {
        for body in [
            "",
            "{}",
            "----x",
            "----x--",
            "----x\r\n",
            "----x\r\nname=a\r\n\r\nv\r\n----x--",
        ] {
            assert!(read(body).is_empty(), "{body:?}");
        }
        assert!(parts("multipart/form-data", "----x\n\n", 3).is_empty());
    }

    #[test]
    fn no_more_parts_are_read_than_the_limit() {
        let one = "----x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
        assert_eq!(read(&one.repeat(9)).len(), 3);
    }
}
