//! Recordings: samples to WAV files, on a thread of their own. Owns the files while they grow
//! (`<name>.wav.part`) and their names; what is recorded, media decides.
//!
//! Policy: a queue that is full costs the recording its samples and marks it as failed, never the
//! sender its time. A failed recording keeps what was written, as `.part`, and is reported when it
//! ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::health::{Beat, Health, Part, join};
use crate::audio::Rate;
use crate::id::UnitId;

/// Messages that may wait for the disk: 1 s of 200 recordings in frames of 20 ms.
const QUEUE_MAX: usize = 10_000;
/// How the URL of a recording begins; its file name follows.
pub const URL_PREFIX: &str = "recording:";
/// Recordings at the same time.
const OPEN_MAX: usize = 1000;
/// Longest file name without its extension, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Files of one name: `name`, `name-2`, ….
const SAME_NAME_MAX: u32 = 10_000;
/// Sound bytes in one file; a WAV header counts to 4 GiB.
const FILE_BYTES_MAX: u64 = 4_000_000_000;
/// A write that lasts longer means a disk that hangs.
const WRITE_MAX: Duration = Duration::from_secs(5);
/// How long the open files may take at the end.
const FINISH_MAX: Duration = Duration::from_secs(30);
/// What happened to a recording when the queue was full.
const SAMPLES_LOST: &str = "samples were lost because the disk is too slow";
/// How soon losses are noticed while nothing else arrives.
const LOSS_CHECK: Duration = Duration::from_secs(1);
/// How often an idle thread wakes: next to never, as the wait must have an end that can be added to
/// a clock.
const IDLE_CHECK: Duration = Duration::from_secs(24 * 3600);

/// News of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The recorder.
    pub unit: UnitId,
    /// What has come of it.
    pub news: News,
}

/// How far a recording has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Its file has been made; the name below the recordings folder that it will have.
    Opened(String),
    /// It is over.
    Ended(Result<RecordedFile, String>),
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFile {
    /// Name below the recordings folder.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Length of the sound.
    pub duration_ms: u64,
}

enum Order {
    Open {
        unit: UnitId,
        name: String,
    },
    Samples {
        unit: UnitId,
        rate: Rate,
        channels: u16,
        samples: Vec<i16>,
    },
    End {
        unit: UnitId,
    },
}

/// What did not fit into the queue.
#[derive(Default)]
struct Lost {
    opens: BTreeSet<UnitId>,
    units: BTreeSet<UnitId>,
    ends: BTreeSet<UnitId>,
}

type SharedLost = Arc<Mutex<Lost>>;

fn lock(lost: &Mutex<Lost>) -> MutexGuard<'_, Lost> {
    lost.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The senders' end. Cheap to clone; no call waits.
#[derive(Clone)]
pub struct RecordingSink {
    queue: SyncSender<Order>,
    lost: SharedLost,
}

impl RecordingSink {
    /// Begins the recording of `unit` under a name, from which a safe file name is made; empty:
    /// `recording`. Goes before the first samples; samples of a unit that was not opened are
    /// dropped.
    pub fn open(&self, unit: UnitId, name: &str) {
        self.send(
            unit,
            Order::Open {
                unit,
                name: safe_name(name),
            },
        );
    }

    /// Adds interleaved samples of `channels` channels. All of a recording have the same rate and
    /// channels.
    pub fn samples(&self, unit: UnitId, rate: Rate, channels: u16, samples: Vec<i16>) {
        self.send(
            unit,
            Order::Samples {
                unit,
                rate,
                channels,
                samples,
            },
        );
    }

    /// Ends a recording. Its [`Recorded`] follows.
    pub fn end(&self, unit: UnitId) {
        self.send(unit, Order::End { unit });
    }

    fn send(&self, unit: UnitId, order: Order) {
        let Err(TrySendError::Full(refused)) = self.queue.try_send(order) else {
            return;
        };
        let mut lost = lock(&self.lost);
        lost.units.insert(unit);
        match refused {
            Order::Open { .. } => lost.opens.insert(unit),
            Order::End { .. } => lost.ends.insert(unit),
            Order::Samples { .. } => false,
        };
    }
}

/// The writer thread. Dropping it, after the last [`RecordingSink`], finishes every open file.
pub struct Recordings {
    thread: Option<JoinHandle<()>>,
}

impl Recordings {
    /// Starts the thread, which creates the folder when it is first needed. Outcomes come over
    /// `results`; while that channel is full the writer waits.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        recordings_dir: impl Into<PathBuf>,
        results: Sender<Recorded>,
        health: &Health,
    ) -> std::io::Result<(Recordings, RecordingSink)> {
        let (queue, orders) = sync_channel(QUEUE_MAX);
        let lost = SharedLost::default();
        let writer = Writer {
            dir: recordings_dir.into(),
            open: BTreeMap::new(),
            ends: BTreeSet::new(),
            lost: Arc::clone(&lost),
            results,
            beat: health.beat(Part::Recordings, WRITE_MAX),
        };
        let thread = std::thread::Builder::new()
            .name("recordings".to_owned())
            .spawn(move || writer.run(&orders))?;
        Ok((
            Recordings {
                thread: Some(thread),
            },
            RecordingSink { queue, lost },
        ))
    }
}

impl Drop for Recordings {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            join(thread, FINISH_MAX);
        }
    }
}

/// A file name of letters, digits, `-`, `_` and inner dots, without the extension; `recording` when
/// nothing of `name` is left.
pub fn safe_name(name: &str) -> String {
    let name = name.strip_suffix(".wav").unwrap_or(name);
    let safe = |c: char| {
        if c.is_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(safe).take(NAME_CHARS_MAX).collect();
    let name = name.trim_matches(['.', '-']);
    if name.is_empty() {
        "recording".to_owned()
    } else {
        name.to_owned()
    }
}

struct Writer {
    dir: PathBuf,
    open: BTreeMap<UnitId, Recording>,
    /// Ends that were lost while the beginning is still in the queue.
    ends: BTreeSet<UnitId>,
    lost: SharedLost,
    results: Sender<Recorded>,
    beat: Beat,
}

/// Waiting for the first samples, which tell the format; then writing; or failed and waiting for
/// its end.
enum Recording {
    Reserved(Box<Reserved>),
    Writing(Box<Growing>),
    Failed(String),
}

/// An empty file, which keeps the name.
struct Reserved {
    name: String,
    path: PathBuf,
    part: PathBuf,
    file: File,
}

struct Growing {
    name: String,
    path: PathBuf,
    part: PathBuf,
    wav: hound::WavWriter<BufWriter<File>>,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            // Without open recordings there are no losses to look for.
            let wait = if self.open.is_empty() {
                IDLE_CHECK
            } else {
                LOSS_CHECK
            };
            self.beat.rest();
            let order = orders.recv_timeout(wait);
            self.beat.begin(Instant::now());
            match order {
                Ok(order) => {
                    // A beginning that was lost goes before the end that was not.
                    self.handle_losses();
                    self.handle_order(order);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.handle_losses();
        }
        while let Some(unit) = self.open.keys().next().copied() {
            self.end(unit);
        }
    }

    fn handle_order(&mut self, order: Order) {
        match order {
            Order::Open { unit, name } if self.open.len() < OPEN_MAX => self.open(unit, &name),
            Order::Open { unit, .. } => {
                let error = format!("{OPEN_MAX} recordings are running");
                self.open.insert(unit, Recording::Failed(error));
            }
            Order::Samples {
                unit,
                rate,
                channels,
                samples,
            } => {
                if let Some(recording) = self.open.get_mut(&unit) {
                    recording.add(rate, channels, &samples);
                }
            }
            Order::End { unit } => self.end(unit),
        }
    }

    fn open(&mut self, unit: UnitId, name: &str) {
        match Reserved::create(&self.dir, name) {
            Ok(reserved) => {
                let name = reserved.name.clone();
                let recording = Recording::Reserved(Box::new(reserved));
                self.open.insert(unit, recording);
                self.tell(unit, News::Opened(name));
            }
            Err(error) => {
                let error = format!("cannot write in {}: {error}", self.dir.display());
                self.open.insert(unit, Recording::Failed(error));
            }
        }
    }

    fn handle_losses(&mut self) {
        let lost = std::mem::take(&mut *lock(&self.lost));
        for unit in lost.opens {
            let error = "it could not begin because the disk is too slow".to_owned();
            self.open.insert(unit, Recording::Failed(error));
        }
        for unit in lost.units {
            if let Some(recording) = self.open.get_mut(&unit) {
                recording.fail(SAMPLES_LOST.to_owned());
            }
        }
        self.ends.extend(lost.ends);
        let is_open = |unit: &&UnitId| self.open.contains_key(*unit);
        let begun: Vec<UnitId> = self.ends.iter().filter(is_open).copied().collect();
        for unit in begun {
            self.ends.remove(&unit);
            if let Some(recording) = self.open.get_mut(&unit) {
                recording.fail(SAMPLES_LOST.to_owned());
            }
            self.end(unit);
        }
    }

    fn end(&mut self, unit: UnitId) {
        let Some(recording) = self.open.remove(&unit) else {
            return;
        };
        let result = match recording {
            Recording::Reserved(reserved) => {
                reserved.remove();
                Err("there was nothing to record".to_owned())
            }
            Recording::Failed(error) => Err(error),
            Recording::Writing(growing) => growing.finish(),
        };
        match &result {
            Ok(RecordedFile {
                path, duration_ms, ..
            }) => {
                tracing::info!(%unit, path = %path.display(), duration_ms, "Recording written");
            }
            Err(error) => tracing::warn!(%unit, %error, "A recording failed"),
        }
        self.tell(unit, News::Ended(result));
    }

    fn tell(&mut self, unit: UnitId, news: News) {
        // Waiting for the engine is no fault of this thread.
        self.beat.rest();
        if self.results.blocking_send(Recorded { unit, news }).is_err() {
            tracing::debug!(%unit, "Nobody waits for news of a recording");
        }
    }
}

impl Recording {
    fn add(&mut self, rate: Rate, channels: u16, samples: &[i16]) {
        if let Recording::Reserved(reserved) = self {
            match reserved.begin(rate, channels) {
                Ok(growing) => *self = Recording::Writing(Box::new(growing)),
                Err(error) => self.fail(error),
            }
        }
        if let Recording::Writing(growing) = self
            && let Err(error) = growing.write(rate, channels, samples)
        {
            self.fail(error);
        }
    }

    /// What has been written stays as `.part`.
    fn fail(&mut self, error: String) {
        let error = match self {
            Recording::Failed(_) => return,
            Recording::Reserved(reserved) => {
                reserved.remove();
                error
            }
            Recording::Writing(growing) => {
                // The header is brought up to date if the disk allows it; the error is known
                // already.
                let kept = growing.wav.flush().map_or("damaged", |()| "kept");
                format!(
                    "{error}; what was written is {kept} in {}",
                    growing.part.display()
                )
            }
        };
        *self = Recording::Failed(error);
    }
}

impl Reserved {
    fn create(dir: &Path, name: &str) -> Result<Self, String> {
        std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
        for number in 1..=SAME_NAME_MAX {
            let name = if number == 1 {
                name.to_owned()
            } else {
                format!("{name}-{number}")
            };
            let name = format!("{name}.wav");
            let (path, part) = (dir.join(&name), dir.join(format!("{name}.part")));
            if path.exists() {
                continue;
            }
            let file = match File::create_new(&part) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(|error| error.to_string())?,
            };
            return Ok(Reserved {
                name,
                path,
                part,
                file,
            });
        }
        Err(format!("there are {SAME_NAME_MAX} files {name}"))
    }

    fn begin(&self, rate: Rate, channels: u16) -> Result<Growing, String> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate.hz(),
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let error = |error: &dyn std::fmt::Display| {
            format!("cannot write {}: {error}", self.part.display())
        };
        let file = self.file.try_clone().map_err(|e| error(&e))?;
        let wav = hound::WavWriter::new(BufWriter::new(file), spec).map_err(|e| error(&e))?;
        Ok(Growing {
            name: self.name.clone(),
            path: self.path.clone(),
            part: self.part.clone(),
            wav,
        })
    }

    /// Nothing was written: the name is free again.
    fn remove(&self) {
        if let Err(error) = std::fs::remove_file(&self.part) {
            tracing::warn!(part = %self.part.display(), %error, "An empty file stays");
        }
    }
}

impl Growing {
    fn write(&mut self, rate: Rate, channels: u16, samples: &[i16]) -> Result<(), String> {
        let spec = self.wav.spec();
        if (spec.sample_rate, spec.channels) != (rate.hz(), channels) {
            return Err("rate or channels changed in a recording".to_owned());
        }
        let written = u64::from(self.wav.len()) * 2;
        if written + size_of_val(samples) as u64 > FILE_BYTES_MAX {
            return Err("the file is full".to_owned());
        }
        let error = |error: hound::Error| format!("cannot write {}: {error}", self.part.display());
        let whole = u32::try_from(samples.len()).map_err(|error| error.to_string())?;
        let mut writer = self.wav.get_i16_writer(whole);
        samples
            .iter()
            .for_each(|sample| writer.write_sample(*sample));
        writer.flush().map_err(error)
    }

    fn finish(self) -> Result<RecordedFile, String> {
        let Growing {
            name,
            path,
            part,
            wav,
        } = self;
        let duration_ms = u64::from(wav.duration()) * 1000 / u64::from(wav.spec().sample_rate);
        wav.finalize()
            .map_err(|error| format!("cannot finish {}: {error}", part.display()))?;
        std::fs::rename(&part, &path)
            .map_err(|error| format!("cannot rename {}: {error}", part.display()))?;
        Ok(RecordedFile {
            name,
            path,
            duration_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: UnitId = UnitId(1);

    fn start(
        dir: &Path,
    ) -> (
        Recordings,
        RecordingSink,
        tokio::sync::mpsc::Receiver<Recorded>,
    ) {
        let (results, done) = tokio::sync::mpsc::channel(16);
        let (recordings, sink) =
            Recordings::start(dir, results, &Health::default()).expect("a thread");
        (recordings, sink, done)
    }

    /// The next end of a recording.
    fn end_of(
        done: &mut tokio::sync::mpsc::Receiver<Recorded>,
    ) -> (UnitId, Result<RecordedFile, String>) {
        loop {
            let Recorded { unit, news } = done.blocking_recv().expect("an outcome");
            if let News::Ended(result) = news {
                return (unit, result);
            }
        }
    }

    #[test]
    fn a_name_is_told_when_it_is_taken_and_free_again_when_nothing_was_written() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("memo.wav"), "older").expect("a file");
        let (_recordings, sink, mut done) = start(dir.path());
        let mut opened = Vec::new();
        for unit in [A, UnitId(2)] {
            sink.open(unit, "memo");
            opened.push(done.blocking_recv().expect("news").news);
        }
        let names = ["memo-2.wav", "memo-3.wav"].map(str::to_owned);
        assert_eq!(opened, names.map(News::Opened));
        sink.end(A);
        let error = end_of(&mut done).1.expect_err("no samples");
        assert_eq!(error, "there was nothing to record");
        assert!(!dir.path().join("memo-2.wav.part").exists());
        sink.samples(UnitId(2), Rate::Hz8000, 1, vec![0; 160]);
        sink.end(UnitId(2));
        let file = end_of(&mut done).1.expect("a file");
        assert_eq!(file.name, "memo-3.wav");
    }

    #[test]
    fn names_are_safe() {
        for (name, safe) in [
            ("standup 2026/11.wav", "standup-2026-11"),
            ("../../etc/passwd", "etc-passwd"),
            ("", "recording"),
            ("..", "recording"),
            ("Überblick_1.2", "Überblick_1.2"),
            (&"x".repeat(300), &"x".repeat(100)),
        ] {
            assert_eq!(safe_name(name), safe);
        }
    }

    #[test]
    fn a_recording_is_a_wav_under_its_name_once_it_has_ended() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path().join("new");
        let (_recordings, sink, mut done) = start(&dir);
        for (unit, name) in [(A, "talk.wav"), (UnitId(2), "talk")] {
            sink.open(unit, name);
            for frame in 0..50i16 {
                sink.samples(unit, Rate::Hz8000, 2, vec![frame; 320]);
            }
        }
        sink.end(UnitId(2));
        let (unit, second) = end_of(&mut done);
        let file = second.expect("a file");
        assert_eq!((unit, file.name.as_str()), (UnitId(2), "talk-2.wav"));
        assert!(dir.join("talk.wav.part").exists() && !dir.join("talk.wav").exists());
        sink.end(A);
        let file = end_of(&mut done).1.expect("a file");
        assert_eq!((file.name.as_str(), file.duration_ms), ("talk.wav", 1000));
        let mut wav = hound::WavReader::open(dir.join("talk.wav")).expect("a WAV");
        assert_eq!(
            (wav.spec().channels, wav.spec().sample_rate, wav.len()),
            (2, 8000, 16_000)
        );
        assert_eq!(
            wav.samples::<i16>()
                .last()
                .expect("samples")
                .expect("a sample"),
            49
        );
    }

    #[test]
    fn failures_are_reported_at_the_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        std::fs::write(&file, "not a folder").expect("a file");
        let (_bad, bad, mut bad_done) = start(&file);
        let (_good, good, mut good_done) = start(dir.path());
        bad.open(A, "x");
        bad.samples(A, Rate::Hz8000, 1, vec![0; 160]);
        bad.end(A);
        let error = end_of(&mut bad_done).1.expect_err("bad folder");
        assert!(error.starts_with("cannot write in "), "{error}");
        good.samples(A, Rate::Hz8000, 1, vec![0; 160]);
        good.open(A, "x");
        good.end(A);
        let error = end_of(&mut good_done).1.expect_err("empty");
        assert_eq!(error, "there was nothing to record");
        good.open(A, "x");
        good.samples(A, Rate::Hz8000, 1, vec![0; 160]);
        good.samples(A, Rate::Hz16000, 1, vec![0; 320]);
        good.end(A);
        let error = end_of(&mut good_done).1.expect_err("changed");
        assert!(
            error.starts_with("rate or channels changed in a recording; what was"),
            "{error}"
        );
        assert!(dir.path().join("x.wav.part").exists());
    }

    #[test]
    fn a_full_disk_fails_the_recording_and_nothing_else() {
        // /dev/full refuses every write, as a full disk does.
        let dir = tempfile::tempdir().expect("a folder");
        let part = dir.path().join("x.wav.part");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        // A buffer larger than the header, so that the header does not fail first.
        let wav =
            hound::WavWriter::new(BufWriter::with_capacity(1000, full), spec).expect("buffered");
        let path = dir.path().join("x.wav");
        let growing = Growing {
            name: "x.wav".to_owned(),
            path,
            part,
            wav,
        };
        let mut recording = Recording::Writing(Box::new(growing));
        for _ in 0..100 {
            recording.add(Rate::Hz8000, 1, &[0; 160]);
        }
        let Recording::Failed(error) = recording else {
            panic!("still writing")
        };
        assert!(error.contains("No space left on device"), "{error}");
    }

    #[test]
    fn a_queue_that_was_full_fails_the_recording_and_its_end_is_not_lost() {
        let dir = tempfile::tempdir().expect("a folder");
        let (queue, orders) = sync_channel(2);
        let sink = RecordingSink {
            queue,
            lost: SharedLost::default(),
        };
        let (results, mut done) = tokio::sync::mpsc::channel(16);
        let lost = Arc::clone(&sink.lost);
        let dir = dir.path().to_owned();
        sink.open(A, "x");
        for _ in 0..3 {
            sink.samples(A, Rate::Hz8000, 1, vec![0; 160]);
        }
        sink.end(A);
        drop(sink);
        Writer {
            dir,
            open: BTreeMap::new(),
            ends: BTreeSet::new(),
            lost,
            results,
            beat: Health::default().beat(Part::Recordings, WRITE_MAX),
        }
        .run(&orders);
        let error = end_of(&mut done).1.expect_err("lost samples");
        assert!(error.starts_with("samples were lost"), "{error}");
    }

    #[test]
    fn a_recording_that_did_not_fit_into_the_queue_ends_with_an_error() {
        // Which orders of B find room beside the first of A, whose own end never does.
        for room in 1..=2 {
            let dir = tempfile::tempdir().expect("a folder");
            let (queue, orders) = sync_channel(room);
            let lost = SharedLost::default();
            let sink = RecordingSink { queue, lost };
            let (results, mut done) = tokio::sync::mpsc::channel(16);
            let lost = Arc::clone(&sink.lost);
            let b = UnitId(2);
            sink.open(A, "a");
            sink.open(b, "b");
            sink.end(A);
            sink.end(b);
            drop(sink);
            Writer {
                dir: dir.path().to_owned(),
                open: BTreeMap::new(),
                ends: BTreeSet::new(),
                lost,
                results,
                beat: Health::default().beat(Part::Recordings, WRITE_MAX),
            }
            .run(&orders);
            let mut ended = Vec::new();
            while let Some(Recorded { unit, news }) = done.blocking_recv() {
                if let News::Ended(result) = news {
                    ended.push((unit, result.is_err()));
                }
            }
            ended.sort_unstable();
            assert_eq!(ended, [(A, true), (b, true)], "{room}");
        }
    }

    #[test]
    fn open_recordings_are_finished_when_the_senders_are_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let (recordings, sink, mut done) = start(dir.path());
        sink.open(A, "x");
        sink.samples(A, Rate::Hz48000, 1, vec![0; 960]);
        drop(sink);
        drop(recordings);
        let file = end_of(&mut done).1.expect("a file");
        assert_eq!(file.duration_ms, 20);
    }
}
