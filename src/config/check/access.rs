//! `[admin.tokens.NAME]`.

use campanile_settings::Node;
use secrecy::ExposeSecret;

use super::{Check, Parts, build, built};
use crate::config::Token;
use crate::config::settings::TOKENS;

impl Check<'_> {
    /// The tokens with roles; none if one has a mistake.
    pub(super) fn tokens(&mut self, admin: Option<&Node>) -> Option<Vec<Token>> {
        let Some(top) = admin.and_then(|admin| admin.get(TOKENS.key)) else {
            return Some(Vec::new());
        };
        if !top.is_table() {
            self.findings.not_a_table(top, &TOKENS.path("NAME"));
            return None;
        }
        let tokens = top.entries().iter().map(|(name, table)| {
            if !self.name(TOKENS.section, TOKENS.key, name, table) {
                return None;
            }
            let values = self.table(Some(table), &TOKENS.path(name), TOKENS.settings);
            built(build::token(name, &values?))
        });
        // Each is checked, also after the first mistake.
        let tokens: Vec<Option<Token>> = tokens.collect();
        tokens.into_iter().collect()
    }

    /// Each token has a secret of its own: a request shows nothing else.
    pub(super) fn same_secrets(&mut self, parts: &Parts, tree: &Node) {
        let Some(admin) = &parts.admin else {
            return;
        };
        let all: Vec<Token> = admin.all_tokens().collect();
        let secret = |token: &Token| token.secret.expose_secret().to_owned();
        for (at, token) in admin.tokens.iter().enumerate() {
            let before = all.len() - admin.tokens.len() + at;
            let mut earlier = all.iter().take(before);
            let Some(same) = earlier.find(|other| secret(other) == secret(token)) else {
                continue;
            };
            let tables = tree.get("admin").and_then(|admin| admin.get(TOKENS.key));
            let Some(table) = tables.and_then(|tables| tables.get(&token.name)) else {
                continue;
            };
            let place = &table.get("secret").unwrap_or(table).place;
            let message = format!("`{}` and `{}` have the same secret", token.name, same.name);
            let expected = "a secret of its own for each token";
            self.findings.wrong(place, message, expected);
        }
    }
}
