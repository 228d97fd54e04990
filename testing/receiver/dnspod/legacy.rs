//! The older API: forms, a token in the body, and a User-Agent that names a person.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{LOGIN_TOKEN, State, ZONE, header, played};
use crate::{Got, Play};

type Fields = HashMap<String, String>;

pub(super) fn answer(state: &mut State, got: &Got) -> Play {
    let refuse = |code: &str| refused(code);
    let fields: Fields = serde_urlencoded::from_bytes(&got.body).unwrap_or_default();
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let agent = header(got, "user-agent");
    // `Name/version(mail)`.
    let named = agent.contains('/') && agent.contains('(') && agent.contains('@');
    if got.method != "POST" || !named {
        return refuse("-2");
    }
    if field("login_token") != LOGIN_TOKEN {
        return refuse("-1");
    }
    if field("format") != "json" {
        return Play::body("<?xml version=\"1.0\"?><dnspod/>");
    }
    if field("domain") != ZONE {
        return refuse("6");
    }
    match got.target.as_str() {
        "/Record.List" => {
            state.calls.push("list".to_owned());
            played(state, "list", refuse, |state| list(state, &fields))
        }
        "/Record.Status" => played(state, "switch", refuse, |state| switch(state, &fields)),
        _ => Play::status(404),
    }
}

fn refused(code: &str) -> Play {
    done(code, &json!({}))
}

fn done(code: &str, more: &Value) -> Play {
    let mut answer = more.clone();
    answer["status"] = json!({
        "code": code, "message": "a message of the vendor", "created_at": "2026-01-01 08:00:00"
    });
    Play::body(&answer.to_string())
}

fn list(state: &State, fields: &Fields) -> Play {
    let rows = state
        .rows
        .iter()
        .filter(|row| row.name == fields["sub_domain"]);
    let rows: Vec<_> = rows
        .map(|row| {
            let enabled = if row.on { "1" } else { "0" };
            json!({
                "id": row.id.to_string(), "name": row.name, "line": row.line, "line_id": "0", "type": row.kind,
                "ttl": "600", "value": row.value, "enabled": enabled, "status": "enabled", "monitor_status": "",
            })
        })
        .collect();
    if rows.is_empty() && fields.get("error_on_empty").is_none_or(|word| word != "no") {
        return refused("10");
    }
    let total = rows.len().to_string();
    done(
        "1",
        &json!({ "info": { "record_total": total }, "records": rows }),
    )
}

fn switch(state: &mut State, fields: &Fields) -> Play {
    let Some(id) = fields.get("record_id").and_then(|id| id.parse().ok()) else {
        return refused("8");
    };
    let on = match fields.get("status").map(String::as_str) {
        Some("enable") => true,
        Some("disable") => false,
        _ => return refused("2"),
    };
    if !state.switch(id, on) {
        return refused("8");
    }
    let word = if on { "enable" } else { "disable" };
    done(
        "1",
        &json!({ "record": { "id": id, "name": "www", "status": word } }),
    )
}
