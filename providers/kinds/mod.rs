//! The vendors whose protocol needs code: one file each, and one line in [`coded`].

pub(crate) mod alertmanager_api;
pub(crate) mod cloudevents;
pub(crate) mod cloudwatch;
pub(crate) mod huawei_smn;
pub(crate) mod jiankong;
pub(crate) mod pagerduty_events;
pub(crate) mod ucloud;

use std::sync::Arc;

use crate::Provider;

/// Every coded provider.
pub(crate) fn coded() -> [Arc<dyn Provider>; 7] {
    [
        Arc::new(alertmanager_api::AlertmanagerApi),
        Arc::new(cloudevents::CloudEvents),
        Arc::new(cloudwatch::CloudWatch),
        Arc::new(huawei_smn::HuaweiSmn),
        Arc::new(jiankong::Jiankong),
        Arc::new(pagerduty_events::PagerDutyEvents),
        Arc::new(ucloud::UCloud),
    ]
}
