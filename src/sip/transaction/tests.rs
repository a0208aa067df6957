//! The transition tables of the four machines, walked row by row in virtual time.
//!
//! A walk is one line a step: `time in ms | input | state after | outputs`. `timer` lets time pass
//! to the given instant and fires what is due; the next deadline stands in the outputs as `next
//! <ms>`.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{InviteClient, InviteServer, Machine, NonInviteClient, NonInviteServer, Steps, Tell};

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
