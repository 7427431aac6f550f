//! Block requests by kind: device class, operation and size, over all devices.
//!
//! In: every snapshot, in order. Out: what each kind has counted since the agent began. These are what a fleet's P is made of
//! outside of kpulse (`deploy/prometheus/`): they are few, whatever number of disks a node has, and none goes down when a
//! disk leaves, because what is added up is what the disks did from one snapshot to the next. Passthrough commands are in no
//! index, and not in here.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use monitor_common::block::{Operation, SizeClass};

use crate::{
    host::Class,
    index::Stratum,
    metric::{KindView, OTHER},
    sample::{self, DeviceId, Requests},
    status::Snapshot,
};

use super::{devices::ERRORS, pair::went_back, pool::Pool};

/// Requests and their time.
const KIND_SERIES: usize = 2;
/// Of what has no room.
pub const OTHER_SERIES: usize = KIND_SERIES;
/// Room that only kinds have, for eight of them. Others take of the room of devices, and take it first.
pub const RESERVED: usize = 8 * KIND_SERIES;

/// All kinds.
#[derive(Debug, Default)]
pub struct Kinds {
    kinds: BTreeMap<Stratum, Kind>,
    /// The latest snapshot with block requests.
    latest: Option<Arc<Snapshot>>,
    /// The classes of the devices with requests, kept while /sys cannot be read.
    classes: HashMap<DeviceId, Class>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    own: bool,
    requests: u64,
    time_ns: u64,
}

impl Kinds {
    /// Takes up what the tracepoints saw. Room comes from the pool of kinds, then from that of devices.
    pub fn observe(&mut self, snapshot: &Arc<Snapshot>, mut pools: [&mut Pool; 2]) {
        let Some(block) = &snapshot.sample.block else { return };
        let earlier = self.latest.replace(Arc::clone(snapshot));
        let before = earlier.as_ref().and_then(|earlier| earlier.sample.block.as_ref());
        // Of what was not told apart by size it is not known of which kind it was.
        if block.coarse > before.map_or(0, |before| before.coarse) {
            return;
        }
        let before: HashMap<_, _> =
            before.into_iter().flat_map(|block| &block.requests).map(|r| ((r.device, r.operation), r)).collect();
        let classes = block.requests.iter().map(|r| {
            let now = snapshot.sample.host.disks.get(&r.device).map(|disk| disk.class);
            (r.device, now.or_else(|| self.classes.get(&r.device).copied()).unwrap_or_default())
        });
        self.classes = classes.collect();
        // One counter that went back means another device: all its counters began anew.
        let now: HashMap<_, _> = block.requests.iter().map(|r| ((r.device, r.operation), r)).collect();
        let lower = |key: &(DeviceId, u8), before: &Requests| now.get(key).is_none_or(|now| went_back(now, before));
        let anew: HashSet<_> =
            before.iter().filter(|(key, before)| lower(key, before)).map(|((device, _), _)| *device).collect();
        for r in block.requests.iter().filter(|r| r.operation != Operation::Passthrough as u8) {
            let before = before.get(&(r.device, r.operation)).filter(|_| !anew.contains(&r.device));
            let class = self.classes.get(&r.device).copied().unwrap_or_default();
            self.add(r, before.copied(), class, &mut pools);
        }
    }

    fn add(&mut self, now: &Requests, before: Option<&Requests>, class: Class, pools: &mut [&mut Pool; 2]) {
        for (size, done) in now.classes.iter().enumerate() {
            let before = before.map(|before| before.classes[size]).unwrap_or_default();
            let requests = done.timed.saturating_sub(before.timed);
            if requests == 0 {
                continue;
            }
            let stratum = Stratum { class, operation: now.operation, size: size as u8 };
            let kind = self.kinds.entry(stratum).or_insert_with(|| {
                let own = pools[0].take(KIND_SERIES) || pools[1].take_above(ERRORS, KIND_SERIES);
                Kind { own, ..Kind::default() }
            });
            kind.requests += requests;
            kind.time_ns += time_ns(done).saturating_sub(time_ns(&before));
        }
    }

    /// Each with series of its own, then those without, added up.
    pub fn views(&self) -> Vec<KindView> {
        let view = |(stratum, kind): (&Stratum, &Kind)| KindView {
            class: stratum.class.name(),
            operation: Operation::ALL.get(usize::from(stratum.operation)).map_or(OTHER, |operation| operation.name()),
            size: SizeClass::ALL.get(usize::from(stratum.size)).map_or(OTHER, |size| size.name()),
            requests: kind.requests,
            time_ns: kind.time_ns,
        };
        let mut out: Vec<_> = self.kinds.iter().filter(|(_, kind)| kind.own).map(view).collect();
        let folded = self.kinds.values().filter(|kind| !kind.own);
        if let Some(sum) = folded.copied().reduce(|sum, kind| Kind {
            own: false,
            requests: sum.requests + kind.requests,
            time_ns: sum.time_ns + kind.time_ns,
        }) {
            let Kind { requests, time_ns, .. } = sum;
            out.push(KindView { class: OTHER, operation: OTHER, size: OTHER, requests, time_ns });
        }
        out
    }
}

fn time_ns(class: &sample::Class) -> u64 {
    class.queue_ns.saturating_add(class.device_ns)
}
