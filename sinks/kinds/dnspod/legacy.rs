//! The older API at `dnsapi.cn`, for accounts that have only a DNSPod token.

use campanile_model::Secret;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::cloud::stray;
use super::codes::{self, Refusal};
use super::record::{Host, RECORDS_MAX, Record};
use crate::http::client::{Client, Request, Response};
use crate::{Class, Failure};

/// The address for everybody.
pub(super) const PUBLIC: &str = "https://dnsapi.cn";
/// The code of a success, a text.
const DONE: &str = "1";

pub(super) struct Legacy {
    pub(super) url: Url,
    /// `ID,Token`.
    pub(super) token: Secret,
    /// An e-mail address. The vendor blocks accounts whose requests do not name one.
    pub(super) contact: String,
}

#[derive(Deserialize)]
struct Stated {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    code: Value,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    info: Info,
    #[serde(default)]
    records: Vec<Row>,
}

#[derive(Default, Deserialize)]
struct Info {
    record_total: Value,
}

#[derive(Deserialize)]
struct Switched {}

/// Numbers come as texts in places.
#[derive(Deserialize)]
struct Row {
    id: Value,
    name: String,
    line: String,
    r#type: String,
    value: String,
    enabled: Value,
    #[serde(default)]
    monitor_status: Option<String>,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self {
            id: text(&row.id),
            name: row.name,
            kind: row.r#type,
            line: row.line,
            value: row.value,
            on: text(&row.enabled) == "1",
            watched: row.monitor_status.is_some_and(|status| !status.is_empty()),
        }
    }
}

impl Legacy {
    /// The fields of a request for the records of a host, without the token.
    pub(super) fn list_fields(host: &Host) -> Vec<(&'static str, String)> {
        vec![
            ("domain", host.domain.clone()),
            ("sub_domain", host.name.clone()),
            ("offset", "0".to_owned()),
            ("length", RECORDS_MAX.to_string()),
        ]
    }

    /// The fields of a request that switches a record, without the token.
    pub(super) fn switch_fields(host: &Host, id: &str, on: bool) -> Vec<(&'static str, String)> {
        let status = if on { "enable" } else { "disable" };
        vec![
            ("domain", host.domain.clone()),
            ("record_id", id.to_owned()),
            ("status", status.to_owned()),
        ]
    }

    /// The body of a request with these fields.
    pub(super) fn body(token: &str, fields: &[(&'static str, String)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("login_token", token);
        form.extend_pairs([("format", "json"), ("lang", "cn"), ("error_on_empty", "no")]);
        form.extend_pairs(fields);
        form.finish()
    }

    /// The records, and how many there are.
    pub(super) async fn list(
        &self,
        client: &Client,
        host: &Host,
        at: Timestamp,
    ) -> Result<(Vec<Record>, usize), Refusal> {
        let fields = Self::list_fields(host);
        let listed: Listed = self.ask(client, "Record.List", &fields, at).await?;
        let total = text(&listed.info.record_total).parse().unwrap_or(0);
        let records: Vec<_> = listed.records.into_iter().map(Record::from).collect();
        Ok((records, total))
    }

    /// Switches a record.
    pub(super) async fn switch(
        &self,
        client: &Client,
        host: &Host,
        (id, on): (&str, bool),
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let fields = Self::switch_fields(host, id, on);
        let Switched {} = self.ask(client, "Record.Status", &fields, at).await?;
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        client: &Client,
        action: &str,
        fields: &[(&'static str, String)],
        at: Timestamp,
    ) -> Result<T, Refusal> {
        let url = self.url.join(action).map_err(|_| {
            let reason = "`url` is not an address to which a path can be added";
            Failure::new(Class::Operator, reason)
        })?;
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(USER_AGENT, self.user_agent()?);
        let body = Self::body(self.token.expose_secret(), fields);
        let request = Request {
            method: Method::POST,
            url,
            headers,
            body: body.into(),
            at,
        };
        read(action, &client.exchange(request).await?)
    }

    /// The form is compulsory.
    fn user_agent(&self) -> Result<HeaderValue, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        let agent = format!("Campanile/{version} ({})", self.contact);
        HeaderValue::try_from(agent).map_err(|_| {
            let reason = "`contact` holds characters that no header can hold";
            Failure::new(Class::Operator, reason)
        })
    }
}

fn read<T: DeserializeOwned>(action: &str, response: &Response) -> Result<T, Refusal> {
    let Ok(Stated { status }) = serde_json::from_slice(&response.body) else {
        return Err(stray(response));
    };
    let code = text(&status.code);
    if code != DONE {
        let hint = codes::hint(&code);
        return Err(codes::legacy(&code).refusal(action, &code, &status.message, hint));
    }
    match serde_json::from_slice(&response.body) {
        Ok(answer) if response.status == 200 => Ok(answer),
        _ => Err(stray(response)),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
