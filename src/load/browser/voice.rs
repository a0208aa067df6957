//! What a browser says: a packet of Opus every 20 ms with its level in a header extension (RFC
//! 6464), so that the engine need not decode who is silent.

use std::sync::Arc;

use super::description::{LEVEL_ID, OPUS};
use crate::audio::Rate;
use crate::codec::{Encoder, opus};

/// Packets of silence that all silent browsers send around; what Opus makes of silence repeats
/// itself.
const SILENT_PACKETS: usize = 50;
/// The level of a silent packet.
const SILENT_BELOW: u8 = 127;
const FRAME: usize = Rate::Hz48000.frame_samples();

/// Encoded silence.
pub(in super::super) fn encoded_silence() -> Arc<[Vec<u8>]> {
    let mut encoder = (opus::OPUS.encoder)();
    let frame = |_| {
        let mut payload = Vec::new();
        encoder.encode(&[0; FRAME], &mut payload);
        payload
    };
    (0..SILENT_PACKETS).map(frame).collect()
}

/// A sound of a second at 48 kHz that goes around, and its level below full scale.
#[derive(Clone)]
pub(in super::super) struct Sound {
    pub(in super::super) samples: Arc<[i16]>,
    pub(in super::super) below: u8,
}

/// One outgoing stream.
pub(super) struct Voice {
    /// Talkers encode for themselves; a decoder would stumble over borrowed packets.
    talker: Option<(Sound, Box<dyn Encoder>)>,
    silence: Arc<[Vec<u8>]>,
    pub(super) tells_level: bool,
    ssrc: u32,
    ticks: u32,
}

impl Voice {
    pub(super) fn new(ssrc: u32, sound: Option<Sound>, silence: Arc<[Vec<u8>]>) -> Voice {
        Voice {
            talker: sound.map(|sound| (sound, (opus::OPUS.encoder)())),
            silence,
            tells_level: false,
            ssrc,
            ticks: 0,
        }
    }

    /// The plain packet of one tick; a talker is silent unless it `speaks`.
    pub(super) fn next_packet(&mut self, speaks: bool, out: &mut Vec<u8>) {
        out.clear();
        let tick = self.ticks;
        self.ticks = self.ticks.wrapping_add(1);
        let first = if self.tells_level { 0x90 } else { 0x80 };
        out.extend_from_slice(&[first, OPUS]);
        out.extend_from_slice(&(tick as u16).to_be_bytes());
        out.extend_from_slice(&tick.wrapping_mul(FRAME as u32).to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        let below = match &self.talker {
            Some((sound, _)) if speaks => sound.below,
            Some(_) | None => SILENT_BELOW,
        };
        if self.tells_level {
            out.extend_from_slice(&[0xbe, 0xde, 0, 1, LEVEL_ID << 4, below, 0, 0]);
        }
        let Some((sound, encoder)) = &mut self.talker else {
            let at = tick as usize % self.silence.len().max(1);
            out.extend_from_slice(self.silence.get(at).map_or(&[], Vec::as_slice));
            return;
        };
        let at = tick as usize * FRAME % sound.samples.len().max(1);
        let frame = sound.samples.get(at..at + FRAME).filter(|_| speaks);
        encoder.encode(frame.unwrap_or(&[0; FRAME]), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_say_how_loud_they_are_and_are_opus() {
        let samples: Arc<[i16]> = (0..100).map(|n| n * 100).cycle().take(48_000).collect();
        let sound = Sound { samples, below: 13 };
        for (sound, speaks, tells_level, below) in [
            (Some(sound.clone()), true, true, Some(13)),
            (Some(sound.clone()), false, true, Some(127)),
            (None, true, true, Some(127)),
            (Some(sound), true, false, None),
        ] {
            let mut voice = Voice::new(7, sound, encoded_silence());
            voice.tells_level = tells_level;
            let mut decoder = (opus::OPUS.decoder)();
            let (mut packet, mut heard) = (Vec::new(), Vec::new());
            for tick in 0..100_u16 {
                voice.next_packet(speaks, &mut packet);
                assert_eq!(packet[2..4], tick.to_be_bytes());
                assert_eq!(packet[8..12], [0, 0, 0, 7]);
                let payload = match below {
                    Some(below) => {
                        assert_eq!(packet[12..20], [0xbe, 0xde, 0, 1, 0x10, below, 0, 0]);
                        &packet[20..]
                    }
                    None => &packet[12..],
                };
                decoder.decode(payload, &mut heard).expect("Opus");
            }
            assert_eq!(heard.len(), 96_000);
            let loud = heard.iter().any(|sample| sample.abs() > 4000);
            assert_eq!(loud, below != Some(127), "{below:?}");
        }
    }
}
