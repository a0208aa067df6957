//! The end of a call (RFC 3261 §15): BYE both ways, and what is owed when a call is dropped.
//!
//! The called party must not send BYE before the ACK to its 2xx has come or 64·T1 are over; `bye`
//! is accepted at once and its BYE goes out then. To the user the call is over from `bye` on.

use std::time::Instant;

use super::uas::{unknown_call, wrong_state};
use super::{Phase, ServerState};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{Arrival, CallKey, Endpoint, Event, ExtraHeaders, Owner, Refused, bad};
use crate::sip::headers::Headers;
use crate::sip::message::Method;
use crate::sip::wire;
use crate::termination::Reason;

impl Endpoint {
    /// Hangs up an answered call; its key names nothing afterwards.
    ///
    /// # Errors
    /// `unknown-call`, `wrong-state` before the answer (use `reject` or `cancel`), `bad-header`,
    /// `reserved-header`.
    pub fn bye(&mut self, now: Instant, call: CallKey, extra: ExtraHeaders) -> Result<(), Refused> {
        let state = self.calls.get_mut(&call).ok_or_else(unknown_call)?;
        match state.phase {
            Phase::Confirmed => {}
            Phase::Incoming | Phase::Outgoing => {
                return Err(wrong_state("the call is not answered"));
            }
            Phase::HangingUp { .. } => return Err(unknown_call()),
        }
        self.check_extra(&extra)?;
        let state = self.calls.get_mut(&call).ok_or_else(unknown_call)?;
        let unacknowledged = state.server.as_ref().is_some_and(|server| {
            server.key.is_none() && matches!(server.state, ServerState::Answered { .. })
        });
        if unacknowledged {
            state.phase = Phase::HangingUp { extra };
            return Ok(());
        }
        if state.client.as_ref().is_some_and(|client| client.answered) {
            self.ack(now, call, None)?;
        }
        self.hang_up(now, call, &extra);
        Ok(())
    }

    pub(in crate::sip) fn handle_bye(&mut self, now: Instant, key: CallKey, arrival: Arrival) {
        let hanging_up = self
            .calls
            .get(&key)
            .is_some_and(|call| call.hanging_up().is_some());
        self.answer(now, &arrival, 200, &[]);
        self.drop_call(now, key);
        if !hanging_up {
            self.tell(Event::Bye {
                call: key,
                request: arrival.request,
            });
        }
    }

    /// Sends BYE and forgets the call. A user whose way is lost gets it on its return, others do
    /// not.
    pub(in crate::sip) fn hang_up(&mut self, now: Instant, key: CallKey, extra: &ExtraHeaders) {
        if self.is_kept(key) {
            return self.say_farewell(now, key, extra);
        }
        let call = self.calls.get(&key);
        let dialog = call
            .filter(|call| !call.flow_lost)
            .and_then(|call| call.dialogs.first());
        if let Some(mut dialog) = dialog.cloned()
            && let Err(error) = self.send_bye(now, &mut dialog, extra)
        {
            tracing::debug!(%error, "Call dropped without BYE");
        }
        self.drop_call(now, key);
    }

    /// Sends BYE in a dialog; without a free transaction it is sent once.
    pub(in crate::sip) fn send_bye(
        &mut self,
        now: Instant,
        dialog: &mut Dialog,
        extra: &ExtraHeaders,
    ) -> Result<(), Refused> {
        let seq = dialog.next_seq();
        let mut request = dialog.request(Method::Bye, seq).map_err(bad("BYE"))?;
        let key = self.complete_request(&mut request, &dialog.flow, extra, None)?;
        if self.layer.is_full() {
            self.send(dialog.flow, wire::write(&request));
            return Ok(());
        }
        self.start_request(now, request, (key, false), dialog.flow, Owner::Nobody)?;
        Ok(())
    }

    /// Forgets a call and all that names it. What its peer still waits for is answered with 487, an
    /// INVITE of ours is cancelled.
    pub(in crate::sip) fn drop_call(&mut self, now: Instant, key: CallKey) {
        if self
            .calls
            .get(&key)
            .is_some_and(|call| call.unanswered().is_some())
        {
            let request = self.calls.get(&key).and_then(|call| call.unanswered()?.key);
            if let Err(error) = self.reject_invite(now, key, 487, None, &ExtraHeaders::new()) {
                tracing::debug!(%error, "487 cannot be written");
            }
            request.map(|request| self.requests.remove(&request));
        }
        let Some(call) = self.calls.remove(&key) else {
            return;
        };
        self.deadlines.set(key, None);
        if let Some(user) = call.user {
            self.of_user.remove(&(user, key));
        }
        for (request, asked) in call.asked {
            self.requests.remove(&request);
            asked.transaction.map(|id| self.layer.remove(id));
        }
        for dialog in &call.dialogs {
            self.dialogs.remove(&dialog.id);
            self.streams.remove(&(dialog.flow.id, key));
        }
        for (request, waiting) in call.waiting {
            self.requests.remove(&request);
            self.answer_waiting(now, waiting, 487);
        }
        let ours = call.client.as_ref().and_then(|client| client.key);
        for request in ours.into_iter().chain(call.retry.map(|retry| retry.key)) {
            self.requests.remove(&request);
        }
        match (&call.phase, &call.client) {
            (Phase::Outgoing, Some(client)) => self.abandon(now, client.transaction),
            (Phase::Incoming | Phase::Confirmed | Phase::HangingUp { .. }, Some(client)) => {
                self.silence(now, client.transaction);
            }
            (_, None) => {}
        }
    }

    /// A call ends without a word of the peer.
    pub(in crate::sip) fn end_call(&mut self, now: Instant, key: CallKey, reason: Reason) {
        self.drop_call(now, key);
        self.tell(Event::Ended { call: key, reason });
    }

    /// Refuses headers of the user before anything is changed.
    fn check_extra(&self, extra: &ExtraHeaders) -> Result<(), Refused> {
        crate::sip::endpoint::add_extra(&mut Headers::new(), extra, false)
    }
}
