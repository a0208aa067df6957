//! Whatever a scenario can play, from wherever it comes: files, speech, tones.

use std::sync::Arc;

use crate::audio::Clip;
use crate::script::Sound;

use super::clips::Clips;
use super::speech::Speaker;
use super::tones;

/// Files, speech and tones.
pub struct Sounds {
    clips: Arc<Clips>,
    speaker: Speaker,
}

impl Sounds {
    /// The two sources that need files or programs.
    pub fn new(clips: Arc<Clips>, speaker: Speaker) -> Sounds {
        Sounds { clips, speaker }
    }

    /// The sound as a clip.
    ///
    /// # Errors
    /// One sentence that says what cannot be played and why.
    pub async fn fetch(&self, sound: &Sound) -> Result<Arc<Clip>, String> {
        match sound {
            Sound::File { path } => self.clips.load(path).await.map_err(|error| error.to_string()),
            Sound::Speech { text, voice } => {
                self.speaker.speak(text, voice).await.map_err(|error| error.to_string())
            }
            Sound::Tone { name, country } => {
                tones::clip(name, country).map_err(|error| error.to_string())
            }
        }
    }
}
