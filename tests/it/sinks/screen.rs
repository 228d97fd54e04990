//! Lines for people and for log collectors.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_sinks::kinds::stdout::{Settings, Stdout};
use campanile_sinks::{Class, Sink};

use super::{json, message, message_of};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe that nobody reads any more.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stdout(out: impl Write + Send + 'static, json: bool) -> Stdout {
    Stdout::to(Box::new(out), &Settings { json }, Duration::from_secs(5))
}

#[tokio::test]
async fn people_get_a_line_with_time_status_severity_source_title_and_resource() {
    let out = Shared::default();
    stdout(out.clone(), false).send(&message()).await.unwrap();
    let line = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        line,
        "1970-01-01 00:00:00Z ● FIRING   critical ucloud/prod  CPU of \"db-1\" is at 97 %\\  (db-1, cn-bj2)\n"
    );
}

#[tokio::test]
async fn an_alert_cannot_move_the_cursor() {
    let mut evil = message().alerts[0].as_ref().clone();
    evil.title = "\u{1b}[2J\u{7}\r\u{9b}31m".to_owned();
    let line = stdout(io::sink(), false).render(&message_of(evil)).unwrap();
    assert!(!line.trim_end().contains(char::is_control), "{line:?}");
}

#[tokio::test]
async fn collectors_get_the_alert_as_the_api_shows_it() {
    let out = Shared::default();
    stdout(out.clone(), true).send(&message()).await.unwrap();
    assert_eq!(
        *out.0.lock().unwrap(),
        [json(&message()), b"\n".to_vec()].concat()
    );
}

#[tokio::test]
async fn a_broken_pipe_is_transient_and_no_panic() {
    let failure = stdout(Broken, true).send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.reason.contains("broken pipe"), "{failure}");
}
