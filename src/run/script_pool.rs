//! A small pool of threads for script jobs, so that a scenario that computes for long delays no
//! signalling. It owns the threads, the bounded queue and each job's budget of processor time;
//! what a job is, it does not know.
//!
//! Policy: a full queue refuses the job and gives it back ([`Rejected`]); a panic ends that job
//! alone, with its message as the error; a worker whose result finds the result channel full waits
//! for room. The taker of results must therefore never wait for the pool, and
//! [`ScriptPool::submit`] never waits.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc::Sender;

use super::health::{Beat, Health, Part, join};

/// Processor time that one job may take before [`over_budget`] says so. A machine with more to do
/// than it can makes a job last longer, and that is no fault of its scenario.
pub const BUDGET: Duration = Duration::from_millis(50);
/// How long after its budget a job may go on before its thread counts as stuck.
const GRACE: Duration = Duration::from_secs(1);
/// Stack of a script thread. Values may nest 10,000 deep, and walking one takes 16 MiB in a debug
/// build; what is not used costs address space only.
const STACK_BYTES: usize = 64 << 20;
/// Jobs that may wait.
pub const QUEUE_JOBS_MAX: usize = 4096;

thread_local! {
    static DEADLINE: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// When the budget of a job ends. A thread never uses more processor time than passes, and its
/// clock of processor time costs a system call, so it is read when the wall time is over.
#[derive(Clone, Copy)]
struct Deadline {
    wall: Instant,
    processor: Duration,
}

impl Deadline {
    fn after(now: Instant, budget: Duration) -> Deadline {
        Deadline {
            wall: now + budget,
            processor: processor_time() + budget,
        }
    }
}

/// Processor time of this thread since it began.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        used.tv_sec.unsigned_abs(),
        used.tv_nsec.unsigned_abs() as u32,
    )
}

/// Whether the job that runs on this thread has used up its processor time. `false` on a thread of
/// no pool and between jobs.
pub fn over_budget() -> bool {
    DEADLINE.get().is_some_and(|deadline| {
        Instant::now() >= deadline.wall && processor_time() >= deadline.processor
    })
}

/// Size and budget of a pool.
#[derive(Clone, Copy, Debug)]
pub struct ScriptPoolSettings {
    /// Threads, at least 1.
    pub threads: usize,
    /// Jobs that may wait, at least 1.
    pub queue_jobs_max: usize,
    /// Processor time of one job.
    pub budget: Duration,
}

impl Default for ScriptPoolSettings {
    fn default() -> Self {
        ScriptPoolSettings {
            threads: 2,
            queue_jobs_max: QUEUE_JOBS_MAX,
            budget: BUDGET,
        }
    }
}

/// What became of a job.
#[derive(Debug)]
pub struct Finished<T, R> {
    /// The tag that was given with the job.
    pub tag: T,
    /// What the job returned.
    pub outcome: Result<R, JobPanicked>,
}

/// The job panicked; whatever it owned is gone.
#[derive(Debug, thiserror::Error)]
#[error("the script thread panicked: {message}")]
pub struct JobPanicked {
    /// The panic's message, or a sentence in its place when it carried none.
    pub message: String,
}

/// A job that was not taken, with what is needed to try it again.
#[derive(thiserror::Error)]
#[error("the script queue is full")]
pub struct Rejected<T, J> {
    /// The tag that was given.
    pub tag: T,
    /// The job.
    pub job: J,
}

impl<T, J> fmt::Debug for Rejected<T, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").finish_non_exhaustive()
    }
}

/// The pool. Dropping it closes the queue and waits for the jobs that were taken, but not for a
/// thread that is stuck.
pub struct ScriptPool<T, J> {
    queue: Option<SyncSender<(T, J)>>,
    threads: Vec<JoinHandle<()>>,
    /// How long one job may take.
    job_max: Duration,
}

impl<T: Send + 'static, J: Send + 'static> ScriptPool<T, J> {
    /// Starts the threads. Results come over `results`, in the order in which jobs end.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start<R: Send + 'static>(
        settings: ScriptPoolSettings,
        results: Sender<Finished<T, R>>,
        health: &Health,
    ) -> std::io::Result<Self>
    where
        J: FnOnce() -> R,
    {
        let job_max = settings.budget + GRACE;
        let (queue, jobs) = sync_channel(settings.queue_jobs_max.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = (0..settings.threads.max(1))
            .map(|index| {
                let (jobs, results) = (Arc::clone(&jobs), results.clone());
                let beat = health.beat(Part::Scripts, job_max);
                std::thread::Builder::new()
                    .name(format!("script-{index}"))
                    .stack_size(STACK_BYTES)
                    .spawn(move || run_jobs(&jobs, &results, settings.budget, &beat))
            })
            .collect::<Result<_, _>>()?;
        Ok(ScriptPool {
            queue: Some(queue),
            threads,
            job_max,
        })
    }

    /// Puts a job in the queue. Never waits.
    ///
    /// # Errors
    /// [`Rejected`] when the queue is full.
    pub fn submit(&self, tag: T, job: J) -> Result<(), Rejected<T, J>> {
        let queue = self
            .queue
            .as_ref()
            .expect("the queue is there until the pool is dropped");
        queue.try_send((tag, job)).map_err(|refused| match refused {
            TrySendError::Full((tag, job)) | TrySendError::Disconnected((tag, job)) => {
                Rejected { tag, job }
            }
        })
    }
}

impl<T, J> Drop for ScriptPool<T, J> {
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            join(thread, self.job_max);
        }
    }
}

fn run_jobs<T, J: FnOnce() -> R, R>(
    jobs: &Mutex<Receiver<(T, J)>>,
    results: &Sender<Finished<T, R>>,
    budget: Duration,
    beat: &Beat,
) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((tag, job)) = next else { return };
        let now = Instant::now();
        beat.begin(now);
        DEADLINE.set(Some(Deadline::after(now, budget)));
        let outcome = catch_unwind(AssertUnwindSafe(job)).map_err(|panic| {
            let message = panic_message(panic.as_ref());
            tracing::error!(%message, "A script job panicked");
            JobPanicked { message }
        });
        DEADLINE.set(None);
        // Waiting for the engine is no fault of this thread.
        beat.rest();
        if results.blocking_send(Finished { tag, outcome }).is_err() {
            return;
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Job = Box<dyn FnOnce() -> u32 + Send>;

    fn pool(
        threads: usize,
        queue_jobs_max: usize,
        budget: Duration,
    ) -> (
        ScriptPool<u32, Job>,
        tokio::sync::mpsc::Receiver<Finished<u32, u32>>,
    ) {
        let (results, done) = tokio::sync::mpsc::channel(16);
        let settings = ScriptPoolSettings {
            threads,
            queue_jobs_max,
            budget,
        };
        let pool = ScriptPool::start(settings, results, &Health::default());
        (pool.expect("threads"), done)
    }

    #[test]
    fn results_carry_the_tag_and_a_panic_ends_only_its_own_job() {
        let (pool, mut done) = pool(1, 8, BUDGET);
        pool.submit(1, Box::new(|| 10)).expect("room");
        pool.submit(2, Box::new(|| panic!("scenario {}", "x")))
            .expect("room");
        pool.submit(3, Box::new(|| 30)).expect("room");
        let outcomes: Vec<_> = (0..3)
            .map(|_| done.blocking_recv().expect("a result"))
            .map(|f| (f.tag, f.outcome.map_err(|e| e.to_string())))
            .collect();
        let panicked = "the script thread panicked: scenario x".to_owned();
        assert_eq!(outcomes, vec![(1, Ok(10)), (2, Err(panicked)), (3, Ok(30))]);
    }

    #[test]
    fn a_full_queue_gives_the_job_back_and_drop_finishes_what_was_taken() {
        let (pool, mut done) = pool(1, 1, BUDGET);
        let (open, gate) = sync_channel::<()>(0);
        let (entered, running) = sync_channel::<()>(0);
        let first: Job = Box::new(move || {
            entered.send(()).expect("the test listens");
            gate.recv().expect("the test opens");
            1
        });
        pool.submit(1, first).expect("room");
        running.recv().expect("the first job runs");
        pool.submit(2, Box::new(|| 2))
            .expect("one place in the queue");
        let refused = pool.submit(3, Box::new(|| 3)).expect_err("full");
        assert_eq!((refused.tag, (refused.job)()), (3, 3));
        open.send(()).expect("the job waits");
        drop(pool);
        let tags: Vec<_> = (0..2)
            .filter_map(|_| done.blocking_recv())
            .map(|f| f.tag)
            .collect();
        assert_eq!(tags, [1, 2]);
        assert!(done.blocking_recv().is_none());
    }

    #[test]
    fn a_job_that_waits_for_a_core_keeps_its_budget() {
        let budget = Duration::from_millis(5);
        let (pool, mut done) = pool(1, 1, budget);
        let (enough, long) = std::sync::mpsc::channel();
        let job: Job = Box::new(move || {
            long.recv().expect("the test lives");
            u32::from(over_budget())
        });
        pool.submit(1, job).expect("room");
        let begun = Instant::now();
        while begun.elapsed() < 4 * budget {
            std::thread::yield_now();
        }
        enough.send(()).expect("the job waits");
        let finished = done.blocking_recv().expect("the job has ended");
        assert_eq!(finished.outcome.expect("no panic"), 0);
    }

    #[test]
    fn the_budget_is_of_the_running_job_alone() {
        let (pool, mut done) = pool(1, 4, Duration::from_millis(5));
        let spin: Job = Box::new(|| {
            let begun = Instant::now();
            while !over_budget() {
                assert!(
                    begun.elapsed() < Duration::from_secs(10),
                    "never over budget"
                );
            }
            1
        });
        pool.submit(1, spin).expect("room");
        pool.submit(2, Box::new(|| u32::from(over_budget())))
            .expect("room");
        assert_eq!(
            done.blocking_recv()
                .expect("first")
                .outcome
                .expect("no panic"),
            1
        );
        assert_eq!(
            done.blocking_recv()
                .expect("second")
                .outcome
                .expect("no panic"),
            0
        );
        assert!(!over_budget(), "a thread of no pool has no budget");
    }
}
