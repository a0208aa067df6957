//! Circles between the files of one module: a file uses a second one that uses the first, perhaps
//! by others. A file counts with all that is below it, and what a module re-exports belongs to the
//! file that has it. What a module itself has is open to all files below it.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Source, paths};

/// Circles that are still there; none may be added.
const KNOWN: &[(&str, &[&str])] = &[
    ("engine", &["arrival", "dispatch", "unrouted"]),
    ("engine", &["io", "notice"]),
    ("sim", &["journal", "late", "world"]),
    ("sip", &["endpoint", "invite"]),
];

/// A path from the root of the crate.
type Module = Vec<String>;

/// Which files of one module use which others, each with a file of the repository that shows it.
type Arrows<'a> = BTreeMap<String, BTreeMap<String, &'a str>>;

/// What is wrong with the circles of these files.
pub fn check(sources: &[Source<'_>]) -> Vec<String> {
    let mut known: BTreeSet<(String, Vec<String>)> = KNOWN
        .iter()
        .map(|(module, files)| {
            let files = files.iter().map(|file| (*file).to_owned());
            ((*module).to_owned(), files.collect())
        })
        .collect();
    let mut findings = find(sources);
    findings.retain(|circle| !known.remove(&(circle.module.clone(), circle.files.clone())));
    let gone = known.into_iter().map(|(module, files)| {
        let files = files.join(", ");
        format!(
            "tests/it/tidy/circles.rs: {files} of {module} are no circle any more; strike them out"
        )
    });
    findings.iter().map(Circle::to_string).chain(gone).collect()
}

/// Files of one module, each of which uses all others in the end.
pub struct Circle {
    pub module: String,
    pub files: Vec<String>,
    arrows: Vec<String>,
}

impl std::fmt::Display for Circle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (module, arrows) = (&self.module, self.arrows.join(", "));
        write!(
            f,
            "src/{module}: circle: {arrows}: move what both sides need into a file below them"
        )
    }
}

/// All circles, module by module.
pub fn find(sources: &[Source<'_>]) -> Vec<Circle> {
    let crate_files = sources
        .iter()
        .filter(|source| source.path.starts_with("src/") && !source.is_test);
    let files: BTreeMap<Module, &Source<'_>> = crate_files
        .map(|source| (owned(&source.modules()), source))
        .collect();
    let used: BTreeMap<&Module, Vec<(bool, Module)>> = files
        .iter()
        .map(|(module, source)| (module, used_by(module, source, &files)))
        .collect();
    let mut exports = BTreeMap::new();
    for (module, paths) in &used {
        for (_, path) in paths.iter().filter(|(imported, _)| *imported) {
            let mut name = (*module).clone();
            name.extend(path.last().cloned());
            exports.insert(name, path.clone());
        }
    }
    let mut groups: BTreeMap<String, Arrows<'_>> = BTreeMap::new();
    for (module, paths) in &used {
        for (_, path) in paths {
            let target = resolve(path, &files, &exports);
            let common = module.iter().zip(&target).take_while(|(a, b)| a == b);
            let common = common.count();
            if let (1.., Some(from), Some(to)) = (common, module.get(common), target.get(common)) {
                let arrows = groups.entry(module[..common].join("/")).or_default();
                let arrows = arrows.entry(from.clone()).or_default();
                arrows.entry(to.clone()).or_insert(files[*module].path);
            }
        }
    }
    groups
        .iter()
        .flat_map(|(module, arrows)| circles(module, arrows))
        .collect()
}

fn owned(modules: &[&str]) -> Module {
    modules.iter().map(|name| (*name).to_owned()).collect()
}

/// The paths into the crate that a file names, from the root; whether it imports them.
fn used_by(
    module: &Module,
    source: &Source<'_>,
    files: &BTreeMap<Module, &Source<'_>>,
) -> Vec<(bool, Module)> {
    let from_root = |segments: &[String]| {
        let ups = segments.iter().take_while(|s| *s == "super").count();
        let inside = module.len().checked_sub(ups)?;
        let (base, rest) = match segments.first()?.as_str() {
            "crate" => (&[][..], &segments[1..]),
            "self" => (&module[..], &segments[1..]),
            "super" => (&module[..inside], &segments[ups..]),
            first => {
                let child = [&module[..], &[first.to_owned()]].concat();
                files
                    .contains_key(&child)
                    .then_some((&module[..], segments))?
            }
        };
        Some([base, rest].concat())
    };
    let paths = paths(&source.live).into_iter();
    paths
        .filter_map(|path| Some((path.imported, from_root(&path.segments)?)))
        .collect()
}

/// The file that has what a path names.
fn resolve(
    path: &Module,
    files: &BTreeMap<Module, &Source<'_>>,
    exports: &BTreeMap<Module, Module>,
) -> Module {
    let mut path = path.clone();
    // More re-exports of re-exports there are not.
    for _ in 0..5 {
        let depth = (0..=path.len())
            .rev()
            .find(|depth| files.contains_key(&path[..*depth]));
        let depth = depth.unwrap_or(0);
        let export = path.get(..=depth).and_then(|name| exports.get(name));
        match export {
            Some(target) if depth < path.len() && *target != path => {
                path = [&target[..], &path[depth + 1..]].concat();
            }
            _ => return path[..depth].to_vec(),
        }
    }
    path
}

/// All files that a file uses, directly or by others.
fn reached<'a>(from: &'a String, arrows: &'a Arrows<'_>) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(next) = waiting.pop() {
        let next = arrows.get(next).into_iter().flat_map(BTreeMap::keys);
        waiting.extend(next.filter(|file| reached.insert(*file)));
    }
    reached
}

/// The circles of one module.
fn circles(module: &str, arrows: &Arrows<'_>) -> Vec<Circle> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = arrows
        .keys()
        .map(|file| (file, reached(file, arrows)))
        .collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, others) in &reached {
        let back = |other: &&&String| reached.get(**other).is_some_and(|back| back.contains(file));
        let circle: Vec<String> = others.iter().filter(back).map(|f| (**f).clone()).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles
        .into_iter()
        .map(|files| Circle {
            module: module.to_owned(),
            arrows: shown(&files, arrows),
            files,
        })
        .collect()
}

/// The arrows between these files, with the places that show them.
fn shown(files: &[String], arrows: &Arrows<'_>) -> Vec<String> {
    let mut shown = Vec::new();
    for (from, to) in arrows.iter().filter(|(from, _)| files.contains(from)) {
        for (to, path) in to.iter().filter(|(to, _)| files.contains(to)) {
            shown.push(format!("{from} -> {to} ({path})"));
        }
    }
    shown
}
