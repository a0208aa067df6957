//! The words of events: what `on(…)` accepts for each kind of unit, and the map `e` that a handler
//! gets.

use std::sync::Arc;

use rhai::{Dynamic, Map};

use super::command::{Headers, LegEvent, Place, UnitEvent};
use super::handle::{HeaderMap, Leg};

/// One event: its word, the fields of `e`, when it comes, and on what.
#[derive(Debug)]
pub(super) struct EventWord {
    /// The word in `on(…)`.
    pub name: &'static str,
    /// Fields beside the unit itself, for the reference.
    pub fields: &'static str,
    /// When it comes.
    pub text: &'static str,
    /// On which legs or units.
    pub on: &'static str,
}

const fn word(
    name: &'static str,
    fields: &'static str,
    text: &'static str,
    on: &'static str,
) -> EventWord {
    EventWord {
        name,
        fields,
        text,
        on,
    }
}

/// The engine calls it by its name.
const ENTRY_POINT: &str = "";
/// It gets a handler, which the engine calls.
const TAKES_HANDLER: &str = "handler";

/// Functions that are called with an event that no `on(…)` asked for.
pub(super) const CALLS: &[EventWord] = &[
    word(
        "on_started",
        "conference_name, custom_data",
        "once, first",
        ENTRY_POINT,
    ),
    word(
        "on_incoming",
        "leg, source, caller_id, display_name, destination, headers",
        "a call came in",
        ENTRY_POINT,
    ),
    word(
        "on_error",
        "kind, code, text, leg, file, line, column, function",
        "a command was refused (`kind` is `refused`), or a handler failed (`failed`)",
        ENTRY_POINT,
    ),
    word(
        "on_terminating",
        "reason",
        "once, last; timers cannot be set any more",
        ENTRY_POINT,
    ),
    word("after", "timer", "the time has come", TAKES_HANDLER),
    word("every", "timer", "each time", TAKES_HANDLER),
    word(
        "digits",
        "leg, digits, reason",
        "digits were typed, or no more come",
        TAKES_HANDLER,
    ),
];

/// The functions that the engine calls by their names.
pub(super) fn entry_points() -> impl Iterator<Item = &'static str> {
    let calls = CALLS.iter().filter(|call| call.on == ENTRY_POINT);
    calls.map(|call| call.name)
}

/// Telephones, browsers, ends of internal calls; not legs that were forwarded to a user.
const ALL: &str = "all";
/// Those with packets.
const WIRE: &str = "phone, browser";

/// Events of a leg.
pub(super) const LEG_EVENTS: &[EventWord] = &[
    word(
        "ringing",
        "code, headers",
        "The other side rings, by its `ring()` or the telephone of a user.",
        "internal, forwarded",
    ),
    word(
        "early_media",
        "code, headers",
        "The caller hears us before the answer, after `start_early_media()`.",
        WIRE,
    ),
    word(
        "connected",
        "code, headers",
        "The leg is answered and has media; `headers` are those of the other side's `answer`.",
        ANY,
    ),
    word(
        "disconnected",
        "reason, code, duration_ms, text, headers",
        "The last event of a leg that was connected; `text` and `headers` are what the other side \
         said in its `hangup` or BYE.",
        ANY,
    ),
    word(
        "failed",
        "code, reason, class, text, headers",
        "The last event of a leg that never was; `text` is that of the other side's `reject`.",
        ANY,
    ),
    word(
        "message",
        "text",
        "A text message from the other side.",
        ALL,
    ),
    word(
        "info",
        "mime, body, headers",
        "A SIP INFO that is neither a message nor a digit.",
        ALL,
    ),
    word(
        "digit",
        "digit, kind, duration_ms",
        "A key goes down; needs `detect_digits`. `kind` is one of its words. `duration_ms` is \
         `()` while the key is down, that is, for `telephone_event` and `in_band` on a phone or \
         browser.",
        ALL,
    ),
    word(
        "digit_released",
        "digit, kind, duration_ms",
        "That key is up again, after so long.",
        WIRE,
    ),
    word(
        "playback_started",
        "source",
        "A sound or a spoken text begins.",
        ALL,
    ),
    word(
        "playback_finished",
        "source, error",
        "It ended by itself; `error` is `()` when it ended well. Not after `stop_playback()`.",
        ALL,
    ),
    word(
        "talk_started",
        "level_dbov",
        "The other side begins to talk.",
        ALL,
    ),
    word(
        "talk_stopped",
        "level_dbov",
        "The other side is silent again.",
        ALL,
    ),
    word("hold", "", "The other side put us on hold.", WIRE),
    word("unhold", "", "The other side took us off hold.", WIRE),
    word(
        "reconnecting",
        "",
        "A browser is not heard any more and is waited for. Messages to it wait too.",
        "browser",
    ),
    word("reconnected", "", "The browser is heard again.", "browser"),
    word("media_timeout", "", "No media arrived for too long.", WIRE),
    word(
        "quality",
        "loss, jitter_ms, mos, rtt_ms",
        "A report on reception; `rtt_ms` may be `()`.",
        WIRE,
    ),
    word(
        "record_started",
        "url",
        "Recording began; the file has its name.",
        ALL,
    ),
    word(
        "record_stopped",
        "url, duration_ms",
        "Recording ended; comes after the end of the leg and of the session too.",
        ALL,
    ),
    word(
        "record_failed",
        "error",
        "Nothing was recorded, or recording could not go on.",
        ALL,
    ),
];

/// Every leg.
const ANY: &str = "all, forwarded";

/// Events of a conference, player or recorder.
pub(super) const UNIT_EVENTS: &[EventWord] = &[
    word(
        "member_joined",
        "leg",
        "A leg feeds it or hears it.",
        "conference",
    ),
    word("member_left", "leg", "A leg is gone.", "conference"),
    word(
        "active_speaker",
        "leg",
        "Who speaks most has changed: another one is clearly louder for half a second, or who \
         spoke has stopped; `()` when nobody speaks.",
        "conference",
    ),
    word(
        "playback_started",
        "source",
        "A sound begins.",
        "conference, player",
    ),
    word(
        "playback_finished",
        "source, error",
        "It ended by itself.",
        "conference, player",
    ),
    word(
        "record_started",
        "url",
        "Recording began.",
        "conference, recorder",
    ),
    word(
        "record_stopped",
        "url, duration_ms",
        "Recording ended.",
        "conference, recorder",
    ),
    word(
        "record_failed",
        "error",
        "Nothing was recorded, or recording could not go on.",
        "conference, recorder",
    ),
];

/// The word of the table that equals `name`.
pub(super) fn known(words: &'static [EventWord], name: &str) -> Option<&'static str> {
    words
        .iter()
        .find(|word| word.name == name)
        .map(|word| word.name)
}

/// Every event word, for hints.
pub(super) fn all_names() -> impl Iterator<Item = &'static str> {
    LEG_EVENTS.iter().chain(UNIT_EVENTS).map(|word| word.name)
}

/// The headers as scripts see them.
pub(super) fn headers(headers: &Headers) -> Dynamic {
    Dynamic::from(HeaderMap(Arc::new(headers.clone())))
}

fn int(value: impl Into<i64>) -> Dynamic {
    Dynamic::from_int(value.into())
}

fn float(value: f32) -> Dynamic {
    Dynamic::from_float(f64::from(value))
}

/// Milliseconds as a script number; a century is far below the end of the range.
pub(super) fn millis(value: u64) -> Dynamic {
    Dynamic::from_int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn text(value: &str) -> Dynamic {
    value.to_owned().into()
}

fn optional(value: Option<&String>) -> Dynamic {
    value.map_or(Dynamic::UNIT, |value| text(value))
}

/// A map from a list of fields.
pub(super) fn map<const N: usize>(fields: [(&str, Dynamic); N]) -> Map {
    fields
        .into_iter()
        .map(|(name, value)| (name.into(), value))
        .collect()
}

/// The fields of `e` of a leg's event.
pub(super) fn leg_event(leg: Leg, event: &LegEvent) -> Map {
    // tidy: table
    let mut fields = match event {
        LegEvent::Ringing { code, headers: h } => {
            map([("code", int(*code)), ("headers", headers(h))])
        }
        LegEvent::EarlyMedia { code, headers: h } => {
            map([("code", int(*code)), ("headers", headers(h))])
        }
        LegEvent::Connected { code, headers: h } => {
            map([("code", int(*code)), ("headers", headers(h))])
        }
        LegEvent::Disconnected {
            reason,
            code,
            duration_ms,
            text: t,
            headers: h,
        } => map([
            ("text", text(t)),
            ("headers", headers(h)),
            ("reason", text(reason)),
            ("code", int(*code)),
            ("duration_ms", millis(*duration_ms)),
        ]),
        LegEvent::Failed {
            code,
            reason,
            class,
            text: t,
            headers: h,
        } => map([
            ("text", text(t)),
            ("headers", headers(h)),
            ("code", int(*code)),
            ("reason", text(reason)),
            ("class", text(class)),
        ]),
        LegEvent::Message { text: t } => map([("text", text(t))]),
        LegEvent::Info {
            mime,
            body,
            headers: h,
        } => map([
            ("mime", text(mime)),
            ("body", text(body)),
            ("headers", headers(h)),
        ]),
        LegEvent::Digit {
            digit,
            kind,
            duration_ms,
        } => map([
            ("digit", digit.to_string().into()),
            ("kind", text(kind)),
            ("duration_ms", duration_ms.map_or(Dynamic::UNIT, int)),
        ]),
        LegEvent::DigitReleased {
            digit,
            kind,
            duration_ms,
        } => map([
            ("digit", digit.to_string().into()),
            ("kind", text(kind)),
            ("duration_ms", int(*duration_ms)),
        ]),
        LegEvent::PlaybackStarted { source } => map([("source", text(source))]),
        LegEvent::PlaybackFinished { source, error } => map([
            ("source", text(source)),
            ("error", optional(error.as_ref())),
        ]),
        LegEvent::TalkStarted { level_dbov } => map([("level_dbov", int(*level_dbov))]),
        LegEvent::TalkStopped { level_dbov } => map([("level_dbov", int(*level_dbov))]),
        LegEvent::Hold => Map::new(),
        LegEvent::Unhold => Map::new(),
        LegEvent::Reconnecting => Map::new(),
        LegEvent::Reconnected => Map::new(),
        LegEvent::MediaTimeout => Map::new(),
        LegEvent::Quality {
            loss,
            jitter_ms,
            mos,
            rtt_ms,
        } => map([
            ("loss", float(*loss)),
            ("jitter_ms", float(*jitter_ms)),
            ("mos", float(*mos)),
            ("rtt_ms", rtt_ms.map_or(Dynamic::UNIT, float)),
        ]),
        LegEvent::RecordStarted { url } => map([("url", text(url))]),
        LegEvent::RecordStopped { url, duration_ms } => {
            map([("url", text(url)), ("duration_ms", millis(*duration_ms))])
        }
        LegEvent::RecordFailed { error } => map([("error", text(error))]),
    };
    fields.insert("leg".into(), Dynamic::from(leg));
    fields
}

/// The fields of `e` of a unit's event, without the unit itself.
pub(super) fn unit_event(event: &UnitEvent) -> Map {
    match event {
        UnitEvent::MemberJoined { leg } => map([("leg", Dynamic::from(Leg(*leg)))]),
        UnitEvent::MemberLeft { leg } => map([("leg", Dynamic::from(Leg(*leg)))]),
        UnitEvent::ActiveSpeaker { leg } => {
            let leg = leg.map_or(Dynamic::UNIT, |leg| Dynamic::from(Leg(leg)));
            map([("leg", leg)])
        }
        UnitEvent::PlaybackStarted { source } => map([("source", text(source))]),
        UnitEvent::PlaybackFinished { source, error } => map([
            ("source", text(source)),
            ("error", optional(error.as_ref())),
        ]),
        UnitEvent::RecordStarted { url } => map([("url", text(url))]),
        UnitEvent::RecordStopped { url, duration_ms } => {
            map([("url", text(url)), ("duration_ms", millis(*duration_ms))])
        }
        UnitEvent::RecordFailed { error } => map([("error", text(error))]),
    }
}

/// What `on_error` is told.
pub(super) struct Trouble<'a> {
    /// `refused` or `failed`.
    pub kind: &'static str,
    pub code: &'a str,
    pub text: &'a str,
    pub place: &'a Place,
    pub function: &'a str,
}

/// `e` of `on_error`.
pub(super) fn error_event(about: &Trouble<'_>, leg: Option<Leg>) -> Map {
    let number = |number: usize| Dynamic::from_int(i64::try_from(number).unwrap_or(0));
    map([
        ("kind", text(about.kind)),
        ("code", text(about.code)),
        ("text", text(about.text)),
        ("leg", leg.map_or(Dynamic::UNIT, Dynamic::from)),
        ("file", text(&about.place.file)),
        ("line", number(about.place.line)),
        ("column", number(about.place.column)),
        ("function", text(about.function)),
    ])
}
