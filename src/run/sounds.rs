//! The one door to everything that can be heard: files, speech and tones, as clips.

use std::sync::Arc;

use super::clips::Clips;
use super::speech::Speaker;
use super::tones::tone;
use crate::audio::Clip;
use crate::script::Sound;

/// Finds the clip of a [`Sound`]. Cheap to clone.
#[derive(Clone)]
pub struct Sounds {
    clips: Arc<Clips>,
    speaker: Arc<Speaker>,
}

impl Sounds {
    /// The sounds of one prompts folder and one voice.
    pub fn new(clips: Arc<Clips>, speaker: Arc<Speaker>) -> Self {
        Sounds { clips, speaker }
    }

    /// The clip.
    ///
    /// # Errors
    /// One sentence for the script's log and its `playback_finished` event.
    pub async fn load(&self, sound: &Sound) -> Result<Arc<Clip>, String> {
        match sound {
            Sound::File { path } => self.clips.load(path).await.map_err(|e| e.to_string()),
            Sound::Speech { text, voice } => self
                .speaker
                .speak(text, voice)
                .await
                .map_err(|e| e.to_string()),
            Sound::Tone { name, country } => tone(name, country).map_err(|e| e.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::clips::ClipSettings;
    use crate::run::speech::SpeechSettings;

    #[tokio::test]
    async fn each_kind_of_sound_has_its_source() {
        let dir = tempfile::tempdir().expect("a folder");
        let flac = include_bytes!("../../fixtures/audio/tone-440.flac");
        std::fs::write(dir.path().join("a.flac"), flac).expect("a file");
        let clips = Arc::new(Clips::new(ClipSettings::new(dir.path())));
        let speaker = Speaker::new(SpeechSettings::default(), None, Arc::clone(&clips));
        let sounds = Sounds::new(clips, Arc::new(speaker));
        let file = Sound::File {
            path: "a.flac".to_owned(),
        };
        let tone = Sound::Tone {
            name: "busy".to_owned(),
            country: String::new(),
        };
        let speech = Sound::Speech {
            text: "Hi".to_owned(),
            voice: Default::default(),
        };
        assert_eq!(sounds.load(&file).await.expect("a clip").name, "a.flac");
        assert_eq!(
            sounds.load(&tone).await.expect("a clip").duration_ms(),
            1000
        );
        let error = sounds.load(&speech).await.expect_err("no engine");
        assert!(error.contains("no speech engine"), "{error}");
    }
}
