//! Digits of a leg: which become events, and those that a scenario sends.

use crate::id::LegId;
use crate::media::{Command, DigitKind};
use crate::script::LegEvent;

use super::context::Context;
use super::delivery::FromPeer;
use super::leg::{DigitChoice, LegState, Link};
use super::refused::{Refused, refuse, refuse_direct};
use super::session::Session;

impl Session {
    /// A press, by whatever transport; the media core has made one of several.
    pub(super) fn handle_digit(
        &mut self,
        cx: &mut Context,
        id: LegId,
        digit: char,
        kind: DigitKind,
        duration_ms: Option<u32>,
    ) {
        if let Some(kind) = self.wanted_kind(id, kind) {
            let event = LegEvent::Digit {
                digit,
                kind,
                duration_ms,
            };
            self.tell_leg(cx, id, event);
        }
    }

    /// The key of a press that came as telephone-event or tone is up.
    pub(super) fn handle_digit_released(
        &mut self,
        cx: &mut Context,
        id: LegId,
        (digit, kind): (char, DigitKind),
        duration_ms: u32,
    ) {
        if let Some(kind) = self.wanted_kind(id, kind) {
            let event = LegEvent::DigitReleased {
                digit,
                kind,
                duration_ms,
            };
            self.tell_leg(cx, id, event);
        }
    }

    /// The word of a kind of digits that the scenario wants; as `detect_digits` takes it.
    fn wanted_kind(&self, id: LegId, kind: DigitKind) -> Option<String> {
        let wanted = self.legs.get(&id)?.digits;
        let (wanted, word) = match kind {
            DigitKind::TelephoneEvent => (wanted.telephone_event, "telephone_event"),
            DigitKind::InBand => (wanted.in_band, "in_band"),
            DigitKind::Info => (wanted.info, "info"),
        };
        wanted.then(|| word.to_owned())
    }

    pub(super) fn detect_digits(&mut self, cx: &mut Context, id: LegId, choice: DigitChoice) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.digits = choice;
        if leg.sip().is_some() {
            cx.media(Command::DetectDigits {
                unit: id.unit(),
                telephone_event: choice.telephone_event,
                in_band: choice.in_band,
            });
        }
    }

    pub(super) fn send_digits(
        &mut self,
        cx: &mut Context,
        id: LegId,
        digits: String,
    ) -> Result<(), Refused> {
        if self.is_direct(id) {
            return refuse_direct();
        }
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        let bad = digits
            .chars()
            .find(|c| !matches!(c, '0'..='9' | '*' | '#' | 'A'..='D' | 'p'));
        if let Some(bad) = bad {
            return refuse("bad-digit", format!("{bad:?} is not one of 0-9 * # A-D p"));
        }
        match &leg.link {
            Link::Sip(_) if leg.state == LegState::Alerting => {
                return refuse("no-media", "the leg has no media yet");
            }
            Link::Sip(_) => cx.media(Command::SendDigits {
                unit: id.unit(),
                digits,
            }),
            Link::Internal { peer, .. } => {
                for digit in digits.chars().filter(|digit| *digit != 'p') {
                    cx.tell_peer(*peer, FromPeer::Digit(digit));
                }
            }
        }
        Ok(())
    }
}
