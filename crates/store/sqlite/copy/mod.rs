//! A SQLite file as one side of a copy (`crates/store/copy/`).

mod pages;
mod source;
mod tables;
mod target;

pub(crate) use source::Source;
pub(crate) use target::Target;

use crate::Error;

/// Something that works on its own thread while it is used.
struct Threaded<T>(Option<T>);

impl<T: Send + 'static> Threaded<T> {
    fn new(of: T) -> Self {
        Self(Some(of))
    }

    async fn run<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let stopped = || Error::Stopped("an earlier step of the copy has failed".to_owned());
        let mut held = self.0.take().ok_or_else(stopped)?;
        let done = tokio::task::spawn_blocking(move || (work(&mut held), held)).await;
        let (result, held) = done.map_err(|_| stopped())?;
        self.0 = Some(held);
        result
    }
}
