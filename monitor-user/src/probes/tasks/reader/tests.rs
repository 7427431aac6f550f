use super::*;

const SECOND: u64 = 1_000_000_000;

fn task(pid: u32, cpu_ns: u64) -> Task {
    Task {
        pid,
        tgid: pid,
        comm: *b"task\0\0\0\0\0\0\0\0\0\0\0\0",
        start_ns: u64::from(pid) * 1000,
        cgroup: 1,
        cpu_ns,
        run_delay_ns: 0,
        queued_ns: 0,
        read_bytes: 0,
        write_bytes: 0,
        voluntary: 0,
        involuntary: 0,
        flags: 0,
        padding: 0,
    }
}

fn read(reader: &mut Reader, second: u64, tasks: &[Task]) -> (Vec<sample::Task>, sample::AllTasks) {
    reader.take_all(tasks, None, second * SECOND)
}

fn used(tasks: &[sample::Task]) -> Vec<(u32, u64)> {
    let mut used: Vec<_> = tasks.iter().map(|task| (task.pid, task.cpu_ns)).collect();
    used.sort_unstable();
    used
}

#[test]
fn who_sleeps_is_not_listed_and_who_wakes_counts_from_there() {
    let mut reader = Reader::default();
    assert!(read(&mut reader, 0, &[task(1, 500), task(2, 700)]).0.is_empty());
    let (tasks, all) = read(&mut reader, 1, &[task(1, 510), task(2, 700)]);
    assert_eq!((used(&tasks), all.count), (vec![(1, 10)], 2));
    // It stays listed for a while, and its counter goes on.
    let (tasks, _) = read(&mut reader, 2, &[task(1, 510), task(2, 703)]);
    assert_eq!(used(&tasks), [(1, 10), (2, 3)]);
    let (tasks, _) = read(&mut reader, 200, &[task(1, 510), task(2, 704)]);
    assert_eq!(used(&tasks), [(2, 4)]);
    let (tasks, _) = read(&mut reader, 201, &[task(1, 511), task(2, 704)]);
    assert_eq!(used(&tasks), [(1, 1), (2, 4)]);
}

#[test]
fn who_is_new_counts_all_it_did_and_a_number_used_again_is_another_task() {
    let mut reader = Reader::default();
    read(&mut reader, 0, &[task(5, 9)]);
    let (tasks, all) = read(&mut reader, 1, &[task(5, 9), task(7, 30)]);
    assert_eq!((used(&tasks), all.began, all.ended), (vec![(7, 30)], 1, 0));
    let again = Task { start_ns: 1, ..task(7, 2) };
    let (tasks, all) = read(&mut reader, 2, &[task(5, 9), again]);
    assert_eq!((used(&tasks), all.began, all.ended), (vec![(7, 2)], 2, 1));
    let (_, all) = read(&mut reader, 3, &[task(5, 9)]);
    assert_eq!((all.count, all.ended), (1, 2));
}

#[test]
fn all_waiting_is_added_up_whether_listed_or_not() {
    let mut reader = Reader::default();
    let waited = |pid, run_delay_ns| Task { run_delay_ns, ..task(pid, 0) };
    read(&mut reader, 0, &[waited(1, 1000), waited(2, 50)]);
    let (_, all) = read(&mut reader, 1, &[waited(1, 1007), waited(2, 55), waited(3, 4)]);
    assert_eq!(all.run_delay_ns, 7 + 5 + 4);
}

#[test]
#[cfg_attr(miri, ignore = "thousands of tasks, in safe code")]
fn of_more_than_there_is_room_for_the_busiest_are_listed_and_nobody_is_counted_twice() {
    let mut reader = Reader::default();
    let many = |round: u64| -> Vec<Task> {
        (1..=3 * MOST as u32 + 7).map(|pid| task(pid, round * (u64::from(pid) + 1))).collect()
    };
    read(&mut reader, 0, &many(0));
    let (first, all) = read(&mut reader, 1, &many(1));
    assert_eq!((first.len(), all.count), (MOST, 3 * MOST as u64 + 7));
    assert!(first.iter().all(|task| task.pid as usize > 2 * MOST + 7), "the busiest have the highest numbers");
    // The lowest number works hard from now on; what it did while it had no room is gone.
    let mut next = many(2);
    next[0].cpu_ns = 1_000_000;
    let (second, _) = read(&mut reader, 2, &next);
    assert_eq!(second.iter().find(|task| task.pid == 1).map(|task| task.cpu_ns), Some(1_000_000 - 2));
    assert_eq!(second.len(), MOST);
}

#[test]
fn fifty_thousand_tasks_take_less_than_five_mebibytes() {
    const { assert!(PER_TASK * 50_000 <= 5 << 20) };
    let listed = size_of::<Listed>();
    assert!(2 * MOST * listed <= 1 << 20, "{listed} bytes a task");
}
