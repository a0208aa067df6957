//! SIP calls that come in: answer, early media, negotiation, hold.
//!
//! ```text
//! INVITE ─► leg Alerting ─ OpenLeg ─ LegReady ─┐
//!              │ script ─ answer() ────────────┴─► 200, Answered ─ ACK ─► Connected
//!              └───────── start_early_media() ───► 183, Early
//! ```

use std::net::SocketAddr;

use tracing::debug;

use crate::id::LegId;
use crate::media::{Command, LegKind, StreamParams, TelephoneEventParams, WebRtcReady};
use crate::script::{Headers, LegEvent, Place};
use crate::sdp::{self, Agreed, Local};
use crate::sip::{Body, CallKey, Flow, Request, RequestKey};
use crate::termination::Reason;

use super::alarm::Alarm;
use super::context::{Context, ms_between};
use super::exchange::Exchange;
use super::leg::{self, Invite, Leg, LegState, MediaState, SipLink, Wanted};
use super::notice::{LegAnswered, Notice, Trouble};
use super::refused::Refused;
use super::session::Session;

const SDP: &str = "application/sdp";

fn sdp_body(bytes: Vec<u8>) -> Body {
    Body {
        content_type: SDP.to_owned(),
        bytes: bytes.into(),
    }
}

impl Session {
    fn sip_mut(&mut self, id: LegId) -> Option<&mut SipLink> {
        self.legs.get_mut(&id).and_then(Leg::sip_mut)
    }

    /// The sockets of a leg are there: does what waits for them.
    pub(super) fn handle_leg_ready(
        &mut self,
        cx: &mut Context,
        id: LegId,
        (rtp, rtcp): (SocketAddr, SocketAddr),
        webrtc: Option<WebRtcReady>,
    ) {
        let webrtc = webrtc.map(|ready| (ready, cx.next_ice()));
        let opening = |sip: &&mut SipLink| matches!(sip.media, MediaState::Opening);
        // A call that was forwarded meanwhile has given them up.
        let Some(sip) = self.sip_mut(id).filter(opening) else {
            return;
        };
        let address = cx.settings.media_address.unwrap_or(match rtp.ip() {
            ip if ip.is_unspecified() => sip.reached_at,
            ip => ip,
        });
        let own_address = cx.settings.own_address;
        let own = own_address.filter(|_| rtp.ip().is_unspecified());
        let local = Local {
            rtp: SocketAddr::new(address, rtp.port()),
            rtcp: SocketAddr::new(address, rtcp.port()),
            webrtc: sip.local_webrtc(webrtc, SocketAddr::new(address, rtp.port()), own),
        };
        sip.media = MediaState::Ready(Box::new(local));
        if let Some(wanted) = sip.wanted.take() {
            self.use_media(cx, id, wanted);
        }
    }

    /// There are no sockets for a leg. Who is rejected or forwarded does not need them.
    pub(super) fn handle_leg_failed(&mut self, cx: &mut Context, id: LegId, error: &str) {
        self.trouble(cx, id, Trouble::NoMediaPort(error.to_owned()));
        let Some(sip) = self.sip_mut(id) else { return };
        sip.media = MediaState::Failed;
        if sip.wanted.is_some() {
            self.hang_up(cx, id, Reason::NoMediaPort, &[]);
        }
    }

    /// Asks for the sockets of a leg that has come in.
    pub(super) fn open_media(&mut self, cx: &mut Context, id: LegId) {
        let Some(sip) = self.sip_mut(id) else { return };
        sip.media = MediaState::Opening;
        let kind = match sip.over_dtls {
            true => LegKind::WebRtc {
                ice: leg::media_ice(sip.ice.insert(cx.next_ice())),
            },
            false => LegKind::Rtp,
        };
        let unit = id.unit();
        cx.media(Command::OpenLeg { unit, kind });
    }

    /// Answers or begins early media, as soon as the sockets are there.
    pub(super) fn want_media(&mut self, cx: &mut Context, id: LegId, wanted: Wanted) {
        let Some(sip) = self.sip_mut(id) else { return };
        match &sip.media {
            // An answer overtakes early media that is still waiting.
            MediaState::Opening => sip.wanted = Some(wanted),
            MediaState::Ready(_) => self.use_media(cx, id, wanted),
            MediaState::Closed | MediaState::Failed => {
                self.hang_up(cx, id, Reason::NoMediaPort, &[]);
            }
        }
    }

    fn use_media(&mut self, cx: &mut Context, id: LegId, wanted: Wanted) {
        match wanted {
            Wanted::Answer(headers, place) => self.answer_now(cx, id, headers, &place),
            Wanted::EarlyMedia => self.early_media_now(cx, id),
        }
    }

    fn early_media_now(&mut self, cx: &mut Context, id: LegId) {
        let Some((call, body)) = self.negotiate_first(cx, id) else {
            return;
        };
        let body = Some(sdp_body(body));
        let sent = cx.sip.provisional(cx.now, call, 183, Vec::new(), body);
        if let Err(error) = sent {
            debug!(leg_id = %id, %error, "Early media refused");
            return;
        }
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.state = LegState::Early;
        }
        let until = cx.now + cx.settings.early_media;
        self.alarms.set(Alarm::EarlyMedia(id), Some(until));
        let event = LegEvent::EarlyMedia {
            code: 183,
            headers: Vec::new(),
        };
        self.tell_leg(cx, id, event);
    }

    fn answer_now(&mut self, cx: &mut Context, id: LegId, headers: Headers, place: &Place) {
        let Some((call, body)) = self.negotiate_first(cx, id) else {
            return;
        };
        let accepted = cx.sip.accept(cx.now, call, headers, Some(sdp_body(body)));
        match accepted {
            Ok(()) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.state = LegState::Answered;
                }
            }
            Err(error) => {
                let refused = Refused {
                    code: "answer-refused",
                    text: error.to_string(),
                };
                self.refused(cx, Some(id), refused, place);
            }
        }
    }

    /// Our answer to the INVITE's offer, or our offer; the same body when asked again. Ends the leg
    /// with 488 when there is nothing in common.
    fn negotiate_first(&mut self, cx: &mut Context, id: LegId) -> Option<(CallKey, Vec<u8>)> {
        let sip = self.sip_mut(id)?;
        let call = sip.call;
        let MediaState::Ready(local) = &sip.media else {
            return None;
        };
        match sip.exchange.first_body(local) {
            Ok((body, agreed)) => {
                if let Some(agreed) = agreed {
                    self.apply_stream(cx, id, &agreed);
                }
                Some((call, body))
            }
            Err(refusal) => {
                self.trouble(cx, id, Trouble::OfferRefused(refusal.to_string()));
                self.hang_up(cx, id, refusal.reason(), &[]);
                None
            }
        }
    }

    /// Tells media and script what has been agreed.
    fn apply_stream(&mut self, cx: &mut Context, id: LegId, agreed: &Agreed) {
        let fresh = agreed.webrtc.is_some().then(|| cx.next_ice());
        let Some(sip) = self.sip_mut(id) else { return };
        sip.note_restart(agreed, fresh);
        let held_before = std::mem::replace(&mut sip.on_hold, agreed.remote_hold);
        let stream = StreamParams {
            codec: agreed.codec,
            payload_type_out: agreed.payload_type_out,
            payload_type_in: agreed.payload_type_in,
            telephone_event: agreed.telephone_event.map(|event| TelephoneEventParams {
                payload_type_out: event.payload_type_out,
                payload_type_in: event.payload_type_in,
                clock_rate_hz: event.clock_rate_hz,
            }),
            remote_rtp: agreed.remote_rtp,
            remote_rtcp: agreed.remote_rtcp,
            send: agreed.direction.send(),
            receive: agreed.direction.receive(),
            relatch: sip.remote_rtp != Some(agreed.remote_rtp),
            webrtc: agreed.webrtc.as_deref().map(leg::webrtc_params),
        };
        sip.remote_rtp = Some(agreed.remote_rtp);
        cx.media(Command::UpdateLeg {
            unit: id.unit(),
            stream: Box::new(stream),
        });
        if agreed.remote_hold != held_before {
            let event = match agreed.remote_hold {
                true => LegEvent::Hold,
                false => LegEvent::Unhold,
            };
            self.tell_leg(cx, id, event);
        }
    }

    /// The caller has our answer: the leg is connected.
    pub(super) fn handle_acked(&mut self, cx: &mut Context, id: LegId, body: Option<Body>) {
        let Some(sip) = self.sip_mut(id) else { return };
        let answer = body.map(|body| body.bytes).unwrap_or_default();
        match sip.exchange.take_ack(&answer) {
            Ok(None) => {}
            Ok(Some(agreed)) => self.apply_stream(cx, id, &agreed),
            Err(refusal) => {
                self.trouble(cx, id, Trouble::AnswerRefused(refusal.to_string()));
                self.hang_up(cx, id, refusal.reason(), &[]);
                return;
            }
        }
        self.connect_leg(cx, id, Vec::new());
    }

    /// Marks a leg as connected and says so, once, with the headers of the other side's answer.
    pub(super) fn connect_leg(&mut self, cx: &mut Context, id: LegId, headers: Headers) {
        let now = cx.now;
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| !leg.is_connected()) else {
            return;
        };
        leg.state = LegState::Connected(now);
        let waited_ms = ms_between(leg.begun, now);
        self.alarms.set(Alarm::Unanswered(id), None);
        self.alarms.set(Alarm::EarlyMedia(id), None);
        cx.notice(Notice::LegAnswered(LegAnswered {
            session: self.id,
            leg: id,
            at_ms: self.at_ms(cx),
            waited_ms,
        }));
        self.tell_leg(cx, id, LegEvent::Connected { code: 200, headers });
    }

    /// Hold, resume, a new address, or a request for our offer.
    pub(super) fn handle_reinvite(
        &mut self,
        cx: &mut Context,
        id: LegId,
        key: RequestKey,
        request: &Request,
    ) {
        let Some(sip) = self.sip_mut(id) else {
            cx.respond(key, 481, Vec::new(), None);
            return;
        };
        let MediaState::Ready(local) = &sip.media else {
            cx.respond(key, 488, Vec::new(), None);
            return;
        };
        if request.body.is_empty() {
            let body = sip.exchange.offer(local);
            cx.respond(key, 200, Vec::new(), Some(sdp_body(body)));
            return;
        }
        match sip.exchange.answer(&request.body, local) {
            Ok((body, agreed)) => {
                self.apply_stream(cx, id, &agreed);
                cx.respond(key, 200, Vec::new(), Some(sdp_body(body)));
            }
            Err(refusal) => {
                self.trouble(cx, id, Trouble::ReinviteRefused(refusal.to_string()));
                let warning = ("Warning".to_owned(), format!("399 talkpath \"{refusal}\""));
                cx.respond(key, 488, vec![warning], None);
            }
        }
    }

    /// A re-INVITE was taken back: what it asked for is not done.
    pub(super) fn reinvite_cancelled(&mut self, id: LegId) {
        if let Some(sip) = self.sip_mut(id) {
            sip.exchange.take_back();
        }
    }
}

impl SipLink {
    pub(super) fn new(call: CallKey, request: &Request, flow: Flow, seed: u64) -> SipLink {
        SipLink {
            call,
            sip_call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            reached_at: flow.local.ip(),
            invite: Invite::of(request),
            // RFC 4566 §5.2 wants a numeric session id; 63 bits keep it positive for every reader.
            exchange: Exchange::new(seed >> 1, &request.body),
            media: MediaState::Closed,
            wanted: None,
            has_orders: false,
            over_dtls: match request.body.is_empty() {
                true => flow.transport.is_web(),
                false => sdp::wants_webrtc(&request.body),
            },
            ice: None,
            remote_rtp: None,
            on_hold: false,
            outbox: Default::default(),
            in_flight: None,
            sent: 0,
            heard: 0,
        }
    }
}
