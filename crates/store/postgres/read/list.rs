//! Statements that are put together from what is asked.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use crate::postgres::pool::Fault;

/// The values of a statement.
#[derive(Default)]
pub(crate) struct Values(Vec<Box<dyn ToSql + Sync + Send>>);

impl Values {
    /// Adds a value, and returns its name in the statement.
    pub(crate) fn put(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.0.push(Box::new(value));
        format!("${}", self.0.len())
    }

    pub(crate) fn all(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|value| &**value as _).collect()
    }
}

/// A limit as PostgreSQL takes it.
pub(crate) fn limit(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// The conditions of a list. Only what is asked is in the statement, so the server can use the index that fits.
#[derive(Default)]
pub(crate) struct List {
    conditions: Vec<String>,
    values: Values,
}

impl List {
    /// Adds a condition, such as `a.seq < `, if there is a value for it.
    pub(crate) fn add(
        &mut self,
        condition: &str,
        value: Option<impl ToSql + Sync + Send + 'static>,
    ) {
        if let Some(value) = value {
            let value = self.values.put(value);
            self.conditions.push(format!("{condition}{value}"));
        }
    }

    pub(crate) async fn query(
        &self,
        client: &Client,
        columns: &str,
        tables: &str,
        order: &str,
        limit: i64,
    ) -> Result<Vec<Row>, Fault> {
        let mut conditions = self.conditions.join(" AND ");
        if !conditions.is_empty() {
            conditions.insert_str(0, "WHERE ");
        }
        let select =
            format!("SELECT {columns} FROM {tables} {conditions} ORDER BY {order} LIMIT {limit}");
        Ok(client.query(&select, &self.values.all()).await?)
    }
}
