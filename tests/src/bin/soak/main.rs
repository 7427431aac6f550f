//! The soak: does anything of the agent grow?
//!
//! `soak [--minutes N] [--hours H] [--no-write]`: first, hours of windows of a node that does not exist go through the judge, the
//! recorder and the journal in this process, as fast as they will; then the real agent runs under a mixed load in real time.
//! For each figure the least-squares slope is told with the spread around it: flat is what drifts over the whole run by less
//! than twice that spread, or by less than a hundredth. `docs/RELIABILITY.md` gets the figures.
//!
//! | module | what it is |
//! |---|---|
//! | [`accelerated`] | the windows of hours, in minutes |
//! | [`real`] | the agent under load; [`loads`] |
//! | [`figures`] | slopes and the table |

mod accelerated;
mod figures;
mod loads;
mod real;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Where the figures go.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/RELIABILITY.md");

fn main() -> Result<()> {
    let (mut minutes, mut hours, mut write) = (30.0, 60, true);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--minutes" => minutes = args.next().and_then(|n| n.parse().ok()).context("--minutes wants a number")?,
            "--hours" => hours = args.next().and_then(|n| n.parse().ok()).context("--hours wants a whole number")?,
            "--no-write" => write = false,
            other => bail!("there is no {other}: --minutes N, --hours H, --no-write"),
        }
    }
    let mut text = String::new();
    if hours > 0 {
        text += &accelerated::run(hours)?;
    }
    if minutes > 0.0 {
        text += &real::run(Duration::from_secs_f64(minutes * 60.0))?;
    }
    print!("\n{text}");
    if write { figures::write(PAGE, &text) } else { Ok(()) }
}
