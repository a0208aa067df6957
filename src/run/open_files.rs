//! How many files and sockets the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

/// Enough for every limit of connections together, and the sockets of some ten thousand legs.
const WANTED: u64 = 65_536;
/// Below this, connections that the limits allow may take the sockets that calls need.
const NEEDED: u64 = 20_000;

/// Raises the limit of the process to what it needs, as far as the system lets it. Shells and
/// service managers commonly start programs with 1024, which idle connections alone would use up.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit.
    let Some(soft) = current.filter(|soft| *soft < WANTED) else {
        return;
    };
    let wanted = maximum.map_or(WANTED, |hard| hard.min(WANTED));
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    let got = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            warn!(%error, "The limit of open files could not be raised");
            soft
        }
    };
    if got < NEEDED {
        warn!(
            limit = got,
            "Few files may be open: many connections can keep calls out"
        );
    } else {
        debug!(limit = got, "Files that may be open");
    }
}
