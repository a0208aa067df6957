//! A copy of the database, while others use it: one file that needs no other beside it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::condition::result_code;
use super::{BUSY_WAIT, FILE, StoreError, not_ours};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no database {0}; the first start of the engine makes it")]
    NoDatabase(PathBuf),
    /// Something is where the copy is to be.
    #[error("{0} exists; --force replaces it")]
    Exists(PathBuf),
    /// The copy cannot be written.
    #[error("cannot write {file}: {reason}")]
    Write {
        /// The copy.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] StoreError),
}

/// Copies the database in `data_dir` to `file`, which is there whole or not at all, for its owner
/// alone. Gives its length in bytes.
///
/// # Errors
/// [`BackupError`] of every kind.
pub async fn backup(data_dir: &Path, file: &Path, overwrite: bool) -> Result<u64, BackupError> {
    let database = data_dir.join(FILE);
    // An empty file is one that a start has left that failed.
    if fs::metadata(&database).is_ok_and(|known| known.len() == 0) || !database.exists() {
        return Err(BackupError::NoDatabase(database));
    }
    if !overwrite && fs::symlink_metadata(file).is_ok() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let write = |error: io::Error| BackupError::Write {
        file: file.to_owned(),
        reason: error.to_string(),
    };
    let part = Part::create(file).map_err(write)?;
    copy(&database, file, &part).await?;
    let length = part.finish(file, overwrite).map_err(|error| {
        match error.kind() == io::ErrorKind::AlreadyExists {
            true => BackupError::Exists(file.to_owned()),
            false => write(error),
        }
    })?;
    Ok(length)
}

async fn copy(database: &Path, file: &Path, part: &Part) -> Result<(), BackupError> {
    let read = |error| BackupError::Read(not_ours(database, error));
    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(false)
        .busy_timeout(BUSY_WAIT);
    let mut connection = options.connect().await.map_err(read)?;
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut connection)
        .await
        .map_err(read)?;
    if version == 0 {
        return Err(BackupError::Read(StoreError::NotOurs {
            file: database.to_owned(),
            reason: "it has no schema of ours".to_owned(),
        }));
    }
    let part = part.path.to_str().ok_or_else(|| BackupError::Write {
        file: file.to_owned(),
        reason: "the path is no text".to_owned(),
    })?;
    let copied = sqlx::query("VACUUM INTO ?")
        .bind(part)
        .execute(&mut connection)
        .await;
    let closed = connection.close().await;
    match copied {
        Ok(_) => closed.map_err(read),
        // SQLITE_CORRUPT, SQLITE_NOTADB: of the database, as the copy was empty.
        Err(error) if matches!(result_code(&error), Some(11 | 26)) => Err(read(error)),
        Err(error) => Err(BackupError::Write {
            file: file.to_owned(),
            reason: match error.as_database_error() {
                Some(refusal) => refusal.message().to_owned(),
                None => error.to_string(),
            },
        }),
    }
}

/// The copy while it grows. Dropping it removes it.
struct Part {
    path: PathBuf,
    folder: PathBuf,
}

impl Part {
    fn create(file: &Path) -> io::Result<Part> {
        let file = std::path::absolute(file)?;
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        };
        let name = format!(".{}.part-{}", name.to_string_lossy(), std::process::id());
        let part = Part {
            path: folder.join(name),
            folder: folder.to_owned(),
        };
        // SQLite takes an empty file, and keeps who may read it.
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part.path)?;
        Ok(part)
    }

    /// Gives the copy its name, when it is safe on the disk.
    fn finish(self, file: &Path, overwrite: bool) -> io::Result<u64> {
        let written = File::open(&self.path)?;
        written.sync_all()?;
        let length = written.metadata()?.len();
        if overwrite {
            fs::rename(&self.path, file)?;
        } else {
            // Unlike a rename, a link replaces nothing that has come meanwhile.
            fs::hard_link(&self.path, file)?;
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(length)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After a rename it is gone already.
        let _ = fs::remove_file(&self.path);
    }
}
