//! Tencent Cloud API 3.0, service `dnspod`.

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::codes::{self, Refusal};
use super::record::{Host, RECORDS_MAX, Record};
use crate::http::client::{Client, Request, Response, classify, explain};
use crate::http::sign::{Credentials, Scheme, Scope};
use crate::{Class, Failure};

/// The address for everybody.
pub(super) const PUBLIC: &str = "https://dnspod.tencentcloudapi.com";
const ACTION: HeaderName = HeaderName::from_static("x-tc-action");
const VERSION: HeaderName = HeaderName::from_static("x-tc-version");

pub(super) struct Cloud {
    pub(super) url: Url,
    pub(super) credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<T> {
    response: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refused {
    error: Fault,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    record_count_info: Count,
    record_list: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Count {
    total_count: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Switched {
    record_id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    record_id: u64,
    name: String,
    r#type: String,
    line: String,
    value: String,
    status: String,
    #[serde(default)]
    monitor_status: Option<String>,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self {
            id: row.record_id.to_string(),
            name: row.name,
            kind: row.r#type,
            line: row.line,
            value: row.value,
            on: row.status == "ENABLE",
            watched: row.monitor_status.is_some_and(|status| !status.is_empty()),
        }
    }
}

impl Cloud {
    /// The request for the records of a host, unsigned.
    pub(super) fn list_body(host: &Host) -> Value {
        let mut body = json!({
            "Domain": host.domain,
            "Subdomain": host.name,
            "RecordType": host.kind,
            "Limit": RECORDS_MAX,
            // Without it, a host without records is an error.
            "ErrorOnEmpty": "no",
        });
        if let (Some(line), Some(body)) = (&host.line, body.as_object_mut()) {
            body.insert("RecordLine".to_owned(), line.as_str().into());
        }
        body
    }

    /// The request that switches a record, unsigned.
    pub(super) fn switch_body(host: &Host, id: &Value, on: bool) -> Value {
        let status = if on { "ENABLE" } else { "DISABLE" };
        json!({ "Domain": host.domain, "RecordId": id, "Status": status })
    }

    /// The records, and how many there are.
    pub(super) async fn list(
        &self,
        client: &Client,
        host: &Host,
        at: Timestamp,
    ) -> Result<(Vec<Record>, usize), Refusal> {
        let body = Self::list_body(host);
        let answer = self.ask(client, "DescribeRecordList", &body, at).await;
        let Listed {
            record_count_info,
            record_list,
        } = answer?;
        let records = record_list.into_iter().map(Record::from);
        Ok((records.collect(), record_count_info.total_count))
    }

    /// Switches a record.
    pub(super) async fn switch(
        &self,
        client: &Client,
        host: &Host,
        (id, on): (&str, bool),
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let number: u64 = id.parse().map_err(|_| {
            let reason = "the id of the record is not a number";
            Failure::new(Class::Poison, reason)
        })?;
        let body = Self::switch_body(host, &number.into(), on);
        let answer = self.ask(client, "ModifyRecordStatus", &body, at).await;
        let Switched { record_id } = answer?;
        if record_id == number {
            return Ok(());
        }
        let reason = "DNSPod answered for another record";
        Err(Failure::new(Class::Transient, reason).into())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        client: &Client,
        action: &'static str,
        body: &Value,
        at: Timestamp,
    ) -> Result<T, Refusal> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(ACTION, HeaderValue::from_static(action));
        headers.insert(VERSION, HeaderValue::from_static("2021-03-23"));
        let mut request = Request {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: body.to_string().into(),
            at,
        };
        let scope = Scope {
            service: "dnspod",
            ..Scope::default()
        };
        Scheme::Tc3.sign(&mut request, &self.credentials, scope)?;
        let response = client.exchange(request).await?;
        read(action, &response)
    }
}

/// Every answer of the API is 200; the body says whether it is a refusal.
fn read<T: DeserializeOwned>(action: &str, response: &Response) -> Result<T, Refusal> {
    if let Ok(refused) = serde_json::from_slice::<Answer<Refused>>(&response.body) {
        let Fault { code, message } = refused.response.error;
        let hint = codes::hint(&code);
        return Err(codes::cloud(&code).refusal(action, &code, &message, hint));
    }
    match serde_json::from_slice::<Answer<T>>(&response.body) {
        Ok(answer) if response.status == 200 => Ok(answer.response),
        _ => Err(stray(response)),
    }
}

/// An answer that is not the API's.
pub(super) fn stray(response: &Response) -> Refusal {
    let (class, reason) = match classify(response.status) {
        Some(class) => (class, explain(response.status)),
        None => (
            Class::Operator,
            format!(
                "the receiver answered {}, but not as DNSPod does: check `url`",
                response.status
            ),
        ),
    };
    Failure {
        class,
        code: Some(response.status),
        retry_after: response.asked_wait(),
        reason,
    }
    .into()
}
