//! What a target is to the one who serves it: records go in, and it is said what became of each.

use super::{alertmanager::Alertmanager, client::Trouble, elasticsearch::Elasticsearch, lines, webhook::Webhook};
use crate::journal::Record;

/// One of the kinds of targets.
pub enum Sink {
    /// An Alertmanager.
    Alertmanager(Alertmanager),
    /// A webhook.
    Webhook(Webhook),
    /// An Elasticsearch server.
    Elasticsearch(Elasticsearch),
    /// The log.
    Log,
}

/// What became of records. What is in neither list was not taken, and is sent again.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The numbers of those that the target has.
    pub done: Vec<u64>,
    /// Those that it will never take, and what it said.
    pub refused: Vec<(u64, String)>,
    /// Why the others were not taken.
    pub trouble: Option<Trouble>,
}

impl Outcome {
    /// All of them were taken.
    pub fn all(records: &[&Record]) -> Self {
        Self { done: records.iter().map(|record| record.sequence).collect(), ..Self::default() }
    }

    /// None of them was.
    pub fn none(trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }
}

impl Sink {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Alertmanager(_) => "alertmanager",
            Self::Webhook(_) => "webhook",
            Self::Elasticsearch(_) => "elasticsearch",
            Self::Log => "log",
        }
    }

    /// How many records it takes at once.
    pub fn batch(&self) -> usize {
        match self {
            Self::Alertmanager(_) | Self::Elasticsearch(_) | Self::Log => 256,
            // One failure must not be that of another, and what was taken must be known.
            Self::Webhook(_) => 1,
        }
    }

    /// Whether it forgets what it is not told again.
    pub fn forgets(&self) -> bool {
        matches!(self, Self::Alertmanager(_))
    }

    /// Sends records, oldest first, no more than [`Self::batch`]. The time is in nanoseconds since 1970.
    pub async fn send(&mut self, records: &[&Record], now_ns: u64) -> Outcome {
        match self {
            Self::Alertmanager(sink) => sink.send(records, now_ns).await,
            Self::Webhook(sink) => sink.send(records).await,
            Self::Elasticsearch(sink) => sink.send(records).await,
            Self::Log => {
                records.iter().copied().for_each(lines::write);
                Outcome::all(records)
            }
        }
    }

    /// Whether it has been told something that was not right and has to be told again now.
    pub fn takes_back(&mut self) -> bool {
        match self {
            Self::Alertmanager(sink) => sink.takes_back(),
            _ => false,
        }
    }
}
