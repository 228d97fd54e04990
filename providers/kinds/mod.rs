//! The vendors whose protocol needs code, one file each.

pub(crate) mod alertmanager_api;
pub(crate) mod cloudevents;
pub(crate) mod cloudwatch;
pub(crate) mod huawei_smn;
pub(crate) mod jiankong;
pub(crate) mod pagerduty_events;
pub(crate) mod ucloud;

use crate::Provider;

/// All of them, in alphabetical order.
pub(crate) const CODED: &[&dyn Provider] = &[
    &alertmanager_api::AlertmanagerApi,
    &cloudevents::CloudEvents,
    &cloudwatch::CloudWatch,
    &huawei_smn::HuaweiSmn,
    &jiankong::Jiankong,
    &pagerduty_events::PagerDutyEvents,
    &ucloud::UCloud,
];
