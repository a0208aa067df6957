//! The engine itself: what it owns, and who gets an input.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use tracing::{debug, info};

use crate::deadlines::Deadlines;
use crate::id::{LegId, PlaybackId, SessionId, UnitId};
use crate::media;
use crate::script::{self, LegEvent};
use crate::sdp::IceCredentials;
use crate::sip::{self, CallKey, Endpoint, RequestKey};
use crate::termination::Reason;

use super::alarm::Alarm;
use super::leg::Leg;
use super::session::Session;
use super::{Catalog, Input, Output, Settings, Stats};

/// The machine for decisions. See the module.
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) sip: Endpoint,
    pub(super) catalog: Arc<Catalog>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) legs: BTreeMap<LegId, Leg>,
    pub(super) calls: BTreeMap<CallKey, LegId>,
    pub(super) requests: BTreeMap<RequestKey, LegId>,
    pub(super) direct: super::direct::DirectCalls,
    /// The one live session of each (application, conference name).
    pub(super) directory: BTreeMap<(String, String), SessionId>,
    /// Which session a conference, player or recorder belongs to.
    pub(super) units: BTreeMap<UnitId, SessionId>,
    /// Sounds that are being loaded, and the unit that each is for.
    pub(super) clips: BTreeMap<PlaybackId, UnitId>,
    /// Recordings that are still open, and where their end is told.
    pub(super) recordings: BTreeMap<UnitId, super::sound::Recording>,
    /// Legs whose media totals are still to come.
    pub(super) ended: BTreeMap<UnitId, super::end::EndedLeg>,
    pub(super) alarms: Deadlines<Alarm>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) stats: Stats,
    pub(super) unrouted: super::call_log::Unrouted,
    next_id: u64,
    random: ChaCha12Rng,
    epoch: (Instant, u64),
}

impl Engine {
    /// An engine without rules. `epoch` pairs an instant with its Unix time in milliseconds; `seed`
    /// is the only source of randomness.
    pub fn new(settings: Settings, epoch: (Instant, u64), seed: [u8; 32]) -> Engine {
        let mut random = ChaCha12Rng::from_seed(seed);
        let mut sip_seed = [0; 32];
        random.fill_bytes(&mut sip_seed);
        let sip_settings = sip::Settings {
            user_agent: settings.user_agent.clone(),
            calls_max: settings.calls_max,
            realm: settings.realm.clone(),
            digest: settings.digest.clone(),
            domain: settings.domain.clone(),
            clock: Some(epoch),
            reconnect: settings.reconnect,
            ..sip::Settings::default()
        };
        Engine {
            sip: Endpoint::new(sip_settings, sip_seed),
            settings,
            catalog: Arc::new(Catalog::default()),
            sessions: BTreeMap::new(),
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            requests: BTreeMap::new(),
            direct: super::direct::DirectCalls::default(),
            directory: BTreeMap::new(),
            units: BTreeMap::new(),
            clips: BTreeMap::new(),
            recordings: BTreeMap::new(),
            ended: BTreeMap::new(),
            alarms: Deadlines::default(),
            outputs: VecDeque::new(),
            stats: Stats::default(),
            unrouted: super::call_log::Unrouted::default(),
            next_id: 1,
            random,
            epoch,
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Sip { flow, bytes } => self.sip.handle_message(now, flow, bytes),
            Input::FlowOpened { flow, identity } => {
                self.sip.handle_flow_opened(now, flow, identity);
            }
            Input::PutUser(user) => self.sip.put_user(*user),
            Input::RemoveUser(name) => self.sip.remove_user(&name),
            Input::FlowClosed(flow) => self.sip.handle_flow_closed(now, flow),
            Input::Media(event) => self.handle_media(now, event),
            Input::Script(done) => self.handle_script(now, *done),
            Input::Clip { id, result } => self.handle_clip(now, id, result),
            Input::RecordingOpened { unit, url } => self.handle_recording_opened(now, unit, url),
            Input::Recording { unit, result } => self.handle_recording(now, unit, result),
            Input::Catalog(catalog) => self.catalog = catalog,
            Input::Drain => self.drain(now),
            Input::HangUpAll => {
                let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
                for id in sessions {
                    self.end_session(now, id, Reason::Draining);
                }
            }
        }
        self.drain_sip(now);
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.sip.poll_timeout().is_some_and(|at| at <= now) {
            self.sip.handle_timeout(now);
        }
        self.fire_alarms(now);
        self.drain_sip(now);
    }

    /// When [`Engine::handle_timeout`] is due next; nothing when no deadline is set.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.sip.poll_timeout(), self.alarms.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing to be done outside; nothing when all has been told.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> Stats {
        let rooms: BTreeSet<SessionId> = self.directory.values().copied().collect();
        let inside = |leg: &&Leg| rooms.contains(&leg.session);
        Stats {
            sessions: self.sessions.len(),
            legs: self.legs.len(),
            rooms: rooms.len(),
            participants: self.legs.values().filter(inside).count(),
            ..self.stats
        }
    }

    /// Numbers of the SIP endpoint for metrics.
    pub fn sip_counters(&self) -> &sip::Counters {
        self.sip.counters()
    }

    /// Takes no new calls, and ends what serves nobody any more.
    fn drain(&mut self, now: Instant) {
        self.sip.set_draining(true);
        let idle = self
            .sessions
            .iter()
            .filter(|(_, session)| session.is_idle());
        let idle: Vec<SessionId> = idle.map(|(id, _)| *id).collect();
        for id in idle {
            self.end_session(now, id, Reason::Draining);
        }
    }

    /// What is left in each table, without those that are empty: nothing, a while after the last
    /// call has ended.
    pub fn leftovers(&self) -> Vec<(&'static str, usize)> {
        let mut left = vec![
            ("sessions", self.sessions.len()),
            ("legs", self.legs.len()),
            ("calls", self.calls.len()),
            ("requests", self.requests.len()),
            ("direct calls", self.direct.len()),
            ("directory", self.directory.len()),
            ("units", self.units.len()),
            ("clips", self.clips.len()),
            ("recordings", self.recordings.len()),
            ("ended legs", self.ended.len()),
            ("alarms", self.alarms.len()),
        ];
        left.extend(self.sip.leftovers());
        left.retain(|(_, count)| *count > 0);
        left
    }

    fn drain_sip(&mut self, now: Instant) {
        while let Some(output) = self.sip.poll_output() {
            match output {
                sip::Output::Send { flow, bytes } => {
                    self.outputs.push_back(Output::Sip { flow, bytes });
                }
                sip::Output::Event(event) => self.handle_sip_event(now, event),
            }
        }
    }

    fn handle_sip_event(&mut self, now: Instant, event: sip::Event) {
        if let Some(of) = self.direct_of(&event) {
            return self.handle_direct(now, of, event);
        }
        match event {
            sip::Event::Invite {
                call,
                request,
                flow,
                user,
            } => {
                self.handle_invite(now, call, request, (flow, user));
            }
            sip::Event::Cancelled { call } => self.call_ended(now, call, Reason::Cancelled),
            sip::Event::Acked { call, body } => self.handle_acked(now, call, body),
            sip::Event::NoAck { call } => self.call_ended(now, call, Reason::NoAck),
            sip::Event::Reinvite { call, key, request } => {
                self.handle_reinvite(now, call, key, &request);
            }
            sip::Event::ReinviteCancelled { call, .. } => self.reinvite_cancelled(call),
            sip::Event::Info { call, key, request } => self.handle_info(now, call, key, &request),
            sip::Event::Bye { call, request } => self.handle_bye(now, call, &request),
            sip::Event::RequestAnswered {
                key, response_code, ..
            } => {
                self.handle_request_answered(now, key, response_code);
            }
            sip::Event::FlowLost { call } => self.note_flow(call, "WebSocket of a call lost"),
            sip::Event::FlowBack { call } => self.note_flow(call, "WebSocket of a call is back"),
            sip::Event::Ended { call, reason } => self.call_ended(now, call, reason),
            // No scenario places calls yet, so these speak of calls that are not ours.
            sip::Event::Provisional { call, .. }
            | sip::Event::Answered { call, .. }
            | sip::Event::Failed { call, .. } => debug!(?call, "Event of a call without a leg"),
        }
    }

    fn handle_media(&mut self, now: Instant, event: media::Event) {
        use media::Event as M;
        match event {
            M::LegReady {
                unit,
                rtp,
                rtcp,
                webrtc,
            } => self.handle_leg_ready(now, unit, (rtp, rtcp), webrtc),
            M::LegFailed { unit, error } => {
                info!(%unit, error, "No media port for a leg");
                self.hang_up(now, LegId(unit.0), Reason::NoMediaPort, &[]);
            }
            M::Digit {
                unit,
                digit,
                kind,
                duration_ms,
            } => {
                self.handle_digit(now, LegId(unit.0), digit, kind, duration_ms);
            }
            M::DigitReleased {
                unit,
                digit,
                kind,
                duration_ms,
            } => self.handle_digit_released(now, LegId(unit.0), (digit, kind), duration_ms),
            M::DigitsSent { .. } => {}
            M::Refused { unit, what, error } => self.media_refused(now, unit, what, &error),
            M::ActiveSpeaker { unit, speaker } => {
                let leg = speaker.map(|unit| LegId(unit.0));
                self.tell_unit(now, unit, script::UnitEvent::ActiveSpeaker { leg });
            }
            M::TalkStarted { unit, level_dbov } => {
                self.tell_leg(now, LegId(unit.0), LegEvent::TalkStarted { level_dbov });
            }
            M::TalkStopped { unit, level_dbov } => {
                self.tell_leg(now, LegId(unit.0), LegEvent::TalkStopped { level_dbov });
            }
            M::PlaybackStarted { unit, playback } => {
                self.handle_playback(now, unit, playback, false);
            }
            M::PlaybackFinished { unit, playback } => {
                self.handle_playback(now, unit, playback, true);
            }
            M::IceConnected { unit } => debug!(%unit, "WebRTC leg connected"),
            M::LegLost { unit, loss } => self.handle_leg_lost(now, LegId(unit.0), loss),
            M::MediaTimeout { unit } => self.handle_media_missing(now, LegId(unit.0)),
            M::MediaBack { unit } => self.handle_media_back(now, LegId(unit.0)),
            M::Quality { unit, quality } => {
                let event = LegEvent::Quality {
                    loss: quality.loss,
                    jitter_ms: quality.jitter_ms,
                    mos: quality.mos,
                    rtt_ms: quality.rtt_ms,
                };
                self.tell_leg(now, LegId(unit.0), event);
            }
            M::LegClosed { unit, stats } => self.report_ended(unit, stats),
        }
    }

    fn handle_leg_lost(&mut self, now: Instant, id: LegId, loss: media::Loss) {
        info!(leg_id = %id, ?loss, "WebRTC leg lost");
        match loss {
            // A page that is closed or reloaded says goodbye in DTLS and has no time for a BYE.
            media::Loss::Closed => {
                let incoming = self.legs.get(&id).is_none_or(|leg| leg.incoming);
                let reason = if incoming {
                    Reason::CallerHangup
                } else {
                    Reason::CalleeHangup
                };
                self.hang_up(now, id, reason, &[]);
            }
            media::Loss::Consent | media::Loss::Dtls(_) => self.give_up_media(now, id),
        }
    }

    /// Who has logged in over a WebSocket may come back; a telephone is hung up.
    fn handle_media_missing(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else {
            return;
        };
        let call = leg.sip().map(|sip| sip.call);
        if !leg.is_connected() || !call.is_some_and(|call| self.sip.is_kept(call)) {
            return self.give_up_media(now, id);
        }
        if !std::mem::replace(&mut leg.away, true) {
            self.set_alarm(now + self.settings.reconnect, Alarm::Away(id));
            self.tell_leg(now, id, LegEvent::Reconnecting);
        }
    }

    fn handle_media_back(&mut self, now: Instant, id: LegId) {
        let leg = self.legs.get_mut(&id);
        if leg.is_some_and(|leg| std::mem::take(&mut leg.away)) {
            self.take_back_alarm(Alarm::Away(id));
            self.tell_leg(now, id, LegEvent::Reconnected);
        }
    }

    pub(super) fn give_up_media(&mut self, now: Instant, id: LegId) {
        self.tell_leg(now, id, LegEvent::MediaTimeout);
        self.hang_up(now, id, Reason::MediaTimeout, &[]);
    }

    /// Tells the session of a leg about it.
    pub(super) fn tell_leg(&mut self, now: Instant, leg: LegId, event: LegEvent) {
        if let Some(session) = self.legs.get(&leg).map(|leg| leg.session) {
            self.tell(now, session, script::Event::Leg { leg, event });
        }
    }

    fn note_flow(&self, call: CallKey, what: &'static str) {
        if let Some(leg) = self.leg_of(call) {
            info!(leg_id = %leg.id, session_id = %leg.session, "{what}");
        }
    }

    pub(super) fn leg_of(&self, call: CallKey) -> Option<&Leg> {
        self.legs.get(self.calls.get(&call)?)
    }

    pub(super) fn media(&mut self, command: media::Command) {
        self.outputs.push_back(Output::Media(command));
    }

    pub(super) fn take_ids(&mut self, count: u64) -> u64 {
        let first = self.next_id;
        self.next_id += count;
        first
    }

    pub(super) fn next_seed(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// Credentials for a session of ICE that is to come.
    pub(super) fn next_ice(&mut self) -> IceCredentials {
        let random = &mut self.random;
        IceCredentials::from_random(std::array::from_fn(|_| random.next_u64()))
    }

    /// Unix time in milliseconds.
    pub(super) fn clock_ms(&self, now: Instant) -> u64 {
        self.epoch.1 + now.saturating_duration_since(self.epoch.0).as_millis() as u64
    }
}
