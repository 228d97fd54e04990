//! `docs/providers/`: a page for each vendor, made from its own text and its fixtures.

use std::fmt::Write as _;

use campanile::config::example::{self, PATH_KEY, has, variable};
use campanile_providers::{Fixture, Provider, fixtures, verify};
use serde_json::Value;

use super::cell;

const LIST_HEAD: &str = "\
The built-in vendors. Each page says where to enter the address, how the sender is verified, how the callback becomes an
alert, and what is not kept, and has an example. `campanile providers show NAME --page` prints the same page, and
`campanile send NAME` plays the vendor. To add another vendor, write a few lines of TOML: [Add a vendor](../add-a-vendor.md).
";

const LIST_LEGEND: &str = "\
How sure: *documented* is from the vendor's own description, *seen in code* from code that sends or reads the format, and
*inferred* from examples of others. Each page names its sources.

Proof: a *path key* is a secret at the end of the address, for vendors that can only call an address. With *or*, one of the
proofs is enough.
";

/// The table of all vendors.
pub(super) fn list() -> String {
    let all = campanile_providers::all();
    let mut text = format!(
        "# The vendors\n\n{LIST_HEAD}\nThere are {} of them.\n\n",
        all.len()
    );
    text += "| name | vendor | calls by | proof | message id | how sure |\n| --- | --- | --- | --- | --- | --- |\n";
    for provider in all {
        let name = provider.name();
        let cells = [
            provider.about().title.clone(),
            provider.about().methods.join(", "),
            provider.about().proof.clone(),
            provider.about().message_id.clone(),
            provider.about().confidence.clone(),
        ];
        let cells = cells.map(|it| cell(&it)).join(" | ");
        writeln!(text, "| [`{name}`]({name}.md) | {cells} |").unwrap();
    }
    text + "\n" + LIST_LEGEND
}

/// The page of one vendor.
pub(super) fn page(provider: &dyn Provider) -> String {
    let mut parts = vec![format!("# {}", provider.about().title), facts(provider)];
    let (said, sure) = sections(provider);
    for (heading, text) in said {
        let text = without_facts(provider, &text);
        parts.push(format!("## {heading}\n\n{text}").trim_end().to_owned());
        if heading == "Point it here" {
            parts.push(config(provider));
        }
    }
    parts.push(format!("## How sure we are\n\n{sure}"));
    parts.extend(example(provider));
    parts.push(cases(provider));
    parts.push("[All vendors](README.md)".to_owned());
    parts.join("\n\n") + "\n"
}

fn facts(provider: &dyn Provider) -> String {
    let name = provider.name();
    let rows = [
        ("word in the config", format!("`{name}`")),
        ("calls by", provider.about().methods.join(", ")),
        ("address", address(provider)),
        ("proof", provider.about().proof.clone()),
        ("message id", provider.about().message_id.clone()),
        ("how sure", provider.about().confidence.clone()),
    ];
    let rows = rows.map(|(what, is)| format!("| {what} | {} |", cell(&is)));
    format!("| | |\n| --- | --- |\n{}", rows.join("\n"))
}

/// The address for the vendor. If its only proof is a path key, the key is at the end.
fn address(provider: &dyn Provider) -> String {
    let source = format!("https://<your host>/callback/{}/<source>", provider.name());
    if !has_token(provider) && !has_jwt(provider) {
        return format!("`{source}/<key>`");
    }
    if provider.about().proof.contains(PATH_KEY) {
        return format!("`{source}`, or `{source}/<key>` with a path key");
    }
    format!("`{source}`")
}

/// The text without the paragraph that repeats the table of facts.
fn without_facts<'a>(provider: &dyn Provider, text: &'a str) -> &'a str {
    let address = format!(
        "`https://<your host>/callback/{}/<source>` (",
        provider.name()
    );
    if !text.starts_with(&address) {
        return text;
    }
    text.split_once("\n\n").map_or("", |(_, rest)| rest)
}

fn has_token(provider: &dyn Provider) -> bool {
    has(provider, "token")
}

fn has_jwt(provider: &dyn Provider) -> bool {
    has(provider, "audience")
}

/// The sections of the provider's own page, and how sure it is.
fn sections(provider: &dyn Provider) -> (Vec<(&str, String)>, String) {
    let doc = provider.about().doc.trim();
    let (said, sure) = doc.split_once("\n\nHow sure: ").unwrap_or((doc, ""));
    // Its first word is in the table of facts too.
    let (_, sources) = sure.split_once('\n').unwrap_or_default();
    let sections = said.trim_start_matches("# ").split("\n# ");
    let sections = sections.map(|section| {
        let (heading, text) = section.split_once('\n').unwrap_or((section, ""));
        (heading, text.trim().to_owned())
    });
    let word = match provider.about().confidence.as_str() {
        "documented" => "Documented: the vendor describes what it sends.",
        "seen in code" => "Seen in code that sends or reads it.",
        "inferred" => "Inferred from examples; the vendor does not describe it.",
        other => other,
    };
    (
        sections.collect(),
        format!("{word}\n\n{}", sources.trim()).trim().to_owned(),
    )
}

/// The config of a source.
fn config(provider: &dyn Provider) -> String {
    let lines = example::source(provider, "prod", None);
    format!("In the config:\n\n```toml\n{lines}```\n\n") + &trying(provider)
}

fn trying(provider: &dyn Provider) -> String {
    let name = provider.name();
    let variable = variable(provider);
    let (key, token) = if has_token(provider) {
        (String::new(), format!(" --token \"${variable}_TOKEN\""))
    } else {
        (format!("/${variable}_KEY"), String::new())
    };
    format!(
        "Play the vendor, to see an alert come through before its console is touched:\n\n```sh\ncampanile send {name} --to \
         \"http://127.0.0.1:8080/callback/{name}/prod{key}\"{token}\n```"
    )
}

/// The result of a case.
enum Came {
    /// Alerts, and how many items of the batch could not be read.
    Alerts(Vec<Value>, usize),
    Other(String),
}

fn came(provider: &dyn Provider, fixture: &Fixture) -> Came {
    let Ok(call) = fixture.callback() else {
        return Came::Other("not a valid HTTP request".to_owned());
    };
    let source = fixture.source();
    if let Err(refusal) = verify(provider, &call, &source) {
        return Came::Other(format!("refused with {}", refusal.status()));
    }
    let expected: Value = serde_json::from_str(fixture.expected).unwrap_or_default();
    match provider.read(&call, &source) {
        Err(fault) => Came::Other(format!(
            "quarantined: {} cannot be read",
            place(&fault.place)
        )),
        Ok(reading) => match (reading.ignored, reading.effect) {
            (Some(why), _) => Came::Other(format!("answered as success, no alert: {why}")),
            (_, Some(_)) => Came::Other("a handshake, which Campanile answers".to_owned()),
            _ => Came::Alerts(alerts(&expected), reading.unreadable.len()),
        },
    }
}

fn place(place: &str) -> String {
    if place.is_empty() {
        "it".to_owned()
    } else {
        format!("`{place}`")
    }
}

/// The expected alerts, also of a batch of which some could not be read.
fn alerts(expected: &Value) -> Vec<Value> {
    let list = expected.get("alerts").unwrap_or(expected);
    list.as_array().cloned().unwrap_or_default()
}

/// The cases with fixtures.
fn cases(provider: &dyn Provider) -> String {
    let mut text = "## What is tested\n\n| case | result |\n| --- | --- |\n".to_owned();
    for fixture in fixtures(provider.name()) {
        let what = match came(provider, fixture) {
            Came::Other(words) => words,
            Came::Alerts(alerts, unreadable) => lines(&alerts, unreadable),
        };
        writeln!(text, "| `{}` | {} |", fixture.case, cell(&what)).unwrap();
    }
    let name = provider.name();
    writeln!(text, "\nThe requests and alerts are in `fixtures/{name}/`; `campanile send {name} --case CASE` sends one.").unwrap();
    text.trim_end().to_owned()
}

/// The results of a batch, in a few words.
fn lines(alerts: &[Value], unreadable: usize) -> String {
    let mut lines: Vec<_> = alerts.iter().map(line).collect();
    if unreadable > 0 {
        lines.push(format!("{unreadable} of the batch quarantined"));
    }
    lines.join("; ")
}

/// An alert in a few words.
fn line(alert: &Value) -> String {
    let word = |key: &str| alert[key].as_str().unwrap_or_default().to_owned();
    format!(
        "{}, {}: {}",
        word("status"),
        word("severity"),
        word("title")
    )
}

/// The first case that gives an alert: the request and the alert.
fn example(provider: &dyn Provider) -> Option<String> {
    let all = fixtures(provider.name());
    let firing = all.iter().find(|fixture| fixture.case == "firing");
    let mut candidates = firing.into_iter().chain(all);
    let (fixture, alert) = candidates.find_map(|fixture| match came(provider, fixture) {
        Came::Alerts(alerts, _) => alerts.into_iter().next().map(|alert| (fixture, alert)),
        Came::Other(_) => None,
    })?;
    let request = fenced("http", &laid_out(fixture));
    let alert = fenced("json", &serde_json::to_string_pretty(&alert).unwrap());
    Some(format!(
        "## An example\n\nThe vendor sends (a JSON body is indented here):\n\n{request}\n\nIt becomes \
         this alert (`id` is left out, because it is new each time):\n\n{alert}"
    ))
}

/// The request as text, a JSON body over several lines.
fn laid_out(fixture: &Fixture) -> String {
    let request = String::from_utf8_lossy(fixture.request).replace("\r\n", "\n");
    let (head, body) = request.split_once("\n\n").unwrap_or((&request, ""));
    let body = serde_json::from_str::<Value>(body)
        .and_then(|body| serde_json::to_string_pretty(&body))
        .unwrap_or_else(|_| body.to_owned());
    format!("{head}\n\n{body}").trim_end().to_owned()
}

fn fenced(language: &str, text: &str) -> String {
    let fence = if text.contains("```") { "````" } else { "```" };
    format!("{fence}{language}\n{text}\n{fence}")
}
