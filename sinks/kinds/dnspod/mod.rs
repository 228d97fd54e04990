//! # dnspod
//!
//! ## What it does
//! Takes a server out of DNS while it is down. A firing alert switches the server's record at DNSPod (Tencent Cloud DNS) off. The recovery
//! switches on what this alert switched off, and nothing else. A record that a person switched off stays off.
//!
//! Four rules keep it from doing harm:
//! - **Floor.** At least `floor` records of the same host, type and line stay on. Two alerts at the same time are counted one after the
//!   other, so they cannot take the last two records.
//! - **Late attempts.** A firing whose problem is resolved already switches nothing off, also after hours of failures.
//! - **Several problems of one server.** The record stays off until the last of them is resolved.
//! - **Reading back.** A switch counts only after the list of records shows it. A record that is as it should be is not written again.
//!
//! ## Set it up
//! 1. In the CAM console of Tencent Cloud, make a sub-user with programmatic access and a policy of the actions
//!    `dnspod:DescribeRecordList` and `dnspod:ModifyRecordStatus` on this domain alone. Make an API key for the sub-user.
//! 2. Check that each server has a record of its own, and that the records of the host are more than `floor`.
//! 3. Start with `dry_run = true`, and read in `campanile alerts show` what would be switched. `campanile sinks test` is always a dry run.
//! 4. Send only the alerts that are worth a switch: a route with a condition. A sink without a route gets every alert.
//!
//! ```toml
//! [sinks.dnspod.web]
//! secret_id = { env = "DNSPOD_SECRET_ID" }
//! secret_key = { env = "DNSPOD_SECRET_KEY" }
//! domain = "example.com"
//! sub_domain = "www"
//! # The record of the server that the alert names: here by the server_id of Jiankong.
//! value = "{{ {'1234': '203.0.113.7', '1235': '203.0.113.8'}[labels.server_id] }}"
//! ledger = "/var/lib/campanile/dnspod.jsonl"   # its folder must exist
//! floor = 1
//!
//! [[routes]]
//! when = "severity == 'critical' and labels.server_id in ['1234', '1235']"
//! sinks = ["dnspod/web"]
//! ```
//!
//! `config/examples/dnspod.toml` is a whole configuration. An account that has only a DNSPod token uses the older API: set `login_token`
//! (`ID,Token`, from *Account*, *Keys*) and `contact` instead of the secrets. That token may do everything in the account.
//!
//! `ledger` is a file with one line for each switch: time, alert, record, what was done. After a restart Campanile reads in it which
//! problems hold a record off. Sinks of one zone must have the same ledger. At 8 MiB it is renamed to `NAME.1` and a new one is started.
//!
//! To do it by hand: DNSPod console, *My domains*, the domain, switch *Status* of the record. A record that was switched on by hand is
//! no longer Campanile's: the recovery does not touch it.
//!
//! ## What is sent
//! `DescribeRecordList` for the host, `ModifyRecordStatus` with `DISABLE` or `ENABLE` for each record to be switched, and the list once
//! more. With `login_token`: `Record.List` and `Record.Status` of `dnsapi.cn`. No text of the alert is sent. `campanile check --probe`
//! asks for the list and switches nothing.
//!
//! Resolvers keep the old address for the TTL of the record (600 s on the free plan): clients leave the server that much later.
//!
//! ## When it fails
//! - No record or several records match: nothing is switched, you are notified, and it is retried slowly. Set `value`, `type`, `line`.
//! - The floor would be broken: nothing is switched; three attempts, then a dead letter.
//! - Wrong keys, missing permission, a locked domain, the clock of this machine: you are notified, retried slowly.
//! - Too many requests: retried after a minute, with the older API after an hour. DNSPod blocks the older API for an hour after
//!   needless or frequent changes. `per_minute` is 6 for this reason.
//! - The server cannot be switched on because the plan's number of records per line is used up: you are notified. It stays out of DNS until
//!   you switch it on.
//! - The ledger cannot be written: nothing is switched off.
//!
//! ## What is not certain
//! Built from the vendor's documentation. The length of a block, the number of records per line of today's plans, and how soon the list
//! shows a switch were not measured. DNSPod's own monitor (D-monitor) can switch records too; the delivery then has a remark. If a person
//! switches a record on and off again by hand while the problem is open, Campanile does not see that, and the recovery switches it on.

mod action;
mod cloud;
mod codes;
mod ledger;
mod legacy;
mod record;
mod switch;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use campanile_language::Template;
use campanile_model::Secret;
use campanile_settings::{Setting, Type, Values, optional, required, with};
use secrecy::ExposeSecret;
use url::Url;

use crate::http::headers::address;
use crate::http::sign::Credentials;
use crate::kind::page;
use crate::reach::{self, Reach};
use crate::{About, BuildError, Confidence, Group, Kind, Limits, Sink, Tools};
use cloud::Cloud;
use ledger::Ledger;
use legacy::Legacy;
use record::Host;
use switch::{Door, Switch};

/// The kind.
#[derive(Debug)]
pub struct DnspodKind;

static ABOUT: About = About {
    name: Cow::Borrowed("dnspod"),
    title: Cow::Borrowed("DNSPod: takes a server out of DNS while it is down"),
    group: Group::Actions,
    confidence: Confidence::Documented,
    feature: None,
    alternatives: &[("secret_id", "login_token"), ("secret_key", "login_token")],
    limits: Limits {
        per_minute: Some(6),
        ..Limits::NONE
    },
    digest: false,
};

const OWN: &[Setting] = &[
    optional(
        "secret_id",
        Type::Secret,
        r#"{ env = "DNSPOD_SECRET_ID" }"#,
        "The SecretId of an API key of Tencent Cloud. Needs `secret_key`.",
    ),
    optional(
        "secret_key",
        Type::Secret,
        r#"{ env = "DNSPOD_SECRET_KEY" }"#,
        "The SecretKey that belongs to `secret_id`.",
    ),
    optional(
        "login_token",
        Type::Secret,
        r#"{ env = "DNSPOD_TOKEN" }"#,
        "A DNSPod token, `ID,Token`, for the older API, instead of `secret_id` and `secret_key`. Needs `contact`.",
    ),
    optional(
        "contact",
        Type::Text,
        r#""ops@example.com""#,
        "An e-mail address: the older API refuses requests without one.",
    ),
    optional(
        "url",
        Type::Url,
        r#""https://dnspod.tencentcloudapi.com""#,
        "Another address of the API, such as that of an intranet. The public one if it is not set.",
    ),
    required(
        "domain",
        Type::Text,
        r#""example.com""#,
        "The zone as it is registered, not the host name.",
    ),
    with(
        "sub_domain",
        Type::Text,
        r#""@""#,
        "The host inside the zone, such as \"www\". \"@\" is the zone itself.",
    ),
    with(
        "type",
        Type::Text,
        r#""A""#,
        "The type of the record, such as \"A\", \"AAAA\" or \"CNAME\".",
    ),
    optional(
        "line",
        Type::Text,
        r#""默认""#,
        "Only records of this line, in the vendor's words. Without it, those of every line.",
    ),
    optional(
        "value",
        Type::Template,
        r#""203.0.113.7""#,
        "A Jinja template that gives the value of the record, such as the address of the server. Needed where the host has several records.",
    ),
    with(
        "on_resolved",
        Type::Word(&["enable", "nothing"]),
        r#""enable""#,
        "enable: a recovery switches on what its firing switched off. nothing: a person does.",
    ),
    with(
        "floor",
        Type::Whole(1, 100),
        "1",
        "At least so many records of the same host, type and line stay on. What would break this is refused.",
    ),
    with(
        "dry_run",
        Type::Flag,
        "false",
        "Report what would be switched, and switch nothing.",
    ),
    required(
        "ledger",
        Type::Path,
        r#""/var/lib/campanile/dnspod.jsonl""#,
        "The file that lists every switch. Its folder must exist. Sinks of one zone must have the same.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| [OWN, reach::SETTINGS].concat());

impl Kind for DnspodKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        &SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("mod.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let reach = Reach::of(values)?;
        let value = values.text("value").map(Template::compile).transpose();
        let host = Host {
            domain: values.get("domain")?,
            name: values.get("sub_domain")?,
            kind: values.get("type")?,
            line: values.maybe("line"),
        };
        let floor: u64 = values.get("floor")?;
        let path: PathBuf = values.get("ledger")?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let problem = format!("the folder {} does not exist: create it", folder.display());
            return Err(BuildError::new("ledger", problem));
        }
        let door = door(values, &reach)?;
        Ok(Arc::new(Switch {
            name: tools.name.to_owned(),
            zone: switch::zone(door.address(), &host.domain),
            host,
            value: value.map_err(|mistake| BuildError::in_text("value", mistake))?,
            door,
            client: reach.client(tools.timeout)?,
            floor: usize::try_from(floor).unwrap_or(usize::MAX),
            dry_run: values.get("dry_run")?,
            enables: values.get::<String>("on_resolved")? == "enable",
            ledger: Ledger::at(&path),
            timeout: tools.timeout,
        }))
    }
}

/// The API that the credentials are for.
fn door(values: &Values, reach: &Reach) -> Result<Door, BuildError> {
    let lacks = |setting: &str, problem: &str| Err(BuildError::new(setting, problem));
    let url = |public: &str| -> Result<Url, BuildError> {
        let own: Option<Secret> = values.maybe("url");
        address(
            &own.unwrap_or_else(|| public.to_owned().into()),
            reach.egress,
        )
    };
    match (
        values.maybe("secret_id"),
        values.maybe("secret_key"),
        values.maybe::<Secret>("login_token"),
    ) {
        (Some(id), Some(key), None) => Ok(Door::Cloud(Cloud {
            url: url(cloud::PUBLIC)?,
            credentials: Credentials {
                id,
                key,
                token: None,
            },
        })),
        (None, None, Some(token)) => {
            if token.expose_secret().split_once(',').is_none() {
                return lacks(
                    "login_token",
                    "expected the ID and the token with a comma in between, such as `12345,0123...`",
                );
            }
            let Some(contact) = values.maybe::<String>("contact") else {
                return lacks(
                    "contact",
                    "set it to an e-mail address: the older API refuses requests without one",
                );
            };
            Ok(Door::Legacy(Legacy {
                url: url(legacy::PUBLIC)?,
                token,
                contact,
            }))
        }
        (Some(_), None, None) => lacks("secret_key", "set it: `secret_id` needs it"),
        _ => lacks(
            "secret_id",
            "set `secret_id` and `secret_key`, or `login_token` and `contact`",
        ),
    }
}
