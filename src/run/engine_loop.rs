//! The loop around the engine: one task that carries inputs in and outputs out, in order. Owns the
//! engine; everything else reaches it through bounded channels.
//!
//! | channel | when it is full |
//! |---|---|
//! | SIP | the policy of `net` |
//! | media facts | the media thread keeps them and tries again |
//! | script results, clips, recordings | the sender waits; none of them is waited for here |
//! | script jobs | one per session waits here; above [`TURNS_WAITING_MAX`] the turn fails |
//! | media commands | they wait in order; above [`COMMANDS_WAITING_MAX`] the newest are lost |
//! | questions | the asker waits, then is told that the engine does not answer |

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use crate::engine::{Input, Output, ScriptDone, ScriptJob, Stats};
use crate::id::{PlaybackId, SessionId};
use crate::journal::Feed;
use crate::media;
use crate::net::{self, IncomingQueue, Transports};
use crate::script::{Host, Sound};
use crate::sip;
use crate::telemetry::Metric;

use super::call_log::CallLog;
use super::health::{Beat, Health, Part};
use super::journal_file::JournalFile;
use super::media_loop::MediaHandle;
use super::queues::{ClipDone, Queues, TurnDone, Users};
use super::recordings::{Recorded as RecordedFile, RecordingSink};
use super::script_pool::ScriptPool;
use super::sounds::Sounds;

/// Inputs that are taken in before outputs are carried out again.
const BUDGET: usize = 256;
/// Media commands that wait here while the media thread takes none. A thread that lets so many
/// wait is stuck or dead, and the watchdog is about to end the process.
pub const COMMANDS_WAITING_MAX: usize = 65_536;
/// Script turns that wait here for the pool.
pub const TURNS_WAITING_MAX: usize = 65_536;
/// A turn of the loop that lasts longer means that it is stuck.
const TURN_MAX: Duration = Duration::from_secs(1);
/// Answers of the shells that may wait.
pub const REPLIES_MAX: usize = 4096;
/// Questions that may wait.
const QUESTIONS_MAX: usize = 64;
/// How long a question waits for its answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// A script turn, ready to run on a thread.
pub type Turn = Box<dyn FnOnce() -> Box<ScriptDone> + Send>;

/// What the engine task is told from outside.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Rules to run from here on.
    pub catalog: Option<Arc<crate::engine::Catalog>>,
    /// No new calls; end when the last has gone, or at this instant.
    pub drain_until: Option<Instant>,
}

/// The engine's numbers at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// Sessions and calls.
    pub stats: Stats,
    /// SIP.
    pub sip: sip::Counters,
    /// Sockets and connections that carry SIP.
    pub net: net::CountersRead,
    /// WebSockets that are open.
    pub websockets: usize,
    /// The media worker.
    pub media: media::Counters,
    /// Commands that the media thread did not take, and that are lost.
    pub media_commands_lost: u64,
    /// No new calls are taken.
    pub draining: bool,
}

/// Asks the engine for its numbers. Cheap to clone.
#[derive(Clone)]
pub struct Asker {
    questions: mpsc::Sender<oneshot::Sender<Report>>,
}

impl Asker {
    /// The numbers; nothing when the engine does not answer in time.
    pub async fn report(&self) -> Option<Report> {
        let (reply, answer) = oneshot::channel();
        let ask = async {
            self.questions.send(reply).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER_WAIT, ask).await.ok().flatten()
    }
}

impl Report {
    /// The numbers as metrics.
    pub fn metrics(&self) -> Vec<Metric> {
        let (gauge, counter) = (Metric::gauge, Metric::counter);
        let stats = &self.stats;
        let unrouted = |source, count| {
            let help = "Calls that no rule matched, by source.";
            counter("calls_unrouted", help, count).of("source", source)
        };
        let mut metrics = vec![
            gauge("sessions", "Sessions that live.", stats.sessions as u64),
            gauge(
                "legs",
                "Legs that live, internal ends included.",
                stats.legs as u64,
            ),
            gauge(
                "rooms",
                "Conferences that live: rooms with somebody inside, or until lately.",
                stats.rooms as u64,
            ),
            gauge(
                "participants",
                "Legs in conferences: phones and browsers that are inside.",
                stats.participants as u64,
            ),
            gauge(
                "websockets",
                "WebSockets that carry SIP.",
                self.websockets as u64,
            ),
            gauge(
                "draining",
                "1 when no new calls are taken.",
                u64::from(self.draining),
            ),
            counter("calls", "Calls that came in.", stats.calls_total),
            unrouted("phone", stats.calls_unrouted_phone),
            unrouted("web", stats.calls_unrouted_web),
            counter(
                "script_errors",
                "Handlers of scenarios that failed.",
                stats.script_errors,
            ),
            counter(
                "refused_commands",
                "Script commands refused.",
                stats.refused_commands,
            ),
            counter(
                "media_commands_lost",
                "Commands that the media thread did not take.",
                self.media_commands_lost,
            ),
        ];
        for (reason, count) in stats.legs_ended() {
            let help = "SIP legs that ended, by reason.";
            metrics.push(counter("legs_ended", help, count).of("reason", reason.row().label));
        }
        let counted = self.sip.iter().chain(self.net.iter());
        for (name, help, value) in counted.chain(self.media.iter()) {
            metrics.push(counter(name, help, value));
        }
        metrics
    }
}

/// The shells that the loop speaks to.
pub struct Shells {
    /// Runs script turns.
    pub host: Arc<Host>,
    /// Threads for them.
    pub pool: ScriptPool<SessionId, Turn>,
    /// SIP sockets.
    pub transports: Transports,
    /// The media thread.
    pub media: MediaHandle,
    /// Files, speech and tones.
    pub sounds: Sounds,
    /// The recordings thread.
    pub recordings: RecordingSink,
    /// Guests to be deleted from the store.
    pub removals: mpsc::Sender<String>,
    /// Is told when draining begins.
    pub health: Health,
    /// Where what goes into the engine is written down.
    pub journal: Option<JournalFile>,
}

/// The engine's ends of all channels.
pub struct Inputs {
    /// From the SIP sockets.
    pub sip: IncomingQueue,
    /// From the media thread.
    pub media: mpsc::Receiver<media::Event>,
    /// From the script threads.
    pub turns: mpsc::Receiver<TurnDone>,
    /// From the recordings thread.
    pub recordings: mpsc::Receiver<RecordedFile>,
    /// Users that come and go, from the HTTP API.
    pub users: Users,
    /// From the signals of the process.
    pub wishes: watch::Receiver<Wish>,
}

/// Why the loop goes on.
enum Woken {
    Input(Box<Input>),
    Question(oneshot::Sender<Report>),
    Wish,
    Time,
    /// There will be no more input.
    Closed,
}

/// The task.
pub struct EngineLoop {
    feed: Feed,
    call_log: CallLog,
    shells: Shells,
    queues: Queues,
    wishes: watch::Receiver<Wish>,
    questions: mpsc::Receiver<oneshot::Sender<Report>>,
    clips: mpsc::Sender<ClipDone>,
    jobs: VecDeque<(SessionId, Turn)>,
    commands: VecDeque<media::Command>,
    commands_lost: u64,
    /// Turns that were not taken, to be told to the engine.
    failed: VecDeque<ScriptDone>,
    beat: Beat,
    drain_until: Option<Instant>,
    /// The drain time is over, and everything has been hung up.
    hung_up: bool,
    /// Since when a draining engine has had no session.
    empty_since: Option<Instant>,
}

impl EngineLoop {
    /// The loop and the way to ask it. Must be made inside a tokio runtime.
    pub fn new(feed: Feed, shells: Shells, inputs: Inputs) -> (EngineLoop, Asker) {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        let (clips, clips_in) = mpsc::channel(REPLIES_MAX);
        let beat = shells.health.beat(Part::Engine, TURN_MAX);
        let this = EngineLoop {
            call_log: CallLog::new(feed.engine().run()),
            feed,
            beat,
            shells,
            queues: Queues {
                sip: inputs.sip,
                media: inputs.media,
                turns: inputs.turns,
                clips: clips_in,
                recordings: inputs.recordings,
                users: inputs.users,
                next: 0,
            },
            wishes: inputs.wishes,
            questions: asked,
            clips,
            jobs: VecDeque::new(),
            commands: VecDeque::new(),
            commands_lost: 0,
            failed: VecDeque::new(),
            drain_until: None,
            hung_up: false,
            empty_since: None,
        };
        (this, Asker { questions })
    }

    /// Runs until the engine has been drained or the transports are gone.
    pub async fn run(mut self) {
        // One reading of the clock is for all of a turn: for what goes in and for what is due.
        let mut now = Instant::now();
        loop {
            // Priority 1: carry out what the engine asks for.
            self.perform();
            // Priority 2: end when the last call has gone.
            if self.drained(now) {
                break;
            }
            // Priority 3: wait for the next input or deadline; take what is there up to the budget.
            self.beat.rest();
            let woken = self.wait(now).await;
            now = Instant::now();
            self.beat.begin(now);
            match woken {
                Woken::Input(input) => self.take(now, *input),
                Woken::Question(question) => self.answer(question),
                Woken::Wish => self.take_wish(now),
                Woken::Time => {}
                Woken::Closed => break,
            }
            while let Some(failed) = self.failed.pop_front() {
                self.feed.handle(now, Input::Script(Box::new(failed)));
            }
            if !self.hung_up && self.drain_until.is_some_and(|at| at <= now) {
                self.hung_up = true;
                self.feed.handle(now, Input::HangUpAll);
            }
            // Priority 4: deadlines.
            if self.feed.poll_timeout().is_some_and(|at| at <= now) {
                self.feed.handle_timeout(now);
            }
        }
        self.perform();
        self.shells.transports.close().await;
    }

    /// Waits for one input or the next deadline; `now` is the time of the last turn.
    async fn wait(&mut self, now: Instant) -> Woken {
        let drain_check = self.drain_until.map(|at| match self.hung_up {
            true => now + DRAIN_CHECK,
            false => at.min(now + DRAIN_CHECK),
        });
        let at_once = (!self.failed.is_empty()).then_some(now);
        let wake = [self.feed.poll_timeout(), drain_check, at_once];
        let wake = wake.into_iter().flatten().min();
        tokio::select! {
            input = self.queues.recv() => match input {
                Some(input) => Woken::Input(Box::new(input)),
                None => Woken::Closed,
            },
            Some(question) = self.questions.recv() => Woken::Question(question),
            Ok(()) = self.wishes.changed() => Woken::Wish,
            () = sleep_until(wake) => Woken::Time,
        }
    }

    /// Takes in the first input and what else is there, up to the budget.
    fn take(&mut self, now: Instant, first: Input) {
        // Both may have become ready, and users go before calls.
        for _ in 0..BUDGET {
            let Some(user) = self.queues.next_user() else {
                break;
            };
            self.feed.handle(now, user);
        }
        self.feed.handle(now, first);
        for _ in 0..BUDGET {
            let Some(input) = self.queues.next_ready() else {
                return;
            };
            self.feed.handle(now, input);
        }
    }

    fn perform(&mut self) {
        if let Some(journal) = &mut self.shells.journal {
            let entries: Vec<_> = std::iter::from_fn(|| self.feed.poll_entry()).collect();
            if !entries.is_empty() && !journal.put(entries) {
                self.feed.stop();
            }
        }
        while let Some(output) = self.feed.poll_output() {
            match output {
                Output::Sip { flow, bytes } => self.shells.transports.send(&flow, bytes),
                Output::Media(command) => self.queue_command(command),
                Output::Script(job) => self.run_turn(*job),
                Output::Clip { id, sound } => self.fetch(id, sound),
                Output::RemoveUser { name } => {
                    if self.shells.removals.try_send(name).is_err() {
                        warn!("A guest was not removed; it goes when its time is over");
                    }
                }
                Output::OpenRecording { unit, name } => self.shells.recordings.open(unit, &name),
                Output::Notice(notice) => self.call_log.write(&notice),
                Output::Log {
                    session,
                    warn,
                    text,
                } => self.call_log.write_script(session, warn, &text),
            }
        }
        while let Some(command) = self.commands.pop_front() {
            if let Err(refused) = self.shells.media.send(command) {
                self.commands.push_front(*refused.0);
                break;
            }
        }
        while let Some((session, turn)) = self.jobs.pop_front() {
            if let Err(rejected) = self.shells.pool.submit(session, turn) {
                self.jobs.push_front((rejected.tag, rejected.job));
                break;
            }
        }
    }

    fn queue_command(&mut self, command: media::Command) {
        if self.commands.len() < COMMANDS_WAITING_MAX {
            return self.commands.push_back(command);
        }
        if self.commands_lost == 0 {
            error!("The media thread takes no commands; the newest are lost from here on");
        }
        self.commands_lost += 1;
    }

    fn run_turn(&mut self, job: ScriptJob) {
        let (host, session) = (self.shells.host.clone(), job.session);
        if self.jobs.len() >= TURNS_WAITING_MAX {
            let session_id = self.feed.engine().run().name(session);
            warn!(%session_id, "A session ends: the script threads take no turns");
            let why = "the script threads take no turns".to_owned();
            return self.failed.push_back(ScriptDone::lost(session, why));
        }
        let run: Turn = Box::new(move || Box::new(job.run(&host)));
        self.jobs.push_back((session, run));
    }

    fn fetch(&self, id: PlaybackId, sound: Sound) {
        let (sounds, done) = (self.shells.sounds.clone(), self.clips.clone());
        tokio::spawn(async move {
            let result = sounds.load(&sound).await;
            // An error means that the engine is gone, and with it whoever wanted the sound.
            let _ = done.send((id, result)).await;
        });
    }

    fn answer(&self, question: oneshot::Sender<Report>) {
        let report = Report {
            stats: self.feed.engine().stats(),
            sip: *self.feed.engine().sip_counters(),
            net: self.shells.transports.counters(),
            websockets: self.shells.transports.websockets(),
            media: self.shells.media.core_counters(),
            media_commands_lost: self.commands_lost,
            draining: self.drain_until.is_some(),
        };
        // An error means that the asker has gone.
        let _ = question.send(report);
    }

    fn take_wish(&mut self, now: Instant) {
        let wish = self.wishes.borrow_and_update().clone();
        if let Some(catalog) = wish.catalog {
            self.feed.handle(now, Input::Catalog(catalog));
        }
        let Some(at) = wish.drain_until else {
            return;
        };
        // A later wish may be more urgent.
        let before = self.drain_until.replace(at);
        if before.is_none() {
            self.shells.health.set_draining();
            self.feed.handle(now, Input::Drain);
            let stats = self.feed.engine().stats();
            info!(sessions = stats.sessions, "Draining: new calls get 503");
        }
    }

    /// Whether draining is over: no session left and its last messages repeated where need be, or
    /// the time is up and everything has been hung up.
    fn drained(&mut self, now: Instant) -> bool {
        let Some(until) = self.drain_until else {
            return false;
        };
        if self.feed.engine().stats().sessions == 0 {
            // Ended transactions linger for 32 s in case a packet was lost; nobody waits for that.
            let since = *self.empty_since.get_or_insert(now);
            if self.feed.poll_timeout().is_none() || now >= since + FLUSH_MAX {
                return true;
            }
        }
        now >= until + FLUSH_MAX
    }
}

/// How often draining looks at the clock.
const DRAIN_CHECK: Duration = Duration::from_millis(200);
/// How long the last messages may take, after the last session and after the drain time.
const FLUSH_MAX: Duration = Duration::from_secs(1);

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
