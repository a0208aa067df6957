//! Whether the store can keep what it is given: what the last job met, how long the oldest one
//! takes, and when it was last proved that something can be written.
//!
//! A change is logged once, however many requests meet the same trouble.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::StoreError;

/// A job that takes longer means a disk that does not answer.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);
/// For how long something that was written proves that more can be.
const PROOF_LASTS: Duration = Duration::from_secs(10);

/// What keeps the store from its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No room is left.
    Full,
    /// Nothing can be written.
    ReadOnly,
    /// Reading or writing fails.
    Fails,
    /// The disk, or another program that has the file, lets us wait.
    Slow,
    /// What is in the file cannot be understood.
    Damaged,
}

impl Trouble {
    /// A sentence without capital and full stop.
    pub fn text(self) -> &'static str {
        match self {
            Trouble::Full => "the disk is full",
            Trouble::ReadOnly => "the disk is read-only",
            Trouble::Fails => "the disk fails",
            Trouble::Slow => "the disk does not answer in time",
            Trouble::Damaged => "the database is damaged",
        }
    }
}

impl StoreError {
    /// What keeps the store from its work; nothing when the fault is another one.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            StoreError::Directory { .. } => Some(Trouble::Fails),
            StoreError::Slow => Some(Trouble::Slow),
            StoreError::Sqlite(error) => of_sqlx(error),
            StoreError::NotOurs { .. } | StoreError::NewerSchema { .. } => None,
        }
    }
}

fn of_sqlx(error: &sqlx::Error) -> Option<Trouble> {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return Some(Trouble::Slow);
    }
    if matches!(error, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed) {
        return Some(Trouble::Fails);
    }
    match result_code(error)? {
        // SQLITE_BUSY, SQLITE_LOCKED.
        5 | 6 => Some(Trouble::Slow),
        8 => Some(Trouble::ReadOnly),
        // SQLITE_NOMEM, SQLITE_IOERR, SQLITE_CANTOPEN.
        7 | 10 | 14 => Some(Trouble::Fails),
        // SQLITE_CORRUPT, SQLITE_NOTADB.
        11 | 26 => Some(Trouble::Damaged),
        13 => Some(Trouble::Full),
        _ => None,
    }
}

/// The primary result code of SQLite: the low byte, the others say more about it.
pub(super) fn result_code(error: &sqlx::Error) -> Option<i64> {
    let code = error.as_database_error()?.code()?.parse::<i64>().ok()?;
    Some(code & 0xff)
}

#[derive(Debug)]
pub(super) struct Condition {
    trouble: watch::Sender<Option<Trouble>>,
    jobs: Mutex<Jobs>,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Jobs {
    next: u64,
    /// By number, so that the first one is the oldest.
    running: BTreeMap<u64, Instant>,
    proved: Option<Instant>,
}

impl Condition {
    pub fn new() -> Self {
        Self {
            trouble: watch::Sender::new(None),
            jobs: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// Notes that a job begins; it ends when what this gives is dropped.
    pub fn begin(&self, now: Instant) -> Job<'_> {
        let mut jobs = self.jobs();
        let number = jobs.next;
        jobs.next += 1;
        jobs.running.insert(number, now);
        Job(self, number)
    }

    /// Notes that a job failed.
    pub fn failed(&self, error: &StoreError) {
        let Some(trouble) = error.trouble() else {
            return;
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        if self.set(Some(trouble)) {
            tracing::error!(%error, "The store does not keep anything: {}", trouble.text());
        }
    }

    /// Notes that something was written.
    pub fn proved(&self, now: Instant) {
        self.jobs().proved = Some(now);
        if self.set(None) {
            tracing::info!("The store is well again");
        }
    }

    /// Takes a job that lasts too long for trouble. Gives what there is.
    pub fn check(&self, now: Instant) -> Option<Trouble> {
        let oldest = self.jobs().running.values().next().copied();
        if oldest.is_some_and(|since| now.saturating_duration_since(since) >= STUCK_AFTER)
            && self.trouble().is_none()
            && self.set(Some(Trouble::Slow))
        {
            tracing::error!("The store does not keep anything: {}", Trouble::Slow.text());
        }
        self.trouble()
    }

    /// Whether it is time to write something, to see whether that can be done.
    pub fn needs_proof(&self, now: Instant) -> bool {
        let proved = self.jobs().proved;
        proved.is_none_or(|at| now.saturating_duration_since(at) >= PROOF_LASTS)
    }

    pub fn trouble(&self) -> Option<Trouble> {
        *self.trouble.borrow()
    }

    /// Waits for trouble.
    pub async fn until_trouble(&self) {
        // The sender lives as long as we do.
        let _ = self.trouble.subscribe().wait_for(Option::is_some).await;
    }

    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Whether that is a change.
    fn set(&self, trouble: Option<Trouble>) -> bool {
        self.trouble
            .send_if_modified(|known| std::mem::replace(known, trouble) != trouble)
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Job<'a>(&'a Condition, u64);

impl Drop for Job<'_> {
    fn drop(&mut self) {
        let Job(condition, number) = self;
        condition.jobs().running.remove(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_takes_too_long_is_trouble_until_something_is_written() {
        let condition = Condition::new();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let first = condition.begin(at(0));
        let _second = condition.begin(at(1500));
        for (ms, trouble) in [(0, None), (1999, None), (2000, Some(Trouble::Slow))] {
            assert_eq!(condition.check(at(ms)), trouble, "{ms} ms");
        }
        drop(first);
        // The second one is young, and nothing has been written yet.
        assert_eq!(condition.check(at(2500)), Some(Trouble::Slow));
        condition.proved(at(2600));
        assert_eq!(condition.check(at(2600)), None);
        assert_eq!(condition.check(at(3500)), Some(Trouble::Slow));
    }

    #[test]
    fn what_was_written_proves_for_a_while() {
        let condition = Condition::new();
        let start = Instant::now();
        assert!(condition.needs_proof(start));
        condition.proved(start);
        assert!(!condition.needs_proof(start + PROOF_LASTS / 2));
        assert!(condition.needs_proof(start + PROOF_LASTS));
    }

    #[test]
    fn other_faults_are_no_trouble_of_the_store() {
        let condition = Condition::new();
        condition.failed(&StoreError::Sqlite(sqlx::Error::RowNotFound));
        assert_eq!((condition.trouble(), condition.failures()), (None, 0));
        condition.failed(&StoreError::Slow);
        condition.failed(&StoreError::Sqlite(sqlx::Error::PoolTimedOut));
        let trouble = Some(Trouble::Slow);
        assert_eq!((condition.trouble(), condition.failures()), (trouble, 2));
    }
}
