//! The loop of a load run: let everybody in, digits, settle, measure, time bursts, hang up.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

use super::browser::{self, Browser, Identity, Sound, encoded_silence};
use super::cost::{cpu_ms, resident_kib};
use super::dialog::{Dialog, index_of};
use super::entrance::{Admitted, Entrance};
use super::hearing::{self, Place, Tally};
use super::leg::{Leg, Listening, Media, Sounds, State};
use super::phone::Phone;
use super::report::{Kind, Standing, Times, Way, part};
use super::{Plan, Report};
use crate::audio::Rate;
use crate::codec::g711;

/// Packets of all legs are spread over so many parts of 20 ms.
const SLOTS: usize = 8;
const SLOT: Duration = Duration::from_micros(20_000 / SLOTS as u64);
/// Longest time to wait for the last answers after the last call was placed.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Time for PIN, greeting and joining before the window opens.
const SETTLE: Duration = Duration::from_secs(9);
/// Bursts of tone by which the way from mouth to ear is timed, and the silence before each.
const BURST: Duration = Duration::from_millis(317);
const SILENCE: Duration = Duration::from_millis(1500);
/// Listeners whose sound is checked; more say nothing new.
const CHECKED_MAX: usize = 200;
/// With more legs than these, packets are read in batches also while bursts are timed: to wake this
/// thread for each of them would keep the engine busy.
const PROMPT_LEGS_MAX: usize = 400;
/// Events of one reading; the rest comes with the next.
const EVENTS_MAX: usize = 4096;
const DATAGRAM_BYTES_MAX: usize = 4096;
/// The epoll data of the socket that phones share; that of a leg is twice its index, and one more
/// for its WebSocket.
const SIP: u64 = u64::MAX;

struct Loop<'p> {
    plan: &'p Plan,
    sip: UdpSocket,
    sip_local: SocketAddr,
    epoll: rustix::fd::OwnedFd,
    /// Phones first.
    legs: Vec<Leg>,
    entrance: Entrance,
    /// Browsers that have asked to join.
    asked: usize,
    shared: browser::Shared,
    sounds: Sounds,
    amplitude: f32,
    packet: Vec<u8>,
    next_slot: Instant,
    slot: usize,
    listening: Listening,
    /// Packets are read when they come, not once in a slot.
    prompt: bool,
    /// What talkers send, while the way from mouth to ear is timed.
    probe: Option<Probe>,
}

/// One burst of one talker; everybody else is silent.
#[derive(Clone, Copy)]
enum Probe {
    /// Nobody speaks.
    Silence,
    /// The leg with this index speaks from its next packet on.
    Armed(usize),
    /// It has spoken since.
    Spoken(usize, Instant),
}

/// Runs a load.
///
/// # Errors
/// The plan asks for what cannot be done, sockets cannot be had, or the engine lets browsers not
/// join; calls that fail are counted, not errors.
pub fn run(plan: &Plan) -> anyhow::Result<Report> {
    plan.check()?;
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
    let data = epoll::EventData::new_u64(SIP);
    epoll::add(&epoll, &sip, data, epoll::EventFlags::IN)?;
    let amplitude = hearing::amplitude(plan.phone_talkers() + plan.browser_talkers());
    let mut this = Loop {
        plan,
        sip,
        sip_local,
        epoll,
        legs: Vec::new(),
        entrance: Entrance::open(plan.browsers.http.clone()),
        asked: 0,
        shared: browser::Shared {
            identity: Identity::generate()?,
            silence: encoded_silence(),
        },
        sounds: Sounds {
            tones: (0..plan.phone_talkers())
                .map(|tone| encoded_tone(tone, amplitude))
                .collect(),
            silence: vec![0xff; 160],
        },
        amplitude,
        packet: Vec::with_capacity(200),
        next_slot: Instant::now(),
        slot: 0,
        listening: Listening::Off,
        prompt: false,
        probe: None,
    };
    this.measure()
}

impl Loop<'_> {
    fn measure(&mut self) -> anyhow::Result<Report> {
        let plan = self.plan;
        let memory = |pid: Option<u32>| pid.and_then(resident_kib);
        let before = memory(plan.pid);
        if let Err(refusal) = self.let_in() {
            self.hang_up()?;
            return Err(refusal);
        }
        self.turn_until(Instant::now() + SETTLE)?;

        self.listening = Listening::Window;
        let cpu_before = plan.pid.and_then(cpu_ms);
        let opened = Instant::now();
        self.turn_until(opened + plan.window)?;
        let window = opened.elapsed();
        let cpu_after = plan.pid.and_then(cpu_ms);
        self.listening = Listening::Off;
        let during = memory(plan.pid);

        let mut report = self.report(window);
        if let (Some(before), Some(after)) = (cpu_before, cpu_after) {
            let up = report.phones.up + report.browsers.up;
            let leg_seconds = up as f64 * window.as_secs_f64();
            report.cpu_ms_per_leg_s = Some((after - before) as f64 / leg_seconds.max(1e-9));
        }
        for from in [Kind::Phone, Kind::Browser] {
            report.mouth_to_ear.extend(self.time_bursts(from)?);
        }
        self.hang_up()?;
        if let (Some(before), Some(during), Some(after)) = (before, during, memory(plan.pid)) {
            report.resident_kib = Some((before, during, after));
        }
        Ok(report)
    }

    /// Places the calls of the phones, then those of the browsers, and waits for the answers.
    fn let_in(&mut self) -> anyhow::Result<()> {
        let plan = self.plan;
        let start = Instant::now();
        while self.legs.len() < plan.total() {
            let due = (start.elapsed().as_secs_f64() * plan.calls_per_s) as usize + 1;
            while self.legs.len() < due.min(plan.legs) {
                self.place_phone()?;
            }
            while self.legs.len() >= plan.legs && self.asked < due.min(plan.total()) - plan.legs {
                let room = plan.room_name(plan.room_of(self.asked));
                self.entrance.ask(self.asked, room);
                self.asked += 1;
                self.prompt = true;
            }
            if self.asked > 0
                && let Some((number, admitted)) = self.entrance.poll()?
            {
                self.place_browser(number, admitted)?;
                continue;
            }
            self.turn()?;
        }
        let patience = Instant::now() + ANSWER_WAIT;
        while self.legs.iter().any(Leg::is_coming_up) && Instant::now() < patience {
            self.turn()?;
        }
        self.prompt = false;
        Ok(())
    }

    /// From the sending of the first packet of a tone to the arrival of the first that is loud, at
    /// every other leg of the first room. The talkers of this kind take turns, as the way depends
    /// on how their packets fall into the engine's tick.
    fn time_bursts(&mut self, from: Kind) -> anyhow::Result<Vec<Way>> {
        let is_speaker = |leg: &&Leg| {
            let Place {
                kind, tone, room, ..
            } = leg.place;
            kind == from && tone.is_some() && room == 0 && leg.is_up()
        };
        let speakers: Vec<Place> = self
            .legs
            .iter()
            .filter(is_speaker)
            .map(|leg| leg.place)
            .collect();
        let mut times = Vec::new();
        self.prompt = self.legs.len() <= PROMPT_LEGS_MAX;
        for speaker in speakers.iter().cycle().take(match speakers.len() {
            0 => 0,
            _ => self.plan.bursts,
        }) {
            // Decoders keep a tail of what they heard last, so they hear the silence too.
            self.listening = Listening::Burst(self.amplitude as u16);
            self.probe = Some(Probe::Silence);
            self.turn_until(Instant::now() + SILENCE)?;
            self.legs.iter_mut().for_each(|leg| leg.ear.loud_at = None);
            self.probe = Some(Probe::Armed(speaker.index));
            self.turn_until(Instant::now() + BURST)?;
            self.listening = Listening::Off;
            let Some(Probe::Spoken(_, at)) = self.probe else {
                continue;
            };
            let hear = self.plan.browsers.hear;
            let listeners = self
                .legs
                .iter()
                .filter(|leg| leg.place.should_hear(speaker, hear));
            times.extend(listeners.filter_map(|leg| {
                let loud_at = leg.ear.loud_at?;
                Some((leg.place.kind, loud_at.saturating_duration_since(at)))
            }));
        }
        self.probe = None;
        self.prompt = false;
        let ways = [Kind::Phone, Kind::Browser].map(|to| {
            let of_kind = times.iter().filter(|(kind, _)| *kind == to);
            let times: Times = of_kind.map(|(_, time)| *time).collect();
            Way { from, to, times }
        });
        Ok(ways
            .into_iter()
            .filter(|way| way.times.count() > 0)
            .collect())
    }

    fn place_phone(&mut self) -> anyhow::Result<()> {
        let (plan, index) = (self.plan, self.legs.len());
        let place = Place {
            index,
            room: plan.room_of(index),
            kind: Kind::Phone,
            tone: plan.phone_tone(index),
        };
        let (socket, local) = self.media_socket(index)?;
        let uri = format!("sip:{}@{}", plan.number, plan.target);
        let dialog = Dialog::phone(index, uri, self.sip_local, local.port());
        let media = Media::Phone(Phone::new(index, plan.digits_of(place.room)));
        self.place(Leg::new(
            place,
            dialog,
            (socket, local),
            media,
            Instant::now(),
        ));
        Ok(())
    }

    fn place_browser(&mut self, number: usize, admitted: Admitted) -> anyhow::Result<()> {
        let (plan, index) = (self.plan, self.legs.len());
        let place = Place {
            index,
            room: plan.room_of(number),
            kind: Kind::Browser,
            tone: plan.browser_tone(number),
        };
        let Admitted {
            asked_at,
            user,
            domain,
            signalling,
        } = admitted;
        let data = epoll::EventData::new_u64(2 * index as u64 + 1);
        let flags = epoll::EventFlags::IN;
        epoll::add(&self.epoll, signalling.get_ref(), data, flags)?;
        let sound = place.tone.map(|tone| Sound {
            samples: hearing::tone(hearing::tone_hz(tone), self.amplitude, Rate::Hz48000).into(),
            below: -hearing::level_dbov(self.amplitude) as u8,
        });
        let (socket, local) = self.media_socket(index)?;
        let joined = (asked_at, signalling);
        let browser = Browser::new(index, local, sound, joined, &self.shared)?;
        let dialog = Dialog::browser(index, &user, &domain, &plan.room_name(place.room));
        let media = Media::Browser(Box::new(browser));
        self.place(Leg::new(
            place,
            dialog,
            (socket, local),
            media,
            Instant::now(),
        ));
        Ok(())
    }

    fn place(&mut self, mut leg: Leg) {
        leg.invite(&self.sip);
        self.legs.push(leg);
    }

    fn media_socket(&self, index: usize) -> anyhow::Result<(UdpSocket, SocketAddr)> {
        let socket = UdpSocket::bind((self.sip_local.ip(), 0)).context("no port for RTP")?;
        socket.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(2 * index as u64);
        epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
        let local = socket.local_addr()?;
        Ok((socket, local))
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
        while let Some(left) = self.next_slot.checked_duration_since(Instant::now()) {
            if self.prompt && !left.is_zero() {
                let timeout = Timespec::try_from(left)?;
                let mut ready = [PollFd::new(&self.epoll, PollFlags::IN)];
                poll(&mut ready, Some(&timeout))?;
                self.read()?;
            } else {
                std::thread::sleep(left);
                break;
            }
        }
        self.next_slot = (self.next_slot + SLOT).max(now);
        self.read()?;
        self.slot = (self.slot + 1) % SLOTS;
        for index in (self.slot..self.legs.len()).step_by(SLOTS) {
            self.tick(index);
        }
        Ok(())
    }

    fn tick(&mut self, index: usize) {
        let Some(leg) = self.legs.get_mut(index) else {
            return;
        };
        leg.handle_timeout(Instant::now(), &self.sip);
        let speaks = match self.probe {
            None => true,
            Some(Probe::Silence) => false,
            Some(Probe::Armed(speaker) | Probe::Spoken(speaker, _)) => speaker == index,
        };
        let sent = leg.speak(speaks, &self.sounds, &mut self.packet);
        if let (Some(Probe::Armed(speaker)), Some(sent)) = (self.probe, sent)
            && speaks
        {
            self.probe = Some(Probe::Spoken(speaker, sent));
        }
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        epoll::wait(
            &self.epoll,
            spare_capacity(&mut events),
            Some(&Timespec::default()),
        )?;
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        for event in events {
            let data = event.data.u64();
            if data == SIP {
                self.read_sip(&mut buffer);
                continue;
            }
            let Some(leg) = self.legs.get_mut(data as usize / 2) else {
                continue;
            };
            if data % 2 == 1 {
                leg.read_websocket(&self.sip);
                continue;
            }
            while let Ok(length) = leg.socket.recv(&mut buffer) {
                let datagram = buffer.get(..length).unwrap_or_default();
                leg.handle_datagram(Instant::now(), datagram, self.listening);
            }
            leg.flush();
        }
        Ok(())
    }

    fn read_sip(&mut self, buffer: &mut [u8]) {
        while let Ok(length) = self.sip.recv(buffer) {
            let Ok(text) = std::str::from_utf8(buffer.get(..length).unwrap_or_default()) else {
                continue;
            };
            if let Some(leg) = index_of(text).and_then(|index| self.legs.get_mut(index)) {
                leg.handle_sip(Instant::now(), text, &self.sip);
            }
        }
    }

    fn hang_up(&mut self) -> anyhow::Result<()> {
        for index in 0..self.legs.len() {
            if let Some(leg) = self.legs.get_mut(index)
                && leg.state == State::Up
            {
                leg.hang_up(Instant::now(), &self.sip);
            }
            if index % 50 == 0 {
                self.turn()?;
            }
        }
        let patience = Instant::now() + Duration::from_secs(10);
        while self.legs.iter().any(|leg| leg.state == State::Leaving) && Instant::now() < patience {
            self.turn()?;
        }
        self.turn_until(Instant::now() + Duration::from_secs(2))
    }

    fn report(&self, window: Duration) -> Report {
        let up: Vec<&Leg> = self.legs.iter().filter(|leg| leg.is_up()).collect();
        let standing = |kind, planned| Standing {
            planned,
            up: up.iter().filter(|leg| leg.place.kind == kind).count(),
        };
        let failed = self.legs.iter().filter_map(|leg| match leg.state {
            State::Failed(code) => Some(code),
            State::Inviting => Some(408),
            State::Up | State::Leaving | State::Done => None,
        });
        let browsers = || {
            self.legs.iter().filter_map(|leg| match &leg.media {
                Media::Browser(browser) => Some(browser),
                Media::Phone(_) => None,
            })
        };
        let problems: BTreeSet<&str> = browsers().filter_map(|one| one.problem()).collect();
        let times = || browsers().filter_map(|browser| browser.join_times());
        let mut off: Vec<u32> = up
            .iter()
            .flat_map(|leg| leg.ear.gaps_us.iter().map(|gap| gap.abs_diff(20_000)))
            .collect();
        off.sort_unstable();
        let Tally {
            heard,
            missed,
            leaked,
        } = self.tally(&up);
        Report {
            phones: standing(Kind::Phone, self.plan.legs),
            browsers: standing(Kind::Browser, self.plan.browsers.count),
            failed: failed.collect(),
            problems: problems.into_iter().map(str::to_owned).collect(),
            window,
            answers: self
                .legs
                .iter()
                .filter_map(|leg| leg.answered_after)
                .collect(),
            joins: times().map(|(join, _)| join).collect(),
            secured: times().map(|(_, invite)| invite).collect(),
            received: up.iter().map(|leg| leg.ear.received).sum(),
            lost: up.iter().map(|leg| leg.ear.lost).sum(),
            jitter_us: (part(&off, 0.5), part(&off, 0.99), part(&off, 1.0)),
            heard,
            missed,
            leaked,
            ..Report::default()
        }
    }

    fn tally(&self, up: &[&Leg]) -> Tally {
        let mut tally = Tally::default();
        let tones = self.plan.phone_talkers() + self.plan.browser_talkers();
        let sent_dbov = hearing::level_dbov(self.amplitude);
        let hear = self.plan.browsers.hear;
        // Phones stand first, so those who are checked are taken from the whole row.
        let step = up.len().div_ceil(CHECKED_MAX).max(1);
        for listener in up.iter().step_by(step) {
            let expected: Vec<bool> = (0..tones)
                .map(|tone| {
                    let says = |leg: &&&Leg| leg.place.tone == Some(tone);
                    let mut talkers = up.iter().filter(says);
                    talkers.any(|talker| listener.place.should_hear(&talker.place, hear))
                })
                .collect();
            let ear = &listener.ear;
            tally.count(&expected, sent_dbov, (&ear.samples, ear.rate()));
        }
        tally
    }
}

/// A second of a tone as PCMU.
fn encoded_tone(tone: usize, amplitude: f32) -> Vec<u8> {
    let pcm = hearing::tone(hearing::tone_hz(tone), amplitude, Rate::Hz8000);
    let mut encoder = (g711::PCMU.encoder)();
    let mut out = Vec::new();
    for frame in pcm.chunks_exact(Rate::Hz8000.frame_samples()) {
        encoder.encode(frame, &mut out);
    }
    out
}
