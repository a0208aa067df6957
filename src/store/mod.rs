//! What outlives the process: one SQLite file, `talkpath.db`, in the data directory.
//!
//! Owns the schema and every SQL sentence; one file per resource. Passwords never come here, only
//! the hashes that SIP digest needs. It judges nothing: who calls has checked names and texts. It
//! knows no calendar; times are handed in, in seconds since 1970.
//!
//! Every job has an end ([`JOB_MAX`]). A disk that is full, read-only, slow or broken costs the
//! jobs that meet it, and nothing else: the next one may succeed ([`Store::check`]).

mod backup;
mod condition;
mod meta;
mod rooms;
mod users;

use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions,
    SqliteTransactionManager,
};
use sqlx::{SqlitePool, TransactionManager as _};

use condition::{Condition, result_code};

pub use backup::{BackupError, backup};
pub use condition::{STUCK_AFTER, Trouble};
pub use meta::MetaKey;
pub use rooms::Room;
pub use users::{Added, Guest, Hashes, User};

/// The file in the data directory.
pub const FILE: &str = "talkpath.db";
/// Connections to the file; one that is wanted while all are in use waits.
const CONNECTIONS_MAX: u32 = 4;
/// How long a connection is waited for, and how long another writer.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How long a job may take, waiting for others included.
pub const JOB_MAX: Duration = Duration::from_secs(5);
/// How long it may take to prove that something can be written.
const PROOF_MAX: Duration = Duration::from_secs(1);
/// Bytes of the write-ahead log that are kept between uses.
const JOURNAL_BYTES_MAX: &str = "4194304";

/// What made each schema out of the one before it. The number of the last one is kept in the
/// file's `user_version`.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_users.sql")];

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or written.
    #[error("data_dir: cannot write in {directory}: {error}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Something else has the file's name.
    #[error("{file} is not a talkpath database: {reason}. Move it away to start with an empty one")]
    NotOurs {
        /// The file.
        file: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// A newer version has written the file.
    #[error(
        "{file} has schema {found}, and this version knows {known} at most: run the newer version, \
         or restore the copy from before it"
    )]
    NewerSchema {
        /// The file.
        file: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema that is known here.
        known: i64,
    },
    /// The job was not done within [`JOB_MAX`]; it may still be done.
    #[error("store: no answer in time")]
    Slow,
    /// SQLite refused.
    #[error("store: {0}")]
    Sqlite(#[from] sqlx::Error),
}

/// The open store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    condition: Arc<Condition>,
}

impl Store {
    /// Opens the file in `data_dir`, makes both where they are missing, and brings the schema up to
    /// date.
    ///
    /// # Errors
    /// [`StoreError`] of every kind.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let file = data_dir.join(FILE);
        create_private(data_dir, &file).map_err(|error| StoreError::Directory {
            directory: data_dir.to_owned(),
            error,
        })?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true)
            .busy_timeout(BUSY_WAIT)
            .pragma("journal_size_limit", JOURNAL_BYTES_MAX);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(BUSY_WAIT)
            .before_acquire(|connection, _| Box::pin(end_transaction(connection)))
            .connect_with(options)
            .await
            .map_err(|error| not_ours(&file, error))?;
        let condition = Arc::new(Condition::new());
        let store = Self { pool, condition };
        store.migrate(&file).await?;
        Ok(store)
    }

    /// Finishes what is being written and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// What keeps the store from its work, if anything does. Tries it when nothing was written for
    /// a while.
    pub async fn check(&self) -> Option<Trouble> {
        let trouble = self.trouble(Instant::now());
        if trouble.is_none() && self.condition.needs_proof(Instant::now()) {
            self.prove().await;
        }
        self.trouble(Instant::now())
    }

    /// What is known to keep the store from its work, or a job that takes longer than
    /// [`STUCK_AFTER`].
    pub fn trouble(&self, now: Instant) -> Option<Trouble> {
        self.condition.check(now)
    }

    /// Waits until the store is not well.
    pub async fn until_trouble(&self) {
        self.condition.until_trouble().await;
    }

    /// Jobs that were not done because of [`Trouble`].
    pub fn failures(&self) -> u64 {
        self.condition.failures()
    }

    /// Writes and deletes a little. The store is well when that succeeds.
    pub async fn prove(&self) {
        let proof = tokio::time::timeout(PROOF_MAX, self.write_proof()).await;
        match proof {
            Ok(Ok(())) => self.condition.proved(Instant::now()),
            Ok(Err(error)) => self.condition.failed(&error.into()),
            Err(_) => self.condition.failed(&StoreError::Slow),
        }
    }

    /// Does a job, within [`JOB_MAX`].
    async fn job<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        let running = self.condition.begin(Instant::now());
        let done = match tokio::time::timeout(JOB_MAX, work).await {
            Ok(done) => done.map_err(StoreError::from),
            Err(_) => Err(StoreError::Slow),
        };
        drop(running);
        if let Err(error) = &done {
            self.condition.failed(error);
        }
        done
    }

    async fn migrate(&self, file: &Path) -> Result<(), StoreError> {
        let known = MIGRATIONS.len() as i64;
        // The write lock comes first, so that of two processes that start together one migrates.
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *transaction)
            .await
            .map_err(|error| not_ours(file, error))?;
        if found > known {
            let file = file.to_owned();
            return Err(StoreError::NewerSchema { file, found, known });
        }
        let done = usize::try_from(found).unwrap_or(0);
        for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
            sqlx::raw_sql(migration)
                .execute(&mut *transaction)
                .await
                .map_err(|error| not_ours(file, error))?;
            let version = format!("PRAGMA user_version = {}", index + 1);
            sqlx::raw_sql(&version).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Makes a connection fit for its next job. SQLite rolls a transaction back by itself when the disk
/// is full or fails; sqlx then counts it as open for ever and begins no other one.
async fn end_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if SqliteTransactionManager::get_transaction_depth(connection) > 0 {
        // A savepoint, which begins a transaction where there is none; so both can be rolled back.
        SqliteTransactionManager::begin(connection, None).await?;
    }
    while SqliteTransactionManager::get_transaction_depth(connection) > 0 {
        SqliteTransactionManager::rollback(connection).await?;
    }
    Ok(true)
}

/// Makes directory and file where they are missing. SQLite gives the files beside it the same
/// permissions.
fn create_private(data_dir: &Path, file: &Path) -> io::Result<()> {
    std::fs::create_dir_all(data_dir)?;
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file)?;
    Ok(())
}

/// Tells a file of somebody else, a broken one and a directory that cannot be written from other
/// trouble.
fn not_ours(file: &Path, error: sqlx::Error) -> StoreError {
    let Some(refusal) = error.as_database_error() else {
        return StoreError::Sqlite(error);
    };
    let reason = refusal.message().to_owned();
    match result_code(&error) {
        // SQLITE_ERROR (a table that exists already), SQLITE_CORRUPT, SQLITE_NOTADB.
        Some(1 | 11 | 26) => StoreError::NotOurs {
            file: file.to_owned(),
            reason,
        },
        // SQLITE_READONLY, SQLITE_CANTOPEN: the files beside it cannot be made.
        Some(8 | 14) => StoreError::Directory {
            directory: file.parent().unwrap_or(file).to_owned(),
            error: io::Error::other(reason),
        },
        _ => StoreError::Sqlite(error),
    }
}

#[cfg(test)]
mod tests;
