//! Values that are written out where the host takes another kind: `say(5)`, `hangup("bye")`,
//! options and properties that nobody knows. What a function takes is read from its line of the
//! reference.

use rhai::{BinaryExpr, Expr, FnCallExpr, Position};

use super::super::api;
use super::super::spelling;
use super::Check;

/// Host functions whose names the language has too, for values of its own.
const SHARED: &[&str] = &["log", "log_warn", "remove"];

/// Kinds of values that can be told from how they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
    Map,
    Nothing,
    Character,
}

impl Kind {
    fn of(value: &Expr) -> Option<(Kind, Position)> {
        Some(match value {
            Expr::StringConstant(_, at) | Expr::InterpolatedString(_, at) => (Kind::Text, *at),
            Expr::IntegerConstant(_, at) | Expr::FloatConstant(_, at) => (Kind::Number, *at),
            Expr::BoolConstant(_, at) => (Kind::Flag, *at),
            Expr::CharConstant(_, at) => (Kind::Character, *at),
            Expr::Array(_, at) => (Kind::List, *at),
            Expr::Map(_, at) => (Kind::Map, *at),
            Expr::Unit(at) => (Kind::Nothing, *at),
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Text => "a string",
            Kind::Number => "a number",
            Kind::Flag => "true or false",
            Kind::List => "an array",
            Kind::Map => "a map",
            Kind::Nothing => "`()`",
            Kind::Character => "a character",
        }
    }
}

/// The kinds that a parameter or option of the reference takes; none when any will do.
fn taken(parameter: &str) -> &'static [Kind] {
    match parameter {
        "text" | "name" | "mime" | "body" | "label" | "event" | "country" | "handler" | "voice"
        | "language" | "caller_id" | "display_name" => &[Kind::Text],
        "source" | "prompt" => &[Kind::Text, Kind::Map],
        "ms"
        | "code"
        | "in_db"
        | "out_db"
        | "n"
        | "gain_db"
        | "rate"
        | "max"
        | "first_timeout_s"
        | "inter_digit_timeout_s" => &[Kind::Number],
        "on" | "loop" | "stereo" => &[Kind::Flag],
        "kinds" => &[Kind::Flag, Kind::List],
        "headers" => &[Kind::Map],
        _ if parameter.starts_with("#{") => &[Kind::Map],
        _ => &[],
    }
}

/// The parameters of a signature such as `say(text, #{voice, language, rate})`.
fn parameters(signature: &str) -> Vec<&str> {
    let inside = signature.split_once('(').map_or("", |(_, rest)| rest);
    let inside = inside.strip_suffix(')').unwrap_or(inside);
    let mut depth = 0_usize;
    let split = inside.split(|c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    split
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// The names of `#{voice, language, rate}`; none of `#{…}`, which says nothing.
fn options(parameter: &str) -> Vec<&str> {
    let inside = parameter
        .strip_prefix("#{")
        .and_then(|rest| rest.strip_suffix('}'));
    let names = inside.unwrap_or_default().split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty() && *name != "…")
        .collect()
}

impl Check<'_> {
    /// Looks at the values of a call of the host; `method` when an object stands before it.
    pub(super) fn values(&mut self, call: &FnCallExpr, method: bool) {
        let name = call.name.as_str();
        if SHARED.contains(&name)
            || self.known.functions.contains_key(name)
            || method && self.known.properties.contains(name)
        {
            return;
        }
        let signatures: Vec<&'static str> = api::entries()
            .filter(|entry| entry.of.is_empty() != method)
            .map(|entry| entry.signature)
            .filter(|signature| signature.split('(').next() == Some(name))
            .filter(|signature| signature.contains('('))
            .collect();
        for (index, argument) in call.args.iter().enumerate() {
            let wanted: Vec<&str> = signatures
                .iter()
                .filter_map(|signature| parameters(signature).get(index).copied())
                .collect();
            if wanted.is_empty() || wanted.len() < signatures.len() {
                continue;
            }
            self.argument(name, &signatures, &wanted, argument);
        }
    }

    fn argument(&mut self, name: &str, signatures: &[&str], wanted: &[&str], argument: &Expr) {
        let Some((kind, position)) = Kind::of(argument) else {
            return;
        };
        let mut kinds: Vec<Kind> = Vec::new();
        for parameter in wanted {
            let taken = taken(parameter);
            if taken.is_empty() {
                return;
            }
            kinds.extend(taken);
        }
        if !kinds.contains(&kind) {
            let wanted = kinds.first().map_or("", |kind| kind.word());
            let message = format!("`{name}` takes {wanted} here, not {}", kind.word());
            let hint = signatures
                .first()
                .map(|signature| format!("it is written `{signature}`"));
            self.fault(position, message, hint);
            return;
        }
        let known: Vec<&str> = wanted
            .iter()
            .flat_map(|parameter| options(parameter))
            .collect();
        if let Expr::Map(entries, _) = argument
            && !known.is_empty()
        {
            for (key, value) in &entries.0 {
                self.option(name, &known, (key.name.as_str(), key.pos), value);
            }
        }
    }

    fn option(&mut self, name: &str, known: &[&str], key: (&str, Position), value: &Expr) {
        let (key, position) = key;
        if !known.contains(&key) {
            let hint = match spelling::nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", known.join(", ")),
            };
            let message = format!("`{name}` has no option `{key}`");
            self.fault(position, message, Some(hint));
            return;
        }
        let kinds = taken(key);
        if let Some((kind, position)) = Kind::of(value)
            && let Some(wanted) = kinds.first()
            && kind != Kind::Nothing
            && !kinds.contains(&kind)
        {
            let message = format!(
                "`{key}` of `{name}` is {}, not {}",
                wanted.word(),
                kind.word()
            );
            self.fault(position, message, None);
        }
    }

    /// `this = 5;` would put a value in the place of the session's state.
    pub(super) fn state(&mut self, target: &Expr, value: &Expr) {
        if matches!(target, Expr::ThisPtr(_))
            && let Some((kind, _)) = Kind::of(value)
            && kind != Kind::Map
        {
            let message = format!(
                "`this` is the session's state, a map, and not {}",
                kind.word()
            );
            let hint = "give it fields: `this.name = …;`".to_owned();
            self.fault(target.position(), message, Some(hint));
        }
    }

    /// `session.rul`, wherever it stands.
    pub(super) fn fixed_object(&mut self, chain: &BinaryExpr) {
        let Expr::Variable(variable, None, _) = &chain.lhs else {
            return;
        };
        let mut first = &chain.rhs;
        if let Expr::Dot(chain, ..) | Expr::Index(chain, ..) = first {
            first = &chain.lhs;
        }
        let Expr::Property(property, position) = first else {
            return;
        };
        if variable.1 != "session" || variable.0.is_some() {
            return;
        }
        let known: Vec<&str> = api::entries()
            .filter(|entry| entry.of == "session")
            .map(|entry| entry.signature)
            .collect();
        if !known.contains(&property.2.as_str()) {
            let hint = spelling::nearest(&property.2, known.iter().copied());
            let hint = hint.map(|near| format!("did you mean `{near}`?"));
            let message = format!("`session` has no property `{}`", property.2);
            self.fault(*position, message, hint);
        }
    }
}
