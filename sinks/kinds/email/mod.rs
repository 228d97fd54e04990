//! # email
//!
//! ## What it does
//! Sends a mail to each recipient, over the mail server of your provider or your own. Firing and resolved form one conversation.
//!
//! ## Set it up
//! 1. Find the name of the submission server (SMTP) and its port: 465 is TLS from the start (`tls = "implicit"`), 587 begins with
//!    STARTTLS (`tls = "starttls"`).
//! 2. Make a password for a program. Many providers do not accept that of the mailbox.
//!    - Gmail: Google Account → Security → 2-Step Verification → App passwords.
//!    - Microsoft 365: admin centre → Users → the mailbox → Mail → Manage email apps → Authenticated SMTP. Microsoft ends it step by step from
//!      the end of 2026: use `auth = "xoauth2"`.
//!    - QQ, 163: 设置 → 账户 → POP3/SMTP 服务 → 开启. Use the 授权码 as `password`. `from` must be the mailbox of `username`.
//! 3. Many alarms at once can block an account: set `overflow = "digest"`.
//!
//! ```toml
//! [sinks.email.ops]
//! host = "smtp.example.com"
//! tls = "implicit"                            # port 465
//! username = "alerts@example.com"
//! password = { env = "SMTP_PASSWORD" }
//! from = "Campanile <alerts@example.com>"
//! to = ["oncall@example.com", "Ops <ops@example.com>"]
//! language = "en"
//! timezone = "Asia/Shanghai"
//! overflow = "digest"
//! timeout = "30s"                             # some servers answer slowly on purpose
//! ```
//!
//! `campanile check --probe` connects, begins TLS and logs in. It sends nothing.
//!
//! ## What is sent
//! One mail for each recipient: each sees only its own address, and a limit of the provider counts each. Text and HTML say the same: the
//! value and its limit, since when, the vendor's text, resource, source, labels, links. No pictures, no scripts. Subject:
//! `[CRITICAL] load on web-01`, and `[RESOLVED] load on web-01` when it is over. A digest lists 30 alerts, the worst first.
//!
//! `Message-ID` is the same on every attempt, so most mail programs show a mail that was sent twice once. `References` names the problem.
//! `Importance: high` marks critical firings. `X-Campanile-Status`, `X-Campanile-Severity` and `X-Campanile-Source` are for filters;
//! `Auto-Submitted` stops vacation notices.
//!
//! With `template`, your text takes the place of the vendor's text and the facts. The subject and the first line stay.
//!
//! ## When it fails
//! A success means that the mail server has the mail, not that the mailbox has it. Later failures come back as mail to `from`.
//!
//! - 4xx, a connection that stops, a timeout: retried. Greylisting and limits of rate: after five minutes. Gmail's limit for a day: after an hour.
//! - A recipient that does not exist: the others get the mail, and the page of the delivery names it. If none exists, it is retried slowly
//!   and you are notified.
//! - A recipient that cannot take the mail now (a full mailbox): the others get it; the retry is for that one alone. After a restart in
//!   between, all get it again.
//! - Wrong credentials, a sender that the server does not allow, a certificate that is not trusted, a server without STARTTLS, a refusal as
//!   spam: retried slowly, and you are notified.
//! - Too large: sent once more without the vendor's text and the labels.
//! - A cut after the last byte: the mail may arrive twice, with the same `Message-ID`.
//!
//! The password is never sent without TLS. `tls = "none"` works only for servers with a private address, without a password.
//!
//! ## What is not certain
//! The limits of providers change: Gmail takes 500 mails a day from a personal account and 2000 from Workspace, Exchange Online 30 a minute.
//! The codes with which they refuse were taken from reports.

#[cfg(feature = "email")]
mod html;
#[cfg(feature = "email")]
mod letter;
#[cfg(feature = "email")]
mod mailer;
#[cfg(feature = "email")]
mod session;
#[cfg(feature = "email")]
mod settings;
#[cfg(feature = "email")]
mod verdict;
#[cfg(feature = "email")]
mod wire;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, optional, required, with};
#[cfg(feature = "email")]
use settings::{Auth, Login, Server, Settings, Tls};

use crate::kind::page;
use crate::{
    About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach, recipe,
};

/// The kind.
#[derive(Debug)]
pub struct EmailKind;

static ABOUT: About = About {
    name: Cow::Borrowed("email"),
    title: Cow::Borrowed("mail over an SMTP server"),
    group: Group::People,
    confidence: Confidence::Tested,
    feature: Some(Feature {
        name: "email",
        built: cfg!(feature = "email"),
    }),
    alternatives: &[],
    limits: Limits {
        per_minute: Some(20),
        ..Limits::NONE
    },
    digest: true,
};

const OWN: &[Setting] = &[
    required(
        "host",
        Type::Text,
        r#""smtp.example.com""#,
        "The mail server. Its certificate must be for this name.",
    ),
    optional(
        "port",
        Type::Whole(1, 65_535),
        "465",
        "The port of the server. Without it: 465 for implicit, 587 for starttls, 25 for none.",
    ),
    with(
        "tls",
        Type::Word(&["implicit", "starttls", "none"]),
        r#""implicit""#,
        "implicit: TLS from the first byte. starttls: the server must offer STARTTLS. none: only for a server with a private address, without a password.",
    ),
    optional(
        "username",
        Type::Text,
        r#""alerts@example.com""#,
        "The user of the mail server, commonly the whole address.",
    ),
    optional(
        "password",
        Type::Secret,
        r#"{ env = "SMTP_PASSWORD" }"#,
        "The password of the user, or an app password. With `auth = \"xoauth2\"` an access token.",
    ),
    with(
        "auth",
        Type::Word(&["password", "xoauth2"]),
        r#""password""#,
        "password: PLAIN or LOGIN. xoauth2: `password` is an access token; write a new one to its file and send SIGHUP before it expires.",
    ),
    required(
        "from",
        Type::Text,
        r#""Campanile <alerts@example.com>""#,
        "The sender, with or without a name.",
    ),
    required(
        "to",
        Type::Texts,
        r#"["oncall@example.com"]"#,
        "The recipients, each with or without a name. Each gets a mail of its own. At most 50.",
    ),
];

impl Kind for EmailKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        static SETTINGS: LazyLock<Vec<Setting>> =
            LazyLock::new(|| [OWN, recipe::SETTINGS, reach::DIRECT].concat());
        &SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("mod.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        built(values, tools)
    }
}

#[cfg(feature = "email")]
fn built(values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
    let settings = Settings::of(values)?;
    Ok(Arc::new(mailer::Mailer {
        name: tools.name.to_owned(),
        locale: settings::locale(values, &settings.language)?,
        settings,
        timeout: tools.timeout,
        unfinished: std::sync::Mutex::default(),
    }))
}

#[cfg(not(feature = "email"))]
fn built(_: &Values, _: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
    Err(crate::kind::not_built("email"))
}
