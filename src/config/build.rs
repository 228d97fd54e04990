//! The types of the configuration, from tables whose values are all valid.

use std::sync::Arc;

use campanile_model::Callback;
use campanile_providers::{Never, Provider, Source};
use campanile_settings::{Unset, Values};

use super::settings::SOURCE;
use super::{
    Admin, Feed, File, Log, Policy, Route, Server, SinkKind, SinkSpec, Stdout, Store, Tls, Webhook,
    WebhookBody,
};

type Built<T> = Result<T, Unset>;

/// Why a source could never accept a call: its provider asks for something that is not set.
pub(super) fn never_believes(feed: &Feed) -> Option<Never> {
    let call = Callback::default();
    feed.provider.proof(&call, &feed.source).never()
}

pub(super) fn server(values: &Values, tls: Option<Tls>) -> Built<Server> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Server {
        listen: values.get("listen")?,
        public_url: values.maybe("public_url"),
        body_bytes_max: values.get("body_bytes_max")?,
        trusted_proxies: values.get("trusted_proxies")?,
        client_certificate_header: values.maybe("client_certificate_header"),
        head_timeout: values.get("head_timeout")?,
        body_timeout: values.get("body_timeout")?,
        connections_max: values.get("connections_max")?,
        workers: values
            .maybe("workers")
            .unwrap_or(cores.saturating_sub(1).max(1)),
        tls,
    })
}

pub(super) fn admin(values: &Values, tls: Option<Tls>) -> Built<Admin> {
    Ok(Admin {
        listen: values.get("listen")?,
        public_url: values.maybe("public_url"),
        token: values.maybe("token"),
        tls,
    })
}

pub(super) fn store(values: &Values) -> Built<Store> {
    Ok(Store {
        url: values.get("url")?,
        retention_days: values.get("retention_days")?,
    })
}

pub(super) fn log(values: &Values) -> Built<Log> {
    Ok(Log {
        pretty: values.get::<String>("format")? == "pretty",
        level: values.get("level")?,
    })
}

pub(super) fn feed(name: String, provider: &Arc<dyn Provider>, values: &Values) -> Built<Feed> {
    let mut source = Source {
        name,
        open: values.get("open")?,
        keys: values.maybe("key").unwrap_or_default(),
        allow_from: values.maybe("allow_from").unwrap_or_default(),
        client_certificates: values.maybe("client_certificate").unwrap_or_default(),
        severity: values.maybe("severity"),
        severities: values.get("severities")?,
        time_zone: values.maybe("time_zone"),
        labels: values.get("labels")?,
        ..Source::default()
    };
    own_settings(&mut source, values, &**provider);
    Ok(Feed {
        provider: Arc::clone(provider),
        source: Arc::new(source),
    })
}

/// What only the provider reads. A name that all sources have means the same for each.
fn own_settings(source: &mut Source, values: &Values, provider: &dyn Provider) {
    let common = |name: &str| SOURCE.iter().any(|setting| setting.name == name);
    let own = provider.about().settings.iter();
    let own = own.filter(|setting| !common(&setting.name));
    let (secret, public): (Vec<_>, Vec<_>) = own.partition(|setting| setting.takes.is_secret());
    for setting in secret {
        let tokens: Option<Vec<_>> = values.maybe(&setting.name);
        source.tokens.extend(tokens.unwrap_or_default());
    }
    let is_own = |name: &str| public.iter().any(|setting| setting.name == name);
    source.own = values.clone().only(is_own);
}

pub(super) fn sink(kind: &str, name: String, values: &Values) -> Built<SinkSpec> {
    Ok(SinkSpec {
        name,
        kind: match kind {
            "webhook" => SinkKind::Webhook(webhook(values)?),
            "file" => SinkKind::File(file(values)?),
            _ => SinkKind::Stdout(Stdout {
                json: values.get::<String>("format")? == "json",
            }),
        },
        policy: policy(values)?,
    })
}

fn webhook(values: &Values) -> Built<Webhook> {
    let format: String = values.get("format")?;
    Ok(Webhook {
        url: values.get("url")?,
        method: values.get("method")?,
        signing_secrets: values.maybe("signing_secret").unwrap_or_default(),
        body: match (values.maybe("body"), format.as_str()) {
            (Some(template), _) => WebhookBody::Template(template),
            (None, "cloudevents") => WebhookBody::CloudEvents,
            (None, "alertmanager") => WebhookBody::Alertmanager,
            (None, _) => WebhookBody::Alert,
        },
        headers: values.get("headers")?,
        public_only: values.get::<String>("egress")? == "public_only",
        success: values.maybe("success"),
        skip_tls_verification: values.get("dangerous_skip_tls_verification")?,
        ca_file: values.maybe("ca_file"),
    })
}

fn file(values: &Values) -> Built<File> {
    Ok(File {
        path: values.get("path")?,
        rotate_bytes: values.get("rotate_bytes")?,
        keep: values.get("keep")?,
        sync: values.get("sync")?,
    })
}

fn policy(values: &Values) -> Built<Policy> {
    Ok(Policy {
        timeout: values.get("timeout")?,
        retry_schedule: values.get("retry_schedule")?,
        max_age: values.get("max_age")?,
        in_flight_max: values.get("in_flight_max")?,
        per_second: values.maybe("per_second"),
        per_minute: values.maybe("per_minute"),
        per_day: values.maybe("per_day"),
        digest: values.get::<String>("overflow")? == "digest",
    })
}

/// None where a route names a sink that is not there: a mistake says so.
pub(super) fn route(values: &Values, sinks: &[String]) -> Built<Option<Route>> {
    let wanted: Vec<String> = values.get("sinks")?;
    let index = |name: &String| sinks.iter().position(|sink| sink == name);
    let Some(sinks) = wanted.iter().map(index).collect() else {
        return Ok(None);
    };
    Ok(Some(Route {
        when: values.maybe("when"),
        sinks,
    }))
}
