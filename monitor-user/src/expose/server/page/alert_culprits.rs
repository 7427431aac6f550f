//! Who used what, in an alert's evidence: cgroups and tasks, each list adding up to the total in its heading.

use std::fmt::{self, Write as _};

use super::markup::Text;
use crate::{
    evidence::{
        Focus,
        culprits::{Culprits, Ranking},
        exact,
    },
    table::units,
};

pub(super) fn write(out: &mut String, culprits: &Culprits, focus: Focus) -> fmt::Result {
    let time = |ns: u64| units::time(ns as f64 / 1e9);
    let bytes = |bytes: u64| units::bytes(bytes as f64);
    let cpu = ("used the CPU", &culprits.cpu_ns, time as fn(u64) -> String);
    let wait = ("waited for a CPU", &culprits.wait_ns, time as fn(u64) -> String);
    let moved = ("read and wrote", &culprits.bytes, bytes as fn(u64) -> String);
    let order = if focus == Focus::Cpu { [cpu, wait, moved] } else { [moved, cpu, wait] };
    out.push_str("<h3>Who</h3><div class=columns>");
    order.into_iter().try_for_each(|(title, ranking, print)| self::ranking(out, title, ranking, print))?;
    out.push_str("</div>");
    Ok(())
}

fn ranking(out: &mut String, title: &str, ranking: &Ranking, print: fn(u64) -> String) -> fmt::Result {
    let groups = ranking.cgroups.iter().map(|group| (group.path.clone(), group.amount)).collect();
    let tasks = ranking.tasks.iter().map(|task| (format!("{} ({})", task.name, task.pid), task.amount)).collect();
    out.push_str("<div>");
    list(out, &format!("cgroups that {title}"), groups, ("other cgroups", ranking.cgroups_other), ranking, print)?;
    list(out, &format!("tasks that {title}"), tasks, ("other tasks", ranking.tasks_other), ranking, print)?;
    out.push_str("</div>");
    Ok(())
}

fn list(
    out: &mut String,
    title: &str,
    mut rows: Vec<(String, u64)>,
    (other, rest): (&str, u64),
    ranking: &Ranking,
    print: fn(u64) -> String,
) -> fmt::Result {
    rows.extend(
        [(other.to_owned(), rest), ("tasks that ended".into(), ranking.ended)].into_iter().filter(|row| row.1 > 0),
    );
    write!(out, "<table><tr><th class=long>{title}<th class=n>{}<th class=n>share", print(ranking.total))?;
    let amounts: Vec<f64> = rows.iter().map(|row| row.1 as f64).collect();
    for ((name, amount), share) in rows.iter().zip(exact::per_mille(&amounts)) {
        write!(
            out,
            "<tr><td class=long>{}<td class=n>{}<td class=\"n dim\">{}",
            Text(name),
            print(*amount),
            exact::percent(share)
        )?;
    }
    if rows.is_empty() {
        out.push_str("<tr><td colspan=3 class=dim>nobody");
    }
    out.push_str("</table>");
    Ok(())
}
