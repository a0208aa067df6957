//! What Rust files may name: arrows, purity, doors, sleep, words; and what no file may hold.

use super::Finding;
use super::scan::{CodePath, Source, is_word_byte, next_byte, paths, words};

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
            "media",
            "net",
            "store",
            "audio",
            "script",
            "sip",
            "stun",
            "telemetry",
        ],
    ),
    (
        "sim",
        &[
            "engine", "media", "net", "store", "audio", "codec", "rtp", "script", "sip",
        ],
    ),
    ("load", &["audio", "codec"]),
    ("store", &[]),
    ("stun", &[]),
    (
        "api",
        &[
            "engine",
            "store",
            "routing",
            "run",
            "telemetry",
            "net",
            "web",
        ],
    ),
    ("web", &[]),
    ("cluster", &[]),
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

/// The machines without threads, clocks, files and sockets.
const PURE: [&str; 10] = [
    "sip", "sdp", "rtp", "audio", "codec", "stun", "routing", "script", "media", "engine",
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

/// Ends of paths that a pure module may not name.
const IMPURE_ENDS: &[(&[&str], &str)] = &[
    (&["UdpSocket"], "sockets belong to net"),
    (&["TcpStream"], "sockets belong to net"),
    (&["TcpListener"], "sockets belong to net"),
    (&["Instant", "now"], "time is a parameter"),
    (&["SystemTime", "now"], "time is a parameter"),
    (&["Mutex"], "a core is owned by one loop and needs no lock"),
    (&["RwLock"], "a core is owned by one loop and needs no lock"),
    (
        &["DashMap"],
        "a core is owned by one loop and needs no lock",
    ),
    (
        &["thread_rng"],
        "randomness comes in through the constructor",
    ),
    (
        &["rand", "rng"],
        "randomness comes in through the constructor",
    ),
    (&["OsRng"], "randomness comes in through the constructor"),
    (
        &["from_os_rng"],
        "randomness comes in through the constructor",
    ),
];

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
            "src/load/browser/",
        ],
    ),
    ("rustix", &["src/run/", "src/net/", "src/load/"]),
];

/// Methods whose order is that of the hash.
const HASH_ORDER: [&str; 9] = [
    "iter",
    "iter_mut",
    "into_iter",
    "keys",
    "values",
    "values_mut",
    "into_values",
    "drain",
    "retain",
];

/// Marks of unfinished work, in pieces so that this file does not hold them.
const MARKS: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Directories of somebody's machine.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// What a line that names a package registry holds.
const REGISTRY_MARKS: [&str; 4] = ["registry", "index-url", "resolved", "sparse+"];

/// The registries that everybody reaches.
const PUBLIC_HOSTS: [&str; 7] = [
    "github.com",
    "crates.io",
    "index.crates.io",
    "static.crates.io",
    "registry.npmjs.org",
    "pypi.org",
    "docs.rs",
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
    if source.is_test || !source.path.starts_with("src/") {
        return findings;
    }
    let paths = paths(&source.live);
    arrows(source, &paths, &mut findings);
    doors(source, &paths, &mut findings);
    if source
        .modules()
        .first()
        .is_some_and(|module| PURE.contains(module))
    {
        purity(source, &paths, &mut findings);
        hash_order(source, &mut findings);
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

fn ends(segments: &[String], path: &[&str]) -> bool {
    let skipped = segments.len().checked_sub(path.len());
    skipped.is_some_and(|skipped| begins(&segments[skipped..], path))
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
        let impure = IMPURE_PATHS
            .iter()
            .find(|(path, _)| begins(segments, path))
            .or_else(|| IMPURE_ENDS.iter().find(|(path, _)| ends(segments, path)));
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

/// Finds iterations over names that are declared as hash maps or sets in the same file.
fn hash_order(source: &Source<'_>, findings: &mut Vec<Finding>) {
    let code = &source.live;
    let all = words(code);
    let declared: Vec<&str> = all
        .iter()
        .enumerate()
        .filter(|(_, (_, word))| matches!(*word, "HashMap" | "HashSet"))
        .filter_map(|(index, (offset, _))| declared_name(code, &all[..index], *offset))
        .collect();
    for (index, (offset, word)) in all.iter().enumerate() {
        if !declared.contains(word) {
            continue;
        }
        let dot = next_byte(code, offset + word.len()).filter(|(_, byte)| *byte == b'.');
        let method = dot
            .and_then(|_| all.get(index + 1))
            .map(|(_, method)| *method);
        let called = method.is_some_and(|method| HASH_ORDER.contains(&method));
        let before: Vec<&str> = all[..index]
            .iter()
            .rev()
            .map(|(_, word)| *word)
            .filter(|w| *w != "self")
            .take(2)
            .collect();
        let looped = dot.is_none() && matches!(before[..], ["in", ..] | ["mut", "in"]);
        if called || looped {
            let reason = format!("{word} is iterated in hash order: use a BTreeMap or a Vec");
            findings.push(Finding {
                line: source.line(*offset),
                rule: "hash-order",
                reason,
            });
        }
    }
}

/// The name in `name: HashMap<…>`, `name: &mut HashMap<…>` or `let name = HashMap::new()`.
fn declared_name<'a>(code: &str, before: &[(usize, &'a str)], offset: usize) -> Option<&'a str> {
    let named = before.iter().rev().find(|(_, word)| {
        !matches!(*word, "mut" | "std" | "collections") && !word.starts_with(char::is_uppercase)
    });
    let (start, name) = named?;
    let between: String = code[start + name.len()..offset]
        .split_whitespace()
        .flat_map(|part| part.chars())
        .collect();
    let between = between.replace("std::collections::", "").replace("mut", "");
    matches!(between.as_str(), ":" | ":&" | "=").then_some(*name)
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
    for (index, line) in text.lines().enumerate() {
        let mut add = |rule: &'static str, reason: String| {
            findings.push(Finding {
                line: index + 1,
                rule,
                reason,
            });
        };
        for mark in MARKS.iter().filter(|_| is_code) {
            if words(line).iter().any(|(_, word)| word == mark) {
                add("word", format!("{mark} marks work that is not finished"));
            }
        }
        for machine in MACHINE_PATHS {
            let absolute = line.match_indices(machine).any(|(at, _)| {
                let before = line.as_bytes()[..at].last();
                before.is_none_or(|byte| !is_word_byte(*byte) && !b"./-".contains(byte))
            });
            if absolute {
                add(
                    "machine",
                    format!("{machine} is a path of somebody's machine"),
                );
            }
        }
        if let Some(host) = private_registry(line) {
            add(
                "machine",
                format!("{host} is not a registry that everybody reaches"),
            );
        }
    }
    findings
}

fn private_registry(line: &str) -> Option<&str> {
    REGISTRY_MARKS.iter().find(|mark| line.contains(*mark))?;
    line.match_indices("://").find_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".-".contains(c));
        let host = &rest[..end.unwrap_or(rest.len())];
        (!PUBLIC_HOSTS.contains(&host)).then_some(host)
    })
}
