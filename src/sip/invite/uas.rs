//! An INVITE that comes (RFC 3261 §13.3): 100 at once, provisionals, the answer and its repetition
//! until the ACK, the refusal, CANCEL (§9.2).
//!
//! | state | input | next | outputs |
//! |---|---|---|---|
//! | – | INVITE | Unanswered | 100, `Invite` |
//! | Unanswered | `provisional` | Unanswered | 1xx, again each minute |
//! | Unanswered | `reject` | gone | 3xx–6xx |
//! | Unanswered | CANCEL | gone | 200 to CANCEL, 487, `Cancelled` |
//! | Unanswered | BYE | gone | 200 to BYE, 487, `Bye` |
//! | Unanswered | `accept` | Answered | 2xx, again after T1 doubling up to T2 |
//! | Answered | CANCEL | Answered | 200 to CANCEL |
//! | Answered | ACK | finished | `Acked`, or the BYE that waited for it |
//! | Answered | 64·T1 | gone | BYE, `NoAck` |

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Call, Phase, ServerInvite, ServerState};
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::endpoint::{
    Arrival, Body, CallKey, Endpoint, Event, ExtraHeaders, Owner, RETRY_AFTER_S, Refused, Reply,
    add_contact, overload,
};
use crate::sip::flow::Flow;
use crate::sip::headers::Headers;
use crate::sip::message::Response;
use crate::sip::transaction::{
    InviteServer, Key, Machine, Merged, T1, T1_X64, T2, Tell, Transaction, TransactionId,
};
use crate::sip::wire;

/// How often a provisional is repeated so that proxies keep the call (§13.3.1.1).
const PROVISIONAL_AGAIN: Duration = Duration::from_secs(60);

impl Endpoint {
    /// Sends a provisional response to the INVITE of an incoming call. `code` is 101–199.
    ///
    /// # Errors
    /// `unknown-call`, `wrong-state` after a final response, `bad-status`, `bad-header`,
    /// `reserved-header`.
    pub fn provisional(
        &mut self,
        now: Instant,
        call: CallKey,
        code: u16,
        extra: ExtraHeaders,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        if !(101..200).contains(&code) {
            return Err(Refused::new(
                "bad-status",
                format!("{code} is not provisional"),
            ));
        }
        self.first_invite(call)?;
        let bytes = self.write_invite_response(call, code, None, &extra, body)?;
        self.send_provisional(now, call, code, bytes);
        Ok(())
    }

    /// Answers an incoming call with 200 and repeats it until the ACK: `Acked` or `NoAck` follows.
    ///
    /// # Errors
    /// `unknown-call`, `wrong-state` after a final response, `bad-header`, `reserved-header`.
    pub fn accept(
        &mut self,
        now: Instant,
        call: CallKey,
        extra: ExtraHeaders,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        self.first_invite(call)?;
        let bytes = self.write_invite_response(call, 200, None, &extra, body)?;
        self.send_answer(now, call, bytes);
        Ok(())
    }

    /// Refuses an incoming call; its key names nothing afterwards. `code` is 300–699. A Contact in
    /// `extra` is allowed for 3xx.
    ///
    /// # Errors
    /// `unknown-call`, `wrong-state` after a final response, `bad-status`, `bad-header`,
    /// `reserved-header`.
    pub fn reject(
        &mut self,
        now: Instant,
        call: CallKey,
        code: u16,
        reason: Option<&str>,
        extra: ExtraHeaders,
    ) -> Result<(), Refused> {
        if !(300..700).contains(&code) {
            return Err(Refused::new(
                "bad-status",
                format!("{code} is not a refusal"),
            ));
        }
        self.first_invite(call)?;
        self.reject_invite(now, call, code, reason, &extra)?;
        self.drop_call(now, call);
        Ok(())
    }

    pub(in crate::sip) fn handle_invite(
        &mut self,
        now: Instant,
        arrival: Arrival,
        user: Option<String>,
    ) {
        if self.draining || self.calls.len() >= self.settings.calls_max {
            self.counters.shed += 1;
            return self.answer(now, &arrival, 503, &[("Retry-After", RETRY_AFTER_S)]);
        }
        let tag = self.new_tag();
        let dialog = Dialog::uas(&arrival.request, &tag, arrival.back);
        let reply = Reply::new(&arrival.request, &tag, arrival.back);
        let (Ok(dialog), Ok(reply)) = (dialog, reply) else {
            return self.answer(now, &arrival, 400, &[]);
        };
        let key = self.new_call_key();
        let Ok(server) = self.open_invite(now, &arrival, reply, key) else {
            return;
        };
        self.counters.calls_in += 1;
        self.dialogs.insert(dialog.id.clone(), key);
        self.note_stream(key, arrival.back);
        let mut call = Call::new(Phase::Incoming, false);
        call.dialogs.push(dialog);
        call.server = Some(server);
        self.insert_call(key, call, user.clone());
        self.tell(Event::Invite {
            call: key,
            request: arrival.request,
            flow: arrival.flow,
            user,
        });
    }

    /// Starts the server transaction of an INVITE and sends 100. Without room it answers 503.
    pub(in crate::sip) fn open_invite(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        reply: Reply,
        call: CallKey,
    ) -> Result<ServerInvite, Refused> {
        let headers = &arrival.request.headers;
        let seq = headers.cseq().map_or(0, |cseq| cseq.seq);
        let machine = InviteServer::new(arrival.flow.transport.reliable());
        let transaction = Transaction {
            machine: Machine::InviteServer(machine),
            flow: arrival.back,
            owner: Owner::Incoming(call),
        };
        let id = match self
            .layer
            .insert(arrival.key.clone(), Merged::of(headers), transaction)
        {
            Ok(id) => id,
            Err(full) => {
                self.counters.shed += 1;
                self.answer_stateless(arrival, 503, &[("Retry-After", RETRY_AFTER_S)]);
                return Err(overload(full));
            }
        };
        let trying = Response::to_request(headers, 100, None);
        self.drive_invite(now, id, 100, wire::write(&trying));
        let mut contact = Headers::new();
        contact.copy_all(headers, "Contact");
        let state = ServerState::Unanswered {
            last: None,
            repeat_at: None,
        };
        Ok(ServerInvite {
            transaction: id,
            reply,
            key: None,
            seq,
            contact,
            state,
        })
    }

    /// Writes a response to the unanswered INVITE of a call, with what makes or refreshes a dialog
    /// below 300.
    pub(in crate::sip) fn write_invite_response(
        &self,
        call: CallKey,
        code: u16,
        reason: Option<&str>,
        extra: &ExtraHeaders,
        body: Option<Body>,
    ) -> Result<Bytes, Refused> {
        let call = self.calls.get(&call).ok_or_else(unknown_call)?;
        let server = call
            .unanswered()
            .ok_or_else(|| wrong_state("the INVITE is answered"))?;
        if let Some(reason) = reason
            && reason.contains(['\r', '\n', '\0'])
        {
            return Err(Refused::new(
                "bad-header",
                "reason phrase holds CR, LF or NUL",
            ));
        }
        if code >= 300 {
            return self.finish(server.reply.response(code, reason), extra, body);
        }
        let mut response = server.reply.dialog_response(code, reason);
        let sips = call.dialogs.first().is_some_and(|dialog| dialog.sips);
        add_contact(&mut response.headers, &server.reply.flow, sips)?;
        self.finish(response, extra, body)
    }

    pub(in crate::sip) fn send_provisional(
        &mut self,
        now: Instant,
        key: CallKey,
        code: u16,
        bytes: Bytes,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(server) = &mut call.server else {
            return;
        };
        let repeat_at = Some(now + PROVISIONAL_AGAIN);
        server.state = ServerState::Unanswered {
            last: Some((code, bytes.clone())),
            repeat_at,
        };
        let id = server.transaction;
        self.drive_invite(now, id, code, bytes);
        self.arm(key);
    }

    /// Sends the 2xx and starts its repetition.
    pub(in crate::sip) fn send_answer(&mut self, now: Instant, key: CallKey, bytes: Bytes) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(server) = &mut call.server else {
            return;
        };
        server.state = ServerState::Answered {
            response: bytes.clone(),
            interval: T1,
            repeat_at: now + T1,
            give_up_at: now + T1_X64,
        };
        call.phase = Phase::Confirmed;
        if let Some(dialog) = call.dialogs.first_mut() {
            dialog.refresh_target(&server.contact);
        }
        let id = server.transaction;
        self.drive_invite(now, id, 200, bytes);
        self.arm(key);
    }

    /// Sends a refusal to the unanswered INVITE of a call and forgets the INVITE.
    pub(in crate::sip) fn reject_invite(
        &mut self,
        now: Instant,
        key: CallKey,
        code: u16,
        reason: Option<&str>,
        extra: &ExtraHeaders,
    ) -> Result<(), Refused> {
        let bytes = self.write_invite_response(key, code, reason, extra, None)?;
        let server = self.calls.get_mut(&key).and_then(|call| call.server.take());
        if let Some(server) = server {
            self.drive_invite(now, server.transaction, code, bytes);
        }
        self.arm(key);
        Ok(())
    }

    pub(in crate::sip) fn drive_invite(
        &mut self,
        now: Instant,
        id: TransactionId,
        code: u16,
        bytes: Bytes,
    ) {
        let steps = self
            .layer
            .drive(id, |transaction| match &mut transaction.machine {
                Machine::InviteServer(machine) => machine.respond(now, code, bytes),
                Machine::NonInviteServer(_)
                | Machine::InviteClient(_)
                | Machine::NonInviteClient(_) => Default::default(),
            });
        self.step(id, steps.unwrap_or_default());
    }

    pub(in crate::sip) fn handle_cancel(&mut self, now: Instant, arrival: &Arrival) {
        let invite = Key::cancelled(&arrival.request)
            .ok()
            .and_then(|key| self.layer.find(&key));
        let Some(id) = invite else {
            return self.answer(now, arrival, 481, &[]);
        };
        let foreign = |used: Flow| {
            let web = arrival.flow.transport.is_web() || used.transport.is_web();
            web && used.id != arrival.flow.id
        };
        if self
            .layer
            .get(id)
            .is_some_and(|transaction| foreign(transaction.flow))
        {
            return self.answer(now, arrival, 481, &[]);
        }
        let key = match self.layer.get(id).map(|transaction| &transaction.owner) {
            Some(Owner::Incoming(call)) => *call,
            Some(Owner::Nobody | Owner::Waiting(..) | Owner::Invite(_) | Owner::Request(..))
            | None => return self.answer(now, arrival, 200, &[]),
        };
        let call = self.calls.get(&key);
        let tag = call.and_then(|call| Some(call.dialogs.first()?.id.local_tag.clone()));
        let tag = tag.unwrap_or_else(|| self.stable_tag(&arrival.request.headers));
        self.answer_tagged(now, arrival, &tag, (200, &[]));
        let server = self.calls.get(&key).and_then(Call::unanswered);
        let Some(server) = server.filter(|server| server.transaction == id) else {
            return;
        };
        let request = server.key;
        if let Err(error) = self.reject_invite(now, key, 487, None, &ExtraHeaders::new()) {
            tracing::debug!(%error, "487 cannot be written");
        }
        match request {
            Some(request) => {
                self.requests.remove(&request);
                self.tell(Event::ReinviteCancelled {
                    call: key,
                    key: request,
                });
            }
            None => {
                self.drop_call(now, key);
                self.tell(Event::Cancelled { call: key });
            }
        }
    }

    pub(in crate::sip) fn handle_ack(&mut self, now: Instant, arrival: &Arrival) {
        if let Some(id) = self.layer.find(&arrival.key) {
            let steps = self
                .layer
                .drive(id, |transaction| match &mut transaction.machine {
                    Machine::InviteServer(machine) => machine.handle_ack(now),
                    Machine::NonInviteServer(_)
                    | Machine::InviteClient(_)
                    | Machine::NonInviteClient(_) => Default::default(),
                });
            let told = self.step(id, steps.unwrap_or_default());
            self.layer.settle(id);
            if told != Some(Tell::Ack) {
                return;
            }
        }
        if self.finish_answer(now, arrival).is_none() {
            self.counters.stray_acks += 1;
        }
    }

    /// Ends the repetition of the 2xx that the ACK is for. `None` when there is none.
    fn finish_answer(&mut self, now: Instant, arrival: &Arrival) -> Option<()> {
        let headers = &arrival.request.headers;
        let id = DialogId::of_request(headers).ok()?;
        let seq = headers.cseq().ok()?.seq;
        let key = *self.dialogs.get(&id)?;
        let call = self.calls.get(&key)?;
        if !self.is_of(call, call.dialog(&id)?.flow, &arrival.flow) {
            return None;
        }
        let call = self.calls.get_mut(&key)?;
        let server = call.server.as_ref().filter(|server| server.seq == seq)?;
        if matches!(server.state, ServerState::Unanswered { .. }) {
            return None;
        }
        call.server = None;
        let waiting = call.hanging_up().cloned();
        self.adopt_flow(now, key, &id, arrival.back);
        self.arm(key);
        match waiting {
            Some(extra) => self.hang_up(now, key, &extra),
            None => {
                let body = Body::of(headers, &arrival.request.body);
                self.tell(Event::Acked { call: key, body });
            }
        }
        Some(())
    }

    /// The earliest thing that time brings to a call came.
    pub(in crate::sip) fn handle_call_timeout(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.lost_until.is_some_and(|until| until <= now) {
            return self.give_up_return(now, key);
        }
        match call.server.as_mut().and_then(|server| server.due(now)) {
            Some(Due::GiveUp) => return self.give_up(now, key),
            Some(Due::Answer(bytes, flow)) => {
                self.counters.repeated_answers += 1;
                self.send(flow, bytes);
            }
            Some(Due::Provisional(id, code, bytes)) => self.drive_invite(now, id, code, bytes),
            None => {}
        }
        self.retry_reinvite(now, key);
        self.arm(key);
    }

    /// The ACK never came.
    fn give_up(&mut self, now: Instant, key: CallKey) {
        self.counters.no_ack += 1;
        let extra = self.calls.get(&key).and_then(Call::hanging_up).cloned();
        self.hang_up(now, key, &extra.clone().unwrap_or_default());
        if extra.is_none() {
            self.tell(Event::NoAck { call: key });
        }
    }

    /// The incoming call whose first INVITE is unanswered.
    fn first_invite(&self, key: CallKey) -> Result<(), Refused> {
        let call = self.calls.get(&key).ok_or_else(unknown_call)?;
        match call.phase {
            Phase::Incoming => Ok(()),
            Phase::Outgoing => Err(wrong_state("the call is ours")),
            Phase::Confirmed | Phase::HangingUp { .. } => Err(wrong_state("the call is answered")),
        }
    }

    /// Puts the deadline of a call in order after a change.
    pub(in crate::sip) fn arm(&mut self, key: CallKey) {
        let at = self.calls.get(&key).and_then(Call::poll_timeout);
        self.deadlines.set(key, at);
    }
}

/// What time brings to an INVITE of the peer.
enum Due {
    GiveUp,
    Answer(Bytes, Flow),
    Provisional(TransactionId, u16, Bytes),
}

impl ServerInvite {
    fn due(&mut self, now: Instant) -> Option<Due> {
        match &mut self.state {
            ServerState::Answered { give_up_at, .. } if *give_up_at <= now => Some(Due::GiveUp),
            ServerState::Answered {
                response,
                interval,
                repeat_at,
                ..
            } if *repeat_at <= now => {
                *interval = (*interval * 2).min(T2);
                *repeat_at = now + *interval;
                Some(Due::Answer(response.clone(), self.reply.flow))
            }
            ServerState::Unanswered {
                last: Some((code, bytes)),
                repeat_at,
            } if repeat_at.is_some_and(|at| at <= now) => {
                *repeat_at = Some(now + PROVISIONAL_AGAIN);
                Some(Due::Provisional(self.transaction, *code, bytes.clone()))
            }
            ServerState::Answered { .. } | ServerState::Unanswered { .. } => None,
        }
    }
}

pub(in crate::sip) fn unknown_call() -> Refused {
    Refused::new("unknown-call", "the call has ended")
}

pub(in crate::sip) fn wrong_state(message: &str) -> Refused {
    Refused::new("wrong-state", message)
}
