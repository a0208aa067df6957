//! Reads rules and scenarios from their folders and makes the catalog: what `serve` runs, `check`
//! reports on and `route` asks. Nothing is half loaded: errors are collected, and a catalog with
//! errors is not given.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::engine::{Application, Catalog};
use crate::routing::{Finding, Router, Ruleset, ScenarioFiles, Severity, lint};
use crate::script::{Host, Program, Source};

/// The application that is asked first.
pub const DEFAULT_APPLICATION: &str = "videoconf";
/// Largest rules or scenario file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What was found in the folders.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The applications whose rules can be read; complete when `errors` is empty.
    pub catalog: Catalog,
    /// What must be mended, ready to be printed.
    pub errors: Vec<String>,
    /// What is most likely not as meant, ready to be printed.
    pub warnings: Vec<String>,
    /// Scenario files that were compiled.
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
    let Some(scenarios) = read_scenarios(scripts_dir, &mut loaded) else {
        return loaded;
    };
    for (name, file) in files {
        load_application(&name, &file, &scenarios, host, &mut loaded);
    }
    // Rules that cannot be read may run them.
    if loaded.errors.is_empty() {
        note_unused(&scenarios, &mut loaded);
    }
    loaded
        .catalog
        .applications
        .sort_by_key(|app| (app.name != DEFAULT_APPLICATION, app.name.clone()));
    loaded
}

fn rule_files(dir: &Path) -> std::io::Result<Vec<(String, std::path::PathBuf)>> {
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
struct Scenarios {
    texts: BTreeMap<String, String>,
    states: ScenarioFiles,
}

fn read_scenarios(dir: &Path, loaded: &mut Loaded) -> Option<Scenarios> {
    let mut scenarios = Scenarios {
        texts: BTreeMap::new(),
        states: ScenarioFiles::new(),
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            loaded
                .errors
                .push(format!("scripts_dir: {}: {error}", dir.display()));
            return None;
        }
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if !name.ends_with(".rhai") || name.ends_with("_test.rhai") {
            continue;
        }
        let text = match read_limited(&path) {
            Ok(text) => text,
            Err(error) => {
                loaded.errors.push(format!("{}: {error}", path.display()));
                scenarios.states.insert(name, Err(error.to_string()));
                continue;
            }
        };
        loaded.scenarios += 1;
        scenarios.states.insert(name.clone(), Ok(()));
        scenarios.texts.insert(name, text);
    }
    Some(scenarios)
}

/// Scenarios that no rule names are not compiled, because only a rule says which files make a
/// program.
fn note_unused(scenarios: &Scenarios, loaded: &mut Loaded) {
    let used: Vec<&String> = loaded
        .catalog
        .applications
        .iter()
        .flat_map(|app| app.router.ruleset().rules.iter())
        .flat_map(|rule| &rule.scenarios)
        .collect();
    let unused = scenarios.texts.keys().filter(|name| !used.contains(name));
    let lines = unused.map(|name| format!("{name}: warning: no rule runs this scenario"));
    loaded.warnings.extend(lines);
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    let length = fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        let text = format!("{length} bytes; at most {FILE_BYTES_MAX} are allowed");
        return Err(std::io::Error::other(text));
    }
    fs::read_to_string(path)
}

fn load_application(
    name: &str,
    path: &Path,
    scenarios: &Scenarios,
    host: &Host,
    loaded: &mut Loaded,
) {
    let file = path.display().to_string();
    let text = match read_limited(path) {
        Ok(text) => text,
        Err(error) => {
            loaded.errors.push(format!("{file}: {error}"));
            return;
        }
    };
    let ruleset = match Ruleset::parse(name, &file, &text) {
        Ok(ruleset) => ruleset,
        Err(error) => {
            loaded.errors.push(error.to_string());
            return;
        }
    };
    for finding in lint(&ruleset, &scenarios.states) {
        let line = describe(&file, &finding);
        match finding.severity {
            Severity::Error => loaded.errors.push(line),
            Severity::Warning => loaded.warnings.push(line),
        }
    }
    let mut programs = BTreeMap::new();
    for rule in &ruleset.rules {
        let sources: Option<Vec<Source>> = rule
            .scenarios
            .iter()
            .map(|file| {
                let text = scenarios.texts.get(file)?.clone();
                Some(Source {
                    file: file.clone(),
                    text,
                })
            })
            .collect();
        // A missing file has been reported by the lint.
        let Some(sources) = sources else { continue };
        match Program::compile(host, &sources) {
            Ok(program) => {
                programs.insert(rule.name.clone(), program);
            }
            Err(diagnostics) => {
                let fresh = diagnostics.iter().map(ToString::to_string);
                let fresh: Vec<String> =
                    fresh.filter(|text| !loaded.errors.contains(text)).collect();
                loaded.errors.extend(fresh);
            }
        }
    }
    let router = Router::new(ruleset);
    loaded.catalog.applications.push(Application {
        name: name.to_owned(),
        router,
        programs,
    });
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
}
