//! In-dialog INFO in both directions: text messages, raw info, digits. One INFO of ours is on its
//! way at a time, so that messages arrive in the order in which they were sent.
//!
//! **Messages that come twice.** An INFO of ours whose answer was lost with a WebSocket is sent
//! again over the next one, although the peer may have it. Each carries its number within the call
//! in [`NUMBER`], from 1, and keeps it when it is sent again: what is not higher than the last one
//! has been taken already. We read the same header of INFOs that come, and answer a repeated one
//! with 200 without telling anybody.

use std::time::Instant;

use tracing::debug;

use crate::id::{LegId, SessionId};
use crate::media::{self, DigitKind};
use crate::script::{Headers, LegEvent, Place};
use crate::sip::{Body, CallKey, Request, RequestKey};

use super::Engine;
use super::alarm::Alarm;
use super::leg::{DigitChoice, Leg, LegState, Link, MediaState, Outgoing, x_headers};
use super::refused::{Refused, refuse, refuse_direct};

/// The number of a message within its call and direction.
const NUMBER: &str = "X-Message-Number";
const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
const DTMF_RELAY: &str = "application/dtmf-relay";
const DTMF: &str = "application/dtmf";
/// How long a digit lasts that one end of an internal call sends to the other.
const SENT_MS: u32 = 100;

impl Engine {
    /// An INFO from the peer.
    pub(super) fn handle_info(
        &mut self,
        now: Instant,
        call: CallKey,
        key: RequestKey,
        request: &Request,
    ) {
        let Some(&id) = self.calls.get(&call) else {
            self.respond(now, key, 481, Vec::new(), None);
            return;
        };
        if request.body.len() > self.settings.message_bytes_max {
            self.respond(now, key, 413, Vec::new(), None);
            return;
        }
        if self.is_repeated(id, request) {
            self.respond(now, key, 200, Vec::new(), None);
            return;
        }
        let mime = request.headers.content_type().ok().flatten();
        let mime = mime
            .map(|kind| kind.essence.to_ascii_lowercase())
            .unwrap_or_default();
        let Ok(text) = std::str::from_utf8(&request.body) else {
            self.respond(now, key, 415, Vec::new(), None);
            return;
        };
        let event = match mime.as_str() {
            DTMF_RELAY | DTMF => {
                match parse_dtmf(&mime, text) {
                    Some((digit, duration_ms)) => {
                        self.respond(now, key, 200, Vec::new(), None);
                        self.media(media::Command::NoteDigit {
                            unit: id.unit(),
                            digit,
                            duration_ms,
                        });
                    }
                    None => self.respond(now, key, 400, Vec::new(), None),
                }
                return;
            }
            TEXT | JSON => LegEvent::Message {
                text: text.to_owned(),
            },
            _ => LegEvent::Info {
                mime: mime.clone(),
                body: text.to_owned(),
                headers: x_headers(&request.headers),
            },
        };
        self.respond(now, key, 200, Vec::new(), None);
        self.tell_leg(now, id, event);
    }

    /// Whether the leg has taken a message of this number; if not, it has from here on.
    fn is_repeated(&mut self, id: LegId, request: &Request) -> bool {
        let number = request.headers.get(NUMBER);
        let Some(number) = number.and_then(|number| number.trim().parse::<u64>().ok()) else {
            return false;
        };
        let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) else {
            return false;
        };
        let repeated = number <= sip.heard;
        sip.heard = sip.heard.max(number);
        repeated
    }

    /// A press, by whatever transport; the media core has made one of several.
    pub(super) fn handle_digit(
        &mut self,
        now: Instant,
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
            self.tell_leg(now, id, event);
        }
    }

    /// The key of a press that came as telephone-event or tone is up.
    pub(super) fn handle_digit_released(
        &mut self,
        now: Instant,
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
            self.tell_leg(now, id, event);
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

    pub(super) fn detect_digits(&mut self, id: LegId, choice: DigitChoice) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        leg.digits = choice;
        if leg.sip().is_some() {
            self.media(media::Command::DetectDigits {
                unit: id.unit(),
                telephone_event: choice.telephone_event,
                in_band: choice.in_band,
            });
        }
    }

    pub(super) fn send_digits(
        &mut self,
        now: Instant,
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
            Link::Sip(sip) => {
                if !matches!(sip.media, MediaState::Ready(_)) {
                    return refuse("no-media", "the leg has no media yet");
                }
                self.media(media::Command::SendDigits {
                    unit: id.unit(),
                    digits,
                });
            }
            Link::Internal { peer, .. } => {
                let peer = *peer;
                for digit in digits.chars().filter(|digit| *digit != 'p') {
                    let kind = DigitKind::TelephoneEvent;
                    self.handle_digit(now, peer, digit, kind, Some(SENT_MS));
                }
            }
        }
        Ok(())
    }

    /// A text message: JSON when it is JSON, else plain.
    pub(super) fn send_message(
        &mut self,
        now: Instant,
        id: LegId,
        text: String,
        place: &Place,
    ) -> Result<(), Refused> {
        self.check_size(text.len())?;
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if let Some(peer) = leg.peer() {
            self.tell_leg(now, peer, LegEvent::Message { text });
            return Ok(());
        }
        let looks_like_json = text.trim_start().starts_with(['{', '[']);
        let json = looks_like_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let mime = if json { JSON } else { TEXT };
        self.send_info(now, id, mime.to_owned(), text, Vec::new(), place)
    }

    pub(super) fn send_info(
        &mut self,
        now: Instant,
        id: LegId,
        mime: String,
        body: String,
        headers: Headers,
        place: &Place,
    ) -> Result<(), Refused> {
        self.check_size(body.len())?;
        let waiting_max = self.settings.messages_waiting_max;
        let Some(leg) = self.legs.get_mut(&id) else {
            return Ok(());
        };
        let state = leg.state;
        let sip = match &mut leg.link {
            Link::Internal { peer, .. } => {
                let peer = *peer;
                self.tell_leg(
                    now,
                    peer,
                    LegEvent::Info {
                        mime,
                        body,
                        headers,
                    },
                );
                return Ok(());
            }
            Link::Sip(sip) => sip,
        };
        match state {
            LegState::Answered | LegState::Connected(_) => {}
            LegState::Alerting | LegState::Early => {
                return refuse("not-connected", "messages need an answered call");
            }
        }
        if sip.outbox.len() >= waiting_max {
            return refuse(
                "too-many-messages",
                format!("{waiting_max} messages wait already"),
            );
        }
        let until = now + self.settings.message_age_max;
        let first = sip.outbox.is_empty();
        sip.outbox.push_back(Outgoing {
            mime,
            body,
            headers,
            place: place.clone(),
            until,
        });
        if first {
            self.set_alarm(until, Alarm::Outbox(id));
        }
        self.send_next_info(now, id);
        Ok(())
    }

    /// Drops the messages that have waited for too long; the call goes on.
    pub(super) fn drop_old_messages(&mut self, now: Instant, id: LegId) {
        let age_s = self.settings.message_age_max.as_secs();
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let session = leg.session;
        let Some(sip) = leg.sip_mut() else { return };
        let fresh = sip.outbox.iter().position(|waiting| waiting.until > now);
        let old = fresh.unwrap_or(sip.outbox.len());
        let dropped: Vec<Outgoing> = sip.outbox.drain(..old).collect();
        let next = sip.outbox.front().map(|waiting| waiting.until);
        if let Some(until) = next {
            self.set_alarm(until, Alarm::Outbox(id));
        }
        if let Some(first) = dropped.first() {
            let text = format!("{old} waited for longer than {age_s} s");
            let refused = Refused {
                code: "message-too-old",
                text,
            };
            self.refused(now, session, Some(id), refused, &first.place);
        }
    }

    fn check_size(&self, length: usize) -> Result<(), Refused> {
        let max = self.settings.message_bytes_max;
        if length > max {
            return refuse(
                "message-too-long",
                format!("{length} bytes; {max} are allowed"),
            );
        }
        Ok(())
    }

    fn send_next_info(&mut self, now: Instant, id: LegId) {
        let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) else {
            return;
        };
        if sip.in_flight.is_some() {
            return;
        }
        let Some(mut next) = sip.outbox.pop_front() else {
            return;
        };
        sip.sent += 1;
        next.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case(NUMBER));
        next.headers.push((NUMBER.to_owned(), sip.sent.to_string()));
        let body = Body {
            content_type: next.mime,
            bytes: next.body.into(),
        };
        match self.sip.info(now, sip.call, next.headers, body) {
            Ok(key) => {
                sip.in_flight = Some((key, next.place));
                self.requests.insert(key, id);
            }
            Err(error) => {
                let session = self.legs.get(&id).map(|leg| leg.session);
                if let Some(session) = session {
                    let text = error.to_string();
                    self.message_refused(now, (session, id), text, &next.place);
                }
            }
        }
    }

    /// The peer answered one of our requests.
    pub(super) fn handle_request_answered(&mut self, now: Instant, key: RequestKey, code: u16) {
        let Some(id) = self.requests.remove(&key) else {
            debug!(?key, code, "Answer to a request that nobody waits for");
            return;
        };
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let session = leg.session;
        let Some(sip) = leg.sip_mut() else { return };
        if let Some((_, place)) = sip.in_flight.take_if(|(waiting, _)| *waiting == key)
            && code >= 300
        {
            let text = format!("the other side refused a message with {code}");
            self.message_refused(now, (session, id), text, &place);
        }
        self.send_next_info(now, id);
    }

    fn message_refused(
        &mut self,
        now: Instant,
        (session, leg): (SessionId, LegId),
        text: String,
        place: &Place,
    ) {
        let refused = Refused {
            code: "message-refused",
            text,
        };
        self.refused(now, session, Some(leg), refused, place);
    }
}

/// `Signal=5`, `Duration=160` lines of application/dtmf-relay, or the bare digit of
/// application/dtmf.
/// Event numbers 10 to 16 stand for `*`, `#`, `A` to `D` and flash, as some phones write them.
fn parse_dtmf(mime: &str, text: &str) -> Option<(char, u32)> {
    let mut signal = None;
    let mut duration_ms = 100;
    if mime == DTMF {
        signal = Some(text.trim());
    } else {
        for line in text.lines().take(16) {
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "signal" => signal = Some(value.trim()),
                "duration" => duration_ms = value.trim().parse().unwrap_or(duration_ms),
                _ => {}
            }
        }
    }
    let digit = match signal? {
        "10" => '*',
        "11" => '#',
        "12" => 'A',
        "13" => 'B',
        "14" => 'C',
        "15" => 'D',
        other => {
            let mut chars = other.chars();
            let first = chars.next()?.to_ascii_uppercase();
            if chars.next().is_some() {
                return None;
            }
            first
        }
    };
    matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D').then_some((digit, duration_ms))
}

#[cfg(test)]
mod tests {
    use super::{DTMF, DTMF_RELAY, parse_dtmf};

    #[test]
    fn info_digits_are_read_in_every_known_form() {
        for (mime, body, expected) in [
            (DTMF_RELAY, "Signal=5\r\nDuration=160\r\n", Some(('5', 160))),
            (DTMF_RELAY, "Signal= #\r\nDuration= 250", Some(('#', 250))),
            (DTMF_RELAY, "signal=11", Some(('#', 100))),
            (DTMF_RELAY, "Signal=d", Some(('D', 100))),
            (DTMF_RELAY, "Duration=100", None),
            (DTMF_RELAY, "Signal=16", None),
            (DTMF_RELAY, "", None),
            (DTMF, "*", Some(('*', 100))),
            (DTMF, " 7\r\n", Some(('7', 100))),
            (DTMF, "77", None),
            (DTMF, "é", None),
        ] {
            assert_eq!(parse_dtmf(mime, body), expected, "{mime} {body:?}");
        }
    }
}
