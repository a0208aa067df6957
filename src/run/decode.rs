//! Sound files to mono 16-bit samples at one of the engine's rates: WAV by `hound`, MP3, Ogg
//! Vorbis, FLAC (and WAV of other encodings) by `symphonia`, resampling by `rubato`. Owns the
//! limits on what a file may hold. Reads bytes, not files; the caller keeps it off the event loop.

use std::io::Cursor;
use std::panic::catch_unwind;
use std::time::Duration;

use rubato::{FftFixedIn, Resampler};
use symphonia::core::audio::SampleBuffer;
use symphonia::core::codecs::{CODEC_TYPE_NULL, DecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::FormatOptions;
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::probe::Hint;

use crate::audio::{Clip, Rate};

/// Channels that a file may have; they are averaged.
const CHANNELS_MAX: usize = 8;
/// Sample rates that a file may have, in Hz.
const SOURCE_RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// Samples beyond are taken for that: far above full scale, and far from the end of the numbers.
const LOUDEST: f32 = 64.0;
/// Input frames that the resampler takes at a time.
const CHUNK_FRAMES: usize = 1024;
/// Damaged packets in a row that are skipped before a file is given up.
const DAMAGED_PACKETS_MAX: usize = 20;

/// Why bytes are no clip.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// None of the formats.
    #[error("not a WAV, MP3, Ogg Vorbis or FLAC file: {0}")]
    Format(String),
    /// The format is known, what is inside is not usable.
    #[error("unusable sound: {0}")]
    Content(String),
    /// Longer than allowed.
    #[error("longer than {0} s")]
    TooLong(u64),
    /// No samples at all.
    #[error("the file holds no sound")]
    Empty,
}

/// The engine's rate that loses nothing of a source: 8, 16 or 48 kHz.
pub fn rate_for(source_hz: u32) -> Rate {
    [Rate::Hz8000, Rate::Hz16000]
        .into_iter()
        .find(|rate| source_hz <= rate.hz())
        .unwrap_or(Rate::Hz48000)
}

/// Decodes a whole file. `extension` is a hint only, the content decides. `rate`: where `None`, the
/// one that [`rate_for`] gives.
///
/// # Errors
/// See [`DecodeError`]. A WAV whose header promises more than there is (a program that wrote to a
/// pipe, a cut file) is no error: what is there is used.
pub fn decode(
    name: &str,
    bytes: Vec<u8>,
    extension: &str,
    rate: Option<Rate>,
    duration_max: Duration,
) -> Result<Clip, DecodeError> {
    let mut bytes = bytes;
    let format = Target { rate, duration_max };
    let sink = if bytes.starts_with(b"RIFF") {
        repair_wav_lengths(&mut bytes);
        match decode_wav(&bytes, format) {
            Err(WavFailure::OtherEncoding) => decode_guarded(bytes, "wav", format)?,
            Err(WavFailure::Decode(error)) => return Err(error),
            Ok(sink) => sink,
        }
    } else {
        decode_guarded(bytes, extension, format)?
    };
    let (rate, samples) = sink.finish()?;
    if samples.is_empty() {
        return Err(DecodeError::Empty);
    }
    Ok(Clip {
        name: name.to_owned(),
        rate,
        samples,
    })
}

/// Writes the real lengths into the RIFF and `data` headers where they promise more than there is.
pub(super) fn repair_wav_lengths(bytes: &mut [u8]) {
    let length = bytes.len();
    let mut at = 12usize;
    while let Some(header) = bytes.get(at..at.saturating_add(8)) {
        let [a, b, c, d, size @ ..] = header else {
            return;
        };
        let is_data = [*a, *b, *c, *d] == *b"data";
        let size = u32::from_le_bytes(size.try_into().unwrap_or_default()) as usize;
        let end = at.saturating_add(8).saturating_add(size);
        if is_data {
            let block = wav_block_align(bytes).max(1);
            let there = length.saturating_sub(at + 8);
            // Writers to a pipe leave 0, 0x7ffff000 or 0xffffffff here.
            if end > length || size == 0 {
                let whole = u32::try_from(there / block * block).unwrap_or(u32::MAX);
                if let Some(field) = bytes.get_mut(at + 4..at + 8) {
                    field.copy_from_slice(&whole.to_le_bytes());
                }
            }
            break;
        }
        // Chunks are padded to an even length.
        at = end.saturating_add(size & 1);
    }
    let riff = u32::try_from(length.saturating_sub(8)).unwrap_or(u32::MAX);
    if let Some(field) = bytes.get_mut(4..8) {
        field.copy_from_slice(&riff.to_le_bytes());
    }
}

fn wav_block_align(bytes: &[u8]) -> usize {
    let at = bytes
        .windows(4)
        .take(4096)
        .position(|window| window == b"fmt ");
    let field = at.and_then(|at| bytes.get(at + 20..at + 22));
    field.map_or(1, |field| {
        usize::from(u16::from_le_bytes(field.try_into().unwrap_or_default()))
    })
}

#[derive(Clone, Copy)]
struct Target {
    rate: Option<Rate>,
    duration_max: Duration,
}

enum WavFailure {
    OtherEncoding,
    Decode(DecodeError),
}

impl From<DecodeError> for WavFailure {
    fn from(error: DecodeError) -> Self {
        WavFailure::Decode(error)
    }
}

impl From<hound::Error> for WavFailure {
    fn from(error: hound::Error) -> Self {
        match error {
            hound::Error::Unsupported => WavFailure::OtherEncoding,
            hound::Error::IoError(_)
            | hound::Error::FormatError(_)
            | hound::Error::TooWide
            | hound::Error::UnfinishedSample
            | hound::Error::InvalidSampleFormat => {
                WavFailure::Decode(DecodeError::Content(error.to_string()))
            }
        }
    }
}

fn decode_wav(bytes: &[u8], target: Target) -> Result<MonoSink, WavFailure> {
    let mut reader = hound::WavReader::new(Cursor::new(bytes))?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    let mut sink = MonoSink::new(spec.sample_rate, channels, target)?;
    match spec.sample_format {
        hound::SampleFormat::Float => {
            for sample in reader.samples::<f32>() {
                sink.push(sample?)?;
            }
        }
        hound::SampleFormat::Int => {
            let bits = u32::from(spec.bits_per_sample).clamp(1, 32);
            let scale = 1.0 / (1u64 << (bits - 1)) as f32;
            for sample in reader.samples::<i32>() {
                sink.push(sample? as f32 * scale)?;
            }
        }
    }
    Ok(sink)
}

/// [`decode_any`], whose library panics at some files: divides by a count of zero, or calculates
/// with lengths that do not fit.
fn decode_guarded(
    bytes: Vec<u8>,
    extension: &str,
    target: Target,
) -> Result<MonoSink, DecodeError> {
    catch_unwind(|| decode_any(bytes, extension, target))
        .unwrap_or_else(|_| Err(DecodeError::Content("damaged beyond repair".to_owned())))
}

fn decode_any(bytes: Vec<u8>, extension: &str, target: Target) -> Result<MonoSink, DecodeError> {
    let mut hint = Hint::new();
    hint.with_extension(extension);
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let options = FormatOptions {
        enable_gapless: true,
        ..Default::default()
    };
    let mut format = symphonia::default::get_probe()
        .format(&hint, stream, &options, &MetadataOptions::default())
        .map_err(|error| DecodeError::Format(error.to_string()))?
        .format;
    let content = |error: SymphoniaError| DecodeError::Content(error.to_string());
    let track = format
        .tracks()
        .iter()
        .find(|track| track.codec_params.codec != CODEC_TYPE_NULL)
        .ok_or_else(|| DecodeError::Content("no sound track".to_owned()))?;
    let track_id = track.id;
    let mut decoder = symphonia::default::get_codecs()
        .make(&track.codec_params, &DecoderOptions::default())
        .map_err(content)?;
    let mut sink: Option<MonoSink> = None;
    let mut buffer: Option<SampleBuffer<f32>> = None;
    let mut damaged = 0;
    loop {
        let packet = match format.next_packet() {
            Ok(packet) if packet.track_id() == track_id => packet,
            Ok(_) => continue,
            // The end of the file is an I/O error in this library.
            Err(SymphoniaError::IoError(_) | SymphoniaError::ResetRequired) => break,
            Err(error) => return Err(content(error)),
        };
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(SymphoniaError::DecodeError(_)) if damaged < DAMAGED_PACKETS_MAX => {
                damaged += 1;
                continue;
            }
            Err(error) => return Err(content(error)),
        };
        damaged = 0;
        let spec = *decoded.spec();
        let sink = match &mut sink {
            Some(sink) => sink,
            none => none.insert(MonoSink::new(spec.rate, spec.channels.count(), target)?),
        };
        let needed = decoded.frames() * spec.channels.count();
        if buffer
            .as_ref()
            .is_none_or(|buffer| buffer.capacity() < needed)
        {
            buffer = Some(SampleBuffer::new(decoded.capacity() as u64, spec));
        }
        let Some(buffer) = &mut buffer else { continue };
        buffer.copy_interleaved_ref(decoded);
        for sample in buffer.samples() {
            sink.push(*sample)?;
        }
    }
    sink.ok_or(DecodeError::Empty)
}

/// Takes interleaved samples one by one and leaves mono ones at the wanted rate.
struct MonoSink {
    channels: usize,
    channel: usize,
    sum: f32,
    frames: u64,
    frames_max: u64,
    duration_max: Duration,
    source_hz: u32,
    rate: Rate,
    resampler: Option<FftFixedIn<f32>>,
    chunk: Vec<f32>,
    out: Vec<i16>,
}

impl MonoSink {
    fn new(source_hz: u32, channels: usize, target: Target) -> Result<Self, DecodeError> {
        if !SOURCE_RATES_HZ.contains(&source_hz) {
            return Err(DecodeError::Content(format!(
                "{source_hz} Hz is outside 4000 to 192000"
            )));
        }
        if channels == 0 || channels > CHANNELS_MAX {
            return Err(DecodeError::Content(format!(
                "{channels} channels; 1 to 8 can be used"
            )));
        }
        let rate = target.rate.unwrap_or_else(|| rate_for(source_hz));
        let resampler = if rate.hz() == source_hz {
            None
        } else {
            let (from, to) = (source_hz as usize, rate.hz() as usize);
            let made = FftFixedIn::new(from, to, CHUNK_FRAMES, 1, 1);
            Some(made.map_err(|error| DecodeError::Content(error.to_string()))?)
        };
        Ok(MonoSink {
            channels,
            channel: 0,
            sum: 0.0,
            frames: 0,
            frames_max: target
                .duration_max
                .as_secs()
                .saturating_mul(u64::from(source_hz)),
            duration_max: target.duration_max,
            source_hz,
            rate,
            resampler,
            chunk: Vec::with_capacity(CHUNK_FRAMES),
            out: Vec::new(),
        })
    }

    fn push(&mut self, sample: f32) -> Result<(), DecodeError> {
        // The resampler panics on what is no number.
        let sample = if sample.is_nan() { 0.0 } else { sample };
        self.sum += sample.clamp(-LOUDEST, LOUDEST);
        self.channel += 1;
        if self.channel < self.channels {
            return Ok(());
        }
        let mono = self.sum / self.channels as f32;
        (self.channel, self.sum) = (0, 0.0);
        self.frames += 1;
        if self.frames > self.frames_max {
            return Err(DecodeError::TooLong(self.duration_max.as_secs()));
        }
        self.chunk.push(mono);
        if self.chunk.len() == CHUNK_FRAMES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), DecodeError> {
        match &mut self.resampler {
            None => self.out.extend(self.chunk.iter().copied().map(to_i16)),
            Some(resampler) => {
                let made = resampler
                    .process(std::slice::from_ref(&self.chunk), None)
                    .map_err(|error| DecodeError::Content(error.to_string()))?;
                self.out.extend(made.iter().flatten().copied().map(to_i16));
            }
        }
        self.chunk.clear();
        Ok(())
    }

    /// Pushes the rest through the resampler, then cuts its delay off the start and its padding off
    /// the end.
    fn finish(mut self) -> Result<(Rate, Vec<i16>), DecodeError> {
        let Some(resampler) = &self.resampler else {
            self.flush()?;
            return Ok((self.rate, self.out));
        };
        let delay = resampler.output_delay();
        let frames = self.frames * u64::from(self.rate.hz()) / u64::from(self.source_hz);
        let frames = usize::try_from(frames).unwrap_or(usize::MAX);
        while self.out.len() < frames.saturating_add(delay) {
            self.chunk.resize(CHUNK_FRAMES, 0.0);
            self.flush()?;
        }
        self.out.drain(..delay);
        self.out.truncate(frames);
        Ok((self.rate, self.out))
    }
}

fn to_i16(sample: f32) -> i16 {
    // `as` saturates, and gives 0 for what is not a number.
    (sample * 32768.0).round() as i16
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
