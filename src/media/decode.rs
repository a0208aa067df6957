//! The speaking side of a leg at the tick: its 20 ms of received sound, and what they tell: level,
//! talk, digits. A leg that nobody hears, or that says itself that it is silent (RFC 6464), is
//! not decoded; its packets pass all the same.

use super::command::{DigitKind, Event};
use super::digits::Noted;
use super::rtp_leg::{RtpLeg, SILENCE_DBOV};
use super::tick::Tick;
use crate::audio::{Talk, level_dbov};

/// Makes what `leg` says in this tick.
pub(super) fn decode(leg: &mut RtpLeg, tick: &mut Tick<'_>) {
    while let Some(noted) = leg.digits.poll_event(tick.now) {
        tick.event(digit_event(leg, noted, DigitKind::TelephoneEvent));
    }
    let wanted =
        leg.seat.heard || leg.tap.is_some() || leg.talk.is_some() || leg.digits.wants_audio();
    let needed = wanted && leg.is_audible(tick.now);
    let sound = receive(leg, tick, needed);
    if let Some(tap) = &mut leg.tap {
        tap.said.clear();
        if sound && leg.signal.active() && !leg.seat.muted {
            tap.said.extend_from_slice(leg.signal.frame());
        }
    }
}

/// Puts the frame into the leg's signal; false when there is none.
fn receive(leg: &mut RtpLeg, tick: &mut Tick<'_>, needed: bool) -> bool {
    let sound = match &mut leg.stream {
        Some(stream) if stream.params.receive && needed => {
            let mut any = false;
            leg.signal
                .put(|out| any = stream.receiver.frame(tick.now, out));
            any
        }
        Some(stream) if stream.params.receive => {
            stream.receiver.skip(tick.now);
            false
        }
        Some(_) | None => false,
    };
    let level = if sound {
        level_dbov(leg.signal.frame())
    } else {
        SILENCE_DBOV
    };
    leg.level_dbov = level;
    let turn = leg.talk.as_mut().and_then(|talk| talk.handle_frame(level));
    match turn {
        Some(Talk::Started(level_dbov)) => {
            tick.event(Event::TalkStarted {
                unit: leg.unit,
                level_dbov,
            });
        }
        Some(Talk::Stopped(level_dbov)) => {
            tick.event(Event::TalkStopped {
                unit: leg.unit,
                level_dbov,
            });
        }
        None => {}
    }
    if !sound {
        leg.signal.silence();
        return false;
    }
    tick.counters.decoded += 1;
    if leg.digits.wants_audio() {
        leg.digits.push_audio(leg.signal.rate(), leg.signal.frame());
        while let Some(noted) = leg.digits.poll_tone(tick.now) {
            tick.event(digit_event(leg, noted, DigitKind::InBand));
        }
    }
    if leg.digits.pressed() {
        leg.signal.silence();
        return true;
    }
    leg.gains.input.apply(leg.signal.frame_mut());
    leg.signal.gate(level);
    true
}

fn digit_event(leg: &RtpLeg, noted: Noted, kind: DigitKind) -> Event {
    let unit = leg.unit;
    match noted {
        Noted::Pressed(digit) => Event::Digit {
            unit,
            digit,
            kind,
            duration_ms: None,
        },
        Noted::Released(digit, duration_ms) => Event::DigitReleased {
            unit,
            digit,
            kind,
            duration_ms,
        },
    }
}
