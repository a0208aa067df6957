//! Threads that die or hang under the HTTP server: who asks is told which, and the process is ended
//! when a thread cannot be mended.

use std::net::SocketAddr;
use std::sync::mpsc as threads;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use talkpath::api::{self, Api, IceSettings, Settings, SipWebSocket};
use talkpath::engine::{self, Engine};
use talkpath::id::{SessionId, UnitId, WorkerId};
use talkpath::journal::Feed;
use talkpath::media::{Channel, Command, Counters, Output};
use talkpath::net::{NetSettings, Transports};
use talkpath::run::clips::{ClipSettings, Clips};
use talkpath::run::engine_loop::{EngineLoop, Inputs, Shells, Turn, Wish};
use talkpath::run::health::{Health, Orders, Pace, Watchdog};
use talkpath::run::media_loop::{Machine, MediaHandle, MediaWorker, MediaWorkerSettings};
use talkpath::run::recordings::Recordings;
use talkpath::run::script_pool::{ScriptPool, ScriptPoolSettings};
use talkpath::run::sounds::Sounds;
use talkpath::run::speech::{Speaker, SpeechSettings};
use talkpath::script::{Host, Limits};
use talkpath::store::Store;
use talkpath::web::Pages;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::server::{LOCALHOST, PATIENCE};

const PORTS: MediaWorkerSettings = MediaWorkerSettings {
    worker: WorkerId(3),
    bind: LOCALHOST,
    address: LOCALHOST,
    port_first: 22_940,
    port_last: 22_943,
    webrtc_port: 0,
};
const COMMAND: Command = Command::Close { unit: UnitId(1) };

/// What a media core does with a command; it does nothing else.
enum Faulty {
    Panics,
    /// Until the other end is dropped.
    Hangs(threads::Receiver<()>),
}

impl Machine for Faulty {
    fn handle_command(&mut self, _: Instant, _: Command) {
        match self {
            Faulty::Panics => panic!("as the test wants"),
            Faulty::Hangs(until) => assert!(until.recv().is_err()),
        }
    }

    fn handle_packet(&mut self, _: Instant, _: UnitId, _: Channel, _: SocketAddr, _: &[u8]) {}

    fn handle_shared_packet(&mut self, _: Instant, _: SocketAddr, _: &[u8]) {}

    fn handle_bound(&mut self, _: Instant, _: UnitId, _: Result<(SocketAddr, SocketAddr), String>) {
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }

    fn drain_packets(&mut self, _: impl FnMut(UnitId, Channel, SocketAddr, &[u8])) {}
}

/// The program without signals, around a faulty media core.
struct Program {
    http: SocketAddr,
    media: MediaHandle,
    watchdog: Watchdog,
    engine: JoinHandle<()>,
    killed: Arc<Mutex<bool>>,
    _stop: watch::Sender<bool>,
    _worker: MediaWorker,
    _recordings: Recordings,
    _dir: tempfile::TempDir,
}

impl Program {
    async fn start(core: Faulty, turn: Option<Turn>) -> Program {
        let dir = tempfile::tempdir().expect("a folder");
        let health = Health::default();
        let (users, _) = mpsc::channel(16);
        let store = Store::open(dir.path()).await.expect("opens");
        let clock = Arc::new(|| 1_767_225_600);
        let opened = Api::open(settings(), store, health.clone(), clock, users).await;
        let (api, _) = opened.expect("opens");
        let (transports, sip) = Transports::bind(&[], NetSettings::default()).expect("nothing");
        let (recorded, recordings) = mpsc::channel(16);
        let (writer, sink) = Recordings::start(dir.path(), recorded, &health).expect("a thread");
        let (facts_out, facts) = mpsc::channel(16);
        let (worker, media) =
            MediaWorker::start(PORTS, core, facts_out, sink.clone(), &health).expect("a thread");
        let (turns_out, turns) = mpsc::channel(16);
        let pool = ScriptPool::start(ScriptPoolSettings::default(), turns_out, &health);
        let pool: ScriptPool<SessionId, Turn> = pool.expect("threads");
        if let Some(turn) = turn {
            pool.submit(SessionId(1), turn).expect("room");
        }
        let clips = Arc::new(Clips::new(ClipSettings::new(dir.path())));
        let speaker = Arc::new(Speaker::new(SpeechSettings::default(), None, clips.clone()));
        let shells = Shells {
            host: Arc::new(Host::new(Limits::default(), || false)),
            pool,
            transports: transports.clone(),
            media: media.clone(),
            sounds: Sounds::new(clips, speaker),
            recordings: sink,
            removals: mpsc::channel(1).0,
            health: health.clone(),
            journal: None,
        };
        let (wishes_out, wishes) = watch::channel(Wish::default());
        let inputs = Inputs {
            sip,
            media: facts,
            turns,
            recordings,
            users: Box::pin(futures_util::stream::pending()),
            wishes,
        };
        let epoch = (Instant::now(), 0);
        let engine = Engine::new(engine::Settings::default(), epoch, [3; 32]);
        let (engine, asker) = EngineLoop::new(Feed::new(engine, epoch.0), shells, inputs);
        let (killed, watchdog) = watch(health, wishes_out);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let http = listener.local_addr().expect("bound");
        let sip_ws = SipWebSocket {
            transports,
            tokens: Arc::new(api.clone()),
            local: http,
            proxies: Vec::new(),
        };
        let (_stop, stop) = watch::channel(false);
        tokio::spawn(api::serve(listener, api, asker, sip_ws, stop));
        Program {
            http,
            media,
            watchdog,
            engine: tokio::spawn(engine.run()),
            killed,
            _stop,
            _worker: worker,
            _recordings: writer,
            _dir: dir,
        }
    }

    async fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.http).await.expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("taken");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        (head[9..12].to_owned(), body.to_owned())
    }

    /// Asks for the health until all is well.
    async fn expect_well(&self) {
        self.expect("200", |unwell| unwell.is_empty()).await;
    }

    /// Asks for the health until this part is said to be so. On a busy machine another may be stuck
    /// for a moment, and a part that is dead takes the engine with it.
    async fn expect_unwell(&self, part: &str, what: &str) {
        let row = serde_json::json!({"part": part, "what": what});
        self.expect("503", |unwell| unwell.contains(&row)).await;
    }

    async fn expect(&self, status: &str, is_expected: impl Fn(&[Value]) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (found, body) = self.get("/health").await;
            let said: Value = serde_json::from_str(&body).expect("JSON");
            let unwell = said["unwell"].as_array().expect("a list");
            if found == status && is_expected(unwell) {
                return;
            }
            assert!(
                Instant::now() < end,
                "no such {status}, but {found}: {body}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the engine first, so that nobody waits for what it holds.
    async fn end(self) {
        self.engine.abort();
        assert!(self.engine.await.is_err_and(|error| error.is_cancelled()));
    }

    async fn well(&self, part: &str) -> Option<String> {
        let (_, text) = self.get("/metrics").await;
        let start = format!("talkpath_part_well{{part=\"{part}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.map(str::to_owned)
    }
}

/// The watchdog, and whether it has ended the process at once.
fn watch(health: Health, wishes: watch::Sender<Wish>) -> (Arc<Mutex<bool>>, Watchdog) {
    let killed = Arc::new(Mutex::new(false));
    let also = Arc::clone(&killed);
    let orders = Orders {
        check: Box::new(|_| {}),
        end: Box::new(move || {
            wishes.send_modify(|wish| wish.drain_until = Some(Instant::now()));
        }),
        kill: Box::new(move || *also.lock().expect("no panic") = true),
    };
    // A busy machine may need longer than a living process is given.
    let pace = Pace {
        end_within: PATIENCE * 2,
        ..Pace::default()
    };
    let watchdog = Watchdog::start(health, pace, orders);
    (killed, watchdog.expect("a thread"))
}

fn settings() -> Settings {
    Settings {
        public_origin: None,
        origins: Vec::new(),
        proxies: Vec::new(),
        domain: None,
        realm: "talkpath".to_owned(),
        key: Some("0123456789abcdef".to_owned()),
        token_s: 3_600,
        guest_s: 7_200,
        guests_max: 100,
        joins_per_minute: 10,
        connections_max: 100,
        connections_per_address_max: 100,
        phone_number: None,
        ice: IceSettings::default(),
        pages: Pages::new(&[]),
    }
}

#[tokio::test]
async fn a_media_thread_that_dies_is_seen_and_ends_the_process() {
    let program = Program::start(Faulty::Panics, None).await;
    program.expect_well().await;
    assert_eq!(program.well("media").await.as_deref(), Some("1"));
    program.media.send(COMMAND).expect("room");
    program.expect_unwell("media", "dead").await;
    assert_eq!(program.well("media").await.as_deref(), Some("0"));
    let ended = timeout(PATIENCE, program.engine).await.expect("it ends");
    ended.expect("in order");
    let why = "the part \"media\" is dead and cannot be mended";
    assert_eq!(program.watchdog.verdict().as_deref(), Some(why));
    assert!(!*program.killed.lock().expect("no panic"));
}

#[tokio::test]
async fn a_media_thread_that_hangs_is_seen_and_may_come_back() {
    let (release, until) = threads::channel();
    let program = Program::start(Faulty::Hangs(until), None).await;
    program.expect_well().await;
    program.media.send(COMMAND).expect("room");
    program.expect_unwell("media", "stuck").await;
    assert_eq!(program.well("media").await.as_deref(), Some("0"));
    drop(release);
    program.expect_well().await;
    assert_eq!(program.watchdog.verdict(), None);
    program.end().await;
}

#[tokio::test]
async fn a_scenario_that_hangs_is_seen() {
    let (release, until) = threads::channel::<()>();
    let turn: Turn = Box::new(move || {
        assert!(until.recv().is_err());
        panic!("as the test wants");
    });
    let program = Program::start(Faulty::Panics, Some(turn)).await;
    program.expect_unwell("scripts", "stuck").await;
    assert_eq!(program.well("scripts").await.as_deref(), Some("0"));
    drop(release);
    // The panic is one of the job.
    program.expect_well().await;
    assert_eq!(program.well("scripts").await.as_deref(), Some("1"));
    program.end().await;
}
