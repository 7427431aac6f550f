mod world;

use std::{collections::BTreeMap, sync::Arc};

use monitor_common::block::{Error, Operation};
use prometheus::proto::{MetricFamily, MetricType};
use proptest::prelude::*;

use super::*;
use crate::{
    expose::{
        collector::Exposition,
        testing::{complete, cpu, disk, disk_id, network, node, requests},
    },
    histogram::Histogram,
    metric::{HISTOGRAM_SERIES, classic, seconds},
    sample::Requests,
};

/// Counters by name and labels, buckets, sums and counts of histograms among them.
type Scrape = BTreeMap<(String, Vec<String>), f64>;

fn scrape(exposition: &Exposition) -> (Scrape, usize) {
    let (mut out, mut series) = (Scrape::new(), 0);
    for family in exposition.gather() {
        for metric in family.get_metric() {
            let labels: Vec<String> = metric.get_label().iter().map(|pair| pair.value().to_owned()).collect();
            let mut put = |suffix: String, value| {
                let twice = out.insert((format!("{}{suffix}", family.name()), labels.clone()), value);
                assert!(twice.is_none(), "{} {labels:?} is there twice", family.name());
            };
            match family.get_field_type() {
                MetricType::COUNTER => put(String::new(), metric.get_counter().get_value()),
                MetricType::HISTOGRAM => {
                    let h = metric.get_histogram();
                    put("_count".into(), h.get_sample_count() as f64);
                    put("_sum".into(), h.get_sample_sum());
                    for (i, bucket) in h.get_bucket().iter().enumerate() {
                        put(format!("_bucket{i}"), bucket.cumulative_count() as f64);
                    }
                }
                _ => {}
            }
            series += series_of(&family);
        }
    }
    (out, series)
}

fn series_of(family: &MetricFamily) -> usize {
    if family.get_field_type() == MetricType::HISTOGRAM { HISTOGRAM_SERIES } else { 1 }
}

fn sum(scrape: &Scrape, name: &str) -> f64 {
    scrape.iter().filter(|((family, _), _)| family == name).map(|(_, value)| value).sum()
}

/// What the series of each counter add up to.
#[derive(Clone, Default)]
struct Truth(BTreeMap<String, f64>);

impl Truth {
    fn add(&mut self, name: &str, value: f64) {
        *self.0.entry(name.to_owned()).or_default() += value;
    }

    fn histogram(&mut self, name: &str, h: &Histogram) {
        self.add(&format!("{name}_count"), h.count() as f64);
        self.add(&format!("{name}_sum"), seconds(h.sum_ns()));
        classic(h).iter().enumerate().for_each(|(i, &n)| self.add(&format!("{name}_bucket{i}"), n as f64));
    }

    fn requests(&mut self, r: &Requests) {
        for class in &r.classes {
            self.add("kpulse_block_requests_total", class.requests as f64);
            self.add("kpulse_block_bytes_total", class.bytes as f64);
            self.add("kpulse_block_time_seconds_total", seconds(class.queue_ns + class.device_ns));
            if r.operation != Operation::Passthrough as u8 {
                self.add("kpulse_block_kind_requests_total", class.timed as f64);
                self.add("kpulse_block_kind_seconds_total", seconds(class.queue_ns + class.device_ns));
            }
        }
        self.add("kpulse_block_errors_total", r.errors.iter().sum::<u64>() as f64);
        self.histogram("kpulse_block_queue_seconds", &r.queue);
        self.histogram("kpulse_block_device_seconds", &r.device_time);
        self.histogram("kpulse_block_request_seconds", &r.total);
    }

    fn network(&mut self, n: &Network) {
        self.add("kpulse_network_receive_bytes_total", n.receive_bytes as f64);
        self.add("kpulse_network_transmit_packets_total", n.transmit_packets as f64);
    }

    fn cpu(&mut self, c: &Cpu) {
        self.add("kpulse_cpu_busy_seconds_total", seconds(c.busy_ns));
        self.add("kpulse_cpu_idle_seconds_total", seconds(c.idle_ns));
        self.add("kpulse_context_switches_total", c.switches.iter().sum::<u64>() as f64);
        self.add("kpulse_cpu_run_queue_waits_total", c.wait.count() as f64);
        self.histogram("kpulse_run_queue_wait_seconds", &c.wait);
        self.add("kpulse_sched_discarded_total", c.discards.iter().sum::<u64>() as f64);
    }

    /// Adds what one thing counted, but not what the series that begin with these labels say: that ends with them.
    fn base(&mut self, thing: &Self, scrape: &Scrape, labels: &[&[String]]) {
        for (name, value) in &thing.0 {
            let own = scrape.iter().filter(|((family, values), _)| {
                family == name && labels.iter().any(|labels| values.starts_with(labels))
            });
            self.add(name, value - own.map(|(_, value)| value).sum::<f64>());
        }
    }

    fn check(&self, scrape: &Scrape) {
        for (name, &expected) in &self.0 {
            let found = sum(scrape, name);
            assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{name}: {found}, but it is {expected}");
        }
    }
}

/// How many series there are, and how many disks have counters, request times and everything.
fn crowd(cpus: u32, disks: u32) -> (usize, [usize; 3]) {
    let snapshot = node(cpus, disks);
    let mut truth = Truth::default();
    snapshot.sample.block.iter().flat_map(|block| &block.requests).for_each(|r| truth.requests(r));
    snapshot.sample.sched.iter().flat_map(|sched| sched.cpus.values()).for_each(|c| truth.cpu(c));
    let exposition = Exposition::new(2000).unwrap();
    exposition.observe(&Arc::new(snapshot));
    let (found, series) = scrape(&exposition);
    truth.check(&found);
    let own = exposition.own_devices();
    let own_cpus = found.keys().filter(|(name, cpu)| name == "kpulse_cpu_busy_seconds_total" && cpu[0] != OTHER);
    let own_cpus = own_cpus.count();
    println!("{cpus} CPUs, {disks} disks: {series} series, {own_cpus} CPUs, disks with counters, time, all: {own:?}");
    assert!(series <= 2000, "{series}");
    (series, own)
}

#[test]
fn a_crowd_fills_2000_series_and_loses_nothing() {
    for (cpus, disks) in [(2, 60), (64, 40), (64, 200), (512, 200)] {
        let (series, [counters, times, _]) = crowd(cpus, disks);
        assert!(series > 1800, "{cpus} CPUs and {disks} disks: {series}");
        assert!(times >= 7 && counters >= 20, "{cpus} CPUs and {disks} disks: {times} with times, {counters} in all");
    }
}

#[test]
fn a_usual_node_has_everything_in_full() {
    assert_eq!(crowd(16, 3).1, [3, 3, 3]);
}

#[test]
fn every_disk_has_its_request_time_before_one_has_more() {
    for disks in 4..24 {
        let (_, [counters, times, full]) = crowd(2, disks);
        assert!(full == 0 || times == disks as usize, "{disks} disks: {times} with times, {full} in full");
        assert!(disks > 19 || times == disks as usize, "{disks} disks: {times} with times");
        assert!(disks > 10 || full >= 4, "{disks} disks: {full} in full");
        assert_eq!(counters, disks as usize, "{disks} disks");
    }
}

#[test]
fn a_disk_that_leaves_takes_its_series_with_it_and_returns_with_new_ones() {
    let exposition = Exposition::new(2000).unwrap();
    let everything = node(2, 3);
    let mut without = everything.clone();
    let block = Arc::make_mut(&mut without.sample).block.as_mut().unwrap();
    block.requests.retain(|r| r.device != disk_id(1));
    block.in_flight.retain(|f| f.device != disk_id(1));
    let mut back = without.clone();
    complete_one(Arc::make_mut(&mut back.sample).block.as_mut().unwrap(), disk_id(1));
    let key = |disk: &str| ("kpulse_block_request_seconds_count".to_owned(), vec![disk.to_owned(), "read".to_owned()]);
    let see = |snapshot| {
        exposition.observe(&Arc::new(snapshot));
        let found = scrape(&exposition).0;
        assert!(!found.contains_key(&key(OTHER)), "nothing is added to other");
        found.get(&key("sd1")).copied()
    };
    assert_eq!([see(everything), see(without), see(back)], [Some(33.0), None, Some(1.0)]);
}

#[test]
fn a_kind_of_request_keeps_what_a_disk_did_that_has_left() {
    let exposition = Exposition::new(2000).unwrap();
    let mut snapshot = node(2, 3);
    let mut see = |change: &dyn Fn(&mut crate::sample::Block)| {
        change(Arc::make_mut(&mut snapshot.sample).block.as_mut().unwrap());
        exposition.observe(&Arc::new(snapshot.clone()));
        let found = scrape(&exposition).0;
        let labels = ["ssd", "read", "4KiB"].map(str::to_owned).to_vec();
        found[&("kpulse_block_kind_requests_total".to_owned(), labels)]
    };
    assert_eq!(see(&|_| {}), 33.0, "10 + 11 + 12");
    assert_eq!(see(&|block| block.requests.retain(|r| r.device != disk_id(1))), 33.0);
    assert_eq!(see(&|block| complete_one(block, disk_id(1))), 34.0);
    // Another disk under its number, with as many reads as the one before.
    let write = |block: &mut crate::sample::Block| {
        let mut r = requests(disk_id(1), Operation::Write);
        complete(&mut r, 4096, 1);
        block.requests.push(r);
    };
    assert_eq!(see(&write), 34.0);
    assert_eq!(see(&|block| drop(block.requests.pop())), 35.0);
}

#[test]
fn requests_whose_size_is_not_known_are_of_no_kind() {
    let exposition = Exposition::new(2000).unwrap();
    let mut snapshot = node(2, 3);
    let mut see = |coarse: u64| {
        let block = Arc::make_mut(&mut snapshot.sample).block.as_mut().unwrap();
        let mut reads = block.requests.iter_mut().filter(|r| r.operation == Operation::Read as u8);
        complete(reads.next().unwrap(), 4096, 1);
        block.coarse += coarse;
        exposition.observe(&Arc::new(snapshot.clone()));
        let found = scrape(&exposition).0;
        found[&("kpulse_block_kind_requests_total".to_owned(), ["ssd", "read", "4KiB"].map(str::to_owned).to_vec())]
    };
    assert_eq!(see(0), 34.0, "10 + 11 + 12, and one");
    assert_eq!((see(1), see(1)), (34.0, 34.0));
    assert_eq!(see(0), 35.0, "only what came after");
}

#[test]
fn kinds_without_room_are_added_up() {
    let mut ledger = Ledger::new(MIN_SERIES);
    let mut snapshot = node(64, 200);
    ledger.observe(&Arc::new(snapshot.clone()));
    for operation in [Operation::Flush, Operation::Discard] {
        let mut late = requests(disk_id(0), operation);
        [0, 4096, 16384, 65536, 1 << 18, 1 << 20].iter().for_each(|&bytes| complete(&mut late, bytes, 7));
        Arc::make_mut(&mut snapshot.sample).block.as_mut().unwrap().requests.push(late);
    }
    ledger.observe(&Arc::new(snapshot.clone()));
    let kinds = ledger.view(&snapshot, 0).kinds;
    // Six at first, two for which there is room, what is left of the room of devices, and other.
    assert!((9..15).contains(&kinds.len()), "{kinds:?}");
    assert_eq!(kinds.last().map(|kind| (kind.class, kind.operation, kind.size)), Some((OTHER, OTHER, OTHER)));
    let late: u64 =
        kinds.iter().filter(|kind| !["read", "write"].contains(&kind.operation)).map(|kind| kind.requests).sum();
    assert_eq!(late, 12 * 7);
}

#[test]
fn an_error_of_a_disk_with_counters_only_has_its_own_series() {
    let exposition = Exposition::new(2000).unwrap();
    let mut snapshot = node(64, 200);
    let block = Arc::make_mut(&mut snapshot.sample).block.as_mut().unwrap();
    block.requests.iter_mut().for_each(|r| r.errors = Default::default());
    exposition.observe(&Arc::new(snapshot.clone()));
    let found = scrape(&exposition).0;
    let with_times =
        |disk: &str| found.keys().any(|(name, l)| name == "kpulse_block_request_seconds_sum" && l[0] == disk);
    let counters = found.keys().find(|(name, l)| name == "kpulse_block_bytes_total" && !with_times(&l[0]));
    let disk = counters.expect("a disk with counters only").1[0].clone();
    let n: u32 = disk.trim_start_matches("sd").parse().unwrap();
    let block = Arc::make_mut(&mut snapshot.sample).block.as_mut().unwrap();
    block.requests.iter_mut().filter(|r| r.device == disk_id(n)).for_each(|r| r.errors[Error::Medium as usize] = 3);
    exposition.observe(&Arc::new(snapshot));
    let key = ["read", "medium"].map(str::to_owned);
    let found = scrape(&exposition).0;
    let series = ("kpulse_block_errors_total".to_owned(), [&[disk][..], &key].concat());
    assert_eq!(found.get(&series), Some(&3.0), "{series:?}");
}

#[test]
fn the_disks_with_the_most_requests_come_first() {
    let exposition = Exposition::new(2000).unwrap();
    exposition.observe(&Arc::new(node(64, 200)));
    let (found, _) = scrape(&exposition);
    let has = |disk: &str| found.keys().any(|(name, labels)| name == "kpulse_block_bytes_total" && labels[0] == disk);
    assert!(has("sd199") && !has("sd0"));
}

#[test]
fn a_disk_that_leaves_makes_room_for_another() {
    let exposition = Exposition::new(2000).unwrap();
    let mut snapshot = node(64, 200);
    exposition.observe(&Arc::new(snapshot.clone()));
    let block = Arc::make_mut(&mut snapshot.sample).block.as_mut().unwrap();
    block.requests.retain(|r| r.device != disk_id(199));
    block.in_flight.retain(|f| f.device != disk_id(199));
    let newcomer = disk_id(300);
    complete_one(block, newcomer);
    Arc::make_mut(&mut snapshot.sample).host.disks.insert(newcomer, disk("new", true));
    exposition.observe(&Arc::new(snapshot));
    let (found, _) = scrape(&exposition);
    assert!(found.keys().any(|(name, labels)| name == "kpulse_block_bytes_total" && labels[0] == "new"));
}

fn complete_one(block: &mut crate::sample::Block, id: DeviceId) {
    let mut r = requests(id, Operation::Read);
    complete(&mut r, 4096, 1);
    block.requests.push(r);
}

#[test]
fn a_disk_keeps_its_name_until_another_takes_it() {
    let mut ledger = Ledger::new(2000);
    let mut snapshot = node(1, 1);
    let label = |ledger: &Ledger, snapshot: &Snapshot| ledger.devices.requests(snapshot)[0].device.to_owned();
    ledger.observe(&Arc::new(snapshot.clone()));
    assert_eq!(label(&ledger, &snapshot), "sd0");
    Arc::make_mut(&mut snapshot.sample).host.disks.remove(&disk_id(0));
    ledger.observe(&Arc::new(snapshot.clone()));
    assert_eq!(label(&ledger, &snapshot), "sd0");
    Arc::make_mut(&mut snapshot.sample).host.disks.insert(disk_id(9), disk("sd0", true));
    ledger.observe(&Arc::new(snapshot.clone()));
    assert_eq!(label(&ledger, &snapshot), "8:0");
}

#[test]
fn filesystems_beyond_their_share_are_left_out_and_counted() {
    let mut snapshot = node(64, 200);
    let one = snapshot.sample.host.filesystems[0].clone();
    let many = (0..300).map(|n| Filesystem { mount: format!("/mnt/{n}"), ..one.clone() });
    Arc::make_mut(&mut snapshot.sample).host.filesystems = many.collect();
    let mut ledger = Ledger::new(2000);
    ledger.observe(&Arc::new(snapshot.clone()));
    let view = ledger.view(&snapshot, 0);
    assert!(!view.filesystems.is_empty());
    let disks = snapshot.sample.host.disks.len() - view.disks.len();
    assert_eq!(view.exposition.dropped, (300 - view.filesystems.len()) * FILESYSTEM_SERIES + disks);
}

#[test]
fn a_time_that_is_a_little_behind_does_not_turn_a_counter_back() {
    let mut ledger = Ledger::new(2000);
    let mut snapshot = node(1, 0);
    ledger.observe(&Arc::new(snapshot.clone()));
    let busy = |ledger: &Ledger| ledger.cpu_views()[0].cpu.busy_ns;
    let before = busy(&ledger);
    if let Some(cpu) = Arc::make_mut(&mut snapshot.sample).sched.as_mut().and_then(|sched| sched.cpus.get_mut(&0)) {
        cpu.busy_ns -= 1000;
    }
    ledger.observe(&Arc::new(snapshot.clone()));
    assert_eq!(busy(&ledger), before);
}
