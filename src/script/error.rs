//! What went wrong in a handler, said to the person who wrote it.

use rhai::{Dynamic, EvalAltResult, Position};

use super::command::Place;
use super::limits::Limits;
use super::program::Program;
use super::turn::Step;

/// A failure of a script while it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptError {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
    /// The function in which it happened; `closure` for one without a name.
    pub function: String,
    /// The handler, and where in it the function was called; none when it is the handler.
    pub called: Option<(String, Place)>,
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if self.function.is_empty() {
            return Ok(());
        }
        write!(f, " (in `{}`", self.function)?;
        if let Some((handler, place)) = &self.called {
            write!(f, ", called by `{handler}` at {place}")?;
        }
        f.write_str(")")
    }
}

/// Rhai's error in words, with the innermost place and function. `traced` is its way through the
/// functions when a limit raised it.
pub(super) fn describe(
    program: &Program,
    error: &EvalAltResult,
    handler: &str,
    traced: Vec<Step>,
    limits: &Limits,
) -> ScriptError {
    let innermost = error.unwrap_inner();
    let mut steps = Vec::new();
    if innermost.is_system_exception() {
        let known = traced.into_iter();
        steps.extend(known.map(|step| (step.function.to_string(), step.position)));
    }
    if steps.is_empty() {
        steps = calls(program, error, handler);
    }
    let (function, mut position) = steps
        .first()
        .map_or((handler, Position::NONE), |(name, at)| (name, *at));
    // Nothing of the handler ran, or all that ran was Rhai's.
    if position.is_none() {
        position = program.definition(handler);
    }
    let called = steps.iter().skip(1).next_back();
    let called = called.filter(|(_, at)| !at.is_none());
    ScriptError {
        place: program.place(position),
        message: message(innermost, limits),
        function: plain_name(function),
        called: called.map(|(name, at)| (plain_name(name), program.place(*at))),
    }
}

/// What a refusal of the host says, for whom it has no limits.
pub(super) fn said(error: &EvalAltResult) -> String {
    message(error, &Limits::default())
}

/// The functions of the script that an error went through and where in each, innermost first.
fn calls(program: &Program, error: &EvalAltResult, handler: &str) -> Vec<(String, Position)> {
    let mut steps = vec![(handler.to_owned(), error.position())];
    let mut outer = error;
    while let EvalAltResult::ErrorInFunctionCall(name, _, inner, _) = outer {
        // The handler itself is called by nothing in the script, and functions of Rhai that call
        // closures have no lines.
        let by_script = program.defines(name) && !outer.position().is_none();
        if by_script {
            steps.push((name.clone(), inner.position()));
        } else if let Some((_, position)) = steps.last_mut()
            && !inner.position().is_none()
        {
            *position = inner.position();
        }
        outer = inner;
    }
    steps.reverse();
    steps
}

/// What a function is called in messages.
fn plain_name(function: &str) -> String {
    if function.starts_with("anon$") {
        "closure".to_owned()
    } else {
        function.to_owned()
    }
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "Rhai's own sentences will do for the rest"
)]
fn message(error: &EvalAltResult, limits: &Limits) -> String {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => thrown(value),
        EvalAltResult::ErrorTerminated(reason, _) => reason.to_string(),
        EvalAltResult::ErrorTooManyOperations(_) => {
            format!("more than {} operations in one handler", limits.operations)
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            format!(
                "functions call each other more than {} deep",
                limits.call_depth
            )
        }
        EvalAltResult::ErrorTooManyVariables(_) => {
            format!("more than {} local variables", limits.variables)
        }
        EvalAltResult::ErrorDataTooLarge(what, _) => too_large(what, limits),
        EvalAltResult::ErrorUnboundThis(_) => {
            "`this` is not bound here: call the function as `this.name(…)`".to_owned()
        }
        EvalAltResult::ErrorDataRace(..) => {
            "a local is used by a closure and by the code around it at once; copy it into another \
             variable for the closure"
                .to_owned()
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let signature = signature
                .replace("&str | ImmutableString | String", "string")
                .replace("i64", "number")
                .replace("f64", "number");
            format!(
                "there is no function {signature}; perhaps a value has another type, or is `()`"
            )
        }
        EvalAltResult::ErrorDotExpr(text, _) => property(text),
        EvalAltResult::ErrorMismatchDataType(wanted, found, _) => {
            format!(
                "a {} is needed here, not a {}",
                plain_type(wanted),
                plain_type(found)
            )
        }
        other => {
            let text = other.to_string();
            let place = format!(" ({})", other.position());
            text.strip_suffix(&place)
                .map_or(text.clone(), str::to_owned)
        }
    }
}

/// Rhai's sentence on a property that is not there quotes its name and then the type.
fn property(text: &str) -> String {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let (Some(name), Some(kind)) = (quoted.next(), quoted.next()) else {
        return text.to_owned();
    };
    let changes = if text.starts_with("No writable") {
        " that can be set"
    } else {
        ""
    };
    format!("a {} has no property `{name}`{changes}", plain_type(kind))
}

fn plain_type(name: &str) -> &str {
    match name {
        "bool" => "boolean (true or false)",
        "i64" => "whole number",
        "f64" => "number",
        "()" => "value that is not there (`()`)",
        other => other,
    }
}

fn thrown(value: &Dynamic) -> String {
    match value.as_immutable_string_ref() {
        Ok(text) => text.to_string(),
        Err(_) if value.is_unit() => "the script threw an error".to_owned(),
        Err(_) => format!("the script threw {value}"),
    }
}

fn too_large(what: &str, limits: &Limits) -> String {
    match what {
        "Length of string" => format!(
            "more than {} bytes of text in one value",
            limits.string_bytes
        ),
        "Size of object map" => format!("more than {} entries in one map", limits.map_entries),
        _ => format!("more than {} items in one array", limits.array_items),
    }
}
