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
    if culprits.kernel_bytes > 0 {
        let moved = bytes(culprits.kernel_bytes);
        write!(out, "<p class=dim>Threads of the kernel moved {moved} beside that, mostly the same bytes once more.")?;
    }
    Ok(())
}

fn ranking(out: &mut String, title: &str, ranking: &Ranking, print: fn(u64) -> String) -> fmt::Result {
    out.push_str("<div>");
    list(out, &format!("cgroups that {title}"), ranking.total, &ranking.by_cgroup(), print)?;
    list(out, &format!("tasks that {title}"), ranking.total, &ranking.by_task(usize::MAX), print)?;
    out.push_str("</div>");
    Ok(())
}

fn list(out: &mut String, title: &str, total: u64, rows: &[(String, u64)], print: fn(u64) -> String) -> fmt::Result {
    write!(out, "<table><tr><th class=long>{title}<th class=n>{}<th class=n>share", print(total))?;
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
