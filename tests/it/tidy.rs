//! What we want to stay true of the sources, checked: arrows between modules, purity of the cores,
//! one door per dependency, sizes, module headers and words.
//!
//! `scan` makes text into code without comments and strings, `rules` and `sizes` judge one Rust
//! file, `circles` all files of a module, this file walks the repository and proves with small bad
//! snippets that each rule catches something.

mod circles;
mod rules;
mod scan;
mod sizes;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use scan::Source;

/// Something that a rule does not allow.
#[derive(PartialEq)]
struct Finding {
    line: usize,
    rule: &'static str,
    reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.line, self.rule, self.reason)
    }
}

fn check_rust(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = rules::check(source);
    findings.extend(sizes::check(source));
    findings.extend(rules::check_text(source.path, source.text));
    findings.sort_by_key(|finding| finding.line);
    findings.dedup();
    findings
}

/// The files of the repository that git knows or would add, otherwise all but what is built or
/// fetched.
fn repository_files(root: &Path) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        let mut files = Vec::new();
        walk(root, Path::new(""), &mut files);
        return files;
    };
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .collect()
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) {
    const SKIPPED: [&str; 5] = ["target", "var", ".git", "node_modules", "dist"];
    for entry in std::fs::read_dir(root.join(folder))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let path = folder.join(&name);
        let kind = entry.file_type();
        match kind {
            Ok(kind) if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) => {
                walk(root, &path, files);
            }
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
}

#[test]
fn the_repository_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = BTreeMap::new();
    for file in repository_files(root) {
        // Binary files are not ours to read, and a file may be listed though it was just removed.
        if let Ok(text) = std::fs::read_to_string(root.join(&file)) {
            texts.insert(file.to_string_lossy().replace('\\', "/"), text);
        }
    }
    let mut rust: Vec<Source<'_>> = texts
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .map(|(path, text)| Source::new(path, text))
        .collect();
    assert!(rust.len() > 10, "only {} Rust files found", rust.len());
    mark_tests(&mut rust);
    let circles = circles::check(&rust);
    let findings: Vec<String> = check_all(rust)
        .into_iter()
        .chain(circles)
        .chain(
            texts
                .iter()
                .filter(|(path, _)| !path.ends_with(".rs"))
                .flat_map(|(path, text)| described(path, rules::check_text(path, text))),
        )
        .collect();
    assert!(
        findings.is_empty(),
        "{} findings:\n{}",
        findings.len(),
        findings.join("\n")
    );
}

#[test]
fn the_architecture_shows_the_arrows() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(&file).expect("the document is there");
    let table = rules::table_of_arrows();
    let head = table.lines().next().expect("a table has a head");
    let start = text.find(head).expect("the document has the table");
    let end = text[start..]
        .find("\n\n")
        .map_or(text.len(), |length| start + length + 1);
    if text[start..end] == table {
        return;
    }
    assert!(
        std::env::var_os("TALKPATH_UPDATE").is_some(),
        "ARCHITECTURE.md shows other arrows; TALKPATH_UPDATE=1 writes it anew:\n{table}"
    );
    let text = format!("{}{table}{}", &text[..start], &text[end..]);
    std::fs::write(&file, text).expect("the document can be written");
}

/// Checks Rust files together: a file that another one includes for tests only is test code.
fn check_all(mut sources: Vec<Source<'_>>) -> Vec<String> {
    mark_tests(&mut sources);
    sources
        .iter()
        .flat_map(|source| described(source.path, check_rust(source)))
        .collect()
}

fn mark_tests(sources: &mut [Source<'_>]) {
    let test_modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in sources {
        let stem = source.path.trim_end_matches(".rs");
        let is_below = |module: &String| {
            stem.strip_prefix(module.as_str())
                .is_some_and(|r| r.is_empty() || r.starts_with('/'))
        };
        source.is_test |= test_modules.iter().any(is_below);
    }
}

fn described(path: &str, findings: Vec<Finding>) -> Vec<String> {
    findings
        .iter()
        .map(|finding| format!("{path}:{finding}"))
        .collect()
}

#[test]
fn a_file_that_is_included_for_tests_only_may_do_what_tests_may() {
    let impure = "//! Header.\nuse std::fs;\n";
    for (parent, declaration, path, findings) in [
        (
            "src/sip/mod.rs",
            "#[cfg(test)]\nmod torture;",
            "src/sip/torture.rs",
            0,
        ),
        (
            "src/sip/mod.rs",
            "#[cfg(test)]\nmod torture;",
            "src/sip/torture/rows.rs",
            0,
        ),
        (
            "src/sip/uri.rs",
            "#[cfg(test)]\nmod torture;",
            "src/sip/uri/torture.rs",
            0,
        ),
        (
            "src/sip/uri.rs",
            "#[cfg(test)]\nmod torture;",
            "src/sip/torture.rs",
            1,
        ),
        ("src/sip/mod.rs", "mod torture;", "src/sip/torture.rs", 1),
        (
            "src/sip/mod.rs",
            "#[cfg(test)]\nmod tort;",
            "src/sip/torture.rs",
            1,
        ),
    ] {
        let parent_text = format!("//! Header.\n{declaration}\n");
        let sources = vec![Source::new(parent, &parent_text), Source::new(path, impure)];
        let found = check_all(sources);
        assert_eq!(found.len(), findings, "{parent} {declaration}: {found:?}");
    }
}

// tidy: table
#[test]
fn circles_between_files_are_caught_however_they_are_closed() {
    let root = ("src/sip/mod.rs", "mod a;\nmod b;\nmod c;\npub use b::B;");
    for (files, expected) in [
        (
            vec![
                ("src/sip/a.rs", "use super::b::B;"),
                ("src/sip/b.rs", "use super::c::C;"),
            ],
            &[][..],
        ),
        (
            vec![
                ("src/sip/a.rs", "use super::{c, b::B};"),
                ("src/sip/b.rs", "fn f() { super::a::g(); }"),
            ],
            &["src/sip: circle: a -> b (src/sip/a.rs), b -> a (src/sip/b.rs)"],
        ),
        (
            vec![
                ("src/sip/a.rs", "use crate::sip::B;"),
                ("src/sip/b.rs", "use super::c::C;"),
                ("src/sip/c.rs", "fn f(a: crate::sip::a::A) {}"),
            ],
            &[
                "src/sip: circle: a -> b (src/sip/a.rs), b -> c (src/sip/b.rs), \
               c -> a (src/sip/c.rs)",
            ],
        ),
        (
            vec![
                ("src/sip/a/deep.rs", "use super::super::b::B;"),
                ("src/sip/b.rs", "use super::a::deep::D;"),
            ],
            &["src/sip: circle: a -> b (src/sip/a/deep.rs), b -> a (src/sip/b.rs)"],
        ),
        (
            vec![
                (
                    "src/sip/a.rs",
                    "use super::b::B;\n#[cfg(test)]\nmod tests { use super::*; }",
                ),
                (
                    "src/sip/b.rs",
                    "#[cfg(test)]\nmod tests { use crate::sip::a::A; }",
                ),
            ],
            &[],
        ),
    ] {
        let files = files.into_iter().chain([root]);
        let mut sources: Vec<_> = files.map(|(path, text)| Source::new(path, text)).collect();
        for path in ["src/sip/a.rs", "src/sip/b.rs", "src/sip/c.rs"] {
            if sources.iter().all(|source| source.path != path) {
                sources.push(Source::new(path, ""));
            }
        }
        let found: Vec<String> = circles::find(&sources)
            .iter()
            .map(ToString::to_string)
            .collect();
        let advice = ": move what both sides need into a file below them";
        let expected: Vec<String> = expected.iter().map(|e| format!("{e}{advice}")).collect();
        assert_eq!(found, expected);
    }
}

/// Checks a snippet as if it stood at `path` under a module header, and compares `line: rule` of
/// each finding; line 1 is the first of the snippet.
fn check(path: &str, snippet: &str, expected: &[&str]) {
    let text = format!("//! Header.\n{snippet}\n");
    let found: Vec<String> = check_rust(&Source::new(path, &text))
        .iter()
        .map(|finding| format!("{} {}", finding.line - 1, finding.rule))
        .collect();
    assert_eq!(found, expected, "{path}:\n{snippet}");
}

// tidy: table
#[test]
fn arrows_are_caught_however_the_path_is_written() {
    for (path, snippet, expected) in [
        (
            "src/sip/uri.rs",
            "use crate::engine::Engine;",
            &["1 arrow"][..],
        ),
        (
            "src/sip/uri.rs",
            "use crate::{id::LegId, media::{Command, Event}};",
            &["1 arrow"],
        ),
        (
            "src/sip/uri.rs",
            "fn f() -> crate::media::Event { todo() }",
            &["1 arrow"],
        ),
        (
            "src/sip/uri.rs",
            "use super::super::media::Event;",
            &["1 arrow"],
        ),
        ("src/config.rs", "use super::engine::Engine;", &["1 arrow"]),
        ("src/sip/uri.rs", "use crate::*;", &["1 arrow"]),
        ("src/sip/uri.rs", "use crate as all;", &["1 arrow"]),
        ("src/sip/uri.rs", "use super::super::*;", &["1 arrow"]),
        ("src/sip/uri.rs", "pub(crate) use super::*;", &[]),
        (
            "src/sip/uri.rs",
            "pub(crate) use crate\n    ::media::Event;",
            &["1 arrow"],
        ),
        (
            "src/engine/leg.rs",
            "use crate::config::Config;",
            &["1 arrow"],
        ),
        (
            "src/run/loop.rs",
            "use crate::config::Config;",
            &["1 arrow"],
        ),
        ("src/engine/leg.rs", "use crate::media::Core;", &["1 arrow"]),
        (
            "src/engine/leg.rs",
            "use crate::media::{self, Command};",
            &[],
        ),
        (
            "src/engine/leg.rs",
            "fn f() { crate::media::Core::new(); }",
            &["1 arrow"],
        ),
        ("src/sdp/offer_answer.rs", "use crate::codec::CODECS;", &[]),
        (
            "src/sdp/offer_answer.rs",
            "use crate::codec::opus::Encoder;",
            &["1 arrow"],
        ),
        ("src/misc/a.rs", "", &["0 arrow"]),
        (
            "src/sip/a/b.rs",
            "use super::super::uri::Uri;\nuse crate::sip::x;",
            &[],
        ),
        (
            "src/sip/uri.rs",
            "use crate::termination::Reason;\nuse crate::{id, pii::Pii};",
            &[],
        ),
        (
            "src/sip/uri.rs",
            "// use crate::media::Event;\nconst A: &str = \"crate::media\";",
            &[],
        ),
        (
            "src/sip/uri.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::media::Event;\n}",
            &[],
        ),
        ("src/sip/tests.rs", "use crate::media::Event;", &[]),
        ("src/main.rs", "use crate::media::Event;", &[]),
        ("src/app.rs", "use crate::config::Config;", &[]),
    ] {
        check(path, snippet, expected);
    }
}

// tidy: table
#[test]
fn impure_code_is_caught_in_the_cores_only() {
    for (snippet, expected) in [
        ("use tokio::sync::mpsc;", &["1 purity"][..]),
        ("async fn f() {}", &["1 purity"]),
        ("fn f() { g().await }", &["1 purity"]),
        ("use std::{fs, io};", &["1 purity"]),
        ("fn f() { std::thread::spawn(g); }", &["1 purity"]),
        (
            "#[cfg(test)]\nmod tests { fn f() { std::fs::read(p); } }",
            &[],
        ),
        (
            "#[cfg(test)]\nmod tests;\nfn f() { std::fs::read(p); }",
            &["3 purity"],
        ),
    ] {
        for module in [
            "sip", "sdp", "rtp", "audio", "codec", "routing", "script", "media", "engine", "sim",
            "id", "pii",
        ] {
            check(&format!("src/{module}/x.rs"), snippet, expected);
        }
        check("src/run/x.rs", snippet, &[]);
    }
}

#[test]
fn shells_and_exceptions_alone_are_let_off_what_clippy_disallows() {
    let off = "#[allow(clippy::disallowed_types)]\n";
    for (path, snippet, expected) in [
        ("src/sip/x.rs", format!("{off}struct S;"), &["1 purity"][..]),
        ("src/engine/x.rs", format!("#!{}", &off[1..]), &["1 purity"]),
        ("src/run/x.rs", format!("{off}struct S;"), &["1 purity"]),
        ("src/pii.rs", format!("{off}struct S;"), &[]),
        ("src/sip/tests.rs", format!("{off}struct S;"), &[]),
        (
            "src/lib.rs",
            format!("{off}pub mod run;\npub mod sip;"),
            &[],
        ),
        (
            "src/lib.rs",
            format!("pub mod run;\n{off}pub mod sip;"),
            &["2 purity"],
        ),
        (
            "src/lib.rs",
            format!("#!{}{off}pub mod run;\npub mod sip;", &off[1..]),
            &["1 purity"],
        ),
    ] {
        check(path, &snippet, expected);
    }
}

#[test]
fn dependencies_are_named_behind_their_doors_only() {
    for (path, snippet, expected) in [
        (
            "src/engine/x.rs",
            "use rsip::headers::Via;",
            &["1 door"][..],
        ),
        ("src/sip/headers.rs", "use rsip::headers::Via;", &[]),
        (
            "src/engine/x.rs",
            "fn f() -> rhai::Dynamic { g() }",
            &["1 door"],
        ),
        ("src/script/host.rs", "use rhai::{Dynamic, Map};", &[]),
        ("src/codec/g722.rs", "use audiopus::coder;", &["1 door"]),
        ("src/codec/opus.rs", "use audiopus::coder;", &[]),
        (
            "src/codec/opus.rs",
            "use {audio_codec::G722, std::fmt};",
            &["1 door"],
        ),
        ("src/codec/g722.rs", "use audio_codec::G722;", &[]),
        ("src/sip/x.rs", "use sdp_types::Session;", &["1 door"]),
        ("src/run/x.rs", "use axum::Router;", &["1 door"]),
        ("src/api/x.rs", "use axum::Router;", &[]),
        ("src/audio/x.rs", "use hound::WavReader;", &["1 door"]),
        (
            "src/run/clips.rs",
            "use hound::WavReader;\nuse symphonia::core as c;\nuse rubato::Fft;",
            &[],
        ),
        ("src/engine/x.rs", "use ::regex::Regex;", &["1 door"]),
        (
            "src/routing/x.rs",
            "use regex::Regex;\nuse toml::Spanned;",
            &[],
        ),
        ("src/config/load.rs", "use toml::Spanned;", &[]),
        ("src/config.rs", "use toml::Spanned;", &[]),
        ("src/engine/x.rs", "use rustix::net;", &["1 door"]),
        ("src/net/udp.rs", "use rustix::net;", &[]),
        (
            "src/engine/x.rs",
            "fn f(regex: u8, toml: u8) -> u8 { regex + toml }",
            &[],
        ),
        ("tests/it/x.rs", "use rhai::Dynamic;", &[]),
    ] {
        check(path, snippet, expected);
    }
}

// tidy: table
#[test]
fn sizes_are_held() {
    let long =
        |head: &str, lines: usize| format!("{head} {{\n{}}}", "    g();\n".repeat(lines - 2));
    let fields = |count: usize| "a: Vec<(u8, u8)>,\n".repeat(count);
    let rows: Vec<(String, &[&str])> = vec![
        (long("fn f()", 70), &[]),
        (long("fn f()", 71), &["1 function-size"]),
        (
            long("    pub(crate) fn f<T: Fn(u8) -> u8>(t: T) -> [u8; 2]", 71),
            &["1 function-size"],
        ),
        (long("// tidy: table\n#[test]\nfn f()", 71), &[]),
        (long("// tidy: table\n\nfn f()", 71), &["3 function-size"]),
        (
            long("fn f()", 71).replacen("g();", "// tidy: table", 1),
            &[],
        ),
        (
            long("fn f()", 71).replacen("g();", "g(\"// tidy: table\");", 1),
            &["1 function-size"],
        ),
        (
            long("#[cfg(test)]\nmod t {\nfn f()", 71) + "}",
            &["3 function-size"],
        ),
        (long("type F = fn(u8);\nimpl T", 71), &[]),
        ("trait T { fn f(); fn g() -> u8; }".to_owned(), &[]),
        (
            "fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {}".to_owned(),
            &[],
        ),
        (
            "fn f(&self, (a, b): (u8, u8), c: (u8, u8), d: u8, e: Vec<(u8, u8)>) {}".to_owned(),
            &[],
        ),
        (
            "fn f(&self, (a, b): (u8, u8), c: (u8, u8), d: u8, (e, f): (u8, u8),) {}".to_owned(),
            &["1 parameters"],
        ),
        (
            "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}".to_owned(),
            &["1 parameters"],
        ),
        (
            "fn f<A, B>(a: M<A, B>, b: fn(u8, u8) -> u8, c: (u8, u8), d: u8,) {}".to_owned(),
            &[],
        ),
        (
            format!("struct S<A, B> where A: Fn(B) -> B {{\n{}}}", fields(20)),
            &[],
        ),
        (
            format!("pub struct S {{\n{}}}", fields(21)),
            &["1 struct-fields"],
        ),
        (
            format!("struct S({});", "u8, ".repeat(21)),
            &["1 struct-fields"],
        ),
        ("struct S;\nfn f() { let a = [1, 2]; }".to_owned(), &[]),
        (format!("// {}", "é".repeat(97)), &[]),
        (format!("// {}", "é".repeat(98)), &["1 line-length"]),
        ("const A: u8 = 1;\n".repeat(698), &[]),
        ("const A: u8 = 1;\n".repeat(700), &["699 file-size"]),
        (
            format!(
                "#[cfg(test)]\nmod tests {{\n{}}}",
                "const A: u8 = 1;\n".repeat(900)
            ),
            &[],
        ),
    ];
    for (snippet, expected) in rows {
        check("src/sip/x.rs", &snippet, expected);
    }
    check("src/sip/tests.rs", &"const A: u8 = 1;\n".repeat(900), &[]);
}

#[test]
fn headers_words_and_sleep_are_checked() {
    let header = check_rust(&Source::new("src/sip/x.rs", "use std::fmt;\n"));
    let header: Vec<String> = header.iter().map(ToString::to_string).collect();
    assert_eq!(
        header,
        ["1: header: a file begins with //! and says what it is"]
    );
    for (path, snippet, expected) in [
        (
            "src/sip/x.rs",
            concat!("// TO", "DO: later"),
            &["1 word"][..],
        ),
        (
            "src/sip/x.rs",
            concat!("const A: &str = \"FIX", "ME\";"),
            &["1 word"],
        ),
        ("tests/it/x.rs", concat!("// XX", "X"), &["1 word"]),
        ("src/sip/x.rs", "// XXXX and TODOS", &[]),
        (
            "src/sip/x.rs",
            "fn f() { dbg!(1); todo!(); unimplemented!() }",
            &["1 word"; 3],
        ),
        ("src/sip/x.rs", "// dbg!(1)", &[]),
        ("src/media/x.rs", "fn f() { sleep(MS) }", &["1 sleep"]),
        (
            "src/sim/x.rs",
            "fn f() { std::thread::sleep(MS) }",
            &["1 sleep", "1 purity"],
        ),
        (
            "tests/it/calls.rs",
            "fn f() { std::thread::sleep(MS) }",
            &["1 sleep"],
        ),
        (
            "tests/it/loopback.rs",
            "fn f() { std::thread::sleep(MS) }",
            &[],
        ),
        (
            "tests/it/loopback_tcp.rs",
            "fn f() { std::thread::sleep(MS) }",
            &[],
        ),
        ("src/run/x.rs", "fn f() { sleep(MS) }", &[]),
        (
            "src/engine/x.rs",
            "fn f() { info!(a, \"b\"); tracing::warn!(\"c\"); debug!(\"d\") }",
            &["1 notice"; 2],
        ),
        ("src/run/x.rs", "fn f() { info!(\"a\") }", &[]),
        ("src/net/x.rs", "fn f() { sleep(MS) }", &[]),
        (
            "src/script/x.rs",
            "fn f() { engine.register(\"sleep\", g) }",
            &[],
        ),
    ] {
        check(path, snippet, expected);
    }
}

#[test]
fn marks_of_unfinished_work_are_caught_in_code_only() {
    for (path, text, caught) in [
        ("a.rhai", concat!("// FIX", "ME"), true),
        (
            "docs/a.md",
            concat!("the word TO", "DO is banned in code"),
            false,
        ),
    ] {
        assert_eq!(
            !rules::check_text(path, text).is_empty(),
            caught,
            "{path}: {text}"
        );
    }
}

#[test]
fn the_scanner_keeps_code_and_blanks_the_rest() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"a\\\"b\", 'c', '\\'')", "f(\"    \", ' ', '  ')"),
        ("r#\"a\"b\"# x", "r#\"   \"# x"),
        ("br\"\\\" x b\"y\"", "br\" \" x b\" \""),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("'outer: loop { '{' }", "'outer: loop { ' ' }"),
        ("\"é\"x", "\"  \"x"),
        ("let r#type = \"a\nb\";", "let r#type = \" \n \";"),
        ("\"open", "\"    "),
    ] {
        assert_eq!(Source::new("src/a.rs", text).code, code, "{text}");
    }
}
