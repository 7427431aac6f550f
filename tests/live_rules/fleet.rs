//! A fleet of which everything is known: each node's two samples, a window apart, and what kpulse's own index says of them.

use std::collections::BTreeMap;

use kpulse::{
    host::Class,
    index::{Index, Mode, Observation, Options, Signal, Stratum, index, observe},
    sample::Sample,
    window,
};
use monitor_common::block::{Operation, SizeClass};
use tests::story::{Chapter, Machine, tell};

/// Where the window begins and where it ends, in seconds of a node's life.
const BEGINS: u64 = 30;
const ENDS: u64 = 90;

/// One node.
pub struct Node {
    /// In a few words.
    pub name: &'static str,
    /// When the window begins and when it ends.
    pub samples: [Sample; 2],
}

/// Nodes of all sorts. Some disks turn, and one kind of request is done by two nodes only.
pub fn nodes() -> Vec<Node> {
    let well = Chapter::healthy(ENDS - BEGINS);
    let node = |name, seed, disks, chapter: Chapter| {
        let machine = Machine { cpus: 2, disks, tasks: 3 };
        let mut life: Vec<Sample> = tell(seed, machine, vec![Chapter::healthy(BEGINS), chapter]).collect();
        let (end, begin) = (life.pop().unwrap(), life.swap_remove(BEGINS as usize - 1));
        // The second disk turns.
        let samples = [begin, end].map(|sample| with_class(sample, 1, Class::Rotational));
        Node { name, samples }
    };
    let mut all = vec![
        node("well", 1, 2, well),
        node("with twice the load", 2, 2, Chapter { load: 2.0, ..well }),
        node("with a slow disk", 3, 2, Chapter { disk_slowness: 10.0, ..well }),
        node("fought for", 4, 2, Chapter { cpu_slowness: 20.0, load: 1.5, ..well }),
        node("with one disk", 5, 1, Chapter { disk_slowness: 1.5, ..well }),
        node("with hardly any requests", 6, 1, Chapter { load: 0.02, ..well }),
        node("with few requests of each kind", 7, 2, Chapter { load: 0.08, ..well }),
        node("idle", 8, 2, well),
        node("begun anew", 9, 2, well),
        node("with new kinds of requests", 10, 2, well),
        node("with the same new kinds", 11, 2, well),
    ];
    for node in &mut all {
        let [begin, end] = &mut node.samples;
        match node.name {
            "idle" => (end.sched, end.block) = (begin.sched.clone(), begin.block.clone()),
            "begun anew" => end.origin.attached_ns += 7_000_000_000,
            _ if node.name.contains("new kinds") => flush_and_discard(end),
            _ => {}
        }
    }
    all
}

fn with_class(mut sample: Sample, disk: usize, class: Class) -> Sample {
    if let Some(disk) = sample.host.disks.values_mut().nth(disk) {
        disk.class = class;
    }
    sample
}

/// What was only read and written is flushed, too, and discarded.
fn flush_and_discard(sample: &mut Sample) {
    let block = sample.block.as_mut().unwrap();
    for (operation, size) in [(Operation::Flush, SizeClass::Empty), (Operation::Discard, SizeClass::Larger)] {
        let mut requests = block.requests[0].clone();
        requests.operation = operation as u8;
        let all = std::mem::take(&mut requests.classes);
        requests.classes[size as usize] = all[SizeClass::To4K as usize];
        block.requests.push(requests);
    }
    block.requests.sort_by_key(|requests| (requests.device, requests.operation));
}

/// What an operator has pinned: all that is read and written but one kind.
pub fn pinned(stratum: Stratum) -> Option<f64> {
    let known = stratum.operation < 2 && stratum.size != SizeClass::To64K as u8 || stratum.class != Class::Rotational;
    known.then(|| 1e-5 * f64::from(1 + stratum.operation + 3 * stratum.size))
}

/// What each node did in the window; a node that began anew is not there.
pub fn observations(nodes: &[Node], signal: Signal) -> BTreeMap<usize, Observation> {
    let seen = |(n, node): (usize, &Node)| {
        let [begin, end] = &node.samples;
        let window = window::derive(begin, end, &window::Options::default()).ok()?;
        Some((n, observe(signal, &window)?))
    };
    nodes.iter().enumerate().filter_map(seen).collect()
}

/// What kpulse itself says.
pub fn expected(nodes: &[Node], signal: Signal, mode: Mode) -> Index {
    let seen = observations(nodes, signal);
    let named: Vec<(&str, &Observation)> = seen.iter().map(|(n, done)| (nodes[*n].name, done)).collect();
    index(signal, mode, &named, &|_, stratum| pinned(stratum), &Options::default())
}
