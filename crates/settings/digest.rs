//! A digest of each part of the settings: programs can tell which parts differ between them without showing what is in them.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use super::node::{Node, Written};
use super::{Environment, secret};

/// The digests by the name of the part, such as `sinks.webhook.oncall` or `routes`.
pub type Digests = BTreeMap<String, String>;

/// Separates a path from its value, and a value from the next path.
const ENDS: &[u8] = &[0];

/// The digests of what was read, a tree and the documents that were opened: one for each document, each table
/// `[section.kind.name]` of the sections `named`, and each other section.
///
/// A secret counts with its value, so a variable and a file with the same secret do not differ. The digests are keyed: who does
/// not have `key` cannot try secrets against them. A setting for which `is_own` is true does not count: each program has its own.
pub fn digests(
    (tree, opened): (&Node, &BTreeMap<String, String>),
    environment: &Environment,
    named: &[&str],
    key: &[u8],
    is_own: &dyn Fn(&[&str]) -> bool,
) -> Digests {
    let mut parts = Parts {
        environment,
        is_own,
        leaves: BTreeMap::new(),
    };
    for (section, node) in tree.entries() {
        if !named.contains(&section.as_str()) {
            parts.part(&[section], node);
            continue;
        }
        for (kind, names) in node.entries() {
            for (name, node) in names.entries() {
                parts.part(&[section, kind, name], node);
            }
        }
    }
    for (part, text) in opened {
        parts.add(part, String::new(), text.clone());
    }
    let leaves = parts.leaves.into_iter();
    leaves
        .map(|(part, leaves)| (part, digest(key, &leaves)))
        .collect()
}

/// The values of each part by their path, in the order of the paths.
struct Parts<'a> {
    environment: &'a Environment,
    is_own: &'a dyn Fn(&[&str]) -> bool,
    leaves: BTreeMap<String, BTreeMap<String, String>>,
}

impl Parts<'_> {
    fn part(&mut self, path: &[&str], node: &Node) {
        self.walk(&path.join("."), &mut path.to_vec(), node);
    }

    fn add(&mut self, part: &str, path: String, value: String) {
        let leaves = self.leaves.entry(part.to_owned()).or_default();
        leaves.insert(path, value);
    }

    fn walk<'n>(&mut self, part: &str, path: &mut Vec<&'n str>, node: &'n Node) {
        if (self.is_own)(path) {
            return;
        }
        let here = path.join("\n");
        if let Some(secret) = self.secret(node) {
            return self.add(part, here, secret);
        }
        match &node.value {
            Written::Table(entries) => {
                for (name, node) in entries {
                    path.push(name);
                    self.walk(part, path, node);
                    path.pop();
                }
            }
            Written::List(items) => {
                self.add(part, here, format!("list of {}", items.len()));
                for (number, item) in items.iter().enumerate() {
                    let place = number.to_string();
                    let mut path: Vec<&str> = path.iter().copied().chain([&*place]).collect();
                    self.walk(part, &mut path, item);
                }
            }
            Written::Text(text) => self.add(part, here, format!("text {text}")),
            Written::Whole(number) => self.add(part, here, format!("number {number}")),
            Written::Flag(flag) => self.add(part, here, format!("flag {flag}")),
            // No setting takes one.
            Written::Fraction => {}
        }
    }

    /// What a reference to a secret leads to, written as the secret itself would be.
    fn secret(&self, node: &Node) -> Option<String> {
        let entries = node.entries();
        let is_reference =
            !entries.is_empty() && entries.iter().all(|(name, _)| secret::is_word(name));
        let secret = is_reference.then(|| secret::plain(node, self.environment))?;
        Some(format!("text {}", secret.ok()?.expose_secret()))
    }
}

fn digest(key: &[u8], leaves: &BTreeMap<String, String>) -> String {
    // A key of any length is valid.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    for (path, value) in leaves {
        for part in [path.as_bytes(), ENDS, value.as_bytes(), ENDS] {
            mac.update(part);
        }
    }
    let code = mac.finalize().into_bytes();
    let start = code.first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(start))
}
