//! What can be known of a program before it runs: functions that nobody defined, misspelt events
//! and handlers, names that are not there, calls that lose `this`, values of the wrong kind. Works
//! on the syntax trees of all files.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "syntax trees and tokens of Rhai have dozens of kinds, of which few are looked for"
)]

mod events;
mod sounds;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Expr, FnCallExpr, Module, Position, Stmt};

use super::api::{self, Natives};
use super::diagnostic::Diagnostic;
use super::event;
use super::program::Files;
use super::spelling;

pub(super) use sounds::files as sound_files;

/// Entry points with which a session begins.
const BEGINNINGS: &[&str] = &["on_started", "on_incoming"];

/// Functions that are part of the language rather than registered, with their numbers of arguments.
const BUILT_IN: &[(&str, &[usize])] = &[
    ("Fn", &[1]),
    ("type_of", &[1]),
    ("is_shared", &[1]),
    ("is_def_fn", &[2, 3]),
    ("is_def_var", &[1]),
];

/// Text and array functions that change their object and return `()`.
const IN_PLACE: &[&str] = &[
    "trim",
    "replace",
    "make_upper",
    "make_lower",
    "crop",
    "truncate",
    "clear",
    "push",
    "insert",
    "append",
    "pad",
    "reverse",
    "sort",
    "mixin",
    "fill_with",
];

/// What the functions of a program are, gathered from all files before any is checked.
struct Known {
    /// Script functions: parameters, whether the body uses `this`.
    functions: BTreeMap<String, Vec<Function>>,
    constants: BTreeMap<String, Position>,
    /// Registered functions of host and language.
    native: BTreeMap<String, BTreeSet<usize>>,
    /// Registered functions of the host only.
    host: BTreeMap<String, BTreeSet<usize>>,
    /// Names of properties and map entries: they may hold functions.
    properties: BTreeSet<String>,
    /// Parameters of closures, captured variables among them.
    closure_parameters: BTreeSet<String>,
}

struct Function {
    parameters: usize,
    start: Position,
    end: Position,
    uses_this: bool,
}

/// What files are checked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All files of one program.
    Program,
    /// Files that no rule runs, and others: they may define the same names, and none has to begin.
    Idle,
}

/// Whether a function of this name makes a file a scenario rather than a library.
pub(super) fn begins_a_scenario(function: &str) -> bool {
    BEGINNINGS.contains(&function)
}

/// Checks files together.
pub(super) fn check(
    functions: &Natives,
    files: &Files,
    parsed: &[AST],
    extent: Extent,
) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let mut twice = Vec::new();
    let known = gather(functions, files, parsed, &mut faults, &mut twice);
    entry_points(files, &known, &mut faults);
    if extent == Extent::Program {
        faults.append(&mut twice);
        beginning(files, &known, &mut faults);
    }
    let mut check = Check {
        files,
        known: &known,
        faults: &mut faults,
    };
    check.events(&events::gather(parsed));
    check.sounds(parsed);
    for ast in parsed {
        for statement in ast.statements() {
            check.constant(statement);
        }
        ast.walk(&mut |path| {
            check.node(path);
            true
        });
    }
    faults.sort_by(|a, b| {
        let key = |d: &Diagnostic| {
            let file = files.0.iter().position(|file| file.name == d.place.file);
            (file, d.place.line, d.place.column)
        };
        key(a).cmp(&key(b))
    });
    faults.dedup();
    faults
}

/// The constant that `global::NAME` reads.
fn constant_name(value: &Expr) -> Option<&str> {
    match value {
        Expr::Variable(variable, ..) if variable.2.to_string() == "global" => Some(&variable.1),
        _ => None,
    }
}

fn before(a: Position, b: Position) -> bool {
    (a.line(), a.position()) <= (b.line(), b.position())
}

/// Gathers what is known; names that are defined twice go to `twice`.
fn gather(
    functions: &Natives,
    files: &Files,
    parsed: &[AST],
    faults: &mut Vec<Diagnostic>,
    twice: &mut Vec<Diagnostic>,
) -> Known {
    let mut known = Known {
        functions: BTreeMap::new(),
        constants: BTreeMap::new(),
        native: functions.all.clone(),
        host: functions.host.clone(),
        properties: BTreeSet::new(),
        closure_parameters: BTreeSet::new(),
    };
    for (name, arities) in BUILT_IN {
        known
            .native
            .entry((*name).to_owned())
            .or_default()
            .extend(*arities);
    }
    for ast in parsed {
        gather_functions(files, ast, &mut known, faults, twice);
        for statement in ast.statements() {
            if let Stmt::Var(definition, ..) = statement {
                let name = definition.0.name.to_string();
                let position = definition.0.pos;
                if let Some(first) = known.constants.insert(name.clone(), position) {
                    let message = format!(
                        "the constant `{name}` is defined twice; first at {}",
                        files.place(first)
                    );
                    twice.push(files.diagnostic(position, message, None));
                }
            }
        }
        ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Expr(Expr::Property(property, _))) => {
                    known.properties.insert(property.2.to_string());
                }
                Some(ASTNode::Expr(Expr::Map(entries, _))) => {
                    let names = entries.0.iter().map(|(name, _)| name.name.to_string());
                    known.properties.extend(names);
                }
                Some(ASTNode::Expr(Expr::ThisPtr(position))) => {
                    mark_this(&mut known.functions, *position);
                }
                _ => {}
            }
            true
        });
    }
    known
}

/// Notes that the innermost function around `position` uses `this`.
fn mark_this(functions: &mut BTreeMap<String, Vec<Function>>, position: Position) {
    let around = functions
        .values_mut()
        .flatten()
        .filter(|f| before(f.start, position) && before(position, f.end))
        .max_by_key(|f| (f.start.line(), f.start.position()));
    if let Some(function) = around {
        function.uses_this = true;
    }
}

fn gather_functions(
    files: &Files,
    ast: &AST,
    known: &mut Known,
    faults: &mut Vec<Diagnostic>,
    twice: &mut Vec<Diagnostic>,
) {
    let module: &Module = ast.as_ref();
    for info in ast.iter_functions() {
        let Some(definition) = module.get_script_fn(info.name, info.params.len()) else {
            continue;
        };
        if info.name.starts_with("anon$") {
            known
                .closure_parameters
                .extend(info.params.iter().map(|p| (*p).to_owned()));
        }
        let function = Function {
            parameters: info.params.len(),
            start: definition.body.start_position(),
            end: definition.body.end_position(),
            uses_this: false,
        };
        let position = name_position(files, info.name, function.start);
        let same = known.functions.entry(info.name.to_owned()).or_default();
        if let Some(first) = same.iter().find(|f| f.parameters == function.parameters)
            && !info.name.starts_with("anon$")
        {
            let first = files.place(name_position(files, info.name, first.start));
            let message = format!(
                "the function `{}` is defined twice; first at {first}",
                info.name
            );
            twice.push(files.diagnostic(position, message, None));
        }
        shadowing(files, known, info.name, position, &function, faults);
        known
            .functions
            .entry(info.name.to_owned())
            .or_default()
            .push(function);
    }
}

/// A script function with the name of a host function would be called instead of it.
fn shadowing(
    files: &Files,
    known: &Known,
    name: &str,
    position: Position,
    function: &Function,
    faults: &mut Vec<Diagnostic>,
) {
    let Some(arities) = known.host.get(name) else {
        return;
    };
    if arities.contains(&function.parameters) || arities.contains(&(function.parameters + 1)) {
        let message = format!("`{name}` is a function of the host and would be hidden by this one");
        let hint = Some(format!("give it another name, such as `do_{name}`"));
        faults.push(files.diagnostic(position, message, hint));
    }
}

/// The position of a function's name: the parser keeps that of its body only.
fn name_position(files: &Files, name: &str, body: Position) -> Position {
    let wanted = format!("fn {name}");
    let column = files.line_text(body).find(&wanted).map(|at| at + 4);
    match (body.line().and_then(|l| u16::try_from(l).ok()), column) {
        (Some(line), Some(column)) => Position::new(line, u16::try_from(column).unwrap_or(1)),
        _ => body,
    }
}

fn entry_points(files: &Files, known: &Known, faults: &mut Vec<Diagnostic>) {
    for (name, functions) in &known.functions {
        let Some(function) = functions.first() else {
            continue;
        };
        let position = name_position(files, name, function.start);
        if event::entry_points().any(|known| known == name) {
            if functions.iter().any(|f| f.parameters > 1) {
                let message = format!("`{name}` gets one value, the event: `fn {name}(e)`");
                faults.push(files.diagnostic(position, message, None));
            }
        } else if name == "on_http" {
            let message = "`on_http` is not available".to_owned();
            faults.push(files.diagnostic(position, message, None));
        } else if name.starts_with("on_")
            && let Some(meant) = spelling::nearest(name, event::entry_points())
        {
            let message = format!("nothing calls `{name}`");
            let hint = Some(format!("did you mean `{meant}`?"));
            faults.push(files.diagnostic(position, message, hint));
        }
    }
}

/// A program needs a function that is called first.
fn beginning(files: &Files, known: &Known, faults: &mut Vec<Diagnostic>) {
    if !BEGINNINGS
        .iter()
        .any(|name| known.functions.contains_key(*name))
    {
        let message = "there is neither `on_started` nor `on_incoming`".to_owned();
        let hint =
            Some("a scenario begins with `fn on_incoming(e) { e.leg.answer(); }`".to_owned());
        faults.push(files.diagnostic(Position::START, message, hint));
    }
}

struct Check<'a> {
    files: &'a Files,
    known: &'a Known,
    faults: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn fault(&mut self, position: Position, message: String, hint: Option<String>) {
        self.faults
            .push(self.files.diagnostic(position, message, hint));
    }

    fn constant(&mut self, statement: &Stmt) {
        let Stmt::Var(definition, ..) = statement else {
            return;
        };
        let (name, value, _) = &**definition;
        let mut pure = true;
        value.walk(&mut Vec::new(), &mut |path| {
            if let Some(ASTNode::Expr(Expr::FnCall(call, _))) = path.last() {
                pure &= call.op_token.is_some();
            }
            pure &= !matches!(
                path.last(),
                Some(ASTNode::Expr(
                    Expr::MethodCall(..) | Expr::Stmt(..) | Expr::DynamicConstant(..)
                ))
            );
            true
        });
        if !pure {
            let message = format!("the value of `{}` must be written out", name.name);
            let hint = "constants are data; compute other values in `fn on_started(e)`";
            self.fault(name.pos, message, Some(hint.to_owned()));
        }
    }

    fn node(&mut self, path: &[ASTNode]) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, position)))
            | Some(ASTNode::Expr(Expr::FnCall(call, position))) => self.plain_call(call, *position),
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                self.method_call(call, *position);
            }
            Some(ASTNode::Expr(Expr::Variable(variable, index, position))) => {
                let bound = index.is_some() || variable.0.is_some();
                let namespace = (!variable.2.is_empty()).then(|| variable.2.to_string());
                self.variable(&variable.1, namespace.as_deref(), bound, *position);
            }
            Some(ASTNode::Stmt(Stmt::Var(definition, ..))) => self.value(&definition.1),
            Some(ASTNode::Stmt(Stmt::Assignment(assignment))) => {
                self.value(&assignment.1.rhs);
                self.state(&assignment.1.lhs, &assignment.1.rhs);
            }
            Some(ASTNode::Expr(Expr::Dot(chain, ..))) => self.fixed_object(chain),
            _ => {}
        }
    }

    /// `let x = text.trim();` stores `()`.
    fn value(&mut self, value: &Expr) {
        let mut last = value;
        while let Expr::Dot(chain, ..) = last {
            last = &chain.rhs;
        }
        if let Expr::MethodCall(call, position) = last
            && IN_PLACE.contains(&call.name.as_str())
            && !self.known.functions.contains_key(call.name.as_str())
        {
            let message = format!("`{}` changes its object and has no value", call.name);
            let hint = format!("write `let x = …; x.{}(…);` and use x", call.name);
            self.fault(*position, message, Some(hint));
        }
    }

    fn plain_call(&mut self, call: &FnCallExpr, position: Position) {
        if call.op_token.is_some() {
            return;
        }
        let (name, arguments) = (call.name.as_str(), call.args.len());
        if !call.namespace.is_empty() {
            let message = format!("there is no module `{}`", call.namespace);
            self.fault(
                position,
                message,
                Some("functions are called by their name".to_owned()),
            );
            return;
        }
        self.values(call, false);
        match name {
            "Fn" => self.handler(call.args.first(), true),
            "after" | "every" => self.handler(call.args.get(1), false),
            "digits" => self.handler(call.args.get(2), false),
            // The parser writes closures as a call of `curry`.
            "curry" => return,
            _ => {}
        }
        let script = self.known.functions.get(name);
        if let Some(function) =
            script.and_then(|all| all.iter().find(|f| f.parameters == arguments))
        {
            if function.uses_this {
                let message = format!("`{name}` uses `this`, which it does not get here");
                self.fault(position, message, Some(format!("write `this.{name}(…)`")));
            }
            return;
        }
        let native = self.known.native.get(name);
        if native.is_some_and(|arities| arities.contains(&arguments)) {
            return;
        }
        let mut counts: BTreeSet<usize> = native.cloned().unwrap_or_default();
        counts.extend(script.into_iter().flatten().map(|f| f.parameters));
        self.unknown(name, arguments, &counts, position);
    }

    fn method_call(&mut self, call: &FnCallExpr, position: Position) {
        let (name, arguments) = (call.name.as_str(), call.args.len());
        self.values(call, true);
        match name {
            "on" => {
                self.event(call.args.first());
                self.handler(call.args.get(1), false);
            }
            "off" => self.event(call.args.first()),
            "digits" => self.handler(call.args.get(1), false),
            "call" | "curry" => return,
            _ => {}
        }
        let script = self.known.functions.get(name);
        let native = self.known.native.get(name);
        if script.is_some_and(|all| all.iter().any(|f| f.parameters == arguments))
            || native.is_some_and(|arities| arities.contains(&(arguments + 1)))
            || self.known.properties.contains(name)
        {
            return;
        }
        let methods = native
            .into_iter()
            .flatten()
            .filter_map(|n| n.checked_sub(1));
        let mut counts: BTreeSet<usize> = methods.collect();
        counts.extend(script.into_iter().flatten().map(|f| f.parameters));
        self.unknown(name, arguments, &counts, position);
    }

    fn unknown(
        &mut self,
        name: &str,
        arguments: usize,
        counts: &BTreeSet<usize>,
        position: Position,
    ) {
        if !counts.is_empty() {
            let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
            let message = format!(
                "`{name}` takes {} arguments, not {arguments}",
                counts.join(" or ")
            );
            self.fault(position, message, None);
            return;
        }
        let names = self.known.functions.keys().chain(self.known.native.keys());
        let names = names.map(String::as_str).filter(|n| !n.contains('$'));
        let hint = spelling::hint(name, names);
        self.fault(position, format!("there is no function `{name}`"), hint);
    }

    /// The event of `on("…")`, when it is written out.
    fn event(&mut self, argument: Option<&Expr>) {
        let Some(Expr::StringConstant(name, position)) = argument else {
            return;
        };
        if event::all_names().any(|known| known == name.as_str()) {
            return;
        }
        let hint = spelling::nearest(name, event::all_names())
            .map(|meant| format!("did you mean \"{meant}\"?"))
            .or_else(|| spelling::foreign_event(name));
        self.fault(*position, format!("there is no event \"{name}\""), hint);
    }

    /// A handler that is written out as a name. `Fn("…")` may get more values later.
    fn handler(&mut self, argument: Option<&Expr>, curried: bool) {
        let Some(Expr::StringConstant(name, position)) = argument else {
            return;
        };
        if let Some(functions) = self.known.functions.get(name.as_str()) {
            if !curried && functions.iter().all(|f| f.parameters > 1) {
                let message = format!("the handler `{name}` gets one value, the event");
                let hint = format!("carry the others: `Fn(\"{name}\").curry(…)`");
                self.fault(*position, message, Some(hint));
            }
            return;
        }
        if api::is_host_function(name) {
            return;
        }
        let names = self.known.functions.keys().map(String::as_str);
        let hint = spelling::nearest(name, names.filter(|n| !n.contains('$')))
            .map(|meant| format!("did you mean \"{meant}\"?"));
        self.fault(
            *position,
            format!("there is no function `{name}` for this handler"),
            hint,
        );
    }

    fn variable(&mut self, name: &str, namespace: Option<&str>, bound: bool, position: Position) {
        match namespace {
            Some("global") => {
                if !self.known.constants.contains_key(name) {
                    let names = self.known.constants.keys().map(String::as_str);
                    let hint = spelling::nearest(name, names)
                        .map(|meant| format!("did you mean `global::{meant}`?"));
                    self.fault(position, format!("there is no constant `{name}`"), hint);
                }
            }
            Some(other) => {
                let message = format!("there is no module `{other}`");
                self.fault(
                    position,
                    message,
                    Some("constants are read as `global::NAME`".into()),
                );
            }
            None if bound
                || super::handle::fixed_object(name).is_some()
                || self.known.functions.contains_key(name)
                || self.known.closure_parameters.contains(name) => {}
            None if self.known.constants.contains_key(name) => {
                let message = format!("the constant `{name}` is not seen inside a function");
                self.fault(position, message, Some(format!("write `global::{name}`")));
            }
            None => {
                let hint = spelling::foreign_name(name).or_else(|| {
                    Some(format!(
                        "a local is made with `let {name} = …;`, state is `this.{name}`"
                    ))
                });
                self.fault(position, format!("there is no variable `{name}`"), hint);
            }
        }
    }
}
