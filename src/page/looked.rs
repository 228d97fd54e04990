//! The newest alert of each problem among the newest alerts, for a list that is not only of what fires now.

use std::collections::BTreeSet;

use campanile_model::Status;
use campanile_store::StoredAlert;
use jiff::Timestamp;

use crate::api::{Failing, alerts};
use crate::http::Gateway;

/// Alerts that one page looks at.
pub(super) const LOOK: &str = "500";

/// What a page found.
pub(super) struct Looked {
    pub(super) alerts: Vec<StoredAlert>,
    /// The cursor of the next page.
    pub(super) next: Option<String>,
    /// The oldest alert that was looked at, if there are older ones.
    pub(super) back_to: Option<Timestamp>,
}

impl Looked {
    /// Reads the newest alerts that match a query. Keeps at most `rows` of them: each is the newest of its problem, and has this
    /// status, if there is one.
    pub(super) async fn at(
        gateway: &Gateway,
        query: &str,
        status: Option<Status>,
        rows: usize,
    ) -> Failing<Self> {
        let page = alerts::list(gateway, query).await?;
        let mut problems = BTreeSet::new();
        let mut looked = Self {
            alerts: vec![],
            next: page.next,
            back_to: None,
        };
        let mut full = false;
        for stored in page.items {
            let alert = alerts::shown(&stored)?;
            let newest = problems.insert((alert.source, alert.fingerprint));
            let is_wanted = newest && status.is_none_or(|status| alert.status == status);
            if is_wanted && looked.alerts.len() == rows {
                // The page ends before this alert.
                looked.next = Some((stored.seq + 1).to_string());
                full = true;
                break;
            }
            looked.back_to = Some(alert.received_at);
            if is_wanted {
                looked.alerts.push(stored);
            }
        }
        let searched_to = page.searched_to.filter(|_| !full);
        looked.back_to = looked.next.as_ref().and(searched_to.or(looked.back_to));
        Ok(looked)
    }
}
