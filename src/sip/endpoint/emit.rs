//! What the acts of the endpoint have in common when something goes out: keys, tags, branches,
//! headers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use bytes::Bytes;
use rand_core::RngCore;

use super::{
    Arrival, Body, CallKey, Endpoint, Event, ExtraHeaders, Output, Owner, Refused, Reply,
    RequestKey,
};
use crate::sip::error::HeaderError;
use crate::sip::flow::Flow;
use crate::sip::headers::Headers;
use crate::sip::invite::body::SDP;
use crate::sip::message::{Method, Request, Response};
use crate::sip::transaction::{
    InviteServer, Key, Machine, Merged, NonInviteClient, NonInviteServer, Steps, Tell, Transaction,
    TransactionId,
};
use crate::sip::wire;

/// The methods that are served, the value of Allow.
pub(in crate::sip) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER";
/// What the endpoint writes itself, in long and compact form, so that no user header contradicts
/// it.
const RESERVED: [&str; 22] = [
    "Via",
    "v",
    "From",
    "f",
    "To",
    "t",
    "Call-ID",
    "i",
    "CSeq",
    "Max-Forwards",
    "Route",
    "Record-Route",
    "Contact",
    "m",
    "Content-Length",
    "l",
    "Content-Type",
    "c",
    "Allow",
    "User-Agent",
    "Server",
    "RSeq",
];

impl Endpoint {
    pub(in crate::sip) fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.outputs.push_back(Output::Send { flow, bytes });
    }

    pub(in crate::sip) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Sends what a machine said and returns what it tells.
    pub(in crate::sip) fn step(&mut self, id: TransactionId, steps: Steps) -> Option<Tell> {
        if let (Some(bytes), Some(transaction)) = (steps.send, self.layer.get(id)) {
            let flow = transaction.flow;
            self.send(flow, bytes);
        }
        steps.tell
    }

    pub(in crate::sip) fn new_call_key(&mut self) -> CallKey {
        self.next_key += 1;
        CallKey(self.next_key)
    }

    pub(in crate::sip) fn new_request_key(&mut self) -> RequestKey {
        self.next_key += 1;
        RequestKey(self.next_key)
    }

    /// 64 random bits in hexadecimal, for tags.
    pub(in crate::sip) fn new_tag(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    pub(in crate::sip) fn new_branch(&mut self) -> String {
        format!("z9hG4bK{:016x}", self.rng.next_u64())
    }

    /// A number from 0 up to but not `end`, for waiting times.
    pub(in crate::sip) fn random_below(&mut self, end: u32) -> u32 {
        self.rng.next_u32() % end.max(1)
    }

    /// The To tag of answers that no call gives: the same for the same request, even when nothing
    /// about it is remembered.
    pub(in crate::sip) fn stable_tag(&self, headers: &Headers) -> String {
        let mut hasher = DefaultHasher::new();
        self.tag_seed.hash(&mut hasher);
        for name in ["Call-ID", "From", "CSeq"] {
            headers.get(name).hash(&mut hasher);
        }
        format!("{:016x}", hasher.finish())
    }

    /// Writes a response of ours with Server and, where it belongs, Allow and Accept.
    pub(in crate::sip) fn finish(
        &self,
        mut response: Response,
        extra: &ExtraHeaders,
        body: Option<Body>,
    ) -> Result<Bytes, Refused> {
        let redirects = (300..400).contains(&response.code);
        add_extra(&mut response.headers, extra, redirects)?;
        response.body = add_body(&mut response.headers, body)?;
        response
            .headers
            .push("Server", &self.settings.user_agent)
            .map_err(bad("Server"))?;
        Ok(wire::write(&response))
    }

    /// The final answer to a request that no user needs to see, in a transaction of its own.
    /// Without room for one the answer goes out alone.
    pub(in crate::sip) fn answer(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        code: u16,
        extra: &[(&str, &str)],
    ) {
        let tag = self.stable_tag(&arrival.request.headers);
        self.answer_tagged(now, arrival, &tag, (code, extra));
    }

    /// The same as [`Endpoint::answer`] with the To tag of a call.
    pub(in crate::sip) fn answer_tagged(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        tag: &str,
        (code, extra): (u16, &[(&str, &str)]),
    ) {
        let Some(bytes) = self.write_answer(arrival, tag, code, extra) else {
            return;
        };
        self.settle_arrival(now, arrival, code, bytes);
    }

    /// The same as [`Endpoint::answer`] with nothing kept.
    pub(in crate::sip) fn answer_stateless(
        &mut self,
        arrival: &Arrival,
        code: u16,
        extra: &[(&str, &str)],
    ) {
        let tag = self.stable_tag(&arrival.request.headers);
        if let Some(bytes) = self.write_answer(arrival, &tag, code, extra) {
            self.send(arrival.back, bytes);
        }
    }

    fn write_answer(
        &mut self,
        arrival: &Arrival,
        tag: &str,
        code: u16,
        extra: &[(&str, &str)],
    ) -> Option<Bytes> {
        let reply = Reply::new(&arrival.request, tag, arrival.back);
        let written = reply.map_err(bad("To")).and_then(|reply| {
            let mut response = reply.response(code, None);
            for (name, value) in extra {
                response.headers.push(name, value).map_err(bad(name))?;
            }
            self.finish(response, &ExtraHeaders::new(), None)
        });
        written
            .inspect_err(|error| {
                tracing::debug!(%error, code, "Request dropped: its answer cannot be written");
                self.counters.garbage += 1;
            })
            .ok()
    }

    fn settle_arrival(&mut self, now: Instant, arrival: &Arrival, code: u16, bytes: Bytes) {
        let reliable = arrival.flow.transport.reliable();
        let machine = if arrival.request.method == Method::Invite {
            let mut machine = InviteServer::new(reliable);
            machine.respond(now, code, bytes.clone());
            Machine::InviteServer(machine)
        } else {
            Machine::NonInviteServer(NonInviteServer::answered(now, reliable, bytes.clone()))
        };
        self.send(arrival.back, bytes);
        let merged = Merged::of(&arrival.request.headers);
        let transaction = Transaction {
            machine,
            flow: arrival.back,
            owner: Owner::Nobody,
        };
        if self
            .layer
            .insert(arrival.key.clone(), merged, transaction)
            .is_err()
        {
            tracing::debug!(code, "Answered without a transaction: none is free");
        }
    }

    /// Completes a request of ours with Via, User-Agent, the user's headers and the body.
    pub(in crate::sip) fn complete_request(
        &mut self,
        request: &mut Request,
        flow: &Flow,
        extra: &ExtraHeaders,
        body: Option<Body>,
    ) -> Result<Key, Refused> {
        let branch = self.new_branch();
        add_extra(&mut request.headers, extra, false)?;
        request.body = add_body(&mut request.headers, body)?;
        request
            .headers
            .push_first("Via", flow.via(&branch))
            .map_err(bad("Via"))?;
        let agent = &self.settings.user_agent;
        request
            .headers
            .push("User-Agent", agent)
            .map_err(bad("User-Agent"))?;
        Ok(Key::client(&branch, &request.method))
    }

    /// Sends a request other than INVITE and ACK in a transaction of its own, which a patient one
    /// keeps for as long as it is not answered.
    ///
    /// # Errors
    /// `overload` when no transaction is free; nothing is sent then.
    pub(in crate::sip) fn start_request(
        &mut self,
        now: Instant,
        request: Request,
        (key, patient): (Key, bool),
        flow: Flow,
        owner: Owner,
    ) -> Result<TransactionId, Refused> {
        let bytes = wire::write(&request);
        let machine = match patient && flow.transport.reliable() {
            true => NonInviteClient::patient(bytes.clone()),
            false => NonInviteClient::new(now, flow.transport.reliable(), bytes.clone()),
        };
        let transaction = Transaction {
            machine: Machine::NonInviteClient(machine),
            flow,
            owner,
        };
        let id = self
            .layer
            .insert(key, None, transaction)
            .map_err(overload)?;
        self.send(flow, bytes);
        Ok(id)
    }
}

/// Adds the headers that an offer or answer of ours carries: Contact, Allow and Accept.
pub(in crate::sip) fn add_contact(
    headers: &mut Headers,
    flow: &Flow,
    sips: bool,
) -> Result<(), Refused> {
    headers
        .push("Contact", flow.contact(sips))
        .map_err(bad("Contact"))?;
    headers.push("Allow", ALLOW).map_err(bad("Allow"))?;
    headers.push("Accept", SDP).map_err(bad("Accept"))
}

pub(in crate::sip) fn bad(name: &str) -> impl FnOnce(HeaderError) -> Refused + use<'_> {
    move |error| Refused::new("bad-header", format!("{name}: {error}"))
}

pub(in crate::sip) fn overload(error: crate::sip::transaction::Full) -> Refused {
    Refused::new("overload", error.to_string())
}

pub(in crate::sip) fn add_extra(
    headers: &mut Headers,
    extra: &ExtraHeaders,
    redirects: bool,
) -> Result<(), Refused> {
    for (name, value) in extra {
        let contact = name.eq_ignore_ascii_case("Contact");
        let reserved = RESERVED
            .iter()
            .any(|reserved| reserved.eq_ignore_ascii_case(name));
        if reserved && !(contact && redirects) {
            return Err(Refused::new(
                "reserved-header",
                format!("{name} is written by the engine"),
            ));
        }
        headers.push(name, value).map_err(bad(name))?;
    }
    Ok(())
}

fn add_body(headers: &mut Headers, body: Option<Body>) -> Result<Bytes, Refused> {
    let Some(body) = body else {
        return Ok(Bytes::new());
    };
    headers
        .push("Content-Type", &body.content_type)
        .map_err(bad("Content-Type"))?;
    Ok(body.bytes)
}
