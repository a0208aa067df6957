//! The program: builds cores and shells from the configuration, starts and stops them in order, and
//! is what each subcommand does.

mod backup;
mod http;
mod replay;
mod rules;
mod threads;
mod users;

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail};
use rand_core::{OsRng, TryRngCore as _};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::api;
use crate::config::{
    Config, DigestAlgorithm, ListenTransport, LogFormat, LogPersonal, SpeechEngine,
};
use crate::engine::{self, Catalog, Engine};
use crate::journal::{Feed, Header};
use crate::load::{self, Plan};
use crate::media::{Core, Identity, MediaSettings};
use crate::net::{IncomingQueue, Listen, NetSettings, Transports, own_address};
use crate::pii;
use crate::routing::{CallInfo, Source};
use crate::run::clips::{ClipSettings, Clips};
use crate::run::engine_loop::{EngineLoop, Inputs, Shells, Wish};
use crate::run::identity;
use crate::run::journal_file::JournalFile;
use crate::run::script_pool::over_budget;
use crate::run::sounds::Sounds;
use crate::run::speech::{Speaker, Speech, SpeechSettings};
use crate::run::voice_program::{EspeakNg, VoiceCommand};
use crate::script::{Host, Limits};
use crate::sip::{Algorithm, Transport};
use crate::telemetry;
use crate::web::Pages;

use rules::Rules;

pub use backup::backup;
pub use replay::replay;
pub use rules::{Question, check, route};
pub use users::{UserTask, user};

/// The usual voice program.
const ESPEAK_NG: &str = "espeak-ng";
/// The number of the rules that ship, for who tries them.
const ACCESS_NUMBER: &str = "31201234567";
/// The number of the signal on Linux.
const SIGXFSZ: i32 = 25;
/// How long what reads files may go on at the end.
const RUNTIME_END_MAX: Duration = Duration::from_secs(1);

/// Prints a line to standard error, for the person who started the program.
pub fn complain(text: &str) {
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "talkpath: {text}");
}

fn say(text: &str) {
    // A reader that has gone away (`talkpath check | head`) is no error.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// `talkpath serve`.
///
/// # Errors
/// Whatever keeps the engine from starting, in one line.
pub fn serve(config: Config, lenient: bool) -> anyhow::Result<ExitCode> {
    let json = config.log.format == LogFormat::Json;
    telemetry::start_logging(&log_filter(&config), json)?;
    if config.log.personal == LogPersonal::Full {
        pii::show_in_full();
    }
    crate::run::open_files::raise();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no threads")?;
    let ended = runtime.block_on(serve_async(config, lenient));
    // A file that does not answer is no reason to stay.
    runtime.shutdown_timeout(RUNTIME_END_MAX);
    ended
}

fn log_filter(config: &Config) -> String {
    // The wire target holds whole messages, so it is only shown when it is asked for by name.
    // The DTLS crate warns of every datagram that it does not understand.
    format!("{},wire=off,rtc_dtls=error", config.log.level.label())
}

async fn serve_async(config: Config, lenient: bool) -> anyhow::Result<ExitCode> {
    let host = Arc::new(make_host(&config));
    let rules = Rules::read(&config, host.clone(), lenient)?;
    look_around(&config)?;
    let (transports, sip) = bind_sip(&config)?;
    let listener = TcpListener::bind(config.http.listen)
        .await
        .with_context(|| format!("http.listen: cannot listen on {}", config.http.listen))?;
    let http_address = listener.local_addr()?;
    let usual_number = takes_access_number(&rules.catalog).then_some(ACCESS_NUMBER);
    let (api, fresh_key, users) = http::open(&config, usual_number).await?;
    let (engine, journal, seed) = make_engine(&config, rules.catalog.clone())?;
    let identity = identity::generate()?;
    let settings = media_settings(&config, identity);
    let core = Core::new(settings, Instant::now(), seed);
    let (threads, ends) = threads::start(&config, core, &api.health())?;
    let sounds = make_sounds(&config);
    let (wishes_out, wishes) = watch::channel(Wish::default());
    let bound = transports.bound();
    let sip_ws = api::SipWebSocket {
        transports: transports.clone(),
        tokens: Arc::new(api.clone()),
        local: http_address,
        proxies: config.http.proxies.clone(),
    };
    let shells = Shells {
        host: host.clone(),
        pool: ends.pool,
        transports,
        media: ends.media,
        sounds,
        recordings: ends.sink,
        removals: http::remover(api.clone()),
        health: api.health(),
        journal,
    };
    let inputs = Inputs {
        sip,
        media: ends.facts,
        turns: ends.turns,
        recordings: ends.recorded,
        users,
        wishes,
    };
    let (engine_loop, asker) = EngineLoop::new(engine, shells, inputs);

    let watchdog = threads::watch(api.clone(), wishes_out.clone())?;
    let (stop_http, stop) = watch::channel(false);
    let http_task = tokio::spawn(api::serve(listener, api, asker, sip_ws, stop));
    let engine_task = tokio::spawn(engine_loop.run());
    say(&greeting(&config, &rules.catalog, &bound, http_address));
    if let Some(key) = fresh_key {
        say(&http::key_notice(&key));
    }

    let signals = tokio::spawn(obey_signals(config, rules, wishes_out));
    let ended = engine_task.await;
    signals.abort();
    // The receiver is gone only if the HTTP task has ended already.
    let _ = stop_http.send(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), http_task).await;
    drop(threads);
    ended.context("the engine ended by a panic")?;
    if let Some(why) = watchdog.verdict() {
        bail!(why);
    }
    info!("Stopped");
    Ok(ExitCode::SUCCESS)
}

/// Looks for what would only be missed in the middle of a call.
fn look_around(config: &Config) -> anyhow::Result<()> {
    make_writable("data_dir", &config.data_dir)?;
    make_writable("recordings_dir", &config.recordings_dir)?;
    if let Some(program) = missing_voice(config) {
        warn!(
            program,
            "The voice program is not installed; callers hear recorded prompts only"
        );
    }
    Ok(())
}

/// Opens the SIP sockets. Must be called inside the runtime.
fn bind_sip(config: &Config) -> anyhow::Result<(Transports, IncomingQueue)> {
    let listen: Vec<Listen> = config
        .sip
        .listen
        .iter()
        .enumerate()
        .map(|(index, listen)| Listen {
            key: format!("sip.listen[{index}]"),
            transport: match listen.transport {
                ListenTransport::Udp => Transport::Udp,
                ListenTransport::Tcp => Transport::Tcp,
            },
            address: listen.address,
        })
        .collect();
    let settings = NetSettings {
        advertised: config.sip.address,
        connections_max: config.sip.tcp_connections_max as usize,
        connections_per_address_max: config.sip.connections_per_address_max as usize,
        ..NetSettings::default()
    };
    Ok(Transports::bind(&listen, settings)?)
}

/// Makes the directory where there is none, and proves that files can be made in it: better now
/// than in the middle of the first recording.
fn make_writable(key: &str, dir: &Path) -> anyhow::Result<()> {
    let probe = dir.join(format!(".write-test-{}", std::process::id()));
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::write(&probe, ""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| anyhow!("{key}: cannot write to {}: {error}", dir.display()))
}

/// The program that speaks, if it is not on this machine.
fn missing_voice(config: &Config) -> Option<&str> {
    let program = match config.speech.engine {
        SpeechEngine::EspeakNg => ESPEAK_NG,
        SpeechEngine::Command => config.speech.command.first()?,
        SpeechEngine::None => return None,
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = if program.contains('/') {
        Path::new(program).is_file()
    } else {
        std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
    };
    (!is_there).then_some(program)
}

/// SIGHUP reloads, SIGTERM and SIGINT drain, a second one ends at once.
async fn obey_signals(config: Config, mut rules: Rules, wishes: watch::Sender<Wish>) {
    let (Ok(mut hangup), Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::hangup()),
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        error!("Signals cannot be received");
        return std::future::pending().await;
    };
    // Left alone, a file that reaches the limit of its size would end the process. With a listener,
    // whether it is asked or not, that is an error of whoever writes.
    let _too_large = signal(SignalKind::from_raw(SIGXFSZ));
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                if let Some(catalog) = rules.reload() {
                    wishes.send_modify(|wish| wish.catalog = Some(catalog));
                }
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let until = Instant::now() + Duration::from_secs(u64::from(config.shutdown.drain_s));
    wishes.send_modify(|wish| wish.drain_until = Some(until));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    warn!("Second signal: ending without waiting for calls");
    std::process::exit(1);
}

fn make_host(config: &Config) -> Host {
    let script = &config.script;
    let limits = Limits {
        operations: u64::from(script.operations_max),
        call_depth: script.call_depth_max as usize,
        string_bytes: script.string_bytes_max as usize,
        array_items: script.array_items_max as usize,
        map_entries: script.map_entries_max as usize,
        state_bytes: script.state_bytes_max as usize,
        timers: script.timers_max as usize,
        players: script.players_max as usize,
        legs: script.legs_max as usize,
        log_chars: script.log_characters_max as usize,
        message_bytes: script.message_bytes_max as usize,
        ..Limits::default()
    };
    Host::new(limits, over_budget)
}

/// The engine, its journal where one is asked for, and the seed of the media core.
fn make_engine(
    config: &Config,
    catalog: Arc<Catalog>,
) -> anyhow::Result<(Feed, Option<JournalFile>, [u8; 32])> {
    let mut seed = [0; 32];
    OsRng
        .try_fill_bytes(&mut seed)
        .context("the system gives no randomness")?;
    let mut media_seed = [0; 32];
    OsRng
        .try_fill_bytes(&mut media_seed)
        .context("the system gives no randomness")?;
    let seconds = |s: u32| Duration::from_secs(u64::from(s));
    let settings = engine::Settings {
        calls_max: config.sip.calls_max as usize,
        media_address: config.media.address,
        own_address: own_address(),
        digest: config.sip.digest.iter().map(algorithm).collect(),
        domain: config.sip.domain.clone(),
        session_legs_max: config.script.legs_max as usize,
        message_bytes_max: config.script.message_bytes_max as usize,
        unanswered: seconds(config.session.unanswered_s),
        early_media: seconds(config.session.early_media_s),
        idle: seconds(config.session.idle_s),
        reconnect: seconds(config.session.reconnect_s),
        ..engine::Settings::default()
    };
    let epoch = (Instant::now(), unix_time().as_millis() as u64);
    let header = Header {
        epoch_ms: epoch.1,
        seed,
        settings,
    };
    let journal = begin_journal(config, &header)?;
    let mut feed = Feed::new(Engine::new(header.settings, epoch, seed), epoch.0);
    if journal.is_some() {
        feed.write();
    }
    feed.handle(epoch.0, engine::Input::Catalog(catalog));
    Ok((feed, journal, media_seed))
}

fn begin_journal(config: &Config, header: &Header) -> anyhow::Result<Option<JournalFile>> {
    let Some(folder) = &config.log.journal_dir else {
        return Ok(None);
    };
    let bytes_max = u64::from(config.log.journal_mb) * 1_000_000;
    let journal = JournalFile::begin(folder, header, bytes_max);
    let journal = journal
        .with_context(|| format!("log.journal_dir: cannot write in {}", folder.display()))?;
    Ok(Some(journal))
}

fn algorithm(configured: &DigestAlgorithm) -> Algorithm {
    match configured {
        DigestAlgorithm::Md5 => Algorithm::Md5,
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
    }
}

fn media_settings(config: &Config, identity: Identity) -> MediaSettings {
    MediaSettings {
        unix_time: unix_time(),
        timeout: Duration::from_secs(u64::from(config.media.timeout_s)),
        identity: Some(identity),
        ..MediaSettings::default()
    }
}

fn make_sounds(config: &Config) -> Sounds {
    let clips = Arc::new(Clips::new(ClipSettings {
        recordings_dir: Some(config.recordings_dir.clone()),
        ..ClipSettings::new(&config.speech.prompts_dir)
    }));
    let timeout = Duration::from_secs(u64::from(config.speech.timeout_s));
    let engine: Option<Box<dyn Speech>> = match config.speech.engine {
        SpeechEngine::EspeakNg => Some(Box::new(EspeakNg {
            timeout,
            voices: config.speech.voices.clone(),
            ..EspeakNg::default()
        })),
        SpeechEngine::Command => config.speech.command.split_first().map(|(program, words)| {
            let (program, arguments) = (program.clone(), words.to_vec());
            Box::new(VoiceCommand {
                program,
                arguments,
                timeout,
            }) as Box<dyn Speech>
        }),
        SpeechEngine::None => None,
    };
    let settings = SpeechSettings {
        data_dir: Some(config.data_dir.clone()),
        ..SpeechSettings::default()
    };
    Sounds::new(
        clips.clone(),
        Arc::new(Speaker::new(settings, engine, clips)),
    )
}

/// What the person who started the engine wants to know: where it listens, what it does, how to try
/// it.
fn greeting(
    config: &Config,
    catalog: &Catalog,
    bound: &[(Transport, SocketAddr)],
    http: SocketAddr,
) -> String {
    let mut lines = vec![format!("talkpath {} is up", env!("CARGO_PKG_VERSION"))];
    let listens: Vec<String> = bound
        .iter()
        .map(|(transport, at)| format!("{} {at}", transport.via_token()))
        .collect();
    lines.push(format!(
        "  SIP    {}, WS ws://{http}/sip",
        listens.join(", ")
    ));
    lines.push(format!("  HTTP   http://{http}/health, /metrics, /api/v1"));
    lines.push(match Pages::embedded().are_built() {
        true => format!("  page   http://{http}/"),
        false => {
            "  page   none: this program was built without; run make web and build again".into()
        }
    });
    for application in &catalog.applications {
        let rules = &application.router.ruleset().rules;
        let names: Vec<String> = rules
            .iter()
            .map(|rule| match rule.kept_out {
                true => format!("{} (kept out)", rule.name),
                false => rule.name.clone(),
            })
            .collect();
        lines.push(format!(
            "  rules  {}: {}",
            application.name,
            names.join(", ")
        ));
    }
    lines.push(format!("  voice  {}", voice_line(config)));
    if let Some((_, at)) = bound.first()
        && takes_access_number(catalog)
    {
        let ip = if at.ip().is_unspecified() {
            IpAddr::from([127, 0, 0, 1])
        } else {
            at.ip()
        };
        let at = SocketAddr::new(ip, at.port());
        lines.push(format!(
            "Try it: call sip:{ACCESS_NUMBER}@{at} from any softphone, key in a PIN such as 1234\n\
             and #. Everybody with the same PIN is in one conference. PINs are open: any 3 to 12\n\
             digits will do."
        ));
    }
    lines.join("\n")
}

/// Whether a phone that dials the number of the rules that ship is taken.
fn takes_access_number(catalog: &Catalog) -> bool {
    let call = CallInfo {
        destination: ACCESS_NUMBER,
        caller: "",
        source: Source::Phone,
        headers: &[],
        now_unix_s: unix_time().as_secs() as i64,
    };
    let mut routers = catalog.applications.iter().map(|app| &app.router);
    routers
        .find_map(|router| router.decide(&call).0)
        .is_some_and(|rule| !rule.kept_out)
}

fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn voice_line(config: &Config) -> String {
    let prompts = config.speech.prompts_dir.display();
    if let Some(program) = missing_voice(config) {
        return format!("{program} is not installed; only recordings in {prompts}");
    }
    match config.speech.engine {
        SpeechEngine::EspeakNg => ESPEAK_NG.to_owned(),
        SpeechEngine::Command => format!("command {:?}", config.speech.command.join(" ")),
        SpeechEngine::None => format!("none; only recordings in {prompts}"),
    }
}

/// `talkpath load`.
///
/// # Errors
/// The plan cannot be carried out, sockets cannot be had, or browsers may not join.
pub fn load(plan: &Plan) -> anyhow::Result<ExitCode> {
    let report = load::run(plan)?;
    say(report.to_string().trim_end());
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
