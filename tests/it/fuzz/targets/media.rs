//! What comes to sockets of media: RTP, RTCP, STUN, DTLS and noise.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use talkpath::codec::{CodecInfo, g711, opus};
use talkpath::id::UnitId;
use talkpath::media::{
    Channel, Command, Core, IceCredentials, LegKind, MediaSettings, Output, StreamParams,
    TelephoneEventParams, WebRtcParams,
};
use talkpath::rtp::rtcp::{self, Report};
use talkpath::rtp::{
    Header, JitterBuffer, JitterConfig, Popped, RtpPacket, is_rtcp, telephone_event,
};
use talkpath::stun::StunServer;

use super::Steps;

/// The parts of a packet lie in it and fit in it; what we write of its header is read as the same;
/// the buffers take it, and give it out once.
pub fn rtp(input: &[u8]) {
    let _ = is_rtcp(input);
    let Ok(packet) = RtpPacket::parse(input) else {
        return;
    };
    let extension = packet
        .extension
        .map_or(0, |extension| 4 + extension.data.len());
    assert!(12 + packet.csrcs.len() + extension + packet.payload.len() <= input.len());
    assert_eq!(packet.csrcs().count() * 4, packet.csrcs.len());
    if let Some(extension) = packet.extension {
        for id in 0..=15 {
            assert!(
                extension
                    .element(id)
                    .is_none_or(|element| (1..=16).contains(&element.len()))
            );
        }
    }
    let header = Header {
        payload_type: packet.payload_type,
        marker: packet.marker,
        seq: packet.seq,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
    };
    let mut written = Vec::new();
    header.write(&mut written);
    written.extend_from_slice(packet.payload);
    let again = RtpPacket::parse(&written).expect("our own packet");
    assert_eq!(
        again,
        RtpPacket {
            csrcs: &[],
            extension: None,
            ..packet
        }
    );
    buffered(&packet);
}

fn buffered(packet: &RtpPacket<'_>) {
    let mut now = Instant::now();
    let mut buffer = JitterBuffer::new(JitterConfig::new(8000));
    buffer.push(now, packet);
    buffer.push(now, packet);
    let mut events = telephone_event::Receiver::new(8000);
    events.handle_packet(now, packet);
    let mut popped = 0;
    for _ in 0..50 {
        now += Duration::from_millis(20);
        popped += usize::from(matches!(buffer.pop(now), Popped::Packet(_)));
        events.handle_timeout(now);
        while events.poll_output().is_some() {}
    }
    assert!(popped <= 1);
    assert_eq!(events.poll_timeout(), None, "an event without an end");
}

/// What is read fits in what came, and reports are read as the same from how we write them.
pub fn rtcp(input: &[u8]) {
    let Ok(reports) = rtcp::parse(input) else {
        return;
    };
    assert!((1..=input.len() / 4).contains(&reports.len()));
    for report in reports {
        let mut written = Vec::new();
        match &report {
            Report::Sender { ssrc, info, blocks } => {
                rtcp::write_sender_report(&mut written, *ssrc, info, blocks);
            }
            Report::Receiver { ssrc, blocks } => {
                rtcp::write_receiver_report(&mut written, *ssrc, blocks);
            }
            Report::Description(chunks) => {
                let texts = chunks.iter().filter_map(|(_, name)| name.as_ref());
                // A byte that is no UTF-8 becomes three.
                assert!(texts.map(String::len).sum::<usize>() <= 3 * input.len());
                continue;
            }
            Report::Goodbye(sources) => {
                assert!(sources.len() <= 31);
                continue;
            }
            Report::Other { .. } => continue,
        }
        assert!(written.len() <= input.len());
        assert_eq!(rtcp::parse(&written), Ok(vec![report]));
    }
}

/// An answer is a STUN response and not much longer than its question.
pub fn stun(input: &[u8]) {
    let mut server = StunServer::default();
    for from in ["192.0.2.7:4000", "[2001:db8::7]:4000"] {
        let from = from.parse().expect("an address");
        let Some(answer) = server.answer(Instant::now(), from, input) else {
            continue;
        };
        assert!(answer.len() <= input.len() + 24);
        assert_eq!(answer[0], 1, "a response");
        assert_eq!(answer[4..20], input[4..20], "of the same transaction");
        assert_eq!(server.answer(Instant::now(), from, &answer), None);
    }
}

const PHONE: UnitId = UnitId(1);
const BROWSER: UnitId = UnitId(2);
const MIXER: UnitId = UnitId(3);
/// Virtual time that one input may take.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Datagrams to the sockets of a conference of a telephone and a browser, in any order and at any
/// time. Everything that comes is counted, nobody is sent more than the clock allows, and nothing
/// is left when all has been closed.
///
/// A step is a byte of what to do, a byte of time in units of 4 ms, a length and so many bytes.
pub fn core(input: &[u8]) {
    let now = Instant::now();
    let mut sockets = Sockets {
        core: Core::new(
            MediaSettings {
                identity: identity(),
                ..MediaSettings::default()
            },
            now,
            [7; 32],
        ),
        now,
        sent: 0,
        bytes: 0,
    };
    sockets.open();
    let mut came = 0;
    let mut steps = Steps(input);
    let mut last: &[u8] = &[];
    while let (Some(what), Some(time)) = (steps.byte(), steps.byte()) {
        sockets.run(Duration::from_millis(4 * u64::from(time)));
        if sockets.now - now > TIME_MAX {
            break;
        }
        let length = usize::from(steps.byte().unwrap_or(0));
        let datagram = match what & 0x80 {
            0 => steps.bytes(length),
            _ => last,
        };
        last = datagram;
        came += 1;
        let from = address(4000 + u16::from(what >> 4 & 3));
        match what & 3 {
            0 => sockets
                .core
                .handle_packet(sockets.now, PHONE, Channel::Rtp, from, datagram),
            1 => sockets
                .core
                .handle_packet(sockets.now, PHONE, Channel::Rtcp, from, datagram),
            2 => sockets
                .core
                .handle_packet(sockets.now, BROWSER, Channel::Rtp, from, datagram),
            _ => sockets
                .core
                .handle_shared_packet(sockets.now, from, datagram),
        }
        sockets.take();
    }
    sockets.run(Duration::from_secs(2));
    let counters = sockets.core.counters();
    assert_eq!(counters.packets_in + counters.refused, came);
    // 50 packets a second and one report in some seconds, to two peers, and answers.
    let seconds = (sockets.now - now).as_secs() + 1;
    let answers = 12 * came;
    assert!(
        sockets.sent <= 2 * 60 * seconds + answers,
        "{} in {seconds} s",
        sockets.sent
    );
    for unit in [PHONE, BROWSER, MIXER] {
        sockets.tell(Command::Close { unit });
    }
    sockets.run(Duration::from_secs(5));
    assert_eq!(sockets.core.leftovers(), []);
    assert_eq!(sockets.core.poll_timeout(), None);
}

fn identity() -> Option<talkpath::media::Identity> {
    // Its key is drawn by the crypto library; nothing here depends on which it is.
    static IDENTITY: std::sync::OnceLock<talkpath::media::Identity> = std::sync::OnceLock::new();
    let make = || talkpath::run::identity::generate().expect("a certificate");
    Some(IDENTITY.get_or_init(make).clone())
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], port))
}

struct Sockets {
    core: Core,
    now: Instant,
    sent: u64,
    bytes: usize,
}

impl Sockets {
    fn open(&mut self) {
        let ice = |name: &str| IceCredentials {
            ufrag: format!("{name}0001"),
            pwd: format!("{name}-password-of-0000000001"),
        };
        let webrtc = WebRtcParams {
            local: ice("ours"),
            remote: ice("theirs"),
            fingerprint_sha256: [0xa5; 32],
            dtls_client: false,
            audio_level_extension: Some(3),
        };
        self.tell(Command::AddMixer { unit: MIXER });
        let legs = [
            (PHONE, LegKind::Rtp, params(&g711::PCMU, None)),
            (
                BROWSER,
                LegKind::WebRtc { ice: ice("ours") },
                params(&opus::OPUS, Some(Box::new(webrtc))),
            ),
        ];
        for (unit, kind, stream) in legs {
            self.tell(Command::OpenLeg { unit, kind });
            let bound = Ok((address(30_000), address(30_001)));
            self.core.handle_bound(self.now, unit, bound);
            self.tell(Command::UpdateLeg {
                unit,
                stream: Box::new(stream),
            });
            self.tell(Command::Connect {
                from: unit,
                to: MIXER,
            });
            self.tell(Command::Connect {
                from: MIXER,
                to: unit,
            });
            self.tell(Command::DetectTalk { unit, on: true });
            self.tell(Command::DetectDigits {
                unit,
                telephone_event: true,
                in_band: true,
            });
        }
        self.tell(Command::WatchSpeakers {
            unit: MIXER,
            on: true,
        });
    }

    fn tell(&mut self, command: Command) {
        self.core.handle_command(self.now, command);
        self.take();
    }

    fn take(&mut self) {
        while let Some(output) = self.core.poll_output() {
            assert!(!matches!(output, Output::Record { .. }), "nobody records");
        }
        let (sent, bytes) = (&mut self.sent, &mut self.bytes);
        self.core.drain_packets(|_, _, _, packet| {
            *sent += 1;
            *bytes += packet.len();
            assert!(packet.len() <= 1500);
        });
    }

    fn run(&mut self, length: Duration) {
        let end = self.now + length;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.handle_timeout(self.now);
            self.take();
        }
        self.now = end;
    }
}

fn params(codec: &'static CodecInfo, webrtc: Option<Box<WebRtcParams>>) -> StreamParams {
    StreamParams {
        codec,
        payload_type_out: codec.payload_type,
        payload_type_in: codec.payload_type,
        telephone_event: Some(TelephoneEventParams {
            payload_type_out: 101,
            payload_type_in: 101,
            clock_rate_hz: codec.clock_rate_hz,
        }),
        remote_rtp: address(4000),
        remote_rtcp: address(4001),
        send: true,
        receive: true,
        relatch: false,
        webrtc,
    }
}
