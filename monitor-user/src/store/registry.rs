//! What the store knows in memory: every node and stream, and which reports are in no sum yet. The writer changes it, after each
//! transaction; everybody else looks at it.
//!
//! None of it is written with each report. It is saved when a node's reports are added up, and when the store is opened the
//! reports that came after that say the rest: see [`super::load`].

use std::collections::{BTreeMap, HashMap};

use super::{Stream, ranges::Ranges};

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: u32,
    pub(super) name: String,
    /// The end of its first report, in nanoseconds since 1970.
    pub(super) first_ns: u64,
    /// All its reports up to this number are in sums.
    pub(super) rolled: u64,
    /// All its minutes up to this hour are in hours; what comes later for them is added to both.
    pub(super) hour: u64,
    /// Its reports that are in no sum yet: number and end, in the order of their numbers.
    pub(super) tail: Vec<(u64, u64)>,
    /// Its streams, the oldest first.
    pub(super) streams: Vec<u32>,
}

/// An agent on one boot.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) node: u32,
    pub(super) machine: Vec<u8>,
    pub(super) boot_id: String,
    pub(super) instance: u64,
    pub(super) version: String,
    pub(super) received: Ranges,
    pub(super) last_end_ns: u64,
    pub(super) last_received_ns: u64,
}

/// A report on its way into the registry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Added {
    pub(super) id: u64,
    pub(super) stream: u32,
    pub(super) sequence: u64,
    pub(super) end_ns: u64,
    pub(super) received_ns: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) nodes: BTreeMap<u32, Node>,
    pub(super) names: BTreeMap<String, u32>,
    pub(super) streams: HashMap<u32, Source>,
    keys: HashMap<(u32, String, u64), u32>,
    /// The number of the next report.
    pub(super) next_report: u64,
    next_node: u32,
    next_stream: u32,
    /// Reports in no sum yet.
    pub(super) unrolled: usize,
}

impl Registry {
    /// The number of the next node, and of the one after `taken` more.
    pub(super) fn free_node(&self, taken: usize) -> u32 {
        self.next_node.saturating_add(taken as u32).saturating_add(1)
    }

    /// As [`Self::free_node`], for streams.
    pub(super) fn free_stream(&self, taken: usize) -> u32 {
        self.next_stream.saturating_add(taken as u32).saturating_add(1)
    }

    /// The stream of an agent.
    pub(super) fn stream(&self, node: u32, boot_id: &str, instance: u64) -> Option<u32> {
        self.keys.get(&(node, boot_id.to_owned(), instance)).copied()
    }

    pub(super) fn add_node(&mut self, node: Node) {
        self.next_node = self.next_node.max(node.id);
        self.names.insert(node.name.clone(), node.id);
        self.nodes.insert(node.id, node);
    }

    pub(super) fn add_stream(&mut self, id: u32, source: Source) {
        self.next_stream = self.next_stream.max(id);
        self.keys.insert((source.node, source.boot_id.clone(), source.instance), id);
        if let Some(node) = self.nodes.get_mut(&source.node) {
            node.streams.push(id);
        }
        self.streams.insert(id, source);
    }

    /// Forgets a stream that has been silent for very long.
    pub(super) fn drop_stream(&mut self, id: u32) {
        let Some(source) = self.streams.remove(&id) else { return };
        self.keys.remove(&(source.node, source.boot_id, source.instance));
        if let Some(node) = self.nodes.get_mut(&source.node) {
            node.streams.retain(|stream| *stream != id);
        }
    }

    /// Forgets a node of which nothing is left.
    pub(super) fn drop_node(&mut self, id: u32) {
        if let Some(node) = self.nodes.remove(&id) {
            self.names.remove(&node.name);
            node.streams.iter().for_each(|stream| self.drop_stream(*stream));
        }
    }

    /// A report that is on disk.
    pub(super) fn add_report(&mut self, added: Added) {
        self.next_report = self.next_report.max(added.id + 1);
        let Some(source) = self.streams.get_mut(&added.stream) else { return };
        source.received.insert(added.sequence);
        source.last_end_ns = source.last_end_ns.max(added.end_ns);
        source.last_received_ns = source.last_received_ns.max(added.received_ns);
        if let Some(node) = self.nodes.get_mut(&source.node).filter(|node| node.rolled < added.id) {
            node.tail.push((added.id, added.end_ns));
            self.unrolled += 1;
        }
    }

    /// What is now in sums: a node's reports up to a number, and its minutes up to an hour.
    pub(super) fn rolled(&mut self, id: u32, rolled: u64, hour: u64) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        (node.rolled, node.hour) = (rolled, hour);
        let done = node.tail.partition_point(|&(report, _)| report <= rolled);
        node.tail.drain(..done);
        // A burst that is over should not take memory for ever.
        if node.tail.capacity() > 64 && node.tail.len() * 4 < node.tail.capacity() {
            node.tail.shrink_to_fit();
        }
        self.unrolled -= done;
    }

    /// Every report up to this number is in sums.
    pub(super) fn floor(&self) -> u64 {
        let first = self.nodes.values().filter_map(|node| node.tail.first()).map(|&(report, _)| report).min();
        first.unwrap_or(self.next_report).saturating_sub(1)
    }

    /// What everybody may know.
    pub(super) fn streams(&self) -> Vec<Stream> {
        let mut all: Vec<_> = self.streams.values().filter_map(|source| self.show(source)).collect();
        all.sort_by(|a, b| (&a.node, a.last_received_ns).cmp(&(&b.node, b.last_received_ns)));
        all
    }

    /// A stream as others see it.
    pub(super) fn show(&self, source: &Source) -> Option<Stream> {
        Some(Stream {
            node: self.nodes.get(&source.node)?.name.clone(),
            machine: source.machine.clone(),
            boot_id: source.boot_id.clone(),
            instance: source.instance,
            agent_version: source.version.clone(),
            last_sequence: source.received.last(),
            last_end_ns: source.last_end_ns,
            last_received_ns: source.last_received_ns,
        })
    }
}
