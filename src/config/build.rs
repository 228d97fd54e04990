//! The checked types, from tables that hold only sound values.

use std::sync::Arc;

use campanile_model::Callback;
use campanile_providers::{Never, Provider, SettingKind, Source};

use super::check::{Check, Named};
use super::node::Node;
use super::settings::{
    ADMIN, FILE, LOG, POLICY, ROUTE, SERVER, SOURCE, STDOUT, STORE, Setting, WEBHOOK,
};
use super::values::{self, Read};
use super::{
    Admin, Config, Feed, File, Log, Policy, Route, Server, SinkKind, SinkSpec, Stdout, Store,
    Webhook, WebhookBody,
};

/// A value cannot be built because of a mistake that is told already.
struct Mistaken;

type Built<T> = Result<T, Mistaken>;

/// One table on its way into a type.
#[derive(Clone, Copy)]
struct Table<'a> {
    check: &'a Check<'a>,
    node: Option<&'a Node>,
    settings: &'a [Setting],
}

/// The parts of a configuration; none for each in whose way a mistake stands.
pub(super) struct Parts {
    pub(super) server: Option<Server>,
    pub(super) admin: Option<Admin>,
    store: Option<Store>,
    log: Option<Log>,
    pub(super) feeds: Vec<Option<Feed>>,
    sinks: Vec<Option<SinkSpec>>,
    routes: Vec<Option<Route>>,
}

impl Parts {
    /// Builds what can be built.
    pub(super) fn of<'a>(
        check: &'a Check<'a>,
        tree: &'a Node,
        sources: &[Named<'a>],
        sinks: &[Named<'a>],
        routes: &[&'a Node],
    ) -> Self {
        let section = |name, settings| Table {
            check,
            node: tree.get(name),
            settings,
        };
        Self {
            server: server(section("server", SERVER)).ok(),
            admin: admin(section("admin", ADMIN)).ok(),
            store: store(section("store", STORE)).ok(),
            log: log(section("log", LOG)).ok(),
            feeds: sources
                .iter()
                .map(|named| feed(check, named).ok())
                .collect(),
            sinks: sinks.iter().map(|named| sink(check, named).ok()).collect(),
            routes: routes
                .iter()
                .map(|node| route(check, node, sinks).ok())
                .collect(),
        }
    }

    /// All of it, or none.
    pub(super) fn whole(self) -> Option<Config> {
        Some(Config {
            server: self.server?,
            admin: self.admin?,
            store: self.store?,
            log: self.log?,
            feeds: self.feeds.into_iter().collect::<Option<_>>()?,
            sinks: self.sinks.into_iter().collect::<Option<_>>()?,
            routes: self.routes.into_iter().collect::<Option<_>>()?,
        })
    }
}

/// Why a source could never believe a call: its provider asks for something that it does not have.
pub(super) fn never_believes(feed: &Feed) -> Option<Never> {
    let call = Callback::default();
    feed.provider.proof(&call, &feed.source).never()
}

impl Table<'_> {
    /// The setting or its default.
    fn get<T>(&self, name: &str, read: impl Fn(&Node) -> Read<T>) -> Built<T> {
        self.read(name, read).ok_or(Mistaken)
    }

    /// None when it is neither written nor has a default, or is a mistake.
    fn read<T>(&self, name: &str, read: impl Fn(&Node) -> Read<T>) -> Option<T> {
        if let Some(node) = self.node.and_then(|table| table.get(name)) {
            return read(node).ok();
        }
        let setting = self.settings.iter().find(|setting| setting.name == name)?;
        read(&Node::default(setting.default?)?).ok()
    }

    /// The setting of which there may be none. The outer none is a mistake.
    fn maybe<T>(&self, name: &str, read: impl Fn(&Node) -> Read<T>) -> Built<Option<T>> {
        match self.node.and_then(|node| node.get(name)) {
            Some(node) => read(node).map(Some).map_err(|_| Mistaken),
            None => Ok(self.get(name, read).ok()),
        }
    }

    fn whole<N: TryFrom<u64>>(&self, name: &str) -> Built<N> {
        let whole = self.get(name, |node| values::whole(node, 0, u64::MAX));
        N::try_from(whole?).map_err(|_| Mistaken)
    }

    fn limit(&self, name: &str) -> Built<Option<u32>> {
        let limit = self.maybe(name, |node| values::whole(node, 0, u64::from(u32::MAX)))?;
        Ok(limit.and_then(|limit| u32::try_from(limit).ok()))
    }

    fn duration(&self, name: &str) -> Built<std::time::Duration> {
        self.get(name, |node| values::duration(node, 0, u64::from(u32::MAX)))
    }

    fn text(&self, name: &str) -> Built<String> {
        self.get(name, values::filled)
    }

    fn texts(&self, name: &str) -> Built<Option<String>> {
        self.maybe(name, values::filled)
    }
}

fn server(table: Table<'_>) -> Built<Server> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = table.maybe("workers", |node| values::whole(node, 1, 1024))?;
    Ok(Server {
        listen: table.get("listen", values::address)?,
        body_bytes_max: table.whole("body_bytes_max")?,
        trusted_proxies: table.get("trusted_proxies", values::networks)?,
        client_certificate_header: table
            .texts("client_certificate_header")?
            .map(|name| name.to_ascii_lowercase()),
        head_timeout: table.duration("head_timeout")?,
        body_timeout: table.duration("body_timeout")?,
        connections_max: table.whole("connections_max")?,
        workers: workers
            .and_then(|workers| usize::try_from(workers).ok())
            .unwrap_or(cores.saturating_sub(1).max(1)),
        tls: table.maybe("tls", values::tls)?,
    })
}

fn admin(table: Table<'_>) -> Built<Admin> {
    let environment = table.check.environment;
    Ok(Admin {
        listen: table.get("listen", values::address)?,
        token: table.maybe("token", |node| super::secret::strong(node, environment))?,
        tls: table.maybe("tls", values::tls)?,
    })
}

fn store(table: Table<'_>) -> Built<Store> {
    Ok(Store {
        path: table.get("url", values::store_path)?,
        retention_days: table.whole("retention_days")?,
    })
}

fn log(table: Table<'_>) -> Built<Log> {
    Ok(Log {
        pretty: table.text("format")? == "pretty",
        level: table.text("level")?,
    })
}

fn feed<'a>(check: &'a Check<'a>, named: &Named<'a>) -> Built<Feed> {
    let mut all = check.vocabulary.providers.iter();
    let provider = all
        .find(|provider| provider.name() == named.kind)
        .ok_or(Mistaken)?;
    let table = Table {
        check,
        node: Some(named.table),
        settings: SOURCE,
    };
    let mut source = Source {
        name: named.full(),
        open: table.get("open", values::flag)?,
        keys: table
            .maybe("key", |node| values::secrets(node, check.environment))?
            .unwrap_or_default(),
        allow_from: table
            .maybe("allow_from", values::networks)?
            .unwrap_or_default(),
        client_certificates: names(table, "client_certificate")?,
        severity: table.maybe("severity", values::severity)?,
        severities: table.get("severities", values::severities)?,
        time_zone: table.maybe("time_zone", values::zone)?,
        labels: table.get("labels", values::labels)?,
        ..Source::default()
    };
    own_settings(&mut source, table, &**provider)?;
    Ok(Feed {
        provider: Arc::clone(provider),
        source: Arc::new(source),
    })
}

fn own_settings(source: &mut Source, table: Table<'_>, provider: &dyn Provider) -> Built<()> {
    let environment = table.check.environment;
    // A name that all sources have means for each what it means for all.
    let common = |name| SOURCE.iter().any(|setting| setting.name == name);
    let own = provider.about().settings.iter();
    for setting in own.filter(|setting| !common(setting.name)) {
        match setting.kind {
            SettingKind::Token => {
                let tokens =
                    table.maybe(setting.name, |node| values::secrets(node, environment))?;
                source.tokens.extend(tokens.unwrap_or_default());
            }
            SettingKind::User => source.user = table.texts(setting.name)?,
            SettingKind::Topics => source.topics = names(table, setting.name)?,
            SettingKind::Tenant => source.tenant = table.texts(setting.name)?,
            SettingKind::Audience => source.audiences = names(table, setting.name)?,
            SettingKind::DemoPaths => {
                source.demo_paths = table.maybe(setting.name, values::flag)?.unwrap_or(false);
            }
        }
    }
    Ok(())
}

fn names(table: Table<'_>, name: &str) -> Built<Vec<String>> {
    let names = table.maybe(name, values::names)?.unwrap_or_default();
    Ok(names
        .iter()
        .filter_map(|name| values::text(name).ok().map(str::to_owned))
        .collect())
}

fn sink<'a>(check: &'a Check<'a>, named: &Named<'a>) -> Built<SinkSpec> {
    let of = |settings| Table {
        check,
        node: Some(named.table),
        settings,
    };
    Ok(SinkSpec {
        name: named.full(),
        kind: match named.kind {
            "webhook" => SinkKind::Webhook(webhook(of(WEBHOOK))?),
            "file" => SinkKind::File(file(of(FILE))?),
            _ => SinkKind::Stdout(Stdout {
                json: of(STDOUT).text("format")? == "json",
            }),
        },
        policy: policy(of(POLICY))?,
    })
}

fn webhook(table: Table<'_>) -> Built<Webhook> {
    let environment = table.check.environment;
    let signing = table.maybe("signing_secret", |node| {
        values::signing_secrets(node, environment)
    })?;
    Ok(Webhook {
        url: table.get("url", |node| values::url(node, environment))?,
        method: table.text("method")?,
        signing_secrets: signing.unwrap_or_default(),
        body: match (table.texts("body")?, table.text("format")?.as_str()) {
            (Some(template), _) => WebhookBody::Template(template),
            (None, "cloudevents") => WebhookBody::CloudEvents,
            (None, "alertmanager") => WebhookBody::Alertmanager,
            (None, _) => WebhookBody::Alert,
        },
        headers: table.get("headers", |node| values::headers(node, environment))?,
        public_only: table.text("egress")? == "public_only",
        success: table.texts("success")?,
        skip_tls_verification: table.get("dangerous_skip_tls_verification", values::flag)?,
        ca_file: table.texts("ca_file")?.map(Into::into),
    })
}

fn file(table: Table<'_>) -> Built<File> {
    Ok(File {
        path: table.text("path")?.into(),
        rotate_bytes: table.whole("rotate_bytes")?,
        keep: table.whole("keep")?,
        sync: table.get("sync", values::flag)?,
    })
}

fn policy(table: Table<'_>) -> Built<Policy> {
    Ok(Policy {
        timeout: table.duration("timeout")?,
        retry_schedule: table.get("retry_schedule", values::schedule)?,
        max_age: table.duration("max_age")?,
        in_flight_max: table.whole("in_flight_max")?,
        per_second: table.limit("per_second")?,
        per_minute: table.limit("per_minute")?,
        per_day: table.limit("per_day")?,
        digest: table.text("overflow")? == "digest",
    })
}

fn route<'a>(check: &'a Check<'a>, node: &'a Node, sinks: &[Named<'a>]) -> Built<Route> {
    let table = Table {
        check,
        node: Some(node),
        settings: ROUTE,
    };
    let wanted = table.get("sinks", values::names)?;
    let index = |name: &Node| {
        let name = values::text(name).ok()?;
        sinks.iter().position(|sink| sink.full() == name)
    };
    Ok(Route {
        when: table.texts("when")?,
        sinks: wanted
            .iter()
            .map(index)
            .collect::<Option<_>>()
            .ok_or(Mistaken)?,
    })
}
