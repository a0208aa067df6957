//! A media worker over real sockets on the loopback interface. Every wait has an end.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use talkpath::codec::by_static_payload_type;
use talkpath::id::{UnitId, WorkerId};
use talkpath::media::{
    Channel, Command, Core, Counters, Event, LegKind, MediaSettings, Output, StreamParams,
};
use talkpath::run::health::Health;
use talkpath::run::media_loop::{Machine, MediaHandle, MediaWorker, MediaWorkerSettings};
use talkpath::run::recordings::{RecordingSink, Recordings};
use tokio::sync::mpsc::Receiver;

use crate::server::PATIENCE;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const A: UnitId = UnitId(1);
const B: UnitId = UnitId(2);

/// Ranges of 40 ports; each test has its own.
fn ports() -> (u16, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 23_000 + NEXT.fetch_add(1, Ordering::Relaxed) * 40;
    (first, first + 39)
}

struct Fixture {
    worker: MediaWorker,
    handle: MediaHandle,
    events: Receiver<Event>,
    _recordings: Recordings,
    _dir: tempfile::TempDir,
}

fn start(core: impl Machine, events_max: usize) -> Fixture {
    let dir = tempfile::tempdir().expect("a folder");
    let health = Health::default();
    let (results, _) = tokio::sync::mpsc::channel(1);
    let (recordings, sink): (Recordings, RecordingSink) =
        Recordings::start(dir.path(), results, &health).expect("a thread");
    let (sender, events) = tokio::sync::mpsc::channel(events_max);
    let (port_first, port_last) = ports();
    let settings = MediaWorkerSettings {
        worker: WorkerId(0),
        bind: LOCALHOST,
        address: LOCALHOST,
        port_first,
        port_last,
        webrtc_port: 0,
    };
    let (worker, handle) =
        MediaWorker::start(settings, core, sender, sink, &health).expect("a thread");
    Fixture {
        worker,
        handle,
        events,
        _recordings: recordings,
        _dir: dir,
    }
}

impl Fixture {
    fn event(&mut self) -> Event {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.events.try_recv() {
                Ok(event) => return event,
                Err(_) => assert!(Instant::now() < end, "waited in vain for an event"),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn open(&mut self, unit: UnitId) -> (SocketAddr, SocketAddr) {
        let kind = LegKind::Rtp;
        let command = Command::OpenLeg { unit, kind };
        self.handle.send(command).expect("room");
        let event = self.event();
        let Event::LegReady {
            unit: ready,
            rtp,
            rtcp,
            webrtc: None,
        } = event
        else {
            panic!("{event:?}")
        };
        assert_eq!(ready, unit);
        (rtp, rtcp)
    }
}

fn phone() -> UdpSocket {
    let socket = UdpSocket::bind((LOCALHOST, 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Sends each packet back where it came from, at its next tick; closing a unit says goodbye to the
/// port of its number, and any other command is a burst of 500 events.
#[derive(Default)]
struct Echo {
    packets: Vec<(UnitId, Channel, SocketAddr, Vec<u8>)>,
    outputs: VecDeque<Output>,
    tick: Option<Instant>,
    ready: bool,
}

impl Machine for Echo {
    fn handle_command(&mut self, _: Instant, command: Command) {
        if let Command::OpenLeg { unit, .. } = command {
            let shared = false;
            self.outputs.push_back(Output::Bind { unit, shared });
        } else if let Command::Close { unit } = command {
            let to = SocketAddr::new(LOCALHOST, unit.0 as u16);
            self.packets.push((A, Channel::Rtcp, to, b"bye".to_vec()));
            self.ready = true;
            self.outputs.push_back(Output::Unbind { unit: A });
        } else {
            let events = (0..500).map(|unit| Event::DigitsSent { unit: UnitId(unit) });
            self.outputs.extend(events.map(Output::Event));
        }
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        unit: UnitId,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        self.packets.push((unit, channel, from, bytes.to_vec()));
        self.tick.get_or_insert(now + Duration::from_millis(20));
    }

    fn handle_shared_packet(&mut self, _: Instant, from: SocketAddr, bytes: &[u8]) {
        self.packets
            .push((A, Channel::Shared, from, bytes.to_vec()));
    }

    fn handle_bound(
        &mut self,
        _: Instant,
        unit: UnitId,
        bound: Result<(SocketAddr, SocketAddr), String>,
    ) {
        let event = match bound {
            Ok((rtp, rtcp)) => Event::LegReady {
                unit,
                rtp,
                rtcp,
                webrtc: None,
            },
            Err(error) => Event::LegFailed { unit, error },
        };
        self.outputs.push_back(Output::Event(event));
    }

    fn handle_timeout(&mut self, _: Instant) {
        self.tick = None;
        self.ready = true;
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.tick
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn counters(&self) -> Counters {
        Counters {
            packets_in: 7,
            ..Counters::default()
        }
    }

    fn drain_packets(&mut self, mut send: impl FnMut(UnitId, Channel, SocketAddr, &[u8])) {
        if std::mem::take(&mut self.ready) {
            for (unit, channel, to, bytes) in self.packets.drain(..) {
                send(unit, channel, to, &bytes);
            }
        }
    }
}

#[test]
fn packets_go_in_and_out_by_both_sockets_of_a_leg() {
    let mut worker = start(Echo::default(), 16);
    let (rtp, rtcp) = worker.open(A);
    assert_eq!((rtp.port() % 2, rtcp.port()), (0, rtp.port() + 1));
    let phone = phone();
    let mut buffer = [0; 3000];
    for (to, text) in [(rtp, "sound"), (rtcp, "report")] {
        phone.send_to(text.as_bytes(), to).expect("sent");
        let (length, from) = phone.recv_from(&mut buffer).expect("an echo");
        assert_eq!((&buffer[..length], from), (text.as_bytes(), to));
    }
    for _ in 0..100 {
        phone.send_to(b"burst", rtp).expect("sent");
    }
    for _ in 0..100 {
        phone.recv_from(&mut buffer).expect("an echo of each");
    }
    phone.send_to(&[0; 2048], rtp).expect("sent");
    phone.send_to(b"last", rtp).expect("sent");
    let (length, _) = phone.recv_from(&mut buffer).expect("an echo");
    assert_eq!(&buffer[..length], b"last");
    // A packet is counted after it has left.
    let end = Instant::now() + PATIENCE;
    let counted = || {
        let counters = worker.worker.counters();
        (
            counters.packets_in,
            counters.packets_out,
            counters.oversized,
        )
    };
    while counted() != (103, 103, 1) {
        assert!(Instant::now() < end, "counted {:?}", counted());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_closed_leg_says_goodbye_and_its_port_is_not_given_again_at_once() {
    let mut worker = start(Echo::default(), 16);
    let (rtp, rtcp) = worker.open(A);
    let phone = phone();
    let port = phone.local_addr().expect("bound").port();
    worker
        .handle
        .send(Command::Close {
            unit: UnitId(port.into()),
        })
        .expect("room");
    let mut buffer = [0; 100];
    let (length, from) = phone.recv_from(&mut buffer).expect("the goodbye");
    assert_eq!((&buffer[..length], from), (b"bye".as_slice(), rtcp));
    assert_eq!(worker.open(B).0.port(), rtp.port() + 2);
    assert!(UdpSocket::bind(rtp).is_ok(), "the socket is closed");
}

#[test]
fn a_worker_with_nothing_to_do_does_nothing() {
    let mut worker = start(Echo::default(), 16);
    worker.open(A);
    // A busy machine may give it a turn late; one that never rests has turns all the time.
    let turns = || worker.worker.counters().turns;
    let rests = || {
        let before = turns();
        std::thread::sleep(Duration::from_millis(200));
        turns() == before
    };
    assert!((0..50).any(|_| rests()), "{} turns", turns());
    assert_eq!(worker.worker.core_counters().packets_in, 7);
}

#[test]
fn no_free_port_is_a_failed_leg() {
    let mut worker = start(Echo::default(), 64);
    for unit in 0..20 {
        worker.open(UnitId(unit));
    }
    worker
        .handle
        .send(Command::OpenLeg {
            unit: UnitId(20),
            kind: LegKind::Rtp,
        })
        .expect("room");
    let Event::LegFailed { unit, error } = worker.event() else {
        panic!("a 21st pair")
    };
    assert!(
        unit == UnitId(20) && error.starts_with("no free pair of ports in"),
        "{error}"
    );
    assert_eq!(worker.worker.counters().bind_failed, 1);
}

#[test]
fn events_wait_in_order_while_the_engine_is_slow() {
    let mut worker = start(Echo::default(), 2);
    worker
        .handle
        .send(Command::AddMixer { unit: A })
        .expect("room");
    let end = Instant::now() + PATIENCE;
    while worker.worker.counters().events_delayed == 0 {
        assert!(Instant::now() < end, "no event waits");
        std::thread::sleep(Duration::from_millis(1));
    }
    for unit in 0..500 {
        assert_eq!(worker.event(), Event::DigitsSent { unit: UnitId(unit) });
    }
    assert_eq!(worker.worker.counters().events_lost, 0);
}

#[test]
fn commands_before_the_end_are_carried_out() {
    let mut worker = start(Echo::default(), 2000);
    worker
        .handle
        .send(Command::AddMixer { unit: A })
        .expect("room");
    worker
        .handle
        .send(Command::AddMixer { unit: A })
        .expect("room");
    drop(worker.worker);
    let mut events = 0;
    while worker.events.try_recv().is_ok() {
        events += 1;
    }
    assert_eq!(events, 1000);
    assert!(
        worker.handle.send(Command::AddMixer { unit: A }).is_err(),
        "the worker is gone"
    );
}

fn pcmu_to(remote: SocketAddr) -> Box<StreamParams> {
    Box::new(StreamParams {
        codec: by_static_payload_type(0).expect("PCMU"),
        payload_type_out: 0,
        payload_type_in: 0,
        telephone_event: None,
        remote_rtp: remote,
        remote_rtcp: SocketAddr::new(remote.ip(), remote.port() + 1),
        send: true,
        receive: true,
        webrtc: None,
        relatch: false,
    })
}

#[test]
fn what_one_phone_says_the_other_hears() {
    let core = Core::new(MediaSettings::default(), Instant::now(), [1; 32]);
    let mut worker = start(core, 64);
    let (alice, bob) = (phone(), phone());
    let (alice_rtp, _) = worker.open(A);
    worker.open(B);
    for (unit, phone) in [(A, &alice), (B, &bob)] {
        let stream = pcmu_to(phone.local_addr().expect("bound"));
        worker
            .handle
            .send(Command::UpdateLeg { unit, stream })
            .expect("room");
    }
    worker
        .handle
        .send(Command::Connect { from: A, to: B })
        .expect("room");
    // A square wave of 400 Hz: ten samples up, ten down.
    let payload: Vec<u8> = (0..160)
        .map(|n| if n / 10 % 2 == 0 { 0x90 } else { 0x10 })
        .collect();
    let talker = std::thread::spawn(move || {
        for n in 0..60u32 {
            let mut packet = vec![0x80, 0];
            packet.extend_from_slice(&(n as u16).to_be_bytes());
            packet.extend_from_slice(&(n * 160).to_be_bytes());
            packet.extend_from_slice(&77u32.to_be_bytes());
            packet.extend_from_slice(&payload);
            alice.send_to(&packet, alice_rtp).expect("sent");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let mut heard = 0;
    let mut loud = 0;
    let mut buffer = [0; 2000];
    let end = Instant::now() + PATIENCE;
    while loud < 20 && Instant::now() < end {
        let (length, _) = bob.recv_from(&mut buffer).expect("a packet");
        assert_eq!((length, buffer[1] & 0x7f), (172, 0), "20 ms of PCMU");
        heard += 1;
        let is_loud = buffer[12..length]
            .iter()
            .filter(|byte| (**byte & 0x7f) < 0x40)
            .count()
            > 100;
        loud += usize::from(is_loud);
    }
    assert!(loud >= 20, "{loud} of {heard} packets carry the tone");
    talker.join().expect("no panic");
}
