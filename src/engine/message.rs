//! In-dialog INFO in both directions: text messages, raw info, digits. One INFO of ours is on its
//! way at a time, so that messages arrive in the order in which they were sent.
//!
//! **Messages that come twice.** An INFO of ours whose answer was lost with a WebSocket is sent
//! again over the next one, although the peer may have it. Each carries its number within the call
//! in [`NUMBER`], from 1, and keeps it when it is sent again: what is not higher than the last one
//! has been taken already. We read the same header of INFOs that come, and answer a repeated one
//! with 200 without telling anybody.

use crate::id::LegId;
use crate::media;
use crate::script::{Headers, LegEvent, Place};
use crate::sip::{Body, Request, RequestKey};

use super::alarm::Alarm;
use super::context::Context;
use super::delivery::FromPeer;
use super::leg::{Leg, LegState, Link, Outgoing, x_headers};
use super::refused::{Refused, refuse};
use super::session::Session;

/// The number of a message within its call and direction.
const NUMBER: &str = "X-Message-Number";
const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
const DTMF_RELAY: &str = "application/dtmf-relay";
const DTMF: &str = "application/dtmf";

impl Session {
    /// An INFO from the peer.
    pub(super) fn handle_info(
        &mut self,
        cx: &mut Context,
        id: LegId,
        key: RequestKey,
        request: &Request,
    ) {
        let code = match self.read_info(cx, id, request) {
            Ok(event) => {
                if let Some(event) = event {
                    self.tell_leg(cx, id, event);
                }
                200
            }
            Err(code) => code,
        };
        cx.respond(key, code, Vec::new(), None);
    }

    /// What an INFO tells the script; nothing for a digit, which goes through the media core, and
    /// for a repeated message. The status to refuse it with otherwise.
    fn read_info(
        &mut self,
        cx: &mut Context,
        id: LegId,
        request: &Request,
    ) -> Result<Option<LegEvent>, u16> {
        if request.body.len() > cx.settings.message_bytes_max {
            return Err(413);
        }
        if self.is_repeated(id, request) {
            return Ok(None);
        }
        let mime = request.headers.content_type().ok().flatten();
        let mime = mime
            .map(|kind| kind.essence.to_ascii_lowercase())
            .unwrap_or_default();
        let text = std::str::from_utf8(&request.body).map_err(|_| 415_u16)?;
        Ok(Some(match mime.as_str() {
            DTMF_RELAY | DTMF => {
                let (digit, duration_ms) = parse_dtmf(&mime, text).ok_or(400_u16)?;
                cx.media(media::Command::NoteDigit {
                    unit: id.unit(),
                    digit,
                    duration_ms,
                });
                return Ok(None);
            }
            TEXT | JSON => LegEvent::Message {
                text: text.to_owned(),
            },
            _ => LegEvent::Info {
                mime: mime.clone(),
                body: text.to_owned(),
                headers: x_headers(&request.headers),
            },
        }))
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

    /// A text message: JSON when it is JSON, else plain.
    pub(super) fn send_message(
        &mut self,
        cx: &mut Context,
        id: LegId,
        text: String,
        place: &Place,
    ) -> Result<(), Refused> {
        check_size(cx, text.len())?;
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if let Some(peer) = leg.peer() {
            cx.tell_peer(peer, FromPeer::Message(text));
            return Ok(());
        }
        let looks_like_json = text.trim_start().starts_with(['{', '[']);
        let json = looks_like_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let mime = if json { JSON } else { TEXT };
        self.send_info(cx, id, (mime.to_owned(), text), Vec::new(), place)
    }

    /// Sends an INFO with a body of this media type, after those that wait.
    pub(super) fn send_info(
        &mut self,
        cx: &mut Context,
        id: LegId,
        (mime, body): (String, String),
        headers: Headers,
        place: &Place,
    ) -> Result<(), Refused> {
        check_size(cx, body.len())?;
        let Some(leg) = self.legs.get_mut(&id) else {
            return Ok(());
        };
        let state = leg.state;
        let sip = match &mut leg.link {
            Link::Internal { peer, .. } => {
                let info = FromPeer::Info {
                    mime,
                    body,
                    headers,
                };
                cx.tell_peer(*peer, info);
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
        let waiting_max = cx.settings.messages_waiting_max;
        if sip.outbox.len() >= waiting_max {
            return refuse(
                "too-many-messages",
                format!("{waiting_max} messages wait already"),
            );
        }
        let until = cx.now + cx.settings.message_age_max;
        let first = sip.outbox.is_empty();
        sip.outbox.push_back(Outgoing {
            mime,
            body,
            headers,
            place: place.clone(),
            until,
        });
        if first {
            self.alarms.set(Alarm::Outbox(id), Some(until));
        }
        self.send_next_info(cx, id);
        Ok(())
    }

    /// Drops the messages that have waited for too long; the call goes on.
    pub(super) fn drop_old_messages(&mut self, cx: &mut Context, id: LegId) {
        let age_s = cx.settings.message_age_max.as_secs();
        let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) else {
            return;
        };
        let fresh = sip.outbox.iter().position(|waiting| waiting.until > cx.now);
        let old = fresh.unwrap_or(sip.outbox.len());
        let dropped: Vec<Outgoing> = sip.outbox.drain(..old).collect();
        let next = sip.outbox.front().map(|waiting| waiting.until);
        self.alarms.set(Alarm::Outbox(id), next);
        if let Some(first) = dropped.first() {
            let text = format!("{old} waited for longer than {age_s} s");
            let refused = Refused {
                code: "message-too-old",
                text,
            };
            self.refused(cx, Some(id), refused, &first.place);
        }
    }

    fn send_next_info(&mut self, cx: &mut Context, id: LegId) {
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
        match cx.sip.info(cx.now, sip.call, next.headers, body) {
            Ok(key) => sip.in_flight = Some((key, next.place)),
            Err(error) => self.message_refused(cx, id, error.to_string(), &next.place),
        }
    }

    /// The peer answered one of our requests.
    pub(super) fn handle_request_answered(
        &mut self,
        cx: &mut Context,
        id: LegId,
        key: RequestKey,
        code: u16,
    ) {
        let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) else {
            return;
        };
        if let Some((_, place)) = sip.in_flight.take_if(|(waiting, _)| *waiting == key)
            && code >= 300
        {
            let text = format!("the other side refused a message with {code}");
            self.message_refused(cx, id, text, &place);
        }
        self.send_next_info(cx, id);
    }

    fn message_refused(&mut self, cx: &mut Context, leg: LegId, text: String, place: &Place) {
        let refused = Refused {
            code: "message-refused",
            text,
        };
        self.refused(cx, Some(leg), refused, place);
    }
}

fn check_size(cx: &Context, length: usize) -> Result<(), Refused> {
    let max = cx.settings.message_bytes_max;
    if length > max {
        return refuse(
            "message-too-long",
            format!("{length} bytes; {max} are allowed"),
        );
    }
    Ok(())
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
