//! How the process is: whether each thread that calls depend on does its work, and whether new
//! calls are taken. Owns what the threads say of themselves, and the [`Watchdog`] that looks at it.
//!
//! A thread says when a turn begins and when it waits ([`Beat`]): two writes to memory, so that it
//! costs nothing to be watched. A turn that lasts longer than the thread has promised is *stuck*; a
//! thread that has panicked is *dead*. Who asks sees it at once, the watchdog within
//! [`CHECK_EVERY`].
//!
//! | what the watchdog sees | what it does |
//! |---|---|
//! | a part that becomes stuck, or well again | one log line |
//! | a part that is dead | it ends the process |
//! | all threads of a part in one turn for [`STUCK_CHECKS_MAX`] checks | so, if a new one helps |
//! | a process that has not ended [`END_MAX`] later | it ends it without more ado |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How often the watchdog looks.
pub const CHECK_EVERY: Duration = Duration::from_secs(1);
/// Checks that may find a part in the same turn after it is called stuck. They are counted, and not
/// the time, as a process that was stopped for a while has done nothing wrong.
pub const STUCK_CHECKS_MAX: u32 = 10;
/// How long the orderly end may take.
pub const END_MAX: Duration = Duration::from_secs(5);

/// What fails on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Signalling and decisions.
    Engine,
    /// Sound.
    Media,
    /// Scenarios.
    Scripts,
    /// The files of recordings.
    Recordings,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 4] = [Part::Engine, Part::Media, Part::Scripts, Part::Recordings];

    /// The word for programs and logs.
    pub fn label(self) -> &'static str {
        match self {
            Part::Engine => "engine",
            Part::Media => "media",
            Part::Scripts => "scripts",
            Part::Recordings => "recordings",
        }
    }

    /// Whether a new process would do what a stuck one does not. A disk that hangs would hang for
    /// the new one too, and calls go on without it.
    fn is_worth_a_new_process(self) -> bool {
        match self {
            Part::Engine | Part::Media | Part::Scripts => true,
            Part::Recordings => false,
        }
    }
}

/// How a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It works or waits for work.
    #[default]
    Well,
    /// A turn lasts too long.
    Stuck,
    /// It has panicked.
    Dead,
}

impl State {
    /// A few words.
    pub fn text(self) -> &'static str {
        match self {
            State::Well => "well",
            State::Stuck => "stuck",
            State::Dead => "dead",
        }
    }
}

/// What is known of the process. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Health(Arc<Known>);

struct Known {
    epoch: Instant,
    draining: AtomicBool,
    threads: Mutex<Vec<Arc<Turns>>>,
    watchdog: OnceLock<Thread>,
}

/// What one thread has said.
struct Turns {
    part: Part,
    longest: Duration,
    /// Milliseconds since the epoch, plus one; 0 while it waits.
    began: AtomicU64,
    number: AtomicU64,
    end: AtomicU8,
}

const ALIVE: u8 = 0;
const ENDED: u8 = 1;
const PANICKED: u8 = 2;

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Known {
            epoch: Instant::now(),
            draining: AtomicBool::new(false),
            threads: Mutex::default(),
            watchdog: OnceLock::new(),
        }))
    }
}

impl Health {
    /// From here on new calls and joins are refused; the process ends soon.
    pub fn set_draining(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// What a thread of `part` takes along and drops at its end. No turn of it lasts longer than
    /// `longest`.
    pub fn beat(&self, part: Part, longest: Duration) -> Beat {
        let turns = Arc::new(Turns {
            part,
            longest,
            began: AtomicU64::new(0),
            number: AtomicU64::new(0),
            end: AtomicU8::new(ALIVE),
        });
        self.threads().push(Arc::clone(&turns));
        let known = Arc::clone(&self.0);
        Beat { known, turns }
    }

    /// How every part is, by its worst thread.
    pub fn parts(&self, now: Instant) -> impl Iterator<Item = (Part, State)> {
        let mut parts: BTreeMap<Part, State> = BTreeMap::new();
        for turns in self.threads().iter() {
            let state = parts.entry(turns.part).or_default();
            *state = turns.state(self.0.epoch, now).max(*state);
        }
        parts.into_iter()
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Arc<Turns>>> {
        self.0
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn state(&self, epoch: Instant, now: Instant) -> State {
        if self.end.load(Ordering::Acquire) == PANICKED {
            return State::Dead;
        }
        let began = self.began.load(Ordering::Relaxed);
        let now = now.saturating_duration_since(epoch).as_millis() as u64;
        let lasts = Duration::from_millis((now + 1).saturating_sub(began));
        match began > 0 && lasts > self.longest {
            true => State::Stuck,
            false => State::Well,
        }
    }
}

/// By which a thread says what it does.
pub struct Beat {
    known: Arc<Known>,
    turns: Arc<Turns>,
}

impl Beat {
    /// A turn begins; the one before is over.
    pub fn begin(&self, now: Instant) {
        let since = now.saturating_duration_since(self.known.epoch);
        self.turns.number.fetch_add(1, Ordering::Relaxed);
        self.turns
            .began
            .store(since.as_millis() as u64 + 1, Ordering::Relaxed);
    }

    /// The thread waits.
    pub fn rest(&self) {
        self.turns.began.store(0, Ordering::Relaxed);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.rest();
        let end = match std::thread::panicking() {
            true => PANICKED,
            false => ENDED,
        };
        self.turns.end.store(end, Ordering::Release);
        if let Some(watchdog) = self.known.watchdog.get() {
            watchdog.unpark();
        }
    }
}

/// Waits for the end of a thread, for `within` at most: one that is stuck must not keep the
/// process.
pub(super) fn join(thread: JoinHandle<()>, within: Duration) {
    const LOOK_EVERY: Duration = Duration::from_millis(5);
    let name = thread.thread().name().unwrap_or_default().to_owned();
    let until = Instant::now() + within;
    while !thread.is_finished() {
        if Instant::now() >= until {
            tracing::error!(thread = name, "A thread does not end; it is left behind");
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if thread.join().is_err() {
        tracing::error!(thread = name, "A thread ended by a panic");
    }
}

/// What the watchdog has seen so far.
#[derive(Default)]
struct Watch {
    states: BTreeMap<Part, State>,
    /// By place in the list of threads: the turn in which it was stuck, and the checks that found
    /// it so.
    stuck: BTreeMap<usize, (u64, u32)>,
}

impl Watch {
    /// Looks once. Gives the part that cannot be mended, if there is one.
    fn check(&mut self, health: &Health, now: Instant) -> Option<(Part, State)> {
        for (part, state) in health.parts(now) {
            let before = self.states.insert(part, state).unwrap_or_default();
            match state {
                _ if state == before => {}
                State::Well => tracing::info!(part = part.label(), "A part is well again"),
                State::Stuck | State::Dead => {
                    tracing::error!(part = part.label(), "A part is {}", state.text());
                }
            }
        }
        let mut hopeless: BTreeMap<Part, bool> = BTreeMap::new();
        for (index, turns) in health.threads().iter().enumerate() {
            let gone = match turns.state(health.0.epoch, now) {
                State::Dead => return Some((turns.part, State::Dead)),
                State::Well => {
                    self.stuck.remove(&index);
                    false
                }
                State::Stuck => {
                    let number = turns.number.load(Ordering::Relaxed);
                    let seen = self.stuck.entry(index).or_insert((number, 0));
                    let checks = if seen.0 == number { seen.1 + 1 } else { 1 };
                    *seen = (number, checks);
                    checks > STUCK_CHECKS_MAX
                }
            };
            let all = hopeless.entry(turns.part).or_insert(true);
            *all &= gone && turns.part.is_worth_a_new_process();
        }
        let part = hopeless.into_iter().find(|(_, all)| *all)?.0;
        Some((part, State::Stuck))
    }
}

/// What the watchdog does besides looking.
pub struct Orders {
    /// Called at each check.
    pub check: Box<dyn FnMut(Instant) + Send>,
    /// Ends the process in order.
    pub end: Box<dyn FnOnce() + Send>,
    /// Ends the process at once.
    pub kill: Box<dyn FnOnce() + Send>,
}

/// How often the watchdog looks, and how long the orderly end may take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between checks.
    pub every: Duration,
    /// From the order to end to the end.
    pub end_within: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: CHECK_EVERY,
            end_within: END_MAX,
        }
    }
}

/// The thread that looks at all others. Dropping it ends it.
pub struct Watchdog {
    stop: Arc<AtomicBool>,
    verdict: Arc<OnceLock<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(health: Health, pace: Pace, orders: Orders) -> std::io::Result<Watchdog> {
        let stop = Arc::new(AtomicBool::new(false));
        let verdict = Arc::new(OnceLock::new());
        let (stopped, judged) = (Arc::clone(&stop), Arc::clone(&verdict));
        let known = Arc::clone(&health.0);
        let thread = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || watch(&health, pace, orders, &stopped, &judged))?;
        // A second watchdog is not told at once of who dies; it looks all the same.
        let _ = known.watchdog.set(thread.thread().clone());
        Ok(Watchdog {
            stop,
            verdict,
            thread: Some(thread),
        })
    }

    /// Why the process ends, when the watchdog wants it.
    pub fn verdict(&self) -> Option<String> {
        self.verdict.get().cloned()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            join(thread, END_MAX);
        }
    }
}

fn watch(
    health: &Health,
    pace: Pace,
    mut orders: Orders,
    stop: &AtomicBool,
    verdict: &OnceLock<String>,
) {
    let mut watch = Watch::default();
    let (part, state) = loop {
        std::thread::park_timeout(pace.every);
        if stop.load(Ordering::Acquire) {
            return;
        }
        let now = Instant::now();
        (orders.check)(now);
        if let Some(lost) = watch.check(health, now) {
            break lost;
        }
    };
    let why = format!(
        "the part {:?} is {} and cannot be mended",
        part.label(),
        state.text()
    );
    tracing::error!(part = part.label(), "Ending: {why}");
    // The first verdict, as this is the only place.
    let _ = verdict.set(why);
    (orders.end)();
    let until = Instant::now() + pace.end_within;
    while !stop.load(Ordering::Acquire) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tracing::error!("Ending at once: the orderly end takes too long");
            return (orders.kill)();
        }
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What each check finds, at seconds after the start.
    fn checks(health: &Health, seconds: std::ops::RangeInclusive<u32>) -> Vec<(u32, Part, State)> {
        let mut watch = Watch::default();
        let start = health.0.epoch;
        seconds
            .filter_map(|n| {
                let (part, state) = watch.check(health, start + SECOND * n)?;
                Some((n, part, state))
            })
            .collect()
    }

    fn states(health: &Health, after: Duration) -> Vec<(Part, State)> {
        health.parts(health.0.epoch + after).collect()
    }

    #[test]
    fn a_turn_that_lasts_too_long_is_stuck_and_waiting_is_not() {
        let health = Health::default();
        let beat = health.beat(Part::Media, SECOND);
        let at = |ms| health.0.epoch + Duration::from_millis(ms);
        let state = |ms| states(&health, Duration::from_millis(ms))[0].1;
        assert_eq!(state(60_000), State::Well);
        beat.begin(at(100));
        for (ms, expected) in [
            (100, State::Well),
            (1100, State::Well),
            (1101, State::Stuck),
            (60_000, State::Stuck),
        ] {
            assert_eq!(state(ms), expected, "{ms} ms");
        }
        beat.begin(at(60_000));
        assert_eq!(state(60_500), State::Well);
        beat.rest();
        assert_eq!(state(600_000), State::Well);
    }

    #[test]
    fn the_worst_thread_of_a_part_counts_and_parts_stand_alone() {
        let health = Health::default();
        let (one, two) = (
            health.beat(Part::Scripts, SECOND),
            health.beat(Part::Scripts, SECOND),
        );
        let media = health.beat(Part::Media, SECOND);
        for beat in [&one, &media] {
            beat.begin(health.0.epoch);
            beat.rest();
        }
        two.begin(health.0.epoch);
        let expected = [(Part::Media, State::Well), (Part::Scripts, State::Stuck)];
        assert_eq!(states(&health, SECOND * 2), expected);
    }

    #[test]
    fn the_process_ends_when_all_threads_of_a_part_stay_in_one_turn() {
        for (part, threads, stuck, ends) in [
            (Part::Engine, 1, 1, true),
            (Part::Media, 1, 1, true),
            (Part::Scripts, 2, 1, false),
            (Part::Scripts, 2, 2, true),
            (Part::Recordings, 1, 1, false),
        ] {
            let health = Health::default();
            let beats: Vec<Beat> = (0..threads).map(|_| health.beat(part, SECOND)).collect();
            for beat in beats.iter().take(stuck) {
                beat.begin(health.0.epoch);
            }
            let found = checks(&health, 1..=STUCK_CHECKS_MAX + 2);
            // The first check finds it within its time.
            let expected = ends.then_some((STUCK_CHECKS_MAX + 2, part, State::Stuck));
            assert_eq!(found, Vec::from_iter(expected), "{part:?} {stuck}");
        }
    }

    #[test]
    fn one_slow_turn_after_another_is_not_the_end() {
        let health = Health::default();
        let beat = health.beat(Part::Media, SECOND);
        let mut watch = Watch::default();
        for n in 0..100 {
            let now = health.0.epoch + SECOND * n;
            if n % 5 == 0 {
                beat.begin(now);
            }
            assert_eq!(watch.check(&health, now), None, "{n}");
        }
    }

    #[test]
    fn a_thread_that_panics_is_dead_and_one_that_ends_is_not() {
        for (panics, expected) in [(true, State::Dead), (false, State::Well)] {
            let health = Health::default();
            let beat = health.beat(Part::Media, SECOND);
            let thread = std::thread::spawn(move || {
                let _beat = beat;
                assert!(!panics, "as the test wants");
            });
            assert_eq!(thread.join().is_err(), panics);
            assert_eq!(states(&health, SECOND), [(Part::Media, expected)]);
            let dead = [(1, Part::Media, State::Dead)];
            let found = checks(&health, 1..=1);
            assert_eq!(found, if panics { &dead[..] } else { &[] });
        }
    }

    #[test]
    fn the_watchdog_is_told_of_a_death_and_ends_the_process_twice_if_need_be() {
        let health = Health::default();
        let beat = health.beat(Part::Media, SECOND);
        let (told, orders) = std::sync::mpsc::channel();
        let also = told.clone();
        let orders_of_watchdog = Orders {
            check: Box::new(|_| {}),
            end: Box::new(move || told.send("end").expect("the test listens")),
            kill: Box::new(move || also.send("kill").expect("the test listens")),
        };
        let pace = Pace {
            every: SECOND * 3600,
            end_within: Duration::ZERO,
        };
        let watchdog = Watchdog::start(health, pace, orders_of_watchdog).expect("starts");
        let thread = std::thread::spawn(move || {
            let _beat = beat;
            panic!("as the test wants");
        });
        assert!(thread.join().is_err());
        assert_eq!(orders.recv(), Ok("end"));
        let why = "the part \"media\" is dead and cannot be mended";
        assert_eq!(watchdog.verdict().as_deref(), Some(why));
        assert_eq!(orders.recv(), Ok("kill"));
    }
}
