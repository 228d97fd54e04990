//! `config/schema.json` and `config/full.toml`, written from the table of settings.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Vocabulary;
use super::settings::{self, Setting, Type};
use campanile_settings::SEVERITY;

/// What a mapping is for.
const MAPPINGS: &str = "Your own vendors. A mapping says where the fields of an alert are in a vendor's callback; \
    docs/add-a-vendor.md explains the form, and /help/add-a-vendor of a gateway. It can also be in its own file: \
    file = \"acme.toml\", from the folder of this file. A mapping with the name of a built-in vendor replaces that vendor.";

/// A mapping for `full.toml`.
const EXAMPLE_MAPPING: &str = r#"[mappings.acme]
title = "Acme"
confidence = "documented"
each = "body.checks"
proof = { kind = "header", name = "X-Acme-Token" }
status = { from = "item.state", firing = ["DOWN"], resolved = ["UP"] }
severity = { from = "item.prio", critical = ["P1"], warning = ["P2"] }
[mappings.acme.alert]
message_id = ["item.run", "item.state"]
fingerprint = ["item.check", "item.host"]
title = "item.host ~ ': ' ~ item.info"
"#;

/// The JSON Schema of a configuration file: editors complete and check by it.
pub fn json_schema(vocabulary: &Vocabulary) -> Value {
    let mut top = Map::new();
    for (name, doc, own) in settings::SECTIONS {
        let mut section = object(doc, own);
        for inner in settings::inner(name) {
            let table = object(inner.doc, inner.settings);
            let tables = if inner.named {
                named(inner.doc, &table)
            } else {
                table
            };
            if let Some(Value::Object(properties)) = section.get_mut("properties") {
                properties.insert(inner.key.to_owned(), tables);
            }
        }
        top.insert((*name).to_owned(), section);
    }
    let mut providers = Map::new();
    for provider in &vocabulary.providers {
        let all = [settings::SOURCE, &vocabulary.settings_of(provider.name())].concat();
        let doc = format!("Sources of {}.", provider.about().title);
        providers.insert(
            provider.name().to_owned(),
            named(&doc, &object("A source.", &all)),
        );
    }
    let mut providers = closed("Who may call.", &providers);
    if let Some(providers) = providers.as_object_mut() {
        let all = [settings::SOURCE, campanile_providers::Mapping::SETTINGS].concat();
        let own = named("Sources of a mapping of yours.", &object("A source.", &all));
        providers.insert("additionalProperties".to_owned(), own);
    }
    let mut sinks = Map::new();
    for kind in &vocabulary.sinks {
        let all = campanile_sinks::settings_of(&**kind);
        let (name, title) = (&kind.about().name, &kind.about().title);
        sinks.insert(name.to_string(), named(title, &object(title, &all)));
    }
    top.insert("mappings".to_owned(), mappings());
    top.insert("providers".to_owned(), providers);
    let mut sinks = closed("Where alerts go.", &sinks);
    if let Some(sinks) = sinks.as_object_mut() {
        let own = json!({ "type": "object", "additionalProperties": { "type": "object" } });
        sinks.insert("additionalProperties".to_owned(), own);
    }
    top.insert("recipes".to_owned(), recipes());
    top.insert("sinks".to_owned(), sinks);
    for (name, doc, own) in settings::NAMED {
        top.insert((*name).to_owned(), named(doc, &object(doc, own)));
    }
    let table = object("A table.", settings::TABLE);
    top.insert("tables".to_owned(), named(settings::TABLES_DOC, &table));
    let rewrite = object(settings::REWRITES_DOC, settings::REWRITE);
    let rewrites = json!({ "type": "array", "items": rewrite });
    top.insert("rewrites".to_owned(), rewrites);
    let level = json!({ "type": "array", "items": { "$ref": "#/definitions/route" } });
    let mut route = object(settings::ROUTES_DOC, settings::ROUTE);
    route["properties"]["routes"] = level.clone();
    top.insert("routes".to_owned(), level);
    let mut schema = closed("A configuration of Campanile.", &top);
    schema["definitions"] = json!({ "route": route });
    share(&mut schema);
    if let Some(schema) = schema.as_object_mut() {
        let dialect = json!("http://json-schema.org/draft-07/schema#");
        schema.shift_insert(0, "$schema".to_owned(), dialect);
    }
    schema
}

/// A configuration with every setting, its default and why.
pub fn full_toml(vocabulary: &Vocabulary) -> String {
    let mut text = String::from(
        "# Every setting of Campanile with its default. What is commented out has no default: it shows an example.\n\
         # Written by the tests from src/config/settings/; config/minimal.toml is the one to begin with.\n",
    );
    for (name, doc, own) in settings::SECTIONS {
        section(&mut text, doc, &format!("[{name}]"), &[own], &[]);
        for inner in settings::inner(name) {
            let header = format!("[{}]", inner.path("example"));
            section(&mut text, inner.doc, &header, &[inner.settings], &[]);
        }
    }
    let mut first = true;
    for provider in &vocabulary.providers {
        let name = provider.name();
        let doc = format!(
            "{}, called at /callback/{name}/example. Proof: {}.",
            provider.about().title,
            provider.about().proof
        );
        let own = vocabulary.settings_of(name);
        let live: Vec<_> = own
            .iter()
            .filter(|setting| matches!(setting.takes, Type::Secrets | Type::Texts))
            // Needs more than itself; a path key is there as well.
            .filter(|setting| setting.name != "audience")
            .map(|setting| &*setting.name)
            .collect();
        let live = if live.is_empty() { vec!["key"] } else { live };
        // The settings that all sources have are shown once, at the first.
        let common = settings::SOURCE.iter();
        let common = common.filter(|setting| first || live.contains(&&*setting.name));
        let all = [own.clone(), common.cloned().collect()].concat();
        first = false;
        let header = format!("[providers.{name}.example]");
        section(&mut text, &doc, &header, &[&all], &live);
    }
    text.push('\n');
    comment(&mut text, MAPPINGS);
    text.push_str(EXAMPLE_MAPPING);
    let all = [campanile_providers::Mapping::SETTINGS, settings::SOURCE];
    let doc = "Acme, a vendor of your own: it is what `[mappings.acme]` says.";
    section(&mut text, doc, "[providers.acme.example]", &all, &["token"]);
    let mut common: Option<&str> = None;
    for kind in &vocabulary.sinks {
        let (name, title) = (&kind.about().name, &kind.about().title);
        let doc = match common {
            Some(first) => {
                format!("{title}. It also takes the common settings that {first} shows.")
            }
            None => title.to_string(),
        };
        let own: Vec<_> = kind.settings().to_vec();
        let policy = if common.is_none() {
            settings::POLICY
        } else {
            &[]
        };
        let header = format!("[sinks.{name}.example]");
        section(&mut text, &doc, &header, &[&own, policy], &[]);
        common.get_or_insert("the first sink");
    }
    let (doc, own) = (settings::TABLES_DOC, settings::TABLE);
    section(&mut text, doc, "[tables.example]", &[own], &[]);
    let (doc, own) = (settings::REWRITES_DOC, settings::REWRITE);
    section(&mut text, doc, "[[rewrites]]", &[own], &["set"]);
    section(
        &mut text,
        settings::ROUTES_DOC,
        "[[routes]]",
        &[settings::ROUTE],
        &[],
    );
    let nested = settings::ROUTE
        .iter()
        .filter(|setting| setting.required || setting.name == "match");
    let nested: Vec<_> = nested.cloned().collect();
    section(
        &mut text,
        settings::NESTED_DOC,
        "[[routes.routes]]",
        &[&nested],
        &["match"],
    );
    let live: &[&[&str]] = &[&["times", "zone"], &["match"]];
    for ((name, doc, own), live) in settings::NAMED.iter().zip(live) {
        section(&mut text, doc, &format!("[{name}.night]"), &[own], live);
    }
    text
}

fn section(text: &mut String, doc: &str, header: &str, settings: &[&[Setting]], live: &[&str]) {
    let put = |text: &mut String, line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    put(text, "");
    comment(text, doc);
    put(text, header);
    for setting in settings.concat() {
        comment(text, &setting.doc);
        let active =
            setting.default.is_some() || setting.required || live.contains(&&*setting.name);
        let mark = if active { "" } else { "# " };
        put(
            text,
            &format!("{mark}{} = {}", setting.name, setting.example),
        );
    }
}

/// A comment, broken at 118 columns.
fn comment(text: &mut String, doc: &str) {
    let mut column = usize::MAX;
    for word in doc.split_whitespace() {
        if column.saturating_add(word.len() + 1) > 118 {
            let newline = if column == usize::MAX { "" } else { "\n" };
            text.push_str(newline);
            text.push('#');
            column = 1;
        }
        text.push(' ');
        text.push_str(word);
        column += word.len() + 1;
    }
    text.push('\n');
}

fn closed(doc: &str, properties: &Map<String, Value>) -> Value {
    json!({ "description": doc, "type": "object", "additionalProperties": false, "properties": properties })
}

fn named(doc: &str, table: &Value) -> Value {
    json!({
        "description": doc,
        "type": "object",
        "propertyNames": { "pattern": "^[a-z0-9_-]{1,64}$" },
        "additionalProperties": table,
    })
}

fn object(doc: &str, settings: &[Setting]) -> Value {
    let properties = settings
        .iter()
        .map(|setting| (setting.name.to_string(), property(setting)));
    let mut object = closed(doc, &properties.collect());
    let required: Vec<_> = settings
        .iter()
        .filter(|setting| setting.required)
        .map(|setting| &*setting.name)
        .collect();
    if let (Some(object), false) = (object.as_object_mut(), required.is_empty()) {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn property(setting: &Setting) -> Value {
    let mut schema = of_type(&setting.takes);
    if let Some(schema) = schema.as_object_mut() {
        let mut doc = setting.doc.to_string();
        if let Some(default) = &setting.default {
            // Next to the schema's own fields: editors show the description only.
            let _always = write!(doc, " Default: {default}");
        }
        schema.insert("description".to_owned(), json!(doc));
        let default = setting.default.as_ref().and_then(|default| {
            let table: toml::Table = format!("it = {default}").parse().ok()?;
            serde_json::to_value(table.get("it")?).ok()
        });
        schema.extend(default.map(|default| ("default".to_owned(), default)));
    }
    schema
}

/// A kind of sink of the operator's own. The gateway checks what is in it; here only the outline is described.
fn recipes() -> Value {
    json!({
        "description": "Your own kinds of sinks: one HTTP request each. docs/add-a-sink.md explains the form, and /help/add-a-sink of a gateway. A recipe can also be in its own file: file = \"pager.toml\", from the folder of this file. A recipe with the name of a built-in kind replaces that kind.",
        "type": "object",
        "additionalProperties": { "type": "object" },
    })
}

/// A smaller schema is repeated rather than shared.
const SHARED_BYTES_MIN: usize = 120;

/// Moves every schema that occurs more than once into `definitions`, under the name of its first place. The outermost go
/// first, then what their definitions have in common.
fn share(schema: &mut Value) {
    for _ in 0..3 {
        share_outermost(schema);
    }
}

fn share_outermost(schema: &mut Value) {
    let mut counts = BTreeMap::new();
    each_schema(schema, "", &mut |_, schema| {
        *counts.entry(schema.to_string()).or_insert(0) += 1;
    });
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let before = schema.get("definitions").and_then(Value::as_object);
    let before = before.map_or(0, Map::len);
    let mut shared = Map::new();
    each_schema(schema, "", &mut |name, schema| {
        let text = schema.to_string();
        let often = counts.get(&text).is_some_and(|count| *count > 1);
        if !often || text.len() < SHARED_BYTES_MIN {
            return;
        }
        let number = before + shared.len();
        let name = names
            .entry(text)
            .or_insert_with(|| format!("{name}-{number}"));
        shared.entry(&**name).or_insert_with(|| schema.clone());
        *schema = json!({ "$ref": format!("#/definitions/{name}") });
    });
    if let Some(schema) = schema.as_object_mut() {
        let definitions = schema.entry("definitions").or_insert_with(|| json!({}));
        definitions
            .as_object_mut()
            .into_iter()
            .for_each(|known| known.append(&mut shared));
    }
}

/// Visits every schema inside of a schema, the outer before the inner, with the name of its place.
fn each_schema(schema: &mut Value, name: &str, visit: &mut dyn FnMut(&str, &mut Value)) {
    let Some(parts) = schema.as_object_mut() else {
        return;
    };
    for (key, part) in parts {
        match (key.as_str(), part) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    visit(name, property);
                    each_schema(property, name, visit);
                }
            }
            ("definitions", Value::Object(definitions)) => {
                for (name, definition) in definitions {
                    each_schema(definition, name, visit);
                }
            }
            ("additionalProperties" | "items", part @ Value::Object(_)) => {
                let name = format!("{name}-each");
                visit(&name, part);
                each_schema(part, &name, visit);
            }
            ("anyOf", Value::Array(choices)) => {
                for choice in choices {
                    visit(name, choice);
                    each_schema(choice, name, visit);
                }
            }
            _ => {}
        }
    }
}

/// A mapping. The gateway checks its content; the schema describes only the outline.
fn mappings() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let several = json!({ "anyOf": [text, { "type": "array", "items": text }] });
    let table = json!({ "type": "object" });
    let file = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["file"],
        "properties": { "file": text },
    });
    let inline = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["title", "confidence", "status", "alert"],
        "properties": {
            "title": text,
            "confidence": { "enum": ["documented", "seen in code", "inferred"] },
            "source": several,
            "methods": several,
            "recognizes": text,
            "time_zone": text,
            "lower_keys": { "type": "boolean" },
            "any_case": { "type": "boolean" },
            "dotted_keys": { "type": "boolean" },
            "absent": several,
            "placeholders": several,
            "each": text,
            "skip": {},
            "template": text,
            "doc": table,
            "proof": table,
            "status": table,
            "severity": table,
            "alert": table,
            "tables": table,
            "answers": table,
            "fresh": table,
        },
    });
    json!({
        "description": MAPPINGS,
        "type": "object",
        "additionalProperties": { "anyOf": [file, inline] },
    })
}

fn of_type(takes: &Type) -> Value {
    let duration = json!({ "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h)" });
    let of = |items: Value| json!({ "type": "object", "additionalProperties": items });
    match takes {
        Type::Flag => json!({ "type": "boolean" }),
        Type::Whole(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Type::Duration(..) => duration,
        Type::Schedule => {
            json!({ "type": "array", "items": duration, "minItems": 1, "maxItems": 64 })
        }
        Type::Word(words) => {
            let value = |word: &&str| {
                word.parse::<u64>()
                    .map_or_else(|_| json!(word), |number| json!(number))
            };
            json!({ "enum": words.iter().map(value).collect::<Vec<_>>() })
        }
        Type::Choice(words) => json!({ "enum": words }),
        Type::Severity => json!({ "enum": SEVERITY }),
        Type::Networks => json!({ "type": "array", "items": { "type": "string" } }),
        Type::Sinks | Type::Texts | Type::Targets => {
            json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
        }
        Type::StoreUrl => {
            let mut url = secret();
            url["anyOf"][0]["pattern"] = json!("^(sqlite:|postgres(ql)?://).");
            url
        }
        Type::PublicUrl => json!({ "type": "string", "pattern": "^https?://[^?#@]+$" }),
        Type::Secret | Type::Url => secret(),
        Type::Secrets | Type::SigningSecrets => {
            json!({ "anyOf": [secret(), { "type": "array", "items": secret(), "minItems": 1 }] })
        }
        Type::Labels | Type::Patterns | Type::Formulas => of(json!({ "type": "string" })),
        Type::Matches => {
            let text = json!({ "type": "string" });
            of(json!({ "anyOf": [text, { "type": "array", "items": text, "minItems": 1 }] }))
        }
        Type::Severities => of(of_type(&Type::Severity)),
        Type::Headers => of(secret()),
        Type::Tls => tls(),
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}

fn tls() -> Value {
    let path = json!({ "type": "string", "minLength": 1 });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["certificate", "key"],
        "properties": { "certificate": path, "key": path },
    })
}

fn secret() -> Value {
    let table = |word: &str| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": [word],
            "properties": { word: { "type": "string" }, "dangerous_weak": { "type": "boolean" } },
        })
    };
    json!({ "anyOf": [{ "type": "string" }, table("env"), table("file"), table("value")] })
}
