//! Logs and metrics: the subscriber for `tracing`, and the numbers of the engine in the two text
//! forms that Prometheus reads, each written by the crate that knows it.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
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

/// One number: a name below `talkpath_` or `process_`, what it says, whether it only grows, its
/// value. Numbers of one name differ by their label.
#[derive(Clone, Debug)]
pub struct Metric {
    /// Name without `talkpath_` and without the `_total` of counters.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// It only grows.
    pub counter: bool,
    /// Name and value of its label. All numbers of one name have the same label or none.
    pub label: Option<(&'static str, String)>,
    /// Its value.
    pub value: u64,
}

impl Metric {
    /// A number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            counter: false,
            label: None,
            value,
        }
    }

    /// A number that only grows.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            counter: true,
            ..Self::gauge(name, help, value)
        }
    }

    /// The same with a label.
    pub fn of(self, label: &'static str, value: impl Into<String>) -> Self {
        Self {
            label: Some((label, value.into())),
            ..self
        }
    }

    fn full_name(&self) -> String {
        match self.name.starts_with("process_") {
            true => self.name.to_owned(),
            false => format!("talkpath_{}", self.name),
        }
    }

    fn gauge_value(&self) -> i64 {
        i64::try_from(self.value).unwrap_or(i64::MAX)
    }
}

/// The text formats that Prometheus reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsFormat {
    /// `text/plain; version=0.0.4`, the usual one.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// The value of Content-Type.
    pub fn content_type(self) -> &'static str {
        match self {
            MetricsFormat::Text => "text/plain; version=0.0.4; charset=utf-8",
            MetricsFormat::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    /// The format for a client with this Accept header: OpenMetrics for who names it and does not
    /// like plain text better.
    pub fn accepted(accept: &str) -> Self {
        let quality = |wanted: &str| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next()?;
                let quality = parts.find_map(|part| part.strip_prefix("q="));
                let quality = quality.map_or(Ok(1.0), str::parse::<f32>).ok()?;
                kind.eq_ignore_ascii_case(wanted).then_some(quality)
            });
            ranges.fold(0.0, f32::max)
        };
        let wanted = quality("application/openmetrics-text");
        match wanted > 0.0 && wanted >= quality("text/plain") {
            true => MetricsFormat::OpenMetrics,
            false => MetricsFormat::Text,
        }
    }
}

/// Writes metrics.
///
/// # Errors
/// A name that is no name of a metric.
pub fn write_metrics(metrics: &[Metric], format: MetricsFormat) -> anyhow::Result<String> {
    let mut families: Vec<(&Metric, Vec<&Metric>)> = Vec::new();
    for metric in metrics {
        match families
            .iter_mut()
            .find(|(first, _)| first.name == metric.name)
        {
            Some((_, all)) => all.push(metric),
            None => families.push((metric, vec![metric])),
        }
    }
    match format {
        MetricsFormat::Text => write_text(&families),
        MetricsFormat::OpenMetrics => write_open_metrics(&families),
    }
}

fn write_text(families: &[(&Metric, Vec<&Metric>)]) -> anyhow::Result<String> {
    let registry = prometheus::Registry::new();
    for (first, all) in families {
        let names: Vec<&str> = first.label.iter().map(|(name, _)| *name).collect();
        let values = all.iter().map(|metric| {
            let label = metric.label.iter().map(|(_, value)| value.as_str());
            (*metric, label.collect::<Vec<_>>())
        });
        if first.counter {
            let options = prometheus::Opts::new(format!("{}_total", first.full_name()), first.help);
            let family = prometheus::IntCounterVec::new(options, &names)?;
            for (metric, label) in values {
                let one = family.get_metric_with_label_values(&label)?;
                one.inc_by(metric.value);
            }
            registry.register(Box::new(family))?;
        } else {
            let options = prometheus::Opts::new(first.full_name(), first.help);
            let family = prometheus::IntGaugeVec::new(options, &names)?;
            for (metric, label) in values {
                let one = family.get_metric_with_label_values(&label)?;
                one.set(metric.gauge_value());
            }
            registry.register(Box::new(family))?;
        }
    }
    Ok(prometheus::TextEncoder::new().encode_to_string(&registry.gather())?)
}

fn write_open_metrics(families: &[(&Metric, Vec<&Metric>)]) -> anyhow::Result<String> {
    type Labels = Vec<(&'static str, String)>;
    let labels = |metric: &Metric| -> Labels { metric.label.iter().cloned().collect() };
    let mut registry = Registry::default();
    for (first, all) in families {
        // The encoder adds a full stop of its own.
        let help = first.help.trim_end_matches('.');
        let name = first.full_name();
        match (first.counter, first.label.is_some()) {
            (true, true) => {
                let family = Family::<Labels, Counter>::default();
                for metric in all {
                    family.get_or_create(&labels(metric)).inc_by(metric.value);
                }
                registry.register(name, help, family);
            }
            (true, false) => {
                let counter = Counter::<u64>::default();
                counter.inc_by(first.value);
                registry.register(name, help, counter);
            }
            (false, true) => {
                let family = Family::<Labels, Gauge>::default();
                for metric in all {
                    let gauge = family.get_or_create(&labels(metric));
                    gauge.set(metric.gauge_value());
                }
                registry.register(name, help, family);
            }
            (false, false) => {
                let gauge = Gauge::<i64>::default();
                gauge.set(first.gauge_value());
                registry.register(name, help, gauge);
            }
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_open_metrics_gets_it_and_all_others_plain_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            ("", MetricsFormat::Text),
            ("*/*", MetricsFormat::Text),
            ("text/plain", MetricsFormat::Text),
            ("text/html, text/plain;version=0.0.4", MetricsFormat::Text),
            ("application/openmetrics-text", MetricsFormat::OpenMetrics),
            ("application/openmetrics-text;q=0", MetricsFormat::Text),
            (
                "application/openmetrics-text;q=0.2, text/plain;q=0.5",
                MetricsFormat::Text,
            ),
            ("application/openmetrics-text;q=x", MetricsFormat::Text),
            (prometheus, MetricsFormat::OpenMetrics),
        ] {
            assert_eq!(MetricsFormat::accepted(accept), format, "{accept}");
        }
    }

    #[test]
    fn numbers_of_one_name_stand_together_with_their_labels() {
        let metrics = [
            Metric::counter("joins", "Joins.", 1).of("result", "admitted"),
            Metric::gauge("legs", "Legs that live.", 3),
            Metric::counter("joins", "Joins.", 2).of("result", "odd \"\\\n"),
            Metric::counter("calls", "Calls.", 4),
            Metric::gauge("process_start_time_seconds", "Start.", 5),
            Metric::gauge("build_info", "Build.", 1).of("version", "1"),
        ];
        let text = write_metrics(&metrics, MetricsFormat::Text).expect("written");
        let plain = "# HELP process_start_time_seconds Start.\n\
            # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 5\n\
            # HELP talkpath_build_info Build.\n# TYPE talkpath_build_info gauge\n\
            talkpath_build_info{version=\"1\"} 1\n\
            # HELP talkpath_calls_total Calls.\n# TYPE talkpath_calls_total counter\n\
            talkpath_calls_total 4\n\
            # HELP talkpath_joins_total Joins.\n# TYPE talkpath_joins_total counter\n\
            talkpath_joins_total{result=\"admitted\"} 1\n\
            talkpath_joins_total{result=\"odd \\\"\\\\\\n\"} 2\n\
            # HELP talkpath_legs Legs that live.\n# TYPE talkpath_legs gauge\ntalkpath_legs 3\n";
        assert_eq!(text, plain);
        let text = write_metrics(&metrics, MetricsFormat::OpenMetrics).expect("written");
        for line in [
            "# TYPE talkpath_joins counter",
            "talkpath_joins_total{result=\"admitted\"} 1",
            "talkpath_legs 3",
            "talkpath_calls_total 4",
            "talkpath_build_info{version=\"1\"} 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
