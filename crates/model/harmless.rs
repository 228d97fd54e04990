//! Text from outside, made harmless for a terminal and a page.

/// The text without control characters and without characters that change the text direction. Text of alerts comes from
/// outside and can contain anything.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_command(c) { '\u{fffd}' } else { c })
        .collect()
}

fn is_command(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
