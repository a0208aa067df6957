//! The end of a leg, whoever ends it, and what the two sides tell each other then.

use std::time::Instant;

use tracing::{debug, info};

use crate::display_name::cleaned;
use crate::id::{LegId, SessionId, UnitId};
use crate::media::{Command, LegStats};
use crate::pii::Pii;
use crate::script::{self, Headers, LegEvent};
use crate::sip::{CallKey, Request};
use crate::termination::Reason;

use super::Engine;
use super::alarm::Alarm;
use super::call_log::{TraceId, log_internal_end};
use super::leg::{Leg, LegState, Link, MediaState, SipLink, x_headers};

/// What the closing line of a leg still needs when its media totals arrive.
#[derive(Debug)]
pub(super) struct EndedLeg {
    pub(super) trace: TraceId,
    pub(super) session: SessionId,
    pub(super) sip_call_id: String,
    pub(super) caller_id: String,
    pub(super) codec: &'static str,
    pub(super) reason: Reason,
    pub(super) duration_ms: u64,
}

/// What one side of a call tells the other one when it ends it.
#[derive(Clone, Debug, Default)]
pub(super) struct Farewell {
    /// The status of a refusal.
    pub(super) code: Option<u16>,
    /// A sentence; may be empty.
    pub(super) text: String,
    /// `X-…` only.
    pub(super) headers: Headers,
}

impl Engine {
    /// The dialog of a leg is over, by the peer's act.
    pub(super) fn call_ended(&mut self, now: Instant, call: CallKey, reason: Reason) {
        if let Some(&id) = self.calls.get(&call) {
            self.drop_leg(now, id, reason);
        }
    }

    /// The peer hung up; its BYE may say why.
    pub(super) fn handle_bye(&mut self, now: Instant, call: CallKey, request: &Request) {
        let Some(leg) = self.leg_of(call) else {
            return;
        };
        let (id, incoming) = (leg.id, leg.incoming);
        let reason = if incoming {
            Reason::CallerHangup
        } else {
            Reason::CalleeHangup
        };
        let heard = Farewell {
            code: None,
            text: reason_text(request.headers.get("Reason").unwrap_or_default()),
            headers: x_headers(&request.headers),
        };
        self.part(now, id, reason, Farewell::default(), heard);
    }

    /// Ends a leg by our act, as its state needs: BYE, or a final refusal; an internal call by its
    /// other end.
    pub(super) fn hang_up(
        &mut self,
        now: Instant,
        id: LegId,
        reason: Reason,
        headers: &[(String, String)],
    ) {
        let said = Farewell {
            headers: headers.to_vec(),
            ..Farewell::default()
        };
        self.hang_up_saying(now, id, reason, said);
    }

    /// The same, with what the other side is told.
    pub(super) fn hang_up_saying(
        &mut self,
        now: Instant,
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
                    self.sip.reject(now, call, code, None, extra)
                }
                LegState::Answered | LegState::Connected(_) => self.sip.bye(now, call, extra),
            };
            if let Err(error) = done {
                debug!(leg_id = %id, %error, "Call was over before it was hung up");
            }
        }
        self.part(now, id, reason, said, Farewell::default());
    }

    /// Forgets a leg and tells its session and, for an internal call, the other end.
    pub(super) fn drop_leg(&mut self, now: Instant, id: LegId, reason: Reason) {
        self.part(now, id, reason, Farewell::default(), Farewell::default());
    }

    /// The same, with a status that the scenario chose.
    pub(super) fn drop_leg_with(
        &mut self,
        now: Instant,
        id: LegId,
        reason: Reason,
        code: Option<u16>,
    ) {
        let heard = Farewell {
            code,
            ..Farewell::default()
        };
        self.part(now, id, reason, Farewell::default(), heard);
    }

    /// Forgets a leg: its session is told what it `heard` last, the other end of an internal call
    /// what was `said` here.
    pub(super) fn part(
        &mut self,
        now: Instant,
        id: LegId,
        reason: Reason,
        said: Farewell,
        heard: Farewell,
    ) {
        let Some(leg) = self.legs.remove(&id) else {
            return;
        };
        self.take_back_alarms_of(id);
        let row = reason.row();
        let duration_ms = match leg.state {
            LegState::Connected(since) => now.saturating_duration_since(since).as_millis() as u64,
            LegState::Alerting | LegState::Early | LegState::Answered => 0,
        };
        let code = said.code.or(heard.code);
        let Farewell { text, headers, .. } = heard;
        let event = if leg.is_connected() {
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
        };
        self.drop_direct(now, id, leg.session);
        self.close_sound(&leg);
        self.leave_conferences(now, leg.session, id);
        self.media(Command::Close { unit: leg.unit() });
        self.tell(now, leg.session, script::Event::Leg { leg: id, event });
        match &leg.link {
            Link::Sip(sip) => {
                self.calls.remove(&sip.call);
                if let Some((key, _)) = &sip.in_flight {
                    self.requests.remove(key);
                }
                self.note_ended(&leg, sip, reason, duration_ms);
            }
            Link::Internal { peer, .. } => {
                log_internal_end(&leg, reason);
                let by_script = matches!(reason, Reason::ScriptHangup | Reason::ScriptTerminate);
                let mirrored = match (by_script, leg.incoming) {
                    (true, true) => Reason::CalleeHangup,
                    (true, false) => Reason::CallerHangup,
                    (false, _) => reason,
                };
                let heard = Farewell { code, ..said };
                self.part(now, *peer, mirrored, Farewell::default(), heard);
            }
        }
        self.note_leg_gone(now, leg.session, id);
    }

    fn take_back_alarms_of(&mut self, id: LegId) {
        for alarm in [
            Alarm::Unanswered(id),
            Alarm::EarlyMedia(id),
            Alarm::Away(id),
            Alarm::Outbox(id),
        ] {
            self.take_back_alarm(alarm);
        }
    }

    fn note_ended(&mut self, leg: &Leg, sip: &SipLink, reason: Reason, duration_ms: u64) {
        self.stats.note_ended(reason);
        let ended = EndedLeg {
            trace: leg.trace,
            session: leg.session,
            sip_call_id: sip.sip_call_id.clone(),
            caller_id: leg.caller_id.clone(),
            codec: sip
                .negotiation
                .current()
                .map_or("none", |agreed| agreed.codec.name),
            reason,
            duration_ms,
        };
        match sip.media {
            MediaState::Closed => report(leg.unit(), &ended, LegStats::default()),
            MediaState::Opening(_) | MediaState::Ready(_) => {
                self.ended.insert(leg.unit(), ended);
            }
        }
    }

    /// The closing line of a leg: enough to answer "what happened to that call".
    pub(super) fn report_ended(&mut self, unit: UnitId, stats: LegStats) {
        if let Some(ended) = self.ended.remove(&unit) {
            report(unit, &ended, stats);
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

fn report(unit: UnitId, ended: &EndedLeg, stats: LegStats) {
    info!(
        trace = %ended.trace,
        leg_id = %LegId(unit.0),
        session_id = %ended.session,
        call_id = ended.sip_call_id,
        caller = %Pii(&ended.caller_id),
        reason = %ended.reason,
        class = ended.reason.row().class.label(),
        duration_ms = ended.duration_ms,
        codec = ended.codec,
        packets_in = stats.packets_in,
        packets_out = stats.packets_out,
        lost = stats.lost,
        late = stats.late,
        concealed = stats.concealed,
        jitter_ms_max = stats.jitter_ms_max,
        "Leg ended"
    );
}
