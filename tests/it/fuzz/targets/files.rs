//! What administrators and developers write: rules, configuration, scenarios, sounds.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use talkpath::audio::Rate;
use talkpath::config::Config;
use talkpath::routing::{CallInfo, RULES_MAX, Router, Ruleset, Source, lint};
use talkpath::run::decode::decode;

/// Each error of a rules file has a place in it, and whatever is wrong, the rest loads: the lint
/// looks at it, and calls are decided by its rules alone.
pub fn rules(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (ruleset, errors) = Ruleset::read("fuzz", "fuzz.toml", text);
    for error in &errors {
        check_place(text, error.line, error.column);
        assert!(error.to_string().starts_with("fuzz.toml:"));
    }
    assert!((1..=RULES_MAX + 1).contains(&ruleset.rules.len()));
    if errors.is_empty() {
        assert!(ruleset.rules.iter().all(|rule| !rule.kept_out));
    }
    let files = BTreeMap::from([("a.rhai".to_owned(), Ok(()))]);
    let findings = lint(&[], &ruleset, &files);
    let lines = text.split('\n').count();
    for finding in &findings {
        assert!((1..=lines).contains(&finding.line), "{finding}");
        assert!(ruleset.rules.iter().any(|rule| rule.name == finding.rule));
    }
    assert_eq!(lint(&[], &ruleset, &files), findings);
    let router = Router::new(ruleset);
    for (destination, source) in [("100", Source::Phone), ("conf_1", Source::Internal)] {
        decide(&router, destination, source);
    }
}

fn decide(router: &Router, destination: &str, source: Source) {
    let headers = [("X-ClientType".to_owned(), "web".to_owned())];
    for now_unix_s in [0, 1_767_268_800, 1_774_746_000] {
        let (rule, trace) = router.decide(&CallInfo {
            destination,
            caller: "+15550100",
            source,
            headers: &headers,
            now_unix_s,
        });
        assert_eq!(trace.matched(), rule.as_ref());
        if let Some(rule) = rule {
            assert!(rule.enabled && rule.takes(source));
        }
        let _ = trace.masked().to_string();
    }
}

/// An error of a text stands in it, or right behind it.
pub(super) fn check_place(text: &str, line: usize, column: usize) {
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(
        (1..=lines.len()).contains(&line),
        "line {line} of {}",
        lines.len()
    );
    let columns = lines[line - 1].chars().count() + 1;
    assert!(
        (1..=columns).contains(&column),
        "column {column} of {columns}"
    );
}

/// A configuration is read or names its fault and place.
pub fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Err(error) = Config::parse("fuzz.toml", text, &[]) {
        assert!(!error.to_string().is_empty());
    }
    // The same text as one override.
    let line = text.lines().next().unwrap_or_default();
    if let Err(error) = Config::parse("fuzz.toml", "", &[line.to_owned()]) {
        assert!(error.to_string().contains(':'));
    }
}

/// The longest sound that is taken, in seconds.
const SOUND_S_MAX: u64 = 5;

/// A sound is no longer than allowed and not empty, whatever the file promises.
pub fn sound(input: &[u8]) {
    for rate in [None, Some(Rate::Hz8000)] {
        let longest = Duration::from_secs(SOUND_S_MAX);
        let Ok(clip) = decode("fuzz", input.to_vec(), "mp3", rate, longest) else {
            continue;
        };
        let samples = clip.samples.len() as u64;
        let most = SOUND_S_MAX * u64::from(clip.rate.hz()) + 1;
        assert!((1..=most).contains(&samples), "{samples} samples");
        assert!(rate.is_none_or(|rate| rate == clip.rate));
    }
}

/// What is made once, because it takes long.
pub(super) fn once<T: Send + Sync>(place: &'static OnceLock<T>, make: fn() -> T) -> &'static T {
    place.get_or_init(make)
}
