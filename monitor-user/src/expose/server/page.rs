//! The landing page: what this is, how the node is, where to go. Without scripts and without anything from elsewhere.

use std::fmt::{self, Display, Write as _};

use crate::{
    status::{Snapshot, Status},
    window::{Device, Window},
};

use super::routes::ADDRESSES;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;\
background:#fff}h1{margin-bottom:0}h2{margin-top:1.6em;font-size:1.1em}table{border-collapse:collapse}td,th{padding:.2em \
1em .2em 0;text-align:left;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.off{color:\
#a00}.big td{font-size:1.5em}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}a{color:#8bf}.off{\
color:#f88}}";

/// The page in HTML. `not_ready` says why the figures cannot be relied on.
pub fn landing(snapshot: Option<&Snapshot>, not_ready: Option<&str>) -> String {
    let mut out = String::with_capacity(8 * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, snapshot, not_ready);
    out
}

fn write(out: &mut String, snapshot: Option<&Snapshot>, not_ready: Option<&str>) -> fmt::Result {
    let host = snapshot.map(|snapshot| &snapshot.sample.host);
    let name = host.and_then(|host| host.hostname.as_deref()).unwrap_or("this node");
    write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta http-equiv=refresh content=10><title>kpulse: {0}</title><style>{STYLE}</style><h1>{0}</h1>\
         <p>kpulse watches this node from inside its kernel: how long work waits for a CPU and for a disk.",
        Text(name)
    )?;
    if let Some(reason) = not_ready {
        write!(out, "<p class=off>Not ready: {}.", Text(reason))?;
    }
    if let Some(snapshot) = snapshot {
        if let Some(window) = &snapshot.window {
            figures(out, window)?;
        }
        let kernel = host.and_then(|host| host.kernel.as_deref()).unwrap_or("unknown");
        probes(out, &snapshot.status, kernel)?;
    }
    out.push_str("<h2>Addresses</h2><table>");
    for (address, what) in ADDRESSES {
        write!(out, "<tr><td><a href=\"{address}\">{address}</a><td>{what}")?;
    }
    out.push_str("</table></html>\n");
    Ok(())
}

fn figures(out: &mut String, window: &Window) -> fmt::Result {
    write!(
        out,
        "<h2>The last {:.1} s</h2><table class=big><tr><th>CPU busy<th>wait for a CPU, p99<th>mean request time",
        window.seconds
    )?;
    let sched = window.sched.as_ref();
    let wait = sched.and_then(|sched| sched.wait);
    let mean = window.block.as_ref().and_then(|block| block.mean_request_time);
    write!(
        out,
        "<tr><td>{}<td>{}<td>{}</table>",
        Or(sched.and_then(|sched| sched.utilization).map(Percent)),
        Or(wait.map(|wait| Seconds(wait.p99))),
        Or(mean.map(Seconds)),
    )?;
    let devices = window.block.iter().flat_map(|block| &block.devices);
    let mut head = "<h2>Disks</h2><table><tr><th>disk<th>operation<th class=n>requests/s<th class=n>MB/s<th class=n>mean\
                    <th class=n>queue p99<th class=n>device p99<th class=n>in flight";
    for device in devices {
        out.push_str(std::mem::take(&mut head));
        rows(out, device)?;
    }
    if head.is_empty() {
        out.push_str("</table>");
    }
    Ok(())
}

fn rows(out: &mut String, device: &Device) -> fmt::Result {
    for operation in &device.operations {
        write!(
            out,
            "<tr><td>{}<td>{}<td class=n>{:.1}<td class=n>{:.2}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}",
            Text(&device.name),
            Text(&operation.operation),
            operation.requests_per_second,
            operation.bytes_per_second / 1e6,
            Or(operation.mean_time.map(Seconds)),
            Or(operation.queue.map(|times| Seconds(times.p99))),
            Or(operation.device_time.map(|times| Seconds(times.p99))),
            device.in_flight,
        )?;
    }
    Ok(())
}

fn probes(out: &mut String, status: &Status, kernel: &str) -> fmt::Result {
    write!(out, "<h2>Agent</h2><p>kpulse {} on Linux {}<table>", Text(&status.version), Text(kernel))?;
    for probe in &status.probes {
        let (class, state) = if probe.on { ("on", "on") } else { ("off", "off") };
        write!(out, "<tr><td>{}<td class={class}>{state}<td>{}", Text(&probe.name), Text(&probe.reason))?;
    }
    out.push_str("</table>");
    Ok(())
}

/// Text from outside, made harmless.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}

/// A figure that may be absent.
struct Or<T>(Option<T>);

impl<T: Display> Display for Or<T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

struct Percent(f64);

impl Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:.1} %", 100.0 * self.0)
    }
}

/// Seconds in the unit that a person would choose.
struct Seconds(f64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            s if s < 1e-3 => write!(f, "{:.1} µs", s * 1e6),
            s if s < 1.0 => write!(f, "{:.2} ms", s * 1e3),
            s => write!(f, "{s:.2} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expose::testing::{node, window};

    #[test]
    fn the_page_shows_figures_probes_and_every_address() {
        let mut snapshot = node(2, 1);
        snapshot.window = Some(window());
        let html = landing(Some(&snapshot), None);
        for text in ["42.0 %", "3.50 ms", "120.0 µs", "sd0", "the field request.start_time_ns is missing"] {
            assert!(html.contains(text), "{text} is missing in {html}");
        }
        ADDRESSES.iter().for_each(|(address, _)| assert!(html.contains(&format!("href=\"{address}\"")), "{address}"));
        assert!(!html.contains("Not ready"));
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let mut snapshot = node(1, 0);
        snapshot.sample.host.hostname = Some("<script>alert('x')</script>".into());
        snapshot.status.probes[0].reason = "a & b < \"c\"".into();
        let html = landing(Some(&snapshot), Some("<b>"));
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("a &amp; b &lt; &quot;c&quot;"));
    }

    #[test]
    fn before_the_first_snapshot_the_page_says_so() {
        let html = landing(None, Some("the first collection is not complete"));
        assert!(html.contains("this node") && html.contains("Not ready: the first collection is not complete."));
    }
}
