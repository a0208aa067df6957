//! The reference for writers of scenarios, made from the tables beside the registrations and
//! events. `docs/scripting.md` is this text; a test compares the two.

use std::fmt::Write;

use super::api;
use super::event::{self, CALLS, EventWord, LEG_EVENTS, UNIT_EVENTS};
use super::limits::Limits;
use super::support::support;

const INTRODUCTION: &str = include_str!("reference/introduction.md");
const VOXENGINE: &str = include_str!("reference/voxengine.md");

/// Chapters of functions: heading, what they belong to, a sentence before the table.
const CHAPTERS: &[(&str, &str, &str)] = &[
    ("Functions", "", "Called by their name from anywhere."),
    ("session", "session", "The object `session`."),
    (
        "Leg",
        "leg",
        "One call: a telephone, a browser, or one end of an internal call. A command to a \
      leg that has ended does nothing. One that comes before the answer holds from the first \
      packet on, or is refused with an event; the column `legs` says where a command works: \
      `all` are telephones, browsers and ends of internal calls, `before` the answer or only \
      `after` it. A leg that was forwarded to a user has its media elsewhere: it can be hung \
      up, rejected and sent messages, all else is refused (`direct-leg`).",
    ),
    (
        "Headers",
        "headers",
        "What `leg.headers` and `e.headers` are.",
    ),
    ("Conference", "conference", "A mixer."),
    (
        "Player",
        "player",
        "A source of sound that several units can hear.",
    ),
    (
        "Recorder",
        "recorder",
        "Gets what is sent to it, or records one leg or conference.",
    ),
    ("Timer", "timer", "Made by `after` and `every`."),
    ("phone", "phone", "The object `phone`."),
    ("users", "users", "The object `users`."),
];

/// The text of `docs/scripting.md`.
pub fn reference() -> String {
    let mut text = INTRODUCTION.replace("{calls}\n", &calls());
    for (heading, of, about) in CHAPTERS {
        let of_legs = *of == "leg";
        let head = match of_legs {
            true => {
                "| write | what it does | phone | browser | internal | forwarded |\n\
                 |---|---|---|---|---|---|\n"
            }
            false => "| write | what it does |\n|---|---|\n",
        };
        text += &format!("\n## {heading}\n\n{about}\n\n{head}");
        for entry in api::entries().filter(|entry| entry.of == *of) {
            text += &format!("| `{}` | {} |", entry.signature, entry.text);
            if of_legs {
                text += &legs(entry.signature);
            }
            text += "\n";
        }
        match *of {
            "leg" => events(&mut text, "leg", LEG_EVENTS),
            "conference" => {
                events(&mut text, "conference, player or recorder", UNIT_EVENTS);
            }
            _ => {}
        }
    }
    limits(&mut text, &Limits::default());
    text + VOXENGINE
}

/// The cells of a command, a kind of leg each; empty ones for a property.
fn legs(signature: &str) -> String {
    let name = signature.split('(').next().unwrap_or_default();
    let Some(support) = support(name) else {
        return " | | | |".to_owned();
    };
    let cell = |when: &[&str]| match when {
        ["", ""] => " always |",
        ["", _] => " before |",
        [_, ""] => " after |",
        _ => " never |",
    };
    support.codes.chunks(2).map(cell).collect()
}

fn events(text: &mut String, of: &str, words: &[EventWord]) {
    *text += &format!(
        "\nEvents of a {of}; beside the fields, `e` has the unit itself, such as `e.leg`:\n\n\
         | event | fields of `e` | when | on |\n|---|---|---|---|\n"
    );
    for word in words {
        let fields = fields(word);
        *text += &format!(
            "| `{}` | {fields} | {} | {} |\n",
            word.name, word.text, word.on
        );
    }
}

fn fields(word: &EventWord) -> String {
    let fields = word.fields.split(", ").filter(|field| !field.is_empty());
    let fields: Vec<String> = fields.map(|field| format!("`{field}`")).collect();
    fields.join(", ")
}

/// What is called with an event that no `on(…)` asked for.
fn calls() -> String {
    let mut text = "| the engine calls | when | fields of `e` |\n|---|---|---|\n".to_owned();
    for call in CALLS {
        let what = if event::entry_points().any(|name| name == call.name) {
            format!("`{}(e)`", call.name)
        } else {
            format!("a handler of `{}`", call.name)
        };
        text += &format!("| {what} | {} | {} |\n", call.text, fields(call));
    }
    text
}

fn limits(text: &mut String, limits: &Limits) {
    *text += "\n## Limits of one session\n\nAn error is raised where a limit is reached, and names \
              that statement, its function and the handler; other sessions do not notice.\n\n\
              | what | at most |\n|---|---|\n";
    let rows: &[(&str, usize)] = &[
        (
            "operations of one handler",
            usize::try_from(limits.operations).unwrap_or(usize::MAX),
        ),
        ("functions inside one another", limits.call_depth),
        ("nesting of one expression", limits.expression_depth),
        ("bytes of text in one value", limits.string_bytes),
        (
            "items of one array, nested ones included",
            limits.array_items,
        ),
        (
            "entries of one map, nested ones included",
            limits.map_entries,
        ),
        ("local variables at once", limits.variables),
        ("bytes of `this`, estimated", limits.state_bytes),
        ("timers at once", limits.timers),
        (
            "failures in a row of one timer, which is then cancelled",
            usize::try_from(limits.timer_failures).unwrap_or(usize::MAX),
        ),
        ("players at once", limits.players),
        ("conferences and recorders at once", limits.units),
        (
            "legs at once, in a session that is not a named conference",
            limits.legs,
        ),
        ("commands of one event", limits.commands),
        (
            "handlers of one event of one unit",
            limits.handlers_per_event,
        ),
        ("handlers of one unit, over all events", limits.handlers),
        (
            "characters of one log line; the rest is cut",
            limits.log_chars,
        ),
        (
            "bytes of one message, INFO or `custom_data`",
            limits.message_bytes,
        ),
        ("characters of one spoken text", limits.speech_chars),
    ];
    for (what, most) in rows {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "| {what} | {most} |");
    }
}
