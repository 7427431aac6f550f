//! Who used what: three short lists side by side, each adding up to the total in its heading. Tasks that ended in the
//! window have a row of their own: what they used is known, but not which of them did.

use super::{
    text::{Page, Tone, fit},
    units,
};
use crate::window::{TaskUse, Use, Window};

const GAP: usize = 2;
const VALUE: usize = 8;
const SHARE: usize = 6;
/// The longest name of a task.
const NAME: usize = 15;
/// Below this width the shares would leave no room for the names.
const WIDE: usize = 100;

/// One of the lists.
struct List<'a> {
    heading: &'static str,
    tasks: &'a [TaskUse],
    /// Of all tasks, those that ended included.
    total: u64,
    /// Of the tasks that ended; 0 if it is not known.
    ended: u64,
    measure: fn(&Use) -> u64,
    print: fn(u64) -> String,
}

pub(super) fn print(page: &mut Page, window: &Window) {
    let Some(tasks) = &window.tasks else { return };
    page.blank();
    let time = |ns: u64| units::time(ns as f64 / 1e9);
    let bytes = |bytes: u64| units::bytes(bytes as f64);
    let lists = [
        List {
            heading: "CPU TIME",
            tasks: &tasks.by_cpu,
            total: tasks.cpu_ns(),
            ended: tasks.ended_cpu_ns.unwrap_or(0),
            measure: |used| used.cpu_ns,
            print: time,
        },
        List {
            heading: "WAITED FOR A CPU",
            tasks: &tasks.by_wait,
            total: tasks.wait_ns(),
            ended: tasks.ended_wait_ns.unwrap_or(0),
            measure: |used| used.wait_ns,
            print: time,
        },
        List {
            heading: "READ + WRITTEN",
            tasks: &tasks.by_bytes,
            total: tasks.total.bytes(),
            ended: 0,
            measure: Use::bytes,
            print: bytes,
        },
    ];
    let wide = page.width >= WIDE;
    let pids = lists.iter().flat_map(|list| list.tasks).map(|task| task.pid.to_string().len());
    let pid_column = pids.max().unwrap_or(0) + 1;
    let fixed = pid_column + VALUE + if wide { SHARE } else { 0 };
    let name = ((page.width - (lists.len() - 1) * GAP) / lists.len() - fixed).min(NAME);
    let column = name + fixed;

    // The heading and the others, and those that ended.
    let height = |list: &List| list.tasks.len() + 2 + usize::from(list.ended > 0);
    let rows = lists.iter().map(height).max().unwrap_or(0);
    let mut lines: Vec<_> = (0..rows).map(|_| page.line()).collect();
    for (i, list) in lists.iter().enumerate() {
        let total = list.total;
        let listed: u64 = list.tasks.iter().map(|task| (list.measure)(&task.used)).fold(0, u64::saturating_add);
        let rest = tasks.count.saturating_sub(list.tasks.len() as u64);
        let other = format!("{rest} other{}", if rest == 1 { "" } else { "s" });
        let mut cells = vec![(list.heading.to_owned(), String::new(), Some(total))];
        cells.extend(
            list.tasks
                .iter()
                .map(|task| (fit(&task.comm, name), task.pid.to_string(), Some((list.measure)(&task.used)))),
        );
        cells.push((other, String::new(), Some(total.saturating_sub(listed).saturating_sub(list.ended))));
        if list.ended > 0 {
            cells.push(("tasks that ended".into(), String::new(), Some(list.ended)));
        }
        cells.resize(rows, (String::new(), String::new(), None));
        for (row, (line, (label, pid, value))) in lines.iter_mut().zip(cells).enumerate() {
            line.push(Tone::Plain, if i > 0 { "  " } else { "" });
            let Some(value) = value else {
                line.push(Tone::Plain, &" ".repeat(column));
                continue;
            };
            let tone = if row == 0 { Tone::Bold } else { Tone::Plain };
            if pid.is_empty() {
                let tone = if row == 0 { tone } else { Tone::Dim };
                line.push(tone, &format!("{label:<0$}", name + pid_column));
            } else {
                line.push(tone, &format!("{label:<name$}"));
                line.cell(Tone::Dim, &pid, pid_column);
            }
            line.cell(tone, &(list.print)(value), VALUE);
            if wide {
                let share =
                    if row == 0 || total == 0 { String::new() } else { units::percent(value as f64 / total as f64) };
                line.cell(Tone::Dim, &share, SHARE);
            }
        }
    }
    lines.into_iter().for_each(|line| page.add(line));
}
