//! Sounds that are named in a program: which files it plays, and names that can be none.

use std::collections::BTreeMap;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::super::api;
use super::super::command::Sound;
use super::{Check, constant_name};

/// A sound that stands in the text of a program.
struct Written {
    source: String,
    position: Position,
}

/// The sound files that a program names, with the places where it does. Names that are put together
/// when it runs are not known.
pub(in super::super) fn files(parsed: &[AST]) -> Vec<(String, Position)> {
    let mut files: Vec<(String, Position)> = Vec::new();
    for written in written(parsed) {
        if let Ok(Sound::File { path }) = api::sound(&written.source)
            && !path.starts_with("recording:")
        {
            files.push((path, written.position));
        }
    }
    files
}

fn written(parsed: &[AST]) -> Vec<Written> {
    let mut constants = BTreeMap::new();
    for statement in parsed.iter().flat_map(AST::statements) {
        if let Stmt::Var(definition, ..) = statement
            && let Expr::StringConstant(text, _) = &definition.1
        {
            constants.insert(definition.0.name.to_string(), text.to_string());
        }
    }
    let hidden = |name: &str| {
        let mut functions = parsed.iter().flat_map(AST::iter_functions);
        functions.any(|function| function.name == name)
    };
    let (plays, makes) = (!hidden("play"), !hidden("create_player"));
    let mut found = Vec::new();
    for ast in parsed {
        ast.walk(&mut |path| {
            let source = match path.last() {
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) => match call.name.as_str() {
                    "play" if plays => call.args.first(),
                    "digits" => prompt(call, 0, &constants),
                    _ => None,
                },
                Some(
                    ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)),
                ) => match call.name.as_str() {
                    "create_player" if makes => call.args.first(),
                    "digits" => prompt(call, 1, &constants),
                    _ => None,
                },
                _ => None,
            };
            if let Some(source) = source
                && let Some(text) = text(source, &constants)
            {
                found.push(Written {
                    source: text.to_owned(),
                    position: source.position(),
                });
            }
            true
        });
    }
    found
}

/// The prompt of `digits`, when it is a sound and not a sentence.
fn prompt<'a>(
    call: &'a FnCallExpr,
    index: usize,
    constants: &BTreeMap<String, String>,
) -> Option<&'a Expr> {
    let Some(Expr::Map(entries, _)) = call.args.get(index) else {
        return None;
    };
    let mut entries = entries.0.iter();
    let (_, prompt) = entries.find(|(name, _)| name.name == "prompt")?;
    text(prompt, constants)
        .is_some_and(api::is_sound)
        .then_some(prompt)
}

/// A text that is written out, there or as a constant.
fn text<'a>(value: &'a Expr, constants: &'a BTreeMap<String, String>) -> Option<&'a str> {
    match value {
        Expr::StringConstant(text, _) => Some(text),
        _ => constants.get(constant_name(value)?).map(String::as_str),
    }
}

impl Check<'_> {
    /// Tones that nobody knows, addresses in the network, empty names.
    pub(super) fn sounds(&mut self, parsed: &[AST]) {
        for written in written(parsed) {
            if let Err(error) = api::sound(&written.source) {
                self.fault(written.position, super::super::error::said(&error), None);
            }
        }
    }
}
