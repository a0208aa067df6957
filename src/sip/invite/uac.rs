//! An INVITE of ours (RFC 3261 §13.2): early dialogs of its forks, the answer, failure, CANCEL.
//!
//! | state | input | next | outputs |
//! |---|---|---|---|
//! | – | `invite` | Calling | INVITE |
//! | Calling | 1xx | Calling | `Provisional`, not for 100; an early dialog for each To tag |
//! | Calling | `cancel` | Cancelling | CANCEL, at the latest after the first 1xx |
//! | Calling | 2xx | Answered | `Answered`; the other early dialogs are forgotten |
//! | Calling, Cancelling | 3xx–6xx, no answer, flow closed | gone | ACK, `Failed` |
//! | Cancelling | 2xx | gone | ACK, BYE, `Failed` 487 |
//! | Answered | `ack` | Confirmed | ACK |
//! | Answered | the same 2xx | Answered | none |
//! | Confirmed | the same 2xx | Confirmed | ACK again |
//! | any later | a 2xx of another fork | unchanged | ACK, BYE |

use std::time::Instant;

use bytes::Bytes;

use super::{Call, Cancel, ClientInvite, FORKS_MAX, OutgoingInvite, Phase};
use crate::sip::dialog::{Dialog, DialogId};
use crate::sip::endpoint::{
    Body, CallKey, Endpoint, Event, ExtraHeaders, Owner, Refused, add_contact, bad, overload,
};
use crate::sip::flow::Flow;
use crate::sip::headers::Headers;
use crate::sip::message::{Method, Request, Response};
use crate::sip::name_addr::NameAddr;
use crate::sip::transaction::{InviteClient, Key, Machine, Transaction, TransactionId};
use crate::sip::uri::{Scheme, Uri};
use crate::sip::wire;

/// What a call of ours says.
#[derive(Clone, Debug)]
pub struct InviteParams {
    /// From; a tag in it is replaced.
    pub from: NameAddr,
    /// To; a tag in it is dropped.
    pub to: NameAddr,
    /// Route values, the first hop first; none where the target is reached directly.
    pub routes: Vec<String>,
    /// Further headers.
    pub extra: ExtraHeaders,
    /// The offer; `None` asks the other side for one.
    pub body: Option<Body>,
}

impl Endpoint {
    /// Places a call to `target` over `flow`. `Provisional`, `Answered` or `Failed` follow, the
    /// last at once with 503 when no call or transaction is free.
    ///
    /// # Errors
    /// `bad-header` or `reserved-header` for what stands in `params`; no call is made then.
    pub fn invite(
        &mut self,
        now: Instant,
        flow: Flow,
        target: Uri,
        params: InviteParams,
    ) -> Result<CallKey, Refused> {
        let sips = target.scheme == Scheme::Sips;
        let mut headers = Headers::new();
        let (mut from, mut to) = (params.from, params.to);
        from.params.set("tag", Some(&self.new_tag()));
        to.params.remove("tag");
        headers
            .push("Max-Forwards", "70")
            .map_err(bad("Max-Forwards"))?;
        headers.push("From", from).map_err(bad("From"))?;
        headers.push("To", to).map_err(bad("To"))?;
        let call_id = format!("{}{}", self.new_tag(), self.new_tag());
        headers.push("Call-ID", call_id).map_err(bad("Call-ID"))?;
        headers.push("CSeq", "1 INVITE").map_err(bad("CSeq"))?;
        for route in params.routes {
            headers.push("Route", route).map_err(bad("Route"))?;
        }
        add_contact(&mut headers, &flow, sips)?;
        let mut request = Request {
            method: Method::Invite,
            uri: target,
            headers,
            body: Bytes::new(),
        };
        let key = self.complete_request(&mut request, &flow, &params.extra, params.body)?;
        let call = self.new_call_key();
        let room = self.calls.len() < self.settings.calls_max;
        let started = room.then(|| self.start_invite(now, request, key, flow, call));
        let Some(Ok(client)) = started else {
            self.counters.shed += 1;
            self.tell(Event::Failed {
                call,
                code: 503,
                response: None,
            });
            return Ok(call);
        };
        self.counters.calls_out += 1;
        let mut state = Call::new(Phase::Outgoing, true);
        state.client = Some(client);
        let user = self.logins.owner(flow.id).cloned();
        self.insert_call(call, state, user);
        Ok(call)
    }

    /// Gives up a call of ours that is not answered; `Failed` follows. Nothing happens to any other
    /// call.
    pub fn cancel(&mut self, now: Instant, call: CallKey) {
        let Some(state) = self.calls.get(&call) else {
            return;
        };
        if let (Phase::Outgoing, Some(client)) = (&state.phase, &state.client) {
            self.abandon(now, client.transaction);
        }
    }

    /// Starts the client transaction of an INVITE and sends it.
    pub(in crate::sip) fn start_invite(
        &mut self,
        now: Instant,
        request: Request,
        key: Key,
        flow: Flow,
        call: CallKey,
    ) -> Result<ClientInvite, Refused> {
        let bytes = wire::write(&request);
        let machine = InviteClient::new(now, flow.transport.reliable(), bytes.clone());
        let invite = OutgoingInvite {
            call,
            request: request.clone(),
            cancel: Cancel::No,
            acks: Vec::new(),
        };
        let transaction = Transaction {
            machine: Machine::InviteClient(machine),
            flow,
            owner: Owner::Invite(Box::new(invite)),
        };
        let transaction = self
            .layer
            .insert(key, None, transaction)
            .map_err(overload)?;
        self.send(flow, bytes);
        Ok(ClientInvite {
            transaction,
            request,
            key: None,
            glares: 0,
            answered: false,
        })
    }

    /// A response to an INVITE of ours that its transaction has not absorbed.
    pub(in crate::sip) fn handle_invite_response(
        &mut self,
        now: Instant,
        id: TransactionId,
        response: Response,
    ) {
        let Some(transaction) = self.layer.get_mut(id) else {
            return;
        };
        let flow = transaction.flow;
        let Owner::Invite(outgoing) = &transaction.owner else {
            return;
        };
        let (key, cancel) = (outgoing.call, outgoing.cancel);
        if response.code >= 300 {
            let owner = std::mem::replace(&mut transaction.owner, Owner::Nobody);
            if let Owner::Invite(invite) = owner {
                self.fail_invite(now, id, &invite, response.code, Some(response));
            }
            return;
        }
        let awaited = self.calls.get(&key).filter(|call| call.awaits(id));
        let first = awaited.map(|call| call.client.as_ref().is_some_and(|c| c.key.is_none()));
        match (response.code, first) {
            (..200, first) => {
                match cancel {
                    Cancel::Wanted => self.abandon(now, id),
                    Cancel::Silent => self.limit_proceeding(now, id),
                    Cancel::No | Cancel::Sent => {}
                }
                if first == Some(true) && response.code > 100 {
                    self.add_early_dialog(key, flow, &response);
                    self.tell(Event::Provisional {
                        call: key,
                        response,
                    });
                }
            }
            (200.., Some(true)) if cancel != Cancel::No => {
                self.end_fork(now, id, &response);
                self.forget_client(key);
                self.drop_call(now, key);
                self.tell(Event::Failed {
                    call: key,
                    code: 487,
                    response: None,
                });
            }
            (200.., Some(true)) => self.handle_first_answer(now, key, id, response),
            (200.., Some(false)) => self.handle_reinvite_answer(now, key, response),
            (200.., None) => self.handle_other_answer(now, key, id, &response),
        }
    }

    /// An INVITE of ours failed: by a response, or with `response` absent for want of one.
    pub(in crate::sip) fn fail_invite(
        &mut self,
        now: Instant,
        id: TransactionId,
        invite: &OutgoingInvite,
        code: u16,
        response: Option<Response>,
    ) {
        let key = invite.call;
        let Some(call) = self.calls.get_mut(&key).filter(|call| call.awaits(id)) else {
            return;
        };
        let Some(client) = call.client.take() else {
            return;
        };
        if client.key.is_some() {
            return self.fail_reinvite(now, key, client, code, response);
        }
        let given_up = invite.cancel != Cancel::No && response.is_none();
        self.drop_call(now, key);
        let code = if given_up { 487 } else { code };
        self.tell(Event::Failed {
            call: key,
            code,
            response,
        });
    }

    fn add_early_dialog(&mut self, key: CallKey, flow: Flow, response: &Response) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(client) = &call.client else { return };
        let Ok(dialog) = Dialog::uac(&client.request, response, flow) else {
            return;
        };
        let known = call.dialogs.iter().any(|known| known.id == dialog.id);
        if known || dialog.id.remote_tag.is_empty() || call.dialogs.len() >= FORKS_MAX {
            return;
        }
        self.dialogs.insert(dialog.id.clone(), key);
        call.dialogs.push(dialog);
        self.note_stream(key, flow);
    }

    /// The first 2xx decides which fork the call is.
    fn handle_first_answer(
        &mut self,
        now: Instant,
        key: CallKey,
        id: TransactionId,
        response: Response,
    ) {
        let Some(flow) = self.layer.get(id).map(|transaction| transaction.flow) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(client) = &mut call.client else {
            return;
        };
        let Ok(mut chosen) = Dialog::uac(&client.request, &response, flow) else {
            self.forget_client(key);
            self.drop_call(now, key);
            self.tell(Event::Failed {
                call: key,
                code: 502,
                response: Some(response),
            });
            return;
        };
        client.answered = true;
        if let Some(early) = call.dialogs.iter().find(|early| early.id == chosen.id) {
            chosen.remote_seq = early.remote_seq;
            chosen.local_seq = early.local_seq.max(chosen.local_seq);
            chosen.flow = early.flow;
        }
        for dialog in call.dialogs.drain(..) {
            self.dialogs.remove(&dialog.id);
            self.streams.remove(&(dialog.flow.id, key));
        }
        let flow = chosen.flow;
        self.dialogs.insert(chosen.id.clone(), key);
        call.dialogs.push(chosen);
        call.phase = Phase::Confirmed;
        self.note_stream(key, flow);
        self.tell(Event::Answered {
            call: key,
            response,
        });
    }

    /// A 2xx after the first: the same again, or that of another fork, or one whose call is over.
    fn handle_other_answer(
        &mut self,
        now: Instant,
        key: CallKey,
        id: TransactionId,
        response: &Response,
    ) {
        let Ok(dialog) = DialogId::of_response(&response.headers) else {
            return;
        };
        if self.repeat_ack(id, &dialog.remote_tag) {
            return;
        }
        let call = self.calls.get(&key);
        let waits = call.is_some_and(|call| {
            call.client
                .as_ref()
                .is_some_and(|client| client.transaction == id)
                && call.dialogs.iter().any(|known| known.id == dialog)
        });
        if !waits {
            self.end_fork(now, id, response);
        }
    }

    /// The call no longer waits for its INVITE, so that dropping it sends no CANCEL.
    pub(in crate::sip) fn forget_client(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(&key) {
            call.client = None;
        }
    }
}
