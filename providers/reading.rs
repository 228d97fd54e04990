//! The result of reading a callback.

use std::borrow::Cow;

use campanile_model::{Fault, Remark, Report};

/// The result of reading a callback.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The alerts in it, in their order.
    pub reports: Vec<Report>,
    /// Items of a batch that could not be read. The other items are read.
    pub unreadable: Vec<Fault>,
    /// Something that the server must do after the sender is verified.
    pub effect: Option<Effect>,
    /// Why there is no alert: a vendor's test message, or an event that is not an alert.
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

    /// The fields that were left out of the alerts because they cannot be read. What was repaired or guessed in the callback is in
    /// [`Callback::remarks`](campanile_model::Callback::remarks).
    pub fn remarks(&self) -> impl Iterator<Item = Remark> {
        let left_out = self.reports.iter().flat_map(|report| &report.left_out);
        left_out.cloned().map(Remark::LeftOut)
    }

    /// A callback that is understood and has no alert, with the reason.
    pub fn ignored(why: impl Into<Cow<'static, str>>) -> Self {
        Self {
            ignored: Some(why.into()),
            ..Self::default()
        }
    }
}

/// Something to do for a vendor, as data. The server does it, through the guarded client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Fetch this URL once, to confirm a subscription.
    Confirm {
        /// The absolute URL, given by the vendor and checked against the provider's host pattern.
        url: String,
    },
}

/// The origin of one field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explained {
    /// The field of the alert, such as `metric.value`; in a batch with the number of its item: `[2].metric.value`.
    pub field: String,
    /// The place in the callback that the expression names first, such as `body.alerts[2].values`.
    pub place: String,
    /// The expression of the mapping.
    pub expression: String,
    /// Its value as text; empty if it gave none.
    pub value: String,
    /// The expression gave no value, so the field has its default.
    pub default: bool,
}
