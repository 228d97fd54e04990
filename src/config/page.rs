//! `docs/config.md`, written from the table of settings.

use std::collections::BTreeMap;

use super::Vocabulary;
use super::settings::{self, Setting};

const HEAD: &str = "\
# Every setting

Written by the tests from `src/config/settings/`. Begin with `config/minimal.toml`. `config/full.toml` shows
every setting in its place. With `config/schema.json` an editor completes and checks them.

A config is one TOML file, or a folder of them that are merged in the order of their names. The environment wins over files:
`CAMPANILE__SERVER__LISTEN=0.0.0.0:8080` sets `listen` of `[server]`. A secret is `\"literal\"`, `{ env = \"NAME\" }` or
`{ file = \"/run/secrets/name\" }`, and is never printed. `campanile check` shows every mistake at once. A changed file, or
`SIGHUP`, is applied completely or not at all.
";

/// Every setting with what may stand there, its default and why, as Markdown.
pub fn page(vocabulary: &Vocabulary) -> String {
    let mut parts = vec![HEAD.to_owned()];
    for (name, doc, own) in settings::SECTIONS {
        let own = if own.is_empty() {
            String::new()
        } else {
            format!("\n{}", table(own))
        };
        parts.push(format!("## `[{name}]`\n\n{doc}\n{own}"));
        for inner in settings::inner(name) {
            let (path, doc) = (inner.path("<name>"), inner.doc);
            parts.push(format!(
                "### `[{path}]`\n\n{doc}\n\n{}",
                table(inner.settings)
            ));
        }
    }
    parts.push(sources(vocabulary));
    let policy = table(settings::POLICY);
    parts.push(format!(
        "## `[sinks.<kind>.<name>]`\n\nWhere alerts go. Every kind of sink takes these:\n\n{policy}"
    ));
    for kind in &vocabulary.sinks {
        let (name, title) = (&kind.about().name, &kind.about().title);
        let own = table(kind.settings());
        let limits = limits(&kind.about().limits);
        parts.push(format!(
            "### `[sinks.{name}.<name>]`\n\n[{title}](sinks/{name}.md).{limits}\n\n{own}"
        ));
    }
    let (own, doc) = (table(settings::TABLE), settings::TABLES_DOC);
    parts.push(format!("## `[tables.<name>]`\n\n{doc}\n\n{own}"));
    let (own, doc) = (table(settings::REWRITE), settings::REWRITES_DOC);
    parts.push(format!(
        "## `[[rewrites]]`\n\n{doc} [Routing](routing.md#how-do-i-add-a-team-to-alerts-that-lack-one) has examples.\n\n{own}"
    ));
    let (routes, doc) = (table(settings::ROUTE), settings::ROUTES_DOC);
    parts.push(format!(
        "## `[[routes]]`\n\n{doc} [Routing](routing.md) explains them with examples.\n\n{routes}"
    ));
    let doc = settings::NESTED_DOC;
    parts.push(format!("## `[[routes.routes]]`\n\n{doc}\n"));
    parts.join("\n")
}

/// The defaults of this kind for the settings that limit how many messages are sent.
fn limits(limits: &campanile_sinks::Limits) -> String {
    let each = limits
        .each()
        .map(|(name, limit)| format!("`{name} = {limit}`"));
    let each: Vec<_> = each.collect();
    if each.is_empty() {
        return String::new();
    }
    format!(" Its defaults are {}.", each.join(", "))
}

fn sources(vocabulary: &Vocabulary) -> String {
    let common = table(settings::SOURCE);
    let mut vendors: BTreeMap<_, (Setting, Vec<String>)> = BTreeMap::new();
    for provider in &vocabulary.providers {
        for own in vocabulary.settings_of(provider.name()) {
            let entry = vendors.entry((own.name.clone(), own.doc.clone()));
            let (_, names) = entry.or_insert((own, Vec::new()));
            names.push(format!("`{}`", provider.name()));
        }
    }
    let own: Vec<_> = vendors
        .values()
        .map(|(setting, _)| setting.clone())
        .collect();
    let mut whose: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (setting, names) in vendors.values() {
        let settings = whose.entry(names.join(", ")).or_default();
        settings.push(format!("`{}`", setting.name));
    }
    let whose = whose
        .iter()
        .map(|(names, settings)| format!("- {}: {names}.", settings.join(", ")));
    let whose = whose.collect::<Vec<_>>().join("\n");
    format!(
        "## `[providers.<vendor>.<name>]`\n\nWho may call: one table for each source, called at `/callback/<vendor>/<name>`. \
         [The vendors](providers/README.md) have a page each. Every source takes these:\n\n{common}\n\
         Some vendors take more:\n\n{}\nWhich vendors take them:\n\n{whose}\n",
        table(&own)
    )
}

fn table(settings: &[Setting]) -> String {
    let mut text =
        String::from("| setting | default | may be | what it does |\n| --- | --- | --- | --- |\n");
    text.extend(settings.iter().map(row));
    text
}

fn row(setting: &Setting) -> String {
    let default = match (&setting.default, setting.required) {
        (Some(default), _) => format!("`{default}`"),
        (None, true) => "required".to_owned(),
        (None, false) => "none".to_owned(),
    };
    let cells = [default, setting.takes.expected(), setting.doc.to_string()].map(|it| cell(&it));
    format!("| `{}` | {} |\n", setting.name, cells.join(" | "))
}

/// A bar would end the cell, and `<name>` outside of quotes would be taken for HTML.
fn cell(text: &str) -> String {
    let mut quoted = false;
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        quoted ^= letter == '`';
        match letter {
            '|' => safe.push_str("\\|"),
            '<' if !quoted => safe.push_str("&lt;"),
            _ => safe.push(letter),
        }
    }
    safe
}
