//! A change of the session inside the dialog: INVITE and UPDATE (RFC 3261 §14, RFC 3311), both
//! ways, with glare.
//!
//! | theirs meets | answer |
//! |---|---|
//! | an INVITE of ours without final response or ACK | 491 |
//! | one of theirs without final response or ACK | 500 with Retry-After of 0–9 s |
//! | nothing | 100 to INVITE, `Reinvite` |
//! | UPDATE without body | 200: the target is refreshed |
//!
//! | ours gets | then |
//! |---|---|
//! | 2xx to an offer | ACK, `RequestAnswered` |
//! | 2xx without offer of ours | `RequestAnswered`, the user owes `ack` |
//! | 491 | again after 2.1–4 s when the Call-ID is ours, else up to 2 s (§14.1) |
//! | 408, 481, nothing | `RequestAnswered`, `Ended` |
//! | another failure | `RequestAnswered`; the session stays as it was |
//!
//! We send no UPDATE.

use std::time::{Duration, Instant};

use super::uas::unknown_call;
use super::{ClientInvite, Retry};
use crate::sip::dialog::DialogId;
use crate::sip::endpoint::{
    Arrival, Body, CallKey, Endpoint, Event, ExtraHeaders, Refused, Reply, RequestKey, add_contact,
    bad,
};
use crate::sip::headers::Headers;
use crate::sip::message::{Method, Response};

/// Most 491 that one re-INVITE meets before its user is told.
const GLARES_MAX: u8 = 5;
/// Unit of the wait after a 491.
const GLARE_UNIT: Duration = Duration::from_millis(10);

impl Endpoint {
    /// Sends a re-INVITE; `RequestAnswered` follows. Without `body` the peer makes the offer and
    /// `ack` brings the answer.
    ///
    /// # Errors
    /// `unknown-call`, `wrong-state` before the answer, `request-pending` while another INVITE or
    /// UPDATE of either side is open, `bad-header`, `overload`; `flow-lost` when the stream of the
    /// call is closed, and `Ended` follows.
    pub fn reinvite(
        &mut self,
        now: Instant,
        call: CallKey,
        body: Option<Body>,
    ) -> Result<RequestKey, Refused> {
        self.usable_dialog(now, call)?;
        let state = self.calls.get(&call).ok_or_else(unknown_call)?;
        let update = state
            .waiting
            .values()
            .any(|waiting| waiting.update.is_some());
        if state.client.is_some() || state.server.is_some() || state.retry.is_some() || update {
            return Err(Refused::new(
                "request-pending",
                "another INVITE or UPDATE is open",
            ));
        }
        let key = self.new_request_key();
        self.send_reinvite(
            now,
            call,
            Retry {
                at: now,
                key,
                body,
                glares: 0,
            },
        )?;
        self.requests.insert(key, call);
        Ok(key)
    }

    fn send_reinvite(&mut self, now: Instant, call: CallKey, plan: Retry) -> Result<(), Refused> {
        let dialog = self.usable_dialog(now, call)?;
        let (flow, sips, seq) = (dialog.flow, dialog.sips, dialog.next_seq());
        let mut request = dialog.request(Method::Invite, seq).map_err(bad("INVITE"))?;
        add_contact(&mut request.headers, &flow, sips)?;
        let extra = ExtraHeaders::new();
        let transaction = self.complete_request(&mut request, &flow, &extra, plan.body)?;
        let client = self.start_invite(now, request, transaction, flow, call)?;
        let state = self.calls.get_mut(&call).ok_or_else(unknown_call)?;
        state.client = Some(ClientInvite {
            key: Some(plan.key),
            glares: plan.glares,
            ..client
        });
        Ok(())
    }

    /// Sends the re-INVITE that waited after a 491, or waits longer while one of theirs is open.
    pub(in crate::sip) fn retry_reinvite(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(mut retry) = call.retry.take_if(|retry| retry.at <= now) else {
            return;
        };
        if call.server.is_some() {
            retry.at = self.after_glare(now, key);
            if let Some(call) = self.calls.get_mut(&key) {
                call.retry = Some(retry);
            }
            return;
        }
        let request = retry.key;
        if let Err(error) = self.send_reinvite(now, key, retry) {
            tracing::debug!(%error, "re-INVITE not repeated");
            self.finish_request(now, key, request, 503, None);
        }
    }

    fn after_glare(&mut self, now: Instant, key: CallKey) -> Instant {
        let caller = self.calls.get(&key).is_some_and(|call| call.caller);
        let units = match caller {
            true => 210 + self.random_below(191),
            false => 1 + self.random_below(200),
        };
        now + GLARE_UNIT * units
    }

    pub(in crate::sip) fn fail_reinvite(
        &mut self,
        now: Instant,
        call: CallKey,
        client: ClientInvite,
        code: u16,
        response: Option<Response>,
    ) {
        let Some(key) = client.key else { return };
        if code != 491 || client.glares >= GLARES_MAX {
            return self.finish_request(now, call, key, code, response);
        }
        let at = self.after_glare(now, call);
        let body = Body::of(&client.request.headers, &client.request.body);
        if let Some(state) = self.calls.get_mut(&call) {
            state.retry = Some(Retry {
                at,
                key,
                body,
                glares: client.glares + 1,
            });
        }
        self.arm(call);
    }

    /// A 2xx to our re-INVITE.
    pub(in crate::sip) fn handle_reinvite_answer(
        &mut self,
        now: Instant,
        call: CallKey,
        response: Response,
    ) {
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        let (Some(client), Some(dialog)) = (&mut state.client, state.dialogs.first_mut()) else {
            return;
        };
        let Some(key) = client.key else { return };
        dialog.refresh_target(&response.headers);
        client.answered = true;
        let offered = !client.request.body.is_empty();
        if offered && let Err(error) = self.ack(now, call, None) {
            tracing::debug!(%error, "re-INVITE not acknowledged");
        }
        self.finish_request(now, call, key, response.code, Some(response));
    }

    pub(in crate::sip) fn handle_reinvite(
        &mut self,
        now: Instant,
        key: CallKey,
        id: &DialogId,
        arrival: Arrival,
    ) {
        if self.refuse_glare(now, key, &arrival) {
            return;
        }
        let Ok(reply) = Reply::new(&arrival.request, &id.local_tag, arrival.back) else {
            return self.answer(now, &arrival, 400, &[]);
        };
        let Ok(mut server) = self.open_invite(now, &arrival, reply, key) else {
            return;
        };
        let request_key = self.new_request_key();
        server.key = Some(request_key);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.server = Some(server);
        self.requests.insert(request_key, key);
        self.arm(key);
        self.tell(Event::Reinvite {
            call: key,
            key: request_key,
            request: arrival.request,
        });
    }

    pub(in crate::sip) fn handle_update(
        &mut self,
        now: Instant,
        key: CallKey,
        id: &DialogId,
        arrival: Arrival,
    ) {
        if arrival.request.body.is_empty() {
            let dialog = self
                .calls
                .get_mut(&key)
                .and_then(|call| call.dialog_mut(id));
            let sips = dialog.as_ref().is_some_and(|dialog| dialog.sips);
            if let Some(dialog) = dialog {
                dialog.refresh_target(&arrival.request.headers);
            }
            let contact = arrival.flow.contact(sips);
            return self.answer(now, &arrival, 200, &[("Contact", &contact)]);
        }
        if self.refuse_glare(now, key, &arrival) {
            return;
        }
        let mut contact = Headers::new();
        contact.copy_all(&arrival.request.headers, "Contact");
        if let Some(request) = self.wait_for_user(now, key, &arrival, Some(contact)) {
            self.tell(Event::Reinvite {
                call: key,
                key: request,
                request: arrival.request,
            });
        }
    }

    /// Answers an offer that meets another. False when there is none.
    fn refuse_glare(&mut self, now: Instant, key: CallKey, arrival: &Arrival) -> bool {
        let Some(call) = self.calls.get(&key) else {
            return false;
        };
        if call.client.is_some() {
            self.answer(now, arrival, 491, &[]);
            return true;
        }
        let update = call
            .waiting
            .values()
            .any(|waiting| waiting.update.is_some());
        if call.server.is_some() || update {
            let after = self.random_below(10).to_string();
            self.answer(now, arrival, 500, &[("Retry-After", &after)]);
            return true;
        }
        false
    }

    pub(in crate::sip) fn respond_reinvite(
        &mut self,
        now: Instant,
        (call, key): (CallKey, RequestKey),
        code: u16,
        extra: ExtraHeaders,
        body: Option<Body>,
    ) -> Result<(), Refused> {
        match code {
            101..200 => {
                let bytes = self.write_invite_response(call, code, None, &extra, body)?;
                self.send_provisional(now, call, code, bytes);
            }
            200..300 => {
                let bytes = self.write_invite_response(call, code, None, &extra, body)?;
                self.send_answer(now, call, bytes);
                self.requests.remove(&key);
            }
            300..700 => {
                self.reject_invite(now, call, code, None, &extra)?;
                self.requests.remove(&key);
            }
            0..=100 | 700.. => {
                return Err(Refused::new("bad-status", format!("{code} is no answer")));
            }
        }
        Ok(())
    }
}
