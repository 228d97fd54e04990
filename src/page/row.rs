//! An alert as a row of a list.

use campanile_model::{Alert, Metric, Resource};
use campanile_store::{Progress, StoredAlert};
use serde::Serialize;

use super::moment::Moment;
use super::view::View;
use crate::api::{Failing, alerts};
use crate::http::Gateway;

/// An alert as a row of a list.
#[derive(Serialize)]
pub(super) struct Row {
    id: String,
    source: String,
    fingerprint: String,
    pub(super) status: String,
    pub(super) severity: String,
    title: String,
    resource: String,
    value: String,
    received: Moment,
    progress: Progress,
}

impl Row {
    /// The rows of stored alerts.
    pub(super) async fn all(
        view: &View,
        gateway: &Gateway,
        stored: &[StoredAlert],
    ) -> Failing<Vec<Self>> {
        let seqs = stored.iter().map(|stored| stored.seq).collect();
        // One read for all rows: with a read for each, a page of 50 rows opened up to 50 connections at once.
        let progress = gateway.store.progress_of(seqs).await?;
        let rows = stored.iter().zip(progress);
        rows.map(|(stored, progress)| Self::of(view, stored, progress))
            .collect()
    }

    fn of(view: &View, stored: &StoredAlert, progress: Progress) -> Failing<Self> {
        let alert = alerts::shown(stored)?;
        Ok(Self {
            source: alert.source.clone(),
            fingerprint: alert.fingerprint.to_string(),
            status: alert.status.to_string(),
            severity: alert.severity.to_string(),
            title: title(&alert),
            resource: resource(&alert.resource),
            value: value(&alert.metric),
            received: view.moment(alert.received_at),
            progress,
            id: alert.id,
        })
    }
}

/// The title, or what else names the problem: a link needs a text.
pub(super) fn title(alert: &Alert) -> String {
    let named = [Some(&alert.title), alert.metric.name.as_ref()];
    let named = named
        .into_iter()
        .flatten()
        .find(|text| !text.trim().is_empty());
    named.map_or_else(|| alert.fingerprint.to_string(), ToOwned::to_owned)
}

/// The name of a resource, or its id.
pub(super) fn resource(resource: &Resource) -> String {
    let parts = [&resource.name, &resource.id];
    parts
        .into_iter()
        .flatten()
        .next()
        .cloned()
        .unwrap_or_default()
}

/// The value and the limit: `97.3 > 90 %`.
pub(super) fn value(metric: &Metric) -> String {
    let Some(value) = &metric.value else {
        return String::new();
    };
    let mut text = value.to_string();
    if let Some(threshold) = &metric.threshold {
        let comparator = metric.comparator.as_deref().unwrap_or("/");
        text = format!("{text} {comparator} {threshold}");
    }
    match &metric.unit {
        Some(unit) => format!("{text} {unit}"),
        None => text,
    }
}
