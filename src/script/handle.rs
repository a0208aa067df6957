//! What a script holds: legs, conferences, players, recorders and timers as small copyable names,
//! the fixed objects `session`, `phone` and `users`, and SIP headers. A handle holds no data of the
//! session.

use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult, ImmutableString};

use crate::id::{LegId, TimerId, UnitId};

/// What host functions return: a value, or an error that a script may catch.
pub(super) type Answer<T> = Result<T, Box<EvalAltResult>>;

/// An error that a script may catch.
pub(super) fn refuse<T>(text: impl Into<String>) -> Answer<T> {
    Err(Box::new(EvalAltResult::ErrorRuntime(
        text.into().into(),
        rhai::Position::NONE,
    )))
}

/// A handle of something that has media.
pub(super) trait Unit: Copy + Send + Sync + 'static {
    /// Its media unit.
    fn unit(self) -> UnitId;
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident($inner:ty) $word:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) struct $name(pub $inner);

        impl $name {
            /// The word of this kind in texts for the writer of a script.
            pub(super) const WORD: &'static str = $word;
        }
    )*};
}

handles! {
    /// A leg.
    Leg(LegId) "leg";
    /// A conference mixer.
    Conference(UnitId) "conference";
    /// A player.
    Player(UnitId) "player";
    /// A recorder.
    Recorder(UnitId) "recorder";
    /// A timer.
    Timer(TimerId) "timer";
}

impl Unit for Leg {
    fn unit(self) -> UnitId {
        self.0.unit()
    }
}

impl Unit for Conference {
    fn unit(self) -> UnitId {
        self.0
    }
}

impl Unit for Player {
    fn unit(self) -> UnitId {
        self.0
    }
}

impl Unit for Recorder {
    fn unit(self) -> UnitId {
        self.0
    }
}

/// The object `session`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session;

/// The object `users`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Users;

/// The object `phone`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phone;

/// SIP headers as a script sees them: `headers["X-Name"]` in any letter case, `()` when there is
/// none.
#[derive(Clone, Debug, Default)]
pub(super) struct HeaderMap(pub Arc<Vec<(String, String)>>);

impl HeaderMap {
    /// The first value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }
}

/// The media unit behind any handle.
pub(super) fn unit_of(value: &Dynamic) -> Answer<UnitId> {
    if let Some(leg) = value.read_lock::<Leg>() {
        return Ok(leg.unit());
    }
    if let Some(conference) = value.read_lock::<Conference>() {
        return Ok(conference.0);
    }
    if let Some(player) = value.read_lock::<Player>() {
        return Ok(player.0);
    }
    if let Some(recorder) = value.read_lock::<Recorder>() {
        return Ok(recorder.0);
    }
    let what = kind_of(value);
    refuse(format!(
        "a leg, conference, player or recorder is needed here, not {what}"
    ))
}

/// What a value is, in words with an article.
pub(super) fn kind_of(value: &Dynamic) -> &'static str {
    if value.is_unit() {
        "() (a value that is not there)"
    } else if value.is_string() {
        "a string"
    } else if value.is_int() || value.is_float() {
        "a number"
    } else if value.is_bool() {
        "a boolean"
    } else if value.is_array() {
        "an array"
    } else if value.is_map() {
        "a map"
    } else if value.is_fnptr() {
        "a function"
    } else if value.is::<Leg>() {
        "a leg"
    } else if value.is::<Conference>() {
        "a conference"
    } else if value.is::<Timer>() {
        "a timer"
    } else {
        "something else"
    }
}

/// Registers the types, what `==` means for them and how they print.
pub(super) fn register(engine: &mut Engine) {
    fn of<T>(engine: &mut Engine, name: &str, word: &'static str, text: fn(&T) -> String)
    where
        T: Copy + PartialEq + Send + Sync + 'static,
    {
        engine.register_type_with_name::<T>(name);
        engine.register_fn("==", |a: T, b: T| a == b);
        engine.register_fn("!=", |a: T, b: T| a != b);
        let print = move |value: &mut T| format!("{word} {}", text(value));
        engine.register_fn("to_string", print);
        engine.register_fn("to_debug", print);
    }
    of::<Leg>(engine, "Leg", Leg::WORD, |leg| leg.0.to_string());
    of::<Conference>(engine, "Conference", Conference::WORD, |unit| {
        unit.0.to_string()
    });
    of::<Player>(engine, "Player", Player::WORD, |unit| unit.0.to_string());
    of::<Recorder>(engine, "Recorder", Recorder::WORD, |unit| {
        unit.0.to_string()
    });
    of::<Timer>(engine, "Timer", Timer::WORD, |timer| timer.0.to_string());
    engine.register_type_with_name::<Session>("Session");
    engine.register_type_with_name::<Phone>("Phone");
    engine.register_type_with_name::<Users>("Users");
    engine.register_type_with_name::<HeaderMap>("Headers");
    engine.register_indexer_get(|headers: &mut HeaderMap, name: ImmutableString| {
        headers
            .get(&name)
            .map_or(Dynamic::UNIT, |value| value.to_owned().into())
    });
}

/// `session`, `phone` and `users` by name.
pub(super) fn fixed_object(name: &str) -> Option<Dynamic> {
    match name {
        "session" => Some(Dynamic::from(Session)),
        "phone" => Some(Dynamic::from(Phone)),
        "users" => Some(Dynamic::from(Users)),
        _ => None,
    }
}
