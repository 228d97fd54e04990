//! A provider's page for operators, taken from the module doc of its own source file.
//!
//! One text is used for the code, the generated page and `campanile providers show`.

/// The module doc at the head of `source`, as Markdown.
pub(crate) fn page(source: &str) -> String {
    source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .fold(String::new(), |page, line| page + line + "\n")
}
