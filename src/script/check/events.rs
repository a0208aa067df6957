//! Fields that an event does not have, such as `e.digit` in the handler of `digits`. Which events a
//! function gets follows from where it is given as a handler and where others pass `e` on to it.
//! When that cannot be known, or the function asks whether the field is there, nothing is said.
//!
//! | a parameter is given | it is |
//! |---|---|
//! | the event of `on("…")`, `after`, `every`, `digits`, an entry point | one of these events |
//! | a parameter of the function around, as it came | whatever that one is |
//! | anything else, or by a name that may be used elsewhere | anything |

use std::collections::{BTreeMap, BTreeSet};

use rhai::{
    AST, ASTFlags, ASTNode, BinaryExpr, Expr, FnCallExpr, FnPtr, Module, Position, ScriptFuncDef,
    Stmt, Token,
};

use super::super::api;
use super::super::event::{self, CALLS, EventWord, LEG_EVENTS, UNIT_EVENTS};
use super::super::parser;
use super::super::spelling;
use super::Check;

/// Functions to which a whole event may be given without being changed.
const READERS: &[&str] = &["log", "log_warn", "to_json", "print", "debug", "type_of"];

/// One parameter: function, number of parameters, index.
type Parameter = (String, usize, usize);

/// What a parameter may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    /// The events of these words.
    Events(BTreeSet<&'static str>),
    Anything,
}

/// Something that a function does with one of its parameters, or with a copy of `e.leg`.
#[derive(Debug)]
struct Use {
    /// The parameter or local.
    variable: String,
    /// The properties behind it.
    chain: Vec<(String, Position)>,
}

/// One function of a file, as far as events go.
#[derive(Debug, Default)]
struct Facts {
    name: String,
    parameters: Vec<String>,
    uses: Vec<Use>,
    /// Fields that the function knows may be missing.
    asked: BTreeSet<String>,
    /// Variables that are not what they were when the function began.
    changed: BTreeSet<String>,
    /// Locals that are a property of another variable.
    copies: Vec<(String, Use)>,
}

/// What is given to a parameter, found at a call or where a handler is added.
enum Gift {
    Event(&'static str),
    /// A variable of a function: name, number of parameters, variable.
    Variable(String, usize, String),
    Anything,
}

/// The facts of all files.
#[derive(Default)]
pub(super) struct Events {
    functions: Vec<Facts>,
    gifts: Vec<(Parameter, Gift)>,
    /// Names of functions with the places at which they are written as values.
    named: Vec<(String, Position)>,
    /// Places whose meaning is known.
    understood: BTreeSet<(Option<usize>, Option<usize>)>,
    /// Functions, the closures in them, and the locals that these capture.
    captured: Vec<((String, usize), String, String)>,
    /// Numbers of parameters of the functions.
    arities: BTreeMap<String, BTreeSet<usize>>,
}

fn key(position: Position) -> (Option<usize>, Option<usize>) {
    (position.line(), position.position())
}

/// Looks at all files of a program, or at files that may stand in one.
pub(super) fn gather(parsed: &[AST]) -> Events {
    let mut events = Events::default();
    for function in parsed.iter().flat_map(AST::iter_fn_def) {
        let arities = events.arities.entry(function.name.to_string()).or_default();
        arities.insert(function.params.len());
    }
    for function in parsed.iter().flat_map(AST::iter_fn_def) {
        events.function(function);
    }
    events.change_captured();
    events
}

impl Events {
    fn function(&mut self, function: &ScriptFuncDef) {
        let mut facts = Facts {
            name: function.name.to_string(),
            parameters: function.params.iter().map(ToString::to_string).collect(),
            ..Facts::default()
        };
        let mut alone = Module::new();
        alone.set_script_fn(function.clone());
        AST::new_from_module(alone).walk(&mut |path| {
            facts.node(path, &self.arities);
            self.node(&facts, path);
            true
        });
        if let Some(word) = event::entry_points().find(|word| *word == facts.name) {
            self.give(&facts.name, facts.parameters.len(), 0, Gift::Event(word));
        }
        self.functions.push(facts);
    }

    fn give(&mut self, function: &str, arity: usize, index: usize, gift: Gift) {
        self.gifts.push(((function.to_owned(), arity, index), gift));
    }

    fn node(&mut self, around: &Facts, path: &[ASTNode]) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                let args = &call.args;
                match call.name.as_str() {
                    "after" => self.handler(around, Some("after"), args.get(1)),
                    "every" => self.handler(around, Some("every"), args.get(1)),
                    "digits" => self.handler(around, Some("digits"), args.get(2)),
                    "curry" => self.capture(around, call),
                    _ => self.call(around, call),
                }
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, _))) => {
                let args = &call.args;
                match call.name.as_str() {
                    "on" => {
                        let word = self.event_word(args.first());
                        self.handler(around, word, args.get(1));
                    }
                    "off" => {
                        self.event_word(args.first());
                    }
                    "digits" => self.handler(around, Some("digits"), args.get(1)),
                    _ => self.call(around, call),
                }
            }
            Some(ASTNode::Expr(Expr::StringConstant(name, position)))
                if self.arities.contains_key(name.as_str()) =>
            {
                self.named.push((name.to_string(), *position));
            }
            Some(ASTNode::Expr(Expr::DynamicConstant(value, position))) => {
                if let Some(pointer) = value.read_lock::<FnPtr>() {
                    self.named.push((pointer.fn_name().to_owned(), *position));
                }
            }
            _ => {}
        }
    }

    /// The event of `on("…")`, whose word may be the name of a function too.
    fn event_word(&mut self, argument: Option<&Expr>) -> Option<&'static str> {
        let Some(Expr::StringConstant(name, position)) = argument else {
            return None;
        };
        self.understood.insert(key(*position));
        event::all_names().find(|known| *known == name.as_str())
    }

    /// `argument` is the handler of `word`.
    fn handler(&mut self, around: &Facts, word: Option<&'static str>, argument: Option<&Expr>) {
        let mut carried = Vec::new();
        let named = argument.and_then(|argument| pointed(argument, &mut carried));
        let (Some((name, position)), Some(word)) = (named, word) else {
            return;
        };
        self.understood.insert(key(position));
        let arities = self.arities.get(&name).cloned().unwrap_or_default();
        let with_event = carried.len() + 1;
        let arity = if arities.contains(&with_event) {
            self.give(&name, with_event, carried.len(), Gift::Event(word));
            with_event
        } else {
            carried.len()
        };
        for (index, value) in carried.into_iter().enumerate() {
            let gift = gift(around, value);
            self.give(&name, arity, index, gift);
        }
    }

    /// A closure captures locals of the function around it.
    fn capture(&mut self, around: &Facts, call: &FnCallExpr) {
        let mut nothing = Vec::new();
        let Some((closure, _)) = call.args.first().and_then(|f| pointed(f, &mut nothing)) else {
            return;
        };
        for name in call.args.iter().skip(1).filter_map(variable) {
            let function = (around.name.clone(), around.parameters.len());
            self.captured
                .push((function, closure.clone(), name.to_owned()));
        }
    }

    /// What a closure does to a local that it captured, it does to that of the function around it.
    fn change_captured(&mut self) {
        loop {
            let mut grown = false;
            for (function, closure, name) in &self.captured {
                let mut all = self.functions.iter();
                if all.any(|f| f.name == *closure && f.changed.contains(name)) {
                    let outer = self.functions.iter_mut();
                    for facts in
                        outer.filter(|f| (&f.name, f.parameters.len()) == (&function.0, function.1))
                    {
                        grown |= facts.changed.insert(name.clone());
                    }
                }
            }
            if !grown {
                return;
            }
        }
    }

    /// A call of a function of the script.
    fn call(&mut self, around: &Facts, call: &FnCallExpr) {
        let arity = call.args.len();
        let arities = self.arities.get(call.name.as_str());
        if !arities.is_some_and(|arities| arities.contains(&arity)) {
            return;
        }
        for (index, value) in call.args.iter().enumerate() {
            let gift = gift(around, value);
            self.give(&call.name, arity, index, gift);
        }
    }

    /// What each parameter may be. One that nobody gives anything is missing.
    fn given(&self) -> BTreeMap<Parameter, Given> {
        let mut given = BTreeMap::new();
        let unclear = self.named.iter();
        let unclear = unclear.filter(|(_, position)| !self.understood.contains(&key(*position)));
        for (name, _) in unclear {
            for arity in self.arities.get(name).into_iter().flatten() {
                for index in 0..*arity {
                    given.insert((name.clone(), *arity, index), Given::Anything);
                }
            }
        }
        // Each round adds an event to a parameter, or makes one anything.
        loop {
            let mut grown = false;
            for (parameter, gift) in &self.gifts {
                let new = match gift {
                    Gift::Event(word) => Some(Given::Events([*word].into())),
                    Gift::Anything => Some(Given::Anything),
                    Gift::Variable(function, arity, variable) => {
                        self.of_variable(&given, function, *arity, variable)
                    }
                };
                grown |= new.is_some_and(|new| join(&mut given, parameter, new));
            }
            if !grown {
                return given;
            }
        }
    }

    fn of_variable(
        &self,
        given: &BTreeMap<Parameter, Given>,
        function: &str,
        arity: usize,
        variable: &str,
    ) -> Option<Given> {
        let facts = self.functions.iter();
        let mut facts = facts.filter(|f| f.name == function && f.parameters.len() == arity);
        // Files that are checked together need not be of one program.
        let (Some(facts), None) = (facts.next(), facts.next()) else {
            return Some(Given::Anything);
        };
        let index = facts.parameters.iter().position(|name| name == variable);
        match index {
            Some(index) if !facts.changed.contains(variable) => {
                given.get(&(function.to_owned(), arity, index)).cloned()
            }
            _ => Some(Given::Anything),
        }
    }
}

/// Adds to what a parameter may be; whether that was new.
fn join(given: &mut BTreeMap<Parameter, Given>, parameter: &Parameter, new: Given) -> bool {
    match (given.get_mut(parameter), new) {
        (None, new) => {
            given.insert(parameter.clone(), new);
            true
        }
        (Some(Given::Anything), _) => false,
        (Some(Given::Events(known)), Given::Events(new)) => {
            let before = known.len();
            known.extend(new);
            known.len() > before
        }
        (Some(known), Given::Anything) => {
            *known = Given::Anything;
            true
        }
    }
}

fn gift(around: &Facts, value: &Expr) -> Gift {
    match variable(value) {
        Some(name) => Gift::Variable(around.name.clone(), around.parameters.len(), name.into()),
        None => Gift::Anything,
    }
}

fn variable(value: &Expr) -> Option<&str> {
    match value {
        Expr::Variable(variable, ..) if variable.2.is_empty() => Some(&variable.1),
        _ => None,
    }
}

/// The function that a handler is, where its name stands, and what it carries.
fn pointed<'a>(handler: &'a Expr, carried: &mut Vec<&'a Expr>) -> Option<(String, Position)> {
    match handler {
        Expr::StringConstant(name, position) => Some((name.to_string(), *position)),
        Expr::DynamicConstant(value, position) => {
            let pointer = value.read_lock::<FnPtr>()?;
            Some((pointer.fn_name().to_owned(), *position))
        }
        // A closure that captures locals: they are shared, then carried.
        Expr::Stmt(block) => match block.statements() {
            [Stmt::Share(_), Stmt::Expr(closure)] => pointed(closure, carried),
            _ => None,
        },
        Expr::FnCall(call, _) if matches!(call.name.as_str(), "Fn" | "curry") => {
            let (function, values) = call.args.split_first()?;
            let found = pointed(function, carried)?;
            carried.extend(values);
            Some(found)
        }
        Expr::Dot(chain, ..) => {
            let Expr::MethodCall(call, _) = &chain.rhs else {
                return None;
            };
            if call.name != parser::CURRY {
                return None;
            }
            let found = pointed(&chain.lhs, carried)?;
            carried.extend(&call.args);
            Some(found)
        }
        _ => None,
    }
}

/// The properties of `e.leg.caller_id`, and whether one of them may be missing (`e?.leg`).
fn chain_of(chain: &BinaryExpr, flags: ASTFlags) -> Option<(Use, bool)> {
    let name = variable(&chain.lhs)?;
    let mut asked = flags.intersects(ASTFlags::NEGATED);
    let mut properties = Vec::new();
    let mut rest = &chain.rhs;
    loop {
        let (first, next) = match rest {
            Expr::Dot(chain, flags, _) => {
                asked |= flags.intersects(ASTFlags::NEGATED);
                (&chain.lhs, Some(&chain.rhs))
            }
            Expr::Index(chain, ..) => (&chain.lhs, None),
            other => (other, None),
        };
        let Expr::Property(property, position) = first else {
            break;
        };
        properties.push((property.2.to_string(), *position));
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    let variable = name.to_owned();
    let chain = properties;
    Some((Use { variable, chain }, asked))
}

impl Facts {
    fn node(&mut self, path: &[ASTNode], script: &BTreeMap<String, BTreeSet<usize>>) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _))) => {
                self.call(call, script);
            }
            Some(ASTNode::Stmt(statement)) => self.statement(statement),
            Some(ASTNode::Expr(Expr::Dot(chain, flags, _))) => self.chain(chain, *flags, path),
            _ => {}
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(definition, ..) => self.local(&definition.0.name, &definition.1),
            Stmt::For(parts, _) => {
                self.changed.insert(parts.0.name.to_string());
                let counter = parts.1.iter().map(|counter| counter.name.to_string());
                self.changed.extend(counter);
            }
            Stmt::TryCatch(parts, _) => {
                self.changed
                    .extend(variable(&parts.expr).map(str::to_owned));
            }
            Stmt::Assignment(parts) => {
                let mut root = &parts.1.lhs;
                while let Expr::Dot(chain, ..) | Expr::Index(chain, ..) = root {
                    root = &chain.lhs;
                }
                self.changed.extend(variable(root).map(str::to_owned));
            }
            _ => {}
        }
    }

    /// `let leg = e.leg;` is a copy; every other local hides what had its name.
    fn local(&mut self, name: &str, value: &Expr) {
        let fresh = !self.copies.iter().any(|(known, _)| *known == name)
            && !self.parameters.iter().any(|known| known == name);
        if fresh
            && let Expr::Dot(chain, flags, _) = value
            && matches!(chain.rhs, Expr::Property(..))
            && let Some((copied, false)) = chain_of(chain, *flags)
        {
            self.copies.push((name.to_owned(), copied));
        } else {
            self.changed.insert(name.to_owned());
        }
    }

    fn chain(&mut self, chain: &BinaryExpr, flags: ASTFlags, path: &[ASTNode]) {
        let Some((found, mut asked)) = chain_of(chain, flags) else {
            return;
        };
        let Some((field, _)) = found.chain.first() else {
            // A method of the event itself may change it; `e["…"]` is no chain of this kind.
            self.changed.insert(found.variable);
            return;
        };
        let mut above = path.iter().rev().skip(1);
        asked |= above.any(|node| match node {
            ASTNode::Expr(Expr::Coalesce(..)) => true,
            ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)) => {
                let compares = matches!(
                    call.op_token,
                    Some(Token::EqualsTo | Token::NotEqualsTo | Token::In | Token::NotIn)
                );
                compares && call.args.iter().any(|arg| matches!(arg, Expr::Unit(_)))
                    || call.name == "type_of"
            }
            _ => false,
        });
        if asked {
            self.asked.insert(field.clone());
        }
        self.uses.push(found);
    }

    fn call(&mut self, call: &FnCallExpr, script: &BTreeMap<String, BTreeSet<usize>>) {
        let name = call.name.as_str();
        if matches!(call.op_token, Some(Token::In | Token::NotIn)) || name == "contains" {
            self.asked
                .extend(call.args.iter().filter_map(|arg| match arg {
                    Expr::StringConstant(text, _) => Some(text.to_string()),
                    _ => None,
                }));
            return;
        }
        // A function of the language may change the first value that it gets.
        let reads = call.op_token.is_some()
            || READERS.contains(&name)
            || script.contains_key(name)
            || name == "curry";
        if !reads {
            self.changed
                .extend(call.args.first().and_then(variable).map(str::to_owned));
        }
    }
}

/// The fields of an event.
fn fields(word: &str) -> BTreeSet<&'static str> {
    let named = |words: &'static [EventWord]| words.iter().filter(move |known| known.name == word);
    let split = |list: &'static str| list.split(", ").filter(|field| !field.is_empty());
    let mut fields: BTreeSet<&'static str> = BTreeSet::new();
    fields.extend(named(CALLS).flat_map(|known| split(known.fields)));
    for known in named(LEG_EVENTS) {
        fields.extend(split(known.fields).chain(["leg"]));
    }
    for known in named(UNIT_EVENTS) {
        fields.extend(split(known.fields).chain(split(known.on)));
    }
    fields
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl Check<'_> {
    /// Says which fields and properties of events are not there.
    pub(super) fn events(&mut self, events: &Events) {
        let given = events.given();
        for facts in &events.functions {
            for (index, parameter) in facts.parameters.iter().enumerate() {
                let key = (facts.name.clone(), facts.parameters.len(), index);
                if let Some(Given::Events(words)) = given.get(&key)
                    && !facts.changed.contains(parameter)
                {
                    self.parameter(facts, parameter, words);
                }
            }
        }
    }

    fn parameter(&mut self, facts: &Facts, parameter: &str, words: &BTreeSet<&'static str>) {
        let known: BTreeSet<&str> = words.iter().flat_map(|word| fields(word)).collect();
        for found in facts
            .uses
            .iter()
            .filter(|found| found.variable == parameter)
        {
            let Some((field, position)) = found.chain.first() else {
                continue;
            };
            if known.contains(field.as_str()) {
                self.property(field, found.chain.get(1));
            } else if !facts.asked.contains(field) {
                let message = format!("the event of {} has no `{field}`", quoted(words));
                self.fault(*position, message, Some(field_hint(field, &known)));
            }
        }
        for (name, copied) in &facts.copies {
            let source = copied.chain.first().map(|(field, _)| field.as_str());
            let of_event = copied.variable == parameter && !facts.changed.contains(name);
            let Some(source) = source.filter(|source| of_event && known.contains(source)) else {
                continue;
            };
            for found in facts.uses.iter().filter(|found| found.variable == *name) {
                self.property(source, found.chain.first());
            }
        }
    }

    /// `e.leg.callerid`: the field says what it is.
    fn property(&mut self, of: &str, property: Option<&(String, Position)>) {
        let Some((property, position)) = property else {
            return;
        };
        let entries = api::entries().filter(|entry| entry.of == of);
        let signatures: Vec<&str> = entries.map(|entry| entry.signature).collect();
        if signatures.is_empty() || signatures.contains(&property.as_str()) {
            return;
        }
        let message = format!("a {of} has no property `{property}`");
        let called = format!("{property}(");
        let hint = match signatures.iter().find(|known| known.starts_with(&called)) {
            Some(signature) => Some(format!("it is written `{signature}`")),
            None => {
                let names = signatures
                    .iter()
                    .copied()
                    .filter(|name| !name.contains('('));
                let near = spelling::nearest(property, names);
                near.map(|near| format!("did you mean `{near}`?"))
            }
        };
        self.fault(*position, message, hint);
    }
}

fn field_hint(field: &str, known: &BTreeSet<&str>) -> String {
    match spelling::nearest(field, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? It has {}", quoted(known)),
        None => format!("it has {}", quoted(known)),
    }
}
