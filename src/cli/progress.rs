//! Progress of long work: only on a terminal, and only after one second.

use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, timeout};

use super::terminal::Terminal;

/// Shorter work shows nothing.
const QUIET: Duration = Duration::from_secs(1);

/// How often the picture changes while nothing else happens.
const TICK: Duration = Duration::from_millis(200);

/// The progress of one piece of work. It disappears at the end.
pub(crate) struct Progress {
    began: Instant,
    bar: ProgressBar,
    live: bool,
}

impl Progress {
    /// Work of which `total` parts are known, or nothing.
    pub(crate) fn new(terminal: &Terminal, words: impl Into<String>, total: Option<u64>) -> Self {
        let template = match total {
            Some(_) => "{msg} {pos} of {len} {wide_bar} {eta} left",
            None => "{spinner} {msg} {elapsed}",
        };
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        Self {
            began: Instant::now(),
            bar: bar
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(words.into()),
            live: terminal.is_live(),
        }
    }

    /// Notes that this many parts are done.
    pub(crate) fn at(&mut self, done: u64) {
        if self.began.elapsed() >= QUIET {
            self.appear();
        }
        self.bar.set_position(done);
    }

    /// The same for work whose number of parts grows, with other words.
    pub(crate) fn at_of(&mut self, done: u64, total: u64, words: String) {
        self.bar.set_length(total);
        self.bar.set_message(words);
        self.at(done);
    }

    /// Waits for work whose parts are not known.
    pub(crate) async fn during<T>(mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(done) = timeout(QUIET, &mut work).await {
            return done;
        }
        self.appear();
        work.await
    }

    fn appear(&mut self) {
        if self.live && self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(TICK);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
