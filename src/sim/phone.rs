//! A simulated phone: a small user agent that says exactly what a test tells it to. Over UDP it
//! repeats its requests as RFC 3261 wants, everywhere it acknowledges answers, and it has no other
//! opinion.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::codec::CodecInfo;
use crate::sip::{Flow, Framing, Message, Request, Response, wire};

use super::PhoneId;
use super::ear::{EVENT_PAYLOAD_TYPE, Ear};

/// How a phone behaves.
#[derive(Clone, Debug)]
pub struct PhoneOptions {
    /// The codec that it offers.
    pub codec: &'static CodecInfo,
    /// The INVITE carries no offer; the answer comes in the ACK.
    pub late_offer: bool,
    /// Digits go as INFO instead of telephone-event.
    pub info_digits: bool,
    /// It speaks SIP over a WebSocket and is logged in under its number.
    pub web: bool,
    /// Never sends ACK.
    pub no_ack: bool,
    /// What it says to a call: 200, a refusal, or 180 and nothing more.
    pub answers_with: u16,
    /// Further headers of the INVITE, such as `X-ClientType: web`.
    pub headers: Vec<(String, String)>,
}

/// How far a phone's call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneState {
    /// No call yet.
    Idle,
    /// INVITE sent.
    Calling,
    /// 180 or 183 received.
    Ringing,
    /// 200 received.
    Connected,
    /// The call is over: 200 after a hang-up by either side, else the status of the refusal.
    Ended(u16),
}

/// A simulated phone.
pub struct Phone {
    /// Its place.
    pub id: PhoneId,
    /// Its number, the user part of From.
    pub number: String,
    /// How far its call has come.
    pub state: PhoneState,
    /// Bodies of the messages that it got.
    pub messages: Vec<String>,
    /// What was spoken or played to it: texts and file names, in order.
    pub said: Vec<String>,
    /// Session descriptions that it was offered, as they came.
    pub offers: Vec<String>,
    /// Session descriptions that answered its own, as they came.
    pub answers: Vec<String>,
    /// The session description that it answers a call with.
    pub own_answer: String,
    /// The call that it rang for was taken back.
    pub cancelled: bool,
    /// The other side hung up.
    pub hung_up_on: bool,
    /// The words of the Reason header of its BYE.
    pub hung_up_why: String,
    /// Messages that came again and were not taken twice.
    pub repeats: usize,
    pub(super) options: PhoneOptions,
    pub(super) flow: Flow,
    pub(super) rtp: SocketAddr,
    pub(super) ear: Option<Ear>,
    pub(super) remote_rtp: Option<SocketAddr>,
    pub(super) outbox: Vec<Bytes>,
    /// What has come while it is busy; nothing while it is not.
    pub(super) inbox: Option<Vec<Bytes>>,
    dialog: Dialog,
}

/// What the phone remembers of its call.
struct Dialog {
    to: String,
    target: String,
    call_id: String,
    destination: String,
    cseq: u32,
    /// CSeq of the INVITE that began the call.
    invite_seq: u32,
    sdp_version: u32,
    direction: &'static str,
    /// The number of the last message.
    heard: u64,
    pending: BTreeMap<u32, Pending>,
}

/// A request that is repeated until it is answered.
struct Pending {
    text: String,
    at: Instant,
    interval: Duration,
    give_up: Instant,
}

const T1: Duration = Duration::from_millis(500);

impl Phone {
    pub(super) fn new(id: PhoneId, number: &str, options: PhoneOptions, flow: Flow) -> Phone {
        let rtp = SocketAddr::new(flow.remote.ip(), 4000);
        Phone {
            id,
            number: number.to_owned(),
            state: PhoneState::Idle,
            messages: Vec::new(),
            said: Vec::new(),
            offers: Vec::new(),
            answers: Vec::new(),
            own_answer: String::new(),
            cancelled: false,
            hung_up_on: false,
            hung_up_why: String::new(),
            repeats: 0,
            options,
            flow,
            rtp,
            ear: None,
            remote_rtp: None,
            outbox: Vec::new(),
            inbox: None,
            dialog: Dialog {
                to: String::new(),
                target: String::new(),
                call_id: format!("sim-{}@{}", id.0, flow.remote),
                destination: String::new(),
                cseq: 0,
                invite_seq: 0,
                sdp_version: 0,
                direction: "sendrecv",
                heard: 0,
                pending: BTreeMap::new(),
            },
        }
    }

    pub(super) fn dial(&mut self, now: Instant, destination: &str) {
        self.dialog.destination = destination.to_owned();
        self.dialog.to = format!("<sip:{destination}@{}>", self.flow.local);
        self.dialog.target = format!("sip:{destination}@{}", self.flow.local);
        self.dialog.invite_seq = self.dialog.cseq + 1;
        self.state = PhoneState::Calling;
        let extra: String = self
            .options
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let body = if self.options.late_offer {
            String::new()
        } else {
            self.sdp()
        };
        self.request(now, "INVITE", &extra, "application/sdp", &body);
    }

    /// Says where it is (RFC 3261 §10).
    pub(super) fn register(&mut self, now: Instant) {
        let domain = self.flow.local;
        let outside = (
            format!("<sip:{}@{domain}>", self.number),
            format!("sip:{domain}"),
            format!("sim-reg-{}@{}", self.id.0, self.flow.remote),
        );
        let dialog = &mut self.dialog;
        let before = (
            std::mem::replace(&mut dialog.to, outside.0),
            std::mem::replace(&mut dialog.target, outside.1),
            std::mem::replace(&mut dialog.call_id, outside.2),
        );
        self.request(now, "REGISTER", "Expires: 600\r\n", "", "");
        let dialog = &mut self.dialog;
        (dialog.to, dialog.target, dialog.call_id) = before;
    }

    /// Its WebSocket is gone, and with it all that waits for an answer.
    pub(super) fn drop_flow(&mut self) {
        self.dialog.pending.clear();
        self.outbox.clear();
        self.inbox = self.inbox.take().map(|_| Vec::new());
    }

    pub(super) fn cancel(&mut self, now: Instant) {
        // A CANCEL repeats the number and the branch of what it cancels (RFC 3261 §9.1).
        self.dialog.cseq -= 1;
        let text = self.compose("CANCEL", self.dialog.cseq + 1, "", "", "");
        self.dialog.cseq += 1;
        self.outbox.push(text.clone().into());
        self.repeat(now, self.dialog.cseq + 100_000, text);
    }

    pub(super) fn hang_up(&mut self, now: Instant) {
        self.request(now, "BYE", "", "", "");
        self.state = PhoneState::Ended(200);
    }

    pub(super) fn hold(&mut self, now: Instant, on: bool) {
        self.dialog.direction = if on { "sendonly" } else { "sendrecv" };
        let body = self.sdp();
        self.request(now, "INVITE", "", "application/sdp", &body);
    }

    pub(super) fn info(&mut self, now: Instant, number: Option<u64>, mime: &str, body: &str) {
        let extra = number.map_or(String::new(), |number| {
            format!("X-Message-Number: {number}\r\n")
        });
        self.request(now, "INFO", &extra, mime, body);
    }

    fn request(&mut self, now: Instant, method: &str, extra: &str, mime: &str, body: &str) {
        self.dialog.cseq += 1;
        let text = self.compose(method, self.dialog.cseq, extra, mime, body);
        self.outbox.push(text.clone().into());
        self.repeat(now, self.dialog.cseq, text);
    }

    fn repeat(&mut self, now: Instant, cseq: u32, text: String) {
        if self.options.web {
            return;
        }
        let pending = Pending {
            text,
            at: now + T1,
            interval: T1,
            give_up: now + 64 * T1,
        };
        self.dialog.pending.insert(cseq, pending);
    }

    fn compose(&self, method: &str, cseq: u32, extra: &str, mime: &str, body: &str) -> String {
        let (id, remote, number) = (self.id.0, self.flow.remote, &self.number);
        // An ACK to a refusal and a CANCEL share the branch of their INVITE.
        let branch = if matches!(method, "ACK" | "CANCEL") {
            "INVITE"
        } else {
            method
        };
        let kind = if mime.is_empty() || body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: {mime}\r\n")
        };
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {remote};rport;branch=z9hG4bK-sim-{id}-{cseq}-{branch}\r\n\
             Max-Forwards: 70\r\nFrom: \"Phone {id}\" <sip:{number}@{remote}>;tag=sim{id}\r\n\
             To: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{number}@{remote}>\r\n{extra}{kind}\
             Content-Length: {length}\r\n\r\n{body}",
            target = self.dialog.target,
            call_id = self.dialog.call_id,
            transport = self.flow.transport.via_token(),
            to = self.dialog.to,
            length = body.len(),
        )
    }

    fn sdp(&mut self) -> String {
        self.dialog.sdp_version += 1;
        let codec = self.options.codec;
        let (ip, port) = (self.rtp.ip(), self.rtp.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let payload_type = codec.payload_type;
        let channels = match codec.channels {
            1 => String::new(),
            channels => format!("/{channels}"),
        };
        format!(
            "v=0\r\no=- {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {payload_type} {EVENT_PAYLOAD_TYPE}\r\n\
             a=rtpmap:{payload_type} {name}/{clock}{channels}\r\n\
             a=rtpmap:{EVENT_PAYLOAD_TYPE} telephone-event/8000\r\n\
             a=fmtp:{EVENT_PAYLOAD_TYPE} 0-15\r\na={direction}\r\n",
            id = self.id.0 + 1,
            version = self.dialog.sdp_version,
            name = codec.name,
            clock = codec.clock_rate_hz,
            direction = self.dialog.direction,
        )
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let resend = self.dialog.pending.values().map(|pending| pending.at).min();
        let ear = self.ear.as_ref().map(Ear::poll_timeout);
        [resend, ear].into_iter().flatten().min()
    }

    /// Repeats what has not been answered.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.dialog
            .pending
            .retain(|_, pending| pending.give_up > now);
        for pending in self.dialog.pending.values_mut() {
            if pending.at <= now {
                pending.interval *= 2;
                pending.at = now + pending.interval.min(Duration::from_secs(4));
                self.outbox.push(pending.text.clone().into());
            }
        }
    }

    pub(super) fn handle_sip(&mut self, now: Instant, bytes: Bytes) {
        if let Some(inbox) = &mut self.inbox {
            inbox.push(bytes);
            return;
        }
        match wire::parse(bytes, Framing::Datagram) {
            Ok(Message::Response(response)) => self.handle_response(now, &response),
            Ok(Message::Request(request)) => self.handle_request(&request),
            // What the engine writes is always readable; a test that sees this line fails on its
            // own.
            Err(unparsable) => self
                .messages
                .push(format!("unreadable: {}", unparsable.error)),
        }
    }

    fn handle_response(&mut self, now: Instant, response: &Response) {
        let Ok(cseq) = response.headers.cseq() else {
            return;
        };
        match cseq.method.as_str() {
            "INVITE" => self.handle_invite_response(now, cseq.seq, response),
            "CANCEL" => {
                self.dialog.pending.remove(&(cseq.seq + 100_000));
            }
            _ if response.code >= 200 => {
                self.dialog.pending.remove(&cseq.seq);
            }
            _ => {}
        }
    }

    fn handle_invite_response(&mut self, now: Instant, seq: u32, response: &Response) {
        self.dialog.pending.remove(&seq);
        match response.code {
            100 => {}
            101..=199 => {
                if self.state == PhoneState::Calling {
                    self.state = PhoneState::Ringing;
                }
                self.take_answer(now, &response.body);
            }
            200..=299 => {
                self.dialog.to = response.headers.get("To").unwrap_or_default().to_owned();
                if let Some(contact) = contact_of(response) {
                    self.dialog.target = contact;
                }
                self.take_answer(now, &response.body);
                if self.options.no_ack {
                    return;
                }
                let body = if self.options.late_offer && seq == self.dialog.invite_seq {
                    self.sdp()
                } else {
                    String::new()
                };
                let ack = self.compose("ACK", seq, "", "application/sdp", &body);
                self.outbox
                    .push(ack.replace("-INVITE\r\n", "-ACK\r\n").into());
                if !matches!(self.state, PhoneState::Ended(_)) {
                    self.state = PhoneState::Connected;
                }
            }
            code => {
                let before = std::mem::take(&mut self.dialog.to);
                self.dialog.to = response.headers.get("To").unwrap_or_default().to_owned();
                let ack = self.compose("ACK", seq, "", "", "");
                self.outbox.push(ack.into());
                if seq == self.dialog.invite_seq {
                    self.state = PhoneState::Ended(code);
                    self.ear = None;
                } else {
                    self.dialog.to = before;
                }
            }
        }
    }

    fn handle_request(&mut self, request: &Request) {
        if request.method.as_str() == "INVITE" {
            self.handle_invite(request);
            return;
        }
        let mut reply = "SIP/2.0 200 OK\r\n".to_owned();
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            for value in request.headers.values(name) {
                reply.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        match request.method.as_str() {
            "ACK" => return,
            "BYE" => {
                self.state = PhoneState::Ended(200);
                self.hung_up_on = true;
                let why = request.headers.get("Reason").unwrap_or_default();
                why.clone_into(&mut self.hung_up_why);
                self.ear = None;
            }
            "CANCEL" => self.cancelled = true,
            "INFO" => self.take_message(request),
            _ => {}
        }
        reply.push_str("Content-Length: 0\r\n\r\n");
        self.outbox.push(reply.into());
    }

    /// Takes a message once, however often it comes.
    fn take_message(&mut self, request: &Request) {
        let number = request.headers.get("X-Message-Number");
        let number = number.and_then(|number| number.parse::<u64>().ok());
        if number.is_some_and(|number| number <= self.dialog.heard) {
            self.repeats += 1;
            return;
        }
        self.dialog.heard = number.unwrap_or(self.dialog.heard);
        self.messages
            .push(String::from_utf8_lossy(&request.body).into_owned());
    }

    /// Somebody calls, or changes the call.
    fn handle_invite(&mut self, request: &Request) {
        self.offers
            .push(String::from_utf8_lossy(&request.body).into_owned());
        let inside = self.state == PhoneState::Connected;
        let code = if inside {
            200
        } else {
            self.options.answers_with
        };
        let tag = format!(";tag=sim{}", self.id.0);
        let from = request.headers.get("From").unwrap_or_default().to_owned();
        if !inside {
            self.dialog.to = from;
            if let Ok(contacts) = request.headers.contacts()
                && let Some(contact) = contacts.first()
            {
                self.dialog.target = contact.uri.to_string();
            }
            self.dialog.call_id = request
                .headers
                .get("Call-ID")
                .unwrap_or_default()
                .to_owned();
            self.state = if code == 200 {
                PhoneState::Connected
            } else {
                PhoneState::Ringing
            };
        }
        let body = if code == 200 {
            self.sdp()
        } else {
            String::new()
        };
        self.own_answer.clone_from(&body);
        let mut reply = format!("SIP/2.0 {code} Sim\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"] {
            for value in request.headers.values(name) {
                let tag = if name == "To" && !inside {
                    tag.as_str()
                } else {
                    ""
                };
                reply.push_str(&format!("{name}: {value}{tag}\r\n"));
            }
        }
        let (number, remote) = (&self.number, self.flow.remote);
        reply.push_str(&format!("Contact: <sip:{number}@{remote}>\r\n"));
        if !body.is_empty() {
            reply.push_str("Content-Type: application/sdp\r\n");
        }
        reply.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.outbox.push(reply.into());
    }

    /// Opens the media of an answer (or of the engine's offer).
    fn take_answer(&mut self, now: Instant, body: &[u8]) {
        if !body.is_empty() {
            self.answers
                .push(String::from_utf8_lossy(body).into_owned());
        }
        let Some(remote) = rtp_address(body) else {
            return;
        };
        self.remote_rtp = Some(remote);
        if self.ear.is_none() && !matches!(self.state, PhoneState::Ended(_)) {
            let codec = self.options.codec;
            self.ear = Some(Ear::new(codec, codec.payload_type, self.id, now));
        }
    }
}

fn contact_of(response: &Response) -> Option<String> {
    let contact = response.headers.get("Contact")?;
    let start = contact.find('<').map_or(0, |at| at + 1);
    Some(contact.get(start..)?.split('>').next()?.to_owned())
}

fn rtp_address(body: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(body).ok()?;
    let ip = text.lines().find_map(|line| line.strip_prefix("c=IN IP"))?;
    let ip = ip.split_whitespace().nth(1)?.parse().ok()?;
    let port = text
        .lines()
        .find_map(|line| line.strip_prefix("m=audio "))?;
    let port: u16 = port.split_whitespace().next()?.parse().ok()?;
    (port != 0).then(|| SocketAddr::new(ip, port))
}
