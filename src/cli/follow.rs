//! Follows the alerts of a running gateway, and resumes where it ended when the gateway is back.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::api::{Api, root_cause, typed};
use super::failure::{Ending, Failure};
use super::terminal::Terminal;
use crate::api::types::{End, Reset};

/// The time between two attempts to reach the gateway.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest line. An alert is much shorter.
const LINE_BYTES_MAX: usize = 16 << 20;

/// Follows the alerts that match a query.
pub(crate) struct Follower<'a> {
    api: &'a Api,
    query: Vec<(&'static str, String)>,
    /// The id of the last line.
    last: Option<String>,
    /// Whether the operator knows that the gateway is lost.
    lost: bool,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(api: &'a Api, mut query: Vec<(&'static str, String)>) -> Self {
        query.push(("events", "alert".to_owned()));
        Self {
            api,
            query,
            last: None,
            lost: false,
        }
    }

    /// Gives alerts to `show` as they are accepted, until Ctrl-C.
    pub(crate) async fn run(
        mut self,
        terminal: &mut Terminal,
        show: impl FnMut(Vec<Value>, &mut Terminal) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        tokio::select! {
            ended = self.follow(terminal, show) => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }

    async fn follow(
        &mut self,
        terminal: &mut Terminal,
        mut show: impl FnMut(Vec<Value>, &mut Terminal) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let last = self.last.as_deref();
            match self.api.stream(&["stream"], &self.query, last).await {
                Ok(stream) => {
                    if std::mem::take(&mut self.lost) {
                        terminal.say("the gateway is back")?;
                    }
                    let why = self.read(stream, terminal, &mut show).await?;
                    self.lose(&why, terminal)?;
                }
                Err(failure) if self.last.is_some() && is_passing(&failure) => {
                    self.lose(&failure.to_string(), terminal)?;
                }
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn lose(&mut self, why: &str, terminal: &mut Terminal) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.lost, true) {
            terminal.say(format_args!("{why}; trying again"))?;
        }
        Ok(())
    }

    /// Reads one stream, and returns the reason of its end.
    async fn read(
        &mut self,
        mut stream: Response,
        terminal: &mut Terminal,
        show: &mut impl FnMut(Vec<Value>, &mut Terminal) -> Result<(), Failure>,
    ) -> Result<String, Failure> {
        let mut text = Vec::new();
        loop {
            match stream.chunk().await {
                Ok(Some(chunk)) => text.extend_from_slice(&chunk),
                Ok(None) => return Ok("the gateway ended the stream".to_owned()),
                Err(error) => {
                    return Ok(format!(
                        "the connection to the gateway was lost: {}",
                        root_cause(&error)
                    ));
                }
            }
            let whole = text.iter().rposition(|byte| *byte == b'\n');
            let lines: Vec<u8> = text.drain(..whole.map_or(0, |at| at + 1)).collect();
            if text.len() > LINE_BYTES_MAX {
                return Err(Failure::failed(format!(
                    "a line is longer than {LINE_BYTES_MAX} bytes"
                )));
            }
            let mut alerts = Vec::new();
            let mut ended = None;
            for line in lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let line = serde_json::from_slice(line);
                let line = line.map_err(|error| {
                    Failure::failed(format!("a line of the stream is not JSON: {error}"))
                })?;
                self.meet(line, &mut alerts, &mut ended, terminal)?;
            }
            show(alerts, terminal)?;
            terminal.flush()?;
            if let Some(why) = ended {
                return Ok(why);
            }
        }
    }

    /// Takes one line. Events that this version does not know are left out.
    fn meet(
        &mut self,
        mut line: Value,
        alerts: &mut Vec<Value>,
        ended: &mut Option<String>,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        if let Some(id) = line["id"].as_str() {
            self.last = Some(id.to_owned());
        }
        let data = line["data"].take();
        match line["event"].as_str() {
            Some("alert") => alerts.push(data),
            Some("reset") => {
                let reset: Reset = typed(&data)?;
                terminal.say(format_args!("alerts are left out: {}", reset.message))?;
            }
            Some("end") => *ended = Some(typed::<End>(&data)?.message),
            _ => {}
        }
        Ok(())
    }
}

/// Whether the gateway can be back soon.
fn is_passing(failure: &Failure) -> bool {
    [Ending::Unreachable as u8, Ending::Failed as u8].contains(&failure.code())
}
