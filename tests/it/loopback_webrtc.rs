//! One browser on the loopback interface: the peer connection of the `rtc` crate, with a session
//! description and a socket of its own, against a media worker.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MediaEngine};
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp::header::Header;
use rtc::rtp::packet::Packet;
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::sync::Arc;
use talkpath::audio::{Clip, Rate, Tone, ToneSource, level_dbov};
use talkpath::codec::CODECS;
use talkpath::id::{PlaybackId, UnitId, WorkerId};
use talkpath::media::{
    self, Command, Core, Event, LegKind, MediaSettings, StreamParams, WebRtcParams,
};
use talkpath::run::health::Health;
use talkpath::run::identity;
use talkpath::run::media_loop::{MediaHandle, MediaWorker, MediaWorkerSettings};
use talkpath::run::recordings::Recordings;
use talkpath::sdp::{
    Agreed, Direction, IceCredentials, Local, LocalWebRtc, Negotiation, Setup, wants_webrtc,
};
use tokio::sync::mpsc::Receiver;

use crate::server::PATIENCE;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LEG: UnitId = UnitId(1);
const SSRC: u32 = 4711;

/// The peer connection and its socket.
struct Browser {
    connection: RTCPeerConnection,
    socket: UdpSocket,
    address: SocketAddr,
    sender: RTCRtpSenderId,
    connected: bool,
    /// Opus packets received.
    heard: Vec<Vec<u8>>,
}

impl Browser {
    fn new() -> Browser {
        let socket = UdpSocket::bind((LOCALHOST, 0)).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .expect("a timeout");
        let address = socket.local_addr().expect("bound");
        let mut engine = MediaEngine::default();
        engine.register_default_codecs().expect("codecs");
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(engine)
            .build(Instant::now())
            .expect("a peer connection");
        let track = MediaStreamTrack::new(
            "stream".to_owned(),
            "track".to_owned(),
            "label".to_owned(),
            RtpCodecKind::Audio,
            vec![RTCRtpEncodingParameters {
                rtp_coding_parameters: RTCRtpCodingParameters {
                    ssrc: Some(SSRC),
                    ..Default::default()
                },
                codec: RTCRtpCodec {
                    mime_type: MIME_TYPE_OPUS.to_owned(),
                    clock_rate: 48_000,
                    channels: 2,
                    ..Default::default()
                },
                ..Default::default()
            }],
        );
        let sender = connection.add_track(track).expect("a track");
        Browser {
            connection,
            socket,
            address,
            sender,
            connected: false,
            heard: Vec::new(),
        }
    }

    fn offer(&mut self) -> String {
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: self.address.ip().to_string(),
                port: self.address.port(),
                component: 1,
                ..Default::default()
            },
            ..Default::default()
        };
        let candidate = candidate.new_candidate_host().expect("a candidate");
        let candidate = RTCIceCandidate::from(&candidate).to_json().expect("text");
        self.connection
            .add_local_candidate(candidate)
            .expect("a candidate");
        let offer = self.connection.create_offer(None).expect("an offer");
        self.connection
            .set_local_description(Instant::now(), offer.clone())
            .expect("our own offer");
        offer.sdp
    }

    fn take(&mut self, answer: String) {
        let answer = RTCSessionDescription::answer(answer).expect("a session description");
        self.connection
            .set_remote_description(Instant::now(), answer)
            .expect("an answer that it takes");
    }

    fn say(&mut self, number: u16, payload: &[u8]) {
        let header = Header {
            version: 2,
            payload_type: 111,
            sequence_number: number,
            timestamp: u32::from(number) * 960,
            ssrc: SSRC,
            ..Header::default()
        };
        let payload = payload.to_vec().into();
        let mut sender = self.connection.rtp_sender(self.sender).expect("our sender");
        sender
            .write_rtp(Instant::now(), Packet { header, payload })
            .expect("a packet that it takes");
    }

    /// Sends what waits, reads for 2 ms at most.
    fn turn(&mut self) {
        let now = Instant::now();
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            self.connection.handle_timeout(now).expect("time");
        }
        while let Some(out) = self.connection.poll_write() {
            let to = out.transport.peer_addr;
            self.socket.send_to(&out.message, to).expect("loopback");
        }
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.connected = state == RTCPeerConnectionState::Connected;
            }
        }
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message {
                self.heard.push(packet.payload.to_vec());
            }
        }
        let mut buffer = [0; 2048];
        let Ok((length, peer_addr)) = self.socket.recv_from(&mut buffer) else {
            return;
        };
        let transport = TransportContext {
            local_addr: self.address,
            peer_addr,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        let read = self.connection.handle_read(TaggedBytesMut {
            now: Instant::now(),
            transport,
            message: BytesMut::from(&buffer[..length]),
        });
        read.expect("what it understands");
    }
}

/// A worker with one leg for the browser.
struct Fixture {
    handle: MediaHandle,
    events: Receiver<Event>,
    worker: MediaWorker,
    _recordings: Recordings,
    _dir: tempfile::TempDir,
}

fn start() -> Fixture {
    let settings = MediaSettings {
        identity: Some(identity::generate().expect("a certificate")),
        ..MediaSettings::default()
    };
    let core = Core::new(settings, Instant::now(), [5; 32]);
    let dir = tempfile::tempdir().expect("a folder");
    let health = Health::default();
    let (results, _) = tokio::sync::mpsc::channel(1);
    let (recordings, sink) = Recordings::start(dir.path(), results, &health).expect("a thread");
    let (sender, events) = tokio::sync::mpsc::channel(256);
    let settings = MediaWorkerSettings {
        worker: WorkerId(7),
        bind: LOCALHOST,
        address: LOCALHOST,
        port_first: 22_900,
        port_last: 22_939,
        webrtc_port: 0,
    };
    let (worker, handle) =
        MediaWorker::start(settings, core, sender, sink, &health).expect("a thread");
    Fixture {
        handle,
        events,
        worker,
        _recordings: recordings,
        _dir: dir,
    }
}

fn media_ice(ice: &IceCredentials) -> media::IceCredentials {
    let (ufrag, pwd) = (ice.ufrag.clone(), ice.pwd.clone());
    media::IceCredentials { ufrag, pwd }
}

fn stream_of(agreed: &Agreed) -> StreamParams {
    let webrtc = agreed.webrtc.as_ref().expect("over DTLS");
    StreamParams {
        codec: agreed.codec,
        payload_type_out: agreed.payload_type_out,
        payload_type_in: agreed.payload_type_in,
        telephone_event: None,
        remote_rtp: agreed.remote_rtp,
        remote_rtcp: agreed.remote_rtcp,
        send: true,
        receive: true,
        relatch: false,
        webrtc: Some(Box::new(WebRtcParams {
            local: media_ice(&webrtc.local_ice),
            remote: media_ice(&webrtc.ice),
            fingerprint_sha256: webrtc.fingerprint_sha256,
            dtls_client: webrtc.setup == Setup::Passive,
            audio_level_extension: webrtc.audio_level_extension,
        })),
    }
}

impl Fixture {
    fn tell(&self, command: Command) {
        self.handle.send(command).expect("room");
    }

    /// Opens the leg and answers the offer with what it tells.
    fn answer(&mut self, offer: &str) -> String {
        assert!(wants_webrtc(offer.as_bytes()), "{offer}");
        let ice = IceCredentials::from_random([1, 2, 3]);
        self.tell(Command::OpenLeg {
            unit: LEG,
            kind: LegKind::WebRtc {
                ice: media_ice(&ice),
            },
        });
        let ready = self.events.blocking_recv();
        let Some(Event::LegReady { rtp, webrtc, .. }) = ready else {
            panic!("{ready:?}");
        };
        let local = Local {
            rtp,
            rtcp: rtp,
            webrtc: Some(LocalWebRtc {
                ice,
                restart: IceCredentials::from_random([4, 5, 6]),
                fingerprint: webrtc.expect("a certificate").fingerprint,
                candidates: vec![rtp],
            }),
        };
        let mut negotiation = Negotiation::new(1, CODECS);
        let (answer, agreed) = negotiation
            .answer(offer.as_bytes(), &local, Direction::SendRecv)
            .unwrap_or_else(|refusal| panic!("{refusal}\n{offer}"));
        self.tell(Command::UpdateLeg {
            unit: LEG,
            stream: Box::new(stream_of(&agreed)),
        });
        String::from_utf8(answer).expect("ours are UTF-8")
    }

    fn happened(&mut self, wanted: impl Fn(&Event) -> bool) -> bool {
        while let Ok(event) = self.events.try_recv() {
            if wanted(&event) {
                return true;
            }
        }
        false
    }
}

/// Lets the browser work until `done`.
fn until(browser: &mut Browser, what: &str, mut done: impl FnMut(&mut Browser) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done(browser) {
        assert!(Instant::now() < end, "waited in vain until {what}");
        browser.turn();
    }
}

#[test]
fn a_peer_connection_calls_speaks_hears_and_closes() {
    let mut fixture = start();
    let mut browser = Browser::new();
    let offer = browser.offer();
    let answer = fixture.answer(&offer);
    browser.take(answer);
    until(&mut browser, "both are connected", |browser| {
        let ours = |event: &Event| matches!(event, Event::IceConnected { unit: LEG });
        browser.connected && fixture.happened(ours)
    });

    let opus = CODECS.iter().find(|codec| codec.name == "opus");
    let opus = *opus.expect("Opus");
    let mut voice = ToneSource::steady(Rate::Hz48000, Tone::single(440.0, -20.0));
    let mut samples = vec![0; 48_000];
    voice.fill(&mut samples);
    fixture.tell(Command::DetectTalk {
        unit: LEG,
        on: true,
    });
    fixture.tell(Command::Play {
        unit: LEG,
        playback: PlaybackId(1),
        clip: Arc::new(Clip {
            name: "tone".to_owned(),
            rate: Rate::Hz48000,
            samples: samples.clone(),
        }),
        looped: true,
        gain_db: 0.0,
    });
    let mut encoder = (opus.encoder)();
    let (mut number, mut next) = (0, Instant::now());
    until(&mut browser, "the core hears talk", |browser| {
        if next <= Instant::now() {
            let mut payload = Vec::new();
            encoder.encode(&samples[..960], &mut payload);
            browser.say(number, &payload);
            number += 1;
            next += Duration::from_millis(20);
        }
        fixture.happened(|event| matches!(event, Event::TalkStarted { unit: LEG, .. }))
    });
    browser.heard.clear();
    until(&mut browser, "the browser hears 50 packets", |browser| {
        browser.heard.len() >= 50
    });
    let mut decoder = (opus.decoder)();
    let mut heard = Vec::new();
    for payload in &browser.heard {
        decoder.decode(payload, &mut heard).expect("Opus");
    }
    let level = level_dbov(&heard[24_000..]);
    assert!((-23..=-17).contains(&level), "a tone at {level} dBov");

    browser.connection.close().expect("a close");
    until(&mut browser, "the core knows it", |_| {
        fixture.happened(|event| matches!(event, Event::LegLost { unit: LEG, .. }))
    });
    assert_eq!(fixture.worker.counters().send_failed, 0);
}
