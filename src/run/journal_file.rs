//! The journal on disk: one JSON value a line, the header first. A thread of its own writes it; the
//! engine's task never waits for the disk.
//!
//! Policy: a journal is whole or it ends. When the disk does not keep up, cannot be written or the
//! limit is reached, one line of the log says so and nothing is written any more; calls go on.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{info, warn};

use super::health::join;
use crate::journal::{Entry, Header};

/// What the engine was fed in one turn; so many may wait for the disk.
const BATCHES_MAX: usize = 4096;
/// How long the end waits for the disk.
const END_MAX: Duration = Duration::from_secs(2);

/// A journal that is being written. Dropping it writes what waits.
pub struct JournalFile {
    batches: Option<SyncSender<Vec<Entry>>>,
    writer: Option<JoinHandle<()>>,
}

impl JournalFile {
    /// Begins the journal `talkpath-<Unix time in ms>.jsonl` in `folder`, which is made when it is
    /// missing. Only its owner can read it. It ends when it is longer than `bytes_max`.
    ///
    /// # Errors
    /// The folder or the file cannot be made, or the system gives no thread.
    pub fn begin(folder: &Path, header: &Header, bytes_max: u64) -> io::Result<JournalFile> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("talkpath-{}.jsonl", header.epoch_ms));
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mut out = Out {
            file: BufWriter::new(file),
            path,
            left: bytes_max,
        };
        out.line(header)?;
        out.file.flush()?;
        info!(file = %out.path.display(), "The journal begins");
        let (batches, taken) = sync_channel(BATCHES_MAX);
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || out.run(&taken))?;
        Ok(JournalFile {
            batches: Some(batches),
            writer: Some(writer),
        })
    }

    /// Hands over what one turn was fed. Never waits. False when the journal has ended.
    pub fn put(&mut self, entries: Vec<Entry>) -> bool {
        let Some(batches) = &self.batches else {
            return false;
        };
        match batches.try_send(entries) {
            Ok(()) => return true,
            Err(TrySendError::Full(_)) => {
                warn!("The journal ends: the disk does not keep up");
                self.batches = None;
            }
            // The thread has said why.
            Err(TrySendError::Disconnected(_)) => self.batches = None,
        }
        false
    }
}

impl Drop for JournalFile {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(writer) = self.writer.take() {
            join(writer, END_MAX);
        }
    }
}

struct Out {
    file: BufWriter<File>,
    path: PathBuf,
    /// Bytes that may still be written.
    left: u64,
}

impl Out {
    fn run(mut self, batches: &Receiver<Vec<Entry>>) {
        if let Err(error) = self.write(batches) {
            warn!(file = %self.path.display(), %error, "The journal ends");
        }
    }

    fn write(&mut self, batches: &Receiver<Vec<Entry>>) -> io::Result<()> {
        while let Ok(batch) = batches.recv() {
            for entry in &batch {
                self.line(entry)?;
            }
            // What came before a crash is what one wants to read.
            self.file.flush()?;
        }
        Ok(())
    }

    fn line(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        let length = line.len() as u64;
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "log.journal_mb is reached")
        })?;
        self.file.write_all(&line)
    }
}
