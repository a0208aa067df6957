//! Browsers in virtual time: the crate's full ICE agent, DTLS client or server and SRTP contexts on
//! the other side of our lite agent.

use bytes::BytesMut;
use proptest::prelude::*;
use rtc::crypto::{self, HashAlgorithm, RTCCryptoProvider};
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile as Profile;
use rtc::ice::agent::agent_config::AgentConfig;
use rtc::ice::agent::{Agent, Event as IceEvent};
use rtc::ice::candidate::CandidateConfig;
use rtc::ice::candidate::candidate_host::CandidateHostConfig;
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc::srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::*;
use crate::run::identity;

const GCM: Profile = Profile::Srtp_Aead_Aes_128_Gcm;
const GCM_256: Profile = Profile::Srtp_Aead_Aes_256_Gcm;
const CM: Profile = Profile::Srtp_Aes128_Cm_Hmac_Sha1_80;
/// The id of the audio level in browsers' packets.
const LEVEL_ID: u8 = 3;
const MIXER: u64 = 900;

/// What a browser is like.
#[derive(Clone, Copy)]
struct Kind {
    codec: &'static str,
    profile: Profile,
    /// It opens the DTLS association.
    active: bool,
    tells_level: bool,
}

const CHROME: Kind = Kind {
    codec: "opus",
    profile: GCM,
    active: true,
    tells_level: true,
};

struct Browser {
    id: u64,
    address: SocketAddr,
    agent: Agent,
    local: IceCredentials,
    remote: IceCredentials,
    connected: bool,
    endpoint: Endpoint,
    client: Option<Arc<HandshakeConfig>>,
    fingerprint_sha256: [u8; 32],
    srtp: Option<(Context, Context)>,
    sends: bool,
    /// Genuine packets as they went out, SRTP and others.
    sent: Vec<Vec<u8>>,
    /// Media: a telephone's, whose packets are protected.
    peer: Peer,
    closed: bool,
    next_at: Instant,
    rtcp_in: usize,
}

/// A core with telephones and browsers.
struct Web {
    world: World,
    browsers: Vec<Browser>,
    /// Wall time in the core.
    spent: Duration,
}

fn provider() -> Arc<dyn RTCCryptoProvider> {
    crypto::default_provider().expect("ring")
}

fn credentials(side: &str, number: u64) -> IceCredentials {
    IceCredentials {
        ufrag: format!("{side}{number:04}"),
        pwd: format!("{side}-password-of-{number:010}"),
    }
}

fn agent(now: Instant, local: &IceCredentials, address: SocketAddr) -> Agent {
    let config = AgentConfig {
        local_ufrag: local.ufrag.clone(),
        local_pwd: local.pwd.clone(),
        is_controlling: true,
        ..AgentConfig::default()
    };
    let mut agent = Agent::new(now, Arc::new(config), provider()).expect("an agent");
    agent
        .add_local_candidate(candidate(address))
        .expect("a candidate");
    agent
}

fn candidate(address: SocketAddr) -> rtc::ice::candidate::Candidate {
    let base_config = CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..CandidateConfig::default()
    };
    let host = CandidateHostConfig {
        base_config,
        ..CandidateHostConfig::default()
    };
    host.new_candidate_host().expect("a candidate")
}

impl Browser {
    fn new(now: Instant, id: u64, kind: Kind, voice: Option<usize>) -> Browser {
        let provider = provider();
        let certificate =
            Certificate::generate_self_signed(vec!["browser".to_owned()], provider.crypto())
                .expect("a certificate");
        let hash = provider
            .crypto()
            .hash(HashAlgorithm::Sha256, &certificate.certificate[0])
            .expect("SHA-256");
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![kind.profile])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .build(kind.active, None)
            .map(Arc::new)
            .expect("a configuration");
        let (client, server) = match kind.active {
            true => (Some(config), None),
            false => (None, Some(config)),
        };
        let address = SocketAddr::from(([198, 51, 100, 7], 40_000 + id as u16));
        let local = credentials("theirs", id);
        Browser {
            id,
            address,
            agent: agent(now, &local, address),
            local,
            remote: credentials("ours", id),
            connected: false,
            endpoint: Endpoint::new(address, TransportProtocol::UDP, server),
            client,
            fingerprint_sha256: hash.try_into().expect("32 bytes"),
            srtp: None,
            sends: true,
            sent: Vec::new(),
            peer: Peer::new(id, codec(kind.codec), voice, now),
            closed: false,
            next_at: now,
            rtcp_in: 0,
        }
    }

    fn start(&mut self, now: Instant) {
        self.agent
            .add_remote_candidate(candidate(SHARED))
            .expect("a candidate");
        let IceCredentials { ufrag, pwd } = self.remote.clone();
        self.agent
            .start_connectivity_checks(now, true, ufrag, pwd)
            .expect("a start");
    }

    /// Everything that goes out at `now`.
    fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        if self.closed {
            return out;
        }
        if self.agent.poll_timeout().is_some_and(|due| due <= now) {
            self.agent.handle_timeout(now).expect("a tick");
        }
        while let Some(message) = self.agent.poll_write() {
            out.push(message.message.to_vec());
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceEvent::SelectedCandidatePairChange(..) = event.event
                && !std::mem::replace(&mut self.connected, true)
                && let Some(client) = self.client.clone()
            {
                self.endpoint
                    .connect(now, SHARED, client, None)
                    .expect("a ClientHello");
            }
        }
        // Refused when there is no association yet, or none any more.
        let _ = self.endpoint.handle_timeout(SHARED, now);
        while let Some(transmit) = self.endpoint.poll_transmit() {
            out.push(transmit.message.to_vec());
        }
        if self.next_at <= now {
            self.next_at += Duration::from_millis(20);
            out.extend(self.speak());
        }
        self.sent.extend(out.iter().cloned());
        out
    }

    fn speak(&mut self) -> Option<Vec<u8>> {
        self.srtp.as_ref()?;
        let loud = self.peer.voice.is_some();
        let plain = self.peer.packet()?;
        self.sends
            .then(|| self.protect(&with_level(&plain, if loud { 20 } else { 127 })))
    }

    fn protect(&mut self, plain: &[u8]) -> Vec<u8> {
        let (outgoing, _) = self.srtp.as_mut().expect("connected");
        outgoing.encrypt_rtp(plain).expect("a key").to_vec()
    }

    fn handle(&mut self, now: Instant, datagram: &[u8]) {
        match datagram[0] {
            0..=3 => {
                let transport = TransportContext {
                    local_addr: self.address,
                    peer_addr: SHARED,
                    ecn: None,
                    transport_protocol: TransportProtocol::UDP,
                };
                let message = BytesMut::from(datagram);
                let read = self.agent.handle_read(TaggedBytesMut {
                    now,
                    transport,
                    message,
                });
                read.expect("an answer with integrity");
            }
            20..=63 => {
                let data = BytesMut::from(datagram);
                let events = self.endpoint.read(now, SHARED, None, data);
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => self.keys(),
                        EndpointEvent::PeerClosed => self.closed = true,
                        _ => {}
                    }
                }
            }
            _ => self.handle_media(now, datagram),
        }
    }

    fn handle_media(&mut self, _: Instant, datagram: &[u8]) {
        let Some((_, incoming)) = &mut self.srtp else {
            return;
        };
        if rtp::is_rtcp(datagram) {
            let plain = incoming.decrypt_rtcp(datagram).expect("genuine RTCP");
            rtp::rtcp::parse(&plain).expect("RTCP");
            self.rtcp_in += 1;
            return;
        }
        let plain = incoming.decrypt_rtp(datagram).expect("genuine RTP");
        let to = self.peer.address;
        self.peer.hear(0, Channel::Shared, to, &plain);
    }

    fn keys(&mut self) {
        let state = self
            .endpoint
            .get_connection_state(SHARED)
            .expect("complete");
        let profile = match state.srtp_protection_profile() {
            Profile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            Profile::Srtp_Aead_Aes_256_Gcm => ProtectionProfile::AeadAes256Gcm,
            Profile::Srtp_Aes128_Cm_Hmac_Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            _ => panic!("a profile of ours"),
        };
        let mut config = Config {
            profile,
            ..Config::default()
        };
        let length = config.keying_material_len();
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
            .expect("keys");
        config
            .set_session_keys_from_keying_material(material.as_ref(), state.is_client())
            .expect("keys");
        let (keys, provider) = (config.keys, provider());
        let context = |key: &[u8], salt: &[u8]| {
            Context::new(key, salt, profile, None, None, provider.crypto()).expect("a context")
        };
        self.srtp = Some((
            context(&keys.local_master_key, &keys.local_master_salt),
            context(&keys.remote_master_key, &keys.remote_master_salt),
        ));
    }
}

/// The packet with the level of its audio in a header extension, 0 to 127 below full scale.
fn with_level(plain: &[u8], below: u8) -> Vec<u8> {
    let mut packet = plain[..12].to_vec();
    packet[0] |= 0x10;
    packet.extend_from_slice(&[0xbe, 0xde, 0, 1, LEVEL_ID << 4, below, 0, 0]);
    packet.extend_from_slice(&plain[12..]);
    packet
}

impl Web {
    fn new() -> Web {
        let settings = MediaSettings {
            identity: Some(identity::generate().expect("a certificate")),
            ..MediaSettings::default()
        };
        Web {
            world: World::with(settings),
            browsers: Vec::new(),
            spent: Duration::ZERO,
        }
    }

    fn open(&mut self, id: u64) {
        self.world.tell(Command::OpenLeg {
            unit: unit(id),
            kind: LegKind::WebRtc {
                ice: credentials("ours", id),
            },
        });
    }

    fn params(browser: &Browser, kind: Kind) -> StreamParams {
        let webrtc = WebRtcParams {
            local: browser.remote.clone(),
            remote: browser.local.clone(),
            fingerprint_sha256: browser.fingerprint_sha256,
            dtls_client: !kind.active,
            audio_level_extension: kind.tells_level.then_some(LEVEL_ID),
        };
        StreamParams {
            webrtc: Some(Box::new(webrtc)),
            ..World::params(browser.id, browser.peer.codec)
        }
    }

    fn update(&mut self, id: u64, params: StreamParams) {
        self.world.tell(Command::UpdateLeg {
            unit: unit(id),
            stream: Box::new(params),
        });
    }

    /// A browser that has our answer.
    fn browser(&mut self, id: u64, kind: Kind, voice: Option<usize>) {
        let mut browser = Browser::new(self.world.now, id, kind, voice);
        self.open(id);
        self.update(id, Self::params(&browser, kind));
        browser.start(self.world.now);
        self.browsers.push(browser);
    }

    fn of(&mut self, id: u64) -> &mut Browser {
        let found = self.browsers.iter_mut().find(|browser| browser.id == id);
        found.expect("a browser")
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            let now = self.world.now;
            for browser in &mut self.browsers {
                for datagram in browser.poll(now) {
                    let (from, before) = (browser.address, Instant::now());
                    self.world.core.handle_shared_packet(now, from, &datagram);
                    self.spent += before.elapsed();
                }
            }
            let before = Instant::now();
            self.world.collect();
            self.world.run(1);
            self.spent += before.elapsed();
            for (to, datagram) in std::mem::take(&mut self.world.shared) {
                let found = self.browsers.iter_mut().find(|b| b.address == to);
                if let Some(browser) = found {
                    browser.handle(self.world.now, &datagram);
                }
            }
        }
    }

    fn listen(&mut self, ms: u64) {
        for browser in &mut self.browsers {
            browser.peer.heard.clear();
            browser.peer.payloads.clear();
        }
        self.world.listen(0);
        self.run(ms);
    }

    fn inject(&mut self, from: SocketAddr, datagram: &[u8]) {
        let now = self.world.now;
        self.world.core.handle_shared_packet(now, from, datagram);
        self.world.collect();
    }

    /// The tones that a browser hears.
    fn hears(&self, id: u64) -> Vec<usize> {
        let browser = self.browsers.iter().find(|browser| browser.id == id);
        let peer = &browser.expect("a browser").peer;
        let level = |hz| tone_level(&peer.heard, peer.codec.audio_rate, hz);
        let loud = |tone: &usize| (level(TONES[*tone]) - TONE_DBOV).abs() < 3.0;
        (0..TONES.len()).filter(loud).collect()
    }

    fn lost(&self) -> Vec<(u64, Loss)> {
        let events = self.world.events.iter();
        let lost = events.filter_map(|(_, event)| match event {
            Event::LegLost { unit, loss } => Some((unit.0, loss.clone())),
            _ => None,
        });
        lost.collect()
    }

    /// Units that are not heard any more (false), and heard again (true).
    fn heard(&self) -> Vec<(u64, bool)> {
        let events = self.world.events.iter();
        let heard = events.filter_map(|(_, event)| match event {
            Event::MediaTimeout { unit } => Some((unit.0, false)),
            Event::MediaBack { unit } => Some((unit.0, true)),
            _ => None,
        });
        heard.collect()
    }

    fn connected(&self) -> usize {
        let connected = |event: &&(u64, Event)| matches!(event.1, Event::IceConnected { .. });
        self.world.events.iter().filter(connected).count()
    }

    /// Two browsers and a telephone in one conference, each with a tone of its own.
    fn conference(kinds: [Kind; 2]) -> Web {
        let mut web = Web::new();
        web.world.mixer(MIXER);
        for (id, kind) in [1, 2].into_iter().zip(kinds) {
            web.browser(id, kind, Some(id as usize));
        }
        web.world.phone(3, "PCMU", Some(3));
        web.world.join(&[(1, MIXER), (2, MIXER), (3, MIXER)]);
        web
    }
}

#[test]
fn browsers_and_a_telephone_hear_each_other() {
    let rows = [
        [CHROME, CHROME],
        [
            Kind {
                profile: CM,
                ..CHROME
            },
            Kind {
                profile: GCM_256,
                ..CHROME
            },
        ],
        [
            Kind {
                active: false,
                ..CHROME
            },
            Kind {
                codec: "PCMU",
                tells_level: false,
                ..CHROME
            },
        ],
    ];
    for (row, kinds) in rows.into_iter().enumerate() {
        let mut web = Web::conference(kinds);
        web.run(1500);
        assert_eq!(web.connected(), 2, "row {row}");
        web.listen(2000);
        assert_eq!(web.hears(1), [2, 3], "row {row}");
        assert_eq!(web.hears(2), [1, 3], "row {row}");
        web.world.assert_hears(3, &[1, 2], "the telephone");
        assert_eq!(web.lost(), [], "row {row}");
        web.run(15_000);
        assert_eq!(web.lost(), [], "consent is fresh");
        assert!(web.of(1).rtcp_in >= 2, "reports come");
        let quality = |event: &(u64, Event)| matches!(event.1, Event::Quality { .. });
        assert!(web.world.events.iter().any(quality));
        let refused = web.world.core.counters().refused;
        assert_eq!(refused, 0, "row {row}");
    }
}

#[test]
fn listeners_share_one_encoder_and_get_keys_of_their_own() {
    let mut web = Web::new();
    web.world.mixer(MIXER);
    web.browser(1, CHROME, Some(1));
    for id in 2..6 {
        web.browser(id, CHROME, None);
    }
    let pairs: Vec<(u64, u64)> = (1..6).map(|id| (id, MIXER)).collect();
    web.world.join(&pairs);
    web.run(1500);
    let before = web.world.core.counters();
    web.listen(1000);
    let after = web.world.core.counters();
    assert_eq!(web.hears(5), [1]);
    let payloads = web.of(2).peer.payloads.clone();
    assert_eq!(payloads, web.of(5).peer.payloads);
    assert_eq!(after.encodes - before.encodes, 50);
    assert_eq!(after.shared - before.shared, 150);
    // The four that say that they are silent are not decoded.
    let decoded = after.decoded - before.decoded;
    assert!((45..=55).contains(&decoded), "{decoded}");
    // One of them begins to speak and is heard from its first word on.
    web.of(4).peer.voice = Some(tone(Rate::Hz48000, TONES[4]));
    web.run(300);
    web.listen(500);
    assert_eq!(web.hears(5), [1, 4]);
}

#[test]
fn another_certificate_than_the_descriptions_is_refused() {
    for active in [true, false] {
        let mut web = Web::new();
        let kind = Kind { active, ..CHROME };
        let mut browser = Browser::new(web.world.now, 1, kind, Some(1));
        web.open(1);
        let right = browser.fingerprint_sha256;
        browser.fingerprint_sha256[31] ^= 1;
        web.update(1, Web::params(&browser, kind));
        browser.fingerprint_sha256 = right;
        browser.start(web.world.now);
        web.browsers.push(browser);
        web.run(3000);
        let problem = "certificate is not the one of the description";
        assert_eq!(web.lost(), [(1, Loss::Dtls(problem.into()))]);
        assert_eq!(web.connected(), 0);
        let sent = web.of(1).peer.payloads.len();
        assert_eq!(sent, 0, "no audio for strangers");
    }
}

#[test]
fn checks_without_integrity_teach_nothing() {
    let mut web = Web::conference([CHROME, CHROME]);
    web.run(5000);
    let stun = |datagram: &&Vec<u8>| datagram[..2] == [0, 1];
    let genuine = web.of(1).sent.iter().rfind(stun).expect("checks").clone();
    let use_candidate = [0, 0x25, 0, 0];
    let nominates = genuine.windows(4).any(|window| window == use_candidate);
    assert!(!nominates, "a later check nominates nobody");
    let stranger: SocketAddr = "203.0.113.99:5".parse().expect("an address");
    let sizes = web.world.core.shared.sizes();
    assert_eq!(sizes, (3 - 1, 2));
    let mut forged = genuine.clone();
    let length = forged.len();
    // The last byte of MESSAGE-INTEGRITY, before FINGERPRINT.
    forged[length - 9] ^= 1;
    let mut cut = genuine.clone();
    cut.truncate(length - 32);
    cut[3] -= 32;
    let refused = web.world.core.counters().refused;
    for datagram in [&forged, &cut] {
        web.inject(stranger, datagram);
    }
    assert_eq!(web.world.core.counters().refused, refused + 2);
    assert_eq!(web.world.core.shared.sizes(), sizes);
    assert_eq!(web.world.shared, [], "no answer");
    // A genuine one that comes from elsewhere is a new address of the peer's.
    web.inject(stranger, &genuine);
    assert_eq!(web.world.core.shared.sizes(), (2, 3));
    assert_eq!(web.world.shared.len(), 1);
    // One browser cannot take the address of another by a check of its own.
    let victim = web.of(2).address;
    web.inject(victim, &genuine);
    web.world.shared.clear();
    web.listen(1000);
    assert_eq!(web.hears(1), [2, 3]);
}

#[test]
fn srtp_that_was_there_before_or_is_not_genuine_is_refused() {
    for profile in [GCM, CM] {
        let kind = Kind { profile, ..CHROME };
        let mut web = Web::conference([kind, kind]);
        web.run(1500);
        let from = web.of(1).address;
        let srtp = |datagram: &&Vec<u8>| datagram[0] & 0xc0 == 0x80;
        let genuine = web.of(1).sent.iter().rfind(srtp).expect("audio").clone();
        let refused = |web: &Web| web.world.core.counters().refused;
        let before = refused(&web);
        web.inject(from, &genuine);
        assert_eq!(refused(&web), before + 1, "a replay");
        for index in 0..genuine.len() {
            let mut forged = genuine.clone();
            forged[index] ^= 0x40;
            web.inject(from, &forged);
        }
        assert_eq!(refused(&web), before + 1 + genuine.len() as u64);
        for ssrc in 0..1000_u32 {
            let mut forged = genuine.clone();
            forged[8..12].copy_from_slice(&ssrc.to_be_bytes());
            web.inject(from, &forged);
        }
        assert_eq!(refused(&web), before + 1001 + genuine.len() as u64);
        let stranger = "203.0.113.99:5".parse().expect("an address");
        let next = web.of(1).speak().expect("audio");
        web.inject(stranger, &next);
        assert_eq!(refused(&web), before + 1002 + genuine.len() as u64);
        web.listen(1000);
        assert_eq!(web.hears(2), [1, 3], "and it goes on");
    }
}

#[test]
fn a_restart_of_ice_loses_nothing() {
    let mut web = Web::conference([CHROME, CHROME]);
    web.run(1500);
    let new = SocketAddr::from(([198, 51, 100, 200], 7));
    let browser = web.of(1);
    browser.remote = credentials("ours", 77);
    browser.local = credentials("theirs", 78);
    let params = Web::params(browser, CHROME);
    web.update(1, params);
    web.listen(500);
    assert_eq!(web.hears(1), [2, 3], "to the old address until then");
    let now = web.world.now;
    let browser = web.of(1);
    // The browser has changed networks; its media comes from the new address too.
    browser.address = new;
    browser.agent = agent(now, &browser.local, new);
    browser.start(now);
    web.run(500);
    web.listen(1000);
    assert_eq!(web.hears(1), [2, 3]);
    assert_eq!(web.hears(2), [1, 3]);
    assert_eq!(web.connected(), 2, "the association is the same");
    // The old fragment is gone, the old address may still have packets on their way.
    let gone = credentials("ours", 1).ufrag;
    assert!(!web.world.core.shared.has_ufrag(&gone));
    assert_eq!(web.lost(), []);
}

#[test]
fn who_falls_silent_may_come_back_and_who_closes_is_lost() {
    // What the browser does, and when it is told, in ms.
    let mut web = Web::conference([CHROME, CHROME]);
    web.run(1500);
    let address = web.of(2).address;
    web.of(2).closed = true;
    web.run(10_000);
    web.of(2).closed = false;
    web.run(3000);
    assert_eq!(web.heard(), [], "a network that was cut, and is back");
    web.of(2).closed = true;
    web.run(12_900);
    assert_eq!(web.heard(), []);
    web.run(500);
    assert_eq!(web.heard(), [(2, false)]);
    web.run(20_000);
    assert_eq!(web.heard(), [(2, false)]);
    web.of(2).closed = false;
    web.run(3000);
    assert_eq!(web.heard(), [(2, false), (2, true)]);
    web.listen(1000);
    assert_eq!((web.hears(2), web.hears(1)), (vec![1, 3], vec![2, 3]));
    assert_eq!(web.lost(), []);
    web.world.tell(Command::Close { unit: unit(2) });
    assert_eq!(web.world.core.shared.sizes(), (1, 1));
    web.inject(address, &[0x80, 111]);

    let now = web.world.now;
    web.of(1).endpoint.close(now).expect("an alert");
    web.of(1).connected = true;
    web.run(50);
    assert_eq!(web.lost(), [(1, Loss::Closed)]);

    let mut web = Web::new();
    web.open(1);
    let browser = Browser::new(web.world.now, 1, CHROME, None);
    web.update(1, Web::params(&browser, CHROME));
    web.run(14_000);
    assert_eq!(web.lost(), [(1, Loss::Consent)], "never there");
}

#[test]
fn closing_a_leg_says_goodbye_and_forgets_the_peer() {
    let mut web = Web::conference([CHROME, CHROME]);
    web.run(1500);
    let reports = web.of(1).rtcp_in;
    web.world.tell(Command::Close { unit: unit(1) });
    web.run(50);
    assert_eq!(web.of(1).rtcp_in, reports + 1, "BYE");
    assert!(web.of(1).closed, "close_notify");
    assert_eq!(web.world.core.shared.sizes(), (1, 1));
    let legs = web.world.events.iter();
    let closed = |(_, event): &&(u64, Event)| matches!(event, Event::LegClosed { .. });
    assert_eq!(legs.filter(closed).count(), 1);
}

#[test]
fn the_peer_may_come_before_its_description() {
    let mut web = Web::new();
    web.world.mixer(MIXER);
    web.world.phone(3, "PCMU", Some(3));
    web.open(1);
    let mut browser = Browser::new(web.world.now, 1, CHROME, Some(1));
    browser.start(web.world.now);
    let params = Web::params(&browser, CHROME);
    web.browsers.push(browser);
    web.run(5000);
    assert!(web.of(1).connected, "checks are answered");
    assert_eq!((web.connected(), web.lost()), (0, vec![]));
    web.update(1, params);
    web.world.join(&[(1, MIXER), (3, MIXER)]);
    web.run(3000);
    web.listen(1000);
    assert_eq!(web.connected(), 1);
    assert_eq!(web.hears(1), [3]);
    web.world.assert_hears(3, &[1], "the telephone");
}

#[test]
fn what_cannot_be_opened_or_updated_is_refused() {
    let failed = |world: &World| {
        let events = world.events.iter();
        events
            .filter(|(_, event)| matches!(event, Event::LegFailed { .. }))
            .count()
    };
    let mut web = Web::new();
    web.open(1);
    web.world.tell(Command::OpenLeg {
        unit: unit(2),
        kind: LegKind::WebRtc {
            ice: credentials("ours", 1),
        },
    });
    assert_eq!(failed(&web.world), 1, "the fragment is another leg's");
    web.update(1, World::params(1, codec("opus")));
    assert_eq!(web.world.core.counters().refused_commands, 2);
    web.world = World::new();
    web.open(1);
    assert_eq!(failed(&web.world), 1, "there is no certificate");
}

/// What browsers cost, without sockets: `cargo test --release --lib browsers_cost -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a measurement, to be made in a release build"]
#[allow(clippy::print_stdout, reason = "a measurement prints")]
fn browsers_cost() {
    for legs in [50, 100] {
        let mut web = Web::new();
        web.world.mixer(MIXER);
        for id in 0..legs {
            web.browser(id, CHROME, (id < 3).then_some(id as usize));
            web.world.join(&[(id, MIXER)]);
        }
        web.run(3000);
        assert_eq!(web.connected() as u64, legs);
        let (before, seconds) = (web.world.core.counters(), 5);
        web.spent = Duration::ZERO;
        web.run(1000 * seconds);
        let after = web.world.core.counters();
        let ms = web.spent.as_secs_f64() * 1000.0 / (legs * seconds) as f64;
        let (decoded, encodes) = (
            after.decoded - before.decoded,
            after.encodes - before.encodes,
        );
        println!(
            "{legs} browsers, 3 talk: {ms:.2} ms CPU per leg and second, {} decoded, {} encoded \
             frames per second",
            decoded / seconds,
            encodes / seconds,
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn random_and_mutated_packets_do_no_harm(
        noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..100),
        changes in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 0..300),
        profile in prop::sample::select(vec![GCM, CM]),
    ) {
        let kind = Kind { profile, ..CHROME };
        let mut web = Web::conference([kind, kind]);
        web.run(30);
        let from = web.of(1).address;
        for datagram in &noise {
            web.inject(from, datagram);
        }
        web.run(1470);
        let sent = web.of(1).sent.clone();
        for datagram in &noise {
            web.inject(from, datagram);
            for first in [0x00, 0x16, 0x80, 0x90] {
                let mut datagram = datagram.clone();
                if let Some(byte) = datagram.first_mut() {
                    *byte = first;
                }
                web.inject(from, &datagram);
            }
        }
        for (which, at, byte) in changes {
            let mut datagram = sent[which % sent.len()].clone();
            let at = at % datagram.len();
            if byte % 4 == 0 {
                datagram.truncate(at);
            } else {
                datagram[at] = byte;
            }
            web.inject(from, &datagram);
        }
        web.world.shared.clear();
        web.run(200);
        web.listen(1000);
        prop_assert_eq!(web.hears(2), [1, 3]);
        prop_assert_eq!(web.lost(), []);
    }
}
