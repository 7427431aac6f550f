//! What the store knew before it was closed or killed: the tables of nodes and streams as they were saved, and then the reports
//! that came after that, one by one.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    ranges::Ranges,
    registry::{Added, Node, Registry, Source},
};

/// The mark up to which every report is in sums.
pub(super) const FLOOR: &str = "floor";

/// Reads everything; what was said of sums may be older than it was in memory, what was said of reports is not.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Registry> {
    let mut registry = Registry::default();
    let mut statement = connection.prepare("SELECT id, name, first_ns, rolled, hour FROM nodes ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut last = 0;
    while let Some(row) = rows.next()? {
        let node = Node {
            id: row.get(0)?,
            name: row.get(1)?,
            first_ns: number(row, 2)?,
            rolled: number(row, 3)?,
            hour: number(row, 4)?,
            tail: Vec::new(),
            streams: Vec::new(),
        };
        last = last.max(node.rolled);
        registry.add_node(node);
    }
    let mut statement = connection.prepare(
        "SELECT id, node, machine, boot, instance, version, last_end_ns, last_received_ns, ranges FROM streams ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let source = Source {
            node: row.get(1)?,
            machine: row.get(2)?,
            boot_id: row.get(3)?,
            instance: number(row, 4)?,
            version: row.get(5)?,
            last_end_ns: number(row, 6)?,
            last_received_ns: number(row, 7)?,
            received: Ranges::decode(&row.get::<_, Vec<u8>>(8)?).ok_or(rusqlite::Error::InvalidQuery)?,
        };
        registry.add_stream(row.get(0)?, source);
    }
    let floor = mark(connection, FLOOR)?;
    registry.next_report = last.max(floor) + 1;
    let mut statement = connection
        .prepare("SELECT id, stream, sequence, end_ns, received_ns FROM reports WHERE id > ?1 ORDER BY id")?;
    let mut rows = statement.query([floor as i64])?;
    while let Some(row) = rows.next()? {
        registry.add_report(Added {
            id: number(row, 0)?,
            stream: row.get(1)?,
            sequence: number(row, 2)?,
            end_ns: number(row, 3)?,
            received_ns: number(row, 4)?,
        });
    }
    Ok(registry)
}

/// A single number by name; 0 if it was never set.
pub(super) fn mark(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT value FROM marks WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| number(row, 0)).optional()?.unwrap_or(0))
}

/// Sets a number by name.
pub(super) fn set_mark(connection: &Connection, name: &str, value: u64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO marks (name, value) VALUES (?1, ?2)")?;
    statement.execute((name, value as i64)).map(drop)
}

/// A column of 64 bits without a sign: the database has only those with one.
pub(super) fn number(row: &Row, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)? as u64)
}
