//! The end of a leg, whoever ends it, and what the two sides tell each other then.

use tracing::debug;

use crate::display_name::cleaned;
use crate::id::LegId;
use crate::media::Command;
use crate::script::{Event, Headers, LegEvent};
use crate::sip::Request;
use crate::termination::Reason;

use super::alarm::Alarm;
use super::context::Context;
use super::delivery::{Farewell, FromPeer};
use super::leg::{Leg, LegState, Link, MediaState, x_headers};
use super::limits::TOTALS_WAIT_MAX;
use super::notice::{EndedLink, LegEnded, Notice};
use super::session::Session;

impl Session {
    /// The peer hung up; its BYE may say why.
    pub(super) fn handle_bye(&mut self, cx: &mut Context, id: LegId, request: &Request) {
        let reason = match self.legs.get(&id).is_some_and(|leg| leg.incoming) {
            true => Reason::CallerHangup,
            false => Reason::CalleeHangup,
        };
        let heard = Farewell {
            code: None,
            text: reason_text(request.headers.get("Reason").unwrap_or_default()),
            headers: x_headers(&request.headers),
        };
        self.end_leg(cx, id, reason, Farewell::default(), heard);
    }

    /// Ends a leg by our act, as its state needs: BYE, or a final refusal; an internal call by its
    /// other end.
    pub(super) fn hang_up(
        &mut self,
        cx: &mut Context,
        id: LegId,
        reason: Reason,
        headers: &[(String, String)],
    ) {
        let said = Farewell {
            headers: headers.to_vec(),
            ..Farewell::default()
        };
        self.hang_up_saying(cx, id, reason, said);
    }

    /// The same, with what the other side is told.
    pub(super) fn hang_up_saying(
        &mut self,
        cx: &mut Context,
        id: LegId,
        reason: Reason,
        said: Farewell,
    ) {
        let Some(leg) = self.legs.get(&id) else {
            return;
        };
        if let Some(sip) = leg.sip() {
            let call = sip.call;
            let mut extra = if said.text.is_empty() {
                reason_header(reason)
            } else {
                let value = format!("SIP;cause=200;text=\"{}\"", said.text);
                vec![("Reason".to_owned(), value)]
            };
            extra.extend_from_slice(&said.headers);
            let done = match leg.state {
                LegState::Alerting | LegState::Early => {
                    let code = reason.row().refusal_status();
                    cx.sip.reject(cx.now, call, code, None, extra)
                }
                LegState::Answered | LegState::Connected(_) => cx.sip.bye(cx.now, call, extra),
            };
            if let Err(error) = done {
                debug!(leg_id = %id, %error, "Call was over before it was hung up");
            }
        }
        self.end_leg(cx, id, reason, said, Farewell::default());
    }

    /// Forgets a leg whose dialog is over, and tells the script and, for an internal call, the
    /// other end.
    pub(super) fn drop_leg(&mut self, cx: &mut Context, id: LegId, reason: Reason) {
        self.end_leg(cx, id, reason, Farewell::default(), Farewell::default());
    }

    /// Forgets a leg: the script is told what the leg `heard` last, the other end of an internal
    /// call what was `said` here.
    pub(super) fn end_leg(
        &mut self,
        cx: &mut Context,
        id: LegId,
        reason: Reason,
        said: Farewell,
        heard: Farewell,
    ) {
        let Some(leg) = self.legs.remove(&id) else {
            return;
        };
        cx.index.units.remove(&id.unit());
        self.take_back_alarms_of(id);
        let answered_ms = match leg.state {
            LegState::Connected(since) => Some(cx.ms_since(since)),
            LegState::Alerting | LegState::Early | LegState::Answered => None,
        };
        let code = said.code.or(heard.code);
        let duration_ms = answered_ms.unwrap_or_default();
        let event = end_event(&leg, reason, heard, (code, duration_ms));
        self.drop_direct(cx, id);
        self.close_sound(cx, &leg);
        self.leave_conferences(cx, id);
        cx.media(Command::Close { unit: leg.unit() });
        self.tell(cx, Event::Leg { leg: id, event });
        self.note_ended(cx, &leg, reason, answered_ms);
        match &leg.link {
            Link::Sip(sip) => {
                cx.index.calls.remove(&sip.call);
                cx.stats.note_ended(reason);
            }
            Link::Internal { peer, .. } => {
                let by_script = matches!(reason, Reason::ScriptHangup | Reason::ScriptTerminate);
                let mirrored = match (by_script, leg.incoming) {
                    (true, true) => Reason::CalleeHangup,
                    (true, false) => Reason::CallerHangup,
                    (false, _) => reason,
                };
                cx.tell_peer(*peer, FromPeer::Gone(mirrored, Farewell { code, ..said }));
            }
        }
        self.note_leg_gone(cx);
    }

    fn take_back_alarms_of(&mut self, id: LegId) {
        for alarm in [
            Alarm::Unanswered(id),
            Alarm::EarlyMedia(id),
            Alarm::Away(id),
            Alarm::Outbox(id),
        ] {
            self.alarms.set(alarm, None);
        }
    }

    /// Tells the end of a leg; that of a leg with media when their totals are there.
    fn note_ended(&self, cx: &mut Context, leg: &Leg, reason: Reason, answered_ms: Option<u64>) {
        let (link, totals_follow) = match &leg.link {
            Link::Internal { peer, .. } => (EndedLink::Internal { peer: *peer }, false),
            Link::Sip(sip) => {
                let agreed = sip.exchange.current();
                let link = EndedLink::Sip {
                    sip_call_id: sip.sip_call_id.clone(),
                    codec: agreed.map(|agreed| agreed.codec.name),
                    stats: None,
                };
                let has_media = matches!(sip.media, MediaState::Opening | MediaState::Ready(_));
                (link, has_media)
            }
        };
        let ended = Box::new(LegEnded {
            trace: leg.trace,
            session: self.id,
            leg: leg.id,
            incoming: leg.incoming,
            parties: leg.parties.clone(),
            reason,
            at_ms: self.at_ms(cx),
            lived_ms: cx.ms_since(leg.begun),
            answered_ms,
            link,
        });
        match totals_follow {
            true => cx.ended.keep(cx.now + TOTALS_WAIT_MAX, ended),
            false => cx.notice(Notice::LegEnded(ended)),
        }
    }
}

fn end_event(
    leg: &Leg,
    reason: Reason,
    heard: Farewell,
    (code, duration_ms): (Option<u16>, u64),
) -> LegEvent {
    let row = reason.row();
    let Farewell { text, headers, .. } = heard;
    if leg.is_connected() {
        LegEvent::Disconnected {
            reason: reason.to_string(),
            code: row.sip_status,
            duration_ms,
            text,
            headers,
        }
    } else {
        LegEvent::Failed {
            code: code.unwrap_or(row.refusal_status()),
            reason: reason.to_string(),
            class: row.class.label().to_owned(),
            text,
            headers,
        }
    }
}

/// The `text` of a Reason header (RFC 3326); empty when it has none.
fn reason_text(value: &str) -> String {
    let text = value
        .split_once("text=\"")
        .and_then(|(_, rest)| rest.split_once('"'));
    text.map_or_else(String::new, |(text, _)| cleaned(text))
}

pub(super) fn reason_header(reason: Reason) -> Headers {
    let row = reason.row();
    let (status, cause, text) = (row.sip_status, row.q850_cause, row.text);
    // A word for programs, then a sentence for people; RFC 3326 §2 takes one of each protocol.
    let value =
        format!("SIP;cause={status};text=\"{reason}\", Q.850;cause={cause};text=\"{text}\"");
    vec![("Reason".to_owned(), value)]
}
