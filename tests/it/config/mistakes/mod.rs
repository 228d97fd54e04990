//! Every mistake: its place, the problem and the fix that is named.

mod gateway;
mod rewrites;
mod routes;
mod sinks;
mod sources;

use campanile::config::{self, Location};

use super::{environment, load};

/// What is written, where the mistake is, and words that must be said.
type Expected = (&'static str, (usize, usize), &'static [&'static str]);

#[test]
fn each_kind_of_mistake_is_one_mistake_in_its_place_with_its_mend() {
    let mut wrong = Vec::new();
    let sections = [
        gateway::MISTAKES,
        sources::MISTAKES,
        sinks::MISTAKES,
        routes::MISTAKES,
        rewrites::MISTAKES,
    ];
    for (text, at, words) in sections.into_iter().flatten() {
        match load(text) {
            Ok(_) => wrong.push(format!("accepted:\n{text}")),
            Err(mistakes) => {
                let drawn = mistakes.to_string();
                let first = mistakes.iter().next().unwrap();
                let one = mistakes.iter().count() == 1;
                let said = words.iter().all(|word| drawn.contains(word));
                let placed = matches!(&first.location, Location::Line(line) if (line.line, line.column) == *at);
                if !(one && said && placed) {
                    wrong.push(format!("wanted {at:?} {words:?}\n{drawn}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

#[test]
fn a_tool_whose_alerts_another_provider_reads_is_sent_to_that_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campanile.toml");
    for tool in ["amtool", "prometheus", "vmalert"] {
        std::fs::write(&file, format!("[providers.{tool}.prod]\n")).unwrap();
        let loaded = config::load(std::slice::from_ref(&file), &environment(&[]));
        let text = loaded.unwrap_err().to_string();
        assert!(
            text.contains(&format!("unknown provider `{tool}`")),
            "{text}"
        );
        assert!(text.contains("did you mean `alertmanager-api`?"), "{text}");
    }
}
