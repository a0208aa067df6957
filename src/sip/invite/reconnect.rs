//! Calls whose stream closes, and what waits for its return. A browser loses its WebSocket and
//! comes back over another one; its call is kept meanwhile.
//!
//! | call of a user | input | next | outputs |
//! |---|---|---|---|
//! | there | stream closed | lost | `FlowLost`; requests of ours wait |
//! | lost | `info`, `bye` | lost | none: they wait |
//! | lost | its user over another stream | there | `FlowBack`, what waits in its order |
//! | lost | `Settings::reconnect` is over | gone | `Ended` |
//! | there | its user over another stream | there | what is unanswered, again |
//!
//! "Its user over another stream" is a request inside the dialog, or a REGISTER with the Contact of
//! the dialog: a browser that is back registers, and may have nothing to say inside a direct call.
//!
//! An INFO over a stream has no Timer F here: as long as the stream is there, a peer that is busy
//! gets to it. What was unanswered when the stream closed is sent again, with a new CSeq
//! (RFC 3261 §12.2.1.1); the peer may have it already. A re-INVITE of the peer that is not finished
//! when its stream closes, or when its user has another one, is taken back; over a stream that is
//! still open it gets 487.
//!
//! A BYE waits like an INFO, and gives up after Timer F or `Settings::reconnect`; whoever asked for
//! it has nothing more to do with the call.
//!
//! Calls of others (a telephone over TCP) stay without a limit of time, since telephones close
//! streams that they do not need; see the text of `endpoint`.

use std::time::Instant;

use super::uas::unknown_call;
use super::{Call, Phase};
use crate::id::FlowId;
use crate::sip::dialog::DialogId;
use crate::sip::endpoint::{
    Body, CallKey, Endpoint, Event, ExtraHeaders, Owner, Refused, RequestKey, add_extra, bad,
};
use crate::sip::flow::Flow;
use crate::sip::headers::Headers;
use crate::sip::message::Method;
use crate::sip::transaction::TransactionId;
use crate::sip::uri::Uri;
use crate::termination::Reason;

/// Most requests of ours that wait in one call; more are refused with `too-many-requests`.
const ASKED_MAX: usize = 32;

/// A request of ours inside the dialog of a user that is not answered.
#[derive(Debug)]
pub(in crate::sip) struct Asked {
    /// INFO or BYE.
    pub method: Method,
    /// Headers of our user.
    pub extra: ExtraHeaders,
    /// Its body.
    pub body: Option<Body>,
    /// Its transaction; `None` while it waits for the stream.
    pub transaction: Option<TransactionId>,
}

impl Endpoint {
    /// Whether the stream of a call is closed and its user may come back.
    pub fn is_lost(&self, call: CallKey) -> bool {
        self.calls.get(&call).is_some_and(|call| call.flow_lost)
    }

    /// Whether a call waits for its peer when the stream closes.
    pub fn is_kept(&self, call: CallKey) -> bool {
        self.calls.get(&call).is_some_and(Call::is_kept)
    }

    /// Sends a request inside the dialog of a user, or keeps it until the stream is back.
    pub(in crate::sip) fn ask(
        &mut self,
        now: Instant,
        call: CallKey,
        asked: Asked,
    ) -> Result<RequestKey, Refused> {
        add_extra(&mut Headers::new(), &asked.extra, false)?;
        let key = self.new_request_key();
        let state = self.calls.get_mut(&call).ok_or_else(unknown_call)?;
        if state.asked.len() >= ASKED_MAX {
            let text = format!("{ASKED_MAX} requests wait already");
            return Err(Refused::new("too-many-requests", text));
        }
        let lost = state.flow_lost;
        state.asked.insert(key, asked);
        if !lost && let Err(error) = self.send_asked(now, call, key) {
            self.calls
                .get_mut(&call)
                .map(|call| call.asked.remove(&key));
            return Err(error);
        }
        self.requests.insert(key, call);
        Ok(key)
    }

    fn send_asked(&mut self, now: Instant, call: CallKey, key: RequestKey) -> Result<(), Refused> {
        let state = self.calls.get_mut(&call).ok_or_else(unknown_call)?;
        let (Some(dialog), Some(asked)) = (state.dialogs.first_mut(), state.asked.get(&key)) else {
            return Err(unknown_call());
        };
        let (flow, seq) = (dialog.flow, dialog.next_seq());
        let (method, extra, body) = (
            asked.method.clone(),
            asked.extra.clone(),
            asked.body.clone(),
        );
        let patient = method == Method::Info;
        let name = method.to_string();
        let mut request = dialog.request(method, seq).map_err(bad(&name))?;
        let branch = self.complete_request(&mut request, &flow, &extra, body)?;
        let owner = Owner::Request(call, key);
        let id = self.start_request(now, request, (branch, patient), flow, owner)?;
        let asked = self
            .calls
            .get_mut(&call)
            .and_then(|call| call.asked.get_mut(&key));
        if let Some(asked) = asked {
            asked.transaction = Some(id);
        }
        Ok(())
    }

    /// Sends everything that is not answered over the stream that the dialog uses since a moment
    /// ago.
    fn ask_again(&mut self, now: Instant, call: CallKey) {
        let Some(state) = self.calls.get(&call) else {
            return;
        };
        let keys: Vec<RequestKey> = state.asked.keys().copied().collect();
        for key in keys {
            let asked = self
                .calls
                .get_mut(&call)
                .and_then(|call| call.asked.get_mut(&key));
            if let Some(old) = asked.and_then(|asked| asked.transaction.take()) {
                self.layer.remove(old);
            }
            if let Err(error) = self.send_asked(now, call, key) {
                tracing::debug!(?call, %error, "Request was not sent again");
                self.finish_request(now, call, key, 503, None);
            }
        }
    }

    /// A stream is closed: unanswered incoming calls end, answered ones may come back over another
    /// one.
    pub(in crate::sip) fn lose_flow(&mut self, now: Instant, flow: FlowId) {
        let range = (flow, CallKey(0))..=(flow, CallKey(u64::MAX));
        let keys: Vec<CallKey> = self.streams.range(range).map(|(_, key)| *key).collect();
        for key in keys {
            let Some(call) = self.calls.get_mut(&key) else {
                continue;
            };
            call.flow_lost = true;
            if matches!(call.phase, Phase::Incoming) {
                self.end_call(now, key, Reason::PeerGone);
            } else if call.is_kept() && !matches!(call.phase, Phase::Outgoing) {
                self.wait_for_return(now, key);
            }
        }
    }

    fn wait_for_return(&mut self, now: Instant, key: CallKey) {
        let until = now + self.settings.reconnect;
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.lost_until = Some(until);
        let told = call.is_confirmed();
        self.take_back_change(now, key);
        self.arm(key);
        if told {
            self.tell(Event::FlowLost { call: key });
        }
    }

    /// Forgets a re-INVITE of the peer that is not finished: our answer, or its ACK, is lost with
    /// the stream. A stream that was replaced may still be open; there the re-INVITE gets 487, so
    /// that neither side waits for its end.
    fn take_back_change(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(request) = call.server.as_ref().and_then(|server| server.key) else {
            return;
        };
        if call.unanswered().is_some()
            && let Err(error) = self.reject_invite(now, key, 487, None, &ExtraHeaders::new())
        {
            tracing::debug!(%error, "487 cannot be written");
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.server = None;
        }
        self.requests.remove(&request);
        self.tell(Event::ReinviteCancelled {
            call: key,
            key: request,
        });
    }

    /// The time in which a peer may come back is over.
    pub(in crate::sip) fn give_up_return(&mut self, now: Instant, key: CallKey) {
        if self.calls.get(&key).is_some_and(Call::is_confirmed) {
            self.end_call(now, key, Reason::PeerGone);
        } else {
            self.drop_call(now, key);
        }
    }

    /// The peer of a dialog was heard over `flow`: our next requests go there, and those that it
    /// has not answered over another flow go again.
    pub(in crate::sip) fn adopt_flow(
        &mut self,
        now: Instant,
        key: CallKey,
        id: &DialogId,
        flow: Flow,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let lost = std::mem::take(&mut call.flow_lost);
        call.lost_until = None;
        let (kept, told) = (
            call.is_kept(),
            lost && call.is_kept() && call.is_confirmed(),
        );
        let Some(dialog) = call.dialog_mut(id) else {
            return;
        };
        let old = std::mem::replace(&mut dialog.flow, flow);
        if old.id != flow.id {
            self.streams.remove(&(old.id, key));
        }
        self.note_stream(key, flow);
        if kept && old.id != flow.id {
            self.take_back_change(now, key);
        }
        self.arm(key);
        if told {
            self.tell(Event::FlowBack { call: key });
        }
        if kept && (lost || old.id != flow.id) {
            self.ask_again(now, key);
        }
    }

    /// A user has registered over `flow`: its calls with the same Contact go there. A browser says
    /// nothing inside a dialog for long, and its registration is the first that it sends.
    pub(in crate::sip) fn follow_registration(&mut self, now: Instant, user: &str, flow: Flow) {
        let here = |binding: &&super::super::Binding| binding.flow.id == flow.id;
        let bindings = self
            .registrar
            .of(&user.to_ascii_lowercase())
            .iter()
            .filter(here);
        let contacts: Vec<Uri> = bindings.map(|binding| binding.contact.clone()).collect();
        let range = (user.to_owned(), CallKey(0))..=(user.to_owned(), CallKey(u64::MAX));
        let keys: Vec<CallKey> = self.of_user.range(range).map(|(_, key)| *key).collect();
        for key in keys {
            let call = self
                .calls
                .get(&key)
                .filter(|call| !matches!(call.phase, Phase::Outgoing));
            let Some(dialog) = call.and_then(|call| call.dialogs.first()) else {
                continue;
            };
            let same = |contact: &Uri| is_same_place(contact, &dialog.target);
            if dialog.flow.id != flow.id && contacts.iter().any(same) {
                let id = dialog.id.clone();
                self.adopt_flow(now, key, &id, flow);
            }
        }
    }

    /// Remembers that a call depends on a stream.
    pub(in crate::sip) fn note_stream(&mut self, key: CallKey, flow: Flow) {
        if flow.is_stream() {
            self.streams.insert((flow.id, key));
        }
    }

    /// Hangs up on a user: the BYE waits for its answer, and for the stream when that is lost.
    pub(in crate::sip) fn say_farewell(
        &mut self,
        now: Instant,
        key: CallKey,
        extra: &ExtraHeaders,
    ) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let (dialog, user) = (call.dialogs.first().cloned(), call.user.clone());
        let (caller, flow_lost, lost_until) = (call.caller, call.flow_lost, call.lost_until);
        self.drop_call(now, key);
        let Some(dialog) = dialog else { return };
        let phase = Phase::HangingUp {
            extra: extra.clone(),
        };
        let mut call = Call::new(phase, caller);
        let flow = dialog.flow;
        self.dialogs.insert(dialog.id.clone(), key);
        call.dialogs.push(dialog);
        (call.flow_lost, call.lost_until) = (flow_lost, lost_until);
        self.insert_call(key, call, user);
        self.note_stream(key, flow);
        self.arm(key);
        let asked = Asked {
            method: Method::Bye,
            extra: extra.clone(),
            body: None,
            transaction: None,
        };
        if let Err(error) = self.ask(now, key, asked) {
            tracing::debug!(%error, "Call dropped without BYE");
            self.drop_call(now, key);
        }
    }

    /// Takes in a call, which is this user's.
    pub(in crate::sip) fn insert_call(
        &mut self,
        key: CallKey,
        mut call: Call,
        user: Option<String>,
    ) {
        if let Some(user) = &user {
            self.of_user.insert((user.clone(), key));
        }
        call.user = user;
        self.calls.insert(key, call);
    }
}

/// Whether two Contact URIs are of the same client; one inside a dialog has further parameters
/// (RFC 5626 §4.3: `ob`).
fn is_same_place(one: &Uri, other: &Uri) -> bool {
    one.user == other.user && one.host == other.host && one.port == other.port
}
