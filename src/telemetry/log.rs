//! Log lines, JSON or pretty. One thread writes them: a slow terminal never slows a callback.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config;

/// Lines that may wait for the writer; more are dropped and counted.
const LINES_WAITING_MAX: usize = 8192;

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// The HTTP library's start-up lines repeat Campanile's own. It also logs an error for each request that is not valid HTTP, so an
/// unauthenticated sender could fill the log. The driver of Kafka logs each connection and each failed request, which the sink
/// reports in its own words. The operator's own filter comes after this one and takes precedence.
const LIBRARIES: &str = "actix_server=warn,actix_http=off,rskafka=off";

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The level is not a valid filter.
    #[error(
        "`[log] level = \"{level}\"` is not a valid filter; write `info`, `debug` or `campanile=debug,info`: {problem}"
    )]
    Level {
        /// The configured value.
        level: String,
        /// The error of the parser.
        problem: String,
    },
    /// A subscriber is installed already.
    #[error("logging is already started in this process")]
    Twice,
    /// The writer's thread did not start.
    #[error("cannot start the thread that writes log lines: {0}")]
    Thread(#[source] io::Error),
}

/// Running logging. Dropping it writes the lines that wait.
pub struct Logs {
    queue: SyncSender<Option<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    level: Option<Level>,
}

impl Logs {
    /// Changes the filter from now on.
    pub fn follow(&self, filter: EnvFilter) {
        if let Some(level) = &self.level {
            level(filter);
        }
    }
}

/// The filter that `[log] level` asks for.
pub fn filter(log: &config::Log) -> Result<EnvFilter, Error> {
    EnvFilter::try_new(format!("{LIBRARIES},{}", log.level)).map_err(|e| Error::Level {
        level: log.level.clone(),
        problem: e.to_string(),
    })
}

/// Starts logging to the standard error, for the whole process. `dropped` counts lines that did not fit the queue.
pub fn init(log: &config::Log, color: bool, dropped: metrics::Counter) -> Result<Logs, Error> {
    let filter = filter(log)?;
    let (mut logs, lines) = start(io::stderr(), dropped).map_err(Error::Thread)?;
    let builder = tracing_subscriber::fmt()
        .with_ansi(color)
        .with_env_filter(filter)
        .with_writer(lines);
    let installed = if log.pretty {
        let pretty = builder.compact().with_filter_reloading();
        logs.level = Some(level(pretty.reload_handle()));
        pretty.finish().with(filter_fn(is_discreet)).try_init()
    } else {
        let json = builder.json().flatten_event(true);
        let json = json.with_current_span(true).with_span_list(false);
        let json = json.with_filter_reloading();
        logs.level = Some(level(json.reload_handle()));
        json.finish().with(filter_fn(is_discreet)).try_init()
    };
    installed.map_err(|_| Error::Twice)?;
    Ok(logs)
}

/// Replaces the filter of a running subscriber.
type Level = Box<dyn Fn(EnvFilter) + Send + Sync>;

fn level<S: 'static>(handle: reload::Handle<EnvFilter, S>) -> Level {
    // It fails only when the subscriber is gone, and then there are no log lines.
    Box::new(move |filter| drop(handle.reload(filter)))
}

/// Debug lines of libraries may hold URLs and headers, and with them secrets: of libraries only `info` and above is
/// logged, at any level.
fn is_discreet(event: &Metadata<'_>) -> bool {
    event.target().starts_with("campanile") || *event.level() <= tracing::Level::INFO
}

/// Starts a writer of lines to `out`.
fn start(out: impl Write + Send + 'static, dropped: metrics::Counter) -> io::Result<(Logs, Lines)> {
    let (queue, waiting) = sync_channel(LINES_WAITING_MAX);
    let writer = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_all(&waiting, BufWriter::new(out)))?;
    let lines = Lines {
        queue: queue.clone(),
        dropped,
    };
    let logs = Logs {
        queue,
        writer: Some(writer),
        level: None,
    };
    Ok((logs, lines))
}

/// Writes lines until the end is announced; flushes when nothing waits.
fn write_all(waiting: &Receiver<Option<Vec<u8>>>, mut out: impl Write) {
    while let Ok(Some(line)) = waiting.recv() {
        // When standard error is closed there is no place to report it.
        let _unheard = out.write_all(&line);
        while let Ok(next) = waiting.try_recv() {
            let Some(line) = next else {
                let _unheard = out.flush();
                return;
            };
            let _unheard = out.write_all(&line);
        }
        let _unheard = out.flush();
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let _writer_gone = self.queue.send(None);
        if let Some(writer) = self.writer.take() {
            let _panicked = writer.join();
        }
    }
}

/// Where the subscriber puts finished lines.
struct Lines {
    queue: SyncSender<Option<Vec<u8>>>,
    dropped: metrics::Counter,
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut kept = line
            .get(..LINE_BYTES_MAX)
            .map_or_else(|| line.to_vec(), <[u8]>::to_vec);
        if kept.len() < line.len() {
            kept.push(b'\n');
        }
        if self.queue.try_send(Some(kept)).is_err() {
            self.dropped.increment(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Lines;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes nothing until the gate opens.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let seen = Seen::default();
        let (logs, lines) = start(seen.clone(), metrics::Counter::noop()).unwrap();
        for i in 0..100 {
            (&lines).write_all(format!("{i}\n").as_bytes()).unwrap();
        }
        drop(logs);
        let want = (0..100).fold(String::new(), |want, i| want + &format!("{i}\n"));
        assert_eq!(
            String::from_utf8(seen.0.lock().unwrap().clone()).unwrap(),
            want
        );
    }

    #[test]
    fn a_stuck_terminal_drops_lines_and_never_waits() {
        let (open, gate) = mpsc::channel();
        let (logs, lines) = start(Stuck(gate), metrics::Counter::noop()).unwrap();
        let long = vec![b'x'; LINE_BYTES_MAX * 2];
        for _ in 0..LINES_WAITING_MAX + 10 {
            (&lines).write_all(&long[..10]).unwrap();
        }
        (&lines).write_all(&long).unwrap();
        drop(open);
        drop(logs);
    }
}
