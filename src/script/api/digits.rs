//! `digits`: collects what a caller types, with barge-in.
//!
//! | while | happens | then |
//! |---|---|---|
//! | prompt plays | digit | prompt stops, the digit counts |
//! | prompt plays | prompt ends, is replaced or stopped | the first timeout runs |
//! | collecting | digit | it counts, the inter-digit timeout runs anew |
//! | collecting | clear key | nothing is left, the first timeout runs |
//! | collecting | terminator, or as many digits as are wanted | done: `terminator`, `max` |
//! | collecting | timeout | done: `timeout` |
//! | any | the leg ends | done: `hangup` |
//! | any | another `digits` on the leg | done: `replaced`; its prompt stops |
//!
//! Later digits belong to nobody. The handler of what was replaced is called when the handler that
//! replaced it has returned, so before anything comes of the new collection.

use rhai::{Dynamic, Engine, Map, NativeCallContext};

use super::super::collector::{Awaited, Collected, Collector};
use super::super::command::{Command, LegCommand, Place};
use super::super::event;
use super::super::handle::{Answer, Leg, refuse};
use super::super::instance::TimerRecord;
use super::super::turn::{Running, with};
use super::{Entry, entry, function, handler, options};
use crate::id::{LegId, TimerId};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "",
        "digits(leg, #{max, terminator, clear, first_timeout_s, inter_digit_timeout_s, prompt}, \
         handler)",
        "Collects digits and calls the handler once with `#{leg, digits, reason}`; the reason is \
         `terminator`, `max`, `timeout`, `hangup`, or `replaced` when a later `digits` on the leg \
         takes its place; this handler is then called first. On a leg that has ended it does \
         nothing. `prompt` is a text to speak, or a sound file or tone to \
         play; the first digit stops it. Digit detection is switched on meanwhile. \
         Defaults: 32 digits, no terminator, no clear key, 10 s, 5 s.",
    ),
    entry(
        "leg",
        "digits(#{…}, handler)",
        "The same, written as a method.",
    ),
];

/// Digits that are collected at most.
const DIGITS_MAX: i64 = 128;
/// Digits collected when `max` is not given.
const DIGITS_DEFAULT: i64 = 32;
/// Collections of one leg that are replaced in one event: handlers that begin a collection whenever
/// theirs is replaced would never come to an end.
const REPLACED_MAX: usize = 10;
/// The longest timeout, in seconds.
const TIMEOUT_S_MAX: f64 = 600.0;
/// Endings and beginnings by which a prompt is a sound rather than a text.
const SOUND_ENDS: &[&str] = &[".wav", ".mp3", ".ogg", ".flac"];
const SOUND_BEGINS: &[&str] = &["http://", "https://", "tone:"];

pub(super) fn register(engine: &mut Engine) {
    function(
        engine,
        "digits",
        |ctx: NativeCallContext, leg: &mut Leg, options: Map, h: Dynamic| {
            begin(&ctx, *leg, &options, &h)
        },
    );
}

fn begin(ctx: &NativeCallContext, leg: Leg, options: &Map, value: &Dynamic) -> Answer<()> {
    options::only(
        options,
        &[
            "max",
            "terminator",
            "clear",
            "first_timeout_s",
            "inter_digit_timeout_s",
            "prompt",
        ],
    )?;
    let max = options.get("max").map_or(Ok(DIGITS_DEFAULT), |max| {
        options::whole(max, "digits of `max`")
    })?;
    if !(1..=DIGITS_MAX).contains(&max) {
        return refuse(format!("`max` is from 1 to {DIGITS_MAX}"));
    }
    let prompt = options::text(options, "prompt")?;
    let prompt = with(ctx, |running| {
        prompt.map(|text| sound(running, &text)).transpose()
    })?;
    with(ctx, |running| {
        let handler = handler(running, value)?;
        if running.tables.live_leg(leg.0).is_none() {
            return Ok(());
        }
        let mut collector = Collector {
            handler,
            max: usize::try_from(max).unwrap_or(1),
            terminator: key(options, "terminator")?,
            clear: key(options, "clear")?,
            first_timeout_ms: timeout_ms(options, "first_timeout_s", 10.0)?,
            inter_digit_timeout_ms: timeout_ms(options, "inter_digit_timeout_s", 5.0)?,
            digits: String::new(),
            prompt_plays: prompt.is_some(),
            timer: None,
            place: running.place(ctx),
        };
        replace(running, leg.0, prompt.is_some())?;
        detect(running, &collector.place, leg.0, true)?;
        match prompt {
            Some(sound) => {
                let command = LegCommand::Play {
                    sound,
                    looped: false,
                    gain_db: 0.0,
                };
                running.push(
                    ctx,
                    Command::Leg {
                        leg: leg.0,
                        command,
                    },
                )?;
            }
            None => collector.wait(running, leg.0, collector.first_timeout_ms)?,
        }
        running.tables.collectors.insert(leg.0, collector);
        Ok(())
    })
}

/// Whether a prompt is a sound rather than a text.
pub(in super::super) fn is_sound(prompt: &str) -> bool {
    SOUND_ENDS.iter().any(|end| prompt.ends_with(end))
        || SOUND_BEGINS.iter().any(|begin| prompt.starts_with(begin))
}

fn sound(running: &Running, prompt: &str) -> Answer<super::super::command::Sound> {
    if is_sound(prompt) {
        return options::sound(prompt);
    }
    options::speech(&running.limits, prompt, &Map::new())
}

fn key(options: &Map, name: &str) -> Answer<Option<char>> {
    let Some(text) = options::text(options, name)? else {
        return Ok(None);
    };
    let mut keys = text.chars();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) if key.is_ascii_digit() || "*#ABCD".contains(key) => Ok(Some(key)),
        _ => refuse(format!("`{name}` is one key")),
    }
}

fn timeout_ms(options: &Map, name: &str, default_s: f64) -> Answer<u64> {
    let seconds = options::number(options, name)?.unwrap_or(default_s);
    if !(0.1..=TIMEOUT_S_MAX).contains(&seconds) {
        return refuse(format!("`{name}` is from 0.1 to {TIMEOUT_S_MAX} seconds"));
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked"
    )]
    Ok((seconds * 1000.0) as u64)
}

/// Switches digit detection, unless the script asked for it itself.
fn detect(running: &mut Running, place: &Place, leg: LegId, on: bool) -> Answer<()> {
    match running.tables.live_leg(leg) {
        Some(record) if !record.detects_digits => {
            let command = LegCommand::DetectDigits {
                telephone_event: on,
                in_band: on,
                info: on,
            };
            running.push_at(place.clone(), Command::Leg { leg, command })
        }
        _ => Ok(()),
    }
}

impl Collector {
    /// Starts the pause after which the collection ends.
    fn wait(&mut self, running: &mut Running, leg: LegId, after_ms: u64) -> Answer<()> {
        self.stop_waiting(running)?;
        if running.tables.terminating {
            return Ok(());
        }
        let timer = TimerId(running.fresh_id()?);
        running
            .tables
            .timers
            .insert(timer, TimerRecord::Digits { leg });
        self.timer = Some(timer);
        let command = Command::SetTimer {
            timer,
            after_ms,
            repeat: false,
        };
        running.push_at(self.place.clone(), command)
    }

    fn stop_waiting(&mut self, running: &mut Running) -> Answer<()> {
        let Some(timer) = self.timer.take() else {
            return Ok(());
        };
        match running.tables.timers.remove(&timer) {
            Some(_) => running.push_at(self.place.clone(), Command::CancelTimer { timer }),
            None => Ok(()),
        }
    }

    /// The end of the collection: what the handler gets.
    fn done(mut self, running: &mut Running, leg: LegId, reason: &str) -> Answer<Collected> {
        self.stop_waiting(running)?;
        detect(running, &self.place, leg, false)?;
        Ok(self.collected(leg, reason))
    }

    fn collected(self, leg: LegId, reason: &str) -> Collected {
        let event = event::map([
            ("leg", Dynamic::from(Leg(leg))),
            ("digits", self.digits.into()),
            ("reason", reason.to_owned().into()),
        ]);
        Collected {
            handler: self.handler,
            event,
        }
    }
}

/// Ends what is being collected on a leg, in favour of another collection.
fn replace(running: &mut Running, leg: LegId, prompt_follows: bool) -> Answer<()> {
    if !running.tables.collectors.contains_key(&leg) {
        return Ok(());
    }
    let times = running.replacements.entry(leg).or_default();
    if *times >= REPLACED_MAX {
        return refuse(format!(
            "more than {REPLACED_MAX} `digits` took each other's place in one event"
        ));
    }
    *times += 1;
    let Some(mut collector) = running.tables.collectors.remove(&leg) else {
        return Ok(());
    };
    collector.stop_waiting(running)?;
    if collector.prompt_plays && !prompt_follows {
        let command = LegCommand::StopPlayback;
        running.push_at(collector.place.clone(), Command::Leg { leg, command })?;
    }
    running
        .replaced
        .push_back(collector.collected(leg, "replaced"));
    Ok(())
}

/// Something happened to `leg` for which collections wait.
pub(in super::super) fn handle_leg(
    running: &mut Running,
    leg: LegId,
    event: Awaited,
) -> Answer<Option<Collected>> {
    match event {
        Awaited::Digit(digit) => handle_digit(running, leg, digit),
        Awaited::PlaybackFinished => handle_prompt_finished(running, leg).map(|()| None),
        Awaited::LegEnded => match running.tables.collectors.remove(&leg) {
            Some(collector) => collector.done(running, leg, "hangup").map(Some),
            None => Ok(None),
        },
    }
}

/// A digit came on `leg`.
fn handle_digit(running: &mut Running, leg: LegId, digit: char) -> Answer<Option<Collected>> {
    let Some(mut collector) = running.tables.collectors.remove(&leg) else {
        return Ok(None);
    };
    if collector.prompt_plays {
        collector.prompt_plays = false;
        let command = Command::Leg {
            leg,
            command: LegCommand::StopPlayback,
        };
        running.push_at(collector.place.clone(), command)?;
    }
    if collector.terminator == Some(digit) {
        return collector.done(running, leg, "terminator").map(Some);
    }
    let after_ms = if collector.clear == Some(digit) {
        collector.digits.clear();
        collector.first_timeout_ms
    } else {
        collector.digits.push(digit);
        if collector.digits.len() >= collector.max {
            return collector.done(running, leg, "max").map(Some);
        }
        collector.inter_digit_timeout_ms
    };
    collector.wait(running, leg, after_ms)?;
    running.tables.collectors.insert(leg, collector);
    Ok(None)
}

/// What played on `leg` ended by itself, or the script stopped it or played something else: then
/// the prompt never "finishes".
pub(super) fn handle_prompt_finished(running: &mut Running, leg: LegId) -> Answer<()> {
    let Some(mut collector) = running.tables.collectors.remove(&leg) else {
        return Ok(());
    };
    if collector.prompt_plays {
        collector.prompt_plays = false;
        collector.wait(running, leg, collector.first_timeout_ms)?;
    }
    running.tables.collectors.insert(leg, collector);
    Ok(())
}

/// The pause of `leg` is over.
pub(in super::super) fn handle_digits_timer(
    running: &mut Running,
    leg: LegId,
) -> Answer<Option<Collected>> {
    let Some(mut collector) = running.tables.collectors.remove(&leg) else {
        return Ok(None);
    };
    collector.timer = None;
    collector.done(running, leg, "timeout").map(Some)
}
