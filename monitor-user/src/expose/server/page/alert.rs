//! One alert at its own address: what it is, why, and who.
//!
//! In: an [`Alert`]. Out: HTML that needs no script and nothing from elsewhere, in which nothing from outside is markup.

use std::fmt::{self, Write as _};

use super::{STYLE, alert_evidence, markup::Text};
use crate::{
    alert::{Alert, Severity, State},
    table::units,
};

/// The annotations that come first, and what they are called here.
const LINES: &[(&str, &str)] = &[
    ("summary", ""),
    ("description", ""),
    ("because", "why"),
    ("culprit", "who"),
    ("waiting", "who waits"),
    ("before_after", "before → during"),
];

/// The page in HTML.
pub fn alert_page(alert: &Alert) -> String {
    let mut out = String::with_capacity(32 * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, alert);
    out
}

/// The beginning of a page of its own, up to its heading.
pub(super) fn head(out: &mut String, title: &str, refresh: bool) -> fmt::Result {
    let refresh = if refresh { "<meta http-equiv=refresh content=10>" } else { "" };
    write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width, \
         initial-scale=1\">{refresh}<title>kpulse: {}</title><style>{STYLE}</style>",
        Text(title)
    )
}

/// The state in a box, in the colour of how bad it is.
pub(super) fn state(out: &mut String, alert: &Alert) -> fmt::Result {
    let class = match (alert.state, alert.severity) {
        (State::Firing, Severity::Critical) => " critical",
        (State::Firing, _) => " warning",
        _ => "",
    };
    write!(out, "<span class=\"state{class}\">{}</span>", alert.state.name())
}

/// Everything but the name and what is shown elsewhere.
pub(super) fn labels(alert: &Alert) -> String {
    let labels = alert.labels.iter().filter(|(name, _)| !["alertname", "severity"].contains(&name.as_str()));
    labels.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" · ")
}

/// Three digits after the point at most, and none that say nothing.
pub fn number(x: f64) -> String {
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn write(out: &mut String, alert: &Alert) -> fmt::Result {
    head(out, &format!("{} {}", alert.state.name(), alert.rule), false)?;
    out.push_str("<p><a href=\"/\">this node</a> · <a href=\"/alerts\">all alerts</a>");
    alert_body(out, alert)?;
    out.push_str("</html>\n");
    Ok(())
}

/// Everything about an alert, from its heading on.
///
/// # Errors
///
/// Never: writing into a string cannot fail.
pub fn alert_body(out: &mut String, alert: &Alert) -> fmt::Result {
    write!(out, "<h1>{}</h1><p>", Text(&alert.rule))?;
    state(out, alert)?;
    write!(out, " {} <span class=dim>{}</span>", alert.severity.name(), Text(&labels(alert)))?;
    tiles(out, alert)?;
    lines(out, alert)?;
    let at = [("When it fired", &alert.firing_evidence), ("When it began", &alert.pending_evidence)];
    let mut none = true;
    for (title, evidence) in at.into_iter().filter_map(|(title, evidence)| Some((title, evidence.as_ref()?))) {
        alert_evidence::write(out, title, evidence)?;
        none = false;
    }
    if none {
        out.push_str("<p class=dim>No evidence was kept.");
    }
    Ok(())
}

fn tiles(out: &mut String, alert: &Alert) -> fmt::Result {
    out.push_str("<dl class=tiles>");
    let mut tile = |name: &str, value: String, more: String| {
        write!(out, "<div><dt>{name}<dd>{value}<div class=small>{more}</div></div>")
    };
    tile("value", number(alert.value), format!("threshold {}", number(alert.threshold)))?;
    let time = |at: u64| units::utc(at).split(' ').nth(1).unwrap_or_default().to_owned();
    let date = |at: u64| units::utc(at).split(' ').next().unwrap_or_default().to_owned();
    let after =
        |at: u64, from: u64| format!("after {} · {} UTC", units::time(at.saturating_sub(from) as f64 / 1e9), date(at));
    tile("began", time(alert.pending_ns), format!("{} UTC", date(alert.pending_ns)))?;
    if let Some(at) = alert.fired_ns {
        tile("fired", time(at), after(at, alert.pending_ns))?;
    }
    if let Some(at) = alert.resolved_ns {
        tile("over", time(at), after(at, alert.fired_ns.unwrap_or(alert.pending_ns)))?;
    }
    out.push_str("</dl>");
    Ok(())
}

fn lines(out: &mut String, alert: &Alert) -> fmt::Result {
    let first = LINES.iter().filter_map(|(name, title)| Some((*title, alert.annotations.get(*name)?)));
    // The index has a table of its own below, and the window is in its heading.
    let known = |name: &str| LINES.iter().any(|line| line.0 == name) || ["performance_index", "window"].contains(&name);
    let rest = alert.annotations.iter().filter(|(name, _)| !known(name)).map(|(name, text)| (name.as_str(), text));
    let (plain, named): (Vec<_>, Vec<_>) = first.chain(rest).partition(|(title, _)| title.is_empty());
    plain.iter().try_for_each(|(_, text)| write!(out, "<p>{}", Text(text)))?;
    if named.is_empty() {
        return Ok(());
    }
    out.push_str("<dl class=lines>");
    named.iter().try_for_each(|(title, text)| write!(out, "<dt>{}<dd>{}", Text(title), Text(text)))?;
    out.push_str("</dl>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::testing::alert;

    #[test]
    fn the_page_shows_what_why_and_who() {
        let html = alert_page(&alert());
        for text in [
            "BlockRequestsSlow",
            "critical\">firing",
            "critical <span",
            "node=db-7",
            "threshold 3",
            "after 60.0s",
            "When it fired",
            "When it began",
            "loop0 write",
            "/system.slice/backup.service",
            "tasks that ended",
            "fio",
            "98.8%",
            "in the device, not the queue",
            "63.3%",
        ] {
            assert!(html.contains(text), "{text} is missing in {html}");
        }
        assert!(html.len() < 64 << 10, "{}", html.len());
    }

    #[test]
    fn an_alert_without_evidence_has_a_page_too() {
        let bare = Alert { pending_evidence: None, firing_evidence: None, fired_ns: None, ..alert() };
        assert!(alert_page(&bare).contains("No evidence was kept."));
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        const EVIL: &str = "<b>x\"'&\u{202e}";
        let mut alert = alert();
        let evidence = serde_json::to_string(alert.firing_evidence.as_ref().unwrap()).unwrap();
        let mut places = 0;
        let mut evil = |name: &str, json: String| {
            places += json.matches(name).count();
            json.replace(
                &format!("\"{name}"),
                &format!("{}{name}", &serde_json::to_string(EVIL).unwrap()[..EVIL.len() + 2]),
            )
        };
        let json = ["fio", "/system.slice", "loop0", "write", "db-7", "/var", "io\""]
            .into_iter()
            .fold(evidence, |json, name| if name.ends_with('"') { json } else { evil(name, json) });
        alert.firing_evidence = Some(serde_json::from_str(&json).unwrap());
        assert!(places > 20, "{places}");
        (alert.id, alert.rule) = (EVIL.into(), EVIL.into());
        alert.labels.insert(EVIL.into(), EVIL.into());
        alert.annotations.insert(EVIL.into(), EVIL.into());
        alert.annotations.insert("because".into(), EVIL.into());
        for html in [alert_page(&alert), super::super::alerts::alerts_page(&[std::sync::Arc::new(alert.clone())], None)]
        {
            assert!(!html.contains("<b>x") && !html.contains("x\"'") && !html.contains('\u{202e}'), "{html}");
            assert!(html.contains("&lt;b&gt;x&quot;&#39;&amp;\u{fffd}"), "{html}");
        }
    }
}
