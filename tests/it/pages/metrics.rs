//! `docs/metrics.md`.

use campanile::telemetry::metrics::{ALL, Kind};

use super::cell;

const HEAD: &str = "\
# Metrics

Written by the tests from `src/telemetry/metrics.rs`. Prometheus reads them from `/metrics` of the admin listener, with the admin
token, or one of a viewer, as a bearer token where one is set. [Operations](operations.md) says which to alert on.

```yaml
scrape_configs:
  - job_name: campanile
    authorization: { credentials_file: /etc/prometheus/campanile-token }
    static_configs: [{ targets: [\"127.0.0.1:8081\"] }]
```

| name | kind | labels | what it says |
| --- | --- | --- | --- |
";

pub(super) fn page() -> String {
    let rows = ALL.iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        let help = cell(metric.help);
        format!("| `{}` | {kind} | {labels} | {help} |\n", metric.name)
    });
    HEAD.to_owned() + &rows.collect::<String>()
}
