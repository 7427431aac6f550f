//! Alerts as they were last: written by the writer, read in pages, newest first.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, params_from_iter, types::Value};

use super::{error::Error, reader::Page};
use crate::alert::{Alert, Severity, State};

/// Labels that say which node an alert is about, the first that is there.
const NODE_LABELS: [&str; 2] = ["node", "instance"];

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// This one.
    pub id: Option<String>,
    /// In one of these states; any if empty.
    pub states: Vec<State>,
    /// Of this rule.
    pub rule: Option<String>,
    /// About this node: the label `node`, or `instance` where there is none.
    pub node: Option<String>,
    /// At least as bad.
    pub severity: Option<Severity>,
    /// Not over before this time, in nanoseconds since 1970.
    pub from_ns: Option<u64>,
    /// Begun by this time.
    pub to_ns: Option<u64>,
}

/// Where a page of alerts begins: behind the alert that began then, with this id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// When it began to be pending, in nanoseconds since 1970.
    pub begun_ns: u64,
    /// [`Alert::id`].
    pub id: String,
}

/// Puts an alert in place of its earlier state.
pub(super) fn write(transaction: &Transaction, alert: &Alert) -> rusqlite::Result<()> {
    let json = serde_json::to_string(alert).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let node = NODE_LABELS.iter().find_map(|label| alert.labels.get(*label)).map_or("", String::as_str);
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO alerts (id, begun_ns, changed_ns, rule, node, severity, state, json) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement
        .execute((
            &alert.id,
            alert.pending_ns as i64,
            alert.changed_ns() as i64,
            &alert.rule,
            node,
            alert.severity as u8,
            alert.state as u8,
            json,
        ))
        .map(drop)
}

/// A page of alerts, those that began last first.
pub(super) fn read(
    connection: &Connection,
    filter: &AlertFilter,
    after: Option<&After>,
    limit: usize,
) -> Result<rusqlite::Result<Page<Arc<Alert>, After>>, Error> {
    let (text, values) = query(filter, after, limit)?;
    let read = || {
        let mut statement = connection.prepare_cached(&text)?;
        let rows = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(0))?;
        let mut items = Vec::new();
        let mut rows_seen = 0;
        for json in rows {
            rows_seen += 1;
            // What another version wrote may not be readable: the others are.
            match serde_json::from_str::<Alert>(&json?) {
                Ok(alert) => items.push(Arc::new(alert)),
                Err(error) => tracing::warn!("an alert in the store cannot be read: {error}"),
            }
        }
        let last = items.last().filter(|_| rows_seen == limit);
        let next = last.map(|alert| After { begun_ns: alert.pending_ns, id: alert.id.clone() });
        Ok(Page { items, next })
    };
    Ok(read())
}

fn query(filter: &AlertFilter, after: Option<&After>, limit: usize) -> Result<(String, Vec<Value>), Error> {
    let (mut text, mut values) = (String::from("SELECT json FROM alerts WHERE 1"), Vec::new());
    let mut and = |condition: &str, value: Value| {
        text.push_str(" AND ");
        text.push_str(condition);
        values.push(value);
    };
    let time = |ns: u64| Value::Integer(i64::try_from(ns).unwrap_or(i64::MAX));
    if !filter.states.is_empty() {
        // One number for the set: a query has one shape however many states there are.
        let set = filter.states.iter().fold(0i64, |set, state| set | 1 << *state as u8);
        and("(1 << state) & ? != 0", Value::Integer(set));
    }
    if let Some(id) = &filter.id {
        and("id = ?", Value::Text(id.clone()));
    }
    if let Some(rule) = &filter.rule {
        and("rule = ?", Value::Text(rule.clone()));
    }
    if let Some(node) = &filter.node {
        and("node = ?", Value::Text(node.clone()));
    }
    if let Some(severity) = filter.severity {
        and("severity >= ?", Value::Integer(severity as i64));
    }
    if let Some(from_ns) = filter.from_ns {
        let over = State::Resolved as u8;
        and(&format!("(changed_ns >= ? OR state < {over})"), time(from_ns));
    }
    if let Some(to_ns) = filter.to_ns {
        and("begun_ns <= ?", time(to_ns));
    }
    if let Some(after) = after {
        if after.id.len() > 256 {
            return Err(Error::Invalid("the place to go on from is not one that a page gave".into()));
        }
        text.push_str(" AND (begun_ns, id) < (?, ?)");
        values.extend([time(after.begun_ns), Value::Text(after.id.clone())]);
    }
    text.push_str(" ORDER BY begun_ns DESC, id DESC LIMIT ?");
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    Ok((text, values))
}
