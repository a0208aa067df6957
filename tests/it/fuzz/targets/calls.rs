//! Whole calls: peers that say anything in any order to the real engine, with the scenarios that
//! ship, in virtual time.
//!
//! An input is a byte of what the world is like (how late work outside the engine is, whether
//! calls and legs are scarce, whether packets are lost) and a list of steps of three bytes: what,
//! by or to which, and how. The peers know their dialogs well enough that most of what they say is
//! taken for a part of a call; what they say is seldom right.
//!
//! The law: the engine writes messages that can be read; answers whatever was asked and nothing
//! else, with one final response; counts its own requests upwards in each dialog and asks nothing
//! after a BYE; and when everybody has hung up, nothing is left in any table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use talkpath::codec::g711;
use talkpath::engine::{Application, Catalog};
use talkpath::routing::{Router, Rule, Ruleset};
use talkpath::script::{Host, Limits, Program, Source};
use talkpath::sim::{Latency, PhoneId, Setup, World};
use talkpath::sip::{Framing, Message, NameAddr, Request, Response, wire};

use super::Steps;
use super::files::once;

/// Steps that are taken; the rest of an input is left.
const STEPS_MAX: usize = 60;
/// Virtual time that one input may take before everybody hangs up.
const TIME_MAX: Duration = Duration::from_secs(90);
/// After that long no timer of a call runs any more.
const RUN_OUT: Duration = Duration::from_secs(200);

static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();

/// A rule for a scenario that does what it is told, before those that ship.
const COMMANDS: &str = r#"
[[rule]]
name = "commands"
pattern = '300'
source = ["phone"]
scenarios = ["surface.rhai"]
"#;
const RULES: &str = include_str!("../../../../rules/videoconf.toml");
const SCENARIOS: [(&str, &str); 5] = [
    (
        "surface.rhai",
        include_str!("../../calls/model/surface.rhai"),
    ),
    (
        "conference.rhai",
        include_str!("../../../../scripts/conference.rhai"),
    ),
    (
        "gatekeeper.rhai",
        include_str!("../../../../scripts/gatekeeper.rhai"),
    ),
    (
        "pstn_gatekeeper.rhai",
        include_str!("../../../../scripts/pstn_gatekeeper.rhai"),
    ),
    ("p2p.rhai", include_str!("../../../../scripts/p2p.rhai")),
];

fn shipped() -> Arc<Catalog> {
    let text = format!("{COMMANDS}{RULES}");
    let ruleset = Ruleset::parse("videoconf", "videoconf.toml", &text).expect("they ship");
    let host = host();
    let compile = |rule: &Arc<Rule>| {
        let texts = SCENARIOS
            .iter()
            .filter(|(file, _)| rule.scenarios.iter().any(|s| s == file));
        let source = |(file, text): &(&str, &str)| Source {
            file: (*file).to_owned(),
            text: (*text).to_owned(),
        };
        let sources: Vec<Source> = texts.map(source).collect();
        let program = Program::compile(&host, &sources).expect("it ships");
        (rule.name.clone(), program)
    };
    let application = Application {
        name: ruleset.application.clone(),
        programs: ruleset.rules.iter().map(compile).collect(),
        router: Router::new(ruleset),
    };
    let mut catalog = Catalog::default();
    catalog.applications.push(application);
    Arc::new(catalog)
}

fn host() -> Host {
    Host::new(Limits::default(), || false)
}

/// See the module.
pub fn calls(input: &[u8]) {
    let mut setup = Setup::new(Arc::clone(once(&CATALOG, shipped)), host());
    let mut steps = Steps(input);
    let how = steps.byte().unwrap_or(0);
    let late = [0, 0, 150, 400][usize::from(how & 3)];
    setup.latency = Latency::of(Duration::from_millis(late));
    setup.seed = u64::from(how >> 5);
    if how & 4 != 0 {
        setup.engine.calls_max = 3;
        setup.engine.messages_waiting_max = 1;
    }
    if how & 8 != 0 {
        setup.media.legs_max = 2;
    }
    let loses = how & 16 != 0;
    if loses {
        setup.faults.loss = 0.2;
    }
    let mut play = Play::new(setup);
    play.loses = loses;
    for _ in 0..STEPS_MAX {
        let (Some(what), Some(who), Some(how)) = (steps.byte(), steps.byte(), steps.byte()) else {
            break;
        };
        play.step(what, who, how);
        play.pass(Duration::from_millis(5));
        if play.world.elapsed() > TIME_MAX {
            break;
        }
    }
    play.end();
}

/// Somebody who speaks SIP as bytes.
struct Peer {
    phone: PhoneId,
    name: &'static str,
    address: String,
    transport: &'static str,
    calls: Vec<Call>,
    /// Requests of ours, as they were sent, and responses.
    sent: Vec<String>,
    /// Requests of the engine.
    asked: Vec<Request>,
    /// How often a request of ours was sent and its final response, by branch and method.
    answers: BTreeMap<(String, String), (u32, Option<u16>)>,
    /// The number and branch of the last request of the engine, by Call-ID and tag.
    heard: BTreeMap<(String, String), u32>,
    branches: BTreeSet<(String, String)>,
    /// Dialogs that a BYE of ours has ended: Call-ID, tag of the engine, tag of ours.
    over: BTreeSet<(String, String, String)>,
    next: u32,
}

/// What a peer knows of a call.
#[derive(Clone, Default)]
struct Call {
    call_id: String,
    /// From and To in requests of the peer.
    local: String,
    remote: String,
    target: String,
    cseq: u32,
    /// Of the last INVITE: its CSeq and branch, and the code of its final response.
    invite: (u32, String),
    final_code: u16,
}

/// A request of a peer.
struct Asked<'a> {
    method: &'a str,
    cseq: u32,
    branch: &'a str,
    /// Further headers.
    more: &'a str,
    /// Its type and content.
    body: (&'a str, &'a str),
}

struct Play {
    world: World,
    /// The network loses packets.
    loses: bool,
    peers: Vec<Peer>,
    /// What was said, to be shown with a failure.
    said: Vec<String>,
}

impl Drop for Play {
    #[allow(clippy::print_stderr, reason = "it stands beside the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.said.join("\n"));
        }
    }
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.1.0.1\r\ns=-\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
const BODIES: [(&str, &str); 6] = [
    ("application/sdp", OFFER),
    ("", ""),
    (
        "application/sdp",
        "v=0\r\no=- 1 2 IN IP4 10.1.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n",
    ),
    ("application/sdp", "v=0\r\nm=audio 0 RTP/AVP 0\r\n"),
    ("application/sdp", "nonsense"),
    ("text/plain", "hello"),
];
const TEXTS: [(&str, &str); 10] = [
    ("application/dtmf-relay", "Signal=1\r\nDuration=160\r\n"),
    ("application/dtmf-relay", "Signal=#\r\n"),
    ("application/dtmf", "2"),
    (
        "application/json",
        "{\"type\":\"CHAT\",\"data\":{\"text\":\"x\"}}",
    ),
    (
        "application/json",
        "{\"type\":\"ICE_FAILED\",\"caller\":\"alice\",\"callee\":\"bob\"}",
    ),
    ("application/json", "[[[["),
    ("text/plain", "call"),
    ("text/plain", "record"),
    ("text/plain", "end"),
    ("application/x-unknown", "x"),
];
const DESTINATIONS: [&str; 6] = ["31201234567", "joinconf", "bob", "alice", "300", "nobody"];
const CODES: [u16; 16] = [
    100, 180, 183, 199, 200, 200, 200, 202, 302, 401, 408, 481, 486, 487, 491, 603,
];
const METHODS: [&str; 16] = [
    "BYE",
    "INVITE",
    "INVITE",
    "INVITE",
    "INFO",
    "INFO",
    "INFO",
    "UPDATE",
    "OPTIONS",
    "PRACK",
    "REFER",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "CANCEL",
    "ODD",
];

impl Play {
    fn new(setup: Setup) -> Play {
        let mut world = World::new(setup);
        let mut peers = Vec::new();
        for (name, web) in [
            ("15550100", false),
            ("15550101", false),
            ("alice", true),
            ("bob", true),
        ] {
            let phone = world.phone_with(name, &g711::PCMU, |options| options.web = web);
            if web {
                world.register(phone);
            }
            // From here on it says nothing by itself.
            world.set_busy(phone, true);
            peers.push(Peer {
                phone,
                name,
                address: format!("10.1.0.{}:5060", phone.0 + 1),
                transport: if web { "WS" } else { "UDP" },
                calls: Vec::new(),
                sent: Vec::new(),
                asked: Vec::new(),
                answers: BTreeMap::new(),
                heard: BTreeMap::new(),
                branches: BTreeSet::new(),
                over: BTreeSet::new(),
                next: 0,
            });
        }
        Play {
            world,
            loses: false,
            peers,
            said: Vec::new(),
        }
    }

    fn step(&mut self, what: u8, who: u8, how: u8) {
        let index = usize::from(who & 3);
        let which = usize::from(who >> 2);
        let peer = &mut self.peers[index];
        let message = match what % 16 {
            0 | 1 => Some(peer.invite(how)),
            2..=4 => peer.request(which, how),
            5 | 6 => peer.acknowledge(which, how),
            7 => peer.cancel(which),
            8..=10 => peer.respond(which, how),
            11 => peer.again(which),
            12 => peer.corrupt(which, how),
            13 | 14 => {
                let unit = [1, 10, 100, 1000][which & 3];
                self.pass(Duration::from_millis(u64::from(how & 63) * unit));
                None
            }
            _ => {
                self.happen(index, how);
                None
            }
        };
        if let Some(message) = message {
            let peer = &mut self.peers[index];
            peer.note(&message);
            let line = outline(&self.world, peer.name, "→", message.as_bytes());
            self.said.push(line);
            let phone = peer.phone;
            self.world.send_sip(phone, message);
        }
    }

    /// What is no message.
    fn happen(&mut self, index: usize, how: u8) {
        let phone = self.peers[index].phone;
        let web = self.peers[index].transport == "WS";
        match how % 8 {
            0..=2 if web => self.world.lose_flow(phone),
            3..=5 if web => self.world.come_back(phone),
            6 => self.world.reload(Arc::clone(once(&CATALOG, shipped))),
            7 if how > 200 => self.world.drain(),
            _ => {}
        }
    }

    fn pass(&mut self, length: Duration) {
        self.world.advance(length);
        for peer in &mut self.peers {
            for bytes in self.world.take_sip(peer.phone) {
                self.said.push(outline(&self.world, peer.name, "←", &bytes));
                match wire::parse(bytes.clone(), Framing::Datagram) {
                    Ok(Message::Request(request)) => peer.take_request(request),
                    Ok(Message::Response(response)) => peer.take_response(&response),
                    // It repeats what could not be read.
                    Err(_) if bytes.starts_with(b"SIP/2.0 400 ") => {
                        peer.refused(&branch_of(&String::from_utf8_lossy(&bytes)), 400);
                    }
                    Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&bytes)),
                }
            }
        }
    }

    fn end(mut self) {
        self.pass(Duration::from_millis(500));
        self.world.hang_up_all();
        self.pass(RUN_OUT);
        // Answers to a WebSocket that was lost are lost too. A request with a branch of RFC 2543 is
        // taken for a repetition by what else it says.
        let kept = |peer: &&Peer| peer.transport == "UDP" && !self.loses;
        for peer in self.peers.iter().filter(kept) {
            for (asked, (_, final_code)) in &peer.answers {
                let old = !asked.0.starts_with("z9hG4bK");
                assert!(old || final_code.is_some(), "{asked:?}: no answer");
            }
        }
        let left = self.world.leftovers();
        assert_eq!(left, [], "{}", self.world.timeline());
    }
}

impl Peer {
    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn branch(&mut self, method: &str) -> String {
        let number = self.number();
        format!("z9hG4bK-{}-{number}-{method}", self.name)
    }

    fn write(&self, call: &Call, asked: &Asked<'_>) -> String {
        let Asked {
            method,
            cseq,
            branch,
            more,
            body: (kind, body),
        } = asked;
        let Call {
            call_id,
            local,
            remote,
            target,
            ..
        } = call;
        let (name, address, transport) = (self.name, &self.address, self.transport);
        let (kind, length) = (typed(kind), body.len());
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {address};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{name}@{address}>\r\n{more}{kind}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    /// A new call.
    fn invite(&mut self, how: u8) -> String {
        let destination = DESTINATIONS[usize::from(how) % DESTINATIONS.len()];
        let branch = self.branch("INVITE");
        let number = self.number();
        let call = Call {
            call_id: format!("{}-{number}", self.name),
            local: format!("<sip:{}@{}>;tag=t{number}", self.name, self.address),
            remote: format!("<sip:{destination}@10.0.0.1:5060>"),
            target: format!("sip:{destination}@10.0.0.1:5060"),
            cseq: 1,
            invite: (1, branch.clone()),
            final_code: 0,
        };
        let asked = Asked {
            method: "INVITE",
            cseq: 1,
            branch: &branch,
            more: match destination {
                "joinconf" => "X-Conference-Id: 1234\r\n",
                "bob" | "alice" => "X-DirectCall: true\r\n",
                _ => "",
            },
            body: BODIES[usize::from(how >> 4) % BODIES.len()],
        };
        let text = self.write(&call, &asked);
        self.calls.push(call);
        text
    }

    /// A request inside of a dialog, with a number that may be right.
    fn request(&mut self, which: usize, how: u8) -> Option<String> {
        let index = which.checked_rem(self.calls.len())?;
        let method = METHODS[usize::from(how & 15)];
        let branch = self.branch(method);
        let call = &mut self.calls[index];
        let cseq = match how >> 4 & 7 {
            0..=4 => call.cseq.saturating_add(1),
            5 => call.cseq,
            6 => call.cseq.saturating_sub(1),
            _ => call.cseq.saturating_add(1 << 30),
        };
        call.cseq = call.cseq.max(cseq);
        if method == "INVITE" {
            call.invite = (cseq, branch.clone());
            call.final_code = 0;
        }
        let other = usize::from(how >> 4) + which;
        let asked = Asked {
            method,
            cseq,
            branch: &branch,
            more: "",
            body: match method {
                "INVITE" | "UPDATE" => BODIES[other % BODIES.len()],
                "INFO" | "MESSAGE" => TEXTS[other % TEXTS.len()],
                _ => ("", ""),
            },
        };
        Some(self.write(&self.calls[index], &asked))
    }

    /// The ACK of the last final response, late or early, with a body or without.
    fn acknowledge(&mut self, which: usize, how: u8) -> Option<String> {
        let index = which.checked_rem(self.calls.len())?;
        let own = self.branch("ACK");
        let call = &self.calls[index];
        let asked = Asked {
            method: "ACK",
            cseq: call.invite.0,
            branch: match call.final_code {
                300.. => &call.invite.1,
                _ => &own,
            },
            more: "",
            body: match how & 3 {
                0 => BODIES[usize::from(how >> 2) % BODIES.len()],
                _ => ("", ""),
            },
        };
        Some(self.write(call, &asked))
    }

    fn cancel(&mut self, which: usize) -> Option<String> {
        let index = which.checked_rem(self.calls.len())?;
        let call = &self.calls[index];
        let asked = Asked {
            method: "CANCEL",
            cseq: call.invite.0,
            branch: &call.invite.1,
            more: "",
            body: ("", ""),
        };
        Some(self.write(call, &asked))
    }

    /// Answers one of the last requests, perhaps once more.
    fn respond(&mut self, which: usize, how: u8) -> Option<String> {
        let index = which.checked_rem(self.asked.len())?;
        let request = &self.asked[self.asked.len() - 1 - index];
        let code = CODES[usize::from(how & 15)];
        let with_body = request.method.as_str() == "INVITE" && how & 0x80 == 0;
        let (kind, body) = match with_body {
            true => BODIES[usize::from(how >> 4 & 7) % BODIES.len()],
            false => ("", ""),
        };
        let mut text = format!("SIP/2.0 {code} Fuzz\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"] {
            for value in request.headers.values(name) {
                let tag = match name == "To" && !value.contains(";tag=") {
                    true => format!(";tag={}", self.name),
                    false => String::new(),
                };
                text += &format!("{name}: {value}{tag}\r\n");
            }
        }
        let (name, address) = (self.name, &self.address);
        text += &format!("Contact: <sip:{name}@{address}>\r\n{}", typed(kind));
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        Some(text)
    }

    /// One of the last messages once more.
    fn again(&mut self, which: usize) -> Option<String> {
        let index = which.checked_rem(self.sent.len())?;
        Some(self.sent[self.sent.len() - 1 - index].clone())
    }

    /// One of the last messages with something about it changed.
    fn corrupt(&mut self, which: usize, how: u8) -> Option<String> {
        let text = self.again(which)?;
        let number = self.number();
        let (from, to): (&str, String) = match how & 15 {
            0 => (";tag=", format!(";tag=x{number}")),
            1 => ("branch=z9hG4bK", format!("branch=z9hG4bK{number}")),
            2 => ("branch=z9hG4bK", "branch=".to_owned()),
            3 => ("Call-ID: ", format!("Call-ID: x{number}")),
            4 => ("CSeq: ", "CSeq: 9".to_owned()),
            5 => ("CSeq: ", "CSeq: 429496729".to_owned()),
            6 => ("Contact: ", "X-Contact: ".to_owned()),
            7 => ("Contact: <sip:", "Contact: <sip:else.".to_owned()),
            8 => ("To: ", "Record-Route: <sip:10.9.9.9;lr>\r\nTo: ".to_owned()),
            9 => ("To: ", "Require: 100rel, nothing\r\nTo: ".to_owned()),
            10 => ("Content-Length: ", "Content-Length: 9".to_owned()),
            11 => ("Max-Forwards: 70", "Max-Forwards: 0".to_owned()),
            12 => (
                "To: ",
                "Session-Expires: 90;refresher=uas\r\nTo: ".to_owned(),
            ),
            13 => ("To: ", "Replaces: a;to-tag=b;from-tag=c\r\nTo: ".to_owned()),
            14 => ("From: ", "From: sip:anonymous@x;tag=".to_owned()),
            _ => (" INVITE\r\n", " BYE\r\n".to_owned()),
        };
        Some(text.replacen(from, &to, 1))
    }

    /// What was sent, to send it again and to know its answer.
    fn note(&mut self, text: &str) {
        let method = text.split(' ').next().unwrap_or_default();
        if !matches!(method, "ACK" | "SIP/2.0") {
            let key = (branch_of(text), method.to_owned());
            self.answers.entry(key).or_default().0 += 1;
        }
        self.sent.push(text.to_owned());
    }

    /// Something was refused that cannot be read, or that says two things at once.
    fn refused(&mut self, branch: &str, code: u16) {
        let asked = self.answers.iter_mut();
        for (_, (_, final_code)) in asked.filter(|((asked, _), _)| asked == branch) {
            final_code.get_or_insert(code);
        }
    }

    fn take_response(&mut self, response: &Response) {
        let cseq = response.headers.cseq().expect("it was read");
        let via = response.headers.via().expect("it was read");
        let key = (
            via.branch().unwrap_or_default().to_owned(),
            cseq.method.to_string(),
        );
        if key.0.starts_with("z9hG4bK-sim-") {
            // To the registration of a phone that came back.
            return;
        }
        let Some((times, final_code)) = self.answers.get_mut(&key) else {
            // To what was no request: its CSeq and start line differ, or it cannot be read.
            assert!(response.code >= 300, "{response:?} to nothing");
            self.refused(&key.0, response.code);
            return;
        };
        if response.code >= 200 {
            let first = *final_code.get_or_insert(response.code);
            assert!(
                *times > 1 || first == response.code,
                "{first}, then {response:?}"
            );
        }
        let call_id = response.headers.call_id().unwrap_or_default();
        if response.code == 200 && key.1 == "BYE" {
            let (from, to) = (response.headers.from(), response.headers.to());
            let dialog = dialog(call_id, &to.expect("read"), &from.expect("read"));
            self.over.insert(dialog);
        }
        let call = self.calls.iter_mut().find(|call| call.call_id == call_id);
        let Some(call) = call.filter(|call| call.invite.1 == key.0) else {
            return;
        };
        if response.code > 100 && !call.remote.contains(";tag=") {
            let to = response.headers.get("To").unwrap_or_default();
            to.clone_into(&mut call.remote);
        }
        if response.code >= 200 {
            call.final_code = response.code;
        }
        if let Ok([contact, ..]) = response.headers.contacts().as_deref() {
            call.target = contact.uri.to_string();
        }
    }

    fn take_request(&mut self, request: Request) {
        let headers = &request.headers;
        let (from, to) = (headers.from().expect("read"), headers.to().expect("read"));
        let call_id = headers.call_id().expect("read").to_owned();
        let cseq = headers.cseq().expect("read");
        assert_eq!(cseq.method, request.method);
        let branch = headers
            .via()
            .expect("read")
            .branch()
            .unwrap_or_default()
            .to_owned();
        let key = (call_id.clone(), from.tag().unwrap_or_default().to_owned());
        let method = request.method.as_str();
        let fresh = self.branches.insert((branch, method.to_owned()));
        let dialog = dialog(&call_id, &from, &to);
        // An answer to an INVITE that comes too late is acknowledged and hung up on.
        let asks = fresh && !matches!(method, "ACK" | "BYE");
        assert!(
            !asks || !self.over.contains(&dialog),
            "{method} after BYE: {request:?}"
        );
        if fresh && !matches!(method, "ACK" | "CANCEL") {
            let last = self.heard.entry(key).or_default();
            assert!(cseq.seq > *last, "{} after {last}: {request:?}", cseq.seq);
            *last = cseq.seq;
        }
        if method == "INVITE" && to.tag().is_none() && fresh {
            let contact = headers.contacts().unwrap_or_default();
            let target = contact.first().map(|contact| contact.uri.to_string());
            self.calls.push(Call {
                call_id,
                local: format!(
                    "{};tag={}",
                    headers.get("To").unwrap_or_default(),
                    self.name
                ),
                remote: headers.get("From").unwrap_or_default().to_owned(),
                target: target.unwrap_or_default(),
                ..Call::default()
            });
        }
        self.asked.push(request);
    }
}

/// As text: a message may be answered although it cannot be read.
fn branch_of(text: &str) -> String {
    let after = text.split_once("branch=").unwrap_or_default().1;
    let branch = after.split([';', '\r']).next();
    branch.unwrap_or_default().to_owned()
}

/// A dialog by its Call-ID, the engine's side and the peer's.
fn dialog(call_id: &str, engine: &NameAddr, peer: &NameAddr) -> (String, String, String) {
    let tag = |side: &NameAddr| side.tag().unwrap_or_default().to_owned();
    (call_id.to_owned(), tag(engine), tag(peer))
}

/// When who said what, in a line.
fn outline(world: &World, name: &str, way: &str, message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let of = |start: &str| text.lines().find(|line| line.starts_with(start));
    let start = text.lines().next().unwrap_or_default();
    let (id, cseq) = (of("Call-ID: "), of("CSeq: "));
    let (id, cseq) = (id.unwrap_or_default(), cseq.unwrap_or_default());
    format!(
        "{:>9.3?} {name} {way} {start} | {id} | {cseq}",
        world.elapsed()
    )
}

fn typed(kind: &str) -> String {
    match kind {
        "" => String::new(),
        kind => format!("Content-Type: {kind}\r\n"),
    }
}
