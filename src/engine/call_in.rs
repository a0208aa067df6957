//! SIP calls that come in: routing, answer, negotiation, hold.
//!
//! ```text
//! INVITE → rule → session, leg Alerting ── answer() ──► OpenLeg ─ LegReady ─► 200 ─ ACK ─►
//! Connected
//!                                       └ start_early_media() ► OpenLeg ─ LegReady ─► 183, Early
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use tracing::{debug, info};

use crate::codec::CODECS;
use crate::display_name::cleaned;
use crate::id::{LegId, UnitId};
use crate::media::{Command, LegKind, StreamParams, TelephoneEventParams, WebRtcReady};
use crate::routing::{CallInfo, Source};
use crate::script::{self, Headers, LegEvent, LegInfo, Place};
use crate::sdp::{self, Agreed, Direction, Local, Negotiation};
use crate::sip::{Body, CallKey, Flow, Request, RequestKey};
use crate::termination::Reason;

use super::Engine;
use super::alarm::Alarm;
use super::call_log::{TraceId, log_arrival};
use super::end::reason_header;
use super::leg::{self, Invite, Leg, LegState, Link, MediaState, SipLink, Wanted};
use super::refused::Refused;
use super::session::Birth;

const SDP: &str = "application/sdp";

impl Engine {
    /// A new call: asks the rules, starts the session, tells it of the leg.
    pub(super) fn handle_invite(
        &mut self,
        now: Instant,
        call: CallKey,
        request: Request,
        (flow, user): (Flow, Option<String>),
    ) {
        self.stats.calls_total += 1;
        let info = self.describe(&request, flow, user);
        let catalog = self.catalog.clone();
        let headers: Headers = request
            .headers
            .iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let question = CallInfo {
            destination: &info.destination,
            caller: &info.caller_id,
            source: if flow.transport.is_web() {
                Source::Web
            } else {
                Source::Phone
            },
            headers: &headers,
            now_unix_s: (self.clock_ms(now) / 1000) as i64,
        };
        let choice = match catalog.decide(&question) {
            Ok(choice) => choice,
            Err(traces) => {
                self.unrouted
                    .note(now, &info, flow, &traces, &mut self.stats);
                self.refuse_call(now, call, Reason::NotFound);
                return;
            }
        };
        if let Some(reason) = self.refuses_session(&choice) {
            self.refuse_call(now, call, reason);
            return;
        }
        let rule = choice.rule.name.clone();
        let birth = Birth {
            choice,
            conference_name: None,
            catalog,
        };
        let Some(session) = self.open_session(now, birth) else {
            self.refuse_call(now, call, Reason::InternalError);
            return;
        };
        let sip = SipLink::new(call, &request, flow, self.next_seed());
        log_arrival(&info, flow, &sip.sip_call_id, (session, &rule));
        let leg = Leg::new(&info, session, Link::Sip(Box::new(sip)));
        let leg = leg.traced(TraceId::of(flow, info.id));
        self.calls.insert(call, info.id);
        self.add_leg(now, leg);
        self.tell(now, session, script::Event::Incoming { leg: info });
    }

    /// Puts a leg into its session and starts the time in which it must be answered.
    pub(super) fn add_leg(&mut self, now: Instant, leg: Leg) {
        let id = leg.id;
        if let Some(session) = self.sessions.get_mut(&leg.session) {
            session.legs.insert(id);
        }
        self.take_back_alarm(Alarm::Idle(leg.session));
        self.legs.insert(id, leg);
        self.set_alarm(now + self.settings.unanswered, Alarm::Unanswered(id));
    }

    fn describe(&mut self, request: &Request, flow: Flow, user: Option<String>) -> LegInfo {
        let from = request.headers.from().ok();
        let caller_id = from
            .as_ref()
            .map(|from| {
                from.uri
                    .user_unescaped()
                    .unwrap_or_else(|| from.uri.host.to_string())
            })
            .map(|name| cleaned(&name))
            .unwrap_or_default();
        let display_name = from.and_then(|from| from.display_name);
        let destination = request.uri.user_unescaped().unwrap_or_default();
        LegInfo {
            id: LegId(self.take_ids(1)),
            incoming: true,
            source: if flow.transport.is_web() {
                "web"
            } else {
                "phone"
            }
            .to_owned(),
            number: caller_id.clone(),
            caller_id,
            display_name: cleaned(&display_name.unwrap_or_default()),
            destination,
            headers: script_headers(request),
            user: user.unwrap_or_default(),
        }
    }

    fn refuse_call(&mut self, now: Instant, call: CallKey, reason: Reason) {
        let row = reason.row();
        if let Err(error) = self
            .sip
            .reject(now, call, row.sip_status, None, reason_header(reason))
        {
            debug!(?call, %error, "Call could not be refused");
        }
    }

    /// The sockets of a leg are there: does what waited for them.
    pub(super) fn handle_leg_ready(
        &mut self,
        now: Instant,
        unit: UnitId,
        (rtp, rtcp): (SocketAddr, SocketAddr),
        webrtc: Option<WebRtcReady>,
    ) {
        let id = LegId(unit.0);
        let (media_address, own_address) = (self.settings.media_address, self.settings.own_address);
        let webrtc = webrtc.map(|ready| (ready, self.next_ice()));
        let Some(leg) = self.legs.get_mut(&id) else {
            self.media(Command::Close { unit });
            return;
        };
        let Some(sip) = leg.sip_mut() else { return };
        let address = media_address.unwrap_or(match rtp.ip() {
            ip if ip.is_unspecified() => sip.reached_at,
            ip => ip,
        });
        let own = own_address.filter(|_| rtp.ip().is_unspecified());
        let local = Local {
            rtp: SocketAddr::new(address, rtp.port()),
            rtcp: SocketAddr::new(address, rtcp.port()),
            webrtc: sip.local_webrtc(webrtc, SocketAddr::new(address, rtp.port()), own),
        };
        let before = std::mem::replace(&mut sip.media, MediaState::Ready(local));
        match before {
            MediaState::Opening(Wanted::Answer(headers, place)) => {
                self.answer_now(now, id, headers, &place);
            }
            MediaState::Opening(Wanted::EarlyMedia) => self.early_media_now(now, id),
            MediaState::Closed | MediaState::Ready(_) => {}
        }
    }

    /// Opens the sockets of a leg, or goes on at once when they are there.
    pub(super) fn want_media(&mut self, now: Instant, id: LegId, wanted: Wanted) {
        let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) else {
            return;
        };
        match &sip.media {
            MediaState::Closed => {
                sip.media = MediaState::Opening(wanted);
                sip.in_media = true;
                let kind = match sip.over_dtls {
                    true => self.webrtc_kind(id),
                    false => LegKind::Rtp,
                };
                self.media(Command::OpenLeg {
                    unit: id.unit(),
                    kind,
                });
            }
            // An answer overtakes early media that is still waiting.
            MediaState::Opening(_) => sip.media = MediaState::Opening(wanted),
            MediaState::Ready(_) => match wanted {
                Wanted::Answer(headers, place) => self.answer_now(now, id, headers, &place),
                Wanted::EarlyMedia => self.early_media_now(now, id),
            },
        }
    }

    fn webrtc_kind(&mut self, id: LegId) -> LegKind {
        let ice = self.next_ice();
        let kind = LegKind::WebRtc {
            ice: leg::media_ice(&ice),
        };
        if let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) {
            sip.ice = Some(ice);
        }
        kind
    }

    fn early_media_now(&mut self, now: Instant, id: LegId) {
        let Some((call, body)) = self.negotiate_first(now, id) else {
            return;
        };
        let body = Body {
            content_type: SDP.to_owned(),
            bytes: body.into(),
        };
        match self.sip.provisional(now, call, 183, Vec::new(), Some(body)) {
            Ok(()) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.state = LegState::Early;
                }
                self.set_alarm(now + self.settings.early_media, Alarm::EarlyMedia(id));
                self.tell_leg(
                    now,
                    id,
                    LegEvent::EarlyMedia {
                        code: 183,
                        headers: Vec::new(),
                    },
                );
            }
            Err(error) => debug!(leg_id = %id, %error, "Early media refused"),
        }
    }

    fn answer_now(&mut self, now: Instant, id: LegId, headers: Headers, place: &Place) {
        let Some((call, body)) = self.negotiate_first(now, id) else {
            return;
        };
        let body = Body {
            content_type: SDP.to_owned(),
            bytes: body.into(),
        };
        match self.sip.accept(now, call, headers, Some(body)) {
            Ok(()) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.state = LegState::Answered;
                }
            }
            Err(error) => {
                let session = self.legs.get(&id).map(|leg| leg.session);
                if let Some(session) = session {
                    let refused = Refused {
                        code: "answer-refused",
                        text: error.to_string(),
                    };
                    self.refused(now, session, Some(id), refused, place);
                }
            }
        }
    }

    /// Our answer to the INVITE's offer, or our offer; the same body when asked again. Ends the leg
    /// with 488 when there is nothing in common.
    fn negotiate_first(&mut self, now: Instant, id: LegId) -> Option<(CallKey, Vec<u8>)> {
        let sip = self.legs.get_mut(&id).and_then(Leg::sip_mut)?;
        let call = sip.call;
        if let Some(body) = &sip.local_body {
            return Some((call, body.clone()));
        }
        let MediaState::Ready(local) = &sip.media else {
            return None;
        };
        let Some(offer) = &sip.offer else {
            let body = sip.negotiation.offer(local, Direction::SendRecv);
            sip.answer_due = true;
            sip.local_body = Some(body.clone());
            return Some((call, body));
        };
        match sip.negotiation.answer(offer, local, Direction::SendRecv) {
            Ok((body, agreed)) => {
                sip.local_body = Some(body.clone());
                self.apply_stream(now, id, &agreed);
                Some((call, body))
            }
            Err(refusal) => {
                info!(leg_id = %id, %refusal, "Offer refused");
                self.hang_up(now, id, refusal.reason(), &[]);
                None
            }
        }
    }

    /// Tells media and script what has been agreed.
    fn apply_stream(&mut self, now: Instant, id: LegId, agreed: &Agreed) {
        let fresh = agreed.webrtc.is_some().then(|| self.next_ice());
        let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) else {
            return;
        };
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
        self.media(Command::UpdateLeg {
            unit: id.unit(),
            stream: Box::new(stream),
        });
        if agreed.remote_hold != held_before {
            let event = if agreed.remote_hold {
                LegEvent::Hold
            } else {
                LegEvent::Unhold
            };
            self.tell_leg(now, id, event);
        }
    }

    /// The caller has our answer: the leg is connected.
    pub(super) fn handle_acked(&mut self, now: Instant, call: CallKey, body: Option<Body>) {
        let Some(&id) = self.calls.get(&call) else {
            return;
        };
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let Some(sip) = leg.sip_mut() else { return };
        if std::mem::take(&mut sip.answer_due) {
            let answer = body.map(|body| body.bytes).unwrap_or_default();
            match sip.negotiation.accept_answer(&answer) {
                Ok(agreed) => self.apply_stream(now, id, &agreed),
                Err(refusal) => {
                    info!(leg_id = %id, %refusal, "Answer in ACK refused");
                    self.hang_up(now, id, refusal.reason(), &[]);
                    return;
                }
            }
        }
        self.connect_leg(now, id);
    }

    /// Marks a leg as connected and says so, once.
    pub(super) fn connect_leg(&mut self, now: Instant, id: LegId) {
        self.connect_leg_with(now, id, Vec::new());
    }

    /// The same, with the headers of the other side's answer.
    pub(super) fn connect_leg_with(&mut self, now: Instant, id: LegId, headers: Headers) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        if leg.is_connected() {
            return;
        }
        leg.state = LegState::Connected(now);
        self.take_back_alarm(Alarm::Unanswered(id));
        self.take_back_alarm(Alarm::EarlyMedia(id));
        self.tell_leg(now, id, LegEvent::Connected { code: 200, headers });
    }

    /// Hold, resume, a new address, or a request for our offer.
    pub(super) fn handle_reinvite(
        &mut self,
        now: Instant,
        call: CallKey,
        key: RequestKey,
        request: &Request,
    ) {
        let leg = self.calls.get(&call).and_then(|id| self.legs.get_mut(id));
        let Some((id, sip)) = leg.and_then(|leg| Some((leg.id, leg.sip_mut()?))) else {
            self.respond(now, key, 481, Vec::new(), None);
            return;
        };
        let MediaState::Ready(local) = &sip.media else {
            self.respond(now, key, 488, Vec::new(), None);
            return;
        };
        if request.body.is_empty() {
            let body = sip.negotiation.offer(local, Direction::SendRecv);
            sip.answer_due = true;
            let body = Body {
                content_type: SDP.to_owned(),
                bytes: body.into(),
            };
            self.respond(now, key, 200, Vec::new(), Some(body));
            return;
        }
        match sip
            .negotiation
            .answer(&request.body, local, Direction::SendRecv)
        {
            Ok((body, agreed)) => {
                self.apply_stream(now, id, &agreed);
                let body = Body {
                    content_type: SDP.to_owned(),
                    bytes: body.into(),
                };
                self.respond(now, key, 200, Vec::new(), Some(body));
            }
            Err(refusal) => {
                info!(leg_id = %id, %refusal, "Offer of a re-INVITE refused, call goes on");
                let warning = ("Warning".to_owned(), format!("399 talkpath \"{refusal}\""));
                self.respond(now, key, 488, vec![warning], None);
            }
        }
    }

    /// A re-INVITE was taken back: what it asked for is not done.
    pub(super) fn reinvite_cancelled(&mut self, call: CallKey) {
        let Some(&id) = self.calls.get(&call) else {
            return;
        };
        if let Some(sip) = self.legs.get_mut(&id).and_then(Leg::sip_mut) {
            sip.negotiation.rollback();
            sip.answer_due = false;
        }
    }

    pub(super) fn respond(
        &mut self,
        now: Instant,
        key: RequestKey,
        code: u16,
        headers: Headers,
        body: Option<Body>,
    ) {
        if let Err(error) = self.sip.respond(now, key, code, headers, body) {
            debug!(?key, code, %error, "Request could not be answered");
        }
    }
}

impl SipLink {
    fn new(call: CallKey, request: &Request, flow: Flow, seed: u64) -> SipLink {
        SipLink {
            call,
            sip_call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            reached_at: flow.local.ip(),
            invite: Invite::of(request),
            offer: Some(request.body.clone()).filter(|body: &Bytes| !body.is_empty()),
            // RFC 4566 §5.2 wants a numeric session id; 63 bits keep it positive for every reader.
            negotiation: Negotiation::new(seed >> 1, CODECS),
            media: MediaState::Closed,
            in_media: false,
            over_dtls: match request.body.is_empty() {
                true => flow.transport.is_web(),
                false => sdp::wants_webrtc(&request.body),
            },
            ice: None,
            local_body: None,
            remote_rtp: None,
            on_hold: false,
            answer_due: false,
            outbox: Default::default(),
            in_flight: None,
            sent: 0,
            heard: 0,
        }
    }
}

/// The headers that a script sees: `X-…` and a few that say who calls.
fn script_headers(request: &Request) -> BTreeMap<String, String> {
    const OTHERS: [&str; 5] = [
        "user-agent",
        "subject",
        "diversion",
        "p-asserted-identity",
        "history-info",
    ];
    request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| name.starts_with("x-") || OTHERS.contains(&name.as_str()))
        .collect()
}
