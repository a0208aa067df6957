//! Rules and scenarios: what `serve` starts with and reloads, and the subcommands that ask them.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use tracing::{error, info, warn};

use super::{complain, make_host, say, unix_time};
use crate::catalog::{self, Loaded};
use crate::config::Config;
use crate::engine::Catalog;
use crate::routing::{CallInfo, Schedule, Source, Zone, moment};
use crate::run::clips::ClipSettings;
use crate::script::Host;

/// What `serve` says when it does not start because of rules or scenarios.
const NOT_STARTED: &str = "Not started. With --lenient it starts without the rules that this \
                           concerns; their calls are refused with 503";

/// The rules and scenarios of a running engine.
pub(super) struct Rules {
    config: Config,
    host: Arc<Host>,
    lenient: bool,
    /// Those that new calls meet.
    pub(super) catalog: Arc<Catalog>,
}

impl Rules {
    /// Reads them for the first time. `lenient` leaves out what has to be mended.
    ///
    /// # Errors
    /// Everything that has to be mended and may not be left out.
    pub(super) fn read(config: &Config, host: Arc<Host>, lenient: bool) -> anyhow::Result<Self> {
        let loaded = load(config, &host);
        for line in loaded.idle_errors.iter().chain(&loaded.warnings) {
            complain(line);
        }
        let works = loaded.has_working_rules();
        let catalog = if loaded.errors.is_empty() {
            loaded.catalog
        } else if lenient && works {
            loaded.errors.iter().for_each(|line| complain(line));
            loaded.catalog
        } else {
            let mut lines = loaded.errors;
            lines.extend(works.then(|| NOT_STARTED.to_owned()));
            return Err(anyhow!(lines.join("\n")));
        };
        warn_of_kept_out(&catalog);
        Ok(Self {
            config: config.clone(),
            host,
            lenient,
            catalog: Arc::new(catalog),
        })
    }

    /// Reads them anew. Gives them when they are fit to take the place of those that run: nothing
    /// has to be mended, or, when it is lenient, no rule is kept out that works today.
    pub(super) fn reload(&mut self) -> Option<Arc<Catalog>> {
        let loaded = load(&self.config, &self.host);
        for line in loaded.idle_errors.iter().chain(&loaded.warnings) {
            warn!("{line}");
        }
        for line in &loaded.errors {
            error!("{line}");
        }
        let works = loaded.has_working_rules();
        let out = catalog::kept_out(&loaded.catalog);
        let fit = loaded.errors.is_empty()
            || self.lenient && works && out.is_subset(&catalog::kept_out(&self.catalog));
        if !fit {
            error!("Nothing was reloaded; the rules and scenarios that ran go on");
            return None;
        }
        warn_of_kept_out(&loaded.catalog);
        info!("Rules and scenarios reloaded; running sessions keep theirs");
        self.catalog = Arc::new(loaded.catalog);
        Some(self.catalog.clone())
    }
}

fn load(config: &Config, host: &Host) -> Loaded {
    let mut loaded = catalog::load(&config.rules_dir, &config.scripts_dir, host);
    let missing = missing_sounds(config, &loaded.catalog);
    loaded.warnings.extend(missing);
    loaded
}

/// Sound files that scenarios name and that are not there. They may still come, and a caller who
/// misses one hears the rest.
fn missing_sounds(config: &Config, catalog: &Catalog) -> BTreeSet<String> {
    let clips = ClipSettings::new(&config.speech.prompts_dir);
    let programs = catalog
        .applications
        .iter()
        .flat_map(|app| app.programs.values());
    let named = programs.flat_map(|program| program.sound_files());
    let missing = named.filter_map(|(path, place)| {
        let text = match clips.confine(path) {
            Ok((_, file)) if file.is_file() => return None,
            Ok((_, file)) => format!("there is no file {}", file.display()),
            Err(error) => error.to_string(),
        };
        Some(format!("{place}: warning: {text}"))
    });
    missing.collect()
}

fn warn_of_kept_out(catalog: &Catalog) {
    for rule in catalog::kept_out(catalog) {
        warn!(rule, "Kept out until it is mended; its calls get 503");
    }
}

/// `talkpath check`.
///
/// # Errors
/// None; what is wrong is printed and said by the exit code.
pub fn check(config: &Config) -> anyhow::Result<ExitCode> {
    let host = make_host(config);
    let loaded = load(config, &host);
    let errors: Vec<&String> = loaded.errors.iter().chain(&loaded.idle_errors).collect();
    let lines = errors.iter().copied();
    for line in lines.chain(&loaded.warnings).chain(&loaded.notes) {
        say(line);
    }
    let applications = loaded.catalog.applications.iter();
    let rules: usize = applications
        .map(|app| app.router.ruleset().rules.len())
        .sum();
    say(&format!(
        "{}, {}: {}, {}",
        counted(rules, "rule"),
        counted(loaded.scenarios, "scenario"),
        counted(errors.len(), "error"),
        counted(loaded.warnings.len(), "warning")
    ));
    Ok(match errors.as_slice() {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A call that `talkpath route` asks about.
#[derive(Debug)]
pub struct Question {
    /// What is dialled.
    pub to: String,
    /// Who calls; empty when nobody says.
    pub from: String,
    /// Where the call comes from.
    pub source: Source,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// The moment as it was written; without it, now.
    pub at: Option<String>,
}

/// `talkpath route`: prints the trace of a hypothetical call.
///
/// # Errors
/// Rules or scenarios cannot be loaded, or the moment cannot be read.
pub fn route(config: &Config, question: &Question) -> anyhow::Result<ExitCode> {
    let host = make_host(config);
    let catalog = load(config, &host)
        .into_catalog()
        .map_err(|errors| anyhow!(errors.join("\n")))?;
    let mut now_unix_s = unix_time().as_secs() as i64;
    if let Some(at) = &question.at {
        let (unix_s, zone) = moment(at, usual_zone(&catalog)).map_err(|e| anyhow!("--at: {e}"))?;
        now_unix_s = unix_s;
        let shown: String = at.chars().take("2026-12-24T18:00".len()).collect();
        say(&format!("at {shown} ({zone})"));
    }
    let call = CallInfo {
        destination: &question.to,
        caller: &question.from,
        source: question.source,
        headers: &question.headers,
        now_unix_s,
    };
    for application in &catalog.applications {
        let (decision, trace) = application.router.decide(&call);
        say(&format!("application {}\n{trace}", application.name));
        if decision.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    Ok(ExitCode::FAILURE)
}

/// What local time is in all schedules of the rules; UTC where they do not agree.
fn usual_zone(catalog: &Catalog) -> Zone {
    let applications = catalog.applications.iter();
    let rules = applications.flat_map(|app| &app.router.ruleset().rules);
    let mut zones = rules.filter_map(|rule| rule.schedule.as_ref().map(Schedule::zone));
    match zones.next() {
        Some(zone) if zones.all(|other| other == zone) => zone,
        _ => Zone::Offset(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_files_that_are_not_there_are_warned_of() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).expect("a file");
        };
        write(
            "a.toml",
            "[[rule]]\nname = \"a\"\npattern = '100'\nsource = [\"phone\"]\n\
             scenarios = [\"a.rhai\"]\n",
        );
        write(
            "a.rhai",
            "fn on_incoming(e) {\n  e.leg.play(\"there.wav\");\n  e.leg.play(\"lost.wav\");\n  \
             e.leg.play(\"../a.wav\");\n}\n",
        );
        write("there.wav", "");
        let mut config = Config {
            rules_dir: dir.path().into(),
            scripts_dir: dir.path().into(),
            ..Config::default()
        };
        config.speech.prompts_dir = dir.path().into();
        let loaded = load(&config, &make_host(&config));
        assert_eq!(loaded.errors, [""; 0]);
        let lost = dir.path().join("lost.wav");
        assert_eq!(
            loaded.warnings,
            [
                format!("a.rhai:3:14: warning: there is no file {}", lost.display()),
                "a.rhai:4:14: warning: \"../a.wav\" is not a path below the prompts folder"
                    .to_owned(),
            ]
        );
    }
}
