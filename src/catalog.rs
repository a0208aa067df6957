//! Reads rules and scenarios from their folders and makes the catalog: what `serve` runs, `check`
//! reports on and `route` asks. Everything that has to be mended is collected; the rules that it
//! concerns are kept out, so that the rest can run when it may.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::{Application, Catalog};
use crate::routing::{Finding, Router, Rule, Ruleset, ScenarioFiles, Severity, lint};
use crate::script::{self, Host, Program, Source};

/// The application that is asked first.
pub const DEFAULT_APPLICATION: &str = "videoconf";
/// Largest rules or scenario file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Scenario files that are read; more means that something else lies there.
const SCENARIOS_MAX: usize = 2_000;
/// Folders inside one another in which scenarios are looked for.
const FOLDERS_MAX: usize = 8;

/// What was found in the folders.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Every application. Rules that have to be mended, or whose scenarios have, are kept out.
    pub catalog: Catalog,
    /// What must be mended before all rules can run, ready to be printed.
    pub errors: Vec<String>,
    /// What is wrong in scenarios that no rule runs, ready to be printed.
    pub idle_errors: Vec<String>,
    /// What is most likely not as meant, ready to be printed.
    pub warnings: Vec<String>,
    /// What could not be decided, ready to be printed.
    pub notes: Vec<String>,
    /// Scenario files that were read.
    pub scenarios: usize,
}

/// Reads everything.
pub fn load(rules_dir: &Path, scripts_dir: &Path, host: &Host) -> Loaded {
    let mut loaded = Loaded::default();
    let files = match rule_files(rules_dir) {
        Ok(files) => files,
        Err(error) => {
            loaded
                .errors
                .push(format!("rules_dir: {}: {error}", rules_dir.display()));
            return loaded;
        }
    };
    if files.is_empty() {
        let text = format!("rules_dir: {}: no rules (*.toml) here", rules_dir.display());
        loaded.errors.push(text);
    }
    let Some(scenarios) = read_scenarios(scripts_dir, host, &mut loaded) else {
        return loaded;
    };
    let mut rulesets: Vec<Ruleset> = files
        .iter()
        .map(|(name, path)| read_rules(name, path, &mut loaded))
        .collect();
    rulesets.sort_by_key(|set| {
        let name = &set.application;
        (name != DEFAULT_APPLICATION, name.clone())
    });
    let findings: Vec<Vec<Finding>> = (0..rulesets.len())
        .filter_map(|index| {
            let (before, rest) = rulesets.split_at(index);
            let before: Vec<&Ruleset> = before.iter().collect();
            Some(lint(&before, rest.first()?, &scenarios.states))
        })
        .collect();
    for (ruleset, findings) in rulesets.into_iter().zip(findings) {
        load_application(ruleset, findings, &scenarios, host, &mut loaded);
    }
    check_idle(&scenarios, host, &mut loaded);
    loaded
}

fn rule_files(dir: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let (Some(stem), Some("toml")) = (stem, path.extension().and_then(|e| e.to_str())) {
            files.push((stem.to_owned(), path.clone()));
        }
    }
    files.sort();
    Ok(files)
}

/// Every scenario, by its name below the folder, with its text and whether it can be read.
#[derive(Default)]
struct Scenarios {
    texts: BTreeMap<String, String>,
    states: ScenarioFiles,
}

fn read_scenarios(dir: &Path, host: &Host, loaded: &mut Loaded) -> Option<Scenarios> {
    let mut scenarios = Scenarios::default();
    let files = match scenario_files(dir) {
        Ok(files) => files,
        Err(error) => {
            loaded.errors.push(format!("scripts_dir: {error}"));
            return None;
        }
    };
    for (name, path) in files {
        let text = match read_limited(&path) {
            Ok(text) => text,
            Err(error) => {
                loaded.errors.push(format!("{}: {error}", path.display()));
                scenarios.states.insert(name, Err(error.to_string()));
                continue;
            }
        };
        if name.ends_with("_test.rhai") {
            let faults = script::check_syntax(host, &Source { file: name, text });
            let lines = faults.iter().map(ToString::to_string);
            loaded.idle_errors.extend(lines);
            continue;
        }
        loaded.scenarios += 1;
        scenarios.states.insert(name.clone(), Ok(()));
        scenarios.texts.insert(name, text);
    }
    Some(scenarios)
}

/// The scenario files below a folder, by their names as rules write them, in order.
fn scenario_files(dir: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(String::new(), dir.to_owned(), 1)];
    while let Some((prefix, folder, depth)) = folders.pop() {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let inside = format!("{prefix}{name}");
            if name.ends_with(".rhai") {
                files.insert(inside, path);
            } else if depth < FOLDERS_MAX && !name.starts_with('.') && path.is_dir() {
                folders.push((format!("{inside}/"), path, depth + 1));
            }
            if files.len() + folders.len() > SCENARIOS_MAX {
                let text = format!("more than {SCENARIOS_MAX} files and folders");
                return Err(format!("{}: {text}", dir.display()));
            }
        }
    }
    Ok(files)
}

/// Says of scenarios that no rule runs what is wrong with them. Rules with errors may name them.
fn check_idle(scenarios: &Scenarios, host: &Host, loaded: &mut Loaded) {
    let applications = loaded.catalog.applications.iter();
    let used: BTreeSet<&String> = applications
        .flat_map(|app| app.router.ruleset().rules.iter())
        .flat_map(|rule| &rule.scenarios)
        .collect();
    let source = |(file, text): (&String, &String)| Source {
        file: file.clone(),
        text: text.clone(),
    };
    let (used, idle): (Vec<_>, Vec<_>) = scenarios
        .texts
        .iter()
        .partition(|(file, _)| used.contains(file));
    let used: Vec<Source> = used.into_iter().map(source).collect();
    let idle: Vec<Source> = idle.into_iter().map(source).collect();
    let complete = loaded.errors.is_empty();
    for found in script::check_idle(host, &idle, &used) {
        if complete {
            let text = match found.is_library {
                true => "no rule lists this library",
                false => "no rule runs this scenario",
            };
            loaded
                .warnings
                .push(format!("{}: warning: {text}", found.file));
        }
        let lines = found.faults.iter().map(ToString::to_string);
        loaded.idle_errors.extend(lines);
    }
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        let text = format!("{length} bytes; at most {FILE_BYTES_MAX} are allowed");
        return Err(std::io::Error::other(text));
    }
    fs::read_to_string(path)
}

fn read_rules(name: &str, path: &Path, loaded: &mut Loaded) -> Ruleset {
    let file = path.display().to_string();
    match read_limited(path) {
        Ok(text) => {
            let (ruleset, errors) = Ruleset::read(name, &file, &text);
            let lines = errors.iter().map(ToString::to_string);
            loaded.errors.extend(lines);
            ruleset
        }
        Err(error) => {
            loaded.errors.push(format!("{file}: {error}"));
            Ruleset::unreadable(name, &file)
        }
    }
}

fn load_application(
    mut ruleset: Ruleset,
    findings: Vec<Finding>,
    scenarios: &Scenarios,
    host: &Host,
    loaded: &mut Loaded,
) {
    let mut refused = BTreeSet::new();
    for finding in findings {
        let line = describe(&ruleset.file, &finding);
        match finding.severity {
            Severity::Error => {
                loaded.errors.push(line);
                refused.insert(finding.rule);
            }
            Severity::Warning => loaded.warnings.push(line),
            Severity::Note => loaded.notes.push(line),
        }
    }
    let mut programs = BTreeMap::new();
    for rule in &mut ruleset.rules {
        let program = compile(rule, scenarios, host, loaded);
        let works = program.is_some() && !refused.contains(&rule.name);
        if !works && !rule.kept_out {
            Arc::make_mut(rule).kept_out = true;
        }
        if let Some(program) = program {
            programs.insert(rule.name.clone(), program);
        }
    }
    loaded.catalog.applications.push(Application {
        name: ruleset.application.clone(),
        router: Router::new(ruleset),
        programs,
    });
}

/// The program of a rule; none when it has to be mended.
fn compile(
    rule: &Rule,
    scenarios: &Scenarios,
    host: &Host,
    loaded: &mut Loaded,
) -> Option<Arc<Program>> {
    let source = |file: &String| {
        let text = scenarios.texts.get(file)?.clone();
        let file = file.clone();
        Some(Source { file, text })
    };
    // A missing file has been reported by the lint.
    let sources: Option<Vec<Source>> = rule.scenarios.iter().map(source).collect();
    let sources = sources.filter(|sources| !sources.is_empty())?;
    match Program::compile(host, &sources) {
        Ok(program) => Some(program),
        Err(diagnostics) => {
            let fresh = diagnostics.iter().map(ToString::to_string);
            let fresh: Vec<String> = fresh.filter(|text| !loaded.errors.contains(text)).collect();
            loaded.errors.extend(fresh);
            None
        }
    }
}

fn describe(file: &str, finding: &Finding) -> String {
    format!(
        "{file}:{}: {}: rule \"{}\": {}",
        finding.line, finding.severity, finding.rule, finding.text
    )
}

impl Loaded {
    /// The catalog, if nothing has to be mended.
    ///
    /// # Errors
    /// Everything that has to be mended, ready to be printed.
    pub fn into_catalog(self) -> Result<Arc<Catalog>, Vec<String>> {
        if self.errors.is_empty() {
            Ok(Arc::new(self.catalog))
        } else {
            Err(self.errors)
        }
    }

    /// Whether some rule works.
    pub fn has_working_rules(&self) -> bool {
        let applications = self.catalog.applications.iter();
        let mut rules = applications.flat_map(|app| &app.router.ruleset().rules);
        rules.any(|rule| rule.enabled && !rule.kept_out)
    }
}

/// The rules that are kept out, with their application, as they are printed.
pub fn kept_out(catalog: &Catalog) -> BTreeSet<String> {
    let applications = catalog.applications.iter();
    let rules = applications.flat_map(|app| {
        let rules = app.router.ruleset().rules.iter();
        let out = rules.filter(|rule| rule.enabled && rule.kept_out);
        out.map(|rule| format!("{}: {}", app.name, rule.name))
    });
    rules.collect()
}
