//! `talkpath`: the command line.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use talkpath::app::{self, Question, UserTask};
use talkpath::config::Config;
use talkpath::load::{Browsers, BrowsersHear, Plan, http_authority};
use talkpath::routing::Source;

#[derive(Parser)]
#[command(name = "talkpath", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the engine.
    Serve(Serve),
    /// Check configuration, rules and scenarios without starting anything.
    Check(Common),
    /// Say which rule would take a call, and why the others do not.
    Route(Route),
    /// Users who log in with a password: add, list, remove.
    User(User),
    /// Copy users, rooms and secrets into one file, also while the engine runs.
    Backup(Backup),
    /// Feed a journal (`log.journal_dir`) into the engine again, with the rules and scenarios of
    /// today.
    Replay(ReplayArgs),
    /// Call a running engine with many phones, and report cost and who hears whom.
    Load(Load),
}

#[derive(Args)]
struct Common {
    /// Configuration file; without it `talkpath.toml` where there is one, else the defaults.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Sets one key, such as `sip.listen=["udp:127.0.0.1:5070"]`; wins over the file.
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    overrides: Vec<String>,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    common: Common,
    /// Start although rules or scenarios have to be mended. Calls to the rules that this concerns
    /// are refused with 503.
    #[arg(long)]
    lenient: bool,
}

#[derive(Args)]
struct Route {
    #[command(flatten)]
    common: Common,
    /// The dialled number or name.
    #[arg(long)]
    to: String,
    /// The caller.
    #[arg(long, default_value = "")]
    from: String,
    /// Where the call comes from: phone, web, internal or api.
    #[arg(long, default_value = "phone", value_parser = parse_source)]
    source: Source,
    /// A header of the call, such as `X-DirectCall: true`; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The moment to ask about, such as 2026-12-24T18:00; with Z, +01:00 or [Europe/Berlin] after
    /// it, or in the zone that the schedules of the rules have; now when it is not given.
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
}

#[derive(Args)]
struct User {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add a user. The password is the first line of standard input.
    Add {
        /// The user part of the SIP address.
        name: String,
        /// What others are shown; the name when it is not given.
        #[arg(long)]
        display_name: Option<String>,
    },
    /// List users and guests.
    List,
    /// Remove a user or guest.
    Remove {
        /// The user part of the SIP address.
        name: String,
    },
}

#[derive(Args)]
struct Backup {
    #[command(flatten)]
    common: Common,
    /// The copy. It is as secret as the database, and readable by its owner alone.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
struct ReplayArgs {
    #[command(flatten)]
    common: Common,
    /// The journal.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Args)]
struct Load {
    /// The engine's SIP address (UDP).
    #[arg(long, default_value = "127.0.0.1:5060")]
    target: SocketAddr,
    /// What phones dial.
    #[arg(long, default_value = "31201234567")]
    number: String,
    /// Digits that phones send after the answer; {room} stands for the room's number. Browsers join
    /// the room that they name.
    #[arg(long, default_value = "{room}#")]
    digits: String,
    /// Phones at once.
    #[arg(long, default_value_t = 25)]
    legs: usize,
    /// Phones of each room that speak.
    #[arg(long, default_value_t = 3)]
    talkers: usize,
    /// Browsers at once, in the same rooms: joining by HTTP, SIP over WebSocket, Opus over WebRTC.
    /// The engine limits joins: start it with --set api.joins_per_minute=100000.
    #[arg(long, default_value_t = 0)]
    browsers: usize,
    /// Browsers of each room that speak.
    #[arg(long, default_value_t = 3)]
    browser_talkers: usize,
    /// Whom browsers are to hear through the engine: `phones`, as the scenario that ships has it,
    /// where browsers have each other directly; or `all`.
    #[arg(long, default_value = "phones", value_parser = parse_hear)]
    browsers_hear: BrowsersHear,
    /// The engine's HTTP address, by which browsers join.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = http_authority)]
    http: String,
    /// Rooms that the phones, and the browsers, are spread over.
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// New calls per second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Seconds to measure.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Bursts of tone by which the delay is timed, for phones and for browsers that speak; each
    /// takes 2 s, after the measuring.
    #[arg(long, default_value_t = 12)]
    bursts: usize,
    /// Process id of the engine, for CPU and memory.
    #[arg(long)]
    pid: Option<u32>,
}

fn parse_source(text: &str) -> Result<Source, String> {
    Source::ALL
        .into_iter()
        .find(|source| source.label() == text)
        .ok_or_else(|| "one of phone, web, internal, api".to_owned())
}

fn parse_hear(text: &str) -> Result<BrowsersHear, String> {
    match text {
        "phones" => Ok(BrowsersHear::Phones),
        "all" => Ok(BrowsersHear::All),
        _ => Err("one of phones, all".to_owned()),
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => {
            let config = serve.common.read();
            config.and_then(|config| app::serve(config, serve.lenient))
        }
        Command::Check(common) => common.read().and_then(|config| app::check(&config)),
        Command::Route(route) => route.run(),
        Command::User(user) => user.run(),
        Command::Backup(backup) => backup
            .common
            .read()
            .and_then(|config| app::backup(&config, &backup.file, backup.force)),
        Command::Replay(replay) => replay
            .common
            .read()
            .and_then(|config| app::replay(&config, &replay.file)),
        Command::Load(load) => load.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            app::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Common {
    fn read(&self) -> anyhow::Result<Config> {
        let usual = PathBuf::from("talkpath.toml");
        let path = match &self.config {
            Some(path) => Some(path.clone()),
            None => usual.exists().then_some(usual),
        };
        Ok(Config::read(path.as_deref(), &self.overrides)?)
    }
}

impl Route {
    fn run(self) -> anyhow::Result<ExitCode> {
        let mut headers = Vec::new();
        for header in &self.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| anyhow::anyhow!("--header {header:?}: write NAME: VALUE"))?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let question = Question {
            to: self.to,
            from: self.from,
            source: self.source,
            headers,
            at: self.at,
        };
        app::route(&self.common.read()?, &question)
    }
}

impl User {
    fn run(self) -> anyhow::Result<ExitCode> {
        let task = match self.command {
            UserCommand::Add { name, display_name } => UserTask::Add {
                display_name: display_name.unwrap_or_else(|| name.clone()),
                name,
            },
            UserCommand::List => UserTask::List,
            UserCommand::Remove { name } => UserTask::Remove { name },
        };
        app::user(&self.common.read()?, task)
    }
}

impl Load {
    fn run(self) -> anyhow::Result<ExitCode> {
        app::load(&Plan {
            target: self.target,
            number: self.number,
            digits: self.digits,
            legs: self.legs,
            talkers: self.talkers,
            browsers: Browsers {
                count: self.browsers,
                talkers: self.browser_talkers,
                http: self.http,
                hear: self.browsers_hear,
            },
            rooms: self.rooms,
            calls_per_s: self.rate.max(0.1),
            window: Duration::from_secs(self.seconds.max(1)),
            bursts: self.bursts,
            pid: self.pid,
        })
    }
}
