//! A node's life: it reports at the end of each interval, sends what waits, and sends it again if nobody answered.

use std::{collections::VecDeque, rc::Rc, time::Duration};

use bytes::Bytes;
use prost::Message as _;
use tokio::time::{Instant, sleep_until};

use super::{node::Node, tally::Tally};
use crate::{
    collect::realtime_ns,
    notify::{
        Auth, backoff,
        client::{Client as Http, Post},
    },
    report::{envelope::Envelope, wire},
    ship::{Verdict, Waiting, verdict},
};

/// The most reports in a request.
const REPORTS: usize = 64;

/// See the module.
pub struct Client {
    /// With a connection of its own.
    pub http: Http,
    /// Where to.
    pub url: String,
    /// Who the node is, as a header.
    pub authorization: Option<String>,
    /// Shared by all nodes.
    pub tally: Rc<Tally>,
    /// When the first interval ends.
    pub first: Instant,
    /// From one to the next.
    pub interval: Duration,
    /// After this no report is made.
    pub until: Instant,
    /// After this nothing is sent.
    pub give_up: Instant,
}

impl Client {
    /// Lives it.
    pub async fn run(self, mut node: Node) {
        let (mut due, mut waiting, mut failures) = (self.first, VecDeque::new(), 0u32);
        let mut retry_at = None::<Instant>;
        loop {
            let next = match (retry_at, due < self.until) {
                (Some(at), true) => at.min(due),
                (Some(at), false) => at,
                (None, true) => due,
                (None, false) => return,
            };
            if next >= self.give_up {
                return;
            }
            sleep_until(next).await;
            if due < self.until && Instant::now() >= due {
                let report = node.report(realtime_ns(), self.interval.as_nanos() as u64);
                self.tally.made(&node.sender.node, report.sequence);
                let sequence = report.sequence;
                waiting.push_back(Waiting { number: sequence, sequence, bytes: Bytes::from(report.encode_to_vec()) });
                due += self.interval;
            }
            if retry_at.is_some_and(|at| at > Instant::now()) {
                continue;
            }
            retry_at = match self.send(&node, &mut waiting).await {
                Ok(()) if waiting.is_empty() => {
                    failures = 0;
                    None
                }
                Ok(()) => Some(Instant::now()),
                Err(asked) => {
                    failures += 1;
                    let most = Duration::from_secs(30);
                    let wait = backoff::wait(failures, Duration::from_secs(1), most, backoff::random());
                    Some(Instant::now() + wait.max(asked.unwrap_or_default()))
                }
            };
        }
    }

    /// One request. The error says how long the server wants to be left alone.
    async fn send(&self, node: &Node, waiting: &mut VecDeque<Waiting>) -> Result<(), Option<Duration>> {
        let reports: Vec<Waiting> = waiting.iter().take(REPORTS).cloned().collect();
        let envelope = Envelope {
            version: wire::VERSION,
            sender: Some(node.sender.clone()),
            reports: reports.iter().map(|report| report.bytes.clone()).collect(),
            lost: None,
            sent_ns: realtime_ns(),
            waiting: (waiting.len() - reports.len()) as u64,
        };
        let body = envelope.encode_to_vec();
        self.tally.sent(reports.len(), body.len());
        let begun = Instant::now();
        let post = Post {
            url: self.url.clone(),
            content_type: wire::CONTENT_TYPE,
            headers: self.authorization.iter().map(|value| ("authorization", value.clone())).collect(),
            auth: &Auth::default(),
            body,
        };
        let answer = self.http.post(post).await.map_err(|trouble| {
            self.tally.failed(trouble.why);
            trouble.retry_after
        })?;
        match verdict(&answer, &reports) {
            Verdict::Looked { stored, refused } => {
                if !stored.is_empty() {
                    self.tally.stored(&node.sender.node, &stored, begun.elapsed());
                }
                for (sequence, reason, _) in &refused {
                    self.tally.refused(&node.sender.node, *sequence, reason);
                }
                let settled = |one: &Waiting| {
                    stored.contains(&one.number) || refused.iter().any(|(number, ..)| *number == one.number)
                };
                waiting.retain(|one| !settled(one));
                Ok(())
            }
            Verdict::Later { why, retry_after } => {
                self.tally.failed(why);
                Err(retry_after)
            }
            Verdict::Fewer(why) | Verdict::Refused(why) => {
                self.tally.failed(why);
                Err(answer.retry_after)
            }
        }
    }
}
