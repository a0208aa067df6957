//! Prompts and recordings: sound files below their folders, decoded once and shared by all who play
//! them.
//! Owns the confinement of paths, the size limits and the cache; decoding is in
//! [`decode`](super::decode).

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use super::cache::ClipCache;
use super::decode::{DecodeError, decode};
use super::file_work::run_blocking;
use super::recordings::URL_PREFIX;
use crate::audio::Clip;

/// Files that are decoded at the same time; others wait, and find the cache filled if they want the
/// same.
const DECODERS_MAX: usize = 2;
/// Longest path that is looked at, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// Where prompts are and how large they may be.
#[derive(Clone, Debug)]
pub struct ClipSettings {
    /// The folder; nothing outside of it is read.
    pub prompts_dir: PathBuf,
    /// The folder of what `recording:` names; absent: no recordings are played.
    pub recordings_dir: Option<PathBuf>,
    /// Largest file, in bytes.
    pub file_bytes_max: u64,
    /// Longest sound.
    pub duration_max: Duration,
    /// Samples kept in memory, in bytes.
    pub cache_bytes_max: usize,
}

impl ClipSettings {
    /// Files to 50 MB and 10 minutes, 256 MB of cache.
    pub fn new(prompts_dir: impl Into<PathBuf>) -> Self {
        ClipSettings {
            prompts_dir: prompts_dir.into(),
            recordings_dir: None,
            file_bytes_max: 50_000_000,
            duration_max: Duration::from_secs(600),
            cache_bytes_max: 256_000_000,
        }
    }

    /// The folder and the file in it of a path below the prompts folder or of a `recording:` URL;
    /// links are still to be followed.
    ///
    /// # Errors
    /// The path leaves its folder, is a network address, or cannot name a file.
    pub fn confine(&self, path: &str) -> Result<(PathBuf, PathBuf), ClipError> {
        if path.starts_with("http://") || path.starts_with("https://") {
            return Err(ClipError::Address(path.to_owned()));
        }
        let (dir, name) = match path.strip_prefix(URL_PREFIX) {
            Some(name) => (self.recordings_dir.as_ref(), name),
            None => (Some(&self.prompts_dir), path),
        };
        let plain = |component| matches!(component, Component::Normal(_) | Component::CurDir);
        let fits = !name.is_empty()
            && name.len() <= PATH_BYTES_MAX
            && !name.contains(['\0', '\\'])
            && Path::new(name).components().all(plain);
        match dir.filter(|_| fits) {
            Some(dir) => Ok((dir.clone(), dir.join(name))),
            None => Err(ClipError::Outside(path.to_owned())),
        }
    }
}

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The path leaves its folder or cannot name a file in it.
    #[error("{0:?} is not a path below the {folder} folder", folder = folder_of(.0))]
    Outside(String),
    /// A network address.
    #[error("{0:?} is a network address; only files below the prompts folder are played")]
    Address(String),
    /// Cannot be read.
    #[error("cannot read {path:?} in the {folder} folder: {error}", folder = folder_of(path))]
    Unreadable {
        /// As it was asked for.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Larger than allowed.
    #[error("{path:?} has {bytes} bytes; {bytes_max} are allowed")]
    TooLarge {
        /// As it was asked for.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Cannot be decoded.
    #[error("cannot play {path:?}: {error}")]
    Undecodable {
        /// As it was asked for.
        path: String,
        /// What is wrong with it.
        error: DecodeError,
    },
}

/// Which folder a path is in, for people.
fn folder_of(path: &str) -> &'static str {
    if path.starts_with(URL_PREFIX) {
        "recordings"
    } else {
        "prompts"
    }
}

/// The loader with its cache.
pub struct Clips {
    settings: ClipSettings,
    cache: ClipCache<(u64, Option<SystemTime>)>,
    decoders: Semaphore,
}

impl Clips {
    /// A loader with an empty cache. The folder need not exist yet.
    pub fn new(settings: ClipSettings) -> Self {
        let cache = ClipCache::new(settings.cache_bytes_max);
        Clips {
            settings,
            cache,
            decoders: Semaphore::new(DECODERS_MAX),
        }
    }

    /// The folder that is read.
    pub fn prompts_dir(&self) -> &Path {
        &self.settings.prompts_dir
    }

    /// The clip of a file, by its path below the prompts folder, or of a recording, by its
    /// `recording:` URL. A file that changed on disk is
    /// read anew.
    ///
    /// # Errors
    /// See [`ClipError`]; every text names the path as it was asked for.
    pub async fn load(&self, path: &str) -> Result<Arc<Clip>, ClipError> {
        let (dir, file) = self.settings.confine(path)?;
        let unreadable = |error: std::io::Error| ClipError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let (file, metadata) = run_blocking(move || {
            // Symbolic links must not lead out of the folder.
            let (file, dir) = (file.canonicalize()?, dir.canonicalize()?);
            let metadata = file.metadata()?;
            Ok((file.starts_with(&dir).then_some(file), metadata))
        })
        .await
        .map_err(unreadable)?;
        let file = file.ok_or_else(|| ClipError::Outside(path.to_owned()))?;
        if !metadata.is_file() {
            return Err(unreadable(std::io::Error::other("not a file")));
        }
        let (bytes, bytes_max) = (metadata.len(), self.settings.file_bytes_max);
        if bytes > bytes_max {
            return Err(ClipError::TooLarge {
                path: path.to_owned(),
                bytes,
                bytes_max,
            });
        }
        let version = (bytes, metadata.modified().ok());
        if let Some(clip) = self.cache.get(path, &version) {
            return Ok(clip);
        }
        let _turn = self.decoders.acquire().await;
        if let Some(clip) = self.cache.get(path, &version) {
            return Ok(clip);
        }
        let clip = self.read(path, file).await?;
        self.cache.insert(path, version, &clip);
        Ok(clip)
    }

    async fn read(&self, path: &str, file: PathBuf) -> Result<Arc<Clip>, ClipError> {
        let name = path.to_owned();
        let (bytes_max, duration_max) = (self.settings.file_bytes_max, self.settings.duration_max);
        run_blocking(move || {
            let extension = file
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            let bytes = read_bounded(&file, bytes_max)?;
            Ok(decode(&name, bytes, extension, None, duration_max))
        })
        .await
        .map_err(|error| ClipError::Unreadable {
            path: path.to_owned(),
            error,
        })?
        .map(Arc::new)
        .map_err(|error| ClipError::Undecodable {
            path: path.to_owned(),
            error,
        })
    }
}

/// Reads a file that may have grown since its size was asked for.
fn read_bounded(file: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(file)?
        .take(bytes_max)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAC: &[u8] = include_bytes!("../../fixtures/audio/tone-440.flac");
    const OGG: &[u8] = include_bytes!("../../fixtures/audio/tone-440.ogg");

    fn prompts() -> (tempfile::TempDir, Clips) {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("prompts")).expect("a folder");
        std::fs::write(dir.path().join("secret.flac"), FLAC).expect("a file");
        let settings = ClipSettings::new(dir.path().join("prompts"));
        (dir, Clips::new(settings))
    }

    #[tokio::test]
    async fn a_file_is_decoded_once_until_it_changes() {
        let (_dir, clips) = prompts();
        let file = clips.prompts_dir().join("welcome.flac");
        std::fs::write(&file, FLAC).expect("a file");
        let first = clips.load("welcome.flac").await.expect("a clip");
        let again = clips.load("welcome.flac").await.expect("a clip");
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(
            (first.name.as_str(), first.duration_ms()),
            ("welcome.flac", 500)
        );
        std::fs::write(&file, OGG).expect("a file");
        let changed = clips.load("welcome.flac").await.expect("a clip");
        assert!(!Arc::ptr_eq(&first, &changed));
    }

    #[tokio::test]
    async fn nothing_outside_the_folder_is_read() {
        let (dir, clips) = prompts();
        let link = clips.prompts_dir().join("link.flac");
        std::os::unix::fs::symlink(dir.path().join("secret.flac"), link).expect("a link");
        let absolute = dir.path().join("secret.flac").display().to_string();
        for path in [
            "../secret.flac",
            "a/../../secret.flac",
            &absolute,
            "",
            "link.flac",
            "a\0b",
        ] {
            let error = clips.load(path).await.expect_err(path);
            let outside = matches!(error, ClipError::Outside(_));
            // The part before `..` need not exist for the path to be refused.
            assert!(outside, "{path:?}: {error}");
        }
        let error = clips
            .load("http://example.org/a.mp3")
            .await
            .expect_err("an address");
        assert!(error.to_string().contains("network address"), "{error}");
    }

    #[tokio::test]
    async fn a_recording_is_played_by_its_url_and_nothing_else_of_that_kind() {
        let (dir, mut clips) = prompts();
        let error = clips.load("recording:a.flac").await.expect_err("no folder");
        assert!(matches!(error, ClipError::Outside(_)), "{error}");
        let recordings = dir.path().join("recordings");
        std::fs::create_dir(&recordings).expect("a folder");
        std::fs::write(recordings.join("a.flac"), FLAC).expect("a file");
        std::fs::write(clips.prompts_dir().join("prompt.flac"), FLAC).expect("a file");
        let link = recordings.join("link.flac");
        std::os::unix::fs::symlink(dir.path().join("secret.flac"), link).expect("a link");
        clips.settings.recordings_dir = Some(recordings);
        let clip = clips.load("recording:a.flac").await.expect("a clip");
        assert_eq!(clip.duration_ms(), 500);
        let absolute = format!("recording:{}", dir.path().join("secret.flac").display());
        for (path, text) in [
            (
                "recording:../secret.flac",
                "is not a path below the recordings folder",
            ),
            (
                "recording:../prompts/prompt.flac",
                "is not a path below the recordings",
            ),
            (&absolute, "is not a path below the recordings folder"),
            ("recording:", "is not a path below the recordings folder"),
            (
                "recording:link.flac",
                "is not a path below the recordings folder",
            ),
            (
                "recording:prompt.flac",
                "in the recordings folder: No such file",
            ),
            ("a.flac", "in the prompts folder: No such file"),
        ] {
            let error = clips.load(path).await.expect_err(path).to_string();
            assert!(error.contains(text), "{path}: {error}");
        }
    }

    #[tokio::test]
    async fn errors_name_the_file_and_the_reason() {
        let (_dir, mut clips) = prompts();
        clips.settings.file_bytes_max = 6_000;
        std::fs::write(clips.prompts_dir().join("big.flac"), FLAC).expect("a file");
        std::fs::write(clips.prompts_dir().join("text.wav"), b"no sound").expect("a file");
        for (path, text) in [
            ("big.flac", "\"big.flac\" has 12446 bytes; 6000 are allowed"),
            ("text.wav", "cannot play \"text.wav\": not a WAV"),
            (
                "gone.wav",
                "cannot read \"gone.wav\" in the prompts folder: No such file",
            ),
            (".", "cannot read \".\" in the prompts folder: not a file"),
        ] {
            let error = clips.load(path).await.expect_err(path).to_string();
            assert!(error.starts_with(text), "{path}: {error}");
        }
    }
}
