//! One page for all readers who load the same one at about the same time.
//!
//! While alerts come in, every open page loads itself again and again, and most show the same: one load takes 1.6 ms of CPU
//! time. A load takes its turn: the first one renders, and the others that came before it began get its page. Nobody gets a page
//! that was rendered before they asked, so no page lacks an alert that its reader knows of.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two renderings of one page. A reader waits for it only if another one has just loaded the page.
const PACE: Duration = Duration::from_millis(250);

/// The pages that were loaded a moment ago, each by all that it depends on but for the time and the store.
pub(super) struct Shared<K, P>(Mutex<HashMap<K, Arc<Turn<P>>>>);

/// The last rendering of one page. Its lock is fair: readers get it in the order in which they came.
type Turn<P> = tokio::sync::Mutex<Option<Rendered<P>>>;

struct Rendered<P> {
    began: Instant,
    page: P,
}

impl<K, P> Default for Shared<K, P> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, P: Clone> Shared<K, P> {
    /// The page, rendered after this call by this reader or by another one who sees the same. An error is for one reader.
    pub(super) async fn page<F, E>(&self, key: K, render: impl FnOnce() -> F) -> Result<P, E>
    where
        F: Future<Output = Result<P, E>>,
    {
        let came = Instant::now();
        let turn = self.turn(key);
        let mut last = turn.lock().await;
        if let Some(last) = &*last {
            if last.began > came {
                return Ok(last.page.clone());
            }
            tokio::time::sleep_until(last.began + PACE).await;
        }
        let began = Instant::now();
        let page = render().await?;
        *last = Some(Rendered {
            began,
            page: page.clone(),
        });
        Ok(page)
    }

    /// The turn of this page. Pages that nobody loads and that need no pause are forgotten.
    fn turn(&self, key: K) -> Arc<Turn<P>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !turns.contains_key(&key) {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1 || is_recent(turn));
        }
        Arc::clone(turns.entry(key).or_default())
    }
}

fn is_recent<P>(turn: &Turn<P>) -> bool {
    let last = turn.try_lock();
    last.is_ok_and(|last| {
        let last = last.as_ref();
        last.is_some_and(|last| last.began.elapsed() < PACE)
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use futures_util::future::join_all;

    use super::*;

    /// A page that is the number of its rendering, which takes 2 ms.
    async fn load(
        shared: &Shared<&'static str, u32>,
        key: &'static str,
        rendered: &Cell<u32>,
    ) -> u32 {
        let render = || async {
            rendered.set(rendered.get() + 1);
            let number = rendered.get();
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok::<_, Infallible>(number)
        };
        let Ok(page) = shared.page(key, render).await;
        page
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_who_load_a_page_while_it_is_rendered_the_next_renders_for_all() {
        let (shared, rendered) = (Shared::default(), Cell::new(0));
        let readers = (0..32).map(|_| load(&shared, "live", &rendered));
        let pages = join_all(readers).await;
        assert_eq!(pages[0], 1);
        assert_eq!(pages[1..], [2; 31]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_never_older_than_the_request_of_its_reader() {
        let (shared, rendered) = (Shared::default(), Cell::new(0));
        let _first = load(&shared, "live", &rendered).await;
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(load(&shared, "live", &rendered).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_waits_only_after_another_load_of_the_same_page() {
        let (shared, rendered) = (Shared::default(), Cell::new(0));
        let _first = load(&shared, "live", &rendered).await;
        let begin = Instant::now();
        let _other = load(&shared, "sinks", &rendered).await;
        assert_eq!(begin.elapsed(), Duration::from_millis(2));
        tokio::time::advance(PACE).await;
        let begin = Instant::now();
        let _again = load(&shared, "live", &rendered).await;
        assert_eq!(begin.elapsed(), Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_rendered_at_most_four_times_a_second() {
        let (shared, rendered) = (Shared::default(), Cell::new(0));
        let begin = Instant::now();
        for _ in 0..9 {
            let _page = load(&shared, "live", &rendered).await;
        }
        assert!(begin.elapsed() >= Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_nobody_loads_are_not_kept() {
        let (shared, rendered) = (Shared::default(), Cell::new(0));
        for key in ["a", "b", "c"] {
            let _page = load(&shared, key, &rendered).await;
            tokio::time::advance(PACE).await;
        }
        assert_eq!(shared.0.lock().unwrap().len(), 1);
    }
}
