//! The engine itself: the sessions, and which of them gets an input.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use crate::deadlines::Deadlines;
use crate::id::{Run, SessionId, UnitId};
use crate::media;
use crate::sip;
use crate::termination::Reason;

use super::context::Context;
use super::delivery::Delivery;
use super::session::{Session, SessionInput};
use super::{Catalog, Input, Output, Settings, Stats};

/// The machine for decisions. See the module.
pub struct Engine {
    pub(super) cx: Context,
    pub(super) catalog: Arc<Catalog>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    /// When each session's next deadline is.
    due: Deadlines<SessionId>,
    pub(super) unrouted: super::unrouted::Unrouted,
}

impl Engine {
    /// An engine without rules. `epoch` pairs an instant with its Unix time in milliseconds; `seed`
    /// is the only source of randomness. The two also make its [`Run`].
    pub fn new(settings: Settings, epoch: (Instant, u64), seed: [u8; 32]) -> Engine {
        Engine {
            cx: Context::new(settings, epoch, seed),
            catalog: Arc::new(Catalog::default()),
            sessions: BTreeMap::new(),
            due: Deadlines::default(),
            unrouted: super::unrouted::Unrouted::default(),
        }
    }

    /// What the ids of this engine are named with outside of it.
    pub fn run(&self) -> Run {
        self.cx.run
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.cx.now = now;
        let sip = &mut self.cx.sip;
        match input {
            Input::Sip { flow, bytes } => sip.handle_message(now, flow, bytes),
            Input::FlowOpened { flow, identity } => sip.handle_flow_opened(now, flow, identity),
            Input::PutUser(user) => sip.put_user(*user),
            Input::RemoveUser(name) => sip.remove_user(&name),
            Input::FlowClosed(flow) => sip.handle_flow_closed(now, flow),
            Input::Media(event) => self.handle_media(event),
            Input::Script(done) => self.give(done.session, SessionInput::Turn(done)),
            Input::Clip { id, result } => {
                if let Some(unit) = self.cx.index.clips.remove(&id) {
                    self.give_unit(unit, SessionInput::Clip { unit, id, result });
                }
            }
            Input::RecordingOpened { unit, url } => {
                // A session that has ended does not wait for it.
                if let Some(&session) = self.cx.index.recordings.get(&unit) {
                    self.give(session, SessionInput::RecordingOpened { unit, url });
                }
            }
            Input::Recording { unit, result } => {
                if let Some(session) = self.cx.index.recordings.remove(&unit) {
                    self.give(session, SessionInput::Recording { unit, result });
                }
            }
            Input::Catalog(catalog) => self.catalog = catalog,
            Input::Drain => {
                self.cx.sip.set_draining(true);
                self.give_all(|| SessionInput::Drain);
            }
            Input::HangUpAll => self.give_all(|| SessionInput::End(Reason::Draining)),
        }
        self.settle();
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cx.now = now;
        if self.cx.sip.poll_timeout().is_some_and(|at| at <= now) {
            self.cx.sip.handle_timeout(now);
        }
        self.cx.report_overdue();
        while let Some(session) = self.due.pop(now) {
            self.give(session, SessionInput::Timeout);
            self.settle();
        }
        self.settle();
    }

    /// When [`Engine::handle_timeout`] is due next; nothing when no deadline is set.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let overdue = self.cx.ended.next_deadline();
        let next = [self.cx.sip.poll_timeout(), self.due.next(), overdue];
        next.into_iter().flatten().min()
    }

    /// The next thing to be done outside; nothing when all has been told.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.outputs.pop_front()
    }

    /// Numbers for metrics.
    pub fn stats(&self) -> Stats {
        let legs = |session: &Session| session.legs.len();
        let conferences = self.cx.index.conferences.values();
        let inside = conferences.filter_map(|id| self.sessions.get(id));
        Stats {
            sessions: self.sessions.len(),
            legs: self.sessions.values().map(legs).sum(),
            rooms: self.cx.index.conferences.len(),
            participants: inside.map(legs).sum(),
            ..self.cx.stats
        }
    }

    /// Numbers of the SIP endpoint for metrics.
    pub fn sip_counters(&self) -> &sip::Counters {
        self.cx.sip.counters()
    }

    /// What is left in each table, without those that are empty: nothing, a while after the last
    /// call has ended.
    pub fn leftovers(&self) -> Vec<(&'static str, usize)> {
        let sessions = self.sessions.values();
        let mut left = vec![
            ("sessions", self.sessions.len()),
            ("sessions with a deadline", self.due.len()),
            ("alarms", sessions.map(|session| session.alarms.len()).sum()),
            ("ended legs", self.cx.ended.len()),
            ("deliveries", self.cx.deliveries.len()),
        ];
        left.extend(self.cx.index.sizes());
        left.extend(self.cx.sip.leftovers());
        left.retain(|(_, count)| *count > 0);
        left
    }

    /// Lets a session handle an input; one that is gone gets nothing.
    pub(super) fn give(&mut self, id: SessionId, input: SessionInput) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.handle(&mut self.cx, input);
        let next = session.next_deadline();
        let is_over = session.is_over();
        self.due.set(id, next.filter(|_| !is_over));
        if is_over {
            self.sessions.remove(&id);
        }
    }

    fn give_unit(&mut self, unit: UnitId, input: SessionInput) {
        if let Some(&session) = self.cx.index.units.get(&unit) {
            self.give(session, input);
        }
    }

    fn give_all(&mut self, input: impl Fn() -> SessionInput) {
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in sessions {
            self.give(id, input());
            self.settle();
        }
    }

    /// Carries what sessions have for each other, and what the endpoint has for them, until
    /// nothing is left.
    fn settle(&mut self) {
        loop {
            if let Some(delivery) = self.cx.deliveries.pop_front() {
                match delivery {
                    Delivery::CallConference(call) => self.call_conference(*call),
                    Delivery::ToPeer(leg, said) => {
                        self.give_unit(leg.unit(), SessionInput::Peer { leg, said });
                    }
                }
            } else if let Some(output) = self.cx.sip.poll_output() {
                match output {
                    sip::Output::Send { flow, bytes } => {
                        self.cx.outputs.push_back(Output::Sip { flow, bytes });
                    }
                    sip::Output::Event(event) => self.handle_sip(event),
                }
            } else {
                return;
            }
        }
    }

    fn handle_sip(&mut self, event: sip::Event) {
        if let sip::Event::Invite {
            call,
            request,
            flow,
            user,
        } = event
        {
            self.handle_invite(call, &request, (flow, user));
            return;
        }
        match (self.cx.index.leg_of(event.call()), event) {
            (Some((session, leg)), event) => {
                self.give(session, SessionInput::Sip(leg, Box::new(event)))
            }
            (None, sip::Event::Info { key, .. } | sip::Event::Reinvite { key, .. }) => {
                self.cx.respond(key, 481, Vec::new(), None);
            }
            (None, event) => debug!(call = ?event.call(), "Event of a call without a leg"),
        }
    }

    fn handle_media(&mut self, event: media::Event) {
        let unit = event.unit();
        if let media::Event::LegClosed { stats, .. } = event {
            self.cx.report_ended(unit, stats);
        } else if self.cx.index.units.contains_key(&unit) {
            self.give_unit(unit, SessionInput::Media(event));
        } else if matches!(event, media::Event::LegReady { .. }) {
            // The leg ended while its sockets were being opened.
            self.cx.media(media::Command::Close { unit });
        }
    }
}
