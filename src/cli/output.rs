//! The form of lists: a table, JSON, one JSON object per line, or only ids.

use std::str::FromStr;

use campanile_language::nearest;
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::api::typed;
use super::failure::{Ending, Failure};
use super::table::{Column, Sheet};
use super::terminal::{Terminal, harmless};

/// The form of the output, and what the exit code says about it.
#[derive(Debug, Args)]
pub(crate) struct Form {
    #[command(flatten)]
    data: Data,
    /// End with exit code 1 if the list has an item, for cron and scripts.
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct Data {
    /// Print JSON. With names, print only these fields: --json=id,title,resource.name.
    #[arg(long, value_name = "FIELDS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    json: Option<Fields>,
    /// Print one JSON object per line. Takes names of fields like --json.
    #[arg(long, value_name = "FIELDS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    ndjson: Option<Fields>,
    /// Print only the ids or names, one per line.
    #[arg(long, short)]
    quiet: bool,
}

impl Form {
    /// Whether the output itself has the cursor of the next page.
    pub(crate) fn has_next(&self) -> bool {
        self.data.json.is_some()
    }

    /// Prints a list that needs no gateway.
    pub(crate) fn print<T: Serialize + DeserializeOwned>(
        &self,
        columns: &[Column<T>],
        items: &[T],
        id: fn(&T) -> String,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let items = serde_json::to_value(items).map_err(std::io::Error::other)?;
        let mut output = Output::new(self, columns, id);
        output.whole(items, terminal)?;
        output.verdict("nothing to list", terminal)
    }
}

/// The form of one item.
#[derive(Debug, Args)]
pub(crate) struct Picked {
    /// Print the API's JSON. With names, print only these fields: --json=id,title.
    #[arg(long, value_name = "FIELDS", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    json: Option<Fields>,
}

impl Picked {
    /// Prints the item as JSON, if that is asked for. Returns whether it is.
    pub(crate) fn print(&self, item: &Value, terminal: &mut Terminal) -> Result<bool, Failure> {
        if let Some(fields) = &self.json {
            terminal.json(&fields.of(item.clone())?)?;
        }
        Ok(self.json.is_some())
    }
}

/// Names of fields; empty for all fields.
#[derive(Clone, Debug)]
struct Fields(Vec<String>);

impl FromStr for Fields {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        if names.iter().any(String::is_empty) {
            return Err("write the names of fields with commas, such as id,title".to_owned());
        }
        Ok(Self(names))
    }
}

impl Fields {
    /// The item with only these fields. The names stay whole, so `resource.name` is one key.
    fn of(&self, item: Value) -> Result<Value, Failure> {
        if self.0.is_empty() {
            return Ok(item);
        }
        let picked = self.0.iter().map(|name| {
            let value = find(&item, name);
            if value.is_none() {
                known(&item, name)?;
            }
            Ok((name.clone(), value.cloned().unwrap_or_default()))
        });
        picked
            .collect::<Result<Map<_, _>, Failure>>()
            .map(Value::Object)
    }
}

/// The value at a name with dots. A key can have dots itself, as labels do.
fn find<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).or_else(|| {
        let mut dots = name.match_indices('.');
        dots.find_map(|(at, _)| {
            let inner = value.get(name.get(..at)?)?;
            find(inner, name.get(at + 1..)?)
        })
    })
}

/// An error unless the item has the field that the name begins with. What is absent below it is null.
fn known(item: &Value, name: &str) -> Result<(), Failure> {
    let fields = || {
        item.as_object()
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
    };
    let first = name.split('.').next().unwrap_or_default();
    if fields().any(|field| field == first) {
        return Ok(());
    }
    let all = fields().collect::<Vec<_>>().join(", ");
    let what = format!("`{name}` is not a valid field");
    Err(Failure::usage(what).hint(match nearest(first, fields()) {
        Some(near) => format!("did you mean `{near}`? The fields are {all}"),
        None => format!("the fields are {all}"),
    }))
}

/// A list in parts. Each part is printed when it is known, so a long list needs little memory.
pub(crate) struct Output<'a, T> {
    form: &'a Form,
    sheet: Sheet<'a, T>,
    id: fn(&T) -> String,
    items: usize,
}

impl<'a, T: DeserializeOwned> Output<'a, T> {
    pub(crate) fn new(form: &'a Form, columns: &'a [Column<T>], id: fn(&T) -> String) -> Self {
        Self {
            form,
            sheet: Sheet::new(columns),
            id,
            items: 0,
        }
    }

    /// Prints the only page of a list, in the form that it has: `{"items": [...], ...}`, or the items alone.
    pub(crate) fn whole(
        &mut self,
        mut page: Value,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let place = if page.is_array() {
            &mut page
        } else {
            &mut page["items"]
        };
        let items: Vec<Value> = typed(&place.take())?;
        let Some(fields) = &self.form.data.json else {
            return self.part(items, terminal);
        };
        self.items += items.len();
        let items = items.into_iter().map(|item| fields.of(item));
        *place = Value::Array(items.collect::<Result<_, _>>()?);
        terminal.json(&page)
    }

    /// Prints the next items of a list that has more than one page.
    pub(crate) fn part(
        &mut self,
        items: Vec<Value>,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let printed = self.items;
        self.items += items.len();
        let data = &self.form.data;
        if let Some(fields) = &data.json {
            return items.into_iter().enumerate().try_for_each(|(index, item)| {
                let before = if printed + index == 0 { HEAD } else { ",\n" };
                terminal.text(format_args!("{before}{}", fields.of(item)?))
            });
        }
        if let Some(fields) = &data.ndjson {
            let mut items = items.into_iter();
            return items.try_for_each(|item| terminal.json_line(&fields.of(item)?));
        }
        let items: Vec<T> = items.iter().map(typed).collect::<Result<_, _>>()?;
        if data.quiet {
            let mut ids = items.iter().map(|item| harmless(&(self.id)(item)));
            return ids.try_for_each(|id| terminal.line(id));
        }
        match items.as_slice() {
            [] => Ok(()),
            items => self.sheet.rows(terminal, items),
        }
    }

    /// Ends a list that was printed in parts.
    pub(crate) fn end(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.form.data.json.is_none() {
            return Ok(());
        }
        let head = if self.items == 0 { HEAD } else { "" };
        terminal.line(format_args!("{head}\n], \"next\": null}}"))
    }

    /// Says that the list is empty, and ends the command with the exit code that `--exit-code` asks for.
    pub(crate) fn verdict(&self, none: &str, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.items == 0 && !self.is_data() {
            terminal.say(none)?;
        }
        if self.form.exit_code && self.items > 0 {
            return Err(Failure::Said(Ending::Failed as u8));
        }
        Ok(())
    }

    /// Whether programs read the output.
    pub(crate) fn is_data(&self) -> bool {
        let data = &self.form.data;
        data.json.is_some() || data.ndjson.is_some() || data.quiet
    }
}

/// What a list in parts begins with as JSON.
const HEAD: &str = "{\"items\": [\n";
