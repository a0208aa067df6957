//! Direct calls: a caller is forwarded to a registered user, session descriptions end to end, media
//! between the two and not through us. We stay in the signalling path as two dialogs (a B2BUA):
//! what one side says, the other one is told, bodies byte for byte.
//!
//! | caller (A) | we | user (B, one branch per binding) |
//! |---|---|---|
//! | INVITE | | INVITE to every binding, bounded |
//! | 1xx with body | ← | 1xx |
//! | 200 | ← | first 2xx; the other branches are cancelled |
//! | ACK (with the answer of a late offer) | → | ACK |
//! | refusal | ← | the best refusal, when every branch has failed (RFC 3261 §16.7) |
//! | CANCEL | → | CANCEL on every branch |
//! | re-INVITE, INFO | ↔ | the same, and its answer back |
//! | BYE | ↔ | BYE |
//!
//! A side whose WebSocket is lost may come back, and the other one hears nothing of it: INFO to it
//! is answered with 200 and waits, in the endpoint. Who does not come back in time ends the call.

use std::collections::BTreeMap;
use std::time::Instant;

use tracing::{debug, info};

use crate::id::{LegId, SessionId};
use crate::pii::Pii;
use crate::script::LegEvent;
use crate::sip::{Body, CallKey, Event, InviteParams, Request, RequestKey, Response};
use crate::termination::Reason;

use super::Engine;
use super::leg::{LegState, x_headers};
use super::refused::{Refused, refuse};

/// Bindings of one user that are called at once.
const BRANCHES_MAX: usize = 5;

/// All direct calls of the engine.
#[derive(Debug, Default)]
pub(super) struct DirectCalls {
    /// By the caller's leg.
    calls: BTreeMap<LegId, Direct>,
    /// The caller's leg of each branch.
    legs: BTreeMap<CallKey, LegId>,
    /// Requests that we passed on and that are not answered.
    relays: BTreeMap<RequestKey, Relay>,
}

/// A request of one side that the other one has been sent.
#[derive(Debug)]
struct Relay {
    /// The caller's leg.
    leg: LegId,
    /// The dialog that it went to.
    to: CallKey,
    /// What its answer answers.
    asked: RequestKey,
    /// An INFO, which may wait for its receiver; a re-INVITE may not.
    is_info: bool,
}

/// A forwarded call.
#[derive(Debug)]
struct Direct {
    /// The caller's dialog.
    caller: CallKey,
    /// Branches that have not failed.
    branches: Vec<CallKey>,
    /// The branch that answered.
    chosen: Option<CallKey>,
    /// The best refusal so far.
    refusal: u16,
}

impl DirectCalls {
    /// Entries of all tables together.
    pub(super) fn len(&self) -> usize {
        self.calls.len() + self.legs.len() + self.relays.len()
    }
}

impl Engine {
    /// Forwards a waiting call to the user that it dialled. The caller gets 480 when the user is
    /// not there.
    pub(super) fn forward_direct(
        &mut self,
        now: Instant,
        session: SessionId,
        id: LegId,
    ) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        if leg.session != session {
            return refuse("not-yours", "the leg belongs to another session");
        }
        let Some(sip) = leg.sip() else {
            return refuse("internal-leg", "only a SIP call can be forwarded to a user");
        };
        if !leg.incoming || leg.state != LegState::Alerting || self.direct.calls.contains_key(&id) {
            return refuse(
                "not-alerting",
                "only an incoming leg that waits can be forwarded",
            );
        }
        let (caller, Some(invite)) = (sip.call, sip.invite.clone()) else {
            return refuse("unreadable", "From or To of the call cannot be read");
        };
        let user = invite.uri.user_unescaped().unwrap_or_default();
        let mut branches = Vec::new();
        for binding in self.sip.bindings(&user).into_iter().take(BRANCHES_MAX) {
            let params = InviteParams {
                from: invite.from.clone(),
                to: invite.to.clone(),
                routes: binding.path,
                extra: invite.headers.clone(),
                body: invite.body.clone(),
            };
            match self.sip.invite(now, binding.flow, binding.contact, params) {
                Ok(call) => branches.push(call),
                Err(error) => info!(leg_id = %id, %error, "Direct call could not be placed"),
            }
        }
        if branches.is_empty() {
            info!(leg_id = %id, user = %Pii(&user), "User is not registered");
            self.hang_up(now, id, Reason::Unavailable, &[]);
            return Ok(());
        }
        for branch in &branches {
            self.direct.legs.insert(*branch, id);
        }
        let direct = Direct {
            caller,
            branches,
            chosen: None,
            refusal: 480,
        };
        self.direct.calls.insert(id, direct);
        Ok(())
    }

    /// The leg was forwarded to a user.
    pub(super) fn is_direct(&self, leg: LegId) -> bool {
        self.direct.calls.contains_key(&leg)
    }

    /// Takes an event of a direct call: of this dialog, and of that caller's leg.
    pub(super) fn handle_direct(
        &mut self,
        now: Instant,
        (call, leg): (CallKey, LegId),
        event: Event,
    ) {
        match event {
            Event::Provisional { call, response } => self.direct_progress(now, call, &response),
            Event::Answered { call, response } => self.direct_answered(now, call, &response),
            Event::Failed { call, code, .. } => self.direct_failed(now, call, code),
            Event::Acked { body, .. } => self.direct_acked(now, leg, body),
            Event::Reinvite { key, request, .. } => {
                self.relay_reinvite(now, leg, call, key, &request);
            }
            Event::Info { key, request, .. } => self.relay_info(now, leg, call, key, &request),
            Event::RequestAnswered {
                key,
                response_code,
                response,
                ..
            } => {
                self.relay_answer(now, key, response_code, response);
            }
            Event::ReinviteCancelled { .. } => debug!(leg_id = %leg, "Direct re-INVITE taken back"),
            Event::FlowLost { call } => self.take_over_infos(now, call),
            Event::FlowBack { .. } => debug!(leg_id = %leg, "A side of a direct call is back"),
            Event::Bye { .. } => self.direct_ended(now, leg, call, Reason::CalleeHangup),
            Event::Cancelled { .. } => self.call_ended(now, call, Reason::Cancelled),
            Event::NoAck { .. } => self.direct_ended(now, leg, call, Reason::NoAck),
            Event::Ended { reason, .. } => self.direct_ended(now, leg, call, reason),
            // An INVITE has a dialog of its own, which is of no direct call yet.
            Event::Invite { .. } => {}
        }
    }

    /// Which dialog of a direct call an event is of, and the caller's leg; nothing for others.
    pub(super) fn direct_of(&self, event: &Event) -> Option<(CallKey, LegId)> {
        let call = event.call();
        let leg = self
            .direct
            .legs
            .get(&call)
            .or_else(|| self.calls.get(&call))
            .copied()?;
        self.direct.calls.contains_key(&leg).then_some((call, leg))
    }

    /// The dialog that hears what this one says; nothing before the answer.
    fn other_side(&self, leg: LegId, call: CallKey) -> Option<CallKey> {
        let direct = self.direct.calls.get(&leg)?;
        if call == direct.caller {
            direct.chosen
        } else {
            Some(direct.caller)
        }
    }

    fn direct_progress(&mut self, now: Instant, branch: CallKey, response: &Response) {
        let Some(leg) = self.direct.legs.get(&branch) else {
            return;
        };
        let Some(direct) = self.direct.calls.get(leg) else {
            return;
        };
        let (caller, leg) = (direct.caller, *leg);
        let body = Body::of(&response.headers, &response.body);
        let headers = x_headers(&response.headers);
        if let Err(error) = self
            .sip
            .provisional(now, caller, response.code, headers, body)
        {
            debug!(leg_id = %leg, %error, "Progress of a direct call not told");
        }
        self.tell_leg(
            now,
            leg,
            LegEvent::Ringing {
                code: response.code,
                headers: Vec::new(),
            },
        );
    }

    fn direct_answered(&mut self, now: Instant, branch: CallKey, response: &Response) {
        let Some(&leg) = self.direct.legs.get(&branch) else {
            return;
        };
        let Some(direct) = self.direct.calls.get_mut(&leg) else {
            return;
        };
        direct.chosen = Some(branch);
        let caller = direct.caller;
        let losers: Vec<CallKey> = direct
            .branches
            .iter()
            .copied()
            .filter(|other| *other != branch)
            .collect();
        direct.branches = vec![branch];
        for loser in losers {
            self.give_up(now, loser);
        }
        let body = Body::of(&response.headers, &response.body);
        let headers = x_headers(&response.headers);
        match self.sip.accept(now, caller, headers, body) {
            Ok(()) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.state = LegState::Answered;
                }
            }
            Err(error) => {
                info!(leg_id = %leg, %error, "Answer of a direct call cannot be passed on");
                self.hang_up(now, leg, Reason::InternalError, &[]);
            }
        }
    }

    /// Ends a branch that has not answered. An answer that crosses the CANCEL is acknowledged and
    /// hung up by the endpoint, so nothing more is heard of it here.
    fn give_up(&mut self, now: Instant, branch: CallKey) {
        self.direct.legs.remove(&branch);
        self.sip.cancel(now, branch);
    }

    fn direct_failed(&mut self, now: Instant, branch: CallKey, code: u16) {
        let Some(leg) = self.direct.legs.remove(&branch) else {
            return;
        };
        let Some(direct) = self.direct.calls.get_mut(&leg) else {
            return;
        };
        direct.branches.retain(|other| *other != branch);
        direct.refusal = better_refusal(direct.refusal, code);
        if !direct.branches.is_empty() || direct.chosen.is_some() {
            return;
        }
        let (caller, code) = (direct.caller, direct.refusal);
        self.direct.calls.remove(&leg);
        if let Err(error) = self.sip.reject(now, caller, code, None, Vec::new()) {
            debug!(leg_id = %leg, %error, "Refusal of a direct call not told");
        }
        let reason = match code {
            486 | 600 => Reason::Busy,
            603 => Reason::Rejected,
            _ => Reason::Unavailable,
        };
        self.drop_leg_with(now, leg, reason, Some(code));
    }

    fn direct_acked(&mut self, now: Instant, leg: LegId, body: Option<Body>) {
        let Some(branch) = self.direct.calls.get(&leg).and_then(|direct| direct.chosen) else {
            return;
        };
        if let Err(error) = self.sip.ack(now, branch, body) {
            // The ACK of a re-INVITE that carried its offer has been sent already.
            debug!(leg_id = %leg, %error, "ACK not passed on");
        }
        self.connect_leg(now, leg);
    }

    fn relay_reinvite(
        &mut self,
        now: Instant,
        leg: LegId,
        call: CallKey,
        key: RequestKey,
        request: &Request,
    ) {
        let Some(other) = self.other_side(leg, call) else {
            self.respond(now, key, 491, Vec::new(), None);
            return;
        };
        let body = Body::of(&request.headers, &request.body);
        let relayed = self.sip.reinvite(now, other, body);
        let relay = Relay {
            leg,
            to: other,
            asked: key,
            is_info: false,
        };
        self.expect_answer(now, relayed, relay, 491);
    }

    fn relay_info(
        &mut self,
        now: Instant,
        leg: LegId,
        call: CallKey,
        key: RequestKey,
        request: &Request,
    ) {
        let body = Body::of(&request.headers, &request.body);
        let (Some(other), Some(body)) = (self.other_side(leg, call), body) else {
            self.respond(now, key, 200, Vec::new(), None);
            return;
        };
        let headers = x_headers(&request.headers);
        let relayed = self.sip.info(now, other, headers, body);
        let relay = Relay {
            leg,
            to: other,
            asked: key,
            is_info: true,
        };
        self.expect_answer(now, relayed, relay, 500);
        if self.sip.is_lost(other) {
            self.take_over_infos(now, other);
        }
    }

    /// Answers the INFOs to a side that is away: they will reach it when it is back, and who sent
    /// them would give up by then.
    fn take_over_infos(&mut self, now: Instant, away: CallKey) {
        let waits = |relay: &Relay| relay.is_info && relay.to == away;
        let relays = &mut self.direct.relays;
        let asked: Vec<RequestKey> = relays
            .values()
            .filter(|relay| waits(relay))
            .map(|relay| relay.asked)
            .collect();
        relays.retain(|_, relay| !waits(relay));
        for asked in asked {
            self.respond(now, asked, 200, Vec::new(), None);
        }
    }

    /// Keeps who asked until the answer to a relayed request is there; one that could not be passed
    /// on is refused with `code`.
    fn expect_answer<E: std::fmt::Display>(
        &mut self,
        now: Instant,
        relayed: Result<RequestKey, E>,
        relay: Relay,
        code: u16,
    ) {
        match relayed {
            Ok(relayed) => {
                self.direct.relays.insert(relayed, relay);
            }
            Err(error) => {
                debug!(leg_id = %relay.leg, %error, "Request within a direct call not passed on");
                self.respond(now, relay.asked, code, Vec::new(), None);
            }
        }
    }

    fn relay_answer(
        &mut self,
        now: Instant,
        key: RequestKey,
        code: u16,
        response: Option<Response>,
    ) {
        let Some(Relay { asked, .. }) = self.direct.relays.remove(&key) else {
            return;
        };
        let body = response
            .as_ref()
            .and_then(|response| Body::of(&response.headers, &response.body));
        let headers = response.map(|response| x_headers(&response.headers));
        self.respond(now, asked, code, headers.unwrap_or_default(), body);
    }

    /// One side has gone: the other one is hung up, and the session ends with them.
    fn direct_ended(&mut self, now: Instant, leg: LegId, call: CallKey, reason: Reason) {
        let from_caller = self
            .direct
            .calls
            .get(&leg)
            .is_some_and(|direct| direct.caller == call);
        if from_caller {
            let reason = if reason == Reason::CalleeHangup {
                Reason::CallerHangup
            } else {
                reason
            };
            self.call_ended(now, call, reason);
            return;
        }
        self.direct.legs.remove(&call);
        if let Some(direct) = self.direct.calls.get_mut(&leg) {
            direct.branches.retain(|other| *other != call);
            if direct.chosen == Some(call) {
                direct.chosen = None;
            }
        }
        self.hang_up(now, leg, reason, &[]);
    }

    /// The caller's leg is gone: so are the branches.
    pub(super) fn drop_direct(&mut self, now: Instant, leg: LegId, session: SessionId) {
        let Some(direct) = self.direct.calls.remove(&leg) else {
            return;
        };
        debug!(session_id = %session, leg_id = %leg, "Direct call ends");
        self.direct.relays.retain(|_, relay| relay.leg != leg);
        for branch in direct.branches {
            if direct.chosen == Some(branch) {
                self.direct.legs.remove(&branch);
                if let Err(error) = self.sip.bye(now, branch, Vec::new()) {
                    debug!(?branch, %error, "Direct call was over before it was hung up");
                }
            } else {
                self.give_up(now, branch);
            }
        }
    }
}

/// RFC 3261 §16.7 step 6: 6xx wins, then the lowest class; 480 is what we say when nothing better
/// came.
fn better_refusal(best: u16, code: u16) -> u16 {
    match (best, code) {
        (best, _) if best >= 600 => best,
        (_, code) if code >= 600 => code,
        (480, code) if code != 487 => code,
        (best, code) if code / 100 < best / 100 => code,
        (best, _) => best,
    }
}

#[cfg(test)]
mod tests {
    use super::better_refusal;

    #[test]
    fn the_best_refusal_follows_rfc_3261() {
        for (codes, best) in [
            (&[486, 480][..], 486),
            (&[404, 603, 486], 603),
            (&[487, 486], 486),
            (&[503, 486], 486),
            (&[408], 408),
        ] {
            let found = codes
                .iter()
                .fold(480, |best, code| better_refusal(best, *code));
            assert_eq!(found, best, "{codes:?}");
        }
    }
}
