//! Internal calls: one leg in each of two sessions, joined by a wire. The directory makes sure that
//! one name means one live session of the application.

use std::collections::BTreeMap;
use std::time::Instant;

use tracing::info;

use crate::id::{LegId, SessionId, UnitId};
use crate::media;
use crate::routing::{CallInfo, Source};
use crate::script::{CallOptions, Event, Headers, LegEvent, LegInfo, UnitEvent};
use crate::termination::Reason;

use super::Engine;
use super::call_log::{TraceId, log_join};
use super::catalog::Choice;
use super::leg::{Leg, Link};
use super::refused::{Refused, refuse};
use super::session::{Birth, UnitKind};

impl Engine {
    /// Calls a conference by name: its live session, or a new one by the rules. The caller's leg
    /// fails with 404 when no rule takes the name from inside.
    pub(super) fn call_conference(
        &mut self,
        now: Instant,
        session: SessionId,
        leg: LegId,
        name: &str,
        options: CallOptions,
    ) -> Result<(), Refused> {
        let legs_max = self.settings.session_legs_max;
        let Some(caller) = self.sessions.get(&session) else {
            return Ok(());
        };
        if caller.conference_name.is_none() && caller.legs.len() >= legs_max {
            return refuse(
                "too-many-legs",
                format!("a session may have {legs_max} legs"),
            );
        }
        let hops = self.hops_of(session) + 1;
        if hops > self.settings.internal_hops_max {
            let max = self.settings.internal_hops_max;
            return refuse(
                "too-many-hops",
                format!("internal calls may follow {max} times"),
            );
        }
        let headers: BTreeMap<String, String> = options
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        let far = LegId(self.take_ids(1));
        let own = LegInfo {
            id: leg,
            incoming: false,
            source: "internal".to_owned(),
            caller_id: options.caller_id.clone(),
            display_name: options.display_name.clone(),
            destination: name.to_owned(),
            number: name.to_owned(),
            headers: BTreeMap::new(),
            user: String::new(),
        };
        let theirs = LegInfo {
            id: far,
            incoming: true,
            number: options.caller_id,
            headers,
            ..own.clone()
        };
        let link = Link::Internal { peer: far, hops };
        let trace = self.trace_of(session).unwrap_or(TraceId::Phone(leg));
        self.add_leg(now, Leg::new(&own, session, link).traced(trace));
        let callee = match self.conference_session(now, session, name, &theirs) {
            Ok(callee) => callee,
            Err(reason) => {
                self.drop_leg(now, leg, reason);
                return Ok(());
            }
        };
        let link = Link::Internal { peer: leg, hops };
        log_join(trace, &own, (session, callee), far);
        self.add_leg(now, Leg::new(&theirs, callee, link).traced(trace));
        self.media(media::Command::AddWire {
            a: leg.unit(),
            b: far.unit(),
        });
        self.tell(now, callee, Event::Incoming { leg: theirs });
        Ok(())
    }

    /// The leg of a call that was refused: the script has it already, and it ends like any other.
    pub(super) fn tell_never_called(&mut self, now: Instant, session: SessionId, leg: LegId) {
        let row = Reason::LimitReached.row();
        let event = LegEvent::Failed {
            code: row.sip_status,
            reason: row.label.to_owned(),
            class: row.class.label().to_owned(),
            text: row.text.to_owned(),
            headers: Vec::new(),
        };
        self.tell(now, session, Event::Leg { leg, event });
    }

    fn hops_of(&self, session: SessionId) -> u8 {
        let Some(session) = self.sessions.get(&session) else {
            return 0;
        };
        let hops = session
            .legs
            .iter()
            .filter_map(|leg| match self.legs.get(leg)?.link {
                Link::Internal { hops, .. } if self.legs.get(leg)?.incoming => Some(hops),
                Link::Internal { .. } | Link::Sip(_) => None,
            });
        hops.max().unwrap_or(0)
    }

    /// The live session of a conference name, or a new one by the caller's own rules.
    fn conference_session(
        &mut self,
        now: Instant,
        caller: SessionId,
        name: &str,
        info: &LegInfo,
    ) -> Result<SessionId, Reason> {
        let session = self.sessions.get(&caller).ok_or(Reason::NotFound)?;
        let application = session.application.clone();
        if let Some(&live) = self.directory.get(&(application.clone(), name.to_owned())) {
            return Ok(live);
        }
        // A conference runs by the newest rules, whatever version its first caller runs.
        let catalog = self.catalog.clone();
        let headers: Headers = info
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let question = CallInfo {
            destination: name,
            caller: &info.caller_id,
            source: Source::Internal,
            headers: &headers,
            now_unix_s: (self.clock_ms(now) / 1000) as i64,
        };
        let own = catalog.application(&application);
        let (decision, trace) = own.ok_or(Reason::NotFound)?.router.decide(&question);
        let Some(rule) = decision else {
            info!(application, trace = %trace.masked(), "No rule matches an internal call");
            return Err(Reason::NotFound);
        };
        let conference_name = Some(name.to_owned());
        let choice = Choice { application, rule };
        if let Some(reason) = self.refuses_session(&choice) {
            return Err(reason);
        }
        let opened = self.open_session(
            now,
            Birth {
                choice,
                conference_name,
                catalog,
            },
        );
        opened.ok_or(Reason::NotFound)
    }

    /// Keeps the member lists of conferences and tells about changes.
    pub(super) fn note_membership(
        &mut self,
        now: Instant,
        session: SessionId,
        from: UnitId,
        to: UnitId,
        joined: bool,
    ) {
        for (unit, leg) in [(from, LegId(to.0)), (to, LegId(from.0))] {
            let Some(session) = self.sessions.get_mut(&session) else {
                return;
            };
            if !session.legs.contains(&leg) {
                continue;
            }
            let Some(UnitKind::Conference(conference)) =
                session.units.get_mut(&unit).map(|unit| &mut unit.kind)
            else {
                continue;
            };
            let ways = conference.members.entry(leg).or_insert(0);
            let before = *ways;
            *ways = if joined {
                before + 1
            } else {
                before.saturating_sub(1)
            };
            let after = *ways;
            if after == 0 {
                conference.members.remove(&leg);
            }
            match (before, after) {
                (0, 1) => self.tell_unit(now, unit, UnitEvent::MemberJoined { leg }),
                (1, 0) => self.tell_unit(now, unit, UnitEvent::MemberLeft { leg }),
                _ => {}
            }
        }
    }

    /// Takes a leg that has ended out of every conference of its session.
    pub(super) fn leave_conferences(&mut self, now: Instant, session: SessionId, leg: LegId) {
        let Some(entry) = self.sessions.get_mut(&session) else {
            return;
        };
        let mut left = Vec::new();
        for (unit, entry) in &mut entry.units {
            if let UnitKind::Conference(conference) = &mut entry.kind
                && conference.members.remove(&leg).is_some()
            {
                left.push(*unit);
            }
        }
        for unit in left {
            self.tell_unit(now, unit, UnitEvent::MemberLeft { leg });
        }
    }
}
