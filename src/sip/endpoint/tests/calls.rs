//! Whole calls, row by row.

use super::bench::Bench;
use crate::sip::endpoint::Settings;
use crate::sip::flow::Transport;

fn check(name: &str, table: &str) {
    let mut bench = Bench::udp();
    bench.run(name, table);
    bench.run_out(name);
}

#[test]
fn incoming_calls_follow_their_tables() {
    for (name, table) in INCOMING {
        check(name, table);
    }
}

// tidy: table
const INCOMING: &[(&str, &str)] = &[
    (
        "answered, hung up by the caller",
        "0    | INVITE sdp       | 100 INVITE, Invite+
         100  | .provisional 180 | 180 INVITE
         1000 | .accept sdp      | 200 INVITE+
         1010 | ACK 2xx          | Acked
         5000 | BYE              | 200 BYE, Bye
         5100 | again            | 200 BYE
         5200 | .bye             | !unknown-call",
    ),
    (
        "answered, hung up by us",
        "0    | INVITE sdp | 100 INVITE, Invite+
         0    | .accept sdp | 200 INVITE+
         10   | ACK 2xx    | Acked
         2000 | .bye {Reason: Q.850;cause=16} | BYE
         2010 | 200 BYE    | ",
    ),
    (
        "late offer: the answer comes in the ACK",
        "0  | INVITE       | 100 INVITE, Invite
         0  | .accept sdp  | 200 INVITE+
         10 | ACK 2xx sdp  | Acked+
         20 | BYE          | 200 BYE, Bye",
    ),
    (
        "the 200 is lost, then found",
        "0    | INVITE sdp  | 100 INVITE, Invite+
         0    | .accept sdp | 200 INVITE+
         500  | timer       | 200 INVITE+
         600  | again       |
         1500 | timer       | 200 INVITE+
         1510 | ACK 2xx     | Acked
         1520 | again       |
         9000 | BYE         | 200 BYE, Bye",
    ),
    (
        "no ACK ever",
        "0     | INVITE sdp  | 100 INVITE, Invite+
         0     | .accept sdp | 200 INVITE+
         500   | timer | 200 INVITE+
         1500  | timer | 200 INVITE+
         3500  | timer | 200 INVITE+
         7500  | timer | 200 INVITE+
         11500 | timer | 200 INVITE+
         15500 | timer | 200 INVITE+
         19500 | timer | 200 INVITE+
         23500 | timer | 200 INVITE+
         27500 | timer | 200 INVITE+
         31500 | timer | 200 INVITE+
         32000 | timer | BYE, NoAck
         32010 | 481 BYE |",
    ),
    (
        "retransmitted INVITE",
        "0    | INVITE sdp       | 100 INVITE, Invite+
         500  | again            | 100 INVITE
         600  | .provisional 183 sdp | 183 INVITE+
         1500 | again            | 183 INVITE+
         1600 | .reject 486      | 486 INVITE
         1700 | again            | 486 INVITE
         2100 | timer            | 486 INVITE
         2200 | ACK              |
         2300 | again            |",
    ),
    (
        "a provisional is repeated each minute",
        "0      | INVITE sdp       | 100 INVITE, Invite+
         0      | .provisional 180 | 180 INVITE
         60000  | timer            | 180 INVITE
         120000 | timer            | 180 INVITE
         120500 | .reject 480      | 480 INVITE
         120510 | ACK              |",
    ),
    (
        "wishes in the wrong state",
        "0  | INVITE sdp       | 100 INVITE, Invite+
         0  | .bye             | !wrong-state
         0  | .ack             | !wrong-state
         0  | .info            | !wrong-state
         0  | .reinvite sdp    | !wrong-state
         0  | .provisional 200 | !bad-status
         0  | .reject 200      | !bad-status
         0  | .respond 200     | !unknown-request
         0  | .provisional 180 {Via: x} | !reserved-header
         0  | .provisional 180 {X y: z} | !bad-header
         0  | .cancel          |
         1  | .accept sdp      | 200 INVITE+
         2  | .accept sdp      | !wrong-state
         2  | .reject 486      | !wrong-state
         2  | .provisional 180 | !wrong-state
         3  | ACK 2xx          | Acked
         4  | .respond 200     | !unknown-request
         5  | .bye {Contact: <sip:x@y>} | !reserved-header
         6  | .bye             | BYE
         7  | 200 BYE          |",
    ),
    (
        "cancelled",
        "0    | INVITE sdp  | 100 INVITE, Invite+
         100  | CANCEL      | 200 CANCEL, 487 INVITE, Cancelled
         150  | again       | 200 CANCEL
         600  | timer       | 487 INVITE
         700  | ACK         |
         800  | .accept sdp | !unknown-call",
    ),
    (
        "CANCEL and 200 pass each other",
        "0    | INVITE sdp  | 100 INVITE, Invite+
         90   | .accept sdp | 200 INVITE+
         100  | CANCEL      | 200 CANCEL
         110  | ACK 2xx     | Acked
         120  | BYE         | 200 BYE, Bye",
    ),
    (
        "CANCEL after a refusal",
        "0    | INVITE sdp  | 100 INVITE, Invite+
         90   | .reject 486 | 486 INVITE
         100  | CANCEL      | 200 CANCEL
         110  | ACK         |",
    ),
    (
        "BYE before the answer",
        "0    | INVITE sdp       | 100 INVITE, Invite+
         10   | .provisional 180 | 180 INVITE
         100  | BYE              | 200 BYE, 487 INVITE, Bye
         110  | ACK              |",
    ),
    (
        "our BYE waits for the ACK",
        "0    | INVITE sdp  | 100 INVITE, Invite+
         0    | .accept sdp | 200 INVITE+
         100  | .bye        |
         200  | .bye        | !unknown-call
         500  | timer       | 200 INVITE+
         600  | INFO        | 481 INFO
         700  | ACK 2xx     | BYE
         710  | 200 BYE     |",
    ),
    (
        "our BYE waits and theirs comes first",
        "0    | INVITE sdp  | 100 INVITE, Invite+
         0    | .accept sdp | 200 INVITE+
         100  | .bye        |
         200  | BYE         | 200 BYE",
    ),
    (
        "our BYE waits for an ACK that never comes",
        "0     | INVITE sdp  | 100 INVITE, Invite+
         0     | .accept sdp | 200 INVITE+
         100   | .bye        |
         500   | timer       | 200 INVITE+
         1500  | timer       | 200 INVITE+
         3500  | timer       | 200 INVITE+
         7500  | timer       | 200 INVITE+
         11500 | timer       | 200 INVITE+
         15500 | timer       | 200 INVITE+
         19500 | timer       | 200 INVITE+
         23500 | timer       | 200 INVITE+
         27500 | timer       | 200 INVITE+
         31500 | timer       | 200 INVITE+
         32000 | timer       | BYE
         32010 | 200 BYE     |",
    ),
];

/// A call that is answered and acknowledged at 10 ms.
const ANSWERED: &str = "0  | INVITE sdp  | 100 INVITE, Invite+
                        0  | .accept sdp | 200 INVITE+
                        10 | ACK 2xx     | Acked
                       ";

#[test]
fn requests_inside_the_dialog_follow_their_tables() {
    for (name, table) in INSIDE {
        check(
            name,
            &format!("{ANSWERED}{table}\n900000 | BYE | 200 BYE, Bye"),
        );
    }
}

// tidy: table
const INSIDE: &[(&str, &str)] = &[
    (
        "hold by re-INVITE",
        "100 | INVITE sdp       | 100 INVITE, Reinvite INVITE+
         110 | again            | 100 INVITE
         120 | .respond 200 sdp | 200 INVITE+
         130 | .respond 200 sdp | !unknown-request
         620 | timer            | 200 INVITE+
         630 | ACK 2xx          | Acked",
    ),
    (
        "re-INVITE without offer",
        "100 | INVITE           | 100 INVITE, Reinvite INVITE
         120 | .respond 200 sdp | 200 INVITE+
         130 | ACK 2xx sdp      | Acked+",
    ),
    (
        "re-INVITE refused",
        "100 | INVITE sdp   | 100 INVITE, Reinvite INVITE+
         120 | .respond 488 | 488 INVITE
         130 | ACK          |",
    ),
    (
        "re-INVITE taken back",
        "100 | INVITE sdp   | 100 INVITE, Reinvite INVITE+
         120 | CANCEL       | 200 CANCEL, 487 INVITE, ReinviteCancelled
         130 | ACK          |
         140 | .respond 200 sdp | !unknown-request",
    ),
    (
        "a second re-INVITE before the first is answered",
        "100 | INVITE sdp   | 100 INVITE, Reinvite INVITE+
         120 | INVITE sdp   | 500 INVITE
         130 | ACK          |
         140 | .reinvite sdp | !request-pending
         150 | .respond 488 | 488 INVITE
         650 | timer        | 488 INVITE
         1650 | timer       | 488 INVITE
         3650 | timer       | 488 INVITE
         7650 | timer       | 488 INVITE
         11650 | timer      | 488 INVITE
         15650 | timer      | 488 INVITE
         19650 | timer      | 488 INVITE
         23650 | timer      | 488 INVITE
         27650 | timer      | 488 INVITE
         31650 | timer      | 488 INVITE",
    ),
    (
        "theirs meets ours: 491",
        "100 | .reinvite sdp | INVITE+
         110 | INVITE sdp    | 491 INVITE
         120 | ACK           |
         130 | UPDATE sdp    | 491 UPDATE
         140 | 200 INVITE sdp | ACK, RequestAnswered 200
         150 | 200 INVITE sdp | ACK",
    ),
    (
        "our re-INVITE asks for an offer",
        "100 | .reinvite     | INVITE
         140 | 200 INVITE sdp | RequestAnswered 200
         150 | 200 INVITE sdp |
         160 | .ack sdp      | ACK+
         170 | 200 INVITE sdp | ACK+
         180 | .ack sdp      | !wrong-state",
    ),
    (
        "our re-INVITE is refused",
        "100 | .reinvite sdp | INVITE+
         140 | 100 INVITE    |
         140 | 488 INVITE    | ACK, RequestAnswered 488
         150 | again         | ACK",
    ),
    (
        "INFO both ways",
        "100 | INFO sdp      | Info
         110 | again         |
         120 | .respond 200  | 200 INFO
         130 | again         | 200 INFO
         140 | .respond 200  | !unknown-request
         200 | .info         | INFO+
         210 | 200 INFO      | RequestAnswered 200
         300 | INFO          | Info
         310 | .respond 180  | !bad-status
         320 | .respond 415  | 415 INFO",
    ),
    (
        "an INFO that our user answers late or never",
        "100   | INFO         | Info
         3600  | timer        | 100 INFO
         5000  | .respond 200 | 200 INFO
         40000 | INFO         | Info
         43500 | timer        | 100 INFO
         72000 | timer        |
         72001 | .respond 200 | !unknown-request",
    ),
    (
        "UPDATE",
        "100 | UPDATE           | 200 UPDATE
         110 | UPDATE sdp       | Reinvite UPDATE+
         120 | UPDATE sdp       | 500 UPDATE
         130 | INVITE sdp       | 500 INVITE
         130 | ACK              |
         140 | .respond 200 sdp | 200 UPDATE+",
    ),
    (
        "OPTIONS, unserved and unknown methods, old CSeq",
        "100 | OPTIONS       | 200 OPTIONS
         110 | REFER         | 405 REFER
         120 | MESSAGE       | 405 MESSAGE
         130 | FROB          | 501 FROB
         140 | INFO seq=90   | 500 INFO
         150 | INFO {Require: 100rel} | 420 INFO
         160 | ACK 2xx seq=7 |
         170 | INFO tag=other | 481 INFO",
    ),
];

#[test]
fn calls_end_when_the_peer_no_longer_knows_them() {
    for (name, table) in [
        (
            "INFO gets 481",
            "100 | .info    | INFO+
             110 | 481 INFO | RequestAnswered 481, Ended peer-gone",
        ),
        (
            "re-INVITE gets 408",
            "100 | .reinvite sdp | INVITE+
             110 | 408 INVITE    | ACK, RequestAnswered 408, BYE, Ended peer-gone
             120 | 481 BYE       |",
        ),
        (
            "hung up while their re-INVITE and INFO wait",
            "100 | INVITE sdp | 100 INVITE, Reinvite INVITE+
             110 | INFO       | Info
             120 | .bye       | BYE, 487 INVITE, 487 INFO
             130 | 200 BYE    |",
        ),
        (
            "hung up by them while our re-INVITE is open",
            "100 | .reinvite sdp  | INVITE+
             110 | BYE            | 200 BYE, Bye
             120 | 200 INVITE sdp | ACK, BYE
             130 | 481 BYE        |",
        ),
        (
            "hung up while our re-INVITE has only a provisional, and its final is lost",
            "100   | .reinvite sdp  | INVITE+
             110   | 100 INVITE     |
             120   | .bye           | BYE
             130   | 200 BYE        |
             32120 | timer          |",
        ),
        (
            "re-INVITE answered 200 and no ACK",
            "100   | INVITE sdp       | 100 INVITE, Reinvite INVITE+
             100   | .respond 200 sdp | 200 INVITE+
             600   | timer | 200 INVITE+
             1600  | timer | 200 INVITE+
             3600  | timer | 200 INVITE+
             7600  | timer | 200 INVITE+
             11600 | timer | 200 INVITE+
             15600 | timer | 200 INVITE+
             19600 | timer | 200 INVITE+
             23600 | timer | 200 INVITE+
             27600 | timer | 200 INVITE+
             31600 | timer | 200 INVITE+
             32100 | timer | BYE, NoAck
             32110 | 200 BYE |",
        ),
    ] {
        check(name, &format!("{ANSWERED}{table}"));
    }
}

#[test]
fn a_silent_peer_ends_the_call_after_timer_f() {
    let mut bench = Bench::udp();
    bench.run("silence", &format!("{ANSWERED} 100 | .info | INFO+"));
    bench.run_out("silence");
    assert_eq!(bench.endpoint.counters().timeouts, 1);
}

#[test]
fn our_re_invite_is_sent_again_after_491() {
    for (first, role, from_ms, to_ms) in [
        (ANSWERED, "callee", 0, 2000),
        (OUTGOING_ANSWERED, "caller", 2100, 4000),
    ] {
        let mut bench = Bench::udp();
        bench.run(role, first);
        bench.run(
            role,
            "100 | .reinvite sdp | INVITE+
             110 | 491 INVITE    | ACK",
        );
        let wait = bench.endpoint.deadlines.next().expect("a retry is planned") - bench.now;
        let wait = wait.as_millis();
        assert!((from_ms..=to_ms).contains(&wait), "{role} waits {wait} ms");
        let at = 110 + wait;
        bench.run(
            role,
            &format!(
                "{at} | timer          | INVITE+
                 {} | 200 INVITE sdp | ACK, RequestAnswered 200
                 6000 | BYE            | 200 BYE, Bye",
                at + 10
            ),
        );
        bench.run_out(role);
    }
}

#[test]
fn a_re_invite_that_meets_491_forever_is_given_up() {
    let mut bench = Bench::udp();
    bench.run("glare", ANSWERED);
    bench.run("glare", "100 | .reinvite sdp | INVITE+");
    for _ in 0..5 {
        let ms = (bench.now - bench.start).as_millis();
        bench.run("glare", &format!("{ms} | 491 INVITE | ACK"));
        let at = (bench.endpoint.deadlines.next().expect("a retry") - bench.start).as_millis();
        bench.run("glare", &format!("{at} | timer | INVITE+"));
    }
    let ms = (bench.now - bench.start).as_millis();
    bench.run(
        "glare",
        &format!("{ms} | 491 INVITE | ACK, RequestAnswered 491"),
    );
    bench.run("glare", "20001 | BYE | 200 BYE, Bye");
    bench.run_out("glare");
}

/// A call of ours that is answered and acknowledged at 10 ms.
const OUTGOING_ANSWERED: &str = "0  | .invite sdp    | INVITE+
                                 10 | 200 INVITE sdp | Answered
                                 10 | .ack           | ACK
                                ";

#[test]
fn outgoing_calls_follow_their_tables() {
    for (name, table) in OUTGOING {
        check(name, table);
    }
}

// tidy: table
const OUTGOING: &[(&str, &str)] = &[
    (
        "answered, hung up by us",
        "0    | .invite sdp    | INVITE+
         5    | 100 INVITE     |
         10   | 180 INVITE     | Provisional 180
         10   | .bye           | !wrong-state
         20   | 183 INVITE sdp | Provisional 183
         1000 | 200 INVITE sdp | Answered
         1010 | .ack           | ACK
         1500 | 200 INVITE sdp | ACK
         1600 | .ack           | !wrong-state
         2000 | .bye           | BYE
         2010 | 200 BYE        |
         2500 | 200 INVITE sdp | ACK",
    ),
    (
        "answered, hung up by them, late offer",
        "0    | .invite        | INVITE
         5    | 100 INVITE     |
         1000 | 200 INVITE sdp | Answered
         1005 | 200 INVITE sdp |
         1010 | .ack sdp       | ACK+
         1500 | 200 INVITE sdp | ACK+
         2000 | BYE            | 200 BYE, Bye",
    ),
    (
        "hung up before our user has acknowledged",
        "0    | .invite sdp    | INVITE+
         5    | 100 INVITE     |
         1000 | 200 INVITE sdp | Answered
         1010 | .bye           | ACK, BYE
         1020 | 200 BYE        |",
    ),
    (
        "refused",
        "0    | .invite sdp | INVITE+
         10   | 486 INVITE  | ACK, Failed 486
         500  | again       | ACK",
    ),
    (
        "refused by an unknown code",
        "0 | .invite sdp | INVITE+\n 10 | 699 INVITE | ACK, Failed 699",
    ),
    (
        "nobody answers: Timer B",
        "0     | .invite sdp | INVITE+
         500   | timer | INVITE+
         1500  | timer | INVITE+
         3500  | timer | INVITE+
         7500  | timer | INVITE+
         15500 | timer | INVITE+
         31500 | timer | INVITE+
         32000 | timer | Failed 408",
    ),
    (
        "cancelled while ringing",
        "0    | .invite sdp | INVITE+
         10   | 180 INVITE  | Provisional 180
         20   | .cancel     | CANCEL
         21   | .cancel     |
         30   | 200 CANCEL  |
         40   | 487 INVITE  | ACK, Failed 487",
    ),
    (
        "cancelled before the first provisional",
        "0    | .invite sdp | INVITE+
         10   | .cancel     |
         20   | 100 INVITE  | CANCEL
         30   | 200 CANCEL  |
         40   | 487 INVITE  | ACK, Failed 487",
    ),
    (
        "cancelled and answered at once",
        "0    | .invite sdp    | INVITE+
         10   | 180 INVITE     | Provisional 180
         20   | .cancel        | CANCEL
         30   | 200 INVITE sdp | ACK, BYE, Failed 487
         40   | 200 CANCEL     |
         50   | 200 BYE        |
         500  | 200 INVITE sdp | ACK",
    ),
    (
        "cancelled and never finished",
        "0    | .invite sdp    | INVITE+
         10   | 180 INVITE     | Provisional 180
         20   | .cancel        | CANCEL
         30   | 200 CANCEL     |
         32020 | timer         | Failed 487",
    ),
    (
        "two forks answer: the first wins",
        "0    | .invite sdp          | INVITE+
         10   | 180 INVITE tag=a     | Provisional 180
         20   | 180 INVITE tag=b     | Provisional 180
         30   | 200 INVITE sdp tag=b | Answered
         40   | .ack                 | ACK
         50   | 200 INVITE sdp tag=a | ACK, BYE
         60   | 200 BYE              |
         550  | 200 INVITE sdp tag=a | ACK
         560  | 200 INVITE sdp tag=b | ACK
         570  | INFO tag=a           | 481 INFO
         580  | BYE tag=b            | 200 BYE, Bye",
    ),
    (
        "a fork asks before it answers",
        "0    | .invite sdp          | INVITE+
         10   | 183 INVITE sdp tag=a | Provisional 183
         20   | 183 INVITE sdp tag=b | Provisional 183
         30   | OPTIONS tag=b        | 200 OPTIONS
         40   | INVITE sdp tag=a     | 491 INVITE
         50   | ACK tag=a            |
         60   | 486 INVITE           | ACK, Failed 486
         70   | OPTIONS tag=b        | 481 OPTIONS",
    ),
    (
        "the CSeq numbers of an early dialog go on in the confirmed one",
        "0  | .invite sdp           | INVITE+
         10 | 180 INVITE            | Provisional 180
         20 | OPTIONS seq=500       | 200 OPTIONS
         30 | 200 INVITE sdp        | Answered
         40 | .ack                  | ACK
         50 | INFO seq=400          | 500 INFO
         60 | BYE seq=501           | 200 BYE, Bye",
    ),
    (
        "the called side hangs up instead of refusing",
        "0    | .invite sdp | INVITE+
         10   | 180 INVITE  | Provisional 180
         20   | BYE         | 200 BYE, CANCEL, Bye
         30   | 200 CANCEL  |
         40   | 487 INVITE  | ACK",
    ),
    (
        "responses of nobody",
        "0    | .invite sdp    | INVITE+
         10   | 200 INVITE {Via: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKother} |
         20   | 404 INVITE     | ACK, Failed 404",
    ),
];

#[test]
fn streams_that_close_end_what_waits_on_them() {
    let rows = [
        (
            "an unanswered call ends",
            "0  | INVITE sdp  | 100 INVITE, Invite+
             10 | closed 1    | Ended peer-gone
             20 | .accept sdp | !unknown-call",
        ),
        (
            "a call of ours that rings fails",
            "0  | .invite sdp | INVITE+
             5  | 180 INVITE  | Provisional 180
             10 | closed 1    | Failed 503",
        ),
        (
            "an answered phone comes back over another flow",
            "0  | INVITE sdp   | 100 INVITE, Invite+
             0  | .accept sdp  | 200 INVITE+
             10 | ACK 2xx      | Acked
             20 | closed 2     |
             30 | closed 1     |
             40 | INFO flow=2  | Info
             50 | .respond 200 | 200 INFO
             60 | .bye         | BYE
             70 | 200 BYE flow=2 |",
        ),
        (
            "an answered call that does not come back ends when it is needed",
            "0  | INVITE sdp   | 100 INVITE, Invite+
             0  | .accept sdp  | 200 INVITE+
             10 | ACK 2xx      | Acked
             30 | closed 1     |
             60 | .info        | Ended peer-gone, !flow-lost",
        ),
        (
            "BYE on a lost flow is silent",
            "0  | INVITE sdp   | 100 INVITE, Invite+
             0  | .accept sdp  | 200 INVITE+
             10 | ACK 2xx      | Acked
             30 | closed 1     |
             60 | .bye         |
             70 | .bye         | !unknown-call",
        ),
        (
            "a request of ours that waits fails",
            "0  | INVITE sdp   | 100 INVITE, Invite+
             0  | .accept sdp  | 200 INVITE+
             10 | ACK 2xx      | Acked
             20 | .info        | INFO+
             25 | .reinvite sdp | INVITE+
             30 | closed 1     | RequestAnswered 503, RequestAnswered 503
             60 | .bye         |",
        ),
    ];
    for (name, table) in rows {
        let mut bench = Bench::new(Transport::Tcp, Settings::default());
        bench.run(name, table);
        bench.run_out(name);
    }
}

#[test]
fn the_2xx_is_repeated_over_streams_too() {
    let mut bench = Bench::new(Transport::Wss, Settings::default());
    bench.run(
        "stream",
        "0    | INVITE sdp  | 100 INVITE, Invite+
         0    | .accept sdp | 200 INVITE+
         500  | timer       | 200 INVITE+
         600  | ACK 2xx     | Acked
         1000 | .bye        | BYE
         1010 | 200 BYE     |",
    );
    bench.run_out("stream");
}

/// The peer of these tables is a browser that has logged in on flows 1 to 3.
#[test]
// tidy: table
fn a_user_whose_stream_closes_is_waited_for() {
    const CALL: &str = "0  | INVITE sdp  | 100 INVITE, Invite+
         0  | .accept sdp | 200 INVITE+
         10 | ACK 2xx     | Acked
    ";
    let rows = [
        (
            "what waits goes out on return, in order",
            "30 | closed 1     | FlowLost
             40 | .info        |
             50 | .info        |
             60 | INFO flow=2  | FlowBack, INFO+, INFO+, Info
             65 | .respond 200 | 200 INFO
             70 | 200 INFO     | RequestAnswered 200
             90 | BYE flow=2   | 200 BYE, Bye",
        ),
        (
            "an INFO is waited for as long as the stream is there",
            "30     | .info        | INFO+
             200000 | 200 INFO     | RequestAnswered 200
             200010 | .info        | INFO+
             400000 | BYE          | 200 BYE, Bye",
        ),
        (
            "a re-INVITE that waits on a stream that was replaced gets its end there",
            "30 | INVITE sdp   | 100 INVITE, Reinvite INVITE+
             40 | INFO flow=2  | 487 INVITE, ReinviteCancelled, Info
             50 | .respond 200 | 200 INFO
             60 | BYE flow=2   | 200 BYE, Bye",
        ),
        (
            "what was on its way goes again",
            "30 | .info        | INFO+
             40 | closed 1     | FlowLost
             60 | UPDATE flow=2 | FlowBack, INFO+, 200 UPDATE
             70 | 200 INFO     | RequestAnswered 200
             80 | .bye         | BYE
             90 | 200 BYE      |",
        ),
        (
            "a stream that is not missed yet is left too",
            "30 | .info        | INFO+
             60 | UPDATE flow=2 | INFO+, 200 UPDATE
             65 | closed 1     |
             70 | 200 INFO     | RequestAnswered 200
             80 | BYE flow=2   | 200 BYE, Bye",
        ),
        (
            "who does not come back is given up",
            "30    | .info        | INFO+
             40    | closed 1     | FlowLost
             60040 | timer        | Ended peer-gone
             60050 | INFO flow=2  | 481 INFO",
        ),
        (
            "each loss has its own time",
            "40    | closed 1      | FlowLost
             50000 | UPDATE flow=2 | FlowBack, 200 UPDATE
             60000 | closed 2      | FlowLost
             70000 | UPDATE flow=3 | FlowBack, 200 UPDATE
             99000 | BYE flow=3    | 200 BYE, Bye",
        ),
        (
            "a BYE waits, and is over for its user at once",
            "30 | closed 1    | FlowLost
             40 | .bye        |
             50 | .bye        | !unknown-call
             60 | INVITE flow=2 | BYE, 481 INVITE
             65 | ACK         |
             70 | 200 BYE     |",
        ),
        (
            "a BYE on its way goes again",
            "30 | .bye        | BYE
             40 | closed 1    |
             60 | INFO flow=2 | BYE, 481 INFO
             70 | 200 BYE     |",
        ),
        (
            "a BYE is not waited for without end",
            "30    | .bye     | BYE
             40    | closed 1 |
             60040 | timer    |",
        ),
        (
            "a change of the peer that is not finished is taken back",
            "30 | INVITE sdp       | 100 INVITE, Reinvite INVITE+
             35 | .respond 200 sdp | 200 INVITE+
             40 | closed 1         | ReinviteCancelled, FlowLost
             50 | INVITE sdp flow=2 | FlowBack, 100 INVITE, Reinvite INVITE+
             55 | .respond 200 sdp | 200 INVITE+
             60 | ACK 2xx flow=2   | Acked
             70 | BYE flow=2       | 200 BYE, Bye",
        ),
        (
            "also over a stream that is not missed yet",
            "30 | INVITE sdp        | 100 INVITE, Reinvite INVITE+
             35 | .respond 200 sdp  | 200 INVITE+
             50 | INVITE sdp flow=2 | ReinviteCancelled, 100 INVITE, Reinvite INVITE+
             55 | .respond 200 sdp  | 200 INVITE+
             60 | ACK 2xx flow=2    | Acked
             70 | BYE flow=2        | 200 BYE, Bye",
        ),
        (
            "a change that was answered in vain ends nothing",
            "30    | INVITE sdp       | 100 INVITE, Reinvite INVITE+
             35    | .respond 200 sdp | 200 INVITE+
             50    | UPDATE flow=2    | ReinviteCancelled, 200 UPDATE
             60000 | BYE flow=2       | 200 BYE, Bye",
        ),
        (
            "a change of ours fails",
            "30 | .reinvite sdp | INVITE+
             40 | closed 1      | RequestAnswered 503, FlowLost
             45 | .reinvite sdp | !flow-lost
             50 | BYE flow=2    | FlowBack, 200 BYE, Bye",
        ),
        (
            "a refusal with 408 ends nothing while the stream is there",
            "30 | .info    | INFO+
             40 | 408 INFO | RequestAnswered 408
             50 | .info    | INFO+
             60 | 481 INFO | RequestAnswered 481, Ended peer-gone",
        ),
    ];
    for (name, table) in rows {
        let mut bench = Bench::new(Transport::Wss, Settings::default());
        bench.run(name, CALL);
        bench.run(name, table);
        bench.run_out(name);
    }
}
