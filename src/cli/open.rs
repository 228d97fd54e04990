//! `campanile open`: prints the address of a page. It does not start a browser.

use campanile_model::Fingerprint;
use clap::Args;
use uuid::Uuid;

use super::failure::Failure;
use super::target::{Gateway, Target};
use super::terminal::Terminal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile open                                              (the first page)
  campanile open 0190a3c5-7e1d-7c3a-9f00-000000000001         (an alert)
  campanile open 00d1c0de00d1c0de --gateway prod              (a problem, by its fingerprint)
  xdg-open \"$(campanile open)\"

The address is `[admin] public_url` if the command knows the config of the gateway and the setting is there.";

/// The command line of `campanile open`.
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The id of an alert, or the fingerprint of a problem. Without it the first page.
    #[arg(value_parser = page)]
    id: Option<Page>,
    #[command(flatten)]
    gateway: Gateway,
}

/// The path of one page.
#[derive(Clone, Debug)]
struct Page([String; 2]);

impl Open {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let mut url = Target::of(&self.gateway)?.pages;
        if let (Some(Page(path)), Ok(mut segments)) = (self.id, url.path_segments_mut()) {
            segments.pop_if_empty().extend(path);
        }
        terminal.line(url)
    }
}

fn page(id: &str) -> Result<Page, String> {
    if let Ok(fingerprint) = id.parse::<Fingerprint>() {
        return Ok(Page(["problems".to_owned(), fingerprint.to_string()]));
    }
    match id.parse::<Uuid>() {
        Ok(id) => Ok(Page(["alerts".to_owned(), id.to_string()])),
        Err(_) => {
            Err("write the id of an alert, or a fingerprint of 16 hexadecimal digits".to_owned())
        }
    }
}
