//! All nodes, and whether a batch is taken.
//!
//! In: who sends, and reports; what the store says of them. Out: which are taken, refused or turned away. A batch passes here twice:
//! [`Registry::admit`] before it goes to the store, [`Registry::stored`] when it is on disk. What is in between is known to nobody, so
//! a crash loses nothing that was acknowledged.
//!
//! Nodes are spread over shards with a lock each, none of which is held for longer than a shard's share of a judgement.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;

use super::{
    clock::Now,
    node::{Node, Standing, Stream},
    totals::Totals,
};
use crate::report::{
    check::{self, Refused},
    wire,
};

/// So that a lock is held for some 600 nodes of 10,000 at most.
const SHARDS: usize = 16;
/// For so long after its machine was heard a name is that machine's.
pub const NAME_IS_KEPT: Duration = Duration::from_secs(600);

/// What is taken from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most nodes.
    pub nodes: usize,
    /// After so long without a report a node is down.
    pub down_after: Duration,
    /// After so long without a report a node is forgotten.
    pub forget_after: Duration,
}

/// What becomes of a batch that may be stored: for each report, in its order, whether it is taken.
pub type Admission = Vec<Result<(), Refused>>;

/// Why a batch is turned away as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Turned {
    /// Another machine has this name.
    #[error(
        "another machine reports as {0:?} and was heard within the last ten minutes: set server.name on one of the two"
    )]
    Conflict(String),
    /// There are too many nodes.
    #[error("this server has {0} nodes, as many as nodes.most allows")]
    Full(usize),
}

/// One part of the nodes.
#[derive(Debug, Default)]
pub struct Shard {
    /// By name.
    pub nodes: HashMap<String, Node>,
    /// The histograms of what came since they were last taken.
    pub totals: Totals,
}

/// See the module.
#[derive(Debug)]
pub struct Registry {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    limits: Limits,
    times: check::Times,
    count: AtomicUsize,
}

impl Registry {
    /// Without nodes.
    pub fn new(limits: Limits) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), limits, times: check::Times::default(), count: AtomicUsize::new(0) }
    }

    /// What is taken from whom.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each shard in turn, locked.
    pub fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes on with a stream that was known before a restart.
    pub fn restore(&self, name: &str, machine: &[u8], stream: Stream) {
        let mut shard = self.shard(name);
        let node = shard.nodes.entry(name.into()).or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            let mut node = Node::new(name.into(), machine, stream.last_at_ns);
            // Where a node stood by its own clock is not known any more.
            node.live_ns = 0;
            node
        });
        if stream.last_at_ns >= node.heard_ns {
            (node.heard_ns, node.machine) = (stream.last_at_ns, machine.into());
        }
        let at = node.streams.partition_point(|known| known.last_at_ns <= stream.last_at_ns);
        node.streams.insert(at, stream);
        let beyond = node.streams.len().saturating_sub(super::node::STREAMS);
        node.streams.drain(..beyond);
    }

    /// Whether these reports may be stored now, oldest first. `unreadable` others of the batch are refused already.
    ///
    /// # Errors
    ///
    /// If the batch is turned away as a whole.
    pub fn admit<'a>(
        &self,
        sender: &wire::Sender,
        reports: impl Iterator<Item = &'a wire::Report>,
        unreadable: u64,
        now: Now,
    ) -> Result<Admission, Turned> {
        let mut shard = self.shard(&sender.node);
        if !shard.nodes.contains_key(&sender.node) {
            if self.len() >= self.limits.nodes {
                return Err(Turned::Full(self.limits.nodes));
            }
            self.count.fetch_add(1, Relaxed);
            shard
                .nodes
                .insert(sender.node.clone(), Node::new(sender.node.as_str().into(), &sender.machine, now.steady_ns));
        }
        let Some(node) = shard.nodes.get_mut(&sender.node) else { return Err(Turned::Full(self.limits.nodes)) };
        if *node.machine != *sender.machine {
            if now.steady_ns.saturating_sub(node.heard_ns) < NAME_IS_KEPT.as_nanos() as u64 {
                node.conflict_ns = Some(now.steady_ns);
                return Err(Turned::Conflict(sender.node.clone()));
            }
            tracing::warn!(
                "the name {:?} moves to another machine: the one that had it was silent for more than {} minutes",
                sender.node,
                NAME_IS_KEPT.as_secs() / 60
            );
            *node = Node::new(node.name.clone(), &sender.machine, now.steady_ns);
        }
        let stream = node.stream(&sender.boot_id, sender.instance);
        let mut last = stream.map(|stream| (stream.last_sequence, stream.last_end_ns));
        let admission: Admission = reports
            .map(|report| {
                // One that was there already is for the store to tell.
                if last.is_some_and(|(sequence, _)| report.sequence <= sequence) {
                    return Ok(());
                }
                check::time(report, now.wall_ns, last.map(|(_, end_ns)| end_ns), &self.times)?;
                last = Some((report.sequence, report.end_ns));
                Ok(())
            })
            .collect();
        node.refused.add(unreadable + admission.iter().filter(|taken| taken.is_err()).count() as u64);
        Ok(admission)
    }

    /// Takes up reports that are on disk now, in their order, and what the node says of those that will never come. `sent_ns` is when
    /// the node sent them, by its own clock.
    pub fn stored(
        &self,
        sender: &wire::Sender,
        reports: impl Iterator<Item = (wire::Report, Bytes)>,
        lost: Option<wire::Lost>,
        sent_ns: u64,
        now: Now,
    ) {
        let mut shard = self.shard(&sender.node);
        let Shard { nodes, totals } = &mut *shard;
        // It may have been forgotten, or its name have moved, while the disk was waited for.
        let Some(node) = nodes.get_mut(&sender.node).filter(|node| *node.machine == *sender.machine) else { return };
        for (report, bytes) in reports {
            if node.take(sender, &report, bytes, sent_ns, now) {
                totals.add(&report);
            }
        }
        // Who has lost nothing says nothing of it.
        node.say_lost(lost.map_or(0, |lost| lost.reports));
    }

    /// How many reports each node has said that it lost, of those that did.
    pub fn losses(&self) -> BTreeMap<String, u64> {
        let of = |node: &Node| Some((node.name.to_string(), node.lost_said.filter(|said| *said > 0)?));
        self.shards().flat_map(|shard| shard.nodes.values().filter_map(of).collect::<Vec<_>>()).collect()
    }

    /// Goes on with what the nodes had said before a restart: what they say beyond it, they have lost since.
    pub fn restore_losses(&self, said: &BTreeMap<String, u64>) {
        for mut shard in self.shards() {
            for (name, node) in &mut shard.nodes {
                node.lost_said = Some(said.get(name).copied().unwrap_or(0));
            }
        }
    }

    /// The reports of the window before and of the window of a node, as they came.
    pub fn reports(&self, name: &str) -> [Vec<Bytes>; 2] {
        self.shard(name).nodes.get(name).map(Node::reports).unwrap_or_default()
    }

    /// What `look` sees of a node; none if it is not known.
    pub fn look<T>(&self, name: &str, look: impl FnOnce(&Node) -> T) -> Option<T> {
        self.shard(name).nodes.get(name).map(look)
    }

    /// Forgets nodes of a shard that were silent for too long, and gives their names.
    pub fn forget(&self, shard: &mut Shard, now: Now) -> Vec<String> {
        let patience = self.limits.forget_after.as_nanos() as u64;
        let gone = |node: &Node| now.steady_ns.saturating_sub(node.heard_ns) > patience;
        let names: Vec<String> =
            shard.nodes.iter().filter(|(_, node)| gone(node)).map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| {
            shard.nodes.remove(name);
            self.count.fetch_sub(1, Relaxed);
        });
        names
    }

    /// How many nodes stand how.
    pub fn standing(&self, node: &Node, now: Now) -> Standing {
        node.standing(now.steady_ns, self.limits.down_after.as_nanos() as u64)
    }

    fn shard(&self, name: &str) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(name) as usize % SHARDS;
        // A panic of somebody else leaves no node half changed that would matter more than an answer.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
