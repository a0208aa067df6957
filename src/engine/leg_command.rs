//! Commands on one leg. Before the answer they hold from the first packet on, or are refused; on an
//! internal leg they are carried out in the graph of the media core.

use crate::id::LegId;
use crate::media;
use crate::script::{Headers, LegCommand, Place};
use crate::termination::Reason;

use super::context::Context;
use super::delivery::{Farewell, FromPeer};
use super::leg::{DigitChoice, Leg, LegState, Link, MediaState, Wanted};
use super::refused::{Refused, refuse, refuse_direct};
use super::session::Session;
use super::unit::RecordOf;

impl Session {
    /// Carries out a command on a leg.
    // tidy: table
    pub(super) fn execute_leg(
        &mut self,
        cx: &mut Context,
        id: LegId,
        command: LegCommand,
        place: &Place,
    ) -> Result<(), Refused> {
        // A leg may have ended while the turn that speaks of it was running; that is nobody's
        // fault.
        let Some(leg) = self.legs.get_mut(&id) else {
            if let LegCommand::Record { recorder, .. } = command {
                self.tell_nothing_to_record(cx, recorder);
            }
            return Ok(());
        };
        leg.place.clone_from(place);
        match command {
            LegCommand::Answer { headers } => return self.answer(cx, id, headers, place),
            LegCommand::Ring => return self.ring(cx, id),
            LegCommand::Reject { code, reason } => return self.reject(cx, id, code, &reason),
            LegCommand::Hangup { headers, reason } => {
                let why = match reason.as_str() {
                    "replaced" => Reason::Replaced,
                    _ => Reason::ScriptHangup,
                };
                let said = Farewell {
                    code: None,
                    text: reason,
                    headers: extra_headers(headers)?,
                };
                self.hang_up_saying(cx, id, why, said);
            }
            LegCommand::StartEarlyMedia => return self.start_early_media(cx, id),
            LegCommand::Play {
                sound,
                looped,
                gain_db,
            } => {
                return self.play_on_leg(cx, id, sound, looped, gain_db);
            }
            LegCommand::StopPlayback => self.stop_playback(cx, id.unit()),
            LegCommand::DetectDigits {
                telephone_event,
                in_band,
                info,
            } => {
                self.enter_media(id)?;
                self.detect_digits(
                    cx,
                    id,
                    DigitChoice {
                        telephone_event,
                        in_band,
                        info,
                    },
                );
            }
            LegCommand::SendDigits { digits } => return self.send_digits(cx, id, digits),
            LegCommand::SendMessage { text } => return self.send_message(cx, id, text, place),
            LegCommand::SendInfo {
                mime,
                body,
                headers,
            } => {
                let headers = extra_headers(headers)?;
                return self.send_info(cx, id, (mime, body), headers, place);
            }
            LegCommand::Record { recorder, options } => {
                if let Err(refused) = self.enter_media(id) {
                    self.tell_nothing_to_record(cx, recorder);
                    return Err(refused);
                }
                let what = (recorder, RecordOf::Leg(id));
                self.open_recorder(cx, what, options, place);
            }
            LegCommand::Mute { on } => return self.silence(cx, id, Some(on), None),
            LegCommand::Deafen { on } => return self.silence(cx, id, None, Some(on)),
            LegCommand::Gain { in_db, out_db } => {
                self.enter_media(id)?;
                cx.media(media::Command::Gain {
                    unit: id.unit(),
                    in_db,
                    out_db,
                });
            }
            LegCommand::DetectTalk { on } => {
                self.enter_media(id)?;
                cx.media(media::Command::DetectTalk {
                    unit: id.unit(),
                    on,
                });
            }
            LegCommand::Expect { event } => return self.expect_event(id, event),
        }
        Ok(())
    }

    /// The script tells the media core something about a leg, which holds from its first packet on.
    pub(super) fn enter_media(&mut self, id: LegId) -> Result<(), Refused> {
        if self.is_direct(id) {
            return refuse_direct();
        }
        if let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) {
            sip.has_orders = true;
        }
        Ok(())
    }

    /// A leg was forwarded: it has no media here, and what the script had told of them is void.
    pub(super) fn leave_media(&mut self, cx: &mut Context, id: LegId) -> Result<(), Refused> {
        if !self.is_direct(id) {
            return Ok(());
        }
        let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) else {
            return Ok(());
        };
        sip.media = MediaState::Closed;
        let had_orders = sip.has_orders;
        cx.media(media::Command::Close { unit: id.unit() });
        if had_orders {
            return refuse_direct();
        }
        Ok(())
    }

    /// Refuses a handler of an event that never comes on this kind of leg.
    fn expect_event(&self, id: LegId, event: &str) -> Result<(), Refused> {
        if self.is_direct(id) {
            return refuse_direct();
        }
        match self.legs.get(&id).and_then(Leg::peer) {
            Some(_) => refuse(
                "internal-leg",
                format!("`{event}` comes on legs of telephones and browsers only"),
            ),
            None => Ok(()),
        }
    }

    fn answer(
        &mut self,
        cx: &mut Context,
        id: LegId,
        headers: Headers,
        place: &Place,
    ) -> Result<(), Refused> {
        let headers = extra_headers(headers)?;
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming {
            return refuse("not-incoming", "only an incoming leg can be answered");
        }
        if self.is_direct(id) {
            return refuse_direct();
        }
        match (leg.state, leg.peer()) {
            (LegState::Answered | LegState::Connected(_), _) => {
                refuse("already-answered", "the leg has been answered already")
            }
            (LegState::Alerting | LegState::Early, Some(peer)) => {
                cx.tell_peer(peer, FromPeer::Answered(headers));
                self.connect_leg(cx, id, Vec::new());
                Ok(())
            }
            (LegState::Alerting | LegState::Early, None) => {
                self.want_media(cx, id, Wanted::Answer(headers, place.clone()));
                Ok(())
            }
        }
    }

    fn ring(&mut self, cx: &mut Context, id: LegId) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming || leg.state != LegState::Alerting {
            return refuse("not-alerting", "only an incoming leg that waits can ring");
        }
        match &leg.link {
            Link::Sip(sip) => {
                let call = sip.call;
                cx.sip
                    .provisional(cx.now, call, 180, Vec::new(), None)
                    .or_else(|error| refuse("ring-refused", error.to_string()))
            }
            Link::Internal { peer, .. } => {
                cx.tell_peer(*peer, FromPeer::Ringing);
                Ok(())
            }
        }
    }

    fn reject(
        &mut self,
        cx: &mut Context,
        id: LegId,
        code: u16,
        reason: &str,
    ) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming || matches!(leg.state, LegState::Answered | LegState::Connected(_)) {
            return refuse(
                "not-alerting",
                "only an incoming leg that waits can be rejected",
            );
        }
        if !(400..700).contains(&code) {
            return refuse("bad-code", format!("{code} is not a refusal (400 to 699)"));
        }
        if let Some(sip) = leg.sip() {
            let call = sip.call;
            let phrase = Some(reason).filter(|reason| !reason.is_empty());
            if let Err(error) = cx.sip.reject(cx.now, call, code, phrase, Vec::new()) {
                return refuse("reject-refused", error.to_string());
            }
        }
        let said = Farewell {
            code: Some(code),
            text: reason.to_owned(),
            headers: Vec::new(),
        };
        self.end_leg(cx, id, Reason::Rejected, said, Farewell::default());
        Ok(())
    }

    fn start_early_media(&mut self, cx: &mut Context, id: LegId) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if !leg.incoming || leg.state != LegState::Alerting {
            return refuse(
                "not-alerting",
                "early media is for an incoming leg that waits",
            );
        }
        if self.is_direct(id) {
            return refuse_direct();
        }
        let Some(sip) = leg.sip() else {
            return refuse("internal-leg", "an internal leg has no early media");
        };
        if !sip.exchange.is_offered() {
            let text = "the caller sent no offer, so there is nothing to answer before the call is";
            return refuse("no-offer", text);
        }
        self.want_media(cx, id, Wanted::EarlyMedia);
        Ok(())
    }

    fn silence(
        &mut self,
        cx: &mut Context,
        id: LegId,
        muted: Option<bool>,
        deafened: Option<bool>,
    ) -> Result<(), Refused> {
        self.enter_media(id)?;
        let Some(leg) = self.legs.get_mut(&id) else {
            return Ok(());
        };
        leg.muted = muted.unwrap_or(leg.muted);
        leg.deafened = deafened.unwrap_or(leg.deafened);
        let (muted, deafened) = (leg.muted, leg.deafened);
        cx.media(media::Command::Silence {
            unit: id.unit(),
            muted,
            deafened,
        });
        Ok(())
    }
}

/// Only `X-…` headers may be set by scenarios.
fn extra_headers(headers: Headers) -> Result<Headers, Refused> {
    for (name, value) in &headers {
        if !name.to_ascii_lowercase().starts_with("x-") {
            return refuse("bad-header", format!("{name}: only X-… headers can be set"));
        }
        if value.contains(['\r', '\n', '\0']) {
            return refuse(
                "bad-header",
                format!("{name}: a value may not contain line ends"),
            );
        }
    }
    Ok(headers)
}
