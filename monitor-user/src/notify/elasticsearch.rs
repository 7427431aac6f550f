//! Elasticsearch, by `_bulk` into a data stream.
//!
//! One document for each transition, with fields of the Elastic Common Schema and the evidence as it is. Its `_id` follows
//! from the transition, and a data stream takes `create` only, so that a document sent again is refused as already there
//! (409), which counts as taken. The answer is judged item by item.
//!
//! Source: Elasticsearch's reference, "Bulk API" and "Data stream naming scheme"; ECS 8.11.

use std::{collections::HashSet, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Url,
    client::{Answer, Client, Post, Trouble},
    settings::{Auth, Node},
    sink::Outcome,
    webhook::{key, page},
};
use crate::{
    alert::{Alert, Severity, State},
    journal::Record,
    table::units::rfc3339,
};

/// The parts of the data stream's name: type, dataset, namespace.
const STREAM: [&str; 3] = ["logs", "kpulse.alerts", "default"];

/// One Elasticsearch server.
pub struct Elasticsearch {
    /// Where.
    pub url: Url,
    /// Who we are.
    pub auth: Auth,
    /// How.
    pub client: Client,
    /// What we know of ourselves.
    pub node: Arc<Node>,
}

/// The answer, as far as it is asked for.
#[derive(Deserialize)]
struct Bulk {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Status,
}

#[derive(Deserialize)]
struct Status {
    status: u16,
    #[serde(default)]
    error: Value,
}

impl Elasticsearch {
    /// Sends records.
    pub async fn send(&self, records: &[&Record]) -> Outcome {
        let mut outcome = Outcome::default();
        // The parts still to be sent, the first one last.
        let mut parts = parts(records);
        parts.reverse();
        while let Some(part) = parts.pop().filter(|_| outcome.trouble.is_none()) {
            let Some(first) = part.first() else { continue };
            let answer = match self.post(part).await {
                Ok(answer) => answer,
                Err(trouble) => return Outcome { trouble: Some(trouble), ..outcome },
            };
            match answer.verdict() {
                Ok(None) => judge(part, &answer, &mut outcome),
                Ok(Some(trouble)) => outcome.trouble = Some(trouble),
                Err(why) if part.len() == 1 => outcome.refused.push((first.sequence, why)),
                // Too long, or one that breaks it all.
                Err(_) => {
                    let (front, back) = part.split_at(part.len() / 2);
                    parts.extend([back, front]);
                }
            }
        }
        outcome
    }

    async fn post(&self, records: &[&Record]) -> Result<Answer, Trouble> {
        let path = format!("/{}/_bulk?filter_path=errors,items.*.status,items.*.error", STREAM.join("-"));
        let post = Post {
            url: self.url.join(&path),
            content_type: "application/x-ndjson",
            headers: Vec::new(),
            auth: &self.auth,
            body: body(records, &self.node),
        };
        self.client.post(post).await
    }
}

/// The records in parts that have no alert twice: of one alert, what comes later is sent when what comes before was taken.
fn parts<'a, 'r>(records: &'a [&'r Record]) -> Vec<&'a [&'r Record]> {
    let (mut parts, mut from, mut seen) = (Vec::new(), 0, HashSet::new());
    for (at, record) in records.iter().enumerate() {
        if !seen.insert(&record.alert.id) {
            parts.push(&records[from..at]);
            seen = HashSet::from([&record.alert.id]);
            from = at;
        }
    }
    parts.push(&records[from..]);
    parts
}

/// Two lines for each record, the last line with its end.
fn body(records: &[&Record], node: &Node) -> Vec<u8> {
    let mut body = String::new();
    for record in records {
        let action = json!({ "create": { "_id": format!("{}-{}", node.name, key(record)) } });
        body.push_str(&format!("{action}\n{}\n", document(record, node)));
    }
    body.into_bytes()
}

/// What became of each record.
fn judge(records: &[&Record], answer: &Answer, outcome: &mut Outcome) {
    let whole = |why: String| Trouble { why, retry_after: answer.retry_after, whole: true };
    let bulk = match serde_json::from_slice::<Bulk>(&answer.body) {
        Ok(bulk) if bulk.items.len() == records.len() => bulk,
        Ok(bulk) => {
            let why = format!("an answer about {} items to a request with {}", bulk.items.len(), records.len());
            return outcome.trouble = Some(whole(why));
        }
        Err(error) => return outcome.trouble = Some(whole(format!("no answer of _bulk: {error}: {}", answer.said))),
    };
    for (record, Item { create: Status { status, error } }) in records.iter().zip(bulk.items) {
        let why = || {
            format!(
                "status {status}: {} {}",
                error["type"].as_str().unwrap_or(""),
                error["reason"].as_str().unwrap_or("")
            )
        };
        match status {
            200..=299 | 409 => outcome.done.push(record.sequence),
            429 | 500..=599 => {
                let (why, retry_after) = (why(), answer.retry_after);
                outcome.trouble.get_or_insert(Trouble { why, retry_after, whole: false });
            }
            _ => outcome.refused.push((record.sequence, why())),
        }
    }
}

fn document(record: &Record, node: &Node) -> Value {
    let Alert { id, rule, labels, annotations, severity, state, value, threshold, .. } = &record.alert;
    let alert = &record.alert;
    let over = *state == State::Resolved;
    // The numbers that syslog has for such messages.
    let level = match severity {
        Severity::Info => 6,
        Severity::Warning => 4,
        Severity::Critical => 2,
    };
    let summary = annotations.get("summary").unwrap_or(rule);
    let started = alert.fired_ns.unwrap_or(alert.pending_ns);
    let mut document = json!({
        "@timestamp": rfc3339(alert.changed_ns()),
        "data_stream": { "type": STREAM[0], "dataset": STREAM[1], "namespace": STREAM[2] },
        "ecs": { "version": "8.11.0" },
        "message": summary,
        "labels": labels,
        "host": { "name": node.name, "boot": { "id": node.boot_id } },
        "rule": { "name": rule },
        "observer": { "product": "kpulse", "type": "monitor", "version": env!("CARGO_PKG_VERSION") },
        "event": {
            "kind": "alert",
            "dataset": STREAM[1],
            "provider": "kpulse",
            "action": state.name(),
            "id": id,
            "sequence": record.sequence,
            "severity": level,
            "start": rfc3339(started),
            "url": page(alert, node),
        },
        "kpulse": {
            "alert": {
                "id": id,
                "fingerprint": format!("{:016x}", alert.fingerprint()),
                "state": state.name(),
                "severity": severity.name(),
                "value": value,
                "threshold": threshold,
                "pending": rfc3339(alert.pending_ns),
                "annotations": annotations,
            },
            "evidence": { "pending": alert.pending_evidence, "firing": alert.firing_evidence },
        },
    });
    if over {
        document["event"]["end"] = rfc3339(alert.changed_ns()).into();
        document["event"]["duration"] = alert.changed_ns().saturating_sub(started).into();
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::{alert, evidence};

    fn node() -> Node {
        Node { name: "node-1".into(), boot_id: "boot".into(), url: "http://n:9466".into() }
    }

    #[test]
    fn a_body_is_lines_of_json_and_the_last_one_ends() {
        let records: Vec<Record> =
            (1..4).map(|sequence| Record { sequence, alert: alert("a\nb", State::Firing, 5) }).collect();
        let body = String::from_utf8(body(&records.iter().collect::<Vec<_>>(), &node())).unwrap();
        assert!(body.ends_with("}\n"));
        let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[4], json!({ "create": { "_id": "node-1-a\nb-firing-3" } }));
    }

    #[test]
    fn no_part_has_an_alert_twice() {
        let ids = ["a", "b", "a", "a", "c", "b"];
        let record = |id: &&str| Record { sequence: 1, alert: alert(id, State::Firing, 5) };
        let records: Vec<Record> = ids.iter().map(record).collect();
        let found: Vec<usize> = parts(&records.iter().collect::<Vec<_>>()).iter().map(|part| part.len()).collect();
        assert_eq!(found, [2, 1, 3]);
    }

    #[test]
    fn a_document_has_the_fields_of_ecs_and_the_evidence() {
        let over =
            Alert { firing_evidence: Some(std::sync::Arc::new(evidence())), ..alert("00ff", State::Resolved, 9) };
        let document = document(&Record { sequence: 7, alert: over }, &node());
        for (path, expected) in [
            ("/@timestamp", json!("1970-01-01T00:00:09.000000000Z")),
            ("/data_stream/dataset", json!("kpulse.alerts")),
            ("/ecs/version", json!("8.11.0")),
            ("/host/name", json!("node-1")),
            ("/host/boot/id", json!("boot")),
            ("/event/dataset", json!("kpulse.alerts")),
            ("/event/action", json!("resolved")),
            ("/event/start", json!("1970-01-01T00:00:02.000000000Z")),
            ("/event/end", json!("1970-01-01T00:00:09.000000000Z")),
            ("/event/duration", json!(7_000_000_000u64)),
            ("/event/sequence", json!(7)),
            ("/event/url", json!("http://n:9466/alerts/00ff")),
            ("/rule/name", json!("SlowDisk")),
            ("/labels/device", json!("disk-00ff")),
            ("/kpulse/evidence/firing", serde_json::to_value(evidence()).unwrap()),
            ("/kpulse/evidence/pending", Value::Null),
        ] {
            assert_eq!(document.pointer(path), Some(&expected), "{path}");
        }
    }
}
