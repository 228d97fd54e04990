//! Finds the broken object in the labels of an alert in the style of Prometheus.
//!
//! The label `instance` is the address that was scraped. For an alert about a pod this is often an exporter such as
//! kube-state-metrics, so the labels are read from the most specific object to the least specific one.

/// Kinds of objects, each with the labels that name one, from the most to the least specific. A label with `exported_`
/// before it is asked first: Prometheus renames the object's label so where the exporter has the same one.
const KINDS: &[(&str, &[&str])] = &[
    (
        "pod",
        &["pod", "pod_name", "kubernetes_pod_name", "k8s_pod_name"],
    ),
    ("container", &["container", "container_name"]),
    ("job", &["job_name", "k8s_job_name"]),
    ("cronjob", &["cronjob"]),
    ("deployment", &["deployment", "k8s_deployment_name"]),
    ("statefulset", &["statefulset", "k8s_statefulset_name"]),
    ("daemonset", &["daemonset", "k8s_daemonset_name"]),
    ("replicaset", &["replicaset"]),
    ("autoscaler", &["horizontalpodautoscaler", "hpa"]),
    ("volume claim", &["persistentvolumeclaim"]),
    ("volume", &["persistentvolume"]),
    (
        "node",
        &[
            "node",
            "node_name",
            "nodename",
            "kubernetes_node",
            "k8s_node_name",
        ],
    ),
    (
        "host",
        &["host", "hostname", "host_name", "ident", "server"],
    ),
    ("device", &["device"]),
    ("service", &["service", "service_name"]),
    ("instance", &["instance", "target"]),
    ("namespace", &["namespace", "kubernetes_namespace"]),
    ("cluster", &["cluster", "cluster_name"]),
];

/// Kinds of which each machine has its own: their name alone does not say which one it is.
const PER_MACHINE: &[&str] = &["container", "device", "service"];

/// Kinds that live in a namespace.
const NAMESPACED: std::ops::Range<usize> = 0..10;

/// Words in the name of a program that reports about other things.
const EXPORTERS: &[&str] = &[
    "exporter",
    "state-metrics",
    "blackbox",
    "pushgateway",
    "cadvisor",
];

/// Words in the name of an exporter whose address says nothing of where the problem is.
const CENTRAL: &[&str] = &[
    "state-metrics",
    "pushgateway",
    "cloudwatch",
    "yace",
    "stackdriver",
    "azure-metrics",
];

/// The object that is broken.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken {
    /// The kind of object: `pod`, `node`, `instance`.
    pub kind: &'static str,
    /// Its name with what makes it unique: `namespace/pod`.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// The labels, and the exporter that reports them.
struct Labels<F> {
    get: F,
    exporter: Option<String>,
}

/// The most specific object that the labels name, other than the exporter. `get` gives the value of a label.
pub fn broken(get: impl Fn(&str) -> Option<String>) -> Option<Broken> {
    let labels = Labels {
        exporter: exporter(&get),
        get,
    };
    let found = KINDS.iter().enumerate().find_map(|(rank, (kind, names))| {
        let name = labels.first(names)?;
        (!labels.is_of_exporter(kind, &name)).then_some((rank, *kind, name))
    });
    let Some((rank, kind, name)) = found else {
        // Nothing but the exporter itself: it is at least where to look.
        let name = labels.first(&["instance", "job"])?;
        return Some(Broken {
            kind: "instance",
            id: name.clone(),
            name,
        });
    };
    if PER_MACHINE.contains(&kind) {
        let name = labels.on_machine(name);
        return Some(Broken {
            kind,
            id: name.clone(),
            name,
        });
    }
    let namespace = NAMESPACED
        .contains(&rank)
        .then(|| labels.first(&["namespace", "kubernetes_namespace"]))
        .flatten();
    let id = namespace.map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
    Some(Broken { kind, id, name })
}

impl<F: Fn(&str) -> Option<String>> Labels<F> {
    fn first(&self, names: &[&str]) -> Option<String> {
        let filled = |name: &str| (self.get)(name).filter(|value| !value.trim().is_empty());
        let mut names = names.iter();
        names.find_map(|name| filled(&format!("exported_{name}")).or_else(|| filled(name)))
    }

    /// Whether `name` is the exporter's own pod, container, service or address.
    fn is_of_exporter(&self, kind: &str, name: &str) -> bool {
        let Some(exporter) = &self.exporter else {
            return false;
        };
        match kind {
            "pod" | "container" | "service" => name.contains(exporter.as_str()),
            "instance" => contains_any(exporter, CENTRAL),
            _ => false,
        }
    }

    /// `/dev/sda1 on db-1:9100`.
    fn on_machine(&self, name: String) -> String {
        let machine = self.first(&["host", "hostname", "instance"]);
        match machine.filter(|at| !self.is_of_exporter("instance", at)) {
            Some(machine) => format!("{name} on {machine}"),
            None => name,
        }
    }
}

/// The name of the program that was scraped, where it reports about other things. A job may be written `namespace/name`.
fn exporter(get: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let named = ["job", "container", "service"].into_iter().filter_map(get);
    let mut last = named.map(|name| name.rsplit('/').next().unwrap_or_default().to_owned());
    last.find(|name| contains_any(name, EXPORTERS))
}

fn contains_any(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &[(&str, &str)]) -> Option<(&'static str, String, String)> {
        let get = |name: &str| {
            let found = labels.iter().find(|(label, _)| *label == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        broken(get).map(|broken| (broken.kind, broken.id, broken.name))
    }

    fn is(kind: &'static str, id: &str, name: &str) -> (&'static str, String, String) {
        (kind, id.to_owned(), name.to_owned())
    }

    const STATE_METRICS: [(&str, &str); 5] = [
        ("job", "kube-state-metrics"),
        ("instance", "10.42.0.7:8080"),
        ("service", "prom-kube-state-metrics"),
        ("container", "kube-state-metrics"),
        ("namespace", "shop"),
    ];

    fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        [more, &STATE_METRICS].concat()
    }

    #[test]
    fn an_object_of_kubernetes_goes_before_the_address_of_its_exporter() {
        assert_eq!(
            of(&with(&[("pod", "cart-7d9f")])),
            Some(is("pod", "shop/cart-7d9f", "cart-7d9f"))
        );
        let own = [
            ("pod", "prom-kube-state-metrics-x2"),
            ("deployment", "cart"),
        ];
        assert_eq!(of(&with(&own)), Some(is("deployment", "shop/cart", "cart")));
        assert_eq!(
            of(&with(&[("node", "worker-3")])),
            Some(is("node", "worker-3", "worker-3"))
        );
        assert_eq!(of(&STATE_METRICS), Some(is("namespace", "shop", "shop")));
    }

    #[test]
    fn a_label_that_prometheus_renamed_goes_before_the_exporters_own() {
        let renamed = [
            ("exported_pod", "cart-7d9f"),
            ("pod", "ksm-0"),
            ("exported_namespace", "cart"),
        ];
        assert_eq!(
            of(&with(&renamed)),
            Some(is("pod", "cart/cart-7d9f", "cart-7d9f"))
        );
    }

    #[test]
    fn the_pod_of_an_exporter_is_broken_only_where_another_exporter_says_so() {
        let node = [
            ("job", "node-exporter"),
            ("instance", "192.0.2.3:9100"),
            ("pod", "prom-node-exporter-k8"),
            ("container", "node-exporter"),
            ("namespace", "monitoring"),
        ];
        assert_eq!(
            of(&node),
            Some(is("instance", "192.0.2.3:9100", "192.0.2.3:9100"))
        );
        let crash = with(&[("pod", "prom-node-exporter-k8")]);
        assert_eq!(
            of(&crash),
            Some(is(
                "pod",
                "shop/prom-node-exporter-k8",
                "prom-node-exporter-k8"
            ))
        );
    }

    #[test]
    fn what_each_machine_has_is_named_with_its_machine() {
        let disk = [
            ("device", "/dev/sda1"),
            ("instance", "db-1:9100"),
            ("job", "node-exporter"),
        ];
        assert_eq!(
            of(&disk),
            Some(is(
                "device",
                "/dev/sda1 on db-1:9100",
                "/dev/sda1 on db-1:9100"
            ))
        );
        assert_eq!(of(&[("service", "api")]), Some(is("service", "api", "api")));
    }

    #[test]
    fn an_alert_without_any_object_names_its_instance_or_job() {
        let metrics = [
            ("instance", "10.42.0.7:8080"),
            ("job", "kube-state-metrics"),
        ];
        assert_eq!(
            of(&metrics),
            Some(is("instance", "10.42.0.7:8080", "10.42.0.7:8080"))
        );
        assert_eq!(
            of(&[("job", "backup"), ("pod", "")]),
            Some(is("instance", "backup", "backup"))
        );
        assert_eq!(of(&[("alertname", "Watchdog")]), None);
    }
}
