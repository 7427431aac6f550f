//! One transaction of what came in: reports, alerts, the fleet's figures.
//!
//! Whether a report is there already is known in memory; the tables are only appended to. What the transaction changed in
//! memory is given back, for when it is on disk.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{
    Incoming, alerts, indices,
    queue::{Job, Work},
    ranges::Ranges,
    registry::{Added, Node, Registry, Source},
    time::{LATEST_NS, Resolution},
};

/// What a transaction adds to the registry.
#[derive(Default)]
pub(super) struct Plan {
    nodes: Vec<Node>,
    streams: Vec<(u32, Source)>,
    rows: Vec<Added>,
    /// Reports that were there already.
    pub(super) known: u64,
    /// Bytes of the reports that were not.
    pub(super) bytes: u64,
}

impl Plan {
    /// How many reports are new.
    pub(super) fn stored(&self) -> u64 {
        self.rows.len() as u64
    }

    /// It is on disk.
    pub(super) fn apply(self, registry: &mut Registry) {
        self.nodes.into_iter().for_each(|node| registry.add_node(node));
        self.streams.into_iter().for_each(|(id, source)| registry.add_stream(id, source));
        self.rows.into_iter().for_each(|row| registry.add_report(row));
    }
}

/// What is new of what came in, and as which rows. Changes nothing.
pub(super) fn plan<'a>(registry: &Registry, jobs: &'a [Job]) -> (Plan, Vec<&'a Incoming>) {
    let mut planner = Planner::new(registry);
    let reports = jobs.iter().filter_map(|job| match &job.work {
        Work::Reports(reports) => Some(reports),
        Work::Alert(_) | Work::Indices(..) => None,
    });
    let new: Vec<_> = reports.flatten().filter(|incoming| planner.add(incoming)).collect();
    (planner.plan, new)
}

/// Writes it all, or nothing. `new`: the reports of the plan's rows.
pub(super) fn write(connection: &mut Connection, plan: &Plan, new: &[&Incoming], jobs: &[Job]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    insert_names(&transaction, plan)?;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO reports (id, stream, sequence, end_ns, received_ns, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (row, incoming) in plan.rows.iter().zip(new) {
        let (end_ns, received_ns) = (row.end_ns as i64, row.received_ns as i64);
        statement.execute((
            row.id as i64,
            row.stream,
            row.sequence as i64,
            end_ns,
            received_ns,
            &incoming.bytes[..],
        ))?;
    }
    drop(statement);
    for job in jobs {
        match &job.work {
            Work::Reports(_) => {}
            Work::Alert(alert) => alerts::write(&transaction, alert)?,
            Work::Indices(at_ns, points) => indices::write(&transaction, (*at_ns).min(LATEST_NS), points)?,
        }
    }
    transaction.commit()
}

fn insert_names(transaction: &Transaction, plan: &Plan) -> rusqlite::Result<()> {
    for node in &plan.nodes {
        let mut statement = transaction
            .prepare_cached("INSERT INTO nodes (id, name, first_ns, rolled, hour) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        statement.execute((node.id, &node.name, node.first_ns as i64, node.rolled as i64, node.hour as i64))?;
    }
    for (id, source) in &plan.streams {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO streams (id, node, machine, boot, instance, version, last_end_ns, last_received_ns, ranges) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        statement.execute((
            id,
            source.node,
            &source.machine,
            &source.boot_id,
            source.instance as i64,
            &source.version,
            source.last_end_ns as i64,
            source.last_received_ns as i64,
            source.received.encode(),
        ))?;
    }
    Ok(())
}

/// Gives numbers to what is new.
struct Planner<'r, 'a> {
    registry: &'r Registry,
    plan: Plan,
    next_report: u64,
    nodes: HashMap<&'a str, u32>,
    streams: HashMap<(u32, &'a str, u64), u32>,
    /// Reports of this transaction.
    seen: HashSet<(u32, u64)>,
}

impl<'r, 'a> Planner<'r, 'a> {
    fn new(registry: &'r Registry) -> Self {
        Self {
            registry,
            plan: Plan::default(),
            next_report: registry.next_report,
            nodes: HashMap::new(),
            streams: HashMap::new(),
            seen: HashSet::new(),
        }
    }

    /// Makes a row of a report; `false` if it is there already.
    fn add(&mut self, incoming: &'a Incoming) -> bool {
        let (end_ns, received_ns) = (incoming.end_ns.min(LATEST_NS), incoming.received_ns.min(LATEST_NS));
        let node = self.node(&incoming.node, end_ns);
        let (stream, sequence) = (self.stream(node, incoming), incoming.sequence);
        let there = self.registry.streams.get(&stream).is_some_and(|it| it.received.contains(sequence));
        if there || !self.seen.insert((stream, sequence)) {
            self.plan.known += 1;
            return false;
        }
        self.plan.rows.push(Added { id: self.next_report, stream, sequence, end_ns, received_ns });
        self.plan.bytes += incoming.bytes.len() as u64;
        self.next_report += 1;
        true
    }

    fn node(&mut self, name: &'a str, end_ns: u64) -> u32 {
        if let Some(&id) = self.registry.names.get(name) {
            return id;
        }
        let (plan, registry) = (&mut self.plan, self.registry);
        *self.nodes.entry(name).or_insert_with(|| {
            let id = registry.free_node(plan.nodes.len());
            let (tail, streams) = (Vec::new(), Vec::new());
            // Hours before the first report are done: whatever comes later for them is added to them at once.
            let hour = Resolution::Hour.interval(end_ns).saturating_sub(1);
            let node = Node { id, name: name.into(), first_ns: end_ns, rolled: 0, hour, tail, streams };
            plan.nodes.push(node);
            id
        })
    }

    fn stream(&mut self, node: u32, incoming: &'a Incoming) -> u32 {
        let sender = &incoming.sender;
        if let Some(id) = self.registry.stream(node, &sender.boot_id, sender.instance) {
            return id;
        }
        let (plan, registry) = (&mut self.plan, self.registry);
        *self.streams.entry((node, &sender.boot_id, sender.instance)).or_insert_with(|| {
            let id = registry.free_stream(plan.streams.len());
            let source = Source {
                node,
                machine: sender.machine.clone(),
                boot_id: sender.boot_id.clone(),
                instance: sender.instance,
                version: sender.agent_version.clone(),
                received: Ranges::default(),
                last_end_ns: 0,
                last_received_ns: 0,
            };
            plan.streams.push((id, source));
            id
        })
    }
}
