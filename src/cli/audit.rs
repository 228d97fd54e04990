//! `campanile audit`: what operators did.

use clap::Args;
use jiff::Timestamp;

use super::api::{Api, Gateway};
use super::failure::Failure;
use super::listing::{self, List, Page};
use super::table::{Column, or_empty};
use super::terminal::Terminal;
use super::wait;
use crate::api::audit::AuditItem;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile audit --since 7d
  campanile audit --who shift --action dead       (dead.retry and dead.drop)

An action is kept for a year longer than alerts are.";

/// The command line of `campanile audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only of the operator with this name.
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Only this action, such as dead.retry, or all of one noun, such as dead.
    #[arg(long, value_name = "NOUN[.VERB]")]
    action: Option<String>,
    /// Only since this time: a duration before now (90s, 15m, 2h, 7d) or a time (2026-01-31T08:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = listing::since)]
    since: Option<Timestamp>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    gateway: Gateway,
}

const COLUMNS: &[Column<AuditItem>] = &[
    Column::age("AGE", |item: &AuditItem| Some(item.at)),
    Column::new("WHO", |item: &AuditItem| item.who.clone()),
    Column::new("ROLE", |item: &AuditItem| item.role.clone()).optional(),
    Column::new("BY", |item: &AuditItem| item.client.clone()).optional(),
    Column::new("FROM", |item: &AuditItem| or_empty(item.from.as_ref())).optional(),
    Column::new("ACTION", |item: &AuditItem| item.action.clone()),
    Column::new("TARGET", |item: &AuditItem| item.target.clone()).squeeze(),
    Column::new("COUNT", |item: &AuditItem| item.count.to_string()),
    Column::new("DETAIL", |item: &AuditItem| item.detail.clone())
        .optional()
        .squeeze(),
];

impl Audit {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        let list = List {
            command: "audit",
            path: &["audit"],
            filters: vec![
                ("who", self.who),
                ("action", self.action),
                ("since", self.since.map(|t| t.to_string())),
            ],
            columns: COLUMNS,
            id: |item| item.id.to_string(),
            none: "no operator did anything",
        };
        wait(list.show(&api, &self.page, terminal))
    }
}
