//! JSON, logs, time and chance.

use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext};
use serde_json::Value;

use super::super::command::{Command, Place};
use super::super::event::millis;
use super::super::handle::{Answer, HeaderMap, kind_of, refuse};
use super::super::turn::{Running, Stage, with};
use super::{Entry, entry, function, options};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "",
        "parse_json(text)",
        "The value of a JSON text. Throws when it is none; `catch` it.",
    ),
    entry(
        "",
        "to_json(value)",
        "A value as JSON text. Names of a map come in alphabetical order.",
    ),
    entry(
        "",
        "log(text)",
        "A line in the session's log, of at most 15000 characters.",
    ),
    entry("", "log_warn(text)", "The same, as a warning."),
    entry("", "now()", "The session's clock: milliseconds since 1970."),
    entry("", "uuid()", "A new UUID."),
    entry(
        "",
        "random(a, b)",
        "A whole number from `a` to `b`, both included.",
    ),
];

/// Depth of values written as JSON; what `parse_json` reads is bounded by serde_json in the same
/// way.
const JSON_DEPTH_MAX: usize = 128;
/// The mark at the end of a log line that was cut.
const CUT_MARK: &str = " […cut]";

pub(super) fn register(engine: &mut Engine, stage: &Stage) {
    function(engine, "parse_json", parse_json);
    function(engine, "to_json", |value: Dynamic| to_json(&value));
    // Rhai has a `to_json` for maps, which an exact match of the type would prefer.
    function(engine, "to_json", |value: Map| {
        to_json(&Dynamic::from_map(value))
    });
    function(engine, "log", |ctx: NativeCallContext, value: Dynamic| {
        log(&ctx, value, false)
    });
    // The mathematical `log` of a float would take precedence.
    function(engine, "log", |ctx: NativeCallContext, value: f64| {
        log(&ctx, Dynamic::from_float(value), false)
    });
    function(
        engine,
        "log_warn",
        |ctx: NativeCallContext, value: Dynamic| log(&ctx, value, true),
    );
    function(engine, "now", |ctx: NativeCallContext| {
        with(&ctx, |running| Ok(millis(running.now_ms)))
    });
    function(engine, "uuid", |ctx: NativeCallContext| {
        with(&ctx, |running| Ok(running.tables.random.uuid()))
    });
    function(
        engine,
        "random",
        |ctx: NativeCallContext, a: Dynamic, b: Dynamic| {
            let (a, b) = (options::whole(&a, "bounds")?, options::whole(&b, "bounds")?);
            with(&ctx, |running| Ok(running.tables.random.between(a, b)))
        },
    );
    let (print_on, debug_on) = (stage.clone(), stage.clone());
    engine.on_print(move |text| print(&print_on, text, |_| Place::default()));
    engine.on_debug(move |text, _, position| {
        print(&debug_on, text, |running| running.program.place(position));
    });
}

fn log(ctx: &NativeCallContext, value: Dynamic, warn: bool) -> Answer<()> {
    // The registered function knows how handles print, inside arrays and maps too.
    let text = match value.as_immutable_string_ref().map(|text| text.clone()) {
        Ok(text) => text,
        Err(_) => ctx.call_native_fn::<ImmutableString>("to_string", (value,))?,
    };
    with(ctx, |running| {
        let text = cut(&text, running.limits.log_chars);
        running.push(ctx, Command::Log { warn, text })
    })
}

/// `print` has no way to refuse, so lines beyond the limit of commands are dropped.
fn print(stage: &Stage, text: &str, place: impl FnOnce(&Running) -> Place) {
    let _beyond_the_limit = stage.with(|running| {
        let text = cut(text, running.limits.log_chars);
        running.push_at(place(running), Command::Log { warn: false, text })
    });
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}{CUT_MARK}", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn parse_json(text: &str) -> Answer<Dynamic> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(from_json(value)),
        Err(error) => refuse(format!("not JSON: {error}")),
    }
}

/// A JSON value as a script has it: whole numbers stay whole, `null` is `()`.
pub(super) fn from_json(value: Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().map_or(Dynamic::UNIT, Dynamic::from_float),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => {
            Dynamic::from_array(items.into_iter().map(from_json).collect::<Array>())
        }
        Value::Object(entries) => {
            let entries = entries
                .into_iter()
                .map(|(name, value)| (name.into(), from_json(value)));
            Dynamic::from_map(entries.collect::<Map>())
        }
    }
}

fn to_json(value: &Dynamic) -> Answer<String> {
    Ok(as_json(value, 0)?.to_string())
}

fn as_json(value: &Dynamic, depth: usize) -> Answer<Value> {
    if depth > JSON_DEPTH_MAX {
        return refuse(format!(
            "a value nested more than {JSON_DEPTH_MAX} deep is not written as JSON"
        ));
    }
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(value) = value.as_bool() {
        return Ok(value.into());
    }
    if let Ok(value) = value.as_int() {
        return Ok(value.into());
    }
    if let Ok(value) = value.as_float() {
        return match serde_json::Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => refuse("a number that is not finite has no JSON"),
        };
    }
    if let Ok(value) = value.as_char() {
        return Ok(value.to_string().into());
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(text.as_str().into());
    }
    if let Ok(items) = value.as_array_ref() {
        return items.iter().map(|item| as_json(item, depth + 1)).collect();
    }
    if let Ok(entries) = value.as_map_ref() {
        let entries = entries.iter();
        let entries =
            entries.map(|(name, value)| Ok((name.to_string(), as_json(value, depth + 1)?)));
        return Ok(Value::Object(entries.collect::<Answer<_>>()?));
    }
    if let Some(headers) = value.read_lock::<HeaderMap>() {
        let entries = headers
            .0
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()));
        return Ok(Value::Object(entries.collect()));
    }
    refuse(format!(
        "{} has no JSON; write its properties, such as `id`",
        kind_of(value)
    ))
}
