//! What a leg costs in a conference: microseconds per leg and 20 ms, without sockets. `cargo bench
//! --bench mixer`.
//!
//! Each leg sends a packet in every frame and gets one; three talk. Time is virtual for the core,
//! wall time is taken around its calls alone.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use talkpath::audio::{Tone, ToneSource};
use talkpath::codec::{CodecInfo, g711, g722, opus};
use talkpath::id::UnitId;
use talkpath::media::{Channel, Command, Core, LegKind, MediaSettings, StreamParams};

const TALKERS: usize = 3;
const MIXER: UnitId = UnitId(1_000_000);
/// Frames before the measurement: the jitter buffers settle.
const WARM_UP: usize = 100;

struct Cost {
    packets: Duration,
    tick: Duration,
    sent: u64,
}

fn main() {
    println!("codec  legs  frames  µs/leg-frame  packets in  tick  ms CPU/leg-second  µs/plan");
    for legs in [25, 100, 300, 1000, 4000] {
        run(&g711::PCMU, legs, 200_000 / legs);
    }
    run(&g722::G722, 300, 200);
    run(&opus::OPUS, 50, 400);
    run(&opus::OPUS, 300, 100);
}

fn run(codec: &'static CodecInfo, legs: usize, frames: usize) {
    let start = Instant::now();
    let mut core = Core::new(MediaSettings::default(), start, [1; 32]);
    core.handle_command(start, Command::AddMixer { unit: MIXER });
    for leg in 0..legs {
        join(&mut core, start, leg, codec);
    }
    let payloads = payloads(codec, WARM_UP + frames);
    let mut cost = Cost {
        packets: Duration::ZERO,
        tick: Duration::ZERO,
        sent: 0,
    };
    let mut packets = vec![Vec::new(); legs];
    for (frame, payload) in payloads.iter().enumerate() {
        if frame == WARM_UP {
            cost = Cost {
                packets: Duration::ZERO,
                tick: Duration::ZERO,
                sent: 0,
            };
        }
        for (leg, packet) in packets.iter_mut().enumerate() {
            let payload = if leg < TALKERS {
                &payload.0
            } else {
                &payload.1
            };
            write(packet, (leg, frame), codec, payload);
        }
        let now = start + Duration::from_millis(20 * frame as u64 + 1);
        let before = Instant::now();
        for (leg, packet) in packets.iter().enumerate() {
            core.handle_packet(now, UnitId(leg as u64), Channel::Rtp, address(leg), packet);
        }
        cost.packets += before.elapsed();
        tick(&mut core, now, &mut cost);
    }
    assert!(
        cost.sent >= (legs * (frames - 1)) as u64,
        "{} packets sent",
        cost.sent
    );
    let per_frame = |time: Duration| time.as_secs_f64() * 1e6 / (legs * frames) as f64;
    let total = per_frame(cost.packets + cost.tick);
    let plan = plan(
        &mut core,
        start + Duration::from_millis(20 * payloads.len() as u64 + 1),
    );
    println!(
        "{:5}  {legs:4}  {frames:6}  {total:12.2}  {:10.2}  {:4.2}  {:17.3}  {:8.0}",
        codec.name,
        per_frame(cost.packets),
        per_frame(cost.tick),
        total * 50.0 / 1000.0,
        plan.as_secs_f64() * 1e6,
    );
}

/// What a change of the graph adds to the tick after it, when nobody talks any more.
fn plan(core: &mut Core, now: Instant) -> Duration {
    let mut costs = Vec::new();
    for frame in 0..102 {
        if frame == 101 {
            core.handle_command(
                now,
                Command::AddPlayer {
                    unit: UnitId(MIXER.0 + 1),
                },
            );
        }
        let mut cost = Cost {
            packets: Duration::ZERO,
            tick: Duration::ZERO,
            sent: 0,
        };
        tick(core, now + Duration::from_millis(20 * frame), &mut cost);
        costs.push(cost.tick);
    }
    costs[101].saturating_sub(costs[100])
}

/// Lets the core tick until the next frame.
fn tick(core: &mut Core, now: Instant, cost: &mut Cost) {
    let end = now + Duration::from_millis(20);
    while let Some(at) = core.poll_timeout().filter(|at| *at < end) {
        let mut bytes_sent = 0;
        let before = Instant::now();
        core.handle_timeout(at);
        core.drain_packets(|_, _, _, bytes| {
            bytes_sent += bytes.len();
            cost.sent += 1;
        });
        cost.tick += before.elapsed();
        std::hint::black_box(bytes_sent);
    }
    while core.poll_output().is_some() {}
}

fn join(core: &mut Core, now: Instant, leg: usize, codec: &'static CodecInfo) {
    let unit = UnitId(leg as u64);
    let stream = StreamParams {
        codec,
        payload_type_out: codec.payload_type,
        payload_type_in: codec.payload_type,
        telephone_event: None,
        remote_rtp: address(leg),
        remote_rtcp: address(leg),
        send: true,
        receive: true,
        relatch: false,
        webrtc: None,
    };
    core.handle_command(
        now,
        Command::OpenLeg {
            unit,
            kind: LegKind::Rtp,
        },
    );
    core.handle_command(
        now,
        Command::UpdateLeg {
            unit,
            stream: Box::new(stream),
        },
    );
    core.handle_command(
        now,
        Command::Connect {
            from: unit,
            to: MIXER,
        },
    );
    core.handle_command(
        now,
        Command::Connect {
            from: MIXER,
            to: unit,
        },
    );
}

/// Payloads of a tone and of silence, one of each per frame.
fn payloads(codec: &'static CodecInfo, frames: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut voice = ToneSource::steady(codec.audio_rate, Tone::single(440.0, -20.0));
    let (mut talk, mut rest) = ((codec.encoder)(), (codec.encoder)());
    let mut pcm = vec![0; codec.audio_rate.frame_samples()];
    (0..frames)
        .map(|_| {
            let mut payloads = (Vec::new(), Vec::new());
            voice.fill(&mut pcm);
            talk.encode(&pcm, &mut payloads.0);
            pcm.fill(0);
            rest.encode(&pcm, &mut payloads.1);
            payloads
        })
        .collect()
}

fn write(packet: &mut Vec<u8>, (leg, frame): (usize, usize), codec: &CodecInfo, payload: &[u8]) {
    packet.clear();
    packet.extend_from_slice(&[0x80, codec.payload_type]);
    packet.extend_from_slice(&(frame as u16).to_be_bytes());
    packet.extend_from_slice(&(frame as u32 * codec.clock_rate_hz / 50).to_be_bytes());
    packet.extend_from_slice(&(leg as u32).to_be_bytes());
    packet.extend_from_slice(payload);
}

fn address(leg: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (leg >> 8) as u8, leg as u8], 10_000))
}
