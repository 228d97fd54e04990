//! API 3.0 with TC3-HMAC-SHA256, written from the vendor's documentation and not from the code under test.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{SECRET_ID, SECRET_KEY, State, ZONE, header, played};
use crate::{Got, Play};

/// A signature is valid for five minutes.
const CLOCK_SECONDS_MAX: i64 = 300;

pub(super) fn answer(state: &mut State, got: &Got) -> Play {
    let refuse = |code: &str| refused(code);
    if let Err(code) = checked(state, got) {
        return refuse(code);
    }
    let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
    if body["Domain"] != ZONE {
        return refuse("InvalidParameter.DomainInvalid");
    }
    match header(got, "x-tc-action") {
        "DescribeRecordList" => {
            state.calls.push("list".to_owned());
            played(state, "list", refuse, |state| list(state, &body))
        }
        "ModifyRecordStatus" => played(state, "switch", refuse, |state| switch(state, &body)),
        _ => refuse("InvalidAction"),
    }
}

fn refused(code: &str) -> Play {
    let error = json!({ "Code": code, "Message": "a message of the vendor" });
    done(json!({ "Error": error }))
}

fn done(mut response: Value) -> Play {
    response["RequestId"] = "ab4f1426-ea15-42ea-8183-dc1b44151166".into();
    Play::body(&json!({ "Response": response }).to_string())
}

fn list(state: &State, body: &Value) -> Play {
    let same = |key: &str, value: &str| body[key].is_null() || body[key] == value;
    let found = state.rows.iter().filter(|row| {
        let line = same("RecordLine", &row.line);
        line && same("Subdomain", &row.name) && same("RecordType", &row.kind)
    });
    let rows: Vec<_> = found
        .map(|row| {
            json!({
                "RecordId": row.id, "Name": row.name, "Type": row.kind, "Line": row.line, "LineId": "0",
                "Value": row.value, "Status": if row.on { "ENABLE" } else { "DISABLE" }, "TTL": 600,
                "MonitorStatus": "", "UpdatedOn": "2026-01-01 00:00:00", "Remark": "", "Weight": null,
            })
        })
        .collect();
    if rows.is_empty() && body["ErrorOnEmpty"] != "no" {
        return refused("ResourceNotFound.NoDataOfRecord");
    }
    let limit = body["Limit"]
        .as_u64()
        .and_then(|limit| limit.try_into().ok());
    let total = rows.len();
    let page: Vec<_> = rows.into_iter().take(limit.unwrap_or(100)).collect();
    done(json!({
        "RecordCountInfo": { "SubdomainCount": 1, "ListCount": page.len(), "TotalCount": total },
        "RecordList": page,
    }))
}

fn switch(state: &mut State, body: &Value) -> Play {
    let (Some(id), Some(status)) = (body["RecordId"].as_u64(), body["Status"].as_str()) else {
        return refused("InvalidParameter");
    };
    if !["ENABLE", "DISABLE"].contains(&status) {
        return refused("InvalidParameter.StatusCodeInvalid");
    }
    if !state.switch(id, status == "ENABLE") {
        return refused("InvalidParameter.RecordIdInvalid");
    }
    done(json!({ "RecordId": id }))
}

/// The code of the refusal, if the sender is not who it says, or late.
fn checked(state: &State, got: &Got) -> Result<(), &'static str> {
    if got.method != "POST" || header(got, "x-tc-version") != "2021-03-23" {
        return Err("NoSuchVersion");
    }
    let at: i64 = header(got, "x-tc-timestamp").parse().unwrap_or(0);
    if (state.now.as_second() - at).abs() > CLOCK_SECONDS_MAX {
        return Err("AuthFailure.SignatureExpire");
    }
    if !header(got, "authorization").contains(&format!("Credential={SECRET_ID}/")) {
        return Err("AuthFailure.SecretIdNotFound");
    }
    if header(got, "authorization") == authorization(got, at) {
        Ok(())
    } else {
        Err("AuthFailure.SignatureFailure")
    }
}

fn authorization(got: &Got, at: i64) -> String {
    let names = ["content-type", "host", "x-tc-action"];
    let lines: Vec<_> = names
        .iter()
        .map(|name| format!("{name}:{}\n", header(got, name).to_lowercase()))
        .collect();
    let (lines, names) = (lines.concat(), names.join(";"));
    let hash = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let request = format!("POST\n/\n\n{lines}\n{names}\n{}", hash(&got.body));
    let date = jiff::Timestamp::from_second(at).unwrap_or_default();
    let date = date.strftime("%Y-%m-%d").to_string();
    let scope = format!("{date}/dnspod/tc3_request");
    let text = format!(
        "TC3-HMAC-SHA256\n{at}\n{scope}\n{}",
        hash(request.as_bytes())
    );
    let steps = [date.as_str(), "dnspod", "tc3_request", &text];
    let first = format!("TC3{SECRET_KEY}").into_bytes();
    let signature = hex::encode(steps.iter().fold(first, |key, step| hmac(&key, step)));
    format!(
        "TC3-HMAC-SHA256 Credential={SECRET_ID}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    let mac = mac.chain_update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
