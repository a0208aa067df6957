//! Where a limit stopped a handler. Rhai puts the place of a call over that of the statement in it
//! when a limit is reached, call by call, until none is left. So each function of a program runs
//! inside a node of the syntax tree that is ours and sees the error on its way out, once a call.
//!
//! Rhai lets nobody make the body of a function but its parser, so the node comes from a text of
//! one word, and carries the statements that were there.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "syntax trees and tokens of Rhai have dozens of kinds, of which few are looked for"
)]

use std::sync::Arc;

use rhai::{
    AST, ASTNode, Dynamic, Engine, EvalContext, Expr, Expression, ImmutableString, Module,
    OptimizationLevel, ScriptFuncDef, Stmt, StmtBlock, Token,
};

use super::handle::Answer;
use super::turn::Stage;

/// The word of our node: no scenario can write it, for the space in it.
const NODE: &str = "function body";

/// What our node carries.
#[derive(Clone)]
struct Body(Arc<(ImmutableString, Expr)>);

/// Lets an engine with this stage run programs that went through [`wrap`].
pub(super) fn register(engine: &mut Engine, stage: &Stage) {
    let stage = stage.clone();
    let registered =
        engine.register_custom_syntax_handler(NODE, false, move |context, _, state| {
            run(&stage, context, state)
        });
    debug_assert!(registered.is_ok(), "Rhai refuses it without a parser only");
}

fn run(stage: &Stage, context: &mut EvalContext, state: &Dynamic) -> Answer<Dynamic> {
    let Some(body) = state.read_lock::<Body>() else {
        return Ok(Dynamic::UNIT);
    };
    let (function, statements) = &*body.0;
    let result = context.eval_expression_tree(&Expression::from(statements));
    if let Err(error) = &result
        && error.unwrap_inner().is_system_exception()
    {
        stage.note_step(function, error.position());
    }
    result
}

/// The same program with our node around each function's statements.
pub(super) fn wrap(ast: &AST) -> AST {
    let mut parser = Engine::new_raw();
    parser.set_optimization_level(OptimizationLevel::None);
    #[allow(
        deprecated,
        reason = "marked volatile, not deprecated; the version is pinned"
    )]
    parser.on_parse_token(|token, _, _| match token {
        Token::Identifier(word) if *word == "body" => Token::Identifier(Box::new(NODE.into())),
        other => other,
    });
    let functions: &Module = ast.as_ref();
    let mut wrapped = functions.clone();
    for function in ast.iter_fn_def() {
        if let Some(function) = wrap_function(&mut parser, function) {
            wrapped.set_script_fn(function);
        }
    }
    AST::new(ast.statements().iter().cloned(), wrapped)
}

fn wrap_function(parser: &mut Engine, function: &ScriptFuncDef) -> Option<ScriptFuncDef> {
    let statements = statements(function);
    if statements.is_empty() {
        return None;
    }
    let (start, end) = (function.body.start_position(), function.body.end_position());
    let block = Expr::Stmt(Box::new(StmtBlock::new(statements, start, end)));
    let body = Body(Arc::new((function.name.clone(), block)));
    parser.register_custom_syntax_with_state_raw(
        NODE,
        move |_, _, state| {
            *state = Dynamic::from(body.clone());
            Ok(None)
        },
        false,
        // It is run by the engines of the host only.
        |_, _, _| Ok(Dynamic::UNIT),
    );
    let made = parser.compile("fn f() { body }").ok()?;
    let functions: &Module = made.as_ref();
    let made = functions.get_script_fn("f", 0)?;
    Some(ScriptFuncDef {
        body: made.body.clone(),
        ..function.clone()
    })
}

/// The statements of one function: Rhai shows them to those who walk through a whole tree.
fn statements(function: &ScriptFuncDef) -> Vec<Stmt> {
    let mut alone = Module::new();
    alone.set_script_fn(function.clone());
    let mut statements = Vec::new();
    AST::new_from_module(alone).walk(&mut |path| {
        if let [ASTNode::Stmt(statement)] = path {
            statements.push((*statement).clone());
        }
        true
    });
    statements
}
