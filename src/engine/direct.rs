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

use tracing::debug;

use crate::id::LegId;
use crate::pii::Pii;
use crate::script::LegEvent;
use crate::sip::{Body, CallKey, Event, InviteParams, Request, RequestKey, Response};
use crate::termination::Reason;

use super::bridge::{Bridge, Relay, better_refusal};
use super::context::Context;
use super::delivery::Farewell;
use super::leg::{LegState, x_headers};
use super::notice::Trouble;
use super::refused::{Refused, refuse};
use super::session::Session;

/// Bindings of one user that are called at once.
const BRANCHES_MAX: usize = 5;

impl Session {
    /// Forwards a waiting call to the user that it dialled. The caller gets 480 when the user is
    /// not there.
    pub(super) fn forward_direct(&mut self, cx: &mut Context, id: LegId) -> Result<(), Refused> {
        let Some(leg) = self.legs.get(&id) else {
            return Ok(());
        };
        let Some(sip) = leg.sip() else {
            return refuse("internal-leg", "only a SIP call can be forwarded to a user");
        };
        if !leg.incoming || leg.state != LegState::Alerting || self.is_direct(id) {
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
        for binding in cx.sip.bindings(&user).into_iter().take(BRANCHES_MAX) {
            let params = InviteParams {
                from: invite.from.clone(),
                to: invite.to.clone(),
                routes: binding.path,
                extra: invite.headers.clone(),
                body: invite.body.clone(),
            };
            match cx.sip.invite(cx.now, binding.flow, binding.contact, params) {
                Ok(call) => branches.push(call),
                Err(error) => self.trouble(cx, id, Trouble::BranchFailed(error.to_string())),
            }
        }
        if branches.is_empty() {
            self.trouble(cx, id, Trouble::UserUnregistered(Pii(user)));
            self.hang_up(cx, id, Reason::Unavailable, &[]);
            return Ok(());
        }
        for branch in &branches {
            cx.index.calls.insert(*branch, id);
        }
        let direct = Bridge {
            caller,
            branches,
            chosen: None,
            refusal: 480,
            relays: Default::default(),
        };
        self.direct.insert(id, direct);
        Ok(())
    }

    /// The leg was forwarded to a user.
    pub(super) fn is_direct(&self, leg: LegId) -> bool {
        self.direct.contains_key(&leg)
    }

    /// Takes an event of a direct call, of either of its dialogs.
    pub(super) fn handle_direct(&mut self, cx: &mut Context, leg: LegId, event: Event) {
        let call = event.call();
        match event {
            Event::Provisional { response, .. } => self.direct_progress(cx, leg, &response),
            Event::Answered { response, .. } => self.direct_answered(cx, leg, call, &response),
            Event::Failed { code, .. } => self.direct_failed(cx, leg, call, code),
            Event::Acked { body, .. } => self.direct_acked(cx, leg, body),
            Event::Reinvite { key, request, .. } => {
                self.relay_reinvite(cx, (leg, call), key, &request);
            }
            Event::Info { key, request, .. } => self.relay_info(cx, (leg, call), key, &request),
            Event::RequestAnswered {
                key,
                response_code,
                response,
                ..
            } => self.relay_answer(cx, leg, key, (response_code, response)),
            Event::ReinviteCancelled { .. } => debug!(leg_id = %leg, "Direct re-INVITE taken back"),
            Event::FlowLost { .. } => self.take_over_infos(cx, leg, call),
            Event::FlowBack { .. } => debug!(leg_id = %leg, "A side of a direct call is back"),
            Event::Bye { .. } => self.direct_ended(cx, leg, call, Reason::CalleeHangup),
            Event::Cancelled { .. } => self.drop_leg(cx, leg, Reason::Cancelled),
            Event::NoAck { .. } => self.direct_ended(cx, leg, call, Reason::NoAck),
            Event::Ended { reason, .. } => self.direct_ended(cx, leg, call, reason),
            // An INVITE has a dialog of its own, which is of no direct call yet.
            Event::Invite { .. } => {}
        }
    }

    fn direct_progress(&mut self, cx: &mut Context, leg: LegId, response: &Response) {
        let Some(direct) = self.direct.get(&leg) else {
            return;
        };
        let body = Body::of(&response.headers, &response.body);
        let headers = x_headers(&response.headers);
        let code = response.code;
        let told = cx
            .sip
            .provisional(cx.now, direct.caller, code, headers, body);
        if let Err(error) = told {
            debug!(leg_id = %leg, %error, "Progress of a direct call not told");
        }
        let headers = Vec::new();
        self.tell_leg(cx, leg, LegEvent::Ringing { code, headers });
    }

    fn direct_answered(
        &mut self,
        cx: &mut Context,
        leg: LegId,
        branch: CallKey,
        response: &Response,
    ) {
        let Some(direct) = self.direct.get_mut(&leg) else {
            return;
        };
        direct.chosen = Some(branch);
        for loser in std::mem::replace(&mut direct.branches, vec![branch]) {
            if loser != branch {
                give_up(cx, loser);
            }
        }
        let body = Body::of(&response.headers, &response.body);
        let headers = x_headers(&response.headers);
        match cx.sip.accept(cx.now, direct.caller, headers, body) {
            Ok(()) => {
                if let Some(leg) = self.legs.get_mut(&leg) {
                    leg.state = LegState::Answered;
                }
            }
            Err(error) => {
                self.trouble(cx, leg, Trouble::AnswerNotPassed(error.to_string()));
                self.hang_up(cx, leg, Reason::InternalError, &[]);
            }
        }
    }

    fn direct_failed(&mut self, cx: &mut Context, leg: LegId, branch: CallKey, code: u16) {
        cx.index.calls.remove(&branch);
        let Some(direct) = self.direct.get_mut(&leg) else {
            return;
        };
        direct.branches.retain(|other| *other != branch);
        direct.refusal = better_refusal(direct.refusal, code);
        if !direct.branches.is_empty() || direct.chosen.is_some() {
            return;
        }
        let (caller, code) = (direct.caller, direct.refusal);
        self.direct.remove(&leg);
        if let Err(error) = cx.sip.reject(cx.now, caller, code, None, Vec::new()) {
            debug!(leg_id = %leg, %error, "Refusal of a direct call not told");
        }
        let reason = match code {
            486 | 600 => Reason::Busy,
            603 => Reason::Rejected,
            _ => Reason::Unavailable,
        };
        let heard = Farewell {
            code: Some(code),
            ..Farewell::default()
        };
        self.end_leg(cx, leg, reason, Farewell::default(), heard);
    }

    fn direct_acked(&mut self, cx: &mut Context, leg: LegId, body: Option<Body>) {
        let Some(branch) = self.direct.get(&leg).and_then(|direct| direct.chosen) else {
            return;
        };
        if let Err(error) = cx.sip.ack(cx.now, branch, body) {
            // The ACK of a re-INVITE that carried its offer has been sent already.
            debug!(leg_id = %leg, %error, "ACK not passed on");
        }
        self.connect_leg(cx, leg, Vec::new());
    }

    fn relay_reinvite(
        &mut self,
        cx: &mut Context,
        (leg, call): (LegId, CallKey),
        key: RequestKey,
        request: &Request,
    ) {
        let other = self.direct.get(&leg).and_then(|one| one.other_side(call));
        let Some(other) = other else {
            cx.respond(key, 491, Vec::new(), None);
            return;
        };
        let body = Body::of(&request.headers, &request.body);
        let relayed = cx.sip.reinvite(cx.now, other, body);
        let relay = Relay {
            to: other,
            asked: key,
            is_info: false,
        };
        self.expect_answer(cx, leg, relayed, relay, 491);
    }

    fn relay_info(
        &mut self,
        cx: &mut Context,
        (leg, call): (LegId, CallKey),
        key: RequestKey,
        request: &Request,
    ) {
        let other = self.direct.get(&leg).and_then(|one| one.other_side(call));
        let body = Body::of(&request.headers, &request.body);
        let (Some(other), Some(body)) = (other, body) else {
            cx.respond(key, 200, Vec::new(), None);
            return;
        };
        let headers = x_headers(&request.headers);
        let relayed = cx.sip.info(cx.now, other, headers, body);
        let relay = Relay {
            to: other,
            asked: key,
            is_info: true,
        };
        self.expect_answer(cx, leg, relayed, relay, 500);
        if cx.sip.is_lost(other) {
            self.take_over_infos(cx, leg, other);
        }
    }

    /// Answers the INFOs to a side that is away: they will reach it when it is back, and who sent
    /// them would give up by then.
    fn take_over_infos(&mut self, cx: &mut Context, leg: LegId, away: CallKey) {
        let Some(direct) = self.direct.get_mut(&leg) else {
            return;
        };
        let waits = |relay: &Relay| relay.is_info && relay.to == away;
        let waiting = direct.relays.values().filter(|relay| waits(relay));
        for asked in waiting.map(|relay| relay.asked) {
            cx.respond(asked, 200, Vec::new(), None);
        }
        direct.relays.retain(|_, relay| !waits(relay));
    }

    /// Keeps who asked until the answer to a relayed request is there; one that could not be passed
    /// on is refused with `code`.
    fn expect_answer<E: std::fmt::Display>(
        &mut self,
        cx: &mut Context,
        leg: LegId,
        relayed: Result<RequestKey, E>,
        relay: Relay,
        code: u16,
    ) {
        match (relayed, self.direct.get_mut(&leg)) {
            (Ok(relayed), Some(direct)) => {
                direct.relays.insert(relayed, relay);
            }
            (Ok(_), None) => {}
            (Err(error), _) => {
                debug!(leg_id = %leg, %error, "Request within a direct call not passed on");
                cx.respond(relay.asked, code, Vec::new(), None);
            }
        }
    }

    fn relay_answer(
        &mut self,
        cx: &mut Context,
        leg: LegId,
        key: RequestKey,
        (code, response): (u16, Option<Response>),
    ) {
        let direct = self.direct.get_mut(&leg);
        let Some(Relay { asked, .. }) = direct.and_then(|direct| direct.relays.remove(&key)) else {
            return;
        };
        let body = response
            .as_ref()
            .and_then(|response| Body::of(&response.headers, &response.body));
        let headers = response.map(|response| x_headers(&response.headers));
        cx.respond(asked, code, headers.unwrap_or_default(), body);
    }

    /// One side has gone: the other one is hung up, and the session ends with them.
    fn direct_ended(&mut self, cx: &mut Context, leg: LegId, call: CallKey, reason: Reason) {
        let Some(direct) = self.direct.get_mut(&leg) else {
            return;
        };
        if direct.caller == call {
            let reason = match reason == Reason::CalleeHangup {
                true => Reason::CallerHangup,
                false => reason,
            };
            return self.drop_leg(cx, leg, reason);
        }
        cx.index.calls.remove(&call);
        direct.branches.retain(|other| *other != call);
        direct.chosen.take_if(|chosen| *chosen == call);
        self.hang_up(cx, leg, reason, &[]);
    }

    /// The caller's leg is gone: so are the branches.
    pub(super) fn drop_direct(&mut self, cx: &mut Context, leg: LegId) {
        let Some(direct) = self.direct.remove(&leg) else {
            return;
        };
        debug!(session_id = %self.id, leg_id = %leg, "Direct call ends");
        for branch in direct.branches {
            if direct.chosen != Some(branch) {
                give_up(cx, branch);
                continue;
            }
            cx.index.calls.remove(&branch);
            if let Err(error) = cx.sip.bye(cx.now, branch, Vec::new()) {
                debug!(?branch, %error, "Direct call was over before it was hung up");
            }
        }
    }
}

/// Ends a branch that has not answered. An answer that crosses the CANCEL is acknowledged and hung
/// up by the endpoint, so nothing more is heard of it here.
fn give_up(cx: &mut Context, branch: CallKey) {
    cx.index.calls.remove(&branch);
    cx.sip.cancel(cx.now, branch);
}
