//! sipp against the real program: single calls row by row, a small flood, and callers who
//! misbehave. The scenarios of sipp are `fixtures/sipp`, those of the engine `fixtures/scenarios`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::server::{self, LOCALHOST, PATIENCE, Server};

/// One run of sipp.
struct Row {
    /// The file of its scenario, without `.xml`.
    scenario: &'static str,
    number: &'static str,
    /// More arguments.
    args: &'static [&'static str],
}

const UDP: &[&str] = &[];
const TCP: &[&str] = &["-t", "t1"];

const fn row(scenario: &'static str, number: &'static str, args: &'static [&'static str]) -> Row {
    Row {
        scenario,
        number,
        args,
    }
}

const ROWS: &[Row] = &[
    row("call", "100", UDP),
    row("late_offer", "100", UDP),
    row("early_media", "104", UDP),
    row("cancel", "101", UDP),
    row("early_bye", "101", UDP),
    row("lost_ack", "100", UDP),
    row("repeated_invite", "105", UDP),
    row("hold", "103", UDP),
    row("refused_reinvite", "100", UDP),
    row("info_digits", "102", UDP),
    row("options", "100", UDP),
    row("unknown_method", "100", UDP),
    row("malformed_hops", "100", UDP),
    row("malformed_from", "100", UDP),
    row("malformed_sdp", "100", UDP),
    row("no_common_codec", "100", UDP),
    row("other_body", "100", UDP),
    row("required_extension", "100", UDP),
    row("other_scheme", "100", UDP),
    row("not_found", "999", UDP),
    row("stray_bye", "100", UDP),
    row("call", "100", TCP),
    row("late_offer", "100", TCP),
    row("early_media", "104", TCP),
    row("cancel", "101", TCP),
    row("early_bye", "101", TCP),
    row("hold", "103", TCP),
    row("info_digits", "102", TCP),
    row("unknown_method", "100", TCP),
    row("malformed_hops", "100", TCP),
    row("no_common_codec", "100", TCP),
    row("stray_bye", "100", TCP),
];

/// Timer H of RFC 3261 is 32 s, which one of the rows waits for.
const ROW_MAX: Duration = Duration::from_secs(120);

/// A running sipp with the folder of its files.
struct Sipp {
    child: Child,
    dir: tempfile::TempDir,
    name: String,
}

impl Sipp {
    fn start(server: &Server, row: &Row) -> Sipp {
        Sipp::start_with_rtp(server, row, 9, 1)
    }

    fn start_with_rtp(server: &Server, row: &Row, rtp_port: u16, calls: u32) -> Sipp {
        let dir = tempfile::tempdir().expect("a folder");
        let target = match row.args {
            ["-t", "t1", ..] => server.tcp,
            _ => server.udp,
        };
        let file = format!("fixtures/sipp/{}.xml", row.scenario);
        let patience = ROW_MAX.as_secs().to_string();
        let child = Command::new(server::client("sipp"))
            .arg(target.to_string())
            .arg("-sf")
            .arg(server::root().join(file))
            .args(["-s", row.number, "-i", "127.0.0.1"])
            .args(["-p", &server::free_port().to_string()])
            .args(["-key", "rtp_port", &rtp_port.to_string()])
            .args(["-m", &calls.to_string()])
            .args(["-timeout", &patience, "-timeout_error"])
            .args(["-nostdin", "-trace_err", "-error_file", "errors"])
            .args(row.args)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp starts");
        Sipp {
            child,
            dir,
            name: format!("{} {:?}", row.scenario, row.args),
        }
    }

    /// Waits for its end. What went wrong, if something did.
    fn failure(&mut self) -> Option<String> {
        match server::wait(&mut self.child, ROW_MAX + Duration::from_secs(5)) {
            Some(status) if status.success() => None,
            ended => {
                let errors = std::fs::read_to_string(self.dir.path().join("errors"));
                let errors = errors.unwrap_or_default();
                Some(format!("{}: {ended:?}\n{errors}", self.name))
            }
        }
    }

    fn expect_success(&mut self) {
        if let Some(text) = self.failure() {
            panic!("{text}");
        }
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        server::stop(&mut self.child);
    }
}

#[test]
fn calls_of_sipp_go_as_the_rfcs_say() {
    // No media arrives; the missing ACK is what shall end its call.
    let server = Server::with_test_rules(&["media.timeout_s=60"]);
    let mut running: Vec<Sipp> = ROWS.iter().map(|row| Sipp::start(&server, row)).collect();
    let mut failures = String::new();
    for failure in running.iter_mut().filter_map(Sipp::failure) {
        let _ = writeln!(failures, "{failure}");
    }
    assert!(failures.is_empty(), "{failures}{}", server.log());

    // The 200 without an ACK was repeated at 0.5, 1.5, 3.5, 7.5 and then every 4 s, up to 32 s.
    let repeated = server.metric("sip_repeated_answers_total");
    assert!((9..=11).contains(&repeated), "{repeated} repeated answers");
    assert_eq!(server.metric("sip_no_ack_total"), 1);
    // The repeated INVITEs made no second call.
    assert!(server.metric("sip_retransmissions_total") >= 2);
    let refused_by_sip = [
        "options",
        "unknown_method",
        "malformed_hops",
        "malformed_from",
        "other_body",
        "required_extension",
        "other_scheme",
        "stray_bye",
    ];
    let calls = ROWS
        .iter()
        .filter(|row| !refused_by_sip.contains(&row.scenario));
    assert_eq!(server.metric("calls_total"), calls.count() as u64);
    // In the two rows of hold our BYE may overtake the ACK; every other ACK belongs to its INVITE.
    assert!(server.metric("sip_stray_acks_total") <= 2);
    server.expect_metric("legs", 0);
    server.expect_metric("sessions", 0);
}

#[test]
fn a_prompt_that_cannot_be_spoken_is_logged_and_the_call_goes_on() {
    let server = Server::start(&[
        "speech.engine=command",
        "speech.command=[\"no-such-voice\"]",
    ]);
    Sipp::start(&server, &row("call", "31201234567", UDP)).expect_success();
    server.expect_metric("legs", 0);
    let log = server.log();
    let complaints = log.matches("Sound cannot be played").count();
    assert_eq!(complaints, 1, "{log}");
    assert!(log.contains("no-such-voice"), "{log}");
}

#[test]
fn two_hundred_calls_a_second_are_all_answered() {
    let server = Server::with_test_rules(&["log.level=warn"]);
    let flood = row("flood_call", "100", &["-r", "200", "-l", "1000"]);
    let mut sipp = Sipp::start_with_rtp(&server, &flood, 9, 600);
    sipp.expect_success();
    assert_eq!(server.metric("calls_total"), 600);
    server.expect_metric("legs", 0);
    server.expect_metric("sessions", 0);
}

#[test]
fn rfc_4733_digits_are_heard_once_each() {
    let server = Server::with_test_rules(&[]);
    let phone = server::udp_socket();
    let port = phone.local_addr().expect("an address").port();
    let mut call = Sipp::start_with_rtp(&server, &row("event_digits", "102", UDP), port, 1);
    let engine = first_packet(&phone);
    press(&phone, engine, 0, "1234#");
    call.expect_success();
}

#[test]
fn sigterm_refuses_new_calls_and_lets_running_ones_end() {
    let mut server = Server::with_test_rules(&["shutdown.drain_s=3600"]);
    // 102 hangs up after pound; until then the call lasts.
    let phone = server::udp_socket();
    let port = phone.local_addr().expect("an address").port();
    let digits = row("event_digits", "102", UDP);
    let mut running = Sipp::start_with_rtp(&server, &digits, port, 1);
    let engine = first_packet(&phone);

    server.signal_term();
    server.expect_metric("draining", 1);
    Sipp::start(&server, &row("drained", "100", UDP)).expect_success();

    press(&phone, engine, 0, "1234#");
    running.expect_success();
    // Without the call's end it would go on for `drain_s`.
    let (status, _) = server.expect_end();
    assert!(status.success(), "{status}\n{}", server.log());
}

#[test]
fn sigterm_hangs_up_what_still_runs_at_the_limit() {
    let mut server = Server::with_test_rules(&["shutdown.drain_s=1"]);
    let waits = row("event_digits", "102", UDP);
    let phone = server::udp_socket();
    let port = phone.local_addr().expect("an address").port();
    let mut running = Sipp::start_with_rtp(&server, &waits, port, 1);
    first_packet(&phone);
    let (status, after) = server.terminate();
    assert!(status.success(), "{status}\n{}", server.log());
    assert!(after >= Duration::from_secs(1), "ended after {after:?}");
    // sipp was sent a BYE, though not the one of the scenario.
    let failure = running.failure().expect("nobody pressed keys");
    assert!(failure.contains("BYE"), "{failure}");
}

#[test]
fn garbage_at_the_ports_of_a_call_does_not_harm_it() {
    const DATAGRAMS: u64 = 3000;
    // So few fit into the system's buffers whatever else the machine does.
    const BURST: u64 = 50;
    let server = Server::with_test_rules(&[]);
    let phone = server::udp_socket();
    let port = phone.local_addr().expect("an address").port();
    let mut call = Sipp::start_with_rtp(&server, &row("event_digits", "102", UDP), port, 1);
    let engine = first_packet(&phone);
    // The engine locks onto the phone that speaks first.
    send_silence(&phone, engine, 0..25);

    let mut noise = Noise(0x5eed);
    let stranger = server::udp_socket();
    for number in 1..=DATAGRAMS {
        let datagram = noise.datagram();
        let to = |socket: &UdpSocket, to: SocketAddr| {
            socket.send_to(&datagram, to).expect("it is sent");
        };
        to(&stranger, server.udp);
        // A third of the noise comes from the phone's own address.
        to(if number % 3 == 0 { &phone } else { &stranger }, engine);
        if number % BURST == 0 {
            server.expect_metric("sip_garbage_total", number);
            server.expect_metric_to_reach("media_refused_total", number * 9 / 10);
        }
    }
    send_silence(&phone, engine, 25..50);
    press(&phone, engine, 50, "1234#");
    call.expect_success();

    assert_eq!(server.metric("calls_total"), 1);
    server.expect_metric("legs", 0);
}

#[test]
fn a_client_that_floods_and_never_reads_costs_others_nothing() {
    let server = Server::with_test_rules(&[]);
    const PROBES: usize = 60;
    let target = server.tcp;
    let stop = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || flood_without_reading(target, &stop)
    });

    let probe = server::udp_socket();
    let local = probe.local_addr().expect("an address");
    for number in 0..PROBES {
        let text = options(local, server.udp, "UDP", number);
        probe.send_to(text.as_bytes(), server.udp).expect("sent");
        let mut buffer = [0; 2000];
        let answered = probe.recv(&mut buffer);
        let length = answered.unwrap_or_else(|error| panic!("probe {number}: {error}"));
        let answer = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        let branch = format!("branch=z9hG4bKprobe{number};");
        assert!(
            answer.contains(&branch),
            "an answer to another probe: {answer}"
        );
        server::pause(Duration::from_millis(50));
    }
    let patience = Instant::now() + PATIENCE;
    while server.metric("net_closed_not_reading_total") == 0 {
        assert!(Instant::now() < patience, "the flood is never cut off");
        server::pause(Duration::from_millis(100));
    }
    stop.store(true, Ordering::Relaxed);
    let written = flood.join().expect("the flood ends");
    assert!(written > 100_000, "only {written} bytes were taken");
    assert_eq!(server.metric("net_shed_dropped_total"), 0);
}

/// Writes requests, as fast as they are taken and never reading, over one connection after the
/// other as they are closed. Gives the bytes that were taken.
fn flood_without_reading(target: SocketAddr, stop: &AtomicBool) -> usize {
    let goes_on = || !stop.load(Ordering::Relaxed);
    let mut written = 0;
    let mut number = 1_000_000;
    while goes_on() {
        let Ok(mut stream) = TcpStream::connect(target) else {
            continue;
        };
        let local = stream.local_addr().expect("an address");
        let timeout = Some(Duration::from_millis(100));
        stream.set_write_timeout(timeout).expect("a timeout");
        let mut text = Vec::new();
        while goes_on() {
            if text.is_empty() {
                text = options(local, target, "TCP", number).into_bytes();
                number += 1;
            }
            match stream.write(&text) {
                Ok(length) => {
                    written += length;
                    text.drain(..length);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    }
    written
}

fn options(local: SocketAddr, target: SocketAddr, transport: &str, number: usize) -> String {
    format!(
        "OPTIONS sip:{target} SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {local};branch=z9hG4bKprobe{number};rport\r\n\
         From: <sip:probe@{local}>;tag=p{number}\r\n\
         To: <sip:{target}>\r\n\
         Call-ID: probe-{number}@{local}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Pseudo-random bytes.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn datagram(&mut self) -> Vec<u8> {
        let length = 1 + self.next() % 300;
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// Waits for the engine's sound and says where it comes from.
fn first_packet(phone: &UdpSocket) -> SocketAddr {
    let mut buffer = [0; 2000];
    let (_, from) = phone
        .recv_from(&mut buffer)
        .expect("the engine plays a tone");
    assert_eq!(from.ip(), LOCALHOST);
    from
}

const SSRC: u32 = 0x1234_5678;

fn rtp(payload_type: u8, seq: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(seq.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    packet.extend(payload);
    packet
}

fn send_silence(phone: &UdpSocket, engine: SocketAddr, packets: std::ops::Range<u16>) {
    for seq in packets {
        let packet = rtp(0, seq, u32::from(seq) * 160, &[0xff; 160]);
        phone.send_to(&packet, engine).expect("it is sent");
        server::pause(Duration::from_millis(20));
    }
}

/// Sends key presses as RFC 4733 says, from the sequence number `first` on: five packets of growing
/// duration, the end three times.
fn press(phone: &UdpSocket, engine: SocketAddr, first: u16, keys: &str) {
    let mut seq = first;
    for (press, key) in keys.chars().enumerate() {
        let event = "0123456789*#".find(key).expect("a key") as u8;
        let timestamp = u32::from(first) * 160 + press as u32 * 1440;
        for packet in 1..=7_u16 {
            let (end, duration) = (packet >= 5, packet.min(5) * 160);
            let [high, low] = duration.to_be_bytes();
            let payload = [event, u8::from(end) << 7 | 10, high, low];
            let marker = u8::from(packet == 1) << 7;
            let bytes = rtp(marker | 101, seq, timestamp, &payload);
            phone.send_to(&bytes, engine).expect("it is sent");
            seq += 1;
            server::pause(Duration::from_millis(20));
        }
        server::pause(Duration::from_millis(40));
    }
}
