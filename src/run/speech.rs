//! Spoken text: a recorded prompt if there is one, else the cache, else the configured voice
//! engine. Owns the limits on synthesis and the caches; programs are run by
//! [`voice_program`](super::voice_program).
//!
//! A recorded prompt for a text is `<prompts_dir>/<slug>.wav`. The slug is the text in lower case,
//! each run of characters that are neither letters nor digits as one `-`, none at the ends, cut to
//! 80 characters: "Please enter your PIN, then press #." is `please-enter-your-pin-then-press.wav`.

use std::future::Future;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use super::cache::ClipCache;
use super::clips::{ClipError, Clips};
use super::decode::{DecodeError, decode};
use super::file_work::run_blocking;
use crate::audio::Clip;
use crate::script::VoiceChoice;

/// Longest text, in characters.
pub const TEXT_CHARS_MAX: usize = 1500;
/// Longest slug, in characters.
const SLUG_CHARS_MAX: usize = 80;
/// How long a text waits for those before it: a voice that hangs must not keep a caller for ever.
const TURN_MAX: Duration = Duration::from_secs(30);
/// Longest spoken clip.
pub(super) const SPEECH_MAX: Duration = Duration::from_secs(600);

/// Why a text is not spoken.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    /// No engine is configured and nobody recorded the prompt.
    #[error("no speech engine is configured and there is no recorded prompt {0:?}")]
    NoEngine(String),
    /// Nothing to say.
    #[error("the text is empty")]
    Empty,
    /// Longer than [`TEXT_CHARS_MAX`].
    #[error("the text has {0} characters; 1500 can be spoken")]
    TooLong(usize),
    /// Language or voice has characters that no engine's names have.
    #[error("{0:?} is not the name of a language or voice")]
    BadVoice(String),
    /// Too many texts wait.
    #[error("too many texts wait for the speech engine")]
    Busy,
    /// The program is not installed.
    #[error("the speech program {0:?} is not installed")]
    ProgramMissing(String),
    /// The program did not finish.
    #[error("the speech program {program:?} did not finish within {seconds} s")]
    TimedOut {
        /// The program.
        program: String,
        /// What it was given.
        seconds: u64,
    },
    /// The program failed, or gave more than is taken.
    #[error("the speech program {program:?} failed: {error}")]
    Failed {
        /// The program.
        program: String,
        /// What it said, or the system did.
        error: String,
    },
    /// What the program gave is no sound.
    #[error("the speech program gave no usable sound: {0}")]
    Undecodable(#[from] DecodeError),
    /// The recorded prompt cannot be played.
    #[error(transparent)]
    Prompt(#[from] ClipError),
}

/// The pending outcome of [`Speech::synthesize`].
pub type Synthesis<'a> = Pin<Box<dyn Future<Output = Result<Clip, SpeechError>> + Send + 'a>>;

/// A voice engine.
pub trait Speech: Send + Sync {
    /// What tells its output from another engine's, for the cache: name and settings.
    fn identity(&self) -> String;

    /// Speaks `text`. Dropping the future ends the work.
    fn synthesize<'a>(&'a self, text: &'a str, voice: &'a VoiceChoice) -> Synthesis<'a>;
}

/// Limits, defaults and places of speech.
#[derive(Clone, Debug)]
pub struct SpeechSettings {
    /// Language where a scenario names none, such as `en-GB`.
    pub language: String,
    /// Voice where a scenario names none: `female`, `male` or the engine's own name.
    pub voice: String,
    /// Syntheses at the same time.
    pub running_max: usize,
    /// Texts that may wait for their turn.
    pub waiting_max: usize,
    /// Samples kept in memory, in bytes.
    pub cache_bytes_max: usize,
    /// Folder for `speech/`; `None`: nothing is kept on disk.
    pub data_dir: Option<PathBuf>,
    /// Spoken texts kept on disk; the oldest go first.
    pub disk_files_max: usize,
}

impl Default for SpeechSettings {
    fn default() -> Self {
        SpeechSettings {
            language: "en-GB".to_owned(),
            voice: "female".to_owned(),
            running_max: 2,
            waiting_max: 64,
            cache_bytes_max: 128_000_000,
            data_dir: None,
            disk_files_max: 2000,
        }
    }
}

/// Speaks texts, and remembers them.
pub struct Speaker {
    settings: SpeechSettings,
    engine: Option<Box<dyn Speech>>,
    clips: Arc<Clips>,
    cache: ClipCache<()>,
    running: Semaphore,
    waiting: AtomicUsize,
}

impl Speaker {
    /// A speaker. Without an engine only recorded prompts are heard.
    pub fn new(
        settings: SpeechSettings,
        engine: Option<Box<dyn Speech>>,
        clips: Arc<Clips>,
    ) -> Self {
        let cache = ClipCache::new(settings.cache_bytes_max);
        let running = Semaphore::new(settings.running_max.max(1));
        Speaker {
            settings,
            engine,
            clips,
            cache,
            running,
            waiting: AtomicUsize::new(0),
        }
    }

    /// The clip of a text. Empty fields of `choice` take the settings' defaults; a rate of 0 is 1,
    /// others are held between 0.5 and 2.
    ///
    /// # Errors
    /// See [`SpeechError`].
    pub async fn speak(&self, text: &str, choice: &VoiceChoice) -> Result<Arc<Clip>, SpeechError> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return Err(SpeechError::TooLong(chars));
        }
        if text.is_empty() {
            return Err(SpeechError::Empty);
        }
        let file = format!("{}.wav", slug(text));
        if file != ".wav" && self.is_recorded(&file).await {
            return Ok(self.clips.load(&file).await?);
        }
        let Some(engine) = &self.engine else {
            return Err(SpeechError::NoEngine(file));
        };
        let voice = self.fill(choice)?;
        let key = format!(
            "{}\n{}\n{}\n{}\n{text}",
            engine.identity(),
            voice.language,
            voice.voice,
            voice.rate
        );
        if let Some(clip) = self.cache.get(&key, &()) {
            return Ok(clip);
        }
        let _place = Place::take(
            &self.waiting,
            self.settings.waiting_max + self.settings.running_max,
        )
        .ok_or(SpeechError::Busy)?;
        let turn = tokio::time::timeout(TURN_MAX, self.running.acquire()).await;
        let _turn = turn.map_err(|_| SpeechError::Busy)?;
        if let Some(clip) = self.cache.get(&key, &()) {
            return Ok(clip);
        }
        let clip = match self.read_disk(&key, text).await {
            Some(clip) => clip,
            None => {
                let clip = Clip {
                    name: text.to_owned(),
                    ..engine.synthesize(text, &voice).await?
                };
                self.write_disk(&key, &clip).await;
                clip
            }
        };
        let clip = Arc::new(clip);
        self.cache.insert(&key, (), &clip);
        Ok(clip)
    }

    /// Whether somebody has recorded the text; asked where a disk that hangs harms nobody else.
    async fn is_recorded(&self, file: &str) -> bool {
        let path = self.clips.prompts_dir().join(file);
        run_blocking(move || Ok(path.is_file()))
            .await
            .unwrap_or(false)
    }

    fn fill(&self, choice: &VoiceChoice) -> Result<VoiceChoice, SpeechError> {
        let or = |given: &String, default: &String| {
            let name = if given.is_empty() { default } else { given };
            let sound = !name.starts_with('-')
                && name.len() <= 64
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_+./".contains(c));
            if sound {
                Ok(name.clone())
            } else {
                Err(SpeechError::BadVoice(name.clone()))
            }
        };
        let rate = if choice.rate.is_finite() && choice.rate > 0.0 {
            choice.rate
        } else {
            1.0
        };
        Ok(VoiceChoice {
            language: or(&choice.language, &self.settings.language)?,
            voice: or(&choice.voice, &self.settings.voice)?,
            rate: rate.clamp(0.5, 2.0),
        })
    }

    /// What an earlier run spoke. Each `<hash>.wav` has a `<hash>.txt` with the whole key, so that
    /// two keys of one hash cannot be taken for each other.
    async fn read_disk(&self, key: &str, text: &str) -> Option<Clip> {
        let (wav, txt) = self.disk_paths(key)?;
        let (key, text) = (key.to_owned(), text.to_owned());
        let read = run_blocking(move || {
            if std::fs::read_to_string(&txt)? != key {
                return Ok(None);
            }
            let bytes = std::fs::read(&wav)?;
            Ok(decode(&text, bytes, "wav", None, SPEECH_MAX).ok())
        });
        read.await.ok().flatten()
    }

    /// A disk that cannot be written costs the next run its cache and this one a line in the log.
    async fn write_disk(&self, key: &str, clip: &Clip) {
        let Some((wav, txt)) = self.disk_paths(key) else {
            return;
        };
        let (key, clip, files_max) = (key.to_owned(), clip.clone(), self.settings.disk_files_max);
        let written = run_blocking(move || {
            let dir = wav
                .parent()
                .ok_or_else(|| std::io::Error::other("no folder"))?;
            std::fs::create_dir_all(dir)?;
            remove_oldest(dir, files_max.saturating_sub(1))?;
            let part = wav.with_extension("wav.part");
            let kept = std::fs::write(&part, wav_bytes(&clip)?);
            if let Err(error) = kept.and_then(|()| std::fs::rename(&part, &wav)) {
                // On a disk without room it would be in the way; it may not even be there.
                let _ = std::fs::remove_file(&part);
                return Err(error);
            }
            std::fs::write(&txt, key)
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "Spoken text could not be kept on disk");
        }
    }

    fn disk_paths(&self, key: &str) -> Option<(PathBuf, PathBuf)> {
        let dir = self.settings.data_dir.as_ref()?.join("speech");
        let name = format!("{:016x}", fnv1a_64(key.as_bytes()));
        Some((
            dir.join(format!("{name}.wav")),
            dir.join(format!("{name}.txt")),
        ))
    }
}

/// The file name, without `.wav`, under which a recorded prompt for `text` is looked for; empty
/// when the text has neither letters nor digits.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    let mut gap = false;
    for c in text.chars().flat_map(char::to_lowercase) {
        if !c.is_alphanumeric() {
            gap = !slug.is_empty();
            continue;
        }
        if gap {
            slug.push('-');
            gap = false;
        }
        slug.push(c);
    }
    let cut: String = slug.chars().take(SLUG_CHARS_MAX).collect();
    cut.trim_end_matches('-').to_owned()
}

/// One of a limited number of places, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize, places: usize) -> Option<Self> {
        let claimed = taken.fetch_add(1, Ordering::Relaxed);
        let place = Place(taken);
        (claimed < places).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn wav_bytes(clip: &Clip) -> std::io::Result<Vec<u8>> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: clip.rate.hz(),
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let write = |bytes: &mut Cursor<Vec<u8>>| {
        let mut writer = hound::WavWriter::new(bytes, spec)?;
        for sample in &clip.samples {
            writer.write_sample(*sample)?;
        }
        writer.finalize()
    };
    write(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes.into_inner())
}

/// Removes the oldest spoken texts until `files_max` are left.
fn remove_oldest(dir: &Path, files_max: usize) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wav") {
            let modified = path.metadata().and_then(|metadata| metadata.modified());
            files.push((modified.unwrap_or(SystemTime::UNIX_EPOCH), path));
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(files_max);
    for (_, path) in files.into_iter().take(surplus) {
        std::fs::remove_file(&path)?;
        match std::fs::remove_file(path.with_extension("txt")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// FNV-1a: a file name that is the same in every version and on every machine.
fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
#[path = "speech_tests.rs"]
mod tests;
