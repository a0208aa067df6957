//! `talkpath user`: named users, by whoever has the machine. A running engine reads the store at
//! its start only; the API tells it at once.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};

use super::{complain, http, say};
use crate::api::{self, ApiError, USERS_MAX};
use crate::config::Config;
use crate::store::{Added, Store};

/// Longest input that is taken for a password, in bytes.
const INPUT_BYTES_MAX: u64 = 4_096;
/// Users that are read in one go.
const BATCH: u32 = 500;

/// What to do with users.
pub enum UserTask {
    /// Add one; the password is the first line of standard input.
    Add {
        /// The user part of the address.
        name: String,
        /// What others are shown.
        display_name: String,
    },
    /// Print all.
    List,
    /// Remove one.
    Remove {
        /// The user part of the address.
        name: String,
    },
}

/// `talkpath user`.
///
/// # Errors
/// The store cannot be opened, or the name or password is not allowed.
pub fn user(config: &Config, task: UserTask) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads")?
        .block_on(async {
            let store = Store::open(&config.data_dir).await?;
            let code = match task {
                UserTask::Add { name, display_name } => add(&store, &name, &display_name).await,
                UserTask::List => list(&store).await,
                UserTask::Remove { name } => remove(&store, &name).await,
            };
            store.close().await;
            code
        })
}

async fn add(store: &Store, name: &str, display_name: &str) -> anyhow::Result<ExitCode> {
    let refused = |error: ApiError| anyhow!(error.message);
    api::check_username(name).map_err(refused)?;
    api::check_display_name(display_name).map_err(refused)?;
    let password = read_password()?;
    api::check_password(&password).map_err(refused)?;
    let now = http::unix_s() as i64;
    let user = api::named_user(name, display_name, http::REALM, &password, now);
    match store.add_user(&user, USERS_MAX).await? {
        Added::Yes => {
            say(&format!(
                "user {name} added; an engine that runs knows it after its next start"
            ));
            Ok(ExitCode::SUCCESS)
        }
        Added::Exists => Err(anyhow!("the user {name} exists")),
        Added::Full => Err(anyhow!(
            "there are {USERS_MAX} users, and more there cannot be"
        )),
    }
}

fn read_password() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(INPUT_BYTES_MAX)
        .read_to_string(&mut text)
        .context("the password cannot be read from standard input")?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

async fn list(store: &Store) -> anyhow::Result<ExitCode> {
    let mut after = String::new();
    loop {
        let users = store.users(&after, BATCH).await?;
        let Some(last) = users.last() else {
            return Ok(ExitCode::SUCCESS);
        };
        after.clone_from(&last.name);
        for user in users {
            let room = user.guest.map(|guest| format!("  guest of {}", guest.room));
            let room = room.unwrap_or_default();
            say(&format!("{}  {:?}{room}", user.name, user.display_name));
        }
    }
}

async fn remove(store: &Store, name: &str) -> anyhow::Result<ExitCode> {
    if store.remove_user(name).await? {
        say(&format!(
            "user {name} removed; an engine that runs forgets it after its next start"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!("there is no user {name}"));
    Ok(ExitCode::FAILURE)
}
