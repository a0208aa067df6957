//! Who may do what: logins by digest and by token, the registrar, calls that belong to a user.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::bench::{SDP, flow};
use crate::id::FlowId;
use crate::sip::digest::{Algorithm, Challenge, Secret, answer};
use crate::sip::endpoint::{Body, CallKey, Endpoint, Event, ExtraHeaders, Output, Settings};
use crate::sip::flow::{Flow, Transport};
use crate::sip::invite::uac::InviteParams;
use crate::sip::login::{DEFAULT_REALM, Ha1, User};
use crate::sip::message::{Message, Method, Response};
use crate::sip::name_addr::NameAddr;
use crate::sip::uri::Uri;
use crate::sip::wire::{self, Framing};

const ROOM: &str = "sip:room@talkpath.example";

fn user(name: &str) -> User {
    let ha1 = Algorithm::ALL.map(|algorithm| Ha1 {
        algorithm,
        realm: DEFAULT_REALM.into(),
        hash: algorithm.ha1(name, DEFAULT_REALM, "secret"),
        expires_unix_s: None,
    });
    User {
        name: name.into(),
        display_name: String::new(),
        ha1: ha1.into(),
    }
}

/// One request of a client.
#[derive(Clone, Default)]
struct Ask<'a> {
    method: &'a str,
    /// Users of From and To.
    from: &'a str,
    to: &'a str,
    /// The To tag.
    tag: &'a str,
    /// Further lines.
    more: &'a str,
    branch: Option<u32>,
}

struct Bench {
    endpoint: Endpoint,
    start: Instant,
    now: Instant,
    seq: u32,
    count: u32,
    responses: Vec<Response>,
    requests: Vec<(Flow, Method)>,
    call: Option<CallKey>,
    caller: Option<String>,
}

impl Bench {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let start = Instant::now();
        let mut endpoint = Endpoint::new(settings, [7; 32]);
        endpoint.put_user(user("alice"));
        endpoint.put_user(user("bob"));
        Self {
            endpoint,
            start,
            now: start,
            seq: 0,
            count: 0,
            responses: Vec::new(),
            requests: Vec::new(),
            call: None,
            caller: None,
        }
    }

    fn open(&mut self, id: u64, identity: &str) -> Flow {
        let way = flow(Transport::Wss, id);
        let identity = (!identity.is_empty()).then(|| identity.to_owned());
        self.endpoint.handle_flow_opened(self.now, way, identity);
        way
    }

    /// What came out, in words.
    fn send(&mut self, way: Flow, ask: &Ask<'_>) -> String {
        self.seq += 1;
        let seq = if ask.method == "CANCEL" || ask.method == "ACK" {
            self.seq - 1
        } else {
            self.seq
        };
        let Ask {
            method,
            from,
            to,
            more,
            ..
        } = ask;
        let branch = ask.branch.unwrap_or(self.seq);
        let tag = match ask.tag {
            "" => String::new(),
            tag => format!(";tag={tag}"),
        };
        let uri = match *method {
            "REGISTER" => "sip:talkpath.example",
            _ => ROOM,
        };
        let body = if *method == "INVITE" { SDP } else { "" };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK{branch};rport\r\n\
             From: <sip:{from}@talkpath.example>;tag=peer\r\n\
             To: <sip:{to}@talkpath.example>{tag}\r\n\
             Call-ID: call-1\r\nCSeq: {seq} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:{from}@x.invalid;transport=ws>;reg-id=1;\
             +sip.instance=\"<urn:uuid:{from}>\"\r\n\
             {more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.endpoint
            .handle_message(self.now, way, Bytes::from(text));
        self.outputs()
    }

    fn outputs(&mut self) -> String {
        let mut words = Vec::new();
        while let Some(output) = self.endpoint.poll_output() {
            words.push(match output {
                Output::Send { flow, bytes } => {
                    match wire::parse(bytes, Framing::Datagram).expect("our own message") {
                        Message::Request(request) => {
                            let method = request.method;
                            self.requests.push((flow, method.clone()));
                            method.to_string()
                        }
                        Message::Response(response) => {
                            let code = response.code.to_string();
                            self.responses.push(response);
                            code
                        }
                    }
                }
                Output::Event(Event::Invite { call, user, .. }) => {
                    self.call = Some(call);
                    self.caller = user;
                    "Invite".to_owned()
                }
                Output::Event(event) => {
                    let name = format!("{event:?}");
                    name.split(' ').next().unwrap_or_default().to_owned()
                }
            });
        }
        words.join(" ")
    }

    fn last(&self) -> &Response {
        self.responses.last().expect("a response")
    }

    /// Asks, and once more with a password when that is wanted.
    fn log_in(&mut self, way: Flow, ask: &Ask<'_>, name: &str, password: &str) -> String {
        let first = self.send(way, ask);
        if first != "401" {
            return first;
        }
        let more = format!("{}{}", ask.more, self.authorization(ask, name, password));
        let again = Ask {
            more: &more,
            ..ask.clone()
        };
        format!("401 {}", self.send(way, &again))
    }

    /// The Authorization line for the last 401.
    fn authorization(&mut self, ask: &Ask<'_>, username: &str, password: &str) -> String {
        self.count += 1;
        let challenge = self.last().headers.get("WWW-Authenticate");
        let challenge = Challenge::parse(challenge.expect("a challenge"));
        let challenge = challenge.expect("well formed").expect("Digest");
        let uri = match ask.method {
            "REGISTER" => "sip:talkpath.example",
            _ => ROOM,
        };
        let uri = Uri::parse(uri).expect("a URI");
        let method = Method::from_token(ask.method).expect("a method");
        let secret = Secret { username, password };
        let value = answer(&challenge, secret, &method, &uri, ("c", self.count));
        format!("Authorization: {}\r\n", value.expect("qop=auth"))
    }

    /// A call of alice over her flow 1, answered; returns our tag.
    fn call(&mut self) -> String {
        let way = self.open(1, "alice");
        let ask = Ask {
            method: "INVITE",
            from: "alice",
            to: "room",
            ..Ask::default()
        };
        assert_eq!(self.send(way, &ask), "100 Invite");
        let (now, call) = (self.now, self.call.expect("a call"));
        let body = Body {
            content_type: "application/sdp".into(),
            bytes: Bytes::from(SDP),
        };
        let accepted = self
            .endpoint
            .accept(now, call, ExtraHeaders::new(), Some(body));
        assert_eq!((accepted, self.outputs().as_str()), (Ok(()), "200"));
        self.last()
            .headers
            .to()
            .expect("a To")
            .tag()
            .expect("a tag")
            .to_owned()
    }

    fn acknowledged_call(&mut self) -> String {
        let tag = self.call();
        let ack = inside("ACK", &tag);
        assert_eq!(self.send(flow(Transport::Wss, 1), &ack), "Acked");
        tag
    }
}

fn inside<'a>(method: &'a str, tag: &'a str) -> Ask<'a> {
    Ask {
        method,
        from: "alice",
        to: "room",
        tag,
        ..Ask::default()
    }
}

fn register(name: &str) -> Ask<'_> {
    Ask {
        method: "REGISTER",
        from: name,
        to: name,
        ..Ask::default()
    }
}

#[test]
fn what_a_browser_may_do_outside_of_dialogs() {
    // identity of the flow | method | From | To | log in as | with | outputs | caller
    let table = "
        -     | OPTIONS  | alice   | room  | -     | -      | 200            | -
        -     | INVITE   | alice   | room  | -     | -      | 401            | -
        -     | INVITE   | alice   | room  | alice | secret | 401 100 Invite | alice
        -     | INVITE   | ALICE   | room  | Alice | secret | 401 401        | -
        -     | INVITE   | ALICE   | room  | alice | secret | 401 100 Invite | alice
        -     | INVITE   | alice   | room  | alice | guess  | 401 401        | -
        -     | INVITE   | bob     | room  | alice | secret | 401 403        | -
        -     | INVITE   | mallory | room  | mallory | x    | 401 401        | -
        alice | INVITE   | alice   | room  | -     | -      | 100 Invite     | alice
        alice | INVITE   | bob     | room  | -     | -      | 403            | -
        nobody | INVITE  | nobody  | room  | -     | -      | 401            | -
        -     | REGISTER | alice   | alice | -     | -      | 401            | -
        -     | REGISTER | alice   | alice | alice | secret | 401 200        | -
        -     | REGISTER | alice   | bob   | alice | secret | 401 403        | -
        -     | REGISTER | bob     | alice | alice | secret | 401 403        | -
        alice | REGISTER | alice   | alice | -     | -      | 200            | -
        alice | REGISTER | bob     | bob   | -     | -      | 403            | -
        -     | MESSAGE  | alice   | room  | -     | -      | 405            | -
        -     | BYE      | alice   | room  | -     | -      | 401            | -
        alice | BYE      | alice   | room  | -     | -      | 481            | -
    ";
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let cells: Vec<&str> = cells.iter().map(|cell| cell.trim_matches('-')).collect();
        let [identity, method, from, to, name, password, outputs, caller] = cells[..] else {
            panic!("`{row}` has other cells");
        };
        let mut bench = Bench::new();
        let way = bench.open(1, identity);
        let ask = Ask {
            method,
            from,
            to,
            ..Ask::default()
        };
        let seen = match name {
            "" => bench.send(way, &ask),
            name => bench.log_in(way, &ask, name, password),
        };
        assert_eq!(seen, outputs, "{row}");
        assert_eq!(bench.caller.unwrap_or_default(), caller, "{row}");
    }
}

#[test]
fn phones_call_without_a_login_and_register_with_one() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut bench = Bench::new();
        let way = flow(transport, 1);
        let invite = Ask {
            method: "INVITE",
            from: "+15550100",
            to: "room",
            ..Ask::default()
        };
        assert_eq!(bench.send(way, &invite), "100 Invite");
        assert_eq!(bench.caller, None);
        let seen = bench.log_in(way, &register("bob"), "bob", "secret");
        assert_eq!(seen, "401 200");
        // A registration makes no connection of a phone a login.
        let again = bench.send(way, &register("bob"));
        assert_eq!(again, "401", "{transport:?}");
        let first = bench.last().headers.get("WWW-Authenticate");
        assert!(first.expect("a challenge").contains("algorithm=MD5"));
    }
}

#[test]
fn a_registration_is_listed_and_ends_with_its_flow() {
    let mut bench = Bench::new();
    let way = bench.open(1, "");
    let ask = Ask {
        more: "Supported: path, outbound\r\nPath: <sip:p.example;lr>\r\n",
        ..register("alice")
    };
    assert_eq!(bench.log_in(way, &ask, "alice", "secret"), "401 200");
    for (name, value) in [
        (
            "Contact",
            "<sip:alice@x.invalid;transport=ws>;reg-id=1;\
             +sip.instance=\"<urn:uuid:alice>\";expires=3600",
        ),
        ("Path", "<sip:p.example;lr>"),
        ("Require", "outbound"),
        ("Supported", "path, outbound"),
    ] {
        assert_eq!(bench.last().headers.get(name), Some(value));
    }
    let first = bench.responses[0].headers.values("WWW-Authenticate");
    let first: Vec<&str> = first.collect();
    assert!(first.len() == 2 && first[1].contains("MD5"), "{first:?}");
    let bindings = bench.endpoint.bindings("ALICE");
    assert_eq!((bindings.len(), bindings[0].flow), (1, way));
    // The digest made the flow alice's.
    assert_eq!(bench.send(way, &register("alice")), "200");
    bench.endpoint.handle_flow_closed(bench.now, way.id);
    assert_eq!(bench.endpoint.bindings("alice"), []);
    assert_eq!(
        bench.send(way, &register("alice")),
        "401",
        "the flow is new"
    );
}

#[test]
fn the_registrar_refuses_what_it_cannot_do() {
    let settings = Settings {
        domain: Some("talkpath.example".into()),
        ..Settings::default()
    };
    let other = Settings {
        domain: Some("other.example".into()),
        ..Settings::default()
    };
    for (settings, more, code, header) in [
        (&settings, "", 200, None),
        (&other, "", 404, None),
        (
            &settings,
            "Expires: 5\r\n",
            423,
            Some(("Min-Expires", "10")),
        ),
        (&settings, "Require: path, outbound\r\n", 200, None),
        (
            &settings,
            "Require: gruu\r\n",
            420,
            Some(("Unsupported", "gruu")),
        ),
    ] {
        let mut bench = Bench::with(settings.clone());
        let way = bench.open(1, "alice");
        let ask = Ask {
            more,
            ..register("alice")
        };
        assert_eq!(bench.send(way, &ask), code.to_string(), "{more}");
        if let Some((name, value)) = header {
            assert_eq!(bench.last().headers.get(name), Some(value));
        }
    }
}

#[test]
fn a_binding_ends_in_time() {
    let mut bench = Bench::new();
    let way = bench.open(1, "alice");
    let ask = Ask {
        more: "Expires: 60\r\n",
        ..register("alice")
    };
    assert_eq!(bench.send(way, &ask), "200");
    let due = bench.endpoint.poll_timeout();
    assert_eq!(due, Some(bench.start + Duration::from_secs(60)));
    bench.endpoint.handle_timeout(due.expect("the end"));
    assert_eq!(bench.endpoint.bindings("alice"), []);
    assert_eq!(bench.endpoint.poll_timeout(), None);
}

#[test]
fn an_old_nonce_is_stale_and_a_replay_too() {
    let mut bench = Bench::new();
    let way = flow(Transport::Udp, 1);
    let ask = register("alice");
    bench.send(way, &ask);
    let more = bench.authorization(&ask, "alice", "secret");
    let ask = Ask { more: &more, ..ask };
    for (after_s, code, stale) in [(0, "200", false), (1, "401", true), (301, "401", true)] {
        bench.now = bench.start + Duration::from_secs(after_s);
        assert_eq!(bench.send(way, &ask), code, "{after_s} s");
        let challenge = bench.last().headers.get("WWW-Authenticate");
        let said = challenge.is_some_and(|value| value.contains("stale=true"));
        assert_eq!(said, stale, "{after_s} s");
    }
}

#[test]
fn too_many_wrong_passwords_are_told_to_wait() {
    let mut bench = Bench::new();
    let way = flow(Transport::Wss, 1);
    for _ in 0..6 {
        let seen = bench.log_in(way, &register("alice"), "alice", "guess");
        assert_eq!(seen, "401 401");
    }
    let seen = bench.log_in(way, &register("alice"), "alice", "secret");
    assert_eq!(seen, "401 403");
    assert_eq!(bench.last().headers.get("Retry-After"), Some("1"));
    let counters = bench.endpoint.counters();
    assert_eq!((counters.logins_failed, counters.logins_blocked), (6, 1));
    bench.now += Duration::from_secs(1);
    let seen = bench.log_in(way, &register("alice"), "alice", "secret");
    assert_eq!(seen, "401 200");
}

#[test]
fn a_call_of_a_user_is_entered_from_its_flows_alone() {
    for method in ["INFO", "BYE", "INVITE", "UPDATE", "OPTIONS"] {
        for (identity, other, outputs) in [
            ("", Transport::Wss, "401"),
            ("bob", Transport::Wss, "403"),
            ("", Transport::Udp, "401"),
        ] {
            let mut bench = Bench::new();
            let tag = bench.acknowledged_call();
            let way = if other.is_web() {
                bench.open(2, identity)
            } else {
                flow(other, 2)
            };
            let seen = bench.send(way, &inside(method, &tag));
            assert_eq!(seen, outputs, "{method} {identity} {other:?}");
            let own = bench.send(flow(Transport::Wss, 1), &inside("INFO", &tag));
            assert_eq!(own, "Info", "the call is untouched by {method}");
        }
    }
    let mut bench = Bench::new();
    let tag = bench.acknowledged_call();
    let way = bench.open(2, "");
    let seen = bench.log_in(way, &inside("INFO", &tag), "alice", "secret");
    assert_eq!(seen, "401 Info");
    let seen = bench.log_in(
        flow(Transport::Wss, 3),
        &inside("INFO", &tag),
        "bob",
        "secret",
    );
    assert_eq!(seen, "401 403");
}

#[test]
fn a_browser_enters_no_call_of_a_phone() {
    let mut bench = Bench::new();
    let way = flow(Transport::Udp, 1);
    let invite = Ask {
        method: "INVITE",
        from: "alice",
        to: "room",
        branch: Some(77),
        ..Ask::default()
    };
    assert_eq!(bench.send(way, &invite), "100 Invite");
    let web = bench.open(2, "alice");
    let cancel = Ask {
        method: "CANCEL",
        ..invite
    };
    assert_eq!(bench.send(web, &cancel), "481");
    let (now, call) = (bench.now, bench.call.expect("a call"));
    let accepted = bench.endpoint.accept(now, call, ExtraHeaders::new(), None);
    assert_eq!((accepted, bench.outputs().as_str()), (Ok(()), "200"));
    let to = bench.last().headers.to().expect("a To");
    let tag = to.tag().expect("a tag").to_owned();
    assert_eq!(bench.send(web, &inside("BYE", &tag)), "403");
}

#[test]
fn an_ack_over_a_strange_flow_ends_nothing() {
    let mut bench = Bench::new();
    let tag = bench.call();
    let way = bench.open(2, "bob");
    assert_eq!(bench.send(way, &inside("ACK", &tag)), "");
    assert_eq!(bench.endpoint.counters().stray_acks, 1);
    bench.seq -= 1;
    let way = bench.open(3, "alice");
    assert_eq!(bench.send(way, &inside("ACK", &tag)), "Acked");
}

#[test]
fn a_user_takes_its_call_over_after_the_flow_was_lost() {
    let mut bench = Bench::new();
    let tag = bench.acknowledged_call();
    let (now, call) = (bench.now, bench.call.expect("a call"));
    bench.endpoint.handle_flow_closed(now, FlowId(1));
    assert_eq!(bench.outputs(), "FlowLost", "the call is kept");
    let body = || Body {
        content_type: "application/json".into(),
        bytes: Bytes::from_static(b"{}"),
    };
    for _ in 0..2 {
        let sent = bench.endpoint.info(now, call, ExtraHeaders::new(), body());
        assert!(sent.is_ok(), "{sent:?}");
        assert_eq!(bench.outputs(), "", "it waits");
    }
    let way = bench.open(2, "alice");
    let other = bench.open(3, "bob");
    assert_eq!(bench.send(other, &inside("INVITE", &tag)), "403");
    let back = bench.send(way, &inside("INVITE", &tag));
    assert_eq!(back, "FlowBack INFO INFO 100 Reinvite");
    assert_eq!(bench.requests.last(), Some(&(way, Method::Info)));
}

#[test]
fn who_was_hung_up_while_away_hears_it_on_return() {
    let mut bench = Bench::new();
    bench.acknowledged_call();
    let (now, call) = (bench.now, bench.call.expect("a call"));
    bench.endpoint.handle_flow_closed(now, FlowId(1));
    assert_eq!(bench.endpoint.bye(now, call, ExtraHeaders::new()), Ok(()));
    assert_eq!(bench.outputs(), "FlowLost");
    let way = bench.open(2, "alice");
    assert_eq!(bench.send(way, &register("alice")), "BYE 200");
    bench.now += Duration::from_secs(32);
    bench.endpoint.handle_timeout(bench.now);
    assert_eq!((bench.outputs().as_str(), bench.endpoint.calls()), ("", 0));
}

#[test]
fn a_call_to_a_user_is_that_users() {
    let mut bench = Bench::new();
    let way = bench.open(1, "alice");
    assert_eq!(bench.send(way, &register("alice")), "200");
    let binding = bench.endpoint.bindings("alice").remove(0);
    let address = NameAddr::new(Uri::parse(ROOM).expect("a URI"));
    let params = InviteParams {
        from: address.clone(),
        to: address,
        routes: Vec::new(),
        extra: ExtraHeaders::new(),
        body: None,
    };
    let now = bench.now;
    let call = bench
        .endpoint
        .invite(now, binding.flow, binding.contact, params);
    let call = call.expect("a call");
    assert_eq!(bench.outputs(), "INVITE");
    assert_eq!(bench.requests.last(), Some(&(way, Method::Invite)));
    let user = bench
        .endpoint
        .calls
        .get(&call)
        .and_then(|call| call.user.clone());
    assert_eq!(user.as_deref(), Some("alice"));
}

/// RFC 3327 §5.3: the route set of a request to a binding is its Path.
#[test]
fn a_call_to_a_user_goes_by_the_path_of_its_registration() {
    let mut bench = Bench::new();
    let way = bench.open(1, "alice");
    let registration = Ask {
        more: "Supported: path\r\nPath: <sip:p1.example;lr>, <sip:p2.example;lr>\r\n",
        ..register("alice")
    };
    assert_eq!(bench.send(way, &registration), "200");
    let binding = bench.endpoint.bindings("alice").remove(0);
    let address = NameAddr::new(Uri::parse(ROOM).expect("a URI"));
    let params = InviteParams {
        from: address.clone(),
        to: address,
        routes: binding.path,
        extra: ExtraHeaders::new(),
        body: None,
    };
    let now = bench.now;
    let call = bench
        .endpoint
        .invite(now, binding.flow, binding.contact, params)
        .expect("a call");
    assert_eq!(bench.outputs(), "INVITE");
    let client = bench
        .endpoint
        .calls
        .get(&call)
        .and_then(|call| call.client.as_ref());
    let headers = &client.expect("an INVITE").request.headers;
    let routes: Vec<_> = headers.values("Route").collect();
    assert_eq!(routes, ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]);
}

#[test]
fn a_removed_user_keeps_its_calls_and_nothing_else() {
    let mut bench = Bench::new();
    let tag = bench.acknowledged_call();
    let way = flow(Transport::Wss, 1);
    assert_eq!(bench.send(way, &register("alice")), "200");
    bench.endpoint.remove_user("Alice");
    assert_eq!(bench.endpoint.bindings("alice"), []);
    assert_eq!(bench.send(way, &inside("INFO", &tag)), "Info");
    let again = bench.log_in(way, &register("alice"), "alice", "secret");
    assert_eq!(again, "401 401");
    let late = bench.open(2, "alice");
    assert_eq!(bench.send(late, &inside("BYE", &tag)), "401");
    let ended = bench.send(way, &inside("BYE", &tag));
    assert_eq!(ended, "200 487 Bye", "487 to the INFO that waits");
}
