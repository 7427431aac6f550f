use super::*;

fn all() -> BTreeSet<&'static str> {
    PROBES.iter().map(|probe| probe.name).collect()
}

fn on() -> State {
    State::On { lost: Vec::new() }
}

fn failed(reason: &str) -> State {
    State::Failed { reason: reason.into() }
}

/// The states that are not just "on", with everything wanted.
fn odd(kernel: &Fake) -> Vec<(&'static str, State)> {
    Resolved::of(kernel, &all()).states.into_iter().filter(|(_, state)| *state != on()).collect()
}

#[test]
fn a_kernel_that_has_everything_turns_everything_on_and_gives_every_offset() {
    let resolved = Resolved::of(&Fake::default(), &all());
    assert_eq!(resolved.states, all().into_iter().map(|name| (name, on())).collect());
    for field in PROBES.iter().flat_map(|probe| probe.fields) {
        assert_eq!(resolved.words[field.global], 8 * field.paths[0].len() as u32, "{}", field.global);
    }
}

#[test]
fn a_missing_field_turns_off_the_probe_that_needs_it_by_name_and_no_other() {
    let reason = "this kernel has no field rq.clock";
    assert_eq!(odd(&Fake::without(&["rq.clock"])), [("sched", failed(reason))]);
    let reason = "this kernel has no field request.start_time_ns";
    assert_eq!(odd(&Fake::without(&["request.start_time_ns"])), [("block", failed(reason))]);
}

#[test]
fn a_field_that_several_probes_need_turns_them_all_off() {
    let names: Vec<_> = odd(&Fake::without(&["task_struct.pid"])).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["events", "sched", "tasks"]);
}

#[test]
fn the_older_path_of_a_field_serves_and_without_either_both_are_named() {
    let older = Fake::without(&["task_struct.__state"]);
    assert_eq!(odd(&older), []);
    assert_eq!(Resolved::of(&older, &all()).words["TASK_STATE"], 8 * "task_struct.state".len() as u32);
    let reason = "this kernel has no field task_struct.__state or task_struct.state";
    assert_eq!(odd(&Fake::without(&["task_struct.__state", "task_struct.state"])), [("sched", failed(reason))]);
}

#[test]
fn an_optional_field_is_listed_as_lost_and_its_global_is_left_alone() {
    let kernel = Fake::without(&["request.io_start_time_ns"]);
    let [("block", State::On { lost })] = &odd(&kernel)[..] else { panic!("{:?}", odd(&kernel)) };
    assert_eq!(lost.len(), 1);
    assert!(lost[0].starts_with("request.io_start_time_ns is missing: the kernel's own issue times"), "{lost:?}");
    assert!(!Resolved::of(&kernel, &all()).words.contains_key("REQUEST_IO_START_TIME"));
}

#[test]
fn one_field_of_a_group_is_enough_and_none_is_not() {
    assert_eq!(odd(&Fake::without(&["request_queue.disk"])), []);
    assert_eq!(odd(&Fake::without(&["request.rq_disk"])), []);
    let reason = "this kernel has no field that gives the request's disk";
    assert_eq!(odd(&Fake::without(&["request_queue.disk", "request.rq_disk"])), [("block", failed(reason))]);
}

#[test]
fn a_missing_tracepoint_turns_its_probe_off() {
    let reason = "this kernel has no tracepoint block_rq_issue";
    assert_eq!(odd(&Fake::without(&["block_rq_issue"])), [("block", failed(reason))]);
    assert_eq!(
        odd(&Fake::without(&["mark_victim"])),
        [("events", failed("this kernel has no tracepoint mark_victim"))]
    );
}

#[test]
fn what_is_not_wanted_is_not_looked_up() {
    let resolved = Resolved::of(&Fake::default(), &BTreeSet::from(["sched"]));
    assert_eq!(resolved.states["block"], State::Disabled);
    assert_eq!(resolved.states["sched"], on());
    assert!(!resolved.words.contains_key("REQUEST_QUEUE"));
}

#[test]
fn the_arguments_decide_how_the_programs_read_them() {
    use Argument::{Int, Number, Pointer};
    let words = |arguments: &[(&'static str, &[Argument])]| {
        let arguments = arguments.iter().map(|(name, arguments)| (*name, arguments.to_vec())).collect();
        Resolved::of(&Fake { arguments, ..Fake::default() }, &all()).words
    };
    let old = words(&[
        ("sched_switch", &[Number, Pointer, Pointer]),
        ("block_rq_issue", &[Pointer, Pointer]),
        ("block_rq_complete", &[Pointer, Int, Number]),
        ("mark_victim", &[Int]),
    ]);
    let new = words(&[
        ("sched_switch", &[Number, Pointer, Pointer, Number]),
        ("block_rq_issue", &[Pointer]),
        ("block_rq_complete", &[Pointer, Number, Number]),
        ("mark_victim", &[Pointer, Number]),
    ]);
    for (global, before, after) in [
        ("SCHED_SWITCH_HAS_STATE", 0, 1),
        ("BLOCK_ISSUE_ARG", 1, 0),
        ("BLOCK_STATUS_IS_ERRNO", 1, 0),
        ("MARK_VICTIM_HAS_TASK", 0, 1),
    ] {
        assert_eq!((old[global], new[global]), (before, after), "{global}");
    }
}
