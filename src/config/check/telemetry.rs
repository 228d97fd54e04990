//! `[telemetry.otlp]`.

use campanile_settings::Node;

use super::{Check, build, built};
use crate::config::Otlp;
use crate::config::settings::TRACES;

impl Check<'_> {
    /// Where traces go: `Some(None)` if they go nowhere, none if there is a mistake.
    #[expect(clippy::option_option, reason = "no traces is not a mistake")]
    pub(super) fn otlp(&mut self, telemetry: Option<&Node>) -> Option<Option<Otlp>> {
        let Some(table) = telemetry.and_then(|telemetry| telemetry.get(TRACES.key)) else {
            return Some(None);
        };
        let values = self.table(Some(table), &TRACES.path(""), TRACES.settings)?;
        let otlp = built(build::otlp(&values))?;
        let Err(unfit) = otlp.request() else {
            return Some(Some(otlp));
        };
        let mut place = table;
        for name in unfit.setting.split('.') {
            place = place.get(name).unwrap_or(place);
        }
        let message = format!("`{}` cannot be used: {}", unfit.setting, unfit.problem);
        self.findings.wrong(
            &place.place,
            message,
            "what a collector of OpenTelemetry takes",
        );
        None
    }
}
