//! The hearing side of a leg at the tick: chooses between the payload that it shares with others,
//! one of its own and silence, and sends it; telephone-events and tones go in place of audio. RTCP
//! and the reports of a leg are sent here too.

use rand_core::RngCore;

use super::command::Event;
use super::digits::Outgoing;
use super::mixer::Bus;
use super::playback::Progress;
use super::rtp_leg::{RtpLeg, Stream, Transport};
use super::sender::{Audible, Source};
use super::signal::Signal;
use super::tick::{Scratch, Tick};
use super::webrtc::Protected;
use super::webrtc_leg::settle;
use crate::audio::{Gain, mix};
use crate::rtp::rtcp;

/// Sends `leg` the 20 ms of this tick.
pub(super) fn encode(leg: &mut RtpLeg, bus: Option<&mut Bus>, tick: &mut Tick<'_>) {
    let mut progress = Progress::default();
    if let Some(prompt) = &mut leg.prompt {
        prompt.advance();
        progress = prompt.take_progress();
    }
    if let Some(tap) = &mut leg.tap {
        tap.heard.clear();
    }
    if leg.sends() && leg.is_open() {
        let outgoing = poll_digits(leg, tick);
        match outgoing {
            Outgoing::Event {
                payload_type,
                packet,
            } => {
                let target = leg.rtp_target();
                if let (Some(stream), Some((channel, to))) = (&mut leg.stream, target) {
                    let (kind, at) = ((payload_type, packet.marker), packet.timestamp);
                    let transport = &mut leg.transport;
                    tick.outbox.push(leg.unit, channel, to, |out| {
                        let start = out.len();
                        stream.sender.write_as(kind, at, &packet.payload, out);
                        transport.protect(Protected::Rtp, out, start);
                    });
                    tick.counters.packets_out += 1;
                }
            }
            Outgoing::Audio => audio(leg, bus, tick, false),
            Outgoing::Tone => audio(leg, bus, tick, true),
        }
    }
    tick.progress(leg.unit, progress);
    if leg.prompt.as_ref().is_some_and(|prompt| !prompt.plays()) {
        leg.prompt = None;
    }
    look_after(leg, tick);
}

fn poll_digits(leg: &mut RtpLeg, tick: &mut Tick<'_>) -> Outgoing {
    let Some(stream) = &leg.stream else {
        return Outgoing::Audio;
    };
    let timestamp = stream.sender.timestamp(tick.period);
    let rate = stream.params.codec.audio_rate;
    let (outgoing, over) = leg
        .digits
        .poll_send(timestamp, rate, &mut tick.scratch.tone);
    if over {
        tick.event(Event::DigitsSent { unit: leg.unit });
    }
    outgoing
}

/// Sends a frame of audio: a tone in its place when `tone`.
fn audio(leg: &mut RtpLeg, bus: Option<&mut Bus>, tick: &mut Tick<'_>, tone: bool) {
    let target = leg.rtp_target();
    let prompts = leg
        .prompt
        .as_ref()
        .is_some_and(|prompt| prompt.signal.active());
    let ducked = !leg.gains.duck.rests_at_unity(Gain::UNITY);
    let own = leg.seat.in_bus.filter(|_| leg.signal.active());
    let others = bus
        .as_ref()
        .is_some_and(|bus| bus.others(own.is_some()) > 0);
    let tail = bus.as_ref().is_some_and(|bus| bus.sounds());
    let louder = leg.gains.output != Gain::UNITY && (others || tail);
    let Some(stream) = &mut leg.stream else {
        return;
    };
    let audible = Audible {
        personal: tone || prompts || ducked || louder,
        own: own.is_some(),
        others,
        tail,
    };
    let source = stream.sender.choose(tick.period, audible);
    let (codec, loss) = (stream.sender.codec(), stream.sender.loss_percent());
    let payload: &[u8] = match (source, bus) {
        (Source::Shared, Some(bus)) => {
            let state = (tick.period, &mut tick.scratch.sum, &mut *tick.counters);
            let (payload, heard) = bus.shared(codec, loss, state);
            if let Some(tap) = &mut leg.tap {
                tap.heard.extend_from_slice(heard);
            }
            payload
        }
        (Source::Own, bus) => {
            let heard = bus.filter(|_| others || tail);
            encode_own(leg, heard, tick, (tone, own));
            &tick.scratch.payload
        }
        (Source::Shared, None) | (Source::Silence, _) => tick.silence.payload(codec),
    };
    let (Some(stream), Some((channel, to))) = (&mut leg.stream, target) else {
        return;
    };
    let (period, transport) = (tick.period, &mut leg.transport);
    tick.outbox.push(leg.unit, channel, to, |out| {
        let start = out.len();
        stream.sender.write(period, payload, out);
        transport.protect(Protected::Rtp, out, start);
    });
    tick.counters.packets_out += 1;
}

/// Encodes what this leg alone hears into the scratch payload: the tone that is there already, or
/// the sum of `heard` without the leg's `own` voice, lowered under its prompt.
fn encode_own(
    leg: &mut RtpLeg,
    heard: Option<&mut Bus>,
    tick: &mut Tick<'_>,
    (tone, own): (bool, Option<Gain>),
) {
    let Some(stream) = &mut leg.stream else {
        return;
    };
    let Scratch {
        sum,
        pcm,
        converted,
        mixed,
        payload,
        tone: tone_frame,
    } = &mut *tick.scratch;
    mixed.clear();
    if tone {
        mixed.extend_from_slice(tone_frame);
        stream.sender.forget_resampler();
    } else {
        let own = own.map(|gain| (&mut leg.signal, gain));
        sum_at_codec_rate(stream, heard.map(|bus| (bus, own)), (sum, pcm, converted));
        let prompt = leg.prompt.as_mut().filter(|prompt| prompt.signal.active());
        let duck = if prompt.is_some() {
            tick.ducking
        } else {
            Gain::UNITY
        };
        leg.gains.duck.apply(duck, sum);
        if let Some(prompt) = prompt {
            mix::add(sum, prompt.signal.at(stream.sender.codec().audio_rate));
        }
        mix::clip(sum, mixed);
        leg.gains.output.apply(mixed);
    }
    payload.clear();
    stream.sender.encode(mixed, payload);
    tick.counters.encodes += 1;
    if let Some(tap) = &mut leg.tap {
        tap.heard.extend_from_slice(mixed);
    }
}

/// Puts what the leg hears of the bus, itself left out, into `sum` at the rate of its codec.
fn sum_at_codec_rate(
    stream: &mut Stream,
    heard: Option<(&mut Bus, Option<(&mut Signal, Gain)>)>,
    (sum, pcm, converted): (&mut Vec<i32>, &mut Vec<i16>, &mut Vec<i16>),
) {
    let codec = stream.sender.codec();
    let Some((bus, own)) = heard else {
        sum.clear();
        sum.resize(codec.audio_rate.frame_samples(), 0);
        return;
    };
    let own = own.map(|(signal, gain)| (signal.at(bus.rate()), gain));
    bus.sum_without(own, sum);
    if bus.rate() == codec.audio_rate {
        return;
    }
    pcm.clear();
    mix::clip(sum, pcm);
    converted.clear();
    stream
        .sender
        .resample(bus.rate(), pcm, converted, || bus.resampler(codec));
    sum.clear();
    sum.extend(converted.iter().map(|sample| i32::from(*sample)));
}

/// Reports, quality and the missing of media.
fn look_after(leg: &mut RtpLeg, tick: &mut Tick<'_>) {
    let target = leg.rtcp_target();
    let Some(stream) = &mut leg.stream else {
        return;
    };
    let (now, unit) = (tick.now, leg.unit);
    let expected = match &mut leg.transport {
        Transport::Plain { .. } => stream.params.receive && stream.params.send,
        Transport::WebRtc(webrtc) => {
            webrtc.timeout(now);
            settle(unit, webrtc, (&mut *tick.outbox, &mut *tick.outputs));
            false
        }
    };
    if expected && stream.reports.poll_timed_out(now, tick.settings.timeout) {
        tick.event(Event::MediaTimeout { unit });
    }
    if stream.reports.poll_back() {
        tick.event(Event::MediaBack { unit });
    }
    if let Some(quality) = stream.reports.poll_quality(now, stream.receiver.delay_ms()) {
        tick.event(Event::Quality { unit, quality });
    }
    if stream.reports.poll_report(now, || tick.random.next_u32())
        && let Some((channel, to)) = target
    {
        let timestamp = stream.sender.timestamp(tick.period);
        let Stream {
            reports, sender, ..
        } = &mut **stream;
        let transport = &mut leg.transport;
        tick.outbox.push(unit, channel, to, |out| {
            let start = out.len();
            reports.write(now, tick.wall, (sender, timestamp), tick.cname, out);
            transport.protect(Protected::Rtcp, out, start);
        });
    }
}

/// Says that the leg's stream ends: a report and a BYE.
pub(super) fn say_goodbye(leg: &mut RtpLeg, tick: &mut Tick<'_>) {
    let target = leg.rtcp_target();
    let Some((stream, (channel, to))) = leg.stream.as_mut().zip(target) else {
        return;
    };
    let timestamp = stream.sender.timestamp(tick.period);
    let Stream {
        reports, sender, ..
    } = &mut **stream;
    let transport = &mut leg.transport;
    tick.outbox.push(leg.unit, channel, to, |out| {
        let start = out.len();
        reports.write(tick.now, tick.wall, (sender, timestamp), tick.cname, out);
        rtcp::write_goodbye(out, sender.ssrc(), "");
        transport.protect(Protected::Rtcp, out, start);
    });
}
