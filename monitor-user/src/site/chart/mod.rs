//! Lines and heat maps over time, as SVG between HTML.
//!
//! In: numbers. Out: a figure whose middle stretches with the screen, while its text stays as large as all other text: the
//! drawing has coordinates of its own and keeps no proportions, the labels lie beside it. Colours and strokes are classes
//! of the style sheet, so a figure follows the colour scheme. Crates that plot give every shape its colour and its place in
//! pixels, which neither a telephone nor a dark room can change; so this is our own, and small.
//!
//! Every figure has a title, a sentence on what it shows, and its numbers as a table.

pub mod axis;
pub mod heat;
pub mod lines;

use std::fmt::{self, Write as _};

use super::source::Span;
use crate::site::page::markup::Text;

/// The width of a drawing in its own coordinates, whatever it is on the screen.
pub const WIDTH: f64 = 1000.0;
/// Rows of a figure's table: about as many as one reads.
const ROWS: usize = 20;

/// Where a moment lies, in the drawing's coordinates.
fn x_of(span: &Span, at_ns: u64) -> f64 {
    let at = at_ns.clamp(span.from_ns, span.to_ns) - span.from_ns;
    at as f64 / span.length_ns().max(1) as f64 * WIDTH
}

/// A coordinate, as short as it can be written.
struct Place(f64);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tenths = (self.0 * 10.0).round();
        if tenths % 10.0 == 0.0 { write!(f, "{:.0}", tenths / 10.0) } else { write!(f, "{:.1}", tenths / 10.0) }
    }
}

/// What stands around a drawing.
struct Frame<'a> {
    /// Names the figure on the page; letters and dashes.
    id: &'a str,
    title: &'a str,
    /// What it shows, in a sentence, for those who do not see it.
    description: &'a str,
    /// The height of the drawing, in pixels and in its own coordinates.
    height: f64,
    span: &'a Span,
    /// Text beside the drawing, and where, in its coordinates.
    ticks: &'a [(f64, String)],
}

impl Frame<'_> {
    /// Everything before the drawing's shapes; `more` stands behind the title.
    fn begin(&self, out: &mut String, more: &str) -> fmt::Result {
        let (id, height) = (self.id, Place(self.height));
        write!(
            out,
            "<figure class=chart><figcaption id=\"{id}-title\"><span class=title>{}</span>{more}</figcaption>\
             <div class=plot><svg class=ys height={height} aria-hidden=true>",
            Text(self.title)
        )?;
        for (y, label) in self.ticks {
            write!(out, "<text x=\"100%\" y={}>{}</text>", Place(y + 4.0), Text(label))?;
        }
        write!(
            out,
            "</svg><svg class=area role=img aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-desc\" height={height} \
             viewBox=\"0 0 {WIDTH} {height}\" preserveAspectRatio=none><title>{}</title><desc id=\"{id}-desc\">{}</desc>",
            Text(self.title),
            Text(self.description)
        )
    }

    /// Lines across the drawing at the ticks.
    fn grid(&self, out: &mut String) -> fmt::Result {
        out.push_str("<path class=grid d=\"");
        self.ticks.iter().try_for_each(|(y, _)| write!(out, "M0 {}H{WIDTH}", Place(*y)))?;
        out.push_str("\"/>");
        Ok(())
    }

    /// Everything behind the shapes; `table` is the figure in numbers.
    fn end(&self, out: &mut String, table: &str) -> fmt::Result {
        out.push_str("</svg><svg class=xs height=18 aria-hidden=true>");
        for (at_ns, label) in axis::times(self.span) {
            let share = x_of(self.span, at_ns) / WIDTH * 100.0;
            let side = if share < 6.0 {
                " class=first"
            } else if share > 94.0 {
                " class=last"
            } else {
                ""
            };
            write!(out, "<text x=\"{:.1}%\" y=13{side}>{label}</text>", share)?;
        }
        out.push_str("</svg></div>");
        if !table.is_empty() {
            write!(out, "<details><summary>{} in numbers</summary>{table}</details>", Text(self.title))?;
        }
        out.push_str("</figure>");
        Ok(())
    }
}

/// Of `n` things about [`ROWS`], evenly, the last one among them.
pub fn thin(n: usize) -> impl Iterator<Item = usize> {
    let step = n.div_ceil(ROWS).max(1);
    (0..n).filter(move |i| (n - 1 - i).is_multiple_of(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_few_rows_and_the_last() {
        for n in [0, 1, 2, 19, 20, 21, 360, 1000] {
            let rows: Vec<_> = thin(n).collect();
            assert!(rows.len() <= ROWS && rows.last().copied() == n.checked_sub(1), "{n}: {rows:?}");
        }
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!([1.0, 0.04, 333.333, 999.96].map(|x| Place(x).to_string()), ["1", "0", "333.3", "1000"]);
    }
}
