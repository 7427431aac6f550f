//! The time that the figures of a page show.

use std::fmt::{self, Write as _};

use crate::site::{
    params::{Params, Problem},
    source::Span,
};

const SECOND: u64 = 1_000_000_000;
/// About so many steps are drawn.
const STEPS: u64 = 120;

/// What can be chosen: name, and length in seconds.
const RANGES: [(&str, u64); 6] =
    [("15m", 900), ("1h", 3600), ("6h", 21_600), ("24h", 86_400), ("7d", 604_800), ("30d", 2_592_000)];
const DEFAULT: &str = "1h";

/// A range by its name, ending now.
///
/// # Errors
///
/// If there is no such range.
pub fn of(params: &Params, now_ns: u64) -> Result<Span, Problem> {
    let chosen = params.choice("range", RANGES)?;
    let seconds = chosen.or_else(|| RANGES.iter().find(|(name, _)| *name == DEFAULT).map(|range| range.1));
    let length_ns = seconds.unwrap_or(3600) * SECOND;
    let step_ns = (length_ns / STEPS).max(10 * SECOND);
    // At whole steps, so that a picture moves on and does not flicker.
    let to_ns = now_ns.div_ceil(step_ns) * step_ns;
    Ok(Span { from_ns: to_ns.saturating_sub(length_ns), to_ns, step_ns })
}

/// Links to the same page with each range.
///
/// # Errors
///
/// Never: writing into a string cannot fail.
pub fn links(out: &mut String, path: &str, params: &Params) -> fmt::Result {
    let now = params.text("range").unwrap_or(DEFAULT);
    out.push_str("<span class=ranges role=group aria-label=\"Time shown\">");
    for (name, _) in RANGES {
        let current = if name == now { " aria-current=true" } else { "" };
        let query = params.with("range", if name == DEFAULT { "" } else { name }).query();
        let query = query.replace('&', "&amp;");
        let mark = if query.is_empty() { "" } else { "?" };
        write!(out, "<a href=\"{path}{mark}{query}\"{current}>{name}</a>")?;
    }
    out.push_str("</span>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_has_about_as_many_steps_and_ends_now() {
        let now = 1_795_392_003 * SECOND;
        for (name, seconds) in RANGES {
            let params = Params::parse(&format!("range={name}"), &["range"]).unwrap();
            let span = of(&params, now).unwrap();
            assert_eq!(span.length_ns(), seconds * SECOND);
            assert!((90..=STEPS).contains(&span.steps()) && span.to_ns >= now && span.to_ns - now < span.step_ns);
        }
        assert!(
            of(&Params::parse("range=1y", &["range"]).unwrap(), now).unwrap_err().expected.unwrap().contains("15m")
        );
    }
}
