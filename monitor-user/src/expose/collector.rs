//! Series from the definitions, as the text format of Prometheus.
//!
//! In: snapshots, one after another. Out: the text of a scrape, rendered once for each snapshot and shared by all
//! scrapes of it. The registry of the `prometheus` crate checks names and labels, and sorts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use prometheus::{
    Encoder as _, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::{
    metric::{Metric, Series},
    status::Snapshot,
};

use super::{budget::Ledger, metrics};

/// The content type of [`Exposition::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything a scrape needs. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Exposition {
    registry: Registry,
    latest: Latest,
}

#[derive(Clone, Debug)]
struct Latest {
    descs: Arc<[Desc]>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    ledger: Ledger,
    snapshot: Option<Arc<Snapshot>>,
    rendered: Option<Bytes>,
    scrapes: u64,
}

impl Exposition {
    /// With at most `max_series` series in a scrape, at least [`super::budget::MIN_SERIES`].
    ///
    /// # Errors
    ///
    /// A definition of a metric is not valid: a mistake in the program, which a test finds.
    pub fn new(max_series: usize) -> prometheus::Result<Self> {
        let inner = Inner { ledger: Ledger::new(max_series), snapshot: None, rendered: None, scrapes: 0 };
        let descs = metrics().map(desc).collect::<prometheus::Result<_>>()?;
        let latest = Latest { descs, inner: Arc::new(Mutex::new(inner)) };
        let registry = Registry::new();
        registry.register(Box::new(latest.clone()))?;
        Ok(Self { registry, latest })
    }

    /// Takes up the next snapshot. Every one should come here, or `other` loses what left it between two of them. The same
    /// one twice is one.
    pub fn observe(&self, snapshot: &Arc<Snapshot>) {
        let mut inner = self.latest.lock();
        if inner.snapshot.as_ref().is_some_and(|latest| Arc::ptr_eq(latest, snapshot)) {
            return;
        }
        inner.ledger.observe(snapshot);
        inner.snapshot = Some(Arc::clone(snapshot));
        inner.rendered = None;
    }

    /// The text of a scrape; empty before the first snapshot.
    ///
    /// # Errors
    ///
    /// The encoder refuses a family: a mistake in the program.
    pub fn render(&self) -> prometheus::Result<Bytes> {
        let ready = {
            let mut inner = self.latest.lock();
            inner.scrapes += 1;
            inner.rendered.clone()
        };
        if let Some(ready) = ready {
            return Ok(ready);
        }
        let families = self.registry.gather();
        let mut text = Vec::with_capacity(64 * 1024);
        TextEncoder::new().encode(&families, &mut text)?;
        text.shrink_to_fit();
        let text = Bytes::from(text);
        self.latest.lock().rendered = Some(text.clone());
        Ok(text)
    }

    /// The latest snapshot.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.latest.lock().snapshot.clone()
    }

    /// As [`Ledger::own_devices`].
    pub fn own_devices(&self) -> [usize; 3] {
        self.latest.lock().ledger.own_devices()
    }

    #[cfg(test)]
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here is left half done by a panic that would matter more than an answer.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Latest {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let inner = self.lock();
        let Some(snapshot) = &inner.snapshot else { return Vec::new() };
        let mut view = inner.ledger.view(snapshot, inner.scrapes.saturating_sub(1));
        let mut out = Vec::with_capacity(self.descs.len());
        for metric in metrics() {
            let left = view.exposition.limit - view.exposition.series;
            let mut series = Series::new(metric, left);
            (metric.collect)(&view, &mut series);
            let (collected, taken, dropped) = series.finish(left);
            view.exposition.series += taken;
            view.exposition.dropped += dropped;
            out.push(metric.kind.family(metric.name, metric.help, collected));
        }
        out
    }
}

fn desc(metric: &Metric) -> prometheus::Result<Desc> {
    let labels = metric.labels.iter().map(|&label| label.to_owned()).collect();
    Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())
}

#[cfg(test)]
mod tests;
