//! What all sessions share, and what a session leaves to be done: outputs for the shell and
//! deliveries to other sessions. A session is handed the context with each input and never sees
//! another session.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use tracing::debug;

use crate::id::{LegId, PlaybackId, Run, SessionId, UnitId};
use crate::media::{self, LegStats};
use crate::script::Headers;
use crate::sdp::IceCredentials;
use crate::sip::{self, Body, CallKey, Endpoint, RequestKey};

use super::delivery::{Delivery, FromPeer};
use super::ended::Ended;
use super::{Notice, Output, Settings, Stats};

/// The one SIP endpoint, the indices, ids, randomness and the clock of the turn.
pub(super) struct Context {
    /// What the names of all ids end with.
    pub(super) run: Run,
    pub(super) settings: Settings,
    pub(super) sip: Endpoint,
    pub(super) index: Index,
    /// The time of the input that is being handled.
    pub(super) now: Instant,
    pub(super) outputs: VecDeque<Output>,
    /// Emptied before the engine returns; each entry is the consequence of one command or event.
    pub(super) deliveries: VecDeque<Delivery>,
    pub(super) stats: Stats,
    /// Legs whose media totals are still to come; their session may be gone by then.
    pub(super) ended: Ended,
    next_id: u64,
    random: ChaCha12Rng,
    epoch: (Instant, u64),
}

/// Which session a thing belongs to. A session enters and removes what is its own.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Legs, conferences, players and recorders.
    pub(super) units: BTreeMap<UnitId, SessionId>,
    /// The leg of each dialog. The two dialogs of a forwarded call have the caller's leg.
    pub(super) calls: BTreeMap<CallKey, LegId>,
    /// Sounds that are being loaded, and the unit that each is for.
    pub(super) clips: BTreeMap<PlaybackId, UnitId>,
    /// Recorders whose recording has not ended; they outlive their unit.
    pub(super) recordings: BTreeMap<UnitId, SessionId>,
    /// The one live session of each (application, conference name).
    pub(super) conferences: BTreeMap<(String, String), SessionId>,
}

impl Index {
    /// The session of a leg, and the leg, by its dialog; nothing for a dialog of no leg.
    pub(super) fn leg_of(&self, call: CallKey) -> Option<(SessionId, LegId)> {
        let leg = *self.calls.get(&call)?;
        Some((*self.units.get(&leg.unit())?, leg))
    }

    /// How many entries each table has.
    pub(super) fn sizes(&self) -> [(&'static str, usize); 5] {
        [
            ("units", self.units.len()),
            ("calls", self.calls.len()),
            ("clips", self.clips.len()),
            ("recordings", self.recordings.len()),
            ("conferences", self.conferences.len()),
        ]
    }
}

impl Context {
    /// `epoch` pairs an instant with its Unix time in milliseconds; `seed` is the only source of
    /// randomness.
    pub(super) fn new(settings: Settings, epoch: (Instant, u64), seed: [u8; 32]) -> Context {
        // A stream of its own: what else is drawn has nothing to do with it.
        let mut naming = ChaCha12Rng::from_seed(seed);
        naming.set_stream(1);
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
        Context {
            run: Run::new(epoch.1, naming.next_u32()),
            sip: Endpoint::new(sip_settings, sip_seed),
            settings,
            index: Index::default(),
            now: epoch.0,
            outputs: VecDeque::new(),
            deliveries: VecDeque::new(),
            stats: Stats::default(),
            ended: Ended::default(),
            next_id: 1,
            random,
            epoch,
        }
    }

    pub(super) fn media(&mut self, command: media::Command) {
        self.outputs.push_back(Output::Media(command));
    }

    /// Tells a fact to whoever wants to know.
    pub(super) fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    /// Tells the other end of an internal call.
    pub(super) fn tell_peer(&mut self, peer: LegId, said: FromPeer) {
        self.deliveries.push_back(Delivery::ToPeer(peer, said));
    }

    /// A line of the log that belongs to a scenario.
    pub(super) fn warn_scenario(&mut self, session: SessionId, text: String) {
        self.outputs.push_back(Output::Log {
            session,
            warn: true,
            text,
        });
    }

    /// The media totals of a leg that has ended are there.
    pub(super) fn report_ended(&mut self, unit: UnitId, stats: LegStats) {
        if let Some(ended) = self.ended.complete(unit, stats) {
            self.notice(Notice::LegEnded(ended));
        }
    }

    /// Tells the ends of legs that have waited long enough for their totals.
    pub(super) fn report_overdue(&mut self) {
        while let Some(ended) = self.ended.pop(self.now) {
            self.notice(Notice::LegEnded(ended));
        }
    }

    /// Answers a request of a peer. One that has been answered or has timed out is left alone.
    pub(super) fn respond(
        &mut self,
        key: RequestKey,
        code: u16,
        headers: Headers,
        body: Option<Body>,
    ) {
        if let Err(error) = self.sip.respond(self.now, key, code, headers, body) {
            debug!(?key, code, %error, "Request could not be answered");
        }
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

    /// How long ago something was, in milliseconds.
    pub(super) fn ms_since(&self, before: Instant) -> u64 {
        ms_between(before, self.now)
    }

    /// Unix time of the turn in milliseconds.
    pub(super) fn clock_ms(&self) -> u64 {
        self.epoch.1 + self.ms_since(self.epoch.0)
    }
}

/// Milliseconds from `before` to `now`.
pub(super) fn ms_between(before: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(before).as_millis() as u64
}
