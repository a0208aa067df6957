//! Logs and metrics: the subscriber for `tracing`, and the numbers of the engine in the text form
//! that Prometheus reads.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `level` is a filter such as `info` or
/// `talkpath=debug,wire=trace`; the environment variable `TALKPATH_LOG` wins over it.
///
/// # Errors
/// The filter cannot be read.
pub fn start_logging(level: &str, json: bool) -> anyhow::Result<()> {
    let filter = std::env::var("TALKPATH_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = EnvFilter::try_new(&filter)
        .with_context(|| format!("log.level: {filter:?} is not a log filter"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_target(false).init();
    }
    Ok(())
}

/// One metric: a name below `talkpath_`, what it says, whether it only grows, its value.
pub struct Metric {
    /// Name without the prefix.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// It only grows.
    pub counter: bool,
    /// Its value.
    pub value: u64,
}

/// Writes metrics in the OpenMetrics text format, which Prometheus reads.
///
/// # Errors
/// Never in practice: writing to a string does not fail.
pub fn write_metrics(metrics: &[Metric]) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("talkpath");
    for metric in metrics {
        // The encoder adds a full stop of its own.
        let help = metric.help.trim_end_matches('.');
        if metric.counter {
            let counter = Counter::<u64>::default();
            counter.inc_by(metric.value);
            registry.register(metric.name, help, counter);
        } else {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(metric.value).unwrap_or(i64::MAX));
            registry.register(metric.name, help, gauge);
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}
