//! The threads beside the runtime: media, scripts, recordings, and the watchdog over all of them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};
use tracing::error;

use crate::api::Api;
use crate::config::Config;
use crate::id::{SessionId, WorkerId};
use crate::media::{Core, Event};
use crate::run::engine_loop::{REPLIES_MAX, Turn, Wish};
use crate::run::health::{Health, Orders, Pace, Watchdog};
use crate::run::media_loop::{MediaHandle, MediaWorker, MediaWorkerSettings};
use crate::run::queues::TurnDone;
use crate::run::recordings::{Recorded, RecordingSink, Recordings};
use crate::run::script_pool::{ScriptPool, ScriptPoolSettings};

/// Facts from the media thread that may wait for the engine.
const MEDIA_EVENTS_MAX: usize = 16_384;
/// Finished recordings that may wait for the engine.
const RECORDED_MAX: usize = 256;

/// The threads that end when this is dropped, after the engine's.
pub(super) struct Threads {
    _media: MediaWorker,
    _recordings: Recordings,
}

/// The engine's ends of the threads.
pub(super) struct Ends {
    pub media: MediaHandle,
    pub facts: mpsc::Receiver<Event>,
    pub pool: ScriptPool<SessionId, Turn>,
    pub turns: mpsc::Receiver<TurnDone>,
    pub sink: RecordingSink,
    pub recorded: mpsc::Receiver<Recorded>,
}

/// Starts the threads.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(
    config: &Config,
    core: Core,
    health: &Health,
) -> anyhow::Result<(Threads, Ends)> {
    let (recorded_out, recorded) = mpsc::channel(RECORDED_MAX);
    let (writer, sink) = Recordings::start(&config.recordings_dir, recorded_out, health)?;
    let (facts_out, facts) = mpsc::channel(MEDIA_EVENTS_MAX);
    let settings = worker_settings(config);
    let (worker, media) = MediaWorker::start(settings, core, facts_out, sink.clone(), health)?;
    let (turns_out, turns) = mpsc::channel(REPLIES_MAX);
    let pool = ScriptPool::start(pool_settings(config), turns_out, health)?;
    let threads = Threads {
        _media: worker,
        _recordings: writer,
    };
    let ends = Ends {
        media,
        facts,
        pool,
        turns,
        sink,
        recorded,
    };
    Ok((threads, ends))
}

/// Starts the watchdog. When a part cannot be mended, calls are ended as at the end of a drain, and
/// the process ends with a failure, so that whoever has started it starts it again.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn watch(api: Api, wishes: watch::Sender<Wish>) -> anyhow::Result<Watchdog> {
    let health = api.health();
    let orders = Orders {
        check: Box::new(move |now| api.look_at_store(now)),
        end: Box::new(move || {
            wishes.send_modify(|wish| wish.drain_until = Some(Instant::now()));
        }),
        kill: Box::new(|| {
            error!("Stopped by the watchdog");
            std::process::exit(1);
        }),
    };
    Watchdog::start(health, Pace::default(), orders).context("no thread for the watchdog")
}

fn pool_settings(config: &Config) -> ScriptPoolSettings {
    ScriptPoolSettings {
        budget: Duration::from_millis(u64::from(config.script.handler_ms)),
        ..ScriptPoolSettings::default()
    }
}

fn worker_settings(config: &Config) -> MediaWorkerSettings {
    MediaWorkerSettings {
        worker: WorkerId(0),
        bind: config.media.bind,
        address: config.media.bind,
        port_first: config.media.ports.first,
        port_last: config.media.ports.last,
        // 0 to 65535, as the configuration has checked.
        webrtc_port: config.media.webrtc_port as u16,
    }
}
