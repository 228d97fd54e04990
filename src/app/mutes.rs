//! What is in force of what mutes alerts: the silences of operators, read from the store and compiled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use campanile_model::Clock;
use campanile_store::{Archive, Error, SILENCES_MAX, SilenceFilter, SilenceRow, Store};
use jiff::Timestamp;

use crate::config::Matching;
use crate::config::windows::After;
use crate::delivery::gate::{Answer, Asked, Gate};
use crate::pipeline::gate::{self, answer};
use crate::snapshot::Snapshot;
use crate::snapshot::matcher::Matcher;
use crate::snapshot::routes::Routes;
use crate::snapshot::silences::{Silence, Silences, Times};

/// The silences in force.
pub(super) struct Mutes {
    store: Arc<dyn Archive>,
    clock: Clock,
    configured: RwLock<Configured>,
    made: RwLock<Made>,
    version: AtomicU64,
}

/// What the configuration says.
struct Configured {
    routes: Arc<Routes>,
    silences: Arc<Silences>,
}

impl Configured {
    fn of(snapshot: &Snapshot) -> Self {
        Self {
            routes: Arc::clone(&snapshot.routes),
            silences: Arc::clone(&snapshot.silences),
        }
    }
}

/// What operators made.
#[derive(Default)]
struct Made {
    rows: Vec<SilenceRow>,
    silences: Silences,
}

impl Mutes {
    /// With the silences that are stored.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn load(
        store: &Arc<dyn Store>,
        clock: &Clock,
        snapshot: &Snapshot,
    ) -> Result<Self, Error> {
        let mutes = Self {
            store: Arc::<dyn Store>::clone(store),
            clock: clock.clone(),
            configured: RwLock::new(Configured::of(snapshot)),
            made: RwLock::default(),
            version: AtomicU64::new(0),
        };
        mutes.refresh().await?;
        Ok(mutes)
    }

    /// Follows another configuration from now on.
    pub(super) fn follow(&self, snapshot: &Snapshot) {
        let configured = self.configured.write();
        *configured.unwrap_or_else(PoisonError::into_inner) = Configured::of(snapshot);
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// Reads the silences again. True if others are in force now.
    ///
    /// # Errors
    /// The store cannot be read. What was in force stays so.
    pub(super) async fn refresh(&self) -> Result<bool, Error> {
        let filter = SilenceFilter {
            not_ended_at: Some(self.clock.now()),
            before: None,
            limit: SILENCES_MAX,
        };
        let rows = self.store.silences(filter).await?;
        let same = self
            .made
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .rows
            == rows;
        if same {
            return Ok(false);
        }
        let silences = Silences::of(rows.iter().filter_map(compiled).collect());
        *self.made.write().unwrap_or_else(PoisonError::into_inner) = Made { rows, silences };
        self.version.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }
}

/// None: it was made by a newer build, so it is not understood, and mutes nothing here.
fn compiled(row: &SilenceRow) -> Option<Silence> {
    let matching: Option<Matching> = serde_json::from_str(&row.silence.matching).ok();
    let matcher = matching.and_then(|matching| Matcher::compile(&matching).ok());
    let (Some(matcher), Some(after)) = (matcher, After::of(&row.silence.after)) else {
        tracing::warn!(
            silence = row.id,
            "a silence cannot be read, so it mutes nothing; end it and make it again"
        );
        return None;
    };
    Some(Silence {
        name: row.id.to_string().into(),
        matcher,
        times: Times::Span(row.silence.from, row.ends_at()),
        after,
    })
}

impl Gate for Mutes {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        let configured = self.configured.read();
        let configured = configured.unwrap_or_else(PoisonError::into_inner);
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let silences = [&*configured.silences, &made.silences];
        answer(asked, Some(&configured.routes), silences)
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let configured = self.configured.read();
        let configured = configured.unwrap_or_else(PoisonError::into_inner);
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        let changes = [
            gate::next_change(&configured.routes, after),
            configured.silences.next_change(after),
            made.silences.next_change(after),
        ];
        changes.into_iter().flatten().min()
    }
}
