//! What an error of PostgreSQL means. Values of an alert, which the server quotes in its `DETAIL`, are never shown.

use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::http::client::{find, tls_words};
use crate::statement::Wrote;
use crate::{Class, Failure};

/// A message of the server is cut to so many characters.
const SHOWN_MAX: usize = 200;
/// So often a server that is read-only is connected again before the operator is notified: a failover passes.
const READ_ONLY_ATTEMPTS: u32 = 3;

/// The run that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) attempt: u32,
    /// The statement says what happens to a row whose key is there already.
    pub(super) keeps_keys: bool,
}

/// A statement that failed.
pub(super) fn of_run(error: &Error, run: Run) -> Result<Wrote, Failure> {
    let Some(said) = error.as_db_error() else {
        return Err(of_connection(error));
    };
    match said.code().code() {
        "23505" if !run.keeps_keys => Ok(Wrote::KeyKnown),
        "25006" if run.attempt <= READ_ONLY_ATTEMPTS => Err(failure(Class::Transient, said)),
        _ => Err(failure(class(said.code().code()), said)),
    }
}

/// A session that did not begin, or a statement that was not accepted before any value.
pub(super) fn of_login(error: &Error) -> Failure {
    match error.as_db_error() {
        Some(said) => {
            let class = class(said.code().code());
            // Nothing was sent yet that could be at fault.
            let class = if class.is_refusal() {
                Class::Operator
            } else {
                class
            };
            failure(class, said)
        }
        None => of_connection(error),
    }
}

/// The class of an SQLSTATE.
fn class(state: &str) -> Class {
    let group = state.get(..2).unwrap_or_default();
    match (group, state) {
        ("08" | "53", _)
        | (
            _,
            "57P01" | "57P02" | "57P03" | "57P05" | "55P03" | "40001" | "40P01" | "57014" | "XX000",
        ) => Class::Transient,
        ("28" | "42" | "25" | "3D" | "3F" | "0A", _) => Class::Operator,
        _ => Class::Poison,
    }
}

fn failure(class: Class, said: &DbError) -> Failure {
    let state = said.code().code();
    if class == Class::Poison {
        let place = place(said);
        let hint = match state {
            "22001" => {
                ": a text is too long for its column; cut it in `parameters`, such as `title[:100]`"
            }
            "23502" => {
                ": a column needs a value that this alert does not have; write `|default('')` in `parameters`"
            }
            _ => "",
        };
        return Failure::new(
            class,
            format!("PostgreSQL refuses a value of this alert ({state}){place}{hint}"),
        );
    }
    let words: String = said.message().chars().take(SHOWN_MAX).collect();
    Failure::new(class, format!("PostgreSQL answers {state}: {words}"))
}

/// The column or the rule that refused a value, if the server names one.
fn place(said: &DbError) -> String {
    match (said.column(), said.constraint()) {
        (Some(column), _) => format!(" in column `{column}`"),
        (None, Some(rule)) => format!(" by the rule `{rule}`"),
        (None, None) => String::new(),
    }
}

/// A failure of the connection itself, in our words: the driver's can name what was sent.
fn of_connection(error: &Error) -> Failure {
    if let Some(tls) = find::<rustls::Error>(error) {
        return Failure::new(Class::Transient, format!("TLS failed: {}", tls_words(tls)));
    }
    if let Some(io) = find::<io::Error>(error) {
        let reason = format!("the connection failed: {}", io.kind());
        return Failure::new(Class::Transient, reason);
    }
    if error.is_closed() {
        return Failure::new(Class::Transient, "the server closed the connection");
    }
    let reason = format!("the session cannot begin ({error}): check `user`, `password` and `tls`");
    Failure::new(Class::Operator, reason)
}
