//! The transition tables of the four machines, walked row by row in virtual time.
//!
//! A walk is one line a step: `time in ms | input | state after | outputs`. `timer` lets time pass
//! to the given instant and fires what is due; the next deadline stands in the outputs as `next
//! <ms>`.

use std::time::{Duration, Instant};

use std::net::SocketAddr;

use bytes::Bytes;

use super::{
    Full, InviteClient, InviteServer, Key, Layer, Machine, Merged, NonInviteClient,
    NonInviteServer, Steps, Tell, Transaction,
};
use crate::id::FlowId;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::{Message, Method, Request};
use crate::sip::wire::{self, Framing};

fn state(machine: &Machine) -> &'static str {
    match machine {
        Machine::InviteServer(machine) => machine.state(),
        Machine::NonInviteServer(machine) => machine.state(),
        Machine::InviteClient(machine) => machine.state(),
        Machine::NonInviteClient(machine) => machine.state(),
    }
}

fn input(machine: &mut Machine, now: Instant, input: &str) -> Steps {
    let code = input
        .trim_start_matches("user ")
        .parse::<u16>()
        .unwrap_or(0);
    let bytes = Bytes::from(code.to_string());
    match (machine, input) {
        (machine, "timer") => machine.handle_timeout(now),
        (machine, "request") => machine.handle_request(),
        (Machine::InviteServer(machine), "ACK") => machine.handle_ack(now),
        (Machine::InviteServer(machine), _) => machine.respond(now, code, bytes),
        (Machine::NonInviteServer(machine), _) => machine.respond(now, bytes),
        (Machine::InviteClient(machine), "cancelled") => {
            machine.handle_cancelled(now);
            Steps::default()
        }
        (Machine::InviteClient(machine), _) => {
            machine.handle_response(now, code, || Bytes::from_static(b"ACK"))
        }
        (Machine::NonInviteClient(machine), _) => machine.handle_response(now, code),
    }
}

fn outputs(steps: &Steps) -> String {
    let mut words = Vec::new();
    if let Some(bytes) = &steps.send {
        words.push(format!("send {}", String::from_utf8_lossy(bytes)));
    }
    match steps.tell {
        Some(Tell::Response) => words.push("tell response".into()),
        Some(Tell::Ack) => words.push("tell ack".into()),
        Some(Tell::Timeout) => words.push("tell timeout".into()),
        None => {}
    }
    words.join(", ")
}

fn walk(name: &str, mut machine: Machine, start: Instant, rows: &str) {
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let now = start + Duration::from_millis(cells[0].parse().expect("a time in ms"));
        if cells[1] == "timer" {
            assert_eq!(
                machine.poll_timeout(),
                Some(now),
                "{name}: deadline of `{row}`"
            );
        }
        let steps = input(&mut machine, now, cells[1]);
        assert_eq!(
            (state(&machine), outputs(&steps).as_str()),
            (cells[2], cells[3]),
            "{name}: `{row}`"
        );
        assert_eq!(
            machine.is_terminated(),
            cells[2] == "Terminated",
            "{name}: `{row}`"
        );
        if machine.is_terminated() {
            assert_eq!(
                machine.poll_timeout(),
                None,
                "{name}: a terminated machine has no timer"
            );
        }
    }
}

#[test]
fn invite_server_follows_its_table() {
    let rows = [
        (
            "provisionals and a failure over UDP",
            false,
            "0     | request  | Proceeding |
             0     | user 100 | Proceeding | send 100
             100   | request  | Proceeding | send 100
             200   | user 180 | Proceeding | send 180
             300   | request  | Proceeding | send 180
             300   | ACK      | Proceeding |
             1000  | user 486 | Completed  | send 486
             1100  | request  | Completed  | send 486
             1500  | timer    | Completed  | send 486
             2500  | timer    | Completed  | send 486
             2500  | user 200 | Completed  |
             4500  | timer    | Completed  | send 486
             8500  | timer    | Completed  | send 486
             12500 | timer    | Completed  | send 486
             13000 | ACK      | Confirmed  |
             13100 | request  | Confirmed  |
             13200 | ACK      | Confirmed  |
             18000 | timer    | Terminated |
             18000 | request  | Terminated | ",
        ),
        (
            "a failure that is never acknowledged, reliable",
            true,
            "0     | user 404 | Completed  | send 404
             10    | request  | Completed  | send 404
             32000 | timer    | Terminated | tell timeout",
        ),
        (
            "a failure over a reliable transport",
            true,
            "0     | user 404 | Completed  | send 404
             10    | ACK      | Terminated | ",
        ),
        (
            "an answer",
            false,
            "0     | user 100 | Proceeding | send 100
             50    | user 200 | Accepted   | send 200
             60    | request  | Accepted   |
             70    | user 486 | Accepted   |
             80    | ACK      | Accepted   | tell ack
             90    | ACK      | Accepted   | tell ack
             32050 | timer    | Terminated | ",
        ),
    ];
    let start = Instant::now();
    for (name, reliable, table) in rows {
        walk(
            name,
            Machine::InviteServer(InviteServer::new(reliable)),
            start,
            table,
        );
    }
}

#[test]
fn non_invite_server_follows_its_table() {
    let start = Instant::now();
    let new = |reliable| NonInviteServer::new(start, reliable, Bytes::from_static(b"100"));
    let rows = [
        (
            "a quick answer",
            new(false),
            "0     | request  | Trying     |
             10    | user 200 | Completed  | send 200
             500   | request  | Completed  | send 200
             600   | user 500 | Completed  |
             32010 | timer    | Terminated | ",
        ),
        (
            "a slow answer",
            new(false),
            "3500  | timer    | Proceeding | send 100
             3600  | request  | Proceeding | send 100
             5000  | user 200 | Completed  | send 200
             37000 | timer    | Terminated | ",
        ),
        (
            "no answer",
            new(false),
            "3500  | timer    | Proceeding | send 100
             32000 | timer    | Terminated | tell timeout
             32001 | user 200 | Terminated | ",
        ),
        (
            "no answer, reliable",
            new(true),
            "32000 | timer | Terminated | tell timeout",
        ),
        (
            "an answer, reliable",
            new(true),
            "10 | user 200 | Terminated | send 200",
        ),
        (
            "answered at once",
            NonInviteServer::answered(start, false, Bytes::from_static(b"405")),
            "10    | request  | Completed  | send 405
             32000 | timer    | Terminated | ",
        ),
    ];
    for (name, machine, table) in rows {
        walk(name, Machine::NonInviteServer(machine), start, table);
    }
}

#[test]
fn invite_client_follows_its_table() {
    let rows = [
        (
            "nobody answers",
            false,
            "500   | timer | Calling    | send INVITE
             1500  | timer | Calling    | send INVITE
             3500  | timer | Calling    | send INVITE
             7500  | timer | Calling    | send INVITE
             15500 | timer | Calling    | send INVITE
             31500 | timer | Calling    | send INVITE
             32000 | timer | Terminated | tell timeout",
        ),
        (
            "nobody answers, reliable",
            true,
            "32000 | timer | Terminated | tell timeout",
        ),
        (
            "ringing and failure",
            false,
            "100   | 100   | Proceeding | tell response
             200   | 180   | Proceeding | tell response
             900   | 486   | Completed  | send ACK, tell response
             1400  | 486   | Completed  | send ACK
             1500  | 200   | Completed  |
             1500  | 180   | Completed  |
             32900 | timer | Terminated |
             32901 | 486   | Terminated | ",
        ),
        (
            "failure at once, reliable",
            true,
            "5 | 404 | Terminated | send ACK, tell response",
        ),
        (
            "answers of two forks",
            false,
            "100   | 200   | Accepted   | tell response
             600   | 200   | Accepted   | tell response
             700   | 180   | Accepted   |
             700   | 500   | Accepted   |
             32100 | timer | Terminated | ",
        ),
        (
            "cancelled before and after a provisional",
            false,
            "0     | cancelled | Calling    |
             100   | 180       | Proceeding | tell response
             200   | cancelled | Proceeding |
             300   | cancelled | Proceeding |
             32200 | timer     | Terminated | tell timeout",
        ),
        (
            "cancelled, then 487",
            false,
            "100   | 180       | Proceeding | tell response
             200   | cancelled | Proceeding |
             210   | 487       | Completed  | send ACK, tell response
             32210 | timer     | Terminated | ",
        ),
    ];
    let start = Instant::now();
    for (name, reliable, table) in rows {
        let machine = InviteClient::new(start, reliable, Bytes::from_static(b"INVITE"));
        walk(name, Machine::InviteClient(machine), start, table);
    }
}

#[test]
fn non_invite_client_follows_its_table() {
    let rows = [
        (
            "nobody answers",
            false,
            "500   | timer | Trying     | send BYE
             1500  | timer | Trying     | send BYE
             3500  | timer | Trying     | send BYE
             7500  | timer | Trying     | send BYE
             11500 | timer | Trying     | send BYE
             15500 | timer | Trying     | send BYE
             19500 | timer | Trying     | send BYE
             23500 | timer | Trying     | send BYE
             27500 | timer | Trying     | send BYE
             31500 | timer | Trying     | send BYE
             32000 | timer | Terminated | tell timeout",
        ),
        (
            "a provisional, then the final",
            false,
            "100   | 100   | Proceeding | tell response
             500   | timer | Proceeding | send BYE
             4500  | timer | Proceeding | send BYE
             4600  | 100   | Proceeding | tell response
             5000  | 200   | Completed  | tell response
             5100  | 200   | Completed  |
             10000 | timer | Terminated | ",
        ),
        (
            "a provisional and no final",
            true,
            "1 | 100 | Proceeding | tell response
             32000 | timer | Terminated | tell timeout",
        ),
        ("reliable", true, "7 | 200 | Terminated | tell response"),
    ];
    let start = Instant::now();
    for (name, reliable, table) in rows {
        let machine = NonInviteClient::new(start, reliable, Bytes::from_static(b"BYE"));
        walk(name, Machine::NonInviteClient(machine), start, table);
    }
}

fn request(start: &str, via: &str, rest: &str) -> Request {
    let method = start.split(' ').next().expect("a method");
    let (to, cseq) = rest.split_once('|').expect("To tag and CSeq number");
    let text = format!(
        "{start} SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nFrom: <sip:p@b.example>;tag=p\r\n\
         To: <sip:r@a.example>{to}\r\nCall-ID: c\r\nCSeq: {cseq} {method}\r\n\r\n"
    );
    match wire::parse(Bytes::from(text), Framing::Datagram) {
        Ok(Message::Request(request)) => request,
        other => panic!("a request, not {other:?}"),
    }
}

#[test]
fn requests_match_by_branch_sent_by_and_method_or_as_rfc_2543_says() {
    let old = "b.example:5060";
    let new = "b.example:5060;branch=z9hG4bK1";
    let uri = "sip:r@a.example";
    for (start, via, rest, same) in [
        (format!("INVITE {uri}"), new, "|1", true),
        (
            format!("INVITE {uri}"),
            "B.Example:5060;branch=z9hG4bK1",
            "|9",
            true,
        ),
        (format!("ACK {uri}"), new, ";tag=x|1", true),
        (
            format!("INVITE {uri}"),
            "b.example:5061;branch=z9hG4bK1",
            "|1",
            false,
        ),
        (
            format!("INVITE {uri}"),
            "c.example:5060;branch=z9hG4bK1",
            "|1",
            false,
        ),
        (
            format!("INVITE {uri}"),
            "b.example:5060;branch=z9hG4bK2",
            "|1",
            false,
        ),
        (format!("CANCEL {uri}"), new, "|1", false),
        (format!("BYE {uri}"), new, "|1", false),
        (format!("INVITE {uri}"), old, "|1", true),
        (format!("ACK {uri}"), old, ";tag=x|1", true),
        (format!("CANCEL {uri}"), old, "|1", false),
        (format!("INVITE {uri}"), old, "|2", false),
        (
            format!("INVITE {uri}"),
            "b.example:5060;branch=1",
            "|1",
            false,
        ),
        ("INVITE sip:other@a.example".into(), old, "|1", false),
    ] {
        let branch = if via.contains("z9hG4bK") { new } else { old };
        let first = request(&format!("INVITE {uri}"), branch, "|1");
        let first = Key::server(&first).expect("a key");
        let second = request(&start, via, rest);
        let key = Key::server(&second).expect("a key");
        assert_eq!(key == first, same, "{start} {via} {rest}");
        if second.method == Method::Cancel {
            assert_eq!(Key::cancelled(&second).expect("a key"), first, "{via}");
        }
    }
}

fn open(layer: &mut Layer<u32>, now: Instant, n: u32) -> Result<super::TransactionId, Full> {
    let address = SocketAddr::from(([192, 0, 2, 1], 5060));
    let flow = Flow {
        id: FlowId(u64::from(n % 2)),
        transport: if n.is_multiple_of(4) {
            Transport::Udp
        } else {
            Transport::Tcp
        },
        local: address,
        remote: address,
    };
    let request = request("BYE sip:r@a.example", &format!("b;branch=z9hG4bK{n}"), "|1");
    let bytes = Bytes::from_static(b"200");
    let machine = Machine::NonInviteServer(NonInviteServer::answered(now, false, bytes));
    let key = Key::server(&request).expect("a key");
    let merged = Merged::of(&request.headers);
    layer.insert(
        key,
        merged,
        Transaction {
            machine,
            flow,
            owner: n,
        },
    )
}

#[test]
fn the_layer_holds_its_limit_fires_in_order_and_forgets_everything() {
    let start = Instant::now();
    let mut layer = Layer::new(10_000);
    for n in 0..10_000 {
        // Later transactions come first in time, so that order of time is not order of insertion.
        let at = start + Duration::from_millis(u64::from(10_000 - n));
        open(&mut layer, at, n).expect("room");
    }
    assert_eq!(open(&mut layer, start, 10_001), Err(Full));
    assert_eq!(
        (layer.len(), layer.on_stream(FlowId(1)).len()),
        (10_000, 5_000)
    );
    let merged = request("BYE sip:r@a.example", "b;branch=z9hG4bKother", "|1");
    let merged = Merged::of(&merged.headers).expect("no To tag");
    assert!(layer.is_merged(&merged));
    for n in (0..10_000).rev() {
        let due = layer.poll_timeout().expect("a deadline");
        assert!(layer.fire(due - Duration::from_millis(1)).is_none());
        let fired = layer.fire(due).expect("a timer that is due");
        assert_eq!(
            layer.get(fired.id).map(|transaction| transaction.owner),
            Some(n)
        );
        layer.settle(fired.id);
    }
    assert!(layer.is_empty() && layer.poll_timeout().is_none());
    assert!(!layer.is_merged(&merged));
    assert!(layer.on_stream(FlowId(1)).is_empty());
    assert!(open(&mut layer, start, 1).is_ok());
}
