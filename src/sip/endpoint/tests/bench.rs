//! A table reader for calls: `Bench` is the peer, the user and the clock of one endpoint.
//!
//! A row is `ms | input | outputs`. Time goes to the given instant; what timers cause on the way
//! must be nothing, unless the input is `timer`, which fires the one that is due exactly then.
//!
//! Input of the peer: a method (`INVITE sdp`, `ACK`, `BYE` …) or a response (`180 INVITE`, `200
//! INVITE sdp`) to our last request of that method. `again` repeats the last message. Options:
//! `sdp` a body, `tag=x` another tag of the peer, `seq=n` another CSeq, `contact=x` another
//! Contact, `out` outside of the dialog, `flow=n` another flow, `{Name: value}` a further header.
//! Input of the user: a word with a dot (`.accept sdp`). `closed n` closes a flow.
//!
//! Outputs in order, separated by commas: `200 INVITE` a response, `BYE` a request, `Acked` an
//! event; `+` marks a body,
//! `!code` a refused wish of the user.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::id::FlowId;
use crate::sip::endpoint::{Body, CallKey, Endpoint, Event, Output, Refused, RequestKey, Settings};
use crate::sip::flow::{Flow, Transport};
use crate::sip::invite::uac::InviteParams;
use crate::sip::login::User;
use crate::sip::message::{Message, Method, Request, Response};
use crate::sip::name_addr::NameAddr;
use crate::sip::uri::Uri;
use crate::sip::wire::{self, Framing};

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                       m=audio 4000 RTP/AVP 0\r\n";

pub struct Bench {
    pub endpoint: Endpoint,
    pub start: Instant,
    pub now: Instant,
    pub transport: Transport,
    pub sent: Vec<(Flow, Message, Bytes)>,
    call: Option<CallKey>,
    key: Option<RequestKey>,
    call_id: String,
    tag: String,
    our_tag: String,
    seq: u32,
    invite: (u32, String),
    branches: u32,
    last: Bytes,
    last_flow: u64,
}

pub fn flow(transport: Transport, id: u64) -> Flow {
    Flow {
        id: FlowId(id),
        transport,
        local: SocketAddr::from(([192, 0, 2, 1], 5060)),
        remote: SocketAddr::from(([192, 0, 2, 9], 5070)),
    }
}

impl Bench {
    pub fn new(transport: Transport, settings: Settings) -> Self {
        let start = Instant::now();
        let mut endpoint = Endpoint::new(settings, [7; 32]);
        endpoint.put_user(User {
            name: "peer".into(),
            display_name: String::new(),
            ha1: Vec::new(),
        });
        if transport.is_web() {
            // The first flows of a browser have been opened with a token.
            for id in 0..=3 {
                endpoint.handle_flow_opened(start, flow(transport, id), Some("peer".into()));
            }
        }
        Self {
            endpoint,
            start,
            now: start,
            transport,
            sent: Vec::new(),
            call: None,
            key: None,
            call_id: "call-1@192.0.2.9".into(),
            tag: "peer".into(),
            our_tag: String::new(),
            seq: 100,
            invite: (0, String::new()),
            branches: 0,
            last: Bytes::new(),
            last_flow: 1,
        }
    }

    pub fn udp() -> Self {
        Self::new(Transport::Udp, Settings::default())
    }

    /// Runs the rows of a table.
    pub fn run(&mut self, name: &str, table: &str) {
        for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
            let cells: Vec<&str> = row.splitn(3, '|').map(str::trim).collect();
            let at = self.start + Duration::from_millis(cells[0].parse().expect("a time in ms"));
            assert!(at >= self.now, "{name}: time runs back at `{row}`");
            while let Some(due) = self.endpoint.poll_timeout().filter(|due| *due < at) {
                self.endpoint.handle_timeout(due);
                let outputs = self.outputs();
                let late = due - self.start;
                assert_eq!(
                    outputs, "",
                    "{name}: unexpected after {late:?}, before `{row}`"
                );
            }
            self.now = at;
            let refused = self.input(cells[1]);
            let mut outputs = self.outputs();
            if let Err(refused) = refused {
                let comma = if outputs.is_empty() { "" } else { ", " };
                outputs = format!("{outputs}{comma}!{}", refused.code);
            }
            assert_eq!(outputs, cells[2], "{name}: `{row}`");
        }
    }

    /// Lets all timers run out; the endpoint must be empty then.
    pub fn run_out(&mut self, name: &str) {
        for _ in 0..1000 {
            let Some(due) = self.endpoint.poll_timeout() else {
                break;
            };
            self.endpoint.handle_timeout(due);
            self.outputs();
        }
        assert_eq!(self.endpoint.poll_timeout(), None, "{name}");
        let left = (
            self.endpoint.transactions(),
            self.endpoint.calls(),
            self.endpoint.dialogs(),
        );
        assert_eq!(left, (0, 0, 0), "{name}: transactions, calls, dialogs left");
        assert!(self.endpoint.requests.is_empty(), "{name}: requests left");
        assert!(self.endpoint.streams.is_empty(), "{name}: streams left");
        assert!(
            self.endpoint.of_user.is_empty(),
            "{name}: calls of users left"
        );
    }

    /// Does what an input says, and forgets the outputs but those in `sent`.
    pub fn answer(&mut self, input: &str) {
        self.input(input).expect("an input that is not refused");
        self.outputs();
    }

    fn input(&mut self, input: &str) -> Result<(), Refused> {
        let (words, header) = match input.split_once('{') {
            Some((words, header)) => (words, header.trim_end_matches('}')),
            None => (input, ""),
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            ["timer"] => {
                assert_eq!(
                    self.endpoint.poll_timeout(),
                    Some(self.now),
                    "no timer is due now"
                );
                self.endpoint.handle_timeout(self.now);
            }
            ["again"] => self.receive(self.last.clone(), self.last_flow),
            ["closed", flow] => {
                let flow = FlowId(flow.parse().expect("a flow number"));
                self.endpoint.handle_flow_closed(self.now, flow);
            }
            [wish, rest @ ..] if wish.starts_with('.') => return self.wish(wish, rest, header),
            [code, method, rest @ ..] if code.parse::<u16>().is_ok() => {
                let text = self.response(code, method, rest, header);
                self.say(text, rest);
            }
            [method, rest @ ..] => {
                let text = self.request(method, rest, header);
                self.say(text, rest);
            }
            [] => {}
        }
        Ok(())
    }

    fn say(&mut self, text: String, options: &[&str]) {
        self.last = Bytes::from(text);
        self.last_flow = option(options, "flow=").map_or(1, |n| n.parse().expect("a flow number"));
        self.receive(self.last.clone(), self.last_flow);
    }

    pub fn receive(&mut self, bytes: Bytes, id: u64) {
        self.endpoint
            .handle_message(self.now, flow(self.transport, id), bytes);
    }

    /// The next request of the peer inside the dialog.
    pub fn text_of(&mut self, method: &str) -> String {
        self.request(method, &[], "")
    }

    fn request(&mut self, method: &str, options: &[&str], header: &str) -> String {
        let out = options.contains(&"out");
        let first = method == "INVITE" && self.our_tag.is_empty();
        let same_as_invite = matches!(method, "ACK" | "CANCEL");
        if !same_as_invite {
            self.seq += 1;
            self.branches += 1;
        }
        let branch = match (method, options.contains(&"2xx")) {
            ("CANCEL", _) | ("ACK", false) => self.invite.1.clone(),
            _ => format!("z9hG4bKpeer{}{method}", self.branches),
        };
        let seq = match option(options, "seq=") {
            Some(seq) => seq.parse().expect("a CSeq number"),
            None if same_as_invite => self.invite.0,
            None => self.seq,
        };
        if method == "INVITE" {
            self.invite = (seq, branch.clone());
        }
        let tag = match out || first || method == "CANCEL" {
            true => String::new(),
            false => format!(";tag={}", self.our_tag),
        };
        let from = option(options, "tag=").unwrap_or(&self.tag);
        let contact = option(options, "contact=").unwrap_or("peer");
        let token = self.transport.via_token();
        let head = format!(
            "{method} sip:room@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/{token} 192.0.2.9:5070;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:peer@192.0.2.9>;tag={from}\r\n\
             To: <sip:room@192.0.2.1>{tag}\r\n\
             Call-ID: {}\r\nCSeq: {seq} {method}\r\nContact: <sip:{contact}@192.0.2.9:5070>\r\n",
            self.call_id
        );
        with_body(head, options, header)
    }

    fn response(&mut self, code: &str, method: &str, options: &[&str], header: &str) -> String {
        let method = Method::from_token(method).expect("a method");
        let request = self
            .sent
            .iter()
            .rev()
            .find_map(|(_, message, _)| match message {
                Message::Request(request) if request.method == method => Some(request),
                Message::Request(_) | Message::Response(_) => None,
            });
        let headers = &request.expect("a request of ours").headers;
        let tag = option(options, "tag=").unwrap_or(&self.tag);
        let contact = option(options, "contact=").unwrap_or("peer");
        let to = headers.get("To").expect("a To");
        let to = if to.contains("tag=") {
            to.into()
        } else {
            format!("{to};tag={tag}")
        };
        let [via, from, call_id, cseq] = ["Via", "From", "Call-ID", "CSeq"]
            .map(|name| headers.get(name).expect("a copied header"));
        let head = format!(
            "SIP/2.0 {code} Words\r\nVia: {via}\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq}\r\nContact: <sip:{contact}@192.0.2.9:5070>\r\n"
        );
        with_body(head, options, header)
    }

    fn wish(&mut self, wish: &str, options: &[&str], header: &str) -> Result<(), Refused> {
        let now = self.now;
        let call = self.call.unwrap_or(CallKey(u64::MAX));
        let key = self.key.unwrap_or(RequestKey(u64::MAX));
        let code = options
            .first()
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        let sdp = Body {
            content_type: "application/sdp".into(),
            bytes: Bytes::from(SDP),
        };
        let body = options.contains(&"sdp").then(|| sdp.clone());
        let header = header.split_once(": ");
        let extra = header
            .map(|(name, value)| (name.into(), value.into()))
            .into_iter()
            .collect();
        match wish {
            ".provisional" => self.endpoint.provisional(now, call, code, extra, body),
            ".accept" => self.endpoint.accept(now, call, extra, body),
            ".reject" => self.endpoint.reject(now, call, code, None, extra),
            ".bye" => self.endpoint.bye(now, call, extra),
            ".ack" => self.endpoint.ack(now, call, body),
            ".respond" => self.endpoint.respond(now, key, code, extra, body),
            ".reinvite" => self.endpoint.reinvite(now, call, body).map(|_| ()),
            ".info" => self.endpoint.info(now, call, extra, sdp).map(|_| ()),
            ".cancel" => {
                self.endpoint.cancel(now, call);
                Ok(())
            }
            ".drain" => {
                self.endpoint.set_draining(true);
                Ok(())
            }
            ".invite" => {
                let target = Uri::parse("sip:peer@192.0.2.9:5070").expect("a URI");
                let from = Uri::parse("sip:room@192.0.2.1").expect("a URI");
                let (from, to) = (NameAddr::new(from), NameAddr::new(target.clone()));
                let params = InviteParams {
                    from,
                    to,
                    routes: Vec::new(),
                    extra,
                    body,
                };
                let flow = flow(self.transport, 1);
                self.call = Some(self.endpoint.invite(now, flow, target, params)?);
                Ok(())
            }
            _ => panic!("{wish} is no wish"),
        }
    }

    /// What came out, in words.
    pub fn outputs(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(output) = self.endpoint.poll_output() {
            let word = match output {
                Output::Send { flow, bytes } => {
                    let Ok(message) = wire::parse(bytes.clone(), Framing::Datagram) else {
                        // A 400 repeats what could not be read.
                        let line = String::from_utf8_lossy(&bytes[8..11]).into_owned();
                        words.push(format!("{line} as received"));
                        continue;
                    };
                    let word = match &message {
                        Message::Request(request) => self.heard_request(request),
                        Message::Response(response) => self.heard_response(response),
                    };
                    let body = if message.body().is_empty() { "" } else { "+" };
                    self.sent.push((flow, message, bytes));
                    format!("{word}{body}")
                }
                Output::Event(event) => self.heard_event(event),
            };
            words.push(word);
        }
        words.join(", ")
    }

    fn heard_request(&mut self, request: &Request) -> String {
        if request.method == Method::Invite {
            let headers = &request.headers;
            self.call_id = headers.call_id().expect("a Call-ID").into();
            self.our_tag = headers.from().expect("a From").tag().expect("a tag").into();
        }
        request.method.to_string()
    }

    fn heard_response(&mut self, response: &Response) -> String {
        let method = response.headers.cseq().expect("a CSeq").method;
        if method == Method::Invite
            && self.our_tag.is_empty()
            && let Some(tag) = response.headers.to().expect("a To").tag()
        {
            self.our_tag = tag.into();
        }
        format!("{} {method}", response.code)
    }

    fn heard_event(&mut self, event: Event) -> String {
        match event {
            Event::Invite { call, request, .. } => {
                self.call = Some(call);
                if request.body.is_empty() {
                    "Invite".into()
                } else {
                    "Invite+".into()
                }
            }
            Event::Cancelled { .. } => "Cancelled".into(),
            Event::Acked { body, .. } => if body.is_some() { "Acked+" } else { "Acked" }.into(),
            Event::NoAck { .. } => "NoAck".into(),
            Event::Reinvite { key, request, .. } => {
                self.key = Some(key);
                let body = if request.body.is_empty() { "" } else { "+" };
                format!("Reinvite {}{body}", request.method)
            }
            Event::ReinviteCancelled { .. } => "ReinviteCancelled".into(),
            Event::Info { key, .. } => {
                self.key = Some(key);
                "Info".into()
            }
            Event::Bye { .. } => "Bye".into(),
            Event::Provisional { response, .. } => format!("Provisional {}", response.code),
            Event::Answered { response, .. } => {
                self.tag = response
                    .headers
                    .to()
                    .expect("a To")
                    .tag()
                    .expect("a tag")
                    .into();
                "Answered".into()
            }
            Event::Failed { code, .. } => format!("Failed {code}"),
            Event::RequestAnswered { response_code, .. } => {
                format!("RequestAnswered {response_code}")
            }
            Event::FlowLost { .. } => "FlowLost".into(),
            Event::FlowBack { .. } => "FlowBack".into(),
            Event::Ended { reason, .. } => format!("Ended {reason}"),
        }
    }
}

fn option<'o>(options: &[&'o str], name: &str) -> Option<&'o str> {
    options.iter().find_map(|option| option.strip_prefix(name))
}

fn with_body(mut head: String, options: &[&str], header: &str) -> String {
    let body = if options.contains(&"sdp") { SDP } else { "" };
    if !header.is_empty() {
        head.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() && !header.starts_with("Content-Type") {
        head.push_str("Content-Type: application/sdp\r\n");
    }
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}
