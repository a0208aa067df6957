//! INFO both ways (RFC 6086), the requests inside a dialog that wait for our user, and those of
//! ours that wait for the peer.

use std::time::Instant;

use super::reconnect::Asked;
use super::uas::{unknown_call, wrong_state};
use super::{Call, Phase, WAITING_MAX, Waiting};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{
    Arrival, Body, CallKey, Endpoint, Event, ExtraHeaders, Owner, RETRY_AFTER_S, Refused, Reply,
    RequestKey, add_contact, bad,
};
use crate::sip::headers::Headers;
use crate::sip::message::{Method, Response};
use crate::sip::transaction::{Machine, NonInviteServer, Transaction};
use crate::sip::wire;
use crate::termination::Reason;

impl Endpoint {
    /// Sends an INFO in an answered call; `RequestAnswered` follows. When the stream of a user is
    /// closed it waits for the return (see `reconnect`).
    ///
    /// # Errors
    /// `unknown-call`, `wrong-state`, `bad-header`, `reserved-header`, `overload`,
    /// `too-many-requests`; `flow-lost` when the stream of any other call is closed, and `Ended`
    /// follows.
    pub fn info(
        &mut self,
        now: Instant,
        call: CallKey,
        extra: ExtraHeaders,
        body: Body,
    ) -> Result<RequestKey, Refused> {
        let kept = self.calls.get(&call).filter(|call| call.is_kept());
        if kept.is_some_and(Call::is_confirmed) {
            let asked = Asked {
                method: Method::Info,
                extra,
                body: Some(body),
                transaction: None,
            };
            return self.ask(now, call, asked);
        }
        let dialog = self.usable_dialog(now, call)?;
        let (flow, seq) = (dialog.flow, dialog.next_seq());
        let mut request = dialog.request(Method::Info, seq).map_err(bad("INFO"))?;
        let transaction = self.complete_request(&mut request, &flow, &extra, Some(body))?;
        let key = self.new_request_key();
        let owner = Owner::Request(call, key);
        self.start_request(now, request, (transaction, false), flow, owner)?;
        self.requests.insert(key, call);
        Ok(key)
    }

    /// Answers a request of the peer inside a dialog: `Reinvite` or `Info`. `code` is 200–699, for
    /// a re-INVITE 101–699. A 2xx to a re-INVITE is repeated until its ACK.
    ///
    /// # Errors
    /// `unknown-request` when it is answered, taken back or too old, `bad-status`, `bad-header`,
    /// `reserved-header`.
    pub fn respond(
        &mut self,
        now: Instant,
        key: RequestKey,
        code: u16,
        extra: ExtraHeaders,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        let unknown = || Refused::new("unknown-request", "the request is no longer open");
        let call = *self.requests.get(&key).ok_or_else(unknown)?;
        let state = self.calls.get(&call).ok_or_else(unknown)?;
        if state
            .unanswered()
            .is_some_and(|server| server.key == Some(key))
        {
            return self.respond_reinvite(now, (call, key), code, extra, body);
        }
        if !(200..700).contains(&code) {
            return Err(Refused::new("bad-status", format!("{code} is not final")));
        }
        let waiting = state.waiting.get(&key).ok_or_else(unknown)?;
        let mut response = waiting.reply.response(code, None);
        if waiting.update.is_some() && code < 300 {
            let sips = state.dialogs.first().is_some_and(|dialog| dialog.sips);
            add_contact(&mut response.headers, &waiting.reply.flow, sips)?;
        }
        let bytes = self.finish(response, &extra, body)?;
        self.requests.remove(&key);
        let Some(call) = self.calls.get_mut(&call) else {
            return Err(unknown());
        };
        let Some(waiting) = call.waiting.remove(&key) else {
            return Err(unknown());
        };
        if let (Some(contact), Some(dialog), ..300) =
            (&waiting.update, call.dialogs.first_mut(), code)
        {
            dialog.refresh_target(contact);
        }
        self.drive_waiting(now, &waiting, bytes);
        Ok(())
    }

    pub(in crate::sip) fn handle_info(&mut self, now: Instant, call: CallKey, arrival: Arrival) {
        if let Some(key) = self.wait_for_user(now, call, &arrival, None) {
            self.tell(Event::Info {
                call,
                key,
                request: arrival.request,
            });
        }
    }

    /// Opens a transaction that waits for `respond`. `None` when there is no room; that is
    /// answered.
    pub(in crate::sip) fn wait_for_user(
        &mut self,
        now: Instant,
        call: CallKey,
        arrival: &Arrival,
        update: Option<Headers>,
    ) -> Option<RequestKey> {
        let tag = self.stable_tag(&arrival.request.headers);
        let Ok(reply) = Reply::new(&arrival.request, &tag, arrival.back) else {
            self.counters.garbage += 1;
            return None;
        };
        let waiting = self.calls.get(&call).map_or(0, |call| call.waiting.len());
        if waiting >= WAITING_MAX || self.layer.is_full() {
            self.answer(now, arrival, 500, &[("Retry-After", RETRY_AFTER_S)]);
            return None;
        }
        let trying = Response::to_request(&arrival.request.headers, 100, None);
        let reliable = arrival.flow.transport.reliable();
        let machine = NonInviteServer::new(now, reliable, wire::write(&trying));
        let key = self.new_request_key();
        let transaction = Transaction {
            machine: Machine::NonInviteServer(machine),
            flow: arrival.back,
            owner: Owner::Waiting(call, key),
        };
        let transaction = self
            .layer
            .insert(arrival.key.clone(), None, transaction)
            .ok()?;
        self.requests.insert(key, call);
        let waiting = Waiting {
            transaction,
            reply,
            update,
        };
        self.calls.get_mut(&call)?.waiting.insert(key, waiting);
        Some(key)
    }

    /// The peer no longer waits for the answer to its request.
    pub(in crate::sip) fn forget_waiting(&mut self, call: CallKey, key: RequestKey) {
        self.requests.remove(&key);
        if let Some(call) = self.calls.get_mut(&call) {
            call.waiting.remove(&key);
        }
    }

    pub(in crate::sip) fn answer_waiting(&mut self, now: Instant, waiting: Waiting, code: u16) {
        let response = waiting.reply.response(code, None);
        match self.finish(response, &ExtraHeaders::new(), None) {
            Ok(bytes) => self.drive_waiting(now, &waiting, bytes),
            Err(error) => tracing::debug!(%error, code, "Answer cannot be written"),
        }
    }

    fn drive_waiting(&mut self, now: Instant, waiting: &Waiting, bytes: bytes::Bytes) {
        let id = waiting.transaction;
        let steps = self
            .layer
            .drive(id, |transaction| match &mut transaction.machine {
                Machine::NonInviteServer(machine) => machine.respond(now, bytes),
                Machine::InviteServer(_)
                | Machine::InviteClient(_)
                | Machine::NonInviteClient(_) => Default::default(),
            });
        self.step(id, steps.unwrap_or_default());
        if let Some(transaction) = self.layer.get_mut(id) {
            transaction.owner = Owner::Nobody;
        }
        self.layer.settle(id);
    }

    /// A request of ours inside a dialog is over. 408, from the peer or for want of an answer, and
    /// 481 end the call (§12.2.1.2); that of a user is not ended by 408, since its stream tells
    /// whether it is there.
    pub(in crate::sip) fn finish_request(
        &mut self,
        now: Instant,
        call: CallKey,
        key: RequestKey,
        code: u16,
        response: Option<Response>,
    ) {
        self.requests.remove(&key);
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        let asked = state.asked.remove(&key);
        let kept = state.is_kept();
        if asked.is_some_and(|asked| asked.method == Method::Bye) {
            return self.drop_call(now, call);
        }
        if !state.is_confirmed() {
            return;
        }
        self.tell(Event::RequestAnswered {
            call,
            key,
            response_code: code,
            response,
        });
        match code {
            408 if !kept => {
                self.hang_up(now, call, &ExtraHeaders::new());
                self.tell(Event::Ended {
                    call,
                    reason: Reason::PeerGone,
                });
            }
            481 => self.end_call(now, call, Reason::PeerGone),
            _ => {}
        }
    }

    /// The dialog of an answered call for a request of ours. A call whose stream is closed ends
    /// here, unless it is a user's, who may come back.
    pub(in crate::sip) fn usable_dialog(
        &mut self,
        now: Instant,
        key: CallKey,
    ) -> Result<&mut Dialog, Refused> {
        let call = self.calls.get(&key).ok_or_else(unknown_call)?;
        match call.phase {
            Phase::Confirmed => {}
            Phase::Incoming | Phase::Outgoing => {
                return Err(wrong_state("the call is not answered"));
            }
            Phase::HangingUp { .. } => return Err(unknown_call()),
        }
        if call.flow_lost {
            if call.user.is_none() {
                self.end_call(now, key, Reason::PeerGone);
            }
            return Err(Refused::new(
                "flow-lost",
                "the stream of the call is closed",
            ));
        }
        let call = self.calls.get_mut(&key);
        call.and_then(|call| call.dialogs.first_mut())
            .ok_or_else(unknown_call)
    }
}
