//! An Alertmanager, by its API of version 2.
//!
//! It knows alerts by their labels and forgets those that it is not told again; whether one is over it judges by its own
//! clock. So: each request says when an alert would be over if nothing else came, four times the interval ahead; times are
//! corrected by what its answers say of its clock; until that is known, that end is left out and the server's own
//! `resolve_timeout` holds. When it answers 400 it has taken what is valid of a batch: the batch is taken apart to find what
//! is not.
//!
//! Source: Alertmanager's api/v2/openapi.yaml, api/v2/api.go (`postAlertsHandler`) and types/types.go (`Alert.Merge`).

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    Url,
    client::{Client, Post, Trouble},
    settings::{Auth, Node},
    sink::Outcome,
    webhook::page,
};
use crate::{
    alert::{Alert, State},
    journal::Record,
    table::units::rfc3339,
};

/// An alert that fires is never said to end sooner: a busy machine must not make it end and fire again.
const LEAST_HORIZON: Duration = Duration::from_secs(60);

/// How many refused alerts are remembered.
const MOST_REJECTED: usize = 10_000;

/// Clocks that differ by less than this are not corrected anew.
const NOTICEABLE_NS: u64 = 2_000_000_000;

/// One Alertmanager.
pub struct Alertmanager {
    url: Url,
    auth: Auth,
    client: Client,
    node: Arc<Node>,
    /// How far ahead the end of an alert that fires is said to be.
    horizon_ns: u64,
    /// How far its clock is ahead of ours; absent until it is known.
    ahead_ns: Option<i64>,
    /// Whether something was sent before the clock was known to differ.
    mistaken: bool,
    /// Alerts that it refuses, so that they are not sent again and again.
    rejected: HashSet<String>,
}

impl Alertmanager {
    /// For the server at `url`, which is told again every `resend`.
    pub fn new(url: Url, auth: Auth, client: Client, node: Arc<Node>, resend: Duration) -> Self {
        let horizon_ns = resend.saturating_mul(4).max(LEAST_HORIZON).as_nanos() as u64;
        let rejected = HashSet::new();
        Self { url, auth, client, node, horizon_ns, ahead_ns: None, mistaken: false, rejected }
    }

    /// Sends records.
    pub async fn send(&mut self, records: &[&Record], now_ns: u64) -> Outcome {
        let mut outcome = Outcome::default();
        let (known, new): (Vec<&Record>, Vec<&Record>) =
            records.iter().copied().partition(|record| self.rejected.contains(&record.alert.id));
        let refused = known.into_iter().map(|record| (record.sequence, "it was refused before".to_owned()));
        outcome.refused.extend(refused);
        // The parts still to be sent, the first one last.
        let mut parts = vec![new.as_slice()];
        while let Some(part) = parts.pop() {
            let Some(first) = part.first() else { continue };
            let verdict = match self.post(part, now_ns).await {
                Ok(answer) => answer,
                Err(trouble) => {
                    outcome.trouble = Some(trouble);
                    break;
                }
            };
            match verdict {
                Ok(None) => outcome.done.extend(part.iter().map(|record| record.sequence)),
                Ok(Some(trouble)) => {
                    outcome.trouble = Some(trouble);
                    break;
                }
                Err(why) if part.len() == 1 => {
                    // Whoever makes very many of them may see some refused anew.
                    if self.rejected.len() >= MOST_REJECTED {
                        self.rejected.clear();
                    }
                    self.rejected.insert(first.alert.id.clone());
                    outcome.refused.push((first.sequence, why));
                }
                Err(_) => {
                    let (front, back) = part.split_at(part.len() / 2);
                    parts.extend([back, front]);
                }
            }
        }
        outcome
    }

    /// Sends some records; says whether they were taken, are to be tried again, or were refused.
    async fn post(&mut self, records: &[&Record], now_ns: u64) -> Result<Result<Option<Trouble>, String>, Trouble> {
        let alerts: Vec<Value> = records.iter().map(|record| self.alert(&record.alert, now_ns)).collect();
        let body = serde_json::to_vec(&alerts).unwrap_or_default();
        let url = self.url.join("/api/v2/alerts");
        let post = Post { url, content_type: "application/json", headers: Vec::new(), auth: &self.auth, body };
        let answer = self.client.post(post).await?;
        let before = self.ahead_ns.unwrap_or(0);
        if let Some(ahead) = answer.ahead_ns {
            if before.abs_diff(ahead) > NOTICEABLE_NS {
                self.mistaken = true;
                self.ahead_ns = Some(ahead);
            }
            self.ahead_ns.get_or_insert(ahead);
        }
        Ok(answer.verdict())
    }

    /// Whether what was sent had wrong times: true once for each time that this is found out.
    pub fn takes_back(&mut self) -> bool {
        std::mem::take(&mut self.mistaken)
    }

    fn alert(&self, alert: &Alert, now_ns: u64) -> Value {
        let there = |ns: u64| ns.saturating_add_signed(self.ahead_ns.unwrap_or(0));
        let ends_ns = match alert.state {
            State::Resolved => Some(there(alert.changed_ns().min(now_ns))),
            _ => self.ahead_ns.map(|_| there(now_ns).saturating_add(self.horizon_ns)),
        };
        // It must not begin after its end, whatever the clocks say.
        let starts_ns = alert.fired_ns.unwrap_or(alert.pending_ns).min(ends_ns.unwrap_or(u64::MAX));
        let mut body = json!({
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": rfc3339(starts_ns),
            "generatorURL": page(alert, &self.node),
        });
        if let Some(ends_ns) = ends_ns {
            body["endsAt"] = rfc3339(ends_ns).into();
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::alert;

    const S: u64 = 1_000_000_000;

    fn alertmanager(ahead_ns: Option<i64>) -> Alertmanager {
        let client = Client::new(false, None, Duration::from_secs(1)).unwrap();
        let node = Arc::new(Node { url: "http://n:9466".into(), ..Node::default() });
        let url = Url::parse("http://127.0.0.1:1").unwrap();
        Alertmanager { ahead_ns, ..Alertmanager::new(url, Auth::default(), client, node, Duration::from_secs(60)) }
    }

    #[test]
    fn the_end_is_four_intervals_ahead_on_its_clock_or_left_out_until_that_is_known() {
        let firing = alert("1", State::Firing, 100);
        let ends = |ahead_ns| alertmanager(ahead_ns).alert(&firing, 1000 * S)["endsAt"].clone();
        assert_eq!(ends(None), Value::Null);
        assert_eq!(ends(Some(0)), rfc3339(1240 * S));
        assert_eq!(ends(Some(-600 * S as i64)), rfc3339(640 * S));
        assert_eq!(ends(Some(i64::MIN)), rfc3339(240 * S), "no clock breaks it");
    }

    #[test]
    fn what_is_over_ended_in_the_past_of_either_clock_and_after_it_began() {
        let over = alert("1", State::Resolved, 900);
        let times = |ahead_ns, now_s: u64| {
            let body = alertmanager(ahead_ns).alert(&over, now_s * S);
            (body["startsAt"].clone(), body["endsAt"].clone())
        };
        let at = |s: u64| Value::from(rfc3339(s * S));
        assert_eq!(times(None, 1000), (at(2), at(900)));
        assert_eq!(times(Some(-100 * S as i64), 1000), (at(2), at(800)));
        assert_eq!(times(Some(0), 500), (at(2), at(500)), "the clock was put back");
        assert_eq!(times(Some(-899 * S as i64), 1000), (at(1), at(1)));
    }

    #[test]
    fn an_alert_has_its_labels_annotations_and_page() {
        let body = alertmanager(Some(0)).alert(&alert("00ff", State::Firing, 100), 1000 * S);
        assert_eq!(body["labels"]["device"], "disk-00ff");
        assert_eq!(body["annotations"]["summary"], "disk-00ff is \"slow\"");
        assert_eq!(body["generatorURL"], "http://n:9466/alerts/00ff");
        assert_eq!(body["startsAt"], rfc3339(2 * S));
    }
}
