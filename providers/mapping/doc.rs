//! Writes the page of a mapping for operators.

use super::Mapping;
use super::form::{Form, Table};
use campanile_language::Expression;

const KEYS: &[&str] = &["sends", "point", "read", "not_kept"];

/// The page: Markdown with the four headings that every provider has.
pub(crate) fn page(form: &mut Form<'_>, top: Table<'_>, mapping: &Mapping) -> String {
    let doc = form.table(top, "doc");
    if let Some(doc) = doc {
        form.only(doc, KEYS);
    }
    let mut said = |key: &str| {
        doc.and_then(|doc| form.text(doc, key))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let (sends, point, read, not_kept) =
        (said("sends"), said("point"), said("read"), said("not_kept"));
    let template = form.text(top, "template").unwrap_or_default().trim_end();
    let sources: Vec<_> = form
        .texts(top, "source")
        .into_iter()
        .map(|(text, _)| format!("- {text}"))
        .collect();
    let name = &mapping.about.name;
    let id = message_id(&mapping.fields.message_id);
    let same = message_id(&mapping.fields.fingerprint);
    let zone = mapping.zone.iana_name().unwrap_or("UTC");
    let confidence = &mapping.about.confidence;
    let not_kept = or(&not_kept, "Everything that is not named above.");
    let read = format!(
        "{read}\n\nMessage id: {id}. Fingerprint: {same}. Times without a zone are in {zone}."
    );
    let mut parts = vec![
        format!(
            "# What it sends\n\n{}",
            or(&sends, "See the sources below.")
        ),
        format_point(&point, name, &mapping.about.proof, template),
        format!("# How it is read\n\n{}", read.trim_start()),
        format!("# What is not kept\n\n{not_kept}\n\nHow sure: {confidence}."),
    ];
    if !sources.is_empty() {
        parts.push(format!("Sources:\n\n{}", sources.join("\n")));
    }
    parts.join("\n\n") + "\n"
}

fn format_point(point: &str, name: &str, proof: &str, template: &str) -> String {
    let mut parts = vec![format!(
        "# Point it here\n\n`https://<your host>/callback/{name}/<source>` (with a key: `.../<source>/<key>`). \
         Proof: {proof}."
    )];
    if !point.is_empty() {
        parts.push(point.to_owned());
    }
    if !template.is_empty() {
        parts.push(format!("Paste this template:\n\n```\n{template}\n```"));
    }
    parts.join("\n\n")
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// `fingerprint + startsAt + status`: the last word of each expression.
pub(crate) fn message_id(parts: &[Expression]) -> String {
    let words = parts.iter().map(|part| {
        let place = part.place("item");
        let word = place.rsplit(['.', '[']).next().unwrap_or_default();
        word.trim_matches(['\'', '"', ']']).to_owned()
    });
    words.collect::<Vec<_>>().join(" + ")
}
