//! All output: data on stdout, messages on stderr, color where [`color`] allows it.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};

use clap::ColorChoice;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::color;
use super::failure::Failure;
use super::times::Times;
pub(crate) use campanile_model::harmless;

/// Moves the cursor home and clears the screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// The outputs of a command, and what is known about the terminal.
pub(crate) struct Terminal {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    color: bool,
    choice: ColorChoice,
    width: Option<usize>,
    attended: bool,
    live: bool,
    times: Times,
}

impl Terminal {
    /// Uses stdout and stderr of the process.
    pub(crate) fn of_process(color: ColorChoice, times: Times) -> Self {
        let shown = io::stdout().is_terminal();
        let size = terminal_size::terminal_size();
        Self {
            out: Box::new(BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            color: color::is_on(color, &io::stdout()),
            choice: color,
            width: size.filter(|_| shown).map(|(width, _)| width.0.into()),
            attended: io::stdin().is_terminal() && io::stderr().is_terminal(),
            live: io::stderr().is_terminal(),
            times,
        }
    }

    /// The width of the screen in columns; none if the output is not a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// How times are shown.
    pub(crate) fn times(&self) -> &Times {
        &self.times
    }

    /// Whether messages on stderr have color.
    pub(crate) fn log_color(&self) -> bool {
        color::is_on(self.choice, &io::stderr())
    }

    /// Prints one line of data.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Begins a new screen: clears a terminal, or prints an empty line.
    pub(crate) fn screen(&mut self) -> Result<(), Failure> {
        self.text(if self.width.is_some() { CLEAR } else { "\n" })
    }

    /// Prints a part of a line of data.
    pub(crate) fn text(&mut self, text: impl Display) -> Result<(), Failure> {
        Ok(write!(self.out, "{text}")?)
    }

    /// Prints data as indented JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.line(text)
    }

    /// Prints data as JSON on one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.line(text)
    }

    /// Prints bytes without changes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.out.write_all(bytes)?)
    }

    /// Prints a message on stderr.
    pub(crate) fn say(&mut self, words: impl Display) -> Result<(), Failure> {
        self.flush()?;
        Ok(writeln!(self.err, "{words}")?)
    }

    /// Whether somebody sees messages on stderr while they appear.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Writes the buffered data.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// Whether the operator can answer a question.
    pub(crate) fn can_ask(&self) -> bool {
        self.attended
    }

    /// Asks for confirmation.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<(), Failure> {
        self.flush()?;
        write!(self.err, "{question} [y/N] ")?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::failed("nothing was changed")),
        }
    }

    /// The text with a style, if color is enabled.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// Prints a heading.
    pub(crate) fn title(&mut self, text: &str) -> Result<(), Failure> {
        let painted = self.paint(Style::new().bold(), text);
        self.line(painted)
    }
}

/// The style of a state word: red for failures, yellow for temporary states, green for success.
pub(crate) fn style_of(word: &str) -> Style {
    let color = match word {
        "critical" | "error" | "dead" | "refused" | "rejected" | "gone" | "open" => AnsiColor::Red,
        "warning" | "again" | "paused" | "quarantined" | "firing" => AnsiColor::Yellow,
        "resolved" | "delivered" | "accepted" | "ok" | "up" => AnsiColor::Green,
        _ => return Style::new(),
    };
    color.on_default()
}
