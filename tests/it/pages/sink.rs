//! `docs/sinks/`: a page for each kind of sink, and the list of all kinds by group.

use std::fmt::Write as _;

use campanile_sinks::{Group, Kind, kinds, page_of};

use super::cell;

const HEAD: &str = "\
The kinds of sinks. Each page says how to set it up on the vendor's side, what is sent and how it looks, and what follows from
each failure. `campanile sinks show KIND --page` prints the same page. `campanile sinks test KIND/NAME` sends one marked message and
prints the receiver's answer. A kind that is a *recipe* is one TOML file, which you can copy and change:
[Add a sink](../add-a-sink.md).
";

const LEGEND: &str = "\
How sure: *tested* means that the tests of Campanile send to the real receiver. *documented* is from the vendor's own description,
*code* from the code of the vendor or of its users, *inferred* from reports and similar services; none of these three was tried
against the real service.
";

/// What a group is for.
fn heading(group: Group) -> &'static str {
    match group {
        Group::Chat => "Chat",
        Group::People => "People: phones, mail, SMS, voice",
        Group::Machines => "Machines: incident tools, logs, events, other gateways",
        Group::Stores => "Stores: brokers, databases, files",
        Group::Actions => "Actions",
    }
}

/// The tables of all kinds.
pub(super) fn list() -> String {
    let mut text = format!(
        "# The kinds of sinks\n\n{HEAD}\nThere are {} of them.\n",
        kinds().len()
    );
    let used = |group: &Group| kinds().iter().any(|kind| kind.about().group == *group);
    for group in Group::ALL.into_iter().filter(used) {
        write!(
            text,
            "\n## {}\n\n| kind | | form | how sure |\n| --- | --- | --- | --- |\n",
            heading(group)
        )
        .unwrap();
        for kind in kinds().iter().filter(|kind| kind.about().group == group) {
            let about = kind.about();
            let form = if kind.toml().is_some() {
                "recipe"
            } else {
                "code"
            };
            let (name, title, sure) = (&about.name, cell(&about.title), about.confidence.as_str());
            writeln!(
                text,
                "| [`{name}`]({name}.md) | {title} | {form} | {sure} |"
            )
            .unwrap();
        }
    }
    text + "\n" + LEGEND
}

/// The page of one kind.
pub(super) fn page(kind: &dyn Kind) -> String {
    page_of(kind) + "\n[All kinds of sinks](README.md)\n"
}
