//! The types of the configuration, from tables whose values are all valid.

use std::collections::BTreeMap;
use std::sync::Arc;

use campanile_language::window::{self, Window};
use campanile_model::{Callback, StoreCopies};
use campanile_providers::{Never, Provider, Source};
use campanile_settings::{Unset, Values};
use campanile_sinks::Kind;

use super::settings::SOURCE;
use super::{
    Admin, Hours, Log, Matching, Orphans, Otlp, Own, Policy, Proxy, Rewrite, Role, Route, Routing,
    Server, SinkSpec, SourceSpec, Store, Take, Tls, Token,
};

use super::windows::{self, After};

type Built<T> = Result<T, Unset>;

/// Why a source could never accept a call: its provider asks for something that is not set.
pub(super) fn never_believes(spec: &SourceSpec) -> Option<Never> {
    let call = Callback::default();
    spec.provider.proof(&call, &spec.source).never()
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
        drain: values.maybe("drain"),
        workers: values
            .maybe("workers")
            .unwrap_or(cores.saturating_sub(1).max(1)),
        tls,
    })
}

pub(super) fn token(name: &str, values: &Values) -> Built<Token> {
    let role = values.text("role").and_then(Role::of);
    Ok(Token {
        name: name.to_owned(),
        secret: values.get("secret")?,
        role: role.ok_or_else(|| Unset("role".to_owned()))?,
    })
}

/// The words in `roles` are valid: a mistake says so.
pub(super) fn proxy(values: &Values) -> Built<Proxy> {
    let roles: BTreeMap<String, String> = values.get("roles")?;
    let roles = roles.into_iter();
    Ok(Proxy {
        user_header: values.get("user_header")?,
        groups_header: values.maybe("groups_header"),
        from: values.get("from")?,
        roles: roles
            .filter_map(|(group, word)| Some((group, Role::of(&word)?)))
            .collect(),
        role: values.text("role").and_then(Role::of),
    })
}

pub(super) fn admin(
    values: &Values,
    tls: Option<Tls>,
    tokens: Vec<Token>,
    proxy: Option<Proxy>,
) -> Built<Admin> {
    Ok(Admin {
        listen: values.get("listen")?,
        public_url: values.maybe("public_url"),
        token: values.maybe("token"),
        tokens,
        proxy,
        tls,
    })
}

pub(super) fn store(values: &Values) -> Built<Store> {
    Ok(Store {
        url: values.get("url")?,
        retention_days: values.get("retention_days")?,
        copies: values.text("copies").and_then(StoreCopies::of),
    })
}

pub(super) fn log(values: &Values) -> Built<Log> {
    Ok(Log {
        pretty: values.get::<String>("format")? == "pretty",
        level: values.get("level")?,
    })
}

pub(super) fn otlp(values: &Values) -> Built<Otlp> {
    Ok(Otlp {
        endpoint: values.get("endpoint")?,
        headers: values.get("headers")?,
        sample_percent: values.get("sample_percent")?,
        trust_traceparent: values.get("trust_traceparent")?,
    })
}

pub(super) fn own(values: &Values) -> Built<Own> {
    Ok(Own {
        alerts: values.get("alerts")?,
        free_bytes_min: values.get("free_bytes_min")?,
    })
}

pub(super) fn source(
    name: String,
    provider: &Arc<dyn Provider>,
    values: &Values,
) -> Built<SourceSpec> {
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
        silent_after: values.maybe("silent_after"),
        ..Source::default()
    };
    own_settings(&mut source, values, &**provider);
    Ok(SourceSpec {
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

pub(super) fn sink(kind: &Arc<dyn Kind>, name: String, values: Values) -> Built<SinkSpec> {
    Ok(SinkSpec {
        name,
        kind: Arc::clone(kind),
        policy: Policy::of(&values)?,
        values,
    })
}

/// None where a name is not that of a sink: a mistake says so.
fn indices(wanted: &[String], sinks: &[String]) -> Option<Vec<usize>> {
    let index = |name: &String| sinks.iter().position(|sink| sink == name);
    wanted.iter().map(index).collect()
}

/// None where it names a sink that is not there.
pub(super) fn routing(values: &Values, sinks: &[String]) -> Built<Option<Routing>> {
    let take = match values.get::<String>("take")?.as_str() {
        "first" => Take::First,
        _ => Take::All,
    };
    let orphans = match values.get::<String>("orphans")?.as_str() {
        "drop" => Orphans::Drop,
        _ => Orphans::Route,
    };
    let otherwise = indices(values.texts("otherwise"), sinks);
    Ok(otherwise.map(|otherwise| Routing {
        take,
        otherwise,
        orphans,
    }))
}

/// A window as it is written.
pub(super) fn window(values: &Values) -> window::Spec {
    let texts = |name: &str| values.texts(name).to_vec();
    window::Spec {
        times: texts("times"),
        weekdays: texts("weekdays"),
        days: texts("days"),
        months: texts("months"),
        years: texts("years"),
        workdays: None,
    }
}

pub(super) fn silence(
    values: &Values,
    name: String,
    during: Vec<Arc<Window>>,
) -> Built<windows::Silence> {
    Ok(windows::Silence {
        name,
        matching: matching(values),
        during,
        after: After::of(&values.get::<String>("after")?).unwrap_or_default(),
    })
}

/// `match`, `regex` and `when` of a table.
pub(super) fn matching(values: &Values) -> Matching {
    Matching {
        matches: values.maybe("match").unwrap_or_default(),
        regex: values.maybe("regex").unwrap_or_default(),
        when: values.maybe("when"),
    }
}

/// A rewrite that sees the table at this place.
pub(super) fn rewrite(values: &Values, table: Option<usize>) -> Rewrite {
    Rewrite {
        name: values.maybe("name"),
        matching: matching(values),
        table,
        set: values.maybe("set").unwrap_or_default(),
        redact: values.texts("redact").to_vec(),
    }
}

/// A route without its nested routes. None where it names a sink that is not there.
pub(super) fn route(values: &Values, sinks: &[String]) -> Built<Option<Route>> {
    let wanted: Vec<String> = values.get("sinks")?;
    let Some(sinks) = indices(&wanted, sinks) else {
        return Ok(None);
    };
    Ok(Some(Route {
        name: values.maybe("name"),
        matching: matching(values),
        share: values.maybe("share"),
        goes_on: values.get("continue")?,
        hours: Hours::Always,
        firing_only: !values.get::<bool>("resolved")?,
        sinks,
        routes: Vec::new(),
    }))
}
