//! The loop of a load run: ramp up, digits, settle, measure, hang up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::call::{Call, State, header, tone_of};
use super::cost::{cpu_ms, resident_kib};
use super::{Plan, Report};
use crate::audio::{Rate, tone_level_dbov};
use crate::codec::g711;

/// Packets of all calls are spread over so many parts of 20 ms.
const SLOTS: usize = 8;
const SLOT: Duration = Duration::from_micros(20_000 / SLOTS as u64);
/// Longest time to wait for the last answers after the last call was placed.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Time for PIN, greeting and joining before the window opens.
const SETTLE: Duration = Duration::from_secs(9);
/// A tone louder than this is heard; talkers send −13 dBov.
const HEARD_DBOV: f32 = -30.0;
/// A tone louder than this leaks where it must not be heard.
const LEAK_DBOV: f32 = -45.0;
/// Bursts of tone by which the way from mouth to ear is timed, and the silence before each.
const BURSTS: usize = 12;
const BURST: Duration = Duration::from_millis(317);
const SILENCE: Duration = Duration::from_millis(1500);
/// Listeners whose sound is checked; more say nothing new.
const CHECKED_MAX: usize = 200;

struct Loop<'p> {
    plan: &'p Plan,
    sip: UdpSocket,
    sip_local: SocketAddr,
    epoll: rustix::fd::OwnedFd,
    calls: Vec<Call>,
    tones: Vec<Vec<u8>>,
    silence: Vec<u8>,
    packet: Vec<u8>,
    next_slot: Instant,
    slot: usize,
    listening: bool,
    /// What talkers send, while the way from mouth to ear is timed.
    probe: Option<Probe>,
}

/// One burst of the first talker; everybody else is silent.
#[derive(Clone, Copy)]
enum Probe {
    /// Nobody speaks.
    Silence,
    /// The first talker speaks from its next packet on.
    Armed,
    /// It has spoken since.
    Spoken(Instant),
}

/// Runs a load.
///
/// # Errors
/// Sockets cannot be had; calls that fail are counted, not errors.
pub fn run(plan: &Plan) -> anyhow::Result<Report> {
    let any = match plan.target.ip() {
        ip if ip.is_loopback() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let sip = UdpSocket::bind((any, 0)).context("no port for SIP")?;
    sip.connect(plan.target)
        .with_context(|| format!("{} is out of reach", plan.target))?;
    sip.set_nonblocking(true)?;
    let sip_local = sip.local_addr()?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &sip,
        epoll::EventData::new_u64(u64::MAX),
        epoll::EventFlags::IN,
    )?;
    let mut this = Loop {
        plan,
        sip,
        sip_local,
        epoll,
        calls: Vec::new(),
        tones: (0..plan.talkers)
            .map(|place| encoded_tone(tone_of(place)))
            .collect(),
        silence: vec![0xff; 160],
        packet: Vec::with_capacity(200),
        next_slot: Instant::now(),
        slot: 0,
        listening: false,
        probe: None,
    };
    this.measure()
}

impl Loop<'_> {
    fn measure(&mut self) -> anyhow::Result<Report> {
        let plan = self.plan;
        let memory = |pid: Option<u32>| pid.and_then(resident_kib);
        let before = memory(plan.pid);
        let start = Instant::now();
        while self.calls.len() < plan.legs {
            let due = (start.elapsed().as_secs_f64() * plan.calls_per_s) as usize + 1;
            while self.calls.len() < due.min(plan.legs) {
                self.place_call()?;
            }
            self.turn()?;
        }
        let patience = Instant::now() + ANSWER_WAIT;
        while self.calls.iter().any(|call| call.state == State::Inviting)
            && Instant::now() < patience
        {
            self.turn()?;
        }
        self.turn_until(Instant::now() + SETTLE)?;

        self.listening = true;
        let cpu_before = plan.pid.and_then(cpu_ms);
        let opened = Instant::now();
        self.turn_until(opened + plan.window)?;
        let window = opened.elapsed();
        let cpu_after = plan.pid.and_then(cpu_ms);
        self.listening = false;
        let during = memory(plan.pid);

        let mut report = self.report(window);
        if let (Some(before), Some(after)) = (cpu_before, cpu_after) {
            let leg_seconds = report.up as f64 * window.as_secs_f64();
            report.cpu_ms_per_leg_s = Some((after - before) as f64 / leg_seconds.max(1e-9));
        }
        report.mouth_to_ear = self.time_bursts()?;
        self.hang_up()?;
        if let (Some(before), Some(during), Some(after)) = (before, during, memory(plan.pid)) {
            report.resident_kib = Some((before, during, after));
        }
        Ok(report)
    }

    /// From the sending of the first packet of a tone to the arrival of the first that is loud, at
    /// every other call of the room, sorted. The 20 ms that a packet holds are not in it.
    fn time_bursts(&mut self) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::new();
        if self.plan.talkers == 0 {
            return Ok(times);
        }
        for _ in 0..BURSTS {
            self.probe = Some(Probe::Silence);
            self.turn_until(Instant::now() + SILENCE)?;
            for call in &mut self.calls {
                call.loud_at = None;
            }
            self.probe = Some(Probe::Armed);
            self.turn_until(Instant::now() + BURST)?;
            let Some(Probe::Spoken(at)) = self.probe else {
                continue;
            };
            let room = self.calls.first().map(|call| call.room);
            let listeners = self
                .calls
                .iter()
                .skip(1)
                .filter(|call| Some(call.room) == room);
            times.extend(listeners.filter_map(|call| Some(call.loud_at?.duration_since(at))));
        }
        self.probe = None;
        times.sort_unstable();
        Ok(times)
    }

    fn place_call(&mut self) -> anyhow::Result<()> {
        let index = self.calls.len();
        let rtp = UdpSocket::bind((self.sip_local.ip(), 0)).context("no port for RTP")?;
        rtp.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &rtp, data, epoll::EventFlags::IN)?;
        let call = Call::new(index, self.plan, rtp, self.sip_local, Instant::now())?;
        self.send_sip(&call.invite());
        self.calls.push(call);
        Ok(())
    }

    fn send_sip(&self, text: &str) {
        // A datagram that the system does not take is repeated like one that the network loses.
        let _ = self.sip.send(text.as_bytes());
    }

    fn turn_until(&mut self, until: Instant) -> anyhow::Result<()> {
        while Instant::now() < until {
            self.turn()?;
        }
        Ok(())
    }

    /// One slot: waits for it, reads all that is there, sends what is due.
    fn turn(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        if now < self.next_slot {
            std::thread::sleep(self.next_slot - now);
        }
        self.next_slot = (self.next_slot + SLOT).max(now);
        self.read()?;
        self.slot = (self.slot + 1) % SLOTS;
        for index in (self.slot..self.calls.len()).step_by(SLOTS) {
            self.tick(index);
        }
        Ok(())
    }

    fn tick(&mut self, index: usize) {
        let now = Instant::now();
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        if call.resend_at.is_some_and(|at| at <= now) {
            call.resend_at = Some(now + Duration::from_secs(1));
            let text = match call.state {
                State::Inviting => Some(call.invite()),
                State::Leaving => Some(call.bye()),
                State::Up | State::Done | State::Failed(_) => None,
            };
            if let Some(text) = text {
                let _ = self.sip.send(text.as_bytes());
            }
        }
        if call.state != State::Up {
            return;
        }
        let Some(remote) = call.remote_rtp else {
            return;
        };
        let place = call.index / self.plan.rooms;
        let mut tone = self.tones.get(place).unwrap_or(&self.silence);
        match (self.probe, index) {
            (Some(Probe::Armed), 0) => self.probe = Some(Probe::Spoken(now)),
            (None, _) | (Some(Probe::Spoken(_)), 0) => {}
            (Some(_), _) => tone = &self.silence,
        }
        call.next_packet(tone, &self.silence, &mut self.packet);
        let _ = call.rtp.send_to(&self.packet, remote);
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(4096);
        epoll::wait(
            &self.epoll,
            spare_capacity(&mut events),
            Some(&Timespec::default()),
        )?;
        let mut buffer = [0; 4096];
        for event in events {
            let index = event.data.u64();
            if index == u64::MAX {
                self.read_sip(&mut buffer);
                continue;
            }
            let listening = self.listening;
            let Some(call) = self.calls.get_mut(index as usize) else {
                continue;
            };
            while let Ok(length) = call.rtp.recv(&mut buffer) {
                let packet = buffer.get(..length).unwrap_or_default();
                let mut decode = |payload: &[u8], out: &mut Vec<i16>| decode_pcmu(payload, out);
                call.handle_rtp(Instant::now(), packet, &mut decode, listening);
            }
        }
        Ok(())
    }

    fn read_sip(&mut self, buffer: &mut [u8]) {
        while let Ok(length) = self.sip.recv(buffer) {
            let Ok(text) = std::str::from_utf8(buffer.get(..length).unwrap_or_default()) else {
                continue;
            };
            if !text.starts_with("SIP/2.0 ") {
                self.answer_request(text);
                continue;
            }
            let index = header(text, "call-id")
                .and_then(|id| id.strip_prefix("load-"))
                .and_then(|id| id.split('-').next()?.parse::<usize>().ok());
            let Some(call) = index.and_then(|index| self.calls.get_mut(index)) else {
                continue;
            };
            if let Some(reply) = call.handle_response(Instant::now(), text) {
                let _ = self.sip.send(reply.as_bytes());
            }
        }
    }

    /// The engine hung up, or asks something: 200.
    fn answer_request(&mut self, text: &str) {
        let mut reply = "SIP/2.0 200 OK\r\n".to_owned();
        for line in text.lines().skip(1).take_while(|line| !line.is_empty()) {
            let name = line
                .split(':')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            if matches!(name.as_str(), "via" | "from" | "to" | "call-id" | "cseq") {
                reply.push_str(line);
                reply.push_str("\r\n");
            }
        }
        reply.push_str("Content-Length: 0\r\n\r\n");
        self.send_sip(&reply);
        let index = header(text, "call-id")
            .and_then(|id| id.strip_prefix("load-"))
            .and_then(|id| id.split('-').next()?.parse::<usize>().ok());
        if let Some(call) = index.and_then(|index| self.calls.get_mut(index))
            && text.starts_with("BYE ")
            && call.state == State::Up
        {
            call.state = State::Failed(0);
        }
    }

    fn hang_up(&mut self) -> anyhow::Result<()> {
        for index in 0..self.calls.len() {
            let Some(call) = self.calls.get_mut(index) else {
                continue;
            };
            if call.state == State::Up {
                call.state = State::Leaving;
                call.resend_at = Some(Instant::now() + Duration::from_secs(1));
                let bye = call.bye();
                self.send_sip(&bye);
            }
            if index % 50 == 0 {
                self.turn()?;
            }
        }
        let patience = Instant::now() + Duration::from_secs(10);
        while self.calls.iter().any(|call| call.state == State::Leaving)
            && Instant::now() < patience
        {
            self.turn()?;
        }
        self.turn_until(Instant::now() + Duration::from_secs(2))
    }

    fn report(&self, window: Duration) -> Report {
        let up: Vec<&Call> = self
            .calls
            .iter()
            .filter(|call| call.state == State::Up)
            .collect();
        let failed = self.calls.iter().filter_map(|call| match call.state {
            State::Failed(code) => Some(code),
            State::Inviting => Some(408),
            State::Up | State::Leaving | State::Done => None,
        });
        let mut answers: Vec<Duration> = self
            .calls
            .iter()
            .filter_map(|call| call.answered_after)
            .collect();
        answers.sort_unstable();
        let mut off: Vec<u32> = up
            .iter()
            .flat_map(|call| call.heard.gaps_us.iter().map(|gap| gap.abs_diff(20_000)))
            .collect();
        off.sort_unstable();
        let mut report = Report {
            legs: self.plan.legs,
            up: up.len(),
            failed: failed.collect(),
            window,
            answer_p50_p99: (part(&answers, 0.5), part(&answers, 0.99)),
            received: up.iter().map(|call| call.heard.received).sum(),
            lost: up.iter().map(|call| call.heard.lost).sum(),
            jitter_us: (part(&off, 0.5), part(&off, 0.99), part(&off, 1.0)),
            ..Report::default()
        };
        for listener in up.iter().take(CHECKED_MAX) {
            self.check_listener(listener, &up, &mut report);
        }
        report
    }

    fn check_listener(&self, listener: &Call, up: &[&Call], report: &mut Report) {
        for place in 0..self.plan.talkers {
            let hz = tone_of(place);
            let level = tone_level_dbov(&listener.heard.samples, Rate::Hz8000, hz);
            let talks = |call: &&&Call| call.room == listener.room && call.tone_hz == Some(hz);
            let talker = up.iter().find(talks);
            let expected = talker.is_some_and(|talker| talker.index != listener.index);
            match (expected, level > HEARD_DBOV, level > LEAK_DBOV) {
                (true, true, _) => report.heard += 1,
                (true, false, _) => report.missed += 1,
                (false, _, true) => report.leaked += 1,
                (false, _, false) => {}
            }
        }
    }
}

/// The value at a part (0 to 1) of sorted values; zero when there are none.
fn part<T: Copy + Default>(sorted: &[T], at: f64) -> T {
    let index = ((sorted.len() as f64 - 1.0).max(0.0) * at).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// A second of a tone at −13 dBov as PCMU.
fn encoded_tone(hz: f32) -> Vec<u8> {
    let step = std::f32::consts::TAU * hz / 8000.0;
    let pcm: Vec<i16> = (0..8000)
        .map(|n| ((n as f32 * step).sin() * 10_300.0) as i16)
        .collect();
    let mut encoder = (g711::PCMU.encoder)();
    let mut out = Vec::new();
    for frame in pcm.chunks_exact(160) {
        encoder.encode(frame, &mut out);
    }
    out
}

fn decode_pcmu(payload: &[u8], out: &mut Vec<i16>) {
    let mut decoder = (g711::PCMU.decoder)();
    // PCMU takes any byte, so there is no payload that it refuses.
    let _ = decoder.decode(payload, out);
}
