//! The settings of the gateway itself: its listeners, its store, its log.

use super::{Setting, Type, optional, required, with};
use crate::config::Role;
use campanile_model::StoreCopies;

const TLS: &str = r#"{ certificate = "/etc/campanile/tls.pem", key = "/etc/campanile/tls.key" }"#;

pub(crate) const SERVER: &[Setting] = &[
    with(
        "listen",
        Type::Address,
        r#""127.0.0.1:8080""#,
        "The address that vendors call. Set `tls`, or put a TLS proxy in front of it. `0.0.0.0:8080` accepts calls from every network.",
    ),
    optional(
        "tls",
        Type::Tls,
        TLS,
        "Serve TLS with this certificate (followed by its chain) and this private key: two PEM files. They are read again when they change. The listener then refuses plain HTTP.",
    ),
    optional(
        "public_url",
        Type::PublicUrl,
        r#""https://alerts.example.com""#,
        "The address under which vendors reach this listener, when it is not `listen`: callback addresses are printed with it.",
    ),
    with(
        "body_bytes_max",
        Type::Whole(1024, 67_108_864),
        "1048576",
        "The largest body that is accepted. A larger one is answered 413. The largest alerts seen are below 256 KiB.",
    ),
    with(
        "trusted_proxies",
        Type::Networks,
        "[]",
        "Proxies whose X-Forwarded-For is trusted, such as [\"10.0.0.0/8\"]. None: the caller is the address that connects.",
    ),
    optional(
        "client_certificate_header",
        Type::Header,
        r#""x-client-cert-cn""#,
        "The header in which your proxy names the client certificate that it verified, by common name or whole subject. Trusted only from `trusted_proxies`, and never stored.",
    ),
    with(
        "head_timeout",
        Type::Duration(1, 300),
        r#""5s""#,
        "How long a sender may take to send its headers. This stops slow senders from holding all connections.",
    ),
    with(
        "body_timeout",
        Type::Duration(1, 300),
        r#""10s""#,
        "How long a sender may take to send its body. A slower sender is answered 408.",
    ),
    with(
        "connections_max",
        Type::Whole(1, 1_000_000),
        "10000",
        "Connections at the same time. Each needs a file descriptor: see `ulimit -n`.",
    ),
    optional(
        "drain",
        Type::Duration(0, 300),
        r#""5s""#,
        "How long a gateway that stops still accepts callbacks while `/readyz` says 503, so that a load balancer sends them elsewhere first. A second signal ends it. Left out: 5s if the store is PostgreSQL, 0s if it is SQLite.",
    ),
    optional(
        "workers",
        Type::Whole(1, 1024),
        "2",
        "How many threads serve HTTP. Left out: one less than the number of cores, at least one; the store writes on the other core.",
    ),
];

pub(crate) const ADMIN: &[Setting] = &[
    with(
        "listen",
        Type::Address,
        r#""127.0.0.1:8081""#,
        "The address of the page and the API. Any address but loopback needs `token`, `[admin.tokens.NAME]` or `[admin.proxy]`.",
    ),
    optional(
        "public_url",
        Type::PublicUrl,
        r#""https://campanile.example.com""#,
        "The address under which operators reach this listener, when it is not `listen`. Browsers may use this host name; links in messages lead here.",
    ),
    optional(
        "token",
        Type::Secret,
        r#"{ env = "CAMPANILE_ADMIN_TOKEN" }"#,
        "The bearer token of the page and the API, with the role `admin`. `/healthz` and `/readyz` need no token. Without any token, everyone who reaches a loopback address is an admin.",
    ),
    optional(
        "tls",
        Type::Tls,
        TLS,
        "Serve TLS with this certificate (followed by its chain) and this private key: two PEM files. They are read again when they change. The listener then refuses plain HTTP.",
    ),
];

pub(crate) const TOKEN: &[Setting] = &[
    required(
        "secret",
        Type::Secret,
        r#"{ env = "CAMPANILE_SHIFT_TOKEN" }"#,
        "The bearer token of this operator or program.",
    ),
    with(
        "role",
        Type::Word(Role::WORDS),
        r#""viewer""#,
        "viewer: sees everything but secrets. operator: also retries, pauses, resumes, tests and reads again. admin: also drops, and sees the keys of sources.",
    ),
];

pub(crate) const PROXY: &[Setting] = &[
    required(
        "user_header",
        Type::Header,
        r#""x-forwarded-user""#,
        "The header in which your proxy names the operator that it logged in.",
    ),
    required(
        "from",
        Type::Networks,
        r#"["10.0.0.5/32"]"#,
        "The addresses of the proxy. From any other address the headers are ignored. The proxy must set the headers on every request, so that a browser's own are never passed on.",
    ),
    optional(
        "groups_header",
        Type::Header,
        r#""x-forwarded-groups""#,
        "The header with the groups of the operator, separated by commas.",
    ),
    with(
        "roles",
        Type::Labels,
        "{}",
        "Roles of the groups, such as { sre = \"operator\" }. Of several groups, the highest role counts.",
    ),
    optional(
        "role",
        Type::Word(Role::WORDS),
        r#""viewer""#,
        "The role of an operator without a group in `roles`. Left out: such an operator needs a token.",
    ),
];

pub(crate) const STORE: &[Setting] = &[
    with(
        "url",
        Type::StoreUrl,
        r#""sqlite:campanile.db""#,
        "The database file. Keep it on a local disk: SQLite's locks do not hold on network file systems. Or a PostgreSQL database that several gateways share: \"postgres://USER:PASSWORD@HOST/DATABASE\"; see /help/scale in the gateway, docs/scale.md in the source.",
    ),
    with(
        "retention_days",
        Type::Whole(1, 3650),
        "30",
        "How long callbacks, alerts and dedup keys are kept. What is not delivered yet is kept longer.",
    ),
    optional(
        "copies",
        Type::Word(StoreCopies::WORDS),
        "2",
        "PostgreSQL only: what a callback that was answered 2xx survives. 2: it is answered only if the server names a synchronous standby, else 503. 1: the copy of one server is enough. \"storage\": the service replicates below the server. Left out: what the server offers, and the log says what that is.",
    ),
];

pub(crate) const OTLP: &[Setting] = &[
    required(
        "endpoint",
        Type::Url,
        r#""http://127.0.0.1:4318""#,
        "The collector: OTLP over HTTP with JSON. `/v1/traces` is appended.",
    ),
    with(
        "headers",
        Type::Headers,
        "{}",
        "Headers of each request to the collector, such as { Authorization = { env = \"OTLP_AUTH\" } }. They are sent as they are written.",
    ),
    with(
        "sample_percent",
        Type::Whole(0, 100),
        "100",
        "How many callbacks of a hundred are traced, each with all its deliveries. The trace id decides.",
    ),
    with(
        "trust_traceparent",
        Type::Flag,
        "false",
        "Continue the trace that a verified vendor names in the header `traceparent`, and follow its choice of what is sampled.",
    ),
];

pub(crate) const OWN: &[Setting] = &[
    with(
        "alerts",
        Type::Flag,
        "true",
        "Raise alerts of the source `campanile/self`: a sink fails or has dead letters, a source is silent (`silent_after`), commits are slow, the disk is nearly full.",
    ),
    with(
        "free_bytes_min",
        Type::Whole(0, 1_000_000_000_000_000),
        "1000000000",
        "Raise an alert when fewer bytes are free on the disk of the store. 0: never.",
    ),
];

pub(crate) const LOG: &[Setting] = &[
    with(
        "format",
        Type::Word(&["json", "pretty"]),
        r#""json""#,
        "json: one JSON object per line, for machines. pretty: for people.",
    ),
    with(
        "level",
        Type::Level,
        r#""info""#,
        "error, warn, info, debug or trace. A level for one module is added as in \"info,campanile::delivery=debug\".",
    ),
];
