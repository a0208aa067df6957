use std::net::SocketAddr;

use super::*;
use crate::sip::flow::Transport;

fn flow(transport: Transport, id: u64) -> Flow {
    let address = SocketAddr::from(([192, 0, 2, 9], 5070));
    Flow {
        id: FlowId(id),
        transport,
        local: address,
        remote: address,
    }
}

/// `Name: value` lines; CSeq is `1` and the Call-ID `c` unless they say otherwise.
fn headers(lines: &str) -> Headers {
    let mut headers = Headers::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').expect("a header");
        headers.push(name, value).expect("fits");
    }
    if headers.get("Call-ID").is_none() {
        headers.push("Call-ID", "c").expect("fits");
    }
    if headers.get("CSeq").is_none() {
        headers.push("CSeq", "1 REGISTER").expect("fits");
    }
    headers
}

struct Bench {
    registrar: Registrar,
    start: Instant,
    seq: u32,
}

impl Bench {
    fn new() -> Self {
        Self {
            registrar: Registrar::default(),
            start: Instant::now(),
            seq: 1,
        }
    }

    fn at(&self, after_s: u64) -> Instant {
        self.start + Duration::from_secs(after_s)
    }

    /// What a REGISTER of alice over UDP gives: the list, or the code of the refusal.
    fn register(&mut self, after_s: u64, lines: &str) -> String {
        self.register_over(after_s, lines, flow(Transport::Udp, 1))
    }

    fn register_over(&mut self, after_s: u64, lines: &str, flow: Flow) -> String {
        self.seq += 1;
        let mut headers = headers(lines);
        if !lines.contains("CSeq") {
            let cseq = format!("{} REGISTER", self.seq);
            headers.set("CSeq", cseq).expect("fits");
        }
        let now = self.at(after_s);
        match self.registrar.register(now, "alice", &headers, flow) {
            Ok(()) => self.registrar.list(now, "alice").join(" "),
            Err(refusal) => refusal.code().to_string(),
        }
    }
}

#[test]
fn expiries_come_from_the_contact_then_the_header_and_are_clamped() {
    for (lines, listed) in [
        ("Contact: <sip:a@h>", "<sip:a@h>;expires=3600"),
        ("Contact: <sip:a@h>\nExpires: 60", "<sip:a@h>;expires=60"),
        (
            "Contact: <sip:a@h>;expires=30\nExpires: 60",
            "<sip:a@h>;expires=30",
        ),
        ("Contact: <sip:a@h>;expires=99999", "<sip:a@h>;expires=3600"),
        (
            "Contact: <sip:a@h>;expires=99999999999",
            "<sip:a@h>;expires=3600",
        ),
        ("Contact: <sip:a@h>;expires=x", "<sip:a@h>;expires=3600"),
        (
            "Contact: <sip:a@h>\nExpires: soon",
            "<sip:a@h>;expires=3600",
        ),
        ("Contact: <sip:a@h>;expires=10", "<sip:a@h>;expires=10"),
        ("Contact: <sip:a@h>;expires=9", "423"),
        ("Contact: <sip:a@h>;expires=1", "423"),
        ("Contact: <sip:a@h>;expires=0", ""),
        (
            "Contact: sip:a@h;q=0.5\nExpires: 60",
            "<sip:a@h>;q=0.5;expires=60",
        ),
        ("", ""),
        ("Contact: *", "400"),
        ("Contact: *\nExpires: 60", "400"),
        ("Contact: *\nExpires: 0", ""),
        ("Contact: *\nContact: <sip:a@h>\nExpires: 0", "400"),
        ("Contact: <sip:a@h", "400"),
    ] {
        assert_eq!(Bench::new().register(0, lines), listed, "{lines}");
    }
}

#[test]
fn bindings_are_added_refreshed_removed_and_end() {
    let mut bench = Bench::new();
    for (after_s, lines, listed) in [
        (0, "Contact: <sip:a@h>;expires=60", "<sip:a@h>;expires=60"),
        (
            10,
            "Contact: <sip:b@h>;expires=60",
            "<sip:a@h>;expires=50 <sip:b@h>;expires=60",
        ),
        (20, "", "<sip:a@h>;expires=40 <sip:b@h>;expires=50"),
        (
            30,
            "Contact: <sip:a@H>;expires=60",
            "<sip:b@h>;expires=40 <sip:a@H>;expires=60",
        ),
        (40, "Contact: <sip:b@h>;expires=0", "<sip:a@H>;expires=50"),
        (
            41,
            "Contact: <sip:a@H>;expires=5, <sip:c@h>;expires=60",
            "423",
        ),
        (42, "", "<sip:a@H>;expires=48"),
        (
            43,
            "Contact: <sip:c@h>;expires=10, <sip:d@h>;expires=20",
            "<sip:a@H>;expires=47 <sip:c@h>;expires=10 <sip:d@h>;expires=20",
        ),
    ] {
        let seen = bench.register(after_s, lines);
        assert_eq!(seen, listed, "{after_s} s {lines}");
    }
    for (at_s, left) in [(53, 2), (63, 1), (90, 0)] {
        let due = bench.registrar.poll_timeout();
        assert_eq!(due, Some(bench.at(at_s)));
        bench.registrar.handle_timeout(bench.at(at_s));
        assert_eq!(bench.registrar.of("alice").len(), left, "{at_s} s");
    }
    assert_eq!(bench.registrar.poll_timeout(), None);
}

#[test]
fn an_older_request_changes_nothing() {
    let contact = "Contact: <sip:a@h>;expires=60";
    let star = "Contact: *\nExpires: 0";
    for (lines, listed) in [
        (format!("{contact}\nCSeq: 5 REGISTER"), "500"),
        (format!("{contact}\nCSeq: 4 REGISTER"), "500"),
        (
            format!("{contact}\nCSeq: 6 REGISTER"),
            "<sip:a@h>;expires=60",
        ),
        (
            format!("{contact}\nCSeq: 1 REGISTER\nCall-ID: d"),
            "<sip:a@h>;expires=60",
        ),
        (format!("{star}\nCSeq: 5 REGISTER"), "500"),
        (format!("{star}\nCSeq: 6 REGISTER"), ""),
        (
            "Contact: <sip:b@h>, <sip:a@h>\nCSeq: 5 REGISTER".to_owned(),
            "500",
        ),
    ] {
        let mut bench = Bench::new();
        bench.register(0, &format!("{contact}\nCSeq: 5 REGISTER"));
        assert_eq!(bench.register(0, &lines), listed, "{lines}");
        if listed == "500" {
            assert_eq!(bench.registrar.of("alice").len(), 1, "{lines}");
        }
    }
}

#[test]
fn a_device_replaces_its_own_binding() {
    let device = "+sip.instance=\"<urn:uuid:1>\"";
    for (first, second, listed) in [
        (
            format!("<sip:a@x.invalid>;{device};reg-id=1"),
            format!("<sip:b@y.invalid>;{device};reg-id=1"),
            1,
        ),
        (
            format!("<sip:a@x.invalid>;{device};reg-id=1"),
            format!("<sip:b@y.invalid>;{device};reg-id=2"),
            2,
        ),
        (
            format!("<sip:a@x.invalid>;{device}"),
            format!("<sip:b@y.invalid>;{device}"),
            1,
        ),
        (
            format!("<sip:a@x.invalid>;{device};reg-id=1"),
            "<sip:b@y.invalid>".to_owned(),
            2,
        ),
        (
            format!("<sip:a@x.invalid>;{device};reg-id=1"),
            "<sip:b@y.invalid>;+sip.instance=\"<urn:uuid:2>\";reg-id=1".to_owned(),
            2,
        ),
    ] {
        let mut bench = Bench::new();
        let old = flow(Transport::Wss, 1);
        let new = flow(Transport::Wss, 2);
        bench.register_over(0, &format!("Contact: {first}"), old);
        bench.register_over(0, &format!("Contact: {second}\nCall-ID: d"), new);
        let bindings = bench.registrar.of("alice");
        assert_eq!(bindings.len(), listed, "{first} {second}");
        assert_eq!(bindings.last().expect("a binding").flow, new);
    }
}

#[test]
fn a_closed_stream_takes_its_bindings_along() {
    let mut bench = Bench::new();
    for (contact, way) in [
        ("a", flow(Transport::Wss, 1)),
        ("b", flow(Transport::Wss, 1)),
        ("c", flow(Transport::Tcp, 2)),
        ("d", flow(Transport::Udp, 1)),
    ] {
        bench.register_over(0, &format!("Contact: <sip:{contact}@h>"), way);
    }
    bench.registrar.remove_flow(FlowId(9));
    assert_eq!(bench.registrar.of("alice").len(), 4);
    bench.registrar.remove_flow(FlowId(2));
    assert_eq!(bench.registrar.of("alice").len(), 3);
    let udp = bench.register(0, "Contact: <sip:a@h>;expires=0, <sip:b@h>;expires=0");
    assert_eq!(udp, "<sip:d@h>;expires=3600");
    bench.registrar.remove("alice");
    assert_eq!(bench.registrar.poll_timeout(), None);
    assert!(bench.registrar.by_stream.is_empty());
}

#[test]
fn the_eleventh_contact_takes_the_place_of_the_oldest() {
    let mut bench = Bench::new();
    for second in 0..BINDINGS_MAX as u64 {
        bench.register(second, &format!("Contact: <sip:p{second}@h>"));
    }
    bench.register(10, "Contact: <sip:p0@h>");
    let listed = bench.register(11, "Contact: <sip:new@h>");
    assert_eq!(bench.registrar.of("alice").len(), BINDINGS_MAX);
    assert!(
        listed.contains("p0@h") && !listed.contains("p1@h"),
        "{listed}"
    );
    let many = ["<sip:x@h>"; BINDINGS_MAX + 1].join(", ");
    assert_eq!(bench.register(12, &format!("Contact: {many}")), "403");
}

#[test]
fn a_binding_keeps_the_way_back() {
    let mut bench = Bench::new();
    let path = "Path: <sip:p1.example;lr>, <sip:p2.example;lr>";
    bench.register(0, &format!("Contact: <sip:a@h>\n{path}"));
    let binding = &bench.registrar.of("alice")[0];
    assert_eq!(binding.path, ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]);
    assert_eq!(binding.flow, flow(Transport::Udp, 1));
    assert_eq!(binding.contact.to_string(), "sip:a@h");
}
