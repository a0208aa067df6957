//! What Rust files may name: arrows, purity as far as clippy does not see it, doors, sleep, words.

use super::Finding;
use super::scan::{CodePath, Source, next_byte, paths, words};

/// Open to every module.
const VOCABULARY: [&str; 6] = [
    "deadlines",
    "display_name",
    "id",
    "network",
    "pii",
    "termination",
];

/// May use everything.
const TOP: [&str; 2] = ["app", "main"];

/// The modules that a module may use. `config` is for `app` and `main` alone.
const ARROWS: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("deadlines", &[]),
    ("display_name", &[]),
    ("network", &[]),
    ("pii", &[]),
    ("termination", &[]),
    ("config", &["routing"]),
    ("telemetry", &[]),
    ("sip", &[]),
    ("sdp", &["codec"]),
    ("rtp", &[]),
    ("audio", &[]),
    ("codec", &["audio"]),
    ("routing", &[]),
    ("script", &[]),
    ("media", &["rtp", "codec", "audio"]),
    (
        "engine",
        &["sip", "sdp", "routing", "script", "codec", "media"],
    ),
    ("net", &["sip"]),
    ("catalog", &["engine", "routing", "script"]),
    (
        "run",
        &[
            "engine",
            "journal",
            "media",
            "net",
            "audio",
            "script",
            "sip",
            "stun",
            "telemetry",
        ],
    ),
    ("journal", &["engine", "media", "audio", "script", "sip"]),
    (
        "sim",
        &[
            "engine", "journal", "media", "audio", "codec", "rtp", "script", "sip",
        ],
    ),
    ("load", &["audio", "codec"]),
    ("store", &[]),
    ("stun", &[]),
    (
        "api",
        &["engine", "store", "run", "telemetry", "net", "web"],
    ),
    ("web", &[]),
];

/// Parts of an open module that stay closed to one of its users: user, path, reason.
const CLOSED: &[(&str, &[&str], &str)] = &[
    (
        "engine",
        &["media", "Core"],
        "engine and media never call each other",
    ),
    (
        "engine",
        &["codec", "opus"],
        "engine reads the codec table only",
    ),
    (
        "engine",
        &["codec", "g711"],
        "engine reads the codec table only",
    ),
    (
        "engine",
        &["codec", "g722"],
        "engine reads the codec table only",
    ),
    ("sdp", &["codec", "opus"], "sdp reads the codec table only"),
    ("sdp", &["codec", "g711"], "sdp reads the codec table only"),
    ("sdp", &["codec", "g722"], "sdp reads the codec table only"),
];

/// The machines without threads, clocks, files and sockets, and the world that drives them. Like
/// the vocabulary they are pure; what `clippy.toml` disallows is an error in them.
const PURE: [&str; 12] = [
    "sip", "sdp", "rtp", "audio", "codec", "stun", "routing", "script", "media", "engine", "sim",
    "journal",
];

/// Modules that may use what `clippy.toml` disallows, which `src/lib.rs` says at their door.
const SHELLS: [&str; 7] = ["api", "app", "load", "net", "run", "store", "telemetry"];

/// Other files that may use something of it, by `#[expect]` and with their reason there.
const EXCEPTIONS: [&str; 4] = [
    "src/media/webrtc/demux.rs",
    "src/pii.rs",
    "src/script/turn.rs",
    "src/sim/world.rs",
];

/// The lints behind that.
const PURITY_LINTS: [&str; 3] = [
    "disallowed_methods",
    "disallowed_types",
    "iter_over_hash_type",
];

/// Beginnings of paths that a pure module may not name.
const IMPURE_PATHS: &[(&[&str], &str)] = &[
    (&["tokio"], "tasks and sockets belong to run and net"),
    (&["std", "thread"], "threads belong to run"),
    (&["std", "fs"], "files belong to run and store"),
    (&["std", "process"], "processes belong to run"),
    (
        &["std", "env"],
        "the environment belongs to config and main",
    ),
];

/// The arrows as `ARCHITECTURE.md` shows them.
pub fn table_of_arrows() -> String {
    let list = |modules: &[&str]| {
        let named: Vec<String> = modules.iter().map(|name| format!("`{name}`")).collect();
        named.join(", ")
    };
    let mut table = "| module | may use |\n|---|---|\n".to_owned();
    table += &format!("| {} | everything |\n", list(&TOP));
    table += &format!("| {}, each | nothing |\n", list(&VOCABULARY));
    for (module, used) in ARROWS {
        if VOCABULARY.contains(module) {
            continue;
        }
        let closed: Vec<String> = CLOSED
            .iter()
            .filter(|(user, _, _)| user == module)
            .map(|(_, path, _)| format!("`{}`", path.join("::")))
            .collect();
        let used = match (used.is_empty(), closed.is_empty()) {
            (true, _) => "the vocabulary".to_owned(),
            (false, true) => list(used),
            (false, false) => format!("{}; not {}", list(used), closed.join(", ")),
        };
        table += &format!("| `{module}` | {used} |\n");
    }
    table
}

/// The only places that may name a dependency.
const DOORS: &[(&str, &[&str])] = &[
    ("rsip", &["src/sip/"]),
    ("rhai", &["src/script/"]),
    ("audiopus", &["src/codec/opus.rs"]),
    ("audio_codec", &["src/codec/g722.rs"]),
    ("sdp_types", &["src/sdp/"]),
    ("axum", &["src/api/"]),
    ("tower_http", &["src/api/"]),
    ("tungstenite", &["src/api/", "src/load/"]),
    ("hound", &["src/run/"]),
    ("symphonia", &["src/run/"]),
    ("rubato", &["src/run/"]),
    ("regex", &["src/routing/", "src/config.rs", "src/config/"]),
    ("toml", &["src/routing/", "src/config.rs", "src/config/"]),
    ("sqlx", &["src/store/"]),
    ("jwt_compact", &["src/api/token.rs"]),
    (
        "rtc",
        &[
            "src/media/webrtc_leg.rs",
            "src/media/webrtc/",
            "src/stun.rs",
            "src/run/identity.rs",
            "src/load/browser/",
        ],
    ),
    ("rustix", &["src/run/", "src/net/", "src/load/"]),
];

/// Marks of unfinished work, in pieces so that this file does not hold them.
const MARKS: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Checks what a Rust file names.
pub fn check(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let named_by_place = source.is_test && source.path.starts_with("src/");
    if !source.text.starts_with("//!") && !named_by_place {
        let reason = "a file begins with //! and says what it is".to_owned();
        findings.push(Finding {
            line: 1,
            rule: "header",
            reason,
        });
    }
    sleeping(source, &mut findings);
    unfinished(source, &mut findings);
    silent(source, &mut findings);
    if source.is_test || !source.path.starts_with("src/") {
        return findings;
    }
    excepted(source, &mut findings);
    let paths = paths(&source.live);
    arrows(source, &paths, &mut findings);
    doors(source, &paths, &mut findings);
    if source
        .modules()
        .first()
        .is_some_and(|module| PURE.contains(module) || VOCABULARY.contains(module))
    {
        purity(source, &paths, &mut findings);
    }
    findings
}

fn arrows(source: &Source<'_>, paths: &[CodePath], findings: &mut Vec<Finding>) {
    let modules = source.modules();
    let Some(from) = modules
        .first()
        .copied()
        .filter(|module| !TOP.contains(module))
    else {
        return;
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(module, _)| *module == from) else {
        let reason = format!("{from} has no row in the table of arrows");
        findings.push(Finding {
            line: 1,
            rule: "arrow",
            reason,
        });
        return;
    };
    for path in paths {
        let Some(target) = from_root(&path.segments, modules.len()) else {
            continue;
        };
        let Some(to) = target.first().map(String::as_str) else {
            if path.imported {
                let reason = "what is used of the crate is named, not all of its root".to_owned();
                findings.push(Finding {
                    line: source.line(path.offset),
                    rule: "arrow",
                    reason,
                });
            }
            continue;
        };
        let known = TOP.contains(&to) || ARROWS.iter().any(|(module, _)| *module == to);
        let open = to == from || VOCABULARY.contains(&to) || allowed.contains(&to);
        let closed = CLOSED
            .iter()
            .find(|(user, path, _)| *user == from && begins(target, path));
        let reason = match closed {
            _ if known && !open && allowed.is_empty() => format!("{from} may not use {to}"),
            _ if known && !open => {
                format!("{from} may not use {to}, only {}", allowed.join(", "))
            }
            Some((_, path, reason)) => format!("{from} may not use {}: {reason}", path.join("::")),
            None => continue,
        };
        findings.push(Finding {
            line: source.line(path.offset),
            rule: "arrow",
            reason,
        });
    }
}

/// The segments below the root of the crate, when the path goes through it.
fn from_root(segments: &[String], depth: usize) -> Option<&[String]> {
    let ups = segments
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    if segments.first().is_some_and(|segment| segment == "crate") {
        return segments.get(1..);
    }
    (ups > 0 && ups == depth)
        .then(|| segments.get(ups..))
        .flatten()
}

fn begins(segments: &[String], path: &[&str]) -> bool {
    segments.len() >= path.len()
        && segments
            .iter()
            .zip(path)
            .all(|(segment, name)| segment == name)
}

fn doors(source: &Source<'_>, paths: &[CodePath], findings: &mut Vec<Finding>) {
    for path in paths
        .iter()
        .filter(|path| path.imported || path.segments.len() > 1)
    {
        let door = DOORS
            .iter()
            .find(|(dependency, _)| path.segments[0] == *dependency);
        let Some((dependency, doors)) = door else {
            continue;
        };
        if doors.iter().any(|door| source.path.starts_with(door)) {
            continue;
        }
        let reason = format!("only {} may name {dependency}", doors.join(", "));
        findings.push(Finding {
            line: source.line(path.offset),
            rule: "door",
            reason,
        });
    }
}

fn purity(source: &Source<'_>, paths: &[CodePath], findings: &mut Vec<Finding>) {
    let mut add = |offset: usize, what: &str, why: &str| {
        let reason = format!("{what} in a pure module: {why}");
        findings.push(Finding {
            line: source.line(offset),
            rule: "purity",
            reason,
        });
    };
    for CodePath {
        offset, segments, ..
    } in paths
    {
        let impure = IMPURE_PATHS.iter().find(|(path, _)| begins(segments, path));
        if let Some((path, why)) = impure {
            add(*offset, &path.join("::"), why);
        }
    }
    for (offset, word) in words(&source.live) {
        if matches!(word, "async" | "await") {
            add(offset, word, "a core is called and returns");
        }
    }
}

/// Finds who is let off a lint of purity and is neither a shell nor an exception.
fn excepted(source: &Source<'_>, findings: &mut Vec<Finding>) {
    if EXCEPTIONS.contains(&source.path) || source.path == "src/main.rs" {
        return;
    }
    let is_root = source.path == "src/lib.rs";
    let code = &source.live;
    // The root says first that tests are let off, then which modules.
    let doors = code.find("\n#[").unwrap_or(code.len());
    let lets_tests_off = code[..doors].contains("#![cfg_attr(\n    test,");
    let all = words(code);
    for (index, (offset, word)) in all.iter().enumerate() {
        let mut behind = all[index..].iter().map(|(_, word)| *word);
        let module = behind.find(|word| *word == "mod").and(behind.next());
        let is_shell = module.is_some_and(|module| SHELLS.contains(&module));
        let is_door = is_root
            && if *offset < doors {
                lets_tests_off
            } else {
                is_shell
            };
        if PURITY_LINTS.contains(word) && !is_door {
            findings.push(Finding {
                line: source.line(*offset),
                rule: "purity",
                reason: format!("only shells and the exceptions of tidy are let off {word}"),
            });
        }
    }
}

fn sleeping(source: &Source<'_>, findings: &mut Vec<Finding>) {
    let allowed = [
        "tests/it/loopback",
        "tests/it/server.rs",
        "src/run/",
        "src/net/",
        "src/load/",
    ];
    if allowed.iter().any(|place| source.path.starts_with(place)) {
        return;
    }
    for (offset, word) in words(&source.code) {
        let called = next_byte(&source.code, offset + word.len()).is_some_and(|(_, b)| b == b'(');
        if word == "sleep" && called {
            let reason = "time is virtual outside loopback tests, run and net".to_owned();
            findings.push(Finding {
                line: source.line(offset),
                rule: "sleep",
                reason,
            });
        }
    }
}

/// The engine writes lines for developers only: a fact leaves it as a notice, whose line its
/// subscriber writes.
fn silent(source: &Source<'_>, findings: &mut Vec<Finding>) {
    if source.modules().first() != Some(&"engine") {
        return;
    }
    for (offset, word) in words(&source.live) {
        let called = next_byte(&source.live, offset + word.len()).is_some_and(|(_, b)| b == b'!');
        if called && matches!(word, "info" | "warn" | "error") {
            findings.push(Finding {
                line: source.line(offset),
                rule: "notice",
                reason: format!("{word}! in engine: a fact is a Notice, run/call_log.rs logs it"),
            });
        }
    }
}

fn unfinished(source: &Source<'_>, findings: &mut Vec<Finding>) {
    for (offset, word) in words(&source.code) {
        let called = next_byte(&source.code, offset + word.len()).is_some_and(|(_, b)| b == b'!');
        if called && matches!(word, "dbg" | "todo" | "unimplemented") {
            let reason = format!("{word}! is for work that is not finished");
            findings.push(Finding {
                line: source.line(offset),
                rule: "word",
                reason,
            });
        }
    }
}

/// Checks what no file may hold.
pub fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_code = [".rs", ".rhai", ".toml", ".ts"]
        .iter()
        .any(|end| path.ends_with(end));
    for (index, line) in text.lines().enumerate().filter(|_| is_code) {
        for mark in MARKS {
            if words(line).iter().any(|(_, word)| *word == mark) {
                findings.push(Finding {
                    line: index + 1,
                    rule: "word",
                    reason: format!("{mark} marks work that is not finished"),
                });
            }
        }
    }
    findings
}
