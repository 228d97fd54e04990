//! What reading a callback gives.

use std::borrow::Cow;

use campanile_model::{Fault, Remark, Report};

/// What a callback says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The alerts in it, in their order.
    pub reports: Vec<Report>,
    /// Items of a batch that could not be read; the others pass.
    pub unreadable: Vec<Fault>,
    /// Something that the server has to do once the sender is believed.
    pub effect: Option<Effect>,
    /// Why there is nothing to alert on: a vendor's test message, an event that is no alert.
    pub ignored: Option<Cow<'static, str>>,
}

impl Reading {
    /// A callback that holds one alert.
    pub fn one(report: Report) -> Self {
        Self {
            reports: vec![report],
            ..Self::default()
        }
    }

    /// What was left out of the alerts because it cannot be read. What was repaired or guessed in the callback itself is in
    /// [`Callback::remarks`](campanile_model::Callback::remarks).
    pub fn remarks(&self) -> impl Iterator<Item = Remark> {
        let left_out = self.reports.iter().flat_map(|report| &report.left_out);
        left_out.cloned().map(Remark::LeftOut)
    }

    /// A callback that is understood and holds no alert, and why.
    pub fn ignored(why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            ignored: Some(why.into()),
            ..Self::default()
        }
    }
}

/// Something to do for a vendor, as data: the server does it, through the guarded client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Fetch this URL once, to confirm a subscription.
    Confirm {
        /// The absolute URL, given by the vendor and checked against the provider's host pattern.
        url: String,
    },
}

/// Where one field came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explained {
    /// The field of the alert, such as `metric.value`; with its item's number in a batch: `[2].metric.value`.
    pub field: String,
    /// The place in the callback that the expression names first, such as `body.alerts[2].values`.
    pub place: String,
    /// The expression of the mapping.
    pub expression: String,
    /// What it gave, as text; empty where it gave nothing.
    pub value: String,
    /// It gave nothing, so that the field has its default.
    pub default: bool,
}
