//! One media worker: a thread with one [`media::Core`](crate::media::Core), its sockets and its
//! clock. It carries packets, commands and events; what they mean is the core's.
//!
//! While the core has a tick within 20 ms, packets do not wake the thread: it sleeps to the next
//! slot, 5 ms at most, and then reads all sockets at once. Otherwise it sleeps until a packet, a
//! command or the core's next deadline. Without any of them it uses no time at all.
//!
//! Policies: a full command channel gives the command back to the sender; a full event channel
//! keeps events here, in order, and beyond [`EVENTS_WAITING_MAX`] the newest are lost, counted and
//! logged; a packet that a socket does not take is lost and counted.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError as EventNotSent;

use super::health::{Beat, Health, Part, join};
use super::media_ports::PortPool;
pub use super::media_sockets::{MediaCounters, MediaCountersRead};
use super::media_sockets::{MediaSockets, Waker, count};
use super::recordings::RecordingSink;
use crate::id::{UnitId, WorkerId};
use crate::media::{Channel, Command, Core, Counters, Event, Output};

/// Commands that may wait for a worker.
const COMMANDS_MAX: usize = 8192;
/// Commands that are carried out before packets are read again.
const COMMANDS_PER_TURN: usize = 256;
/// Events that wait here for room in the engine's queue.
pub const EVENTS_WAITING_MAX: usize = 65_536;
/// Longest sleep while the core ticks, and while events wait.
const SLEEP_MAX: Duration = Duration::from_millis(5);
/// A turn that lasts longer means that the thread is stuck.
const TURN_MAX: Duration = Duration::from_secs(1);
/// A deadline that is nearer is a tick.
const TICKING: Duration = Duration::from_millis(20);

/// What the loop drives. It is [`Core`]; tests of the loop put an echo in its place.
pub trait Machine: Send + 'static {
    /// See [`Core::handle_command`].
    fn handle_command(&mut self, now: Instant, command: Command);
    /// See [`Core::handle_packet`].
    fn handle_packet(
        &mut self,
        now: Instant,
        unit: UnitId,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    );
    /// See [`Core::handle_shared_packet`].
    fn handle_shared_packet(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]);
    /// See [`Core::handle_bound`].
    fn handle_bound(
        &mut self,
        now: Instant,
        unit: UnitId,
        bound: Result<(SocketAddr, SocketAddr), String>,
    );
    /// See [`Core::handle_timeout`].
    fn handle_timeout(&mut self, now: Instant);
    /// See [`Core::poll_timeout`].
    fn poll_timeout(&self) -> Option<Instant>;
    /// See [`Core::poll_output`].
    fn poll_output(&mut self) -> Option<Output>;
    /// See [`Core::counters`].
    fn counters(&self) -> Counters;
    /// See [`Core::drain_packets`].
    fn drain_packets(&mut self, send: impl FnMut(UnitId, Channel, SocketAddr, &[u8]));
}

/// Where a worker has its sockets.
#[derive(Clone, Copy, Debug)]
pub struct MediaWorkerSettings {
    /// Its name.
    pub worker: WorkerId,
    /// The address that sockets are bound to.
    pub bind: IpAddr,
    /// The address of the sockets as [`Event::LegReady`] tells it; unspecified: the engine knows
    /// better, from how the peer reached it.
    pub address: IpAddr,
    /// First port of the range, which no other worker shares.
    pub port_first: u16,
    /// Last port of the range.
    pub port_last: u16,
    /// The port that all WebRTC legs share, outside the range; 0 is any free one.
    pub webrtc_port: u16,
}

/// A running worker. Dropping it carries out the commands that wait, sends what that produces, and
/// ends the thread.
pub struct MediaWorker {
    stop: Arc<AtomicBool>,
    waker: Waker,
    counters: Arc<MediaCounters>,
    core_counters: Arc<Mutex<Counters>>,
    thread: Option<JoinHandle<()>>,
}

/// The way to give commands to a worker. Cheap to clone.
#[derive(Clone)]
pub struct MediaHandle {
    commands: SyncSender<Command>,
    waker: Waker,
    core_counters: Arc<Mutex<Counters>>,
}

/// A command that was not taken because the worker is busy or gone.
#[derive(Debug, thiserror::Error)]
#[error("the media worker takes no commands")]
pub struct NotTaken(pub Box<Command>);

impl MediaHandle {
    /// Gives a command. Never waits.
    ///
    /// # Errors
    /// [`NotTaken`] gives the command back; order is kept if nothing else is sent before it is
    /// tried again.
    pub fn send(&self, command: Command) -> Result<(), NotTaken> {
        self.commands
            .try_send(command)
            .map_err(|refused| match refused {
                TrySendError::Full(command) | TrySendError::Disconnected(command) => {
                    NotTaken(Box::new(command))
                }
            })?;
        self.waker.wake();
        Ok(())
    }

    /// What the core has counted, as of the last time that the worker waited.
    pub fn core_counters(&self) -> Counters {
        *self
            .core_counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl MediaWorker {
    /// Starts the thread, `media-<number>`.
    ///
    /// # Errors
    /// When the system gives no thread, epoll or eventfd.
    pub fn start(
        settings: MediaWorkerSettings,
        core: impl Machine,
        events: Sender<Event>,
        recordings: RecordingSink,
        health: &Health,
    ) -> std::io::Result<(MediaWorker, MediaHandle)> {
        let (sender, commands) = sync_channel(COMMANDS_MAX);
        let counters = Arc::new(MediaCounters::default());
        let pool = PortPool::new(settings.bind, settings.port_first, settings.port_last);
        let shared = SocketAddr::new(settings.bind, settings.webrtc_port);
        let sockets = MediaSockets::new(pool, settings.address, shared, Arc::clone(&counters))?;
        let stop = Arc::new(AtomicBool::new(false));
        let waker = sockets.waker();
        let core_counters = Arc::new(Mutex::default());
        let worker = Loop {
            core_counters: Arc::clone(&core_counters),
            core,
            sockets,
            commands,
            events,
            waiting: VecDeque::new(),
            recordings,
            counters: Arc::clone(&counters),
            stop: Arc::clone(&stop),
            beat: health.beat(Part::Media, TURN_MAX),
        };
        let thread = std::thread::Builder::new()
            .name(format!("media-{}", settings.worker.0))
            .spawn(move || worker.run())?;
        let handle = MediaHandle {
            commands: sender,
            waker: waker.clone(),
            core_counters: Arc::clone(&core_counters),
        };
        Ok((
            MediaWorker {
                stop,
                waker,
                counters,
                core_counters,
                thread: Some(thread),
            },
            handle,
        ))
    }

    /// What the loop has counted.
    pub fn counters(&self) -> MediaCountersRead {
        self.counters.read()
    }

    /// What the core has counted, as of the last time that the worker waited.
    pub fn core_counters(&self) -> Counters {
        *self
            .core_counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MediaWorker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            join(thread, TURN_MAX);
        }
    }
}

struct Loop<M> {
    core: M,
    sockets: MediaSockets,
    commands: Receiver<Command>,
    events: Sender<Event>,
    waiting: VecDeque<Event>,
    recordings: RecordingSink,
    counters: Arc<MediaCounters>,
    core_counters: Arc<Mutex<Counters>>,
    stop: Arc<AtomicBool>,
    beat: Beat,
}

impl<M: Machine> Loop<M> {
    fn run(mut self) {
        loop {
            count(&self.counters.turns);
            let now = Instant::now();
            self.beat.begin(now);
            // Priority 1: outputs, so that a closed leg's port is free before another leg asks for
            // one.
            self.perform(now);
            // Priority 2: packets, all that are there.
            self.sockets.read(|leg, from, bytes| match leg {
                Some((unit, channel)) => {
                    self.core.handle_packet(now, unit, channel, from, bytes);
                }
                None => self.core.handle_shared_packet(now, from, bytes),
            });
            // Priority 3: time. The tick comes after the packets that belong to it.
            let now = Instant::now();
            if self
                .core
                .poll_timeout()
                .is_some_and(|deadline| deadline <= now)
            {
                self.core.handle_timeout(now);
            }
            self.perform(now);
            // Priority 4: commands, some at a time. Those that came before the stop are carried
            // out.
            let stop = self.stop.load(Ordering::Acquire);
            let more = self.carry_out(now);
            self.perform(now);
            if stop && !more {
                return;
            }
            if !more {
                self.beat.rest();
                self.wait();
            }
        }
    }

    /// Whether there may be more commands.
    fn carry_out(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS_PER_TURN {
            match self.commands.try_recv() {
                Ok(command) => self.core.handle_command(now, command),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn perform(&mut self, now: Instant) {
        let Loop { core, sockets, .. } = self;
        // Packets first: the last ones of a leg leave before its sockets are closed.
        core.drain_packets(|unit, channel, to, bytes| sockets.send(unit, channel, to, bytes));
        self.retry_events();
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Bind { unit, shared } => {
                    let bound = match shared {
                        true => Ok(self.sockets.shared_address()),
                        false => self.sockets.open(now, unit),
                    };
                    if let Err(error) = &bound {
                        count(&self.counters.bind_failed);
                        tracing::warn!(%unit, %error, "A leg got no media ports");
                    }
                    self.core.handle_bound(now, unit, bound);
                }
                Output::Unbind { unit } => self.sockets.close(now, unit),
                Output::Event(event) => self.tell(event),
                Output::Record {
                    unit,
                    rate,
                    samples,
                    channels,
                } => {
                    self.recordings
                        .samples(unit, rate, channels.into(), samples);
                }
                Output::RecordEnd { unit } => self.recordings.end(unit),
            }
        }
    }

    fn tell(&mut self, event: Event) {
        if self.waiting.is_empty() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(EventNotSent::Full(event)) => {
                    count(&self.counters.events_delayed);
                    self.waiting.push_back(event);
                }
                // The engine is gone; the worker is about to be stopped.
                Err(EventNotSent::Closed(_)) => {}
            }
        } else if self.waiting.len() < EVENTS_WAITING_MAX {
            count(&self.counters.events_delayed);
            self.waiting.push_back(event);
        } else {
            count(&self.counters.events_lost);
            tracing::error!(?event, "The engine does not take media events; one is lost");
        }
    }

    fn retry_events(&mut self) {
        while let Some(event) = self.waiting.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(EventNotSent::Full(event)) => {
                    self.waiting.push_front(event);
                    return;
                }
                Err(EventNotSent::Closed(_)) => self.waiting.clear(),
            }
        }
    }

    fn wait(&mut self) {
        *self
            .core_counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.core.counters();
        let now = Instant::now();
        let left = self
            .core
            .poll_timeout()
            .map(|at| at.saturating_duration_since(now));
        let retry = (!self.waiting.is_empty()).then_some(SLEEP_MAX);
        match left {
            Some(Duration::ZERO) => {}
            Some(left) if left <= TICKING => self.sockets.sleep(left.min(SLEEP_MAX)),
            left => self.sockets.wait(left.into_iter().chain(retry).min()),
        }
    }
}

impl Machine for Core {
    fn handle_command(&mut self, now: Instant, command: Command) {
        Core::handle_command(self, now, command);
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        unit: UnitId,
        channel: Channel,
        from: SocketAddr,
        bytes: &[u8],
    ) {
        Core::handle_packet(self, now, unit, channel, from, bytes);
    }

    fn handle_shared_packet(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        Core::handle_shared_packet(self, now, from, bytes);
    }

    fn handle_bound(
        &mut self,
        now: Instant,
        unit: UnitId,
        bound: Result<(SocketAddr, SocketAddr), String>,
    ) {
        Core::handle_bound(self, now, unit, bound);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Core::handle_timeout(self, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Core::poll_timeout(self)
    }

    fn poll_output(&mut self) -> Option<Output> {
        Core::poll_output(self)
    }

    fn counters(&self) -> Counters {
        Core::counters(self)
    }

    fn drain_packets(&mut self, send: impl FnMut(UnitId, Channel, SocketAddr, &[u8])) {
        Core::drain_packets(self, send);
    }
}
