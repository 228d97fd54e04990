//! Who may use the admin listener, and as what.

use std::collections::BTreeMap;

use campanile_model::Secret;
use ipnet::IpNet;

use super::Admin;

/// What somebody may do at the admin listener. A later role may do all that an earlier one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees everything but secrets.
    Viewer,
    /// Also retries, pauses, resumes, tests, simulates, stops jobs and reads again.
    Operator,
    /// Also drops, and sees the keys of sources.
    Admin,
}

impl Role {
    /// The words for the roles, in their order.
    pub const WORDS: &[&str] = &["viewer", "operator", "admin"];

    /// The role of this word.
    pub fn of(word: &str) -> Option<Self> {
        let mut roles = [Self::Viewer, Self::Operator, Self::Admin].into_iter();
        roles.find(|role| role.as_str() == word)
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// `[admin.tokens.NAME]`: a token with a role.
#[derive(Clone, Debug)]
pub struct Token {
    /// The name, which logs and the audit show.
    pub name: String,
    /// The bearer token.
    pub secret: Secret,
    /// What it allows.
    pub role: Role,
}

/// `[admin.proxy]`: a proxy that logs operators in and names them in headers.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The header with the name of the operator, in lower case.
    pub user_header: String,
    /// The header with the groups of the operator, in lower case.
    pub groups_header: Option<String>,
    /// The addresses of the proxy.
    pub from: Vec<IpNet>,
    /// The roles of groups.
    pub roles: BTreeMap<String, Role>,
    /// The role without such a group.
    pub role: Option<Role>,
}

/// The name of the one token that is `[admin] token`.
const UNNAMED: &str = "token";

impl Admin {
    /// All tokens: `[admin] token`, then `[admin.tokens.NAME]`.
    pub fn all_tokens(&self) -> impl Iterator<Item = Token> {
        let unnamed = self.token.iter().map(|secret| Token {
            name: UNNAMED.to_owned(),
            secret: secret.clone(),
            role: Role::Admin,
        });
        unnamed.chain(self.tokens.iter().cloned())
    }

    /// The token that allows most, for the command line on the machine of the gateway.
    pub fn strongest_token(&self) -> Option<Secret> {
        let all: Vec<Token> = self.all_tokens().collect();
        // Of several, the first.
        let strongest = all.into_iter().rev().max_by_key(|token| token.role);
        strongest.map(|token| token.secret)
    }

    /// Whether everyone who reaches the listener is an admin, because nothing says who is.
    pub fn is_open(&self) -> bool {
        self.token.is_none() && self.tokens.is_empty() && self.proxy.is_none()
    }
}
