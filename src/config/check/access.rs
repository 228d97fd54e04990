//! `[admin.tokens.NAME]` and `[admin.proxy]`.

use campanile_settings::{Node, one_of};
use secrecy::ExposeSecret;

use super::{Check, Parts, build, built};
use crate::config::settings::{PROXY, TOKENS};
use crate::config::{Proxy, Role, Token};

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

    /// The proxy that logs operators in: `Some(None)` without one, none if it has a mistake.
    #[expect(clippy::option_option, reason = "no proxy is not a mistake")]
    pub(super) fn proxy(&mut self, admin: Option<&Node>) -> Option<Option<Proxy>> {
        let Some(table) = admin.and_then(|admin| admin.get(PROXY.key)) else {
            return Some(None);
        };
        let values = self.table(Some(table), &PROXY.path(""), PROXY.settings)?;
        let proxy = built(build::proxy(&values))?;
        let before = self.findings.count();
        self.proxy_networks(table, &proxy);
        for (group, node) in table.get("roles").map_or(&[][..], Node::entries) {
            if !proxy.roles.contains_key(group) {
                let message = format!("the role of `{group}` is not a role");
                let expected = one_of(Role::WORDS.iter().copied());
                self.findings.wrong(&node.place, message, expected);
            }
        }
        (self.findings.count() == before).then_some(Some(proxy))
    }

    /// From these addresses, everyone can say who they are.
    fn proxy_networks(&mut self, table: &Node, proxy: &Proxy) {
        let Some(from) = table.get("from") else {
            return;
        };
        let expected = "the addresses of the proxy, such as [\"10.0.0.5/32\"]";
        if proxy.from.is_empty() {
            let message = "`from` has no address: the headers of the proxy would never be used";
            self.findings.wrong(&from.place, message, expected);
        }
        if let Some(all) = proxy.from.iter().find(|net| net.prefix_len() == 0) {
            let message = format!("`{all}` in `from` is every address: everyone could be an admin");
            self.findings
                .item(from, &all.to_string(), message, expected, None);
        }
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
