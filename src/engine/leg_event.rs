//! What happens to a leg from outside: events of its dialog and of its media.

use tracing::debug;

use crate::id::LegId;
use crate::media;
use crate::script::{Event, LegEvent, UnitEvent};
use crate::sip;
use crate::termination::Reason;

use super::alarm::Alarm;
use super::context::Context;
use super::notice::{Notice, Trouble};
use super::session::Session;

impl Session {
    /// An event of a leg's dialog.
    pub(super) fn handle_sip(&mut self, cx: &mut Context, id: LegId, event: sip::Event) {
        if self.direct.contains_key(&id) {
            return self.handle_direct(cx, id, event);
        }
        let session = self.id;
        match event {
            sip::Event::Cancelled { .. } => self.drop_leg(cx, id, Reason::Cancelled),
            sip::Event::Acked { body, .. } => self.handle_acked(cx, id, body),
            sip::Event::NoAck { .. } => self.drop_leg(cx, id, Reason::NoAck),
            sip::Event::Reinvite { key, request, .. } => {
                self.handle_reinvite(cx, id, key, &request);
            }
            sip::Event::ReinviteCancelled { .. } => self.reinvite_cancelled(id),
            sip::Event::Info { key, request, .. } => self.handle_info(cx, id, key, &request),
            sip::Event::Bye { request, .. } => self.handle_bye(cx, id, &request),
            sip::Event::RequestAnswered {
                key, response_code, ..
            } => self.handle_request_answered(cx, id, key, response_code),
            sip::Event::FlowLost { .. } => cx.notice(Notice::FlowLost { session, leg: id }),
            sip::Event::FlowBack { .. } => cx.notice(Notice::FlowBack { session, leg: id }),
            sip::Event::Ended { reason, .. } => self.drop_leg(cx, id, reason),
            // No scenario places calls yet, and an INVITE is of no leg.
            sip::Event::Invite { call, .. }
            | sip::Event::Provisional { call, .. }
            | sip::Event::Answered { call, .. }
            | sip::Event::Failed { call, .. } => debug!(?call, "Event of a call without a leg"),
        }
    }

    /// Something about a leg did not work.
    pub(super) fn trouble(&self, cx: &mut Context, leg: LegId, trouble: Trouble) {
        let session = self.id;
        cx.notice(Notice::LegTrouble {
            session,
            leg,
            trouble,
        });
    }

    /// A fact about the media of a leg, conference, player or recorder.
    pub(super) fn handle_media(&mut self, cx: &mut Context, event: media::Event) {
        use media::Event as M;
        let unit = event.unit();
        let leg = unit.leg();
        match event {
            M::LegReady {
                rtp, rtcp, webrtc, ..
            } => self.handle_leg_ready(cx, leg, (rtp, rtcp), webrtc),
            M::LegFailed { error, .. } => self.handle_leg_failed(cx, leg, &error),
            M::Digit {
                digit,
                kind,
                duration_ms,
                ..
            } => self.handle_digit(cx, leg, digit, kind, duration_ms),
            M::DigitReleased {
                digit,
                kind,
                duration_ms,
                ..
            } => self.handle_digit_released(cx, leg, (digit, kind), duration_ms),
            M::Refused { what, error, .. } => self.media_refused(cx, unit, &what, &error),
            M::ActiveSpeaker { speaker, .. } => {
                let leg = speaker.map(crate::id::UnitId::leg);
                self.tell_unit(cx, unit, UnitEvent::ActiveSpeaker { leg });
            }
            M::TalkStarted { level_dbov, .. } => {
                self.tell_leg(cx, leg, LegEvent::TalkStarted { level_dbov });
            }
            M::TalkStopped { level_dbov, .. } => {
                self.tell_leg(cx, leg, LegEvent::TalkStopped { level_dbov });
            }
            M::PlaybackStarted { playback, .. } => self.handle_playback(cx, unit, playback, false),
            M::PlaybackFinished { playback, .. } => self.handle_playback(cx, unit, playback, true),
            M::LegLost { loss, .. } => {
                self.trouble(cx, leg, Trouble::MediaLost(loss.clone()));
                self.handle_leg_lost(cx, leg, loss);
            }
            M::MediaTimeout { .. } => self.handle_media_missing(cx, leg),
            M::MediaBack { .. } => self.handle_media_back(cx, leg),
            M::Quality { quality, .. } => {
                let event = LegEvent::Quality {
                    loss: quality.loss,
                    jitter_ms: quality.jitter_ms,
                    mos: quality.mos,
                    rtt_ms: quality.rtt_ms,
                };
                self.tell_leg(cx, leg, event);
            }
            M::IceConnected { .. } => debug!(%unit, "WebRTC leg connected"),
            M::DigitsSent { .. } | M::LegClosed { .. } => {}
        }
    }

    fn handle_leg_lost(&mut self, cx: &mut Context, id: LegId, loss: media::Loss) {
        match loss {
            // A page that is closed or reloaded says goodbye in DTLS and has no time for a BYE.
            media::Loss::Closed => {
                let reason = match self.legs.get(&id).is_none_or(|leg| leg.incoming) {
                    true => Reason::CallerHangup,
                    false => Reason::CalleeHangup,
                };
                self.hang_up(cx, id, reason, &[]);
            }
            media::Loss::Consent | media::Loss::Dtls(_) => self.give_up_media(cx, id),
        }
    }

    /// Who has logged in over a WebSocket may come back; a telephone is hung up.
    fn handle_media_missing(&mut self, cx: &mut Context, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let call = leg.sip().map(|sip| sip.call);
        if !leg.is_connected() || !call.is_some_and(|call| cx.sip.is_kept(call)) {
            return self.give_up_media(cx, id);
        }
        if !std::mem::replace(&mut leg.away, true) {
            let until = cx.now + cx.settings.reconnect;
            self.alarms.set(Alarm::Away(id), Some(until));
            self.tell_leg(cx, id, LegEvent::Reconnecting);
        }
    }

    fn handle_media_back(&mut self, cx: &mut Context, id: LegId) {
        let leg = self.legs.get_mut(&id);
        if leg.is_some_and(|leg| std::mem::take(&mut leg.away)) {
            self.alarms.set(Alarm::Away(id), None);
            self.tell_leg(cx, id, LegEvent::Reconnected);
        }
    }

    pub(super) fn give_up_media(&mut self, cx: &mut Context, id: LegId) {
        self.tell_leg(cx, id, LegEvent::MediaTimeout);
        self.hang_up(cx, id, Reason::MediaTimeout, &[]);
    }

    /// Tells the script about a leg that lives.
    pub(super) fn tell_leg(&mut self, cx: &mut Context, leg: LegId, event: LegEvent) {
        if self.legs.contains_key(&leg) {
            self.tell(cx, Event::Leg { leg, event });
        }
    }
}
