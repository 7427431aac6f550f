//! A generic webhook: the payload that an Alertmanager sends to its own webhooks, version 4, with one alert in each.
//!
//! Source: Prometheus' documentation, "Alerting configuration", webhook_config. Beyond it each request has the header
//! `Idempotency-Key`: the alert's id, its state and the number of the transition. The same transition always has the same key,
//! so a receiver can tell a retry from news; it may answer a retry with 409, which counts as taken.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Url,
    client::{Client, Post},
    settings::{Auth, Node},
    sink::Outcome,
};
use crate::{
    alert::{Alert, State},
    journal::Record,
    table::units::rfc3339,
};

/// What Go prints for a time that is not known.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// One webhook.
pub struct Webhook {
    /// Where.
    pub url: Url,
    /// Who we are.
    pub auth: Auth,
    /// How.
    pub client: Client,
    /// What we know of ourselves.
    pub node: Arc<Node>,
}

impl Webhook {
    /// Sends the first of the records.
    pub async fn send(&self, records: &[&Record]) -> Outcome {
        let Some(&record) = records.first() else { return Outcome::default() };
        let post = Post {
            url: self.url.to_string(),
            content_type: "application/json",
            headers: vec![("idempotency-key", key(record))],
            auth: &self.auth,
            body: serde_json::to_vec(&payload(&record.alert, &self.node)).unwrap_or_default(),
        };
        let one = std::slice::from_ref(&record);
        match self.client.post(post).await {
            Err(trouble) => Outcome::none(trouble),
            Ok(answer) if answer.status == 409 => Outcome::all(one),
            Ok(answer) => match answer.verdict() {
                Ok(None) => Outcome::all(one),
                Ok(Some(trouble)) => Outcome::none(trouble),
                Err(why) => Outcome { refused: vec![(record.sequence, why)], ..Outcome::default() },
            },
        }
    }
}

/// What names one transition of one alert, now and in any retry.
pub fn key(record: &Record) -> String {
    format!("{}-{}-{}", record.alert.id, record.alert.state.name(), record.sequence)
}

/// The address of the alert's own page.
pub fn page(alert: &Alert, node: &Node) -> String {
    format!("{}/alerts/{}", node.url, alert.id)
}

fn payload(alert: &Alert, node: &Node) -> Value {
    let status = if alert.state == State::Resolved { "resolved" } else { "firing" };
    let labels: Vec<String> = alert.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    json!({
        "version": "4",
        // An alert is a group of its own: receivers tell by this key what belongs together.
        "groupKey": format!("{{}}:{{{}}}", labels.join(", ")),
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "kpulse",
        "groupLabels": alert.labels,
        "commonLabels": alert.labels,
        "commonAnnotations": alert.annotations,
        "externalURL": node.url,
        "alerts": [{
            "status": status,
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": rfc3339(alert.fired_ns.unwrap_or(alert.pending_ns)),
            "endsAt": if alert.state == State::Resolved { rfc3339(alert.changed_ns()) } else { NEVER.into() },
            "generatorURL": page(alert, node),
            "fingerprint": format!("{:016x}", alert.fingerprint()),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::alert;

    #[test]
    fn the_payload_is_that_of_an_alertmanager() {
        let node = Node { name: "n".into(), boot_id: "b".into(), url: "http://n:9466".into() };
        let labels = json!({ "alertname": "SlowDisk", "device": "disk-1", "severity": "warning" });
        let annotations = json!({ "summary": "disk-1 is \"slow\"" });
        let expected = |status: &str, ends: &str| {
            json!({
                "version": "4",
                "groupKey": "{}:{alertname=\"SlowDisk\", device=\"disk-1\", severity=\"warning\"}",
                "truncatedAlerts": 0,
                "status": status,
                "receiver": "kpulse",
                "groupLabels": labels,
                "commonLabels": labels,
                "commonAnnotations": annotations,
                "externalURL": "http://n:9466",
                "alerts": [{
                    "status": status,
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": "1970-01-01T00:00:02.000000000Z",
                    "endsAt": ends,
                    "generatorURL": "http://n:9466/alerts/1",
                    "fingerprint": format!("{:016x}", alert("1", State::Firing, 5).fingerprint()),
                }],
            })
        };
        assert_eq!(payload(&alert("1", State::Firing, 5), &node), expected("firing", NEVER));
        let over = expected("resolved", "1970-01-01T00:00:09.000000000Z");
        assert_eq!(payload(&alert("1", State::Resolved, 9), &node), over);
    }

    #[test]
    fn a_transition_has_one_key_and_another_has_another() {
        let record = |sequence, state| Record { sequence, alert: alert("00ff", state, 5) };
        assert_eq!(key(&record(7, State::Firing)), "00ff-firing-7");
        assert_eq!(key(&record(8, State::Resolved)), "00ff-resolved-8");
    }
}
