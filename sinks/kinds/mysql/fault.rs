//! What an error of MariaDB or MySQL means. Values of an alert, which the server quotes, are never shown.

use std::io;

use mysql_async::{DriverError, Error, ServerError};

use crate::http::client::{find, tls_words};
use crate::statement::Wrote;
use crate::{Class, Failure};

/// A message of the server is cut to so many characters.
const SHOWN_MAX: usize = 200;
/// So often a server that is read-only is connected again before the operator is notified: a failover passes.
const READ_ONLY_ATTEMPTS: u32 = 3;

/// A key is there already.
const DUPLICATE: u16 = 1062;
/// A text does not fit the character set of its column, or is not a number.
const BAD_TEXT: &[u16] = &[1366, 3988];
const READ_ONLY: &[u16] = &[1290, 1836, 3100];

/// A statement that failed.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Error);

impl Refusal {
    fn code(&self) -> u16 {
        match &self.0 {
            Error::Server(said) => said.code,
            _ => 0,
        }
    }

    /// A text may hold characters that its column cannot.
    pub(super) fn is_bad_text(&self) -> bool {
        BAD_TEXT.contains(&self.code())
    }

    /// What it means for the row.
    pub(super) fn outcome(self, attempt: u32, keeps_keys: bool) -> Result<Wrote, Failure> {
        let Error::Server(said) = &self.0 else {
            return Err(of_connection(&self.0));
        };
        match said.code {
            DUPLICATE if !keeps_keys => Ok(Wrote::KeyKnown),
            code if READ_ONLY.contains(&code) && attempt <= READ_ONLY_ATTEMPTS => {
                Err(failure(Class::Transient, said))
            }
            code => Err(failure(class(code), said)),
        }
    }
}

/// A session that did not begin, or a statement that was not accepted before any value.
pub(super) fn of_login(error: &Error) -> Failure {
    match error {
        Error::Server(said) => {
            let class = class(said.code);
            // Nothing was sent yet that could be at fault.
            let class = if class.is_refusal() {
                Class::Operator
            } else {
                class
            };
            failure(class, said)
        }
        other => of_connection(other),
    }
}

/// The class of an error code.
fn class(code: u16) -> Class {
    match code {
        // Connections, locks, shutdown, network, space.
        1020
        | 1021
        | 1040
        | 1041
        | 1053
        | 1077
        | 1078
        | 1079
        | 1080
        | 1114
        | 1158..=1161
        | 1180
        | 1203
        | 1205
        | 1213
        | 1226
        | 1317
        | 1927
        | 1969
        | 2006
        | 2013
        | 3024
        | 3168 => Class::Transient,
        // Rights, names, the statement, the login.
        1044 | 1045 | 1046 | 1049 | 1054 | 1064 | 1095 | 1115 | 1129 | 1130 | 1136 | 1142
        | 1143 | 1146 | 1149 | 1210 | 1227 | 1235 | 1251 | 1290 | 1305 | 1318 | 1370 | 1396
        | 1410 | 1524 | 1698 | 1820 | 1836 | 1862 | 2059 | 3100 | 3118 | 3159 | 4151 => {
            Class::Operator
        }
        _ => Class::Poison,
    }
}

fn failure(class: Class, said: &ServerError) -> Failure {
    let code = said.code;
    if class == Class::Poison {
        let place = column(&said.message);
        let place = place.map_or(String::new(), |name| format!(" in column `{name}`"));
        let hint = match code {
            1406 => ": a text is too long; cut it in `parameters`, such as `title[:100]`",
            1048 | 1364 => {
                ": the column needs a value that this alert does not have; write `|default('')` in `parameters`"
            }
            1292 => ": write a time as `starts_at|at('UTC')`",
            1153 => ": the row is larger than `max_allowed_packet`",
            _ => "",
        };
        let reason = format!("the server refuses a value of this alert ({code}){place}{hint}");
        return Failure::new(class, reason);
    }
    let words: String = said.message.chars().take(SHOWN_MAX).collect();
    Failure::new(class, format!("the server answers {code}: {words}"))
}

/// The column that a message names. The rest of the message can quote a value.
fn column(message: &str) -> Option<&str> {
    let named = message.split_once("olumn ");
    let (_, after) = named.or_else(|| message.split_once("Field "))?;
    let (quote, rest) = (after.chars().next()?, after.get(1..)?);
    let (name, _) = rest.split_once(quote)?;
    // MariaDB writes `database`.`table`.`column` in some messages.
    let rest = rest.rsplit_once("`.`").filter(|_| quote == '`');
    let last = rest.and_then(|(_, last)| last.split_once('`'));
    Some(last.map_or(name, |(name, _)| name)).filter(|_| matches!(quote, '\'' | '`'))
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
    let (class, reason) = match error {
        Error::Driver(DriverError::ConnectionClosed) => {
            (Class::Transient, "the server closed the connection")
        }
        Error::Driver(DriverError::NoClientSslFlagFromServer) => (
            Class::Operator,
            "the server has no TLS: turn it on there, or set `tls = \"off\"`",
        ),
        Error::Driver(DriverError::StmtParamsMismatch { .. }) => (
            Class::Operator,
            "the server counts other parameters than the statement names: look for `?` or `:` in its texts",
        ),
        Error::Driver(
            DriverError::UnknownAuthPlugin { .. }
            | DriverError::MysqlOldPasswordDisabled
            | DriverError::CleartextPluginDisabled,
        ) => (
            Class::Operator,
            "the server asks for a way to log in that is not supported: use a password",
        ),
        _ => (
            Class::Transient,
            "the connection failed before the server answered",
        ),
    };
    Failure::new(class, reason)
}
