//! The types of values that a setting can take, and how they are described to the operator.

use super::mistake;

/// What a setting takes.
#[derive(Clone, Debug)]
pub enum Type {
    /// Text that is not empty.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number, from and to.
    Whole(u64, u64),
    /// Such as `15s`, from and to in seconds.
    Duration(u64, u64),
    /// A list of durations.
    Schedule,
    /// An IP address and a port.
    Address,
    /// A list of address ranges.
    Networks,
    /// One of these words. A word of digits is a number in the file.
    Word(&'static [&'static str]),
    /// One of these words, which come from a file.
    Choice(Vec<String>),
    /// `sqlite:PATH`.
    StoreUrl,
    /// The path of a file.
    Path,
    /// An IANA time zone.
    Zone,
    /// A filter of log lines.
    Level,
    /// The name of an HTTP header.
    Header,
    /// A severity.
    Severity,
    /// One secret.
    Secret,
    /// A secret, or a list of them during a rotation.
    Secrets,
    /// The same, each `whsec_<base64>`.
    SigningSecrets,
    /// The HTTP address of one of our listeners. Not a secret.
    PublicUrl,
    /// An HTTP address, kept as a secret.
    Url,
    /// A table of text.
    Labels,
    /// A table from the fields of an alert to the values that they may have.
    Matches,
    /// A table from the fields of an alert to a pattern for the whole value.
    Patterns,
    /// The name of one field of an alert.
    Field,
    /// A table from fields that may be set to Jinja expressions.
    Formulas,
    /// A list of fields that may be set.
    Targets,
    /// A table from the vendor's words to severities.
    Severities,
    /// A table of secret templates.
    Headers,
    /// A Jinja template.
    Template,
    /// A Jinja expression over an alert.
    Condition,
    /// A Jinja expression over a receiver's response.
    Success,
    /// A list of full names of sinks.
    Sinks,
    /// A list of texts.
    Texts,
    /// A table with the paths of a certificate and its key.
    Tls,
}

/// The words for severities.
pub const SEVERITY: &[&str] = &["critical", "error", "warning", "info", "unknown"];

/// What kind of secret a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// Any text.
    Text,
    /// `whsec_<base64>`.
    Signing,
    /// An address.
    Url,
    /// A table of headers.
    Headers,
}

impl Type {
    /// Whether the value must never be shown.
    pub fn is_secret(&self) -> bool {
        // The address of a database can hold a password.
        self.secret().is_some() || matches!(self, Self::StoreUrl)
    }

    /// What kind of secret it is, if it is one.
    pub fn secret(&self) -> Option<SecretKind> {
        match self {
            Self::Secret | Self::Secrets => Some(SecretKind::Text),
            Self::SigningSecrets => Some(SecretKind::Signing),
            Self::Url => Some(SecretKind::Url),
            Self::Headers => Some(SecretKind::Headers),
            _ => None,
        }
    }

    /// What is expected, to be read after the word "expected".
    pub fn expected(&self) -> String {
        let text = match self {
            Self::Text => "text in quotes",
            Self::Flag => "`true` or `false`",
            Self::Whole(from, to) => return format!("a whole number from {from} to {to}"),
            Self::Duration(from, to) => {
                let (from, to) = (short(*from), short(*to));
                return format!(
                    "a duration from {from} to {to}, such as \"15s\", \"5m\" or \"24h\""
                );
            }
            Self::Schedule => "a list of durations, such as [\"1s\", \"5s\", \"1m\"]",
            Self::Address => "an IP address and a port, such as \"127.0.0.1:8080\"",
            Self::Networks => {
                "a list of address ranges, such as [\"10.0.0.0/8\", \"192.0.2.7/32\"]"
            }
            Self::Word(words) => return mistake::one_of(words.iter().copied()),
            Self::Choice(words) => return mistake::one_of(words.iter().map(String::as_str)),
            Self::Severity => return mistake::one_of(SEVERITY.iter().copied()),
            Self::StoreUrl => {
                "`sqlite:` and the path of a file, such as \"sqlite:campanile.db\", or \"postgres://USER:PASSWORD@HOST/DATABASE\" or { env = \"NAME\" }"
            }
            Self::Path => "the path of a file in quotes",
            Self::Zone => "a time zone of the IANA database, such as \"Asia/Shanghai\"",
            Self::Level => "`error`, `warn`, `info`, `debug` or `trace`",
            Self::Header => "the name of an HTTP header, such as \"x-client-cert-cn\"",
            Self::Secret => {
                "a secret: \"literal\", { env = \"NAME\" } or { file = \"/run/secrets/name\" }"
            }
            Self::Secrets | Self::SigningSecrets => {
                "a secret: \"literal\", { env = \"NAME\" } or { file = \"/run/secrets/name\" }, or a list of those"
            }
            Self::Url => "an address that begins with http:// or https://, or { env = \"NAME\" }",
            Self::PublicUrl => {
                "an address that begins with http:// or https://, without user, query or fragment, such as \"https://alerts.example.com\""
            }
            Self::Labels => "a table of text, such as { team = \"db\" }",
            Self::Matches => {
                "a table of fields and the values that they may have, such as { \"labels.team\" = \"db\", severity = [\"critical\", \"error\"] }"
            }
            Self::Patterns => {
                "a table of fields and a regular expression for the whole value, such as { \"labels.host\" = \"db-[0-9]+\" }"
            }
            Self::Field => "a field of the alert, such as \"resource.id\" or \"labels.host\"",
            Self::Formulas => {
                "a table of fields and Jinja expressions, such as { \"labels.team\" = \"table.team\", severity = \"'critical'\" }"
            }
            Self::Targets => "a list of fields, such as [\"labels.password\"]",
            Self::Severities => "a table of severities, such as { P0 = \"critical\" }",
            Self::Headers => "a table of headers, such as { X-Team = \"db\" }",
            Self::Template => "a Jinja template",
            Self::Condition => "a Jinja expression, such as \"severity == 'critical'\"",
            Self::Success => "a Jinja expression over `status` and `body`",
            Self::Texts => "a list of texts that are not empty",
            Self::Tls => "a table with `certificate` and `key`, the paths of two PEM files",
            Self::Sinks => "a list of sinks, such as [\"webhook/oncall\"]",
        };
        text.to_owned()
    }
}

fn short(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
