//! Removes redacted values from all that is kept of a callback: a secret in a label is often in the text too.

use std::collections::BTreeSet;
use std::string::FromUtf8Error;

use campanile_model::{Alert, Secret, redact};
use secrecy::ExposeSecret;

use super::rewrite::Applied;

/// What is in the place of a redacted value.
pub const HIDDEN: &str = "***";

/// A shorter value is replaced in its field alone. Its bytes can occur in any text.
pub const BYTES_MIN: usize = 6;

/// With more different values in one callback, the alerts are searched each for its own, and the request is kept without its
/// body: each value is one more search through all of it.
pub const VALUES_MAX: usize = 32;

/// Removes the values from all texts of the alerts, and from what is said of the rewrites. Returns those that the request
/// must not have either.
pub(super) fn everywhere(
    alerts: &mut [&mut Alert],
    applied: &mut [Vec<Applied>],
    values: &[BTreeSet<String>],
) -> Vec<Secret> {
    let long = |values: &BTreeSet<String>| -> Vec<Secret> {
        let long = values.iter().filter(|value| value.len() >= BYTES_MIN);
        let mut long: Vec<&String> = long.collect();
        // A value that contains another one is replaced first.
        long.sort_by_key(|value| std::cmp::Reverse(value.len()));
        long.into_iter()
            .map(|value| value.as_str().into())
            .collect()
    };
    let all = long(&values.iter().flatten().cloned().collect());
    if all.is_empty() {
        return all;
    }
    for ((alert, applied), own) in alerts.iter_mut().zip(applied).zip(values) {
        let secrets = if all.len() > VALUES_MAX {
            &long(own)
        } else {
            &all
        };
        texts(alert).for_each(|text| hide(text, secrets));
        for change in applied.iter_mut().flat_map(|applied| &mut applied.changes) {
            hide(&mut change.old, secrets);
            hide(&mut change.new, secrets);
        }
    }
    all
}

/// Whether a text of the alert has one of the values.
pub fn holds(alert: &Alert, secrets: &[Secret]) -> bool {
    let mut copy = alert.clone();
    let values: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
    // Nobody gives a proof here: this looks for what is to be hidden.
    texts(&mut copy).any(|text| values.iter().any(|value| text.contains(value)))
}

/// Replaces the values in a text, in any encoding.
pub fn hide(text: &mut String, secrets: &[Secret]) {
    if text.len() < BYTES_MIN {
        return;
    }
    for secret in secrets {
        let bytes = redact::without(std::mem::take(text).into_bytes(), secret);
        let lossy = |error: FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
        *text = String::from_utf8(bytes).unwrap_or_else(lossy);
    }
}

/// Every text of an alert that does not say which problem or which message it is about.
fn texts(alert: &mut Alert) -> impl Iterator<Item = &mut String> {
    let Alert {
        title,
        description,
        resource,
        metric,
        labels,
        links,
        raw,
        ..
    } = alert;
    let own = [title, description].into_iter();
    let parts = [
        &mut resource.kind,
        &mut resource.id,
        &mut resource.name,
        &mut resource.region,
        &mut resource.account,
        &mut metric.name,
        &mut metric.unit,
    ];
    let parts = parts.into_iter().flatten();
    let links = links
        .iter_mut()
        .flat_map(|link| [&mut link.title, &mut link.url]);
    own.chain(parts)
        .chain(labels.values_mut())
        .chain(raw.values_mut())
        .chain(links)
}
