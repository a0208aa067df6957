//! Requests of ours that belong to an INVITE of ours: ACK to a failure, ACK to a 2xx and its
//! repetition, CANCEL, and the end of further forks (RFC 3261 §9.1, §13.2.2.4, §17.1.1.3).

use std::time::Instant;

use bytes::Bytes;

use super::uas::{unknown_call, wrong_state};
use super::{Call, Cancel, FORKS_MAX, OutgoingInvite};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{Body, CallKey, Endpoint, ExtraHeaders, Owner, Refused, bad};
use crate::sip::headers::Headers;
use crate::sip::message::{Method, Request, Response};
use crate::sip::transaction::{Key, Machine, TransactionId};
use crate::sip::wire;

impl OutgoingInvite {
    /// The ACK to a final response other than 2xx: of the same transaction, with the same branch.
    pub fn ack_failure(&self, response: &Response) -> Bytes {
        wire::write(&self.of_same_transaction(Method::Ack, &response.headers))
    }

    /// CANCEL and the ACK to a failure repeat what routes the INVITE; `to` brings the To header.
    fn of_same_transaction(&self, method: Method, to: &Headers) -> Request {
        let invite = &self.request.headers;
        let mut headers = Headers::new();
        headers.copy_first(invite, "Via");
        for name in ["Max-Forwards", "Route", "From", "Call-ID"] {
            headers.copy_all(invite, name);
        }
        headers.copy_first(to, "To");
        let seq = invite.cseq().map_or(0, |cseq| cseq.seq);
        headers
            .push("CSeq", format!("{seq} {method}"))
            .expect("a number and a method name fit");
        Request {
            method,
            uri: self.request.uri.clone(),
            headers,
            body: Bytes::new(),
        }
    }
}

impl Endpoint {
    /// Acknowledges the 2xx of `Answered`, or of `RequestAnswered` to a re-INVITE without offer;
    /// `body` is the answer when the offer was theirs.
    ///
    /// # Errors
    /// `unknown-call`, `wrong-state` when no 2xx waits, `bad-header`.
    pub fn ack(&mut self, now: Instant, call: CallKey, body: Option<Body>) -> Result<(), Refused> {
        let state = self.calls.get(&call).ok_or_else(unknown_call)?;
        let answered = state.client.as_ref().filter(|client| client.answered);
        let Some(client) = answered else {
            return Err(wrong_state("no answer waits for its ACK"));
        };
        let Some(dialog) = state.dialogs.first().cloned() else {
            return Err(unknown_call());
        };
        let (id, seq) = (client.transaction, client.request.headers.cseq());
        let seq = seq.map_err(|_| wrong_state("the INVITE has no CSeq"))?.seq;
        self.send_ack(id, &dialog, seq, body)?;
        if let Some(call) = self.calls.get_mut(&call) {
            call.client = None;
        }
        tracing::trace!(?call, ?now, "Answer acknowledged");
        Ok(())
    }

    /// Sends an ACK to a 2xx and keeps it with the INVITE transaction, which repeats it for each
    /// repeated 2xx.
    pub(in crate::sip) fn send_ack(
        &mut self,
        invite: TransactionId,
        dialog: &Dialog,
        seq: u32,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        let mut request = dialog.request(Method::Ack, seq).map_err(bad("ACK"))?;
        self.complete_request(&mut request, &dialog.flow, &ExtraHeaders::new(), body)?;
        let bytes = wire::write(&request);
        self.send(dialog.flow, bytes.clone());
        if let Some(transaction) = self.layer.get_mut(invite)
            && let Owner::Invite(outgoing) = &mut transaction.owner
            && outgoing.acks.len() < FORKS_MAX
        {
            outgoing.acks.push((dialog.id.remote_tag.clone(), bytes));
        }
        Ok(())
    }

    /// Repeats the ACK to a 2xx that came again. False when none was sent to this To tag.
    pub(in crate::sip) fn repeat_ack(&mut self, invite: TransactionId, to_tag: &str) -> bool {
        let Some(transaction) = self.layer.get(invite) else {
            return false;
        };
        let Owner::Invite(outgoing) = &transaction.owner else {
            return false;
        };
        let ack = outgoing.acks.iter().find(|(tag, _)| tag == to_tag);
        let Some((_, bytes)) = ack else { return false };
        let (flow, bytes) = (transaction.flow, bytes.clone());
        self.send(flow, bytes);
        true
    }

    /// Acknowledges a 2xx that nobody wants, and hangs up: another fork answered first, or our user
    /// gave up.
    pub(in crate::sip) fn end_fork(
        &mut self,
        now: Instant,
        invite: TransactionId,
        response: &Response,
    ) {
        let Some(transaction) = self.layer.get(invite) else {
            return;
        };
        let Owner::Invite(outgoing) = &transaction.owner else {
            return;
        };
        if outgoing.acks.len() >= FORKS_MAX {
            return;
        }
        let Ok(mut dialog) = Dialog::uac(&outgoing.request, response, transaction.flow) else {
            return;
        };
        let seq = dialog.local_seq;
        self.counters.forks_ended += 1;
        let done = self
            .send_ack(invite, &dialog, seq, None)
            .and_then(|()| self.send_bye(now, &mut dialog, &ExtraHeaders::new()));
        if let Err(error) = done {
            tracing::debug!(%error, "Further answer not ended");
        }
    }

    /// Gives up an INVITE of ours: CANCEL at once, or when the first provisional response allows
    /// it.
    pub(in crate::sip) fn abandon(&mut self, now: Instant, invite: TransactionId) {
        let Some(transaction) = self.layer.get_mut(invite) else {
            return;
        };
        let Owner::Invite(outgoing) = &mut transaction.owner else {
            return;
        };
        let Machine::InviteClient(machine) = &transaction.machine else {
            return;
        };
        let given_up = matches!(outgoing.cancel, Cancel::Sent | Cancel::Silent);
        if given_up || !machine.is_pending() {
            return;
        }
        if !machine.is_proceeding() {
            outgoing.cancel = Cancel::Wanted;
            return;
        }
        outgoing.cancel = Cancel::Sent;
        let cancel = outgoing.of_same_transaction(Method::Cancel, &outgoing.request.headers);
        let flow = transaction.flow;
        let branch = cancel
            .headers
            .via()
            .ok()
            .and_then(|via| Some(via.branch()?.to_owned()));
        let key = Key::client(&branch.unwrap_or_default(), &Method::Cancel);
        self.limit_proceeding(now, invite);
        let bytes = wire::write(&cancel);
        if self
            .start_request(now, cancel, (key, false), flow, Owner::Nobody)
            .is_err()
        {
            self.send(flow, bytes);
        }
    }

    /// Forgets a re-INVITE of ours whose call is over.
    pub(in crate::sip) fn silence(&mut self, now: Instant, invite: TransactionId) {
        if let Some(transaction) = self.layer.get_mut(invite)
            && let Owner::Invite(outgoing) = &mut transaction.owner
        {
            outgoing.cancel = Cancel::Silent;
            self.limit_proceeding(now, invite);
        }
    }

    /// Starts the time in which a final response must come after a provisional one.
    pub(in crate::sip) fn limit_proceeding(&mut self, now: Instant, invite: TransactionId) {
        self.layer.drive(invite, |transaction| {
            if let Machine::InviteClient(machine) = &mut transaction.machine {
                machine.handle_cancelled(now);
            }
            Default::default()
        });
    }
}

impl Call {
    /// Whether `id` is the INVITE of ours that this call waits for.
    pub fn awaits(&self, id: TransactionId) -> bool {
        self.client
            .as_ref()
            .is_some_and(|client| client.transaction == id && !client.answered)
    }
}
