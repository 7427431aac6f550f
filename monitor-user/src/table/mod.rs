//! A window as a person reads it: what `kpulse sample` prints.
//!
//! In: a [`Window`] and what the node is. Out: lines of text, none wider than the terminal. What is slow or full is
//! coloured, nothing else; without colour the text is the same.
//!
//! | module | what it prints |
//! |---|---|
//! | `text` | lines that know their width, colours, names made harmless |
//! | `units` | times, bytes, counts and shares in three digits |
//! | `cpu`, `disks`, `host`, `tasks` | the sections |

mod cpu;
mod disks;
mod host;
mod tasks;
#[cfg(test)]
mod tests;
pub(crate) mod text;
pub mod units;

use self::text::{Line, Page, Tone};
use crate::{host::Host, window::Window};

/// What a node is, for the first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name; empty if unknown.
    pub hostname: String,
    /// Its kernel's release; empty if unknown.
    pub kernel: String,
    /// How many CPUs are online; 0 if unknown.
    pub cpus: usize,
    /// For how long it has been up, in seconds.
    pub uptime_seconds: Option<u64>,
}

impl From<&Host> for Node {
    fn from(host: &Host) -> Self {
        Self {
            hostname: host.hostname.clone().unwrap_or_default(),
            kernel: host.kernel.clone().unwrap_or_default(),
            cpus: host.online_cpus.as_ref().map_or(0, Vec::len),
            uptime_seconds: host.uptime_ns.map(|ns| ns / 1_000_000_000),
        }
    }
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether the terminal understands ANSI colours.
    pub color: bool,
    /// Its width in characters. Made for 100; from 80 on all sections are there, with fewer columns.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 100 }
    }
}

/// The narrowest table: below, a terminal breaks the lines as it likes.
const MIN_WIDTH: usize = 80;

/// Lines, each ended by a newline.
pub fn render(window: &Window, node: &Node, style: Style) -> String {
    let mut page = Page::new(style.color, style.width.max(MIN_WIDTH));
    header(&mut page, window, node);
    cpu::print(&mut page, window);
    disks::print(&mut page, window);
    host::print(&mut page, window);
    tasks::print(&mut page, window);
    page.finish()
}

fn header(page: &mut Page, window: &Window, node: &Node) {
    let ended = format!("{}  over {}", units::utc(window.end_realtime_ns), units::time(window.seconds));
    let mut line = page.line();
    line.push(Tone::Bold, &text::fit(&node.hostname, 24));
    for (known, fact) in [
        (!node.kernel.is_empty(), format!("Linux {}", text::fit(&node.kernel, 24))),
        (node.cpus > 0, format!("{} CPU{}", node.cpus, if node.cpus == 1 { "" } else { "s" })),
        (node.uptime_seconds.is_some(), format!("up {}", units::uptime(node.uptime_seconds.unwrap_or_default()))),
    ] {
        if known && line.room() > fact.chars().count() + ended.chars().count() + 4 {
            line.item(&[(Tone::Plain, &fact)]);
        }
    }
    line.push_right(Tone::Dim, &ended);
    page.add(line);
}

/// A section's first line, with its name where every section has it.
pub(crate) fn section(page: &Page, name: &str) -> Line {
    let mut line = page.line();
    line.push(Tone::Bold, &format!("{name:<LABEL$}"));
    line
}

/// A section's further lines.
pub(crate) fn indented(page: &Page) -> Line {
    section(page, "")
}

/// Appends an item to a section's line, or to a further line if it does not fit.
pub(crate) fn put(page: &mut Page, line: &mut Line, pieces: &[(Tone, &str)]) {
    if !line.item(pieces) {
        page.add(std::mem::replace(line, indented(page)));
        line.item(pieces);
    }
}

/// The width of the column of sections' names.
pub(crate) const LABEL: usize = 10;
