//! Every wait of a test ends: with what it waits for, or with a failure that says what did not come.

use std::fmt::Display;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use campanile::delivery::Delivery;

/// A test that waits longer has failed. It is long because other work can slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits, and fails with these words if it takes too long. Put it around a whole loop of waits: something else that comes
/// again and again must not make the wait longer.
pub(crate) async fn within<T>(what: impl Display, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("{PATIENCE:?} passed without {what}"))
}

/// Looks again and again until it is so, because the awaited event happens in another task or process.
pub(crate) async fn until(what: impl Display, mut done: impl AsyncFnMut() -> bool) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    let looking = async {
        while !done().await {
            again.tick().await;
        }
    };
    within(what, looking).await;
}

/// Waits until no delivery is in flight and none is due now.
pub(crate) async fn idle(delivery: &Delivery) {
    within("an end of all deliveries", delivery.idle()).await;
}

/// The same as [`within`] for work that blocks its thread.
pub(crate) fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, waiting) = mpsc::channel();
    // A test that has failed does not listen any more.
    std::thread::spawn(move || drop(done.send(work())));
    match waiting.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{PATIENCE:?} passed without {what}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("no {what}: see above"),
    }
}

/// Runs a program to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = piped.spawn();
    ended(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Waits for the end of a program, whose output is piped. One that does not end is killed.
pub(crate) fn ended(child: Child) -> Output {
    let killed = OnPanic(child.id());
    let output = blocking("an end of the program", || child.wait_with_output());
    drop(killed);
    output.unwrap()
}

/// Kills a process when its test fails.
struct OnPanic(u32);

impl Drop for OnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let pid = self.0.to_string();
            let _gone = Command::new("kill").args(["-s", "KILL", &pid]).status();
        }
    }
}
