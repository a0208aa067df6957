//! What the program is built from: licences and sources as `deny.toml` allows them, and nothing
//! declared that is not used. `cargo deny` reads the same file and knows more (advisories, licence
//! texts), but asks the network and takes longer to build than this whole program may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::server::root;

/// What cargo knows of all packages for this machine.
static METADATA: LazyLock<Value> = LazyLock::new(metadata);

fn metadata() -> Value {
    let run = |program: &str, args: &[&str]| {
        let program = std::env::var_os(program.to_uppercase()).unwrap_or(program.into());
        let output = Command::new(program)
            .args(args)
            .current_dir(root())
            .output()
            .expect("it runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let version = run("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let platform = ["--filter-platform", host.expect("a host")];
    let args = ["metadata", "--locked", "--offline", "--format-version", "1"];
    let text = run("cargo", &[&args[..], &platform].concat());
    serde_json::from_str(&text).expect("JSON")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The packages that the build uses, our own left out.
fn packages() -> Vec<&'static Value> {
    let nodes = list(&METADATA["resolve"], "nodes");
    let used: BTreeSet<&str> = nodes.iter().map(|node| text(node, "id")).collect();
    let own = text(&METADATA["resolve"], "root");
    let packages = list(&METADATA, "packages").iter();
    packages
        .filter(|package| used.contains(text(package, "id")) && text(package, "id") != own)
        .collect()
}

/// The licence that a package names, or whose text it carries.
fn licence(package: &Value) -> String {
    if let Some(named) = package["license"].as_str() {
        // "Or later" contains the version itself.
        return named.replace('+', "");
    }
    let manifest = Path::new(text(package, "manifest_path"));
    let file = manifest.with_file_name(text(package, "license_file"));
    let licence = std::fs::read_to_string(file).unwrap_or_default();
    let is_mit = licence.contains("Permission is hereby granted, free of charge");
    if is_mit { "MIT" } else { "" }.to_owned()
}

/// The licences of which an SPDX expression needs all, by way of its first branch that is allowed.
fn accepted<'e>(expression: &'e str, is_allowed: &dyn Fn(&str) -> bool) -> Option<Vec<&'e str>> {
    let (found, rest) = any_of(expression.trim(), is_allowed)?;
    rest.trim().is_empty().then_some(found)?
}

/// What an expression came to, and the text behind it; nothing where it cannot be read.
type Read<'e> = Option<(Option<Vec<&'e str>>, &'e str)>;

fn any_of<'e>(text: &'e str, is_allowed: &dyn Fn(&str) -> bool) -> Read<'e> {
    let (mut found, mut rest) = all_of(text, is_allowed)?;
    // The slash is how crates wrote "or" before there was SPDX.
    while let Some(more) = after(rest, "OR").or_else(|| after(rest, "/")) {
        let (other, behind) = all_of(more, is_allowed)?;
        (found, rest) = (found.or(other), behind);
    }
    Some((found, rest))
}

fn all_of<'e>(text: &'e str, is_allowed: &dyn Fn(&str) -> bool) -> Read<'e> {
    let (mut found, mut rest) = one(text, is_allowed)?;
    while let Some(more) = after(rest, "AND") {
        let (other, behind) = one(more, is_allowed)?;
        found = found
            .zip(other)
            .map(|(found, other)| [found, other].concat());
        rest = behind;
    }
    Some((found, rest))
}

fn one<'e>(text: &'e str, is_allowed: &dyn Fn(&str) -> bool) -> Read<'e> {
    let text = text.trim_start();
    if let Some(inner) = text.strip_prefix('(') {
        let (found, rest) = any_of(inner, is_allowed)?;
        return Some((found, rest.trim_start().strip_prefix(')')?));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let end_of = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    let mut end = end_of(text);
    if let Some(exception) = after(&text[end..], "WITH") {
        let exception = exception.trim_start();
        end = text.len() - exception.len() + end_of(exception);
    }
    let (licence, rest) = text.split_at(end);
    let found = is_allowed(licence).then(|| vec![licence]);
    (!licence.is_empty()).then_some((found, rest))
}

fn after<'e>(text: &'e str, word: &str) -> Option<&'e str> {
    text.trim_start().strip_prefix(word)
}

#[test]
fn licences_and_sources_are_those_that_are_allowed() {
    let file = std::fs::read_to_string(root().join("deny.toml")).expect("a file");
    let file: toml::Table = file.parse().expect("TOML");
    let rules = serde_json::to_value(file).expect("the same values");
    let allowed: BTreeSet<&str> = list(&rules["licenses"], "allow")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let exceptions: BTreeMap<&str, &[Value]> = list(&rules["licenses"], "exceptions")
        .iter()
        .map(|one| (text(one, "crate"), list(one, "allow")))
        .collect();
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for package in packages() {
        let (name, licence) = (text(package, "name"), licence(package));
        let source = text(package, "source");
        if source != "registry+https://github.com/rust-lang/crates.io-index" {
            faults.push(format!("{name} comes from {source:?}"));
        }
        if let Some(found) = accepted(&licence, &|one| allowed.contains(one)) {
            used.extend(found.into_iter().map(str::to_owned));
            continue;
        }
        let own = exceptions.get(name).copied().unwrap_or_default();
        let is_allowed = |one: &str| allowed.contains(one) || own.contains(&one.into());
        match accepted(&licence, &is_allowed) {
            Some(_) => drop(used.insert(name.to_owned())),
            None => faults.push(format!("{name} has the licence {licence:?}")),
        }
    }
    let listed = allowed.iter().chain(exceptions.keys());
    let unused = listed.filter(|one| !used.contains(**one));
    faults.extend(unused.map(|one| format!("deny.toml allows {one}, which nothing needs")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn licence_expressions_are_read_as_spdx_says() {
    let is_allowed = |one: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&one);
    for (expression, needed) in [
        ("MIT", Some(&["MIT"][..])),
        ("GPL-3.0", None),
        ("Apache-2.0 OR MIT", Some(&["MIT"])),
        ("Apache-2.0/MIT", Some(&["MIT"])),
        ("Apache-2.0 / MIT", Some(&["MIT"])),
        ("Apache-2.0 AND ISC", None),
        ("MIT AND ISC", Some(&["MIT", "ISC"])),
        ("(Apache-2.0 OR MIT) AND ISC", Some(&["MIT", "ISC"])),
        ("GPL-3.0 OR MIT AND ISC", Some(&["MIT", "ISC"])),
        ("Apache-2.0", None),
        (
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            Some(&["Apache-2.0 WITH LLVM-exception"]),
        ),
        ("MIT AND", None),
        ("(MIT", None),
        ("", None),
    ] {
        let found = accepted(expression, &is_allowed);
        assert_eq!(found.as_deref(), needed, "{expression}");
    }
}

#[test]
fn every_declared_dependency_is_used() {
    let own = text(&METADATA["resolve"], "root");
    let nodes = list(&METADATA["resolve"], "nodes");
    let node = nodes.iter().find(|node| text(node, "id") == own);
    let sources = |folders: &[&str]| {
        let mut all = String::new();
        folders
            .iter()
            .for_each(|folder| read(&root().join(folder), &mut all));
        all
    };
    let program = sources(&["src"]);
    let all = [&*program, &*sources(&["tests", "benches"])].concat();
    let unused: Vec<&str> = list(node.expect("our package"), "deps")
        .iter()
        .filter(|dependency| {
            let kinds = list(dependency, "dep_kinds");
            let is_normal = kinds.iter().any(|kind| kind["kind"].is_null());
            let sources = if is_normal { &program } else { &all };
            !names(sources, text(dependency, "name"))
        })
        .map(|dependency| text(dependency, "name"))
        .collect();
    assert!(unused.is_empty(), "declared, and never named: {unused:?}");
}

/// Adds the code of all Rust files below.
fn read(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            read(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(path).expect("text");
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            code.for_each(|line| all.extend([line, "\n"]));
        }
    }
}

/// Whether a path in the sources begins with this crate.
fn names(sources: &str, name: &str) -> bool {
    sources.match_indices(name).any(|(at, _)| {
        let before = sources[..at].chars().next_back().unwrap_or(' ');
        let behind = sources[at + name.len()..].starts_with("::");
        behind && !before.is_alphanumeric() && !"_:\"".contains(before)
    })
}
