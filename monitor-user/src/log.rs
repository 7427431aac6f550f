//! The log: `tracing` to the standard error stream, with messages of crates that speak `log` bridged in.
//!
//! In: `log.level` and `log.format` of the configuration. Out: lines for people (with colour only on a terminal), or one
//! JSON object a line. The level can change while the process runs.

use std::io::{self, IsTerminal as _};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer as _, Registry,
    filter::LevelFilter as Filter,
    fmt::{MakeWriter, layer},
    layer::SubscriberExt as _,
    reload,
    util::SubscriberInitExt as _,
};

use crate::config::{Config, Format, Level};

/// Changes the level of a log that has begun.
#[derive(Clone, Debug)]
pub struct LogHandle(reload::Handle<Filter, Registry>);

impl LogHandle {
    /// Takes over the level of a configuration that was loaded anew.
    pub fn reload(&self, config: &Config) {
        let filter = filter(config.log.level);
        // This fails only when the log is gone, and then there is nothing left to tell.
        let _ = self.0.reload(filter);
        bridge(filter);
    }
}

/// Begins to log to the standard error stream. Only the first call in a process has an effect.
pub fn init(config: &Config) -> LogHandle {
    let (subscriber, handle) = subscriber(config, io::stderr, io::stderr().is_terminal());
    let _ = subscriber.try_init();
    bridge(filter(config.log.level));
    handle
}

/// The log and its handle. `ansi`: with colours.
fn subscriber<W>(config: &Config, writer: W, ansi: bool) -> (impl Subscriber + Send + Sync + use<W>, LogHandle)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // A line that cannot be written is lost: to complain about it on the same stream would end the process.
    let lines = layer().with_writer(writer).with_ansi(ansi).log_internal_errors(false);
    let lines = match config.log.format {
        Format::Human => lines.compact().with_target(false).boxed(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let (level, handle) = reload::Layer::new(filter(config.log.level));
    (Registry::default().with(level).with(lines), LogHandle(handle))
}

/// Messages of `log` above this level are not even formatted. It does not follow the reload by itself.
fn bridge(filter: LevelFilter) {
    log::set_max_level(match filter.into_level() {
        None => log::LevelFilter::Off,
        Some(tracing::Level::ERROR) => log::LevelFilter::Error,
        Some(tracing::Level::WARN) => log::LevelFilter::Warn,
        Some(tracing::Level::INFO) => log::LevelFilter::Info,
        Some(tracing::Level::DEBUG) => log::LevelFilter::Debug,
        Some(tracing::Level::TRACE) => log::LevelFilter::Trace,
    });
}

fn filter(level: Level) -> Filter {
    match level {
        Level::Error => Filter::ERROR,
        Level::Warn => Filter::WARN,
        Level::Info => Filter::INFO,
        Level::Debug => Filter::DEBUG,
        Level::Trace => Filter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
        }
    }

    fn config(level: Level, format: Format) -> Config {
        let mut config = Config::default();
        config.log.level = level;
        config.log.format = format;
        config
    }

    // One test: the bridge's level belongs to the whole process.
    #[test]
    fn the_level_changes_at_a_reload_for_both_kinds_of_messages() {
        let page = Page::default();
        let writer = page.clone();
        let (subscriber, handle) = subscriber(&config(Level::Info, Format::Human), move || writer.clone(), false);
        subscriber.try_init().unwrap();
        bridge(Filter::INFO);
        tracing::debug!("too little");
        log::debug!("too little");
        tracing::info!(device = "sda", "enough");
        log::info!("from another crate");
        let text = page.take();
        assert!(!text.contains("too little"), "{text}");
        assert!(text.contains("INFO") && text.contains("enough device=\"sda\""), "{text}");
        assert!(text.contains("from another crate"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");

        handle.reload(&config(Level::Debug, Format::Human));
        tracing::debug!("now");
        log::debug!("now too");
        let text = page.take();
        assert!(text.contains("now") && text.contains("now too"), "{text}");

        handle.reload(&config(Level::Error, Format::Human));
        tracing::warn!("no more");
        log::warn!("no more");
        assert_eq!(page.take(), "");
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_beside_the_message() {
        let page = Page::default();
        let writer = page.clone();
        let (subscriber, _handle) = subscriber(&config(Level::Trace, Format::Json), move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(device = "sda", waited_ns = 5u64, "slow\nline")
        });
        let text = page.take();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"slow\nline".into()));
        assert_eq!((&line["device"], &line["waited_ns"]), (&"sda".into(), &5.into()));
        assert!(line["timestamp"].is_string());
    }
}
