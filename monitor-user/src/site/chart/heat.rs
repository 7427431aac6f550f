//! A heat map: time from left to right, rows of one kind from below, and how much of it in the depth of the colour.
//!
//! All cells of one depth are one path, so that a map of thousands of cells is a few kilobytes.

use std::fmt::{self, Write as _};

use super::{Frame, Place, WIDTH, axis, x_of};
use crate::site::{page::markup::Text, source::Span};

/// How many depths there are, the empty cell left out. Classes `h1` to `h8` of the style sheet.
pub const LEVELS: usize = 8;

/// One step of time.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// From here, in nanoseconds since 1970.
    pub from_ns: u64,
    /// To here.
    pub to_ns: u64,
    /// How deep each row's colour is, from 0 to 1, the lowest row first.
    pub cells: Vec<f64>,
    /// What a pointer tells, after the time.
    pub note: String,
}

/// A heat map.
pub struct Heat<'a> {
    /// Names it on the page.
    pub id: &'a str,
    /// What it is called.
    pub title: &'a str,
    /// Behind the title: what the depth means.
    pub legend: &'a str,
    /// What it shows, in a sentence.
    pub description: String,
    /// The time that it shows.
    pub span: Span,
    /// Steps of time that are known, in order.
    pub columns: Vec<Column>,
    /// How many rows there are.
    pub rows: usize,
    /// The height of a row in pixels.
    pub row_height: f64,
    /// Labels, and at the lower end of which row they stand; counted from below, possibly at the upper end of the last.
    pub labels: Vec<(f64, String)>,
    /// Lines over the map, with their classes: moments, and rows from below.
    pub overlay: Vec<(&'a str, Vec<(u64, f64)>)>,
    /// The same in numbers.
    pub table: String,
}

impl Heat<'_> {
    /// Draws it.
    ///
    /// # Errors
    ///
    /// Never: writing into a string cannot fail.
    pub fn write(&self, out: &mut String) -> fmt::Result {
        let height = self.rows as f64 * self.row_height;
        let y_of = |row: f64| height - row * self.row_height;
        let ticks: Vec<_> = self.labels.iter().map(|(row, label)| (y_of(*row), label.clone())).collect();
        let frame = Frame {
            id: self.id,
            title: self.title,
            description: &self.description,
            height,
            span: &self.span,
            ticks: &ticks,
        };
        frame.begin(out, &format!(" <span class=dim>{}</span>", self.legend))?;
        self.cells(out, height)?;
        frame.grid(out)?;
        for (class, points) in &self.overlay {
            write!(out, "<path class=\"over {class}\" d=\"")?;
            let mut before: Option<u64> = None;
            for &(at, row) in points {
                let together = before.is_some_and(|before| at.saturating_sub(before) <= 3 * self.span.step_ns);
                let line = if together { "L" } else { "M" };
                write!(out, "{line}{} {}", Place(x_of(&self.span, at)), Place(y_of(row.clamp(0.0, self.rows as f64))))?;
                before = Some(at);
            }
            out.push_str("\"/>");
        }
        for column in &self.columns {
            let (x, width) = self.place(column);
            let clock = axis::clock(column.to_ns, &self.span);
            write!(
                out,
                "<rect class=hit x={} width={} height={}><title>{clock} {}</title></rect>",
                Place(x),
                Place(width),
                Place(height),
                Text(&column.note)
            )?;
        }
        frame.end(out, &self.table)
    }

    fn cells(&self, out: &mut String, height: f64) -> fmt::Result {
        let mut paths: [String; LEVELS] = Default::default();
        for column in &self.columns {
            let (x, width) = self.place(column);
            for (row, depth) in column.cells.iter().enumerate().take(self.rows) {
                let Some(level) = level(*depth) else { continue };
                let y = height - (row + 1) as f64 * self.row_height;
                write!(paths[level], "M{} {}h{}v{}h-{2}z", Place(x), Place(y), Place(width), Place(self.row_height))?;
            }
        }
        for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            write!(out, "<path class=\"cell h{}\" d=\"{path}\"/>", level + 1)?;
        }
        Ok(())
    }

    /// Where a column begins and how wide it is.
    fn place(&self, column: &Column) -> (f64, f64) {
        let (from, to) = (x_of(&self.span, column.from_ns), x_of(&self.span, column.to_ns));
        (from, (to - from).clamp(0.1, WIDTH))
    }
}

/// The depth as one of [`LEVELS`]; none if there is nothing.
fn level(depth: f64) -> Option<usize> {
    (depth > 0.0).then(|| ((depth.min(1.0) * LEVELS as f64).ceil() as usize).clamp(1, LEVELS) - 1)
}

/// What the depths look like, from nothing to all.
pub fn key() -> String {
    let mut out = String::from("<svg class=ramp width=88 height=10 aria-hidden=true>");
    for level in 1..=LEVELS {
        out.push_str(&format!("<path class=\"cell h{level}\" d=\"M{} 0h11v10h-11z\"/>", (level - 1) * 11));
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_has_a_class_and_nothing_has_none() {
        assert_eq!([0.0, -1.0, f64::NAN].map(level), [None; 3]);
        assert_eq!([1e-9, 0.125, 0.126, 0.99, 1.0, 7.0].map(level), [0, 0, 1, 7, 7, 7].map(Some));
    }

    #[test]
    fn a_map_of_thousands_of_cells_is_small() {
        let step = 30_000_000_000;
        let span = Span { from_ns: 0, to_ns: 120 * step, step_ns: step };
        let column = |i: u64| Column {
            from_ns: i * step,
            to_ns: (i + 1) * step,
            cells: (0..24).map(|row| ((i + row) % 9) as f64 / 8.0).collect(),
            note: "p50 1ms".into(),
        };
        let heat = Heat {
            id: "h",
            title: "waits",
            legend: "",
            description: "".into(),
            span,
            columns: (0..120).map(column).collect(),
            rows: 24,
            row_height: 7.0,
            labels: vec![(0.0, "1µs".into())],
            overlay: Vec::new(),
            table: String::new(),
        };
        let mut out = String::new();
        heat.write(&mut out).unwrap();
        assert!(out.len() < 90_000, "{}", out.len());
        assert_eq!(out.matches("class=\"cell").count(), LEVELS);
        assert_eq!(out.matches("class=hit").count(), 120);
    }
}
