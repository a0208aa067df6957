//! Reading and writing of files beside the loops. A disk that does not answer costs who asked an
//! error, and never more than [`FILES_MAX`] threads.

use std::io;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Pieces of work at the same time; others wait.
const FILES_MAX: usize = 64;
/// How long one may take, waiting for its place included.
const FILE_MAX: Duration = Duration::from_secs(30);

static PLACES: Semaphore = Semaphore::const_new(FILES_MAX);

/// Runs file work on the threads that tokio keeps for it.
///
/// # Errors
/// Those of the work, or that the disk does not answer within [`FILE_MAX`].
pub(super) async fn run_blocking<R: Send + 'static>(
    work: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    run_within(FILE_MAX, work).await
}

async fn run_within<R: Send + 'static>(
    longest: Duration,
    work: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    let running = async {
        let place = PLACES.acquire().await.map_err(io::Error::other)?;
        // The place goes along: work that hangs has it also when nobody waits any more.
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        task.await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
    };
    tokio::time::timeout(longest, running)
        .await
        .unwrap_or_else(|_| {
            let text = "the disk does not answer in time";
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// In a runtime of its own, whose end waits for all work.
    #[tokio::test]
    async fn a_disk_that_hangs_keeps_a_place_and_nobody_waiting() {
        let (release, until) = mpsc::channel::<()>();
        let hung = run_within(Duration::from_millis(20), move || {
            assert!(until.recv().is_err());
            Ok(())
        });
        let error = hung.await.expect_err("it hangs");
        assert_eq!(error.to_string(), "the disk does not answer in time");
        // Others go on meanwhile.
        assert_eq!(run_blocking(|| Ok(1)).await.expect("a disk"), 1);
        drop(release);
        let panicked = run_blocking(|| -> io::Result<()> { panic!("as the test wants") });
        assert!(panicked.await.is_err());
        // All places come back, that of the panic too.
        let all = PLACES.acquire_many(FILES_MAX as u32);
        drop(all.await.expect("not closed"));
    }
}
