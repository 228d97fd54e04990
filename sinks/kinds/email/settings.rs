//! The settings, checked.

use std::sync::Arc;

use campanile_language::Template;
use campanile_model::Secret;
use campanile_settings::Values;
use lettre::message::Mailbox;
use rustls::ClientConfig;

use super::letter;
use crate::http::guard::{Egress, admit};
use crate::reach::Reach;
use crate::words::Locale;
use crate::{BuildError, tls};

/// More recipients are a mailing list.
const RECIPIENTS_MAX: usize = 50;

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Implicit,
    Starttls,
    None,
}

/// What the password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    Password,
    Xoauth2,
}

/// Who logs in.
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) auth: Auth,
}

/// The mail server.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) egress: Egress,
    /// Which certificates are trusted; none without TLS.
    pub(super) trust: Option<Arc<ClientConfig>>,
    pub(super) login: Option<Login>,
}

/// Everything but the words.
pub(super) struct Settings {
    pub(super) server: Server,
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    pub(super) language: String,
}

impl Settings {
    pub(super) fn of(values: &Values) -> Result<Self, BuildError> {
        let to = values.texts("to").iter().map(|text| mailbox("to", text));
        let to: Vec<_> = to.collect::<Result<_, _>>()?;
        if to.is_empty() || to.len() > RECIPIENTS_MAX {
            let problem =
                format!("write 1 to {RECIPIENTS_MAX} addresses; for more, use a mailing list");
            return Err(BuildError::new("to", problem));
        }
        Ok(Self {
            server: server(values)?,
            from: mailbox("from", &values.get::<String>("from")?)?,
            to,
            language: values.get("language")?,
        })
    }
}

/// The words and the time zone.
pub(super) fn locale(values: &Values, language: &str) -> Result<Locale, BuildError> {
    let template = values.text("template").map(Template::compile).transpose();
    let template = template.map_err(|mistake| BuildError::in_text("template", mistake))?;
    let locale = Locale::new(language, values.get("timezone")?, letter::words(language));
    Ok(locale.with_template(template))
}

fn server(values: &Values) -> Result<Server, BuildError> {
    let reach = Reach::of(values)?;
    let (tls, port) = match values.get::<String>("tls")?.as_str() {
        "starttls" => (Tls::Starttls, 587),
        "none" => (Tls::None, 25),
        _ => (Tls::Implicit, 465),
    };
    let host: String = values.get("host")?;
    if let Ok(ip) = host.parse() {
        admit(ip, reach.egress).map_err(|refused| BuildError::new("host", refused.to_string()))?;
    }
    let login = login(values)?;
    if tls == Tls::None && login.is_some() {
        let problem = "a password is never sent without TLS: set `tls` to \"implicit\" or \"starttls\", or remove `username` and `password`";
        return Err(BuildError::new("tls", problem));
    }
    let trust = || tls::client_config(reach.ca_file.as_deref(), reach.skip_tls_verification);
    Ok(Server {
        host,
        port: values.maybe("port").unwrap_or(port),
        tls,
        egress: reach.egress,
        trust: (tls != Tls::None).then(trust).transpose()?,
        login,
    })
}

fn login(values: &Values) -> Result<Option<Login>, BuildError> {
    let auth = match values.get::<String>("auth")?.as_str() {
        "xoauth2" => Auth::Xoauth2,
        _ => Auth::Password,
    };
    match (values.text("username"), values.maybe("password")) {
        (Some(username), Some(password)) => Ok(Some(Login {
            username: username.to_owned(),
            password,
            auth,
        })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(BuildError::new(
            "username",
            "set `username` too, or remove `password`",
        )),
        (Some(_), None) => Err(BuildError::new(
            "password",
            "set `password` too, or remove `username`",
        )),
    }
}

fn mailbox(setting: &str, text: &str) -> Result<Mailbox, BuildError> {
    let shown: String = text.chars().take(40).collect();
    let mailbox: Mailbox = text.parse().map_err(|_| {
        let problem = format!(
            "`{shown}` is not a valid mail address; write one such as `ops@example.com` or `Ops <ops@example.com>`"
        );
        BuildError::new(setting, problem)
    })?;
    // Few servers take other addresses (SMTPUTF8).
    if !AsRef::<str>::as_ref(&mailbox.email).is_ascii() {
        let problem = format!("`{shown}` is not in ASCII: write the domain as `xn--...`");
        return Err(BuildError::new(setting, problem));
    }
    Ok(mailbox)
}
