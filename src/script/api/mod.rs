//! The host functions, one file per topic, each with the table from which the reference is made. A
//! host function only appends commands or reads the session's tables; it returns at once.

mod data;
mod digits;
mod leg;
mod options;
mod phone;

#[cfg(test)]
pub(super) use phone::normalize;
mod session;
mod timer;
mod unit;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use rhai::{Dynamic, Engine, FnPtr, FuncRegistration, RhaiNativeFunc, Variant};

pub(super) use digits::{handle_digits_timer, handle_leg, is_sound};
pub(super) use options::sound;

use super::handle::{Answer, kind_of, refuse};
use super::parser::CURRY;
use super::turn::{Running, Stage};

/// One line of the reference.
#[derive(Debug)]
pub(super) struct Entry {
    /// What it belongs to: ``, `session`, `leg`, `conference`, `player`, `recorder`, `timer`,
    /// `phone`, `users`, `headers`.
    pub of: &'static str,
    /// How it is written: `name(…)` for a function, `name` for a property.
    pub signature: &'static str,
    /// What it does.
    pub text: &'static str,
}

/// A function or property of the reference.
const fn entry(of: &'static str, signature: &'static str, text: &'static str) -> Entry {
    Entry {
        of,
        signature,
        text,
    }
}

/// The reference, topic by topic.
pub(super) fn entries() -> impl Iterator<Item = &'static Entry> {
    let topics = [
        session::ENTRIES,
        leg::ENTRIES,
        unit::ENTRIES,
        timer::ENTRIES,
        digits::ENTRIES,
    ];
    topics
        .into_iter()
        .chain([data::ENTRIES, phone::ENTRIES, users::ENTRIES])
        .flatten()
}

/// Values that one function carries at most.
const CARRIED_MAX: usize = 16;

/// `Fn("name").curry(a, …)`: a function that carries values. Functions carry none: each step
/// of `f = f.curry(f)` would double the size of f.
fn curry(pointer: &FnPtr, values: Vec<Dynamic>) -> Answer<FnPtr> {
    let mut pointer = pointer.clone();
    for value in values {
        pointer.add_curry(value.flatten());
    }
    if pointer.curry().len() > CARRIED_MAX {
        return refuse(format!("a function carries at most {CARRIED_MAX} values"));
    }
    if pointer.iter_curry().any(holds_function) {
        return refuse("a function carries data, not functions");
    }
    Ok(pointer)
}

/// Whether a function stands anywhere in a value.
fn holds_function(value: &Dynamic) -> bool {
    if value.is_fnptr() {
        return true;
    }
    if let Ok(items) = value.as_array_ref() {
        return items.iter().any(holds_function);
    }
    value
        .as_map_ref()
        .is_ok_and(|entries| entries.values().any(holds_function))
}

fn register_curry(engine: &mut Engine) {
    function(engine, CURRY, |f: &mut FnPtr, a: Dynamic| curry(f, vec![a]));
    function(engine, CURRY, |f: &mut FnPtr, a: Dynamic, b: Dynamic| {
        curry(f, vec![a, b])
    });
    function(
        engine,
        CURRY,
        |f: &mut FnPtr, a: Dynamic, b: Dynamic, c: Dynamic| curry(f, vec![a, b, c]),
    );
}

/// Registers every host function in the engine of `stage`.
pub(super) fn register(engine: &mut Engine, stage: &Stage) {
    session::register(engine);
    leg::register(engine);
    unit::register(engine);
    timer::register(engine);
    digits::register(engine);
    data::register(engine, stage);
    phone::register(engine);
    users::register(engine);
    register_curry(engine);
}

/// Registers a function that does not change the value it is called on: handles are names, so a
/// constant or temporary one will do.
fn function<A: 'static, const N: usize, const X: bool, R, const F: bool, FUNC>(
    engine: &mut Engine,
    name: &str,
    body: FUNC,
) where
    R: Variant + Clone,
    FUNC: RhaiNativeFunc<A, N, X, R, F> + Send + Sync + 'static,
{
    FuncRegistration::new(name)
        .in_global_namespace()
        .with_purity(true)
        .with_volatility(true)
        .register_into_engine(engine, body);
}

/// Numbers of arguments of functions, by name.
pub(super) type Arities = BTreeMap<String, BTreeSet<usize>>;

/// The functions of an engine that are not of a script.
#[derive(Debug)]
pub(super) struct Natives {
    /// Ours and those of the language.
    pub all: Arities,
    /// Ours.
    pub host: Arities,
}

impl Natives {
    pub(super) fn of(engine: &Engine) -> Self {
        let registered = |with_language| {
            let mut functions = Arities::new();
            let all = engine.collect_fn_metadata(
                None,
                |info| Some((info.metadata.name.to_string(), info.metadata.num_params)),
                with_language,
            );
            for (name, arguments) in all {
                functions.entry(name).or_default().insert(arguments);
            }
            functions
        };
        Natives {
            all: registered(true),
            host: registered(false),
        }
    }
}

/// Functions of the host that may be handlers by name, with the number of arguments that they take
/// then.
pub(super) const HOST_HANDLERS: &[(&str, usize)] = &[
    ("terminate", 0),
    ("log", 1),
    ("log_warn", 1),
    ("answer", 1),
    ("ring", 1),
    ("reject", 1),
    ("hangup", 1),
    ("stop_playback", 1),
    ("cancel", 1),
    ("stop", 1),
    ("start", 1),
    ("pause", 1),
    ("resume", 1),
    ("start_early_media", 1),
    ("send_media_between", 2),
    ("stop_media_between", 2),
    ("send_media_to", 2),
    ("stop_media_to", 2),
    ("say", 2),
    ("play", 2),
    ("send_message", 2),
    ("mute", 2),
    ("deafen", 2),
];

/// Whether a handler may be this function of the host.
pub(super) fn is_host_function(name: &str) -> bool {
    HOST_HANDLERS.iter().any(|(known, _)| *known == name)
}

/// A handler from what the script gave: a name, `Fn("name")` with carried values, or a closure.
/// What it carries becomes data of its own.
fn handler(running: &Running, value: &Dynamic) -> Answer<FnPtr> {
    let mut handler = if let Some(pointer) = value.read_lock::<FnPtr>() {
        pointer.clone()
    } else if let Ok(name) = value.as_immutable_string_ref() {
        match FnPtr::new(name.clone()) {
            Ok(pointer) => pointer,
            Err(_) => return refuse(format!("`{}` cannot be the name of a function", *name)),
        }
    } else {
        return refuse(format!(
            "a handler is a function or its name, not {}",
            kind_of(value)
        ));
    };
    for carried in handler.iter_curry_mut() {
        *carried = carried.flatten_clone();
    }
    if handler.iter_curry().any(holds_function) {
        return refuse("a handler carries data, not functions");
    }
    let name = handler.fn_name();
    let known = running.program.defines(name) || is_host_function(name);
    if !known {
        return refuse(format!("there is no function `{name}` for this handler"));
    }
    Ok(handler)
}
