//! Whatever may happen to a machine, in any order: the limit holds, totals are conserved and no counter goes down.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Work {
        disk: u32,
        operation: usize,
        size: usize,
        count: u64,
    },
    Fail {
        disk: u32,
        operation: usize,
        error: usize,
    },
    Vanish {
        disk: u32,
    },
    /// Another disk under the same number, between two samples.
    Replace {
        disk: u32,
        count: u64,
    },
    /// /sys has the disk no more, its statistics are still there.
    Unplug {
        disk: u32,
    },
    Cpu {
        cpu: u32,
        work: u64,
    },
    Traffic {
        interface: u32,
        packets: u64,
    },
    InterfaceLeaves {
        interface: u32,
    },
    InterfaceReplaced {
        interface: u32,
        packets: u64,
    },
    NoHost,
    NoProbes,
}

fn step() -> impl Strategy<Value = Step> {
    let disk = 0u32..25;
    prop_oneof![
        12 => (disk.clone(), 0..Operation::COUNT, 0usize..5, 1u64..1000)
            .prop_map(|(disk, operation, size, count)| Step::Work { disk, operation, size, count }),
        2 => (disk.clone(), 0..Operation::COUNT, 0..Error::COUNT)
            .prop_map(|(disk, operation, error)| Step::Fail { disk, operation, error }),
        2 => disk.clone().prop_map(|disk| Step::Vanish { disk }),
        2 => (disk.clone(), 1u64..1000).prop_map(|(disk, count)| Step::Replace { disk, count }),
        1 => disk.prop_map(|disk| Step::Unplug { disk }),
        3 => (0u32..120, 1u64..1000).prop_map(|(cpu, work)| Step::Cpu { cpu, work }),
        3 => (0u32..40, 1u64..1000).prop_map(|(interface, packets)| Step::Traffic { interface, packets }),
        1 => (0u32..40).prop_map(|interface| Step::InterfaceLeaves { interface }),
        1 => (0u32..40, 0u64..500).prop_map(|(interface, packets)| Step::InterfaceReplaced { interface, packets }),
        1 => Just(Step::NoHost),
        1 => Just(Step::NoProbes),
    ]
}

/// A node that changes. Only what a sample has shown can be known of it, so what leaves counts as it was last seen, and nothing
/// leaves and comes back between two samples, but for [`Step::Replace`].
#[derive(Default)]
struct World {
    requests: BTreeMap<(DeviceId, usize), Requests>,
    cpus: BTreeMap<u32, u64>,
    networks: BTreeMap<String, u64>,
    unplugged: Vec<u32>,
    host_unread: bool,
    probes_off: bool,
    seen: BTreeMap<(DeviceId, usize), Requests>,
    seen_networks: BTreeMap<String, u64>,
    left: Vec<u32>,
    left_networks: Vec<u32>,
    /// The latest scrape in full.
    scrape: Scrape,
    /// What those counted in `other` that left it.
    base: Truth,
    network_base: Truth,
}

impl World {
    fn next(&mut self, steps: Vec<Step>) {
        self.host_unread = steps.iter().any(|step| matches!(step, Step::NoHost));
        self.probes_off = steps.iter().any(|step| matches!(step, Step::NoProbes));
        if !self.host_unread && !self.probes_off {
            (self.seen, self.seen_networks) = (self.requests.clone(), self.networks.clone());
            (self.left, self.left_networks) = (Vec::new(), Vec::new());
            steps.into_iter().for_each(|step| self.apply(step));
        }
    }

    fn at(&mut self, disk: u32, operation: usize) -> &mut Requests {
        let id = disk_id(disk);
        self.requests.entry((id, operation)).or_insert_with(|| requests(id, Operation::ALL[operation]))
    }

    fn remove(&mut self, disk: u32) {
        self.left.push(disk);
        self.requests.retain(|(id, _), _| *id != disk_id(disk));
        for ((_, operation), r) in self.seen.iter().filter(|((id, _), _)| *id == disk_id(disk)) {
            let mut thing = Truth::default();
            thing.requests(r);
            let operation = Operation::ALL[*operation].name().to_owned();
            let labels = disk_labels(disk).map(|label| [label, operation.clone()]);
            self.base.base(&thing, &self.scrape, &[&labels[0], &labels[1]]);
        }
    }

    fn remove_network(&mut self, interface: u32) {
        let name = format!("veth{interface}");
        self.left_networks.push(interface);
        if let Some(&packets) = self.seen_networks.get(&name) {
            let mut thing = Truth::default();
            thing.network(&network(packets));
            self.network_base.base(&thing, &self.scrape, &[std::slice::from_ref(&name)]);
        }
        self.networks.remove(&name);
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Work { disk, .. } | Step::Fail { disk, .. } | Step::Vanish { disk } | Step::Replace { disk, .. }
                if self.left.contains(&disk) => {}
            Step::Work { disk, operation, size, count } => {
                let bytes = [0, 4096, 16384, 65536, 1 << 20][size];
                complete(self.at(disk, operation), bytes, count);
            }
            Step::Fail { disk, operation, error } => self.at(disk, operation).errors[error] += 1,
            Step::Vanish { disk } => self.remove(disk),
            Step::Replace { disk, count } => {
                // What has more than before in everything cannot be told from the same disk.
                if self.seen.values().any(|r| r.device == disk_id(disk) && r.classes[1].requests > count) {
                    self.remove(disk);
                    complete(self.at(disk, 0), 4096, count);
                }
            }
            Step::Unplug { disk } => self.unplugged.push(disk),
            Step::Cpu { cpu, work } => *self.cpus.entry(cpu).or_default() += work,
            Step::Traffic { interface, packets } if !self.left_networks.contains(&interface) => {
                *self.networks.entry(format!("veth{interface}")).or_default() += packets;
            }
            Step::InterfaceLeaves { interface } if !self.left_networks.contains(&interface) => {
                self.remove_network(interface);
            }
            Step::InterfaceReplaced { interface, packets } if !self.left_networks.contains(&interface) => {
                let name = format!("veth{interface}");
                if self.seen_networks.get(&name).is_some_and(|seen| *seen > packets) {
                    self.remove_network(interface);
                    self.networks.insert(name, packets);
                }
            }
            Step::Traffic { .. }
            | Step::InterfaceLeaves { .. }
            | Step::InterfaceReplaced { .. }
            | Step::NoHost
            | Step::NoProbes => {}
        }
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = node(0, 0);
        let sample = Arc::make_mut(&mut snapshot.sample);
        if self.probes_off {
            (sample.sched, sample.block) = (None, None);
        } else {
            let cpus = self.cpus.iter().map(|(&id, &n)| (id, cpu(n))).collect();
            sample.sched = Some(crate::sample::Sched { cpus });
            let requests = self.requests.values().cloned().collect();
            sample.block = Some(crate::sample::Block { requests, ..Default::default() });
        }
        sample.host.networks = self.networks.iter().map(|(name, &n)| (name.clone(), network(n))).collect();
        let plugged = (0..25).filter(|disk| !self.unplugged.contains(disk));
        sample.host.disks.extend(plugged.map(|n| (disk_id(n), disk(&format!("sd{n}"), true))));
        if self.host_unread {
            sample.host = Host::default();
        }
        snapshot
    }

    fn truth(&self) -> Truth {
        let mut truth = Truth::default();
        let mut add = |base: &Truth| base.0.iter().for_each(|(name, value)| truth.add(name, *value));
        if !self.probes_off {
            add(&self.base);
        }
        if !self.host_unread && !self.networks.is_empty() {
            add(&self.network_base);
        }
        if !self.probes_off {
            self.requests.values().for_each(|r| truth.requests(r));
            self.cpus.values().for_each(|&n| truth.cpu(&cpu(n)));
        }
        if !self.host_unread && !self.networks.is_empty() {
            self.networks.values().for_each(|&n| truth.network(&network(n)));
        }
        truth
    }

    /// Whether a series may be lower than it was: it has the label of something that left.
    fn may_begin_anew(&self, labels: &[String]) -> bool {
        let disks = self.left.iter().flat_map(|&disk| disk_labels(disk));
        let mut all = disks.chain(self.left_networks.iter().map(|interface| format!("veth{interface}")));
        labels.first().is_some_and(|label| all.any(|left| left == *label))
    }
}

/// A disk's name, and the one that it has after it was unplugged.
fn disk_labels(disk: u32) -> [String; 2] {
    [format!("sd{disk}"), disk_id(disk).to_string()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_the_limit_holds_totals_are_conserved_and_no_counter_goes_down(
        limit in MIN_SERIES..2500,
        history in prop::collection::vec(prop::collection::vec(step(), 1..60), 1..20),
    ) {
        let exposition = Exposition::new(limit).unwrap();
        let mut world = World::default();
        let mut before = Scrape::new();
        for steps in history {
            world.next(steps);
            exposition.observe(&Arc::new(world.snapshot()));
            let (now, series) = scrape(&exposition);
            prop_assert!(series <= limit, "{} series, {} allowed", series, limit);
            world.truth().check(&now);
            for (key, value) in now.iter().filter(|((_, labels), _)| !world.may_begin_anew(labels)) {
                let least = before.get(key).copied().unwrap_or(0.0);
                prop_assert!(*value >= least, "{:?} went from {} to {}", key, least, value);
            }
            if !world.probes_off && !world.host_unread {
                world.scrape.clone_from(&now);
            }
            before = now;
        }
    }
}
