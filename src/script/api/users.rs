//! `users`: the accounts that scenarios may touch.

use rhai::{Engine, NativeCallContext};

use super::super::command::Command;
use super::super::handle::{Users, refuse};
use super::super::turn::with;
use super::{Entry, entry, function};

/// Longest name of a user, in bytes.
const NAME_BYTES_MAX: usize = 64;

pub(super) const ENTRIES: &[Entry] = &[entry(
    "users",
    "remove(name)",
    "Deletes the account of a guest, a name that begins with `guest-`. Other accounts stay.",
)];

pub(super) fn register(engine: &mut Engine) {
    function(
        engine,
        "remove",
        |ctx: NativeCallContext, _: &mut Users, name: &str| {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return refuse("`users.remove` wants the name of a user");
            }
            let name = name.to_owned();
            with(&ctx, |running| {
                running.push(&ctx, Command::RemoveUser { name })
            })
        },
    );
}
