//! Lines over time. Each has its class, and so its colour and dashes; its latest value stands beside its name.

use std::fmt::{self, Write as _};

use super::{Frame, Place, WIDTH, axis, thin, x_of};
use crate::site::{page::markup::Text, source::Span};

/// The height in pixels.
const HEIGHT: f64 = 170.0;
/// Room above the highest value, so that its line is not cut.
const TOP: f64 = 6.0;
/// A gap of this many steps is no line.
const GAP: u64 = 3;

/// One line.
pub struct Series<'a> {
    /// What it is called.
    pub name: &'a str,
    /// A longer word on what it is.
    pub about: &'a str,
    /// Its class in the style sheet: `p`, `f`, `s`.
    pub class: &'a str,
    /// Moments in nanoseconds since 1970 and values, in order.
    pub points: Vec<(u64, f64)>,
}

/// A figure of lines.
pub struct Lines<'a> {
    /// Names it on the page.
    pub id: &'a str,
    /// What it is called.
    pub title: &'a str,
    /// The time that it shows.
    pub span: Span,
    /// The lines.
    pub series: Vec<Series<'a>>,
    /// Where the values would be if all was as usual: a line across.
    pub reference: Option<(f64, &'a str)>,
    /// A value as text.
    pub print: fn(f64) -> String,
}

impl Lines<'_> {
    /// Draws it.
    ///
    /// # Errors
    ///
    /// Never: writing into a string cannot fail.
    pub fn write(&self, out: &mut String) -> fmt::Result {
        let values = || self.series.iter().flat_map(|series| &series.points).map(|point| point.1);
        if values().next().is_none() {
            return write!(
                out,
                "<figure class=chart><figcaption><span class=title>{}</span></figcaption><p class=\"empty dim\">Nothing is \
                 known of this time.</p></figure>",
                Text(self.title)
            );
        }
        let most = values().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let (end, labels) = axis::linear(most.max(self.reference.map_or(0.0, |(at, _)| at * 1.25)));
        let y_of = |value: f64| TOP + (HEIGHT - TOP - 1.0) * (1.0 - (value / end).clamp(0.0, 1.0));
        let ticks: Vec<_> = labels.into_iter().map(|label| (y_of(label), (self.print)(label))).collect();
        let description = self.description();
        let frame = Frame {
            id: self.id,
            title: self.title,
            description: &description,
            height: HEIGHT,
            span: &self.span,
            ticks: &ticks,
        };
        frame.begin(out, &self.legend()?)?;
        frame.grid(out)?;
        if let Some((at, _)) = self.reference {
            write!(out, "<path class=usual d=\"M0 {0}H{WIDTH}\"/>", Place(y_of(at)))?;
        }
        for series in &self.series {
            write!(out, "<path class=\"line {}\" d=\"{}\"/>", series.class, self.path(series, y_of)?)?;
        }
        self.columns(out)?;
        frame.end(out, &self.table()?)
    }

    fn path(&self, series: &Series, y_of: impl Fn(f64) -> f64) -> Result<String, fmt::Error> {
        let mut path = String::new();
        let mut before: Option<u64> = None;
        for &(at, value) in &series.points {
            let together = before.is_some_and(|before| at.saturating_sub(before) <= GAP * self.span.step_ns);
            write!(path, "{}{} {}", if together { "L" } else { "M" }, Place(x_of(&self.span, at)), Place(y_of(value)))?;
            if !together {
                // A point without neighbours is a dot: its end is round.
                path.push_str("h.1");
            }
            before = Some(at);
        }
        Ok(path)
    }

    /// Each line's name and latest value.
    fn legend(&self) -> Result<String, fmt::Error> {
        let mut out = String::from("<span class=legend>");
        for series in &self.series {
            let latest = series.points.last().map_or_else(|| "–".into(), |point| (self.print)(point.1));
            write!(
                out,
                "<span><svg class=swatch width=22 height=10 aria-hidden=true><path class=\"line {}\" d=\"M1 5H21\"/></svg> \
                 {} <b>{latest}</b> <span class=dim>{}</span></span> ",
                series.class,
                Text(series.name),
                Text(series.about)
            )?;
        }
        out.push_str("</span>");
        Ok(out)
    }

    fn description(&self) -> String {
        let mut out = format!(
            "From {} to {} UTC.",
            axis::clock(self.span.from_ns, &self.span),
            axis::clock(self.span.to_ns, &self.span)
        );
        for series in &self.series {
            let Some(last) = series.points.last() else { continue };
            let (least, most) = series.points.iter().fold((f64::MAX, f64::MIN), |(a, b), p| (a.min(p.1), b.max(p.1)));
            let [least, most, last] = [least, most, last.1].map(self.print);
            out.push_str(&format!(" {} between {least} and {most}, {last} at the end.", series.name));
        }
        if let Some((at, what)) = self.reference {
            out.push_str(&format!(" {} is {what}.", (self.print)(at)));
        }
        out
    }

    /// What a pointer tells: a column for each moment of the first line.
    fn columns(&self, out: &mut String) -> fmt::Result {
        let Some(first) = self.series.first() else { return Ok(()) };
        let width = self.span.step_ns as f64 / self.span.length_ns().max(1) as f64 * WIDTH;
        for &(at, _) in &first.points {
            let (x, clock) = (x_of(&self.span, at) - width / 2.0, axis::clock(at, &self.span));
            write!(
                out,
                "<rect class=hit x={} width={} height={HEIGHT}><title>{clock}",
                Place(x.max(0.0)),
                Place(width)
            )?;
            for series in &self.series {
                if let Some(value) = value_at(series, at) {
                    write!(out, " · {} {}", Text(series.name), (self.print)(value))?;
                }
            }
            out.push_str("</title></rect>");
        }
        Ok(())
    }

    fn table(&self) -> Result<String, fmt::Error> {
        let mut out = String::from("<div class=wide tabindex=0><table><tr><th scope=col>UTC");
        for series in &self.series {
            write!(out, "<th scope=col class=n>{}", Text(series.name))?;
        }
        let Some(first) = self.series.first() else { return Ok(String::new()) };
        for at in thin(first.points.len()).map(|i| first.points[i].0) {
            write!(out, "<tr><th scope=row>{}", axis::clock(at, &self.span))?;
            for series in &self.series {
                let value = value_at(series, at).map_or_else(|| "–".into(), self.print);
                write!(out, "<td class=n>{value}")?;
            }
        }
        out.push_str("</table></div>");
        Ok(out)
    }
}

fn value_at(series: &Series, at: u64) -> Option<f64> {
    let i = series.points.binary_search_by_key(&at, |point| point.0).ok()?;
    Some(series.points[i].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn drawn(points: Vec<(u64, f64)>) -> String {
        let span = Span { from_ns: 0, to_ns: 100 * SECOND, step_ns: SECOND };
        let series = vec![Series { name: "P<", about: "mean", class: "p", points }];
        let lines = Lines {
            id: "p",
            title: "P of \"all\"",
            span,
            series,
            reference: Some((1.0, "as usual")),
            print: |x| format!("{x:.2}"),
        };
        let mut out = String::new();
        lines.write(&mut out).unwrap();
        out
    }

    #[test]
    fn a_gap_in_time_is_a_gap_in_the_line() {
        let html = drawn(vec![(10 * SECOND, 1.0), (11 * SECOND, 1.5), (50 * SECOND, 2.0)]);
        let path = html.split("class=\"line p\" d=\"").nth(2).unwrap().split('"').next().unwrap();
        assert_eq!(path, "M100 87.5h.1L110 46.8M500 6h.1");
    }

    #[test]
    fn it_says_what_it_shows_and_nothing_of_it_is_markup() {
        let html = drawn(vec![(10 * SECOND, 1.0), (11 * SECOND, 4.0)]);
        for text in
            ["P&lt; between 1.00 and 4.00, 4.00 at the end.", "1.00 is as usual.", "<title>P of &quot;all&quot;<"]
        {
            assert!(html.contains(text), "{text} is missing in {html}");
        }
        assert!(!html.contains("P<") && !html.contains("style="));
        assert!(drawn(Vec::new()).contains("Nothing is known of this time."));
    }
}
