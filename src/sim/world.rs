//! The world: one engine, one media core, one script host, phones and a network, under one clock.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::Rate;
use crate::codec::{CodecInfo, g711};
use crate::engine::{self, Catalog, Engine, Notice};
use crate::id::{FlowId, PlaybackId, Run, UnitId};
use crate::journal::Feed;
use crate::media::{self, Core, MediaSettings};
use crate::script::Host;
use crate::sip::login::User;
use crate::sip::{Flow, Transport};

use super::PhoneId;
use super::ear::{TONES, hears_tone, tone_of};
use super::files::Files;
use super::journal::Journal;
use super::late::{Late, Latency, Lates};
use super::network::{Faults, Network, Parcel};
use super::phone::{Phone, PhoneOptions, PhoneState};
use super::sockets::Sockets;

/// Unix time at which a simulation begins unless told otherwise: 2026-01-01 12:00:00 UTC.
const EPOCH_MS: u64 = 1_767_268_800_000;
/// Turns of the world at one instant; more is a loop without progress.
const TURNS_MAX: usize = 1_000_000;

/// What a world is made of.
pub struct Setup {
    /// Rules and programs.
    pub catalog: Arc<Catalog>,
    /// Compiled and runs them.
    pub host: Host,
    /// Limits of the engine.
    pub engine: engine::Settings,
    /// Settings of the media core.
    pub media: MediaSettings,
    /// What the network does.
    pub faults: Faults,
    /// How long scripts, sounds, sockets and files take.
    pub latency: Latency,
    /// Makes everything that is random.
    pub seed: u64,
    /// Whether [`World::replay`] works; it costs time.
    pub journal: bool,
    /// Unix time at which it begins, in milliseconds.
    pub started_ms: u64,
}

impl Setup {
    /// A world with defaults around rules and programs.
    pub fn new(catalog: Arc<Catalog>, host: Host) -> Setup {
        Setup {
            catalog,
            host,
            engine: engine::Settings::default(),
            media: MediaSettings::default(),
            faults: Faults::NONE,
            latency: Latency::NONE,
            seed: 1,
            journal: false,
            started_ms: EPOCH_MS,
        }
    }
}

/// See the module.
pub struct World {
    pub(super) now: Instant,
    start: Instant,
    pub(super) engine: Feed,
    pub(super) core: Core,
    pub(super) host: Host,
    network: Network,
    lates: Lates,
    pub(super) phones: Vec<Phone>,
    sockets: Sockets,
    /// WebSockets that are open, and the number of the last one that came after the phones' first.
    pub(super) open_flows: BTreeSet<FlowId>,
    pub(super) next_flow: u64,
    /// Phones without a network.
    pub(super) cut: BTreeSet<PhoneId>,
    files: Files,
    /// Every turn of a script brings the script host down.
    pub host_panics: bool,
    /// What happened, for people: one line per fact.
    timeline: Vec<String>,
    /// Facts that the engine told.
    pub notices: Vec<Notice>,
    /// Lines that scenarios logged.
    pub logs: Vec<String>,
    /// Guests that scenarios had removed.
    pub removed_users: Vec<String>,
    pub(super) journal: Option<Journal>,
}

impl World {
    /// A world at its beginning.
    pub fn new(setup: Setup) -> World {
        #[expect(clippy::disallowed_methods, reason = "there is no other first Instant")]
        let now = Instant::now();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&setup.seed.to_le_bytes());
        let journal = Journal::of(&setup, setup.started_ms, seed);
        let mut engine = Feed::new(
            Engine::new(setup.engine, (now, setup.started_ms), seed),
            now,
        );
        if setup.journal {
            engine.write();
        }
        engine.handle(now, engine::Input::Catalog(setup.catalog));
        World {
            now,
            start: now,
            engine,
            core: Core::new(setup.media, now, seed),
            host: setup.host,
            network: Network::new(setup.faults, setup.seed),
            lates: Lates::new(setup.latency, setup.seed),
            phones: Vec::new(),
            sockets: Sockets::default(),
            open_flows: BTreeSet::new(),
            next_flow: 1_000_000,
            cut: BTreeSet::new(),
            files: Files::default(),
            host_panics: false,
            timeline: Vec::new(),
            notices: Vec::new(),
            logs: Vec::new(),
            removed_users: Vec::new(),
            journal,
        }
    }

    /// A phone that offers PCMU over UDP.
    pub fn phone(&mut self, number: &str) -> PhoneId {
        self.phone_with(number, &g711::PCMU, |_| {})
    }

    /// A phone with a codec and other ways.
    pub fn phone_with(
        &mut self,
        number: &str,
        codec: &'static CodecInfo,
        change: impl FnOnce(&mut PhoneOptions),
    ) -> PhoneId {
        let id = PhoneId(self.phones.len());
        let mut options = PhoneOptions {
            codec,
            late_offer: false,
            info_digits: false,
            no_ack: false,
            answers_with: 200,
            web: false,
            headers: Vec::new(),
        };
        change(&mut options);
        let host = Ipv4Addr::from(0x0a01_0000 + id.0 as u32 + 1);
        let flow = Flow {
            id: FlowId(id.0 as u64 + 1),
            transport: if options.web {
                Transport::Ws
            } else {
                Transport::Udp
            },
            local: SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 5060)),
            remote: SocketAddr::from((host, 5060)),
        };
        if options.web {
            let user = User {
                name: number.to_owned(),
                display_name: String::new(),
                ha1: Vec::new(),
            };
            self.engine
                .handle(self.now, engine::Input::PutUser(Box::new(user)));
            let identity = Some(number.to_owned());
            self.engine
                .handle(self.now, engine::Input::FlowOpened { flow, identity });
            self.open_flows.insert(flow.id);
        }
        self.phones.push(Phone::new(id, number, options, flow));
        id
    }

    /// The phone itself, to look at.
    pub fn at(&self, phone: PhoneId) -> &Phone {
        &self.phones[phone.0]
    }

    /// Calls a number.
    pub fn dial(&mut self, phone: PhoneId, number: &str) {
        self.note(phone, format!("→ INVITE {number}"));
        let now = self.now;
        self.phones[phone.0].dial(now, number);
        self.settle();
    }

    /// Says where it is.
    pub fn register(&mut self, phone: PhoneId) {
        self.note(phone, "→ REGISTER".to_owned());
        let now = self.now;
        self.phones[phone.0].register(now);
        self.settle();
        self.advance(Duration::from_millis(100));
    }

    /// The engine knows nothing of this phone's user any more.
    pub fn forget_login(&mut self, phone: PhoneId) {
        let name = self.phones[phone.0].number.clone();
        self.engine
            .handle(self.now, engine::Input::RemoveUser(name));
    }

    /// Gives up before the answer.
    pub fn cancel(&mut self, phone: PhoneId) {
        self.note(phone, "→ CANCEL".to_owned());
        let now = self.now;
        self.phones[phone.0].cancel(now);
        self.settle();
    }

    /// Hangs up.
    pub fn hang_up(&mut self, phone: PhoneId) {
        self.note(phone, "→ BYE".to_owned());
        let now = self.now;
        self.phones[phone.0].hang_up(now);
        self.phones[phone.0].ear = None;
        self.settle();
    }

    /// Puts the call on hold or takes it back.
    pub fn hold(&mut self, phone: PhoneId, on: bool) {
        let now = self.now;
        self.phones[phone.0].hold(now, on);
        self.settle();
    }

    /// Presses keys, and waits until they have gone out.
    ///
    /// # Errors
    /// The phone has no media, or a key that no phone has.
    pub fn press(&mut self, phone: PhoneId, digits: &str) -> Result<(), String> {
        let now = self.now;
        if self.phones[phone.0].options.info_digits {
            for digit in digits.chars() {
                let body = format!("Signal={digit}\r\nDuration=160\r\n");
                self.phones[phone.0].info(now, None, "application/dtmf-relay", &body);
                self.settle();
                self.advance(Duration::from_millis(200));
            }
            return Ok(());
        }
        let ear = self.phones[phone.0]
            .ear
            .as_mut()
            .ok_or("the phone has no media")?;
        ear.press(digits)?;
        self.advance(Duration::from_millis(digits.len() as u64 * 200 + 100));
        Ok(())
    }

    /// The phone speaks its marker tone, or is silent.
    pub fn speak(&mut self, phone: PhoneId, on: bool) {
        if let Some(ear) = &mut self.phones[phone.0].ear {
            ear.speaks = on;
        }
    }

    /// Changes the network from here on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.network.set_faults(faults);
    }

    /// Other rules and programs, from here on.
    pub fn reload(&mut self, catalog: Arc<Catalog>) {
        if let Some(journal) = &mut self.journal {
            journal.note_catalog(&catalog);
        }
        self.engine
            .handle(self.now, engine::Input::Catalog(catalog));
        self.settle();
    }

    /// The engine takes no new calls from here on.
    pub fn drain(&mut self) {
        self.engine.handle(self.now, engine::Input::Drain);
        self.settle();
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// What the ids of the engine are named with.
    pub fn run(&self) -> Run {
        self.engine.engine().run()
    }

    /// What the engine counts.
    pub fn stats(&self) -> engine::Stats {
        self.engine.engine().stats()
    }

    /// What is left in the tables of engine, media core and simulator: nothing, some minutes after
    /// the last call has ended.
    pub fn leftovers(&self) -> Vec<(&'static str, usize)> {
        let mut left = self.engine.engine().leftovers();
        left.extend(self.core.leftovers());
        let own = [
            ("sockets", self.sockets.counts().0),
            ("addresses", self.sockets.counts().1),
            ("open recordings", self.files.open()),
            ("work that is not done", self.lates.len()),
        ];
        left.extend(own.into_iter().filter(|(_, count)| *count > 0));
        left
    }

    /// The engine ends every session.
    pub fn hang_up_all(&mut self) {
        self.engine.handle(self.now, engine::Input::HangUpAll);
        self.settle();
    }

    /// Whether the listener hears the marker tone of the talker, by the last half second of its
    /// sound.
    pub fn hears(&self, listener: PhoneId, talker: PhoneId) -> bool {
        let phones = self.phones.len();
        assert!(phones <= TONES, "{phones} phones have {TONES} tones");
        self.sound(listener, Duration::from_millis(500))
            .is_some_and(|(rate, samples)| hears_tone(&samples, rate, tone_of(talker)))
    }

    /// The last sound that a phone heard; nothing when it has no media.
    pub fn sound(&self, phone: PhoneId, length: Duration) -> Option<(Rate, Vec<i16>)> {
        Some(self.phones[phone.0].ear.as_ref()?.last(length))
    }

    /// Packets that a phone has received.
    pub fn packets_in(&self, phone: PhoneId) -> u64 {
        self.phones[phone.0]
            .ear
            .as_ref()
            .map_or(0, |ear| ear.packets_in)
    }

    /// Forgets what everybody has heard so far.
    pub fn forget_sound(&mut self) {
        for ear in self
            .phones
            .iter_mut()
            .filter_map(|phone| phone.ear.as_mut())
        {
            ear.forget();
        }
    }

    /// Lets time pass until something is so, `limit` at most.
    ///
    /// # Errors
    /// The time is over; the timeline so far.
    pub fn wait_for(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&World) -> bool,
    ) -> Result<(), String> {
        let end = self.now + limit;
        while !done(self) {
            if self.now >= end {
                let timeline = self.timeline.join("\n");
                return Err(format!("after {limit:?} still not: {what}\n{timeline}"));
            }
            self.advance(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until a text that contains `part` has been spoken to the phone, 30 s at most.
    ///
    /// # Errors
    /// It has not; the timeline so far.
    pub fn expect_said(&mut self, phone: PhoneId, part: &str) -> Result<(), String> {
        let what = format!("phone {} is told {part:?}", phone.0);
        self.wait_for(&what, Duration::from_secs(30), |world| {
            world.at(phone).said.iter().any(|text| text.contains(part))
        })
    }

    /// Waits until the call of a phone has come so far, 40 s at most.
    ///
    /// # Errors
    /// It has not; the timeline so far.
    pub fn expect_state(&mut self, phone: PhoneId, state: PhoneState) -> Result<(), String> {
        let what = format!("phone {} is {state:?}", phone.0);
        self.wait_for(&what, Duration::from_secs(40), |world| {
            world.at(phone).state == state
        })
    }

    /// What happened so far, one line per fact.
    pub fn timeline(&self) -> String {
        self.timeline.join("\n")
    }

    /// Lets time pass, jumping from deadline to deadline.
    pub fn advance(&mut self, length: Duration) {
        let end = self.now + length;
        loop {
            self.settle();
            let next = self.next_deadline();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                Some(_) | None => break,
            }
            self.fire();
        }
        self.now = end;
    }

    fn next_deadline(&self) -> Option<Instant> {
        let phones = self.phones.iter().filter_map(Phone::poll_timeout).min();
        [
            self.engine.poll_timeout(),
            self.core.poll_timeout(),
            self.network.poll_timeout(),
            self.lates.poll_timeout(),
            phones,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn fire(&mut self) {
        let now = self.now;
        while let Some(parcel) = self.network.arrive(now) {
            self.deliver(parcel);
        }
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        if self.core.poll_timeout().is_some_and(|at| at <= now) {
            self.core.handle_timeout(now);
        }
        for phone in &mut self.phones {
            if phone.poll_timeout().is_none_or(|at| at > now) {
                continue;
            }
            phone.handle_timeout(now);
            let Some(ear) = &mut phone.ear else { continue };
            if ear.poll_timeout() > now {
                continue;
            }
            let packets = ear.tick();
            let Some(remote) = phone.remote_rtp else {
                continue;
            };
            let Some((unit, channel)) = self.sockets.at(remote) else {
                continue;
            };
            for bytes in packets {
                let parcel = Parcel::RtpToCore {
                    unit,
                    channel,
                    from: phone.rtp,
                    bytes,
                };
                self.network.send(now, parcel);
            }
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        let now = self.now;
        if self.is_lost(&parcel) {
            return;
        }
        match parcel {
            Parcel::SipToEngine { flow, bytes } => {
                self.engine.handle(now, engine::Input::Sip { flow, bytes });
            }
            Parcel::SipToPhone { phone, bytes } => {
                let line = String::from_utf8_lossy(&bytes);
                let line = line.lines().next().unwrap_or_default().to_owned();
                self.note(phone, format!("← {line}"));
                self.phones[phone.0].handle_sip(now, bytes);
            }
            Parcel::RtpToCore {
                unit,
                channel,
                from,
                bytes,
            } => {
                self.core.handle_packet(now, unit, channel, from, &bytes);
            }
            Parcel::RtpToPhone { phone, bytes } => {
                if let Some(ear) = &mut self.phones[phone.0].ear {
                    ear.handle_packet(&bytes);
                }
            }
        }
        self.settle();
    }

    /// Carries everything that waits, until nothing does.
    pub(super) fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let mut quiet = true;
            while let Some(output) = self.engine.poll_output() {
                self.perform(output);
                quiet = false;
            }
            while let Some(output) = self.core.poll_output() {
                self.perform_media(output);
                quiet = false;
            }
            while let Some(work) = self.lates.done(self.now) {
                self.finish(work);
                quiet = false;
            }
            let (now, network, phones) = (self.now, &mut self.network, &self.phones);
            self.core.drain_packets(|_, channel, to, bytes| {
                let phone = phones.iter().find(|phone| phone.rtp == to);
                if let (Some(phone), media::Channel::Rtp) = (phone, channel) {
                    let parcel = Parcel::RtpToPhone {
                        phone: phone.id,
                        bytes: bytes.to_vec(),
                    };
                    network.send(now, parcel);
                }
            });
            for phone in &mut self.phones {
                for bytes in phone.outbox.drain(..) {
                    let parcel = Parcel::SipToEngine {
                        flow: phone.flow,
                        bytes,
                    };
                    self.network.send(now, parcel);
                    quiet = false;
                }
            }
            if quiet {
                return;
            }
        }
        panic!("the world does not come to rest\n{}", self.timeline());
    }

    fn perform(&mut self, output: engine::Output) {
        let now = self.now;
        self.note_output(&output);
        match output {
            engine::Output::Sip { flow, bytes } => {
                let phone = self
                    .phones
                    .iter()
                    .find(|phone| phone.flow.remote == flow.remote);
                let open = !flow.transport.is_web() || self.open_flows.contains(&flow.id);
                if let Some(phone) = phone.filter(|_| open) {
                    let parcel = Parcel::SipToPhone {
                        phone: phone.id,
                        bytes,
                    };
                    self.network.send(now, parcel);
                }
            }
            engine::Output::Media(command) => self.core.handle_command(now, command),
            engine::Output::Script(job) => {
                self.lates.begin(now, Late::Script(job));
            }
            engine::Output::Clip { id, sound } => {
                let result = self.files.make_clip(id, sound);
                self.lates.begin(now, Late::Clip(id, result));
            }
            engine::Output::OpenRecording { unit, name } => {
                let url = self.files.record(unit, &name);
                self.lates.begin(now, Late::Opened(unit, url));
            }
            engine::Output::RemoveUser { name } => {
                self.engine
                    .handle(now, engine::Input::RemoveUser(name.clone()));
                self.removed_users.push(name);
            }
            engine::Output::Notice(notice) => self.notices.push(notice),
            engine::Output::Log { text, .. } => {
                let line = format!("{:>9.3} s  script  {text}", self.elapsed().as_secs_f64());
                self.timeline.push(line);
                self.logs.push(text);
            }
        }
    }

    fn perform_media(&mut self, output: media::Output) {
        let now = self.now;
        match output {
            media::Output::Bind { unit, shared: true } => {
                let error = "simulated callers have no WebRTC".to_owned();
                self.lates.begin(now, Late::Bound(unit, Err(error)));
            }
            media::Output::Bind {
                unit,
                shared: false,
            } => {
                let bound = self.sockets.bind(unit);
                self.lates.begin(now, Late::Bound(unit, Ok(bound)));
            }
            media::Output::Unbind { unit } => self.sockets.unbind(unit),
            media::Output::Event(event) => {
                if let media::Event::PlaybackStarted { unit, playback } = &event {
                    self.note_said(*unit, *playback);
                }
                self.engine.handle(now, engine::Input::Media(event));
            }
            media::Output::Record {
                unit,
                rate,
                samples,
                ..
            } => {
                self.files.write(unit, rate, samples.len());
            }
            media::Output::RecordEnd { unit } => {
                let recorded = self.files.end(unit);
                self.lates.begin(now, Late::Recorded(unit, Ok(recorded)));
            }
        }
    }

    /// Everybody who hears the unit is told what plays on it.
    fn note_said(&mut self, unit: UnitId, playback: PlaybackId) {
        let Some(text) = self.files.said(playback) else {
            return;
        };
        let mut listeners = vec![unit];
        for (listener, sources) in self.core.hears() {
            if sources.contains(&unit) {
                listeners.push(listener);
            }
        }
        listeners.sort_unstable();
        listeners.dedup();
        for listener in listeners {
            let Some(rtp) = self.sockets.rtp_of(listener) else {
                continue;
            };
            let found = self
                .phones
                .iter()
                .find(|phone| phone.remote_rtp == Some(rtp));
            let Some(phone) = found.map(|phone| phone.id) else {
                continue;
            };
            self.note(phone, format!("⇐ {text:?}"));
            self.phones[phone.0].said.push(text.clone());
        }
    }

    pub(super) fn note(&mut self, phone: PhoneId, what: String) {
        let elapsed = self.elapsed().as_secs_f64();
        self.timeline
            .push(format!("{elapsed:>9.3} s  phone {}  {what}", phone.0));
    }
}
