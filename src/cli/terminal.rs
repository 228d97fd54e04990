//! The one way to the screen: data to stdout, words to stderr, colour only where somebody sees it.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::failure::Failure;

/// What a command may write to, and what it knows about who reads.
pub(crate) struct Terminal {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    color: bool,
    width: Option<usize>,
    attended: bool,
    live: bool,
}

impl Terminal {
    /// The process's own stdout and stderr.
    pub(crate) fn of_process() -> Self {
        let shown = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let size = terminal_size::terminal_size();
        Self {
            out: Box::new(BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            color: shown && !plain,
            width: size.filter(|_| shown).map(|(width, _)| width.0.into()),
            attended: io::stdin().is_terminal() && io::stderr().is_terminal(),
            live: io::stderr().is_terminal(),
        }
    }

    /// How many columns a line may have; none when nobody sees where it wraps.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// A line of data.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Data as JSON, indented for people and still one value for programs.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.line(text)
    }

    /// Bytes of data as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.out.write_all(bytes)?)
    }

    /// A line of words about the data.
    pub(crate) fn say(&mut self, words: impl Display) -> Result<(), Failure> {
        self.flush()?;
        Ok(writeln!(self.err, "{words}")?)
    }

    /// Words that the next ones replace: only for those who watch.
    pub(crate) fn progress(&mut self, words: impl Display) -> Result<(), Failure> {
        if self.live {
            write!(self.err, "\r\x1b[2K{words}")?;
        }
        Ok(())
    }

    /// Sends on what is held back.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// Asks for a yes. With nobody there to ask, the answer has to be on the command line.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<(), Failure> {
        if !self.attended {
            let unasked = Failure::usage(format!("{question} There is nobody here to ask."));
            return Err(unasked.hint("add --yes if this is what you want"));
        }
        self.flush()?;
        write!(self.err, "{question} [y/N] ")?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::failed("nothing was changed")),
        }
    }

    /// The text in a style, where colours are wanted.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// A headline.
    pub(crate) fn title(&mut self, text: &str) -> Result<(), Failure> {
        let painted = self.paint(Style::new().bold(), text);
        self.line(painted)
    }
}

/// The style of a word of state: bad ones are red, passing ones yellow, good ones green.
pub(crate) fn style_of(word: &str) -> Style {
    let color = match word {
        "critical" | "error" | "dead" | "refused" | "rejected" | "gone" | "open" => AnsiColor::Red,
        "warning" | "again" | "paused" | "quarantined" | "firing" => AnsiColor::Yellow,
        "resolved" | "delivered" | "accepted" | "ok" | "up" => AnsiColor::Green,
        _ => return Style::new(),
    };
    color.on_default()
}

/// The text without what could command a terminal: alerts come from outside, and a title may hold anything.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_command(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Control characters, and the marks that turn the direction of what follows.
fn is_command(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
