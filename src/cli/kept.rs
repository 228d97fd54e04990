//! What is kept until an operator decides on it: dead letters and the quarantine.

use clap::Args;
use serde_json::{Value, json};

use super::api::Api;
use super::failure::Failure;
use super::listing::number;
use super::setup::count;
use super::table;
use super::terminal::Terminal;

/// One kind of it.
pub(crate) struct Kept {
    /// Its path in the API.
    pub(crate) path: &'static str,
    /// What one is called.
    pub(crate) noun: &'static str,
    /// What several are chosen by, beside their numbers.
    pub(crate) by: &'static str,
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
            return terminal.json(&one);
        }
        table::detail(terminal, &one)
    }

    /// Tries those again; the API's answer.
    pub(crate) async fn retry(
        &self,
        chosen: &Chosen<impl Args>,
        by: Option<&str>,
        api: &Api,
    ) -> Result<Value, Failure> {
        let body = chosen.body(self.by, by)?;
        api.post(&[self.path, "retry"], &body).await
    }

    /// Drops those, after a yes where it is more than one.
    pub(crate) async fn drop(
        &self,
        chosen: &Chosen<impl Args>,
        by: Option<&str>,
        how: Dropping,
        api: &Api,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let body = chosen.body(self.by, by)?;
        if !how.yes && !chosen.is_one() {
            let what = chosen_in_words(&body, self.noun);
            terminal.confirm(&format!("Drop {what} for good?"))?;
        }
        let answer = api.post(&[self.path, "drop"], &body).await?;
        if how.json {
            return terminal.json(&answer);
        }
        let dropped = count(number(&answer, "count"), self.noun);
        terminal.line(format_args!("{dropped} dropped"))
    }
}

/// How something is dropped.
#[derive(Debug, Args)]
pub(crate) struct Dropping {
    /// Do not ask, also for more than one.
    #[arg(long)]
    yes: bool,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
}

/// Which items something is done to. `B` chooses by a name; its flag has the id `by`.
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
}

impl<B: Args> Chosen<B> {
    /// The choice as the API takes it: by ids, by `name`, or all.
    fn body(&self, name: &str, value: Option<&str>) -> Result<Value, Failure> {
        match value {
            Some(value) => Ok(json!({name: value})),
            None if self.all => Ok(json!({"all": true})),
            None if !self.ids.is_empty() => Ok(json!({"ids": self.ids})),
            None => Err(Failure::usage("which ones?").hint(format!(
                "give their numbers from the list, or --{name}, or --all"
            ))),
        }
    }

    /// The other way to choose.
    pub(crate) fn by(&self) -> &B {
        &self.by
    }

    /// Whether it is exactly one item.
    fn is_one(&self) -> bool {
        self.ids.len() == 1
    }
}

fn chosen_in_words(body: &Value, noun: &str) -> String {
    let part = |name: &str| body.get(name).map(table::plain);
    if let Some(ids) = body.get("ids").and_then(Value::as_array) {
        return count(ids.len(), noun);
    }
    match (part("sink"), part("source")) {
        (Some(sink), _) => format!("every {noun} of sink {sink}"),
        (_, Some(source)) => format!("every {noun} of source {source}"),
        _ => format!("every {noun} there is"),
    }
}
