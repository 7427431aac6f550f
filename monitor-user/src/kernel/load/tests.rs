//! [`PROBES`] against the object that was built: what one side names, the other has.

use std::collections::HashMap;

use aya_obj::{Object, ProgramSection};

use super::*;
use crate::kernel::resolve::Fake;

fn object() -> Object {
    Object::parse(OBJECT).unwrap()
}

fn options() -> Options<'static> {
    let probes = PROBES.iter().map(|probe| probe.name).collect();
    Options { btf: None, probes, slow_request_ns: 1, long_wait_ns: 1, events_per_second: 1 }
}

/// Sets the globals as the loader does, which refuses a name that is not there and a value of another size.
fn set(name: &str, value: &[u8]) -> Result<(), String> {
    object().patch_map_data(HashMap::from([(name, (value, true))])).map_err(|error| error.to_string())
}

#[test]
fn every_offset_and_setting_is_a_global_of_that_size_in_the_object() {
    let options = options();
    let resolved = Resolved::of(&Fake::default(), &options.probes);
    for field in PROBES.iter().flat_map(|probe| probe.fields) {
        assert!(resolved.words.contains_key(field.global), "{} is never set", field.global);
    }
    for (name, value) in &resolved.words {
        assert_eq!(set(name, &value.to_ne_bytes()), Ok(()));
    }
    for (name, value) in thresholds(&options, true) {
        assert_eq!(set(name, &value.to_ne_bytes()), Ok(()));
    }
    assert!(set("TASK_NOTHING", &[0; 4]).is_err(), "the test could not fail");
}

#[test]
fn the_object_has_the_programs_of_the_probes_and_no_others() {
    let object = object();
    let named: BTreeSet<_> = PROBES.iter().flat_map(|probe| probe.programs).map(|program| program.name).collect();
    assert_eq!(object.programs.keys().map(String::as_str).collect::<BTreeSet<_>>(), named);
    for program in PROBES.iter().flat_map(|probe| probe.programs) {
        let section = &object.programs[program.name].section;
        let fits = match program.hook {
            Hook::Tracepoint(_) => matches!(section, ProgramSection::BtfTracePoint),
            Hook::Iterator(_) => matches!(section, ProgramSection::Iter { .. }),
        };
        assert!(fits, "{} is built for another hook: {section:?}", program.name);
    }
}

#[test]
fn every_map_that_is_named_is_in_the_object() {
    let object = object();
    let read = ["SCHED_CPUS", "BLOCK_STATS", "BLOCK_IN_FLIGHT", "BLOCK_DISCARDS", "EVENTS", "EVENT_COUNTS"];
    for map in PROBES.iter().flat_map(|probe| probe.maps).chain(&read) {
        assert!(object.maps.contains_key(*map), "{map} is not in the object: {:?}", object.maps.keys());
    }
}

#[test]
fn without_the_probe_of_the_events_no_program_reports_one() {
    let values = thresholds(&options(), false).map(|(_, value)| value);
    assert_eq!(values, [u64::MAX, u64::MAX, 0]);
}
