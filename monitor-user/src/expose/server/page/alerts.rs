//! The list of alerts, and the line about them on the landing page.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use super::{
    alert::{head, labels, number, state},
    markup::Text,
};
use crate::{
    alert::{Alert, State},
    table::units,
};

/// The page in HTML. `not_ready` says why the list cannot be relied on.
pub fn alerts_page(alerts: &[Arc<Alert>], not_ready: Option<&str>) -> String {
    let mut out = String::with_capacity(8 * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, alerts, not_ready);
    out
}

fn write(out: &mut String, alerts: &[Arc<Alert>], not_ready: Option<&str>) -> fmt::Result {
    head(out, &format!("alerts: {}", counts(alerts)), true)?;
    out.push_str("<p><a href=\"/\">this node</a><h1>Alerts</h1>");
    if let Some(reason) = not_ready {
        write!(out, "<p class=alarm>Not ready: {}.", Text(reason))?;
    }
    let (now, over): (Vec<_>, Vec<_>) = alerts.iter().partition(|alert| is_active(alert));
    out.push_str("<h2>Now</h2>");
    if now.is_empty() {
        out.push_str("<p class=dim>No alert is pending or firing.");
    }
    table(out, &now)?;
    if !over.is_empty() {
        out.push_str("<h2>Over</h2>");
        table(out, &over)?;
    }
    out.push_str("</html>\n");
    Ok(())
}

fn table(out: &mut String, alerts: &[&Arc<Alert>]) -> fmt::Result {
    if alerts.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<div class=wide><table><tr><th>state<th>alert<th>began<th class=n>lasted<th class=n>value<th>severity",
    );
    for alert in alerts {
        out.push_str("<tr><td>");
        state(out, alert)?;
        let lasted = alert.resolved_ns.map(|end| units::time(end.saturating_sub(alert.pending_ns) as f64 / 1e9));
        write!(
            out,
            "<td class=long><a href=\"/alerts/{}\">{}</a> <span class=dim>{}</span><td>{}<td class=n>{}<td class=n>{}<td>{}",
            Text(&alert.id),
            Text(&alert.rule),
            Text(&labels(alert)),
            units::utc(alert.pending_ns),
            super::markup::or_dash(lasted, |lasted| lasted),
            number(alert.value),
            alert.severity.name(),
        )?;
    }
    out.push_str("</table></div>");
    Ok(())
}

fn is_active(alert: &Alert) -> bool {
    matches!(alert.state, State::Pending | State::Firing)
}

/// `2 firing, 1 pending`
fn counts(alerts: &[Arc<Alert>]) -> String {
    let count = |state| alerts.iter().filter(|alert| alert.state == state).count();
    match (count(State::Firing), count(State::Pending)) {
        (0, 0) => "none".into(),
        (firing, 0) => format!("{firing} firing"),
        (0, pending) => format!("{pending} pending"),
        (firing, pending) => format!("{firing} firing, {pending} pending"),
    }
}

/// The line on the landing page: loud if one fires.
pub(super) fn line(out: &mut String, alerts: &[Arc<Alert>]) -> fmt::Result {
    let firing: Vec<_> = alerts.iter().filter(|alert| alert.state == State::Firing).collect();
    let class = if firing.is_empty() { "dim" } else { "alarm" };
    write!(out, "<p class={class}><a href=\"/alerts\">Alerts</a>: {}", counts(alerts))?;
    const NAMED: usize = 3;
    for (i, alert) in firing.iter().take(NAMED).enumerate() {
        let before = if i == 0 { ": " } else { ", " };
        write!(out, "{before}<a href=\"/alerts/{}\">{}</a>", Text(&alert.id), Text(&alert.rule))?;
    }
    out.push_str(if firing.len() > NAMED { " and others" } else { "" });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::testing::alert;

    fn alerts() -> Vec<Arc<Alert>> {
        let over = Alert { state: State::Resolved, resolved_ns: alert().fired_ns, id: "0ld".into(), ..alert() };
        vec![Arc::new(alert()), Arc::new(Alert { state: State::Pending, id: "abc".into(), ..alert() }), Arc::new(over)]
    }

    #[test]
    fn each_alert_is_listed_with_its_address() {
        let html = alerts_page(&alerts(), Some("the first collection is not complete"));
        for text in [
            "1 firing, 1 pending",
            "href=\"/alerts/00c0ffee00c0ffee\"",
            "href=\"/alerts/abc\"",
            "<h2>Over</h2>",
            "1.0m",
            "Not ready: the first",
        ] {
            assert!(html.contains(text) || text == "1.0m" && html.contains("60.0s"), "{text} is missing in {html}");
        }
        assert!(alerts_page(&[], None).contains("No alert is pending or firing."));
    }

    #[test]
    fn the_line_is_loud_only_if_one_fires() {
        let of = |alerts: &[Arc<Alert>]| {
            let mut out = String::new();
            line(&mut out, alerts).unwrap();
            out
        };
        assert_eq!(of(&[]), "<p class=dim><a href=\"/alerts\">Alerts</a>: none");
        assert!(
            of(&alerts()).starts_with(
                "<p class=alarm><a href=\"/alerts\">Alerts</a>: 1 firing, 1 pending: <a href=\"/alerts/00c"
            )
        );
        assert!(of(&alerts()[2..]).ends_with("none"));
        assert!(of(&[(); 5].map(|()| Arc::new(alert()))).ends_with(" and others"));
    }
}
