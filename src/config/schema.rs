//! `config/schema.json` and `config/full.toml`, written from the table of settings.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Vocabulary;
use super::settings::{self, Setting, Type};
use campanile_settings::SEVERITY;

/// What a mapping is for.
const MAPPINGS: &str = "Vendors of your own. A mapping says where the fields of an alert stand in a vendor's callback; \
    docs/add-a-vendor.md teaches it. It may also stand in a file of its own, file = \"acme.toml\", from the folder of this \
    file. One of the name of a built-in vendor wins over it.";

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
    for (name, doc, settings) in settings::SECTIONS {
        top.insert((*name).to_owned(), object(doc, settings));
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
    for (kind, doc, own) in settings::SINKS {
        let all = [*own, settings::POLICY].concat();
        sinks.insert((*kind).to_owned(), named(doc, &object(doc, &all)));
    }
    top.insert("mappings".to_owned(), mappings());
    top.insert("providers".to_owned(), providers);
    top.insert("sinks".to_owned(), closed("Where alerts go.", &sinks));
    let route = object("Which alerts go to which sinks.", settings::ROUTE);
    top.insert(
        "routes".to_owned(),
        json!({ "type": "array", "items": route }),
    );
    let mut schema = closed("A configuration of Campanile.", &top);
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
    for (name, doc, settings) in settings::SECTIONS {
        section(&mut text, doc, &format!("[{name}]"), &[settings], &[]);
    }
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
        section(
            &mut text,
            &doc,
            &format!("[providers.{name}.example]"),
            &[&own, settings::SOURCE],
            &live,
        );
    }
    text.push('\n');
    comment(&mut text, MAPPINGS);
    text.push_str(EXAMPLE_MAPPING);
    let all = [campanile_providers::Mapping::SETTINGS, settings::SOURCE];
    let doc = "Acme, a vendor of your own: it is what `[mappings.acme]` says.";
    section(&mut text, doc, "[providers.acme.example]", &all, &["token"]);
    for (kind, doc, own) in settings::SINKS {
        section(
            &mut text,
            doc,
            &format!("[sinks.{kind}.example]"),
            &[own, settings::POLICY],
            &[],
        );
    }
    let doc = "Which alerts go to which sinks. Without any route, every alert goes to every sink.";
    section(&mut text, doc, "[[routes]]", &[settings::ROUTE], &[]);
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
            // Beside the machine's own form: editors show the description only.
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

/// A vendor of the operator's. The gateway checks what stands in it; here only the outline is told.
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
        Type::Word(words) => json!({ "enum": words }),
        Type::Choice(words) => json!({ "enum": words }),
        Type::Severity => json!({ "enum": SEVERITY }),
        Type::Networks => json!({ "type": "array", "items": { "type": "string" } }),
        Type::Sinks | Type::Texts => {
            json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
        }
        Type::StoreUrl => json!({ "type": "string", "pattern": "^sqlite:." }),
        Type::PublicUrl => json!({ "type": "string", "pattern": "^https?://[^?#@]+$" }),
        Type::Secret | Type::Url => secret(),
        Type::Secrets | Type::SigningSecrets => {
            json!({ "anyOf": [secret(), { "type": "array", "items": secret(), "minItems": 1 }] })
        }
        Type::Labels => of(json!({ "type": "string" })),
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
