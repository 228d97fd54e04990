//! Bulk actions: which items they are for, how many those are, and what is done to them.

use clap::Args;

use super::api::{Answer, Api};
use super::failure::Failure;
use super::setup::count;
use super::table;
use super::terminal::Terminal;
use crate::api::types::{Counted, Selection};

/// A list whose items are retried and dropped.
pub(crate) struct Kept {
    /// Its path in the API.
    pub(crate) path: &'static str,
    /// The word for one item.
    pub(crate) noun: &'static str,
}

impl Kept {
    /// Shows one, by its number in the list.
    pub(crate) async fn show(
        &self,
        id: i64,
        json: bool,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let one = api.get(&[self.path, &id.to_string()], &[]).await?;
        if json {
            return terminal.json(one.raw());
        }
        table::detail(terminal, one.raw())
    }

    /// Retries the selected items. None if they were only counted.
    pub(crate) async fn retry(
        &self,
        selection: Selection,
        json: bool,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<Option<Answer>, Failure> {
        let path = [self.path, "retry"];
        if self
            .announce(&path, &selection, json, api, terminal)
            .await?
            .is_none()
        {
            return Ok(None);
        }
        api.post(&path, &selection).await.map(Some)
    }

    /// Drops the selected items; more than one only after a yes.
    pub(crate) async fn drop(
        &self,
        selection: Selection,
        how: &Dropping,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let path = [self.path, "drop"];
        let asks = !how.yes && !is_one(&selection) && !selection.dry_run;
        if asks && !terminal.can_ask() {
            let what = format!("this drops every selected {} for good", self.noun);
            return Err(Failure::usage(what)
                .hint("add --yes to confirm, or --dry-run to see how many they are"));
        }
        let announced = self.announce(&path, &selection, how.json, api, terminal);
        let Some(number) = announced.await? else {
            return Ok(());
        };
        if asks {
            let what = count(number, self.noun);
            terminal.confirm(&format!("Drop {what} for good?"))?;
        }
        let answer = api.post(&path, &selection).await?;
        if how.json {
            return terminal.json(answer.raw());
        }
        let dropped = answer.read::<Counted>()?.count;
        terminal.line(format_args!("{} dropped", count(dropped, self.noun)))
    }

    /// Says how many items the selection has. None if that is all, or there are none.
    async fn announce(
        &self,
        path: &[&str],
        selection: &Selection,
        json: bool,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<Option<u64>, Failure> {
        if is_one(selection) && !selection.dry_run {
            return Ok(Some(1));
        }
        let mut only_count = selection.clone();
        only_count.dry_run = true;
        let answer = api.post(path, &only_count).await?;
        let number = answer.read::<Counted>()?.count;
        let words = format!("{} selected", count(number, self.noun));
        match (selection.dry_run, json) {
            (true, true) => terminal.json(answer.raw())?,
            (true, false) => terminal.line(format_args!("{words}; nothing was changed"))?,
            (false, _) => terminal.say(&words)?,
        }
        Ok((!selection.dry_run).then_some(number))
    }
}

/// How items are dropped.
#[derive(Debug, Args)]
pub(crate) struct Dropping {
    /// Do not ask, even for more than one.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print the API's JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which items an action is for. `B` selects by a name; its flag has the id `by`.
#[derive(Debug, Args)]
pub(crate) struct Chosen<B: Args> {
    /// These, by their numbers in the list.
    #[arg(value_name = "ID", conflicts_with_all = ["by", "all"])]
    ids: Vec<i64>,
    #[command(flatten)]
    by: B,
    /// All of them.
    #[arg(long, conflicts_with = "by")]
    all: bool,
    /// Only say how many they are.
    #[arg(long)]
    dry_run: bool,
}

impl<B: Args + By> Chosen<B> {
    /// The selection as the API takes it.
    pub(crate) fn selection(self) -> Result<Selection, Failure> {
        let mut selection = self.by.selection();
        let is_named = selection.sink.is_some() || selection.source.is_some();
        selection.ids = (!self.ids.is_empty()).then_some(self.ids);
        selection.all = self.all;
        selection.dry_run = self.dry_run;
        if is_named || selection.all || selection.ids.is_some() {
            return Ok(selection);
        }
        Err(Failure::usage("nothing is selected").hint(format!(
            "give numbers from the list, or {}, or --all",
            B::FLAG
        )))
    }
}

/// Another way to select than by number.
pub(crate) trait By {
    /// Its flag.
    const FLAG: &'static str;

    /// The selection by it; of nothing if the flag was not given.
    fn selection(self) -> Selection;
}

/// Select by sink.
#[derive(Debug, Args)]
pub(crate) struct BySink {
    /// Only of this sink, such as webhook/oncall.
    #[arg(id = "by", long = "sink", value_name = "KIND/NAME")]
    pub(crate) sink: Option<String>,
}

impl By for BySink {
    const FLAG: &'static str = "--sink";

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
    pub(crate) source: Option<String>,
}

impl By for BySource {
    const FLAG: &'static str = "--source";

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
