//! Bulk actions: select items, print how many there are, then retry or drop them.

use clap::Args;
use clap_complete::{ArgValueCandidates, CompletionCandidate};

use super::api::{Answer, Api};
use super::complete;
use super::failure::Failure;
use super::output::Picked;
use super::progress::Progress;
use super::setup::count;
use super::table;
use super::terminal::Terminal;
use crate::api::types::{Counted, Selection};

/// A list whose items can be retried and dropped.
pub(crate) struct Kept {
    /// The path in the API.
    pub(crate) path: &'static str,
    /// The word for one item.
    pub(crate) noun: &'static str,
}

impl Kept {
    /// Shows one item by its number.
    pub(crate) async fn show(
        &self,
        id: i64,
        picked: &Picked,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let one = api.get(&[self.path, &id.to_string()], &[]).await?;
        if picked.print(one.raw(), terminal)? {
            return Ok(());
        }
        table::detail(terminal, one.raw())
    }

    /// Retries the selected items. Asks an operator at a terminal if there is more than one. Returns `None` in a dry run.
    pub(crate) async fn retry(
        &self,
        selection: Selection,
        how: &Doing,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<Option<Answer>, Failure> {
        let path = [self.path, "retry"];
        let announced = self.announce(&path, selection, how.json, api, terminal);
        let Some((selection, number)) = announced.await? else {
            return Ok(None);
        };
        let what = self.many(&number);
        if number.count > 1 && !how.yes && terminal.can_ask() {
            terminal.confirm(&format!("Retry {what}?"))?;
        }
        let progress = Progress::new(terminal, format!("retrying {what}"), None);
        let answer = progress.during(api.post(&path, &selection)).await?;
        self.found(&selection, &answer)?;
        Ok(Some(answer))
    }

    /// Drops the selected items. Asks for confirmation if there can be more than one.
    pub(crate) async fn drop(
        &self,
        selection: Selection,
        how: &Doing,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let path = [self.path, "drop"];
        let asks = !how.yes && !is_one(&selection) && !selection.dry_run;
        if asks && !terminal.can_ask() {
            let what = format!(
                "this command drops every selected {} permanently",
                self.noun
            );
            return Err(Failure::usage(what)
                .hint("add --yes to confirm, or --dry-run to print only how many there are"));
        }
        let announced = self.announce(&path, selection, how.json, api, terminal);
        let Some((selection, number)) = announced.await? else {
            return Ok(());
        };
        let what = self.many(&number);
        if asks {
            terminal.confirm(&format!("Drop {what} permanently?"))?;
        }
        let progress = Progress::new(terminal, format!("dropping {what}"), None);
        let answer = progress.during(api.post(&path, &selection)).await?;
        let dropped = self.found(&selection, &answer)?;
        if how.json {
            return terminal.json(answer.raw());
        }
        terminal.line(format_args!("{} dropped", count(dropped, self.noun)))
    }

    /// Prints how many items are selected. Returns the number, and the selection bound to it: items that come later are left
    /// out, and if some have gone, nothing is changed. Returns `None` in a dry run.
    async fn announce(
        &self,
        path: &[&str],
        mut selection: Selection,
        json: bool,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<Option<(Selection, Counted)>, Failure> {
        if is_one(&selection) && !selection.dry_run {
            let one = Counted {
                count: 1,
                ..Counted::default()
            };
            return Ok(Some((selection, one)));
        }
        let mut only_count = selection.clone();
        only_count.dry_run = true;
        let answer = api.post(path, &only_count).await?;
        self.found(&selection, &answer)?;
        let counted = answer.read::<Counted>()?;
        let words = format!("{} selected", self.many(&counted));
        match (selection.dry_run, json) {
            (true, true) => terminal.json(answer.raw())?,
            (true, false) => {
                terminal.line(format_args!("{words}; nothing was changed"))?;
                for line in details(&counted) {
                    terminal.line(format_args!("{line}"))?;
                }
            }
            (false, _) => {
                terminal.say(&words)?;
                for line in details(&counted) {
                    terminal.say(&line)?;
                }
            }
        }
        if selection.dry_run {
            return Ok(None);
        }
        selection.seen_to = counted.seen_to;
        // Deliveries end all the time, so their number is only that of now.
        selection.count = (self.path != "deliveries").then_some(counted.count);
        Ok(Some((selection, counted)))
    }

    fn many(&self, counted: &Counted) -> String {
        let many = count(counted.count, self.noun);
        if counted.more {
            return format!("more than {many}");
        }
        many
    }
}

/// What the selected items are, one line each.
fn details(counted: &Counted) -> Vec<String> {
    let groups = counted.groups.iter().map(|group| {
        let of = group.sink.as_ref().or(group.source.as_ref());
        let of = of.map_or("", String::as_str);
        format!("  {} {of}: {}", group.count, group.reason)
    });
    let mut lines: Vec<String> = groups.collect();
    lines.extend(counted.oldest_at.map(|at| format!("  oldest: {at}")));
    let ended = counted.ended - counted.left_out;
    if counted.left_out > 0 {
        let left_out = counted.left_out;
        lines.push(format!(
            "  {left_out} left out: they fire, but their problems have ended"
        ));
    } else if ended > 0 {
        lines.push(format!(
            "  {ended} of them fire, but their problems have ended: --leave-out-ended leaves them out"
        ));
    }
    lines
}

impl Kept {
    /// The number of items in the response. An error if numbers were given and none of them exists.
    fn found(&self, selection: &Selection, answer: &Answer) -> Result<u64, Failure> {
        let number = answer.read::<Counted>()?.count;
        if number > 0 || selection.ids.is_none() {
            return Ok(number);
        }
        let what = format!("no {} has this number", self.noun);
        Err(Failure::failed(what).hint("it may already be retried or dropped; see the list"))
    }
}

/// Flags of bulk actions.
#[derive(Debug, Args)]
pub(crate) struct Doing {
    /// Do not ask for confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the API's JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Selects items by number, by name or all. `B` selects by name; the id of its flag is `by`.
#[derive(Debug, Args)]
pub(crate) struct Chosen<B: Args + By + 'static> {
    /// Items with these numbers, from the list.
    #[arg(value_name = "ID", conflicts_with_all = ["by", "all"])]
    #[arg(add = ArgValueCandidates::new(B::ids))]
    ids: Vec<i64>,
    #[command(flatten)]
    by: B,
    /// All items.
    #[arg(long, conflicts_with = "by")]
    all: bool,
    /// Only print how many there are.
    #[arg(long)]
    dry_run: bool,
}

impl<B: Args + By> Chosen<B> {
    /// The selection in the form of the API.
    pub(crate) fn selection(self) -> Result<Selection, Failure> {
        let mut selection = self.by.selection();
        let is_named = selection.sink.is_some() || selection.source.is_some();
        selection.ids = (!self.ids.is_empty()).then_some(self.ids);
        selection.all = self.all;
        selection.dry_run = self.dry_run;
        if is_named || selection.all || selection.ids.is_some() {
            return Ok(selection);
        }
        Err(Failure::usage("nothing is selected")
            .hint(format!("give numbers from the list, {}, or --all", B::FLAG)))
    }
}

/// Selection by name.
pub(crate) trait By {
    /// The flag on the command line.
    const FLAG: &'static str;

    /// The numbers that a shell offers.
    fn ids() -> Vec<CompletionCandidate>;

    /// The selection. It is empty if the flag was not given.
    fn selection(self) -> Selection;
}

/// Select by sink.
#[derive(Debug, Args)]
pub(crate) struct BySink {
    /// Only of this sink, such as webhook/oncall.
    #[arg(id = "by", long = "sink", value_name = "KIND/NAME")]
    #[arg(add = ArgValueCandidates::new(complete::sinks))]
    pub(crate) sink: Option<String>,
}

impl By for BySink {
    const FLAG: &'static str = "--sink";

    fn ids() -> Vec<CompletionCandidate> {
        complete::letters()
    }

    fn selection(self) -> Selection {
        Selection {
            sink: self.sink,
            ..Selection::default()
        }
    }
}

/// Select by source.
#[derive(Debug, Args)]
pub(crate) struct BySource {
    /// Only of this source, such as ucloud/prod.
    #[arg(id = "by", long = "source", value_name = "PROVIDER/NAME")]
    #[arg(add = ArgValueCandidates::new(complete::sources))]
    pub(crate) source: Option<String>,
}

impl By for BySource {
    const FLAG: &'static str = "--source";

    fn ids() -> Vec<CompletionCandidate> {
        complete::callbacks()
    }

    fn selection(self) -> Selection {
        Selection {
            source: self.source,
            ..Selection::default()
        }
    }
}

fn is_one(selection: &Selection) -> bool {
    selection.ids.as_ref().is_some_and(|ids| ids.len() == 1)
}
