//! `talkpath backup`: a copy of what outlives the process, also while the engine runs.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use super::say;
use crate::config::Config;
use crate::store;

/// `talkpath backup`.
///
/// # Errors
/// There is no database, or no copy of it can be written.
pub fn backup(config: &Config, file: &Path, overwrite: bool) -> anyhow::Result<ExitCode> {
    let length = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no threads")?
        .block_on(store::backup(&config.data_dir, file, overwrite))?;
    say(&format!("{} written, {length} bytes", file.display()));
    Ok(ExitCode::SUCCESS)
}
