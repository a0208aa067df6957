//! Options as scripts give them, `#{name: value}`: read by name, each with its type; a name that
//! nobody knows is an error that lists the known ones.

use rhai::{Dynamic, Map};

use super::super::command::{CallOptions, Headers, RecordOptions, Sound, VoiceChoice};
use super::super::handle::{Answer, HeaderMap, kind_of, refuse};
use super::super::limits::Limits;

/// Header names that a script may not set: the engine writes them itself.
const HEADER_PREFIX: &str = "x-";
/// Headers of one command.
const HEADERS_MAX: usize = 50;

/// Refuses names that are not in `known`.
pub(super) fn only(options: &Map, known: &[&str]) -> Answer<()> {
    match options.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => refuse(format!(
            "there is no option `{name}`; known: {}",
            known.join(", ")
        )),
        None => Ok(()),
    }
}

/// The text of an option.
pub(super) fn text(options: &Map, name: &str) -> Answer<Option<String>> {
    match options.get(name) {
        None => Ok(None),
        Some(value) if value.is_unit() => Ok(None),
        Some(value) => match value.as_immutable_string_ref() {
            Ok(text) => Ok(Some(text.to_string())),
            Err(_) => refuse(format!("`{name}` is a string, not {}", kind_of(value))),
        },
    }
}

/// The truth of an option.
pub(super) fn flag(options: &Map, name: &str) -> Answer<bool> {
    match options.get(name) {
        None => Ok(false),
        Some(value) => match value.as_bool() {
            Ok(flag) => Ok(flag),
            Err(_) => refuse(format!("`{name}` is true or false, not {}", kind_of(value))),
        },
    }
}

/// The number of an option.
pub(super) fn number(options: &Map, name: &str) -> Answer<Option<f64>> {
    options
        .get(name)
        .map(|value| as_number(value, name))
        .transpose()
}

/// A whole number: `what` is the plural of what it counts.
pub(super) fn whole(value: &Dynamic, what: &str) -> Answer<i64> {
    match (value.as_int(), value.as_float()) {
        (Ok(number), _) => Ok(number),
        (_, Ok(number)) => refuse(format!("{what} are whole numbers, not {number}")),
        _ => refuse(format!("{what} are a number, not {}", kind_of(value))),
    }
}

/// A number from an integer or a float.
pub(super) fn as_number(value: &Dynamic, name: &str) -> Answer<f64> {
    if let Ok(number) = value.as_float() {
        if number.is_finite() {
            return Ok(number);
        }
        return refuse(format!("`{name}` is not a number that can be used"));
    }
    match value.as_int() {
        #[allow(
            clippy::cast_precision_loss,
            reason = "larger numbers are refused by range"
        )]
        Ok(number) => Ok(number as f64),
        Err(_) => refuse(format!("`{name}` is a number, not {}", kind_of(value))),
    }
}

/// A number of decibels.
pub(super) fn decibels(value: f64, name: &str) -> Answer<f32> {
    if !(-60.0..=30.0).contains(&value) {
        return refuse(format!("`{name}` is between -60 and 30 dB"));
    }
    #[allow(clippy::cast_possible_truncation, reason = "the range was checked")]
    Ok(value as f32)
}

/// A sentence of one line, at most 200 characters, that can stand between quotes; empty when there
/// is none.
pub(super) fn words(value: Option<&Dynamic>) -> Answer<String> {
    let Some(value) = value else {
        return Ok(String::new());
    };
    let text = value.to_string();
    if text.len() > 200
        || text
            .chars()
            .any(|c| c.is_control() || c == '"' || c == '\\')
    {
        return refuse("`reason` is a sentence without quotes and line ends");
    }
    Ok(text)
}

/// Headers from a map or from received headers. Only `X-…` names pass, and values of one line.
pub(super) fn headers(value: Option<&Dynamic>) -> Answer<Headers> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let pairs: Headers = if let Some(received) = value.read_lock::<HeaderMap>() {
        let pass = |name: &str| name.to_ascii_lowercase().starts_with(HEADER_PREFIX);
        received
            .0
            .iter()
            .filter(|(name, _)| pass(name))
            .cloned()
            .collect()
    } else if let Ok(map) = value.as_map_ref() {
        map.iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    } else {
        return refuse(format!("`headers` is a map, not {}", kind_of(value)));
    };
    if pairs.len() > HEADERS_MAX {
        return refuse(format!("more than {HEADERS_MAX} headers"));
    }
    for (name, value) in &pairs {
        let token = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.!%*+`'~".contains(&b));
        if !token || !name.to_ascii_lowercase().starts_with(HEADER_PREFIX) {
            return refuse(format!(
                "the header `{name}` cannot be set; only names that begin with X-"
            ));
        }
        if value.chars().any(char::is_control) {
            return refuse(format!(
                "the header `{name}` has a value of more than one line"
            ));
        }
    }
    Ok(pairs)
}

/// Options of `call_conference`.
pub(super) fn call(options: &Map) -> Answer<CallOptions> {
    only(options, &["caller_id", "display_name", "headers"])?;
    Ok(CallOptions {
        caller_id: text(options, "caller_id")?.unwrap_or_default(),
        display_name: text(options, "display_name")?.unwrap_or_default(),
        headers: headers(options.get("headers"))?,
    })
}

/// Options of a recording.
pub(super) fn record(options: &Map) -> Answer<RecordOptions> {
    only(options, &["name", "stereo"])?;
    let name = text(options, "name")?.unwrap_or_default();
    if name.contains(['/', '\\']) || name.starts_with('.') || name.chars().any(char::is_control) {
        return refuse("`name` is a file name without folders");
    }
    Ok(RecordOptions {
        name,
        stereo: flag(options, "stereo")?,
    })
}

/// What `play` plays, whether again and again, and how loud.
pub(super) fn play(source: &str, options: &Map) -> Answer<(Sound, bool, f32)> {
    only(options, &["loop", "gain_db"])?;
    let gain_db = decibels(number(options, "gain_db")?.unwrap_or(0.0), "gain_db")?;
    Ok((sound(source)?, flag(options, "loop")?, gain_db))
}

/// Progress tones by name.
const TONES: &[&str] = &["ringback", "busy", "congestion", "dial", "beep", "hold"];

/// A file, or `tone:busy` with a country: `tone:busy:de`.
pub(in super::super) fn sound(source: &str) -> Answer<Sound> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return refuse(
            "URLs are not played: put the file into the prompts folder and give its name",
        );
    }
    let Some(tone) = source.strip_prefix("tone:") else {
        if source.is_empty() {
            return refuse("the source of the sound is empty");
        }
        return Ok(Sound::File {
            path: source.to_owned(),
        });
    };
    let (name, country) = tone.split_once(':').unwrap_or((tone, ""));
    if !TONES.contains(&name) {
        return refuse(format!(
            "there is no tone `{name}`; known: {}",
            TONES.join(", ")
        ));
    }
    Ok(Sound::Tone {
        name: name.to_owned(),
        country: country.to_ascii_lowercase(),
    })
}

/// A text to be spoken.
pub(super) fn speech(limits: &Limits, text: &str, options: &Map) -> Answer<Sound> {
    only(options, &["voice", "language", "rate"])?;
    if text.trim().is_empty() {
        return refuse("the text to be spoken is empty");
    }
    if text.chars().count() > limits.speech_chars {
        return refuse(format!(
            "a spoken text has at most {} characters",
            limits.speech_chars
        ));
    }
    let rate = number(options, "rate")?.unwrap_or(1.0);
    if !(0.5..=2.0).contains(&rate) {
        return refuse("`rate` is between 0.5 and 2");
    }
    #[allow(clippy::cast_possible_truncation, reason = "the range was checked")]
    let voice = VoiceChoice {
        language: self::text(options, "language")?.unwrap_or_default(),
        voice: self::text(options, "voice")?.unwrap_or_default(),
        rate: rate as f32,
    };
    Ok(Sound::Speech {
        text: text.to_owned(),
        voice,
    })
}
