//! Rows over the script host: a script and events in, commands out. `World` is the only place that
//! touches the host.

mod absorb;
mod api;
mod conference;
mod diagnostics;
mod digits;
mod fields;
mod gatekeeper;
mod language;
mod limits;
mod places;
mod session;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::{
    Command, Event, Host, Instance, LegCommand, LegEvent, LegInfo, Limits, Outcome, Program,
    SessionInfo, Sound, Source, Turn, UnitCommand, UnitEvent,
};
use crate::id::{LegId, Run, SessionId, TimerId, UnitId};

/// Ids that a world gives to what the script makes begin here.
const FIRST_ID: u64 = 100;

/// One session and what it was told.
struct World {
    host: Host,
    instance: Instance,
    now_ms: u64,
    next_id: u64,
    last: Option<Outcome>,
}

fn source(file: &str, text: &str) -> Source {
    Source {
        file: file.to_owned(),
        text: text.to_owned(),
    }
}

fn about() -> SessionInfo {
    SessionInfo {
        run: run(),
        id: SessionId(7),
        rule: "phones".to_owned(),
        application: "demo".to_owned(),
        conference_name: String::new(),
        custom_data: "from-api".to_owned(),
        variables: BTreeMap::new(),
        seed: 1,
    }
}

fn compile(host: &Host, text: &str) -> Arc<Program> {
    Program::compile(host, &[source("test.rhai", text)]).unwrap_or_else(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", faults.join("\n"))
    })
}

/// What is wrong with a program, as its writer reads it; nothing when it compiles.
fn faults(sources: &[Source]) -> Vec<String> {
    static HOST: LazyLock<Host> = LazyLock::new(|| Host::new(Limits::default(), || false));
    match Program::compile(&HOST, sources) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// A leg that came in from `source`.
fn incoming(id: u64, source: &str, caller_id: &str, headers: &[(&str, &str)]) -> LegInfo {
    LegInfo {
        id: LegId(id),
        incoming: true,
        source: source.to_owned(),
        caller_id: caller_id.to_owned(),
        display_name: format!("Name of {caller_id}"),
        destination: "conf_123".to_owned(),
        number: caller_id.to_owned(),
        headers: headers
            .iter()
            .map(|(n, v)| (n.to_lowercase(), (*v).to_owned()))
            .collect(),
        user: String::new(),
    }
}

impl World {
    fn new(text: &str) -> Self {
        World::with(Limits::default(), text, about())
    }

    fn with(limits: Limits, text: &str, about: SessionInfo) -> Self {
        let host = Host::new(limits, || false);
        let program = compile(&host, text);
        let instance = Instance::new(program, about);
        World {
            host,
            instance,
            now_ms: 1_700_000_000_000,
            next_id: FIRST_ID,
            last: None,
        }
    }

    /// As the engine does: a turn only where somebody waits for the event.
    fn tell(&mut self, event: &Event) -> Vec<String> {
        if self.instance.absorb(event) {
            self.last = None;
            return Vec::new();
        }
        let ids = self.next_id..self.next_id + 1_000;
        let turn = Turn {
            now_ms: self.now_ms,
            ids,
        };
        let outcome = self.host.handle(&mut self.instance, event, turn);
        self.next_id = outcome.next_id;
        let shown = outcome
            .commands
            .iter()
            .map(|placed| show(&placed.command))
            .collect();
        self.last = Some(outcome);
        shown
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    fn start(&mut self) -> Vec<String> {
        self.tell(&Event::Started)
    }

    fn incoming(&mut self, leg: LegInfo) -> Vec<String> {
        self.tell(&Event::Incoming { leg })
    }

    fn leg(&mut self, leg: u64, event: LegEvent) -> Vec<String> {
        self.tell(&Event::Leg {
            leg: LegId(leg),
            event,
        })
    }

    fn unit(&mut self, unit: u64, event: UnitEvent) -> Vec<String> {
        self.tell(&Event::Unit {
            unit: UnitId(unit),
            event,
        })
    }

    fn timer(&mut self, timer: u64) -> Vec<String> {
        self.tell(&Event::Timer {
            timer: TimerId(timer),
        })
    }

    fn press(&mut self, leg: u64, digit: char) -> Vec<String> {
        self.leg(
            leg,
            LegEvent::Digit {
                digit,
                kind: "telephone_event".into(),
                duration_ms: None,
            },
        )
    }

    fn message(&mut self, leg: u64, text: &str) -> Vec<String> {
        self.leg(
            leg,
            LegEvent::Message {
                text: text.to_owned(),
            },
        )
    }

    /// The failure of the last event, as it is shown to the writer of the script.
    fn error(&self) -> String {
        let error = self
            .last
            .as_ref()
            .and_then(|outcome| outcome.error.as_ref());
        error.map_or_else(String::new, ToString::to_string)
    }

    fn fatal(&self) -> bool {
        self.last.as_ref().is_some_and(|outcome| outcome.fatal)
    }
}

fn connected() -> LegEvent {
    LegEvent::Connected {
        code: 200,
        headers: vec![("X-A".into(), "1".into())],
    }
}

fn disconnected() -> LegEvent {
    LegEvent::Disconnected {
        reason: "caller-hangup".into(),
        code: 200,
        duration_ms: 5_000,
        text: "Good night".into(),
        headers: Vec::new(),
    }
}

fn failed(code: u16) -> LegEvent {
    LegEvent::Failed {
        code,
        reason: "unanswered".into(),
        class: "policy".into(),
        text: String::new(),
        headers: Vec::new(),
    }
}

fn finished() -> LegEvent {
    LegEvent::PlaybackFinished {
        source: "x".into(),
        error: None,
    }
}

fn show_sound(sound: &Sound) -> String {
    match sound {
        Sound::File { path } => format!("file {path}"),
        Sound::Speech { text, voice } => {
            let mut shown = format!("{text:?}");
            if *voice
                != (super::VoiceChoice {
                    rate: 1.0,
                    ..Default::default()
                })
            {
                shown += &format!(" {} {} {}", voice.language, voice.voice, voice.rate);
            }
            shown
        }
        Sound::Tone { name, country } => format!("tone {name} {country}"),
    }
}

fn show_headers(headers: &super::Headers) -> String {
    headers
        .iter()
        .map(|(name, value)| format!(" {name}={value}"))
        .collect()
}

/// The run of every session.
fn run() -> Run {
    Run::new(0, 1)
}

/// A command as one line of a story, which leaves out the run in names of ids.
fn show(command: &Command) -> String {
    match command {
        Command::Terminate => "terminate".to_owned(),
        Command::Log { warn, text } => {
            let text = text.replace(&format!("-{}", run()), "");
            format!("{} {text}", if *warn { "warn" } else { "log" })
        }
        Command::CallConference { leg, name, options } => format!(
            "{leg} call {name} from {} {:?}{}",
            options.caller_id,
            options.display_name,
            show_headers(&options.headers)
        ),
        Command::RemoveUser { name } => format!("remove user {name}"),
        Command::ForwardDirect { leg } => format!("{leg} forward direct"),
        Command::Leg { leg, command } => format!("{leg} {}", show_leg(command)),
        Command::CreateConference { unit, label } => format!("{unit} conference {label}"),
        Command::CreatePlayer {
            unit,
            sound,
            looped,
            gain_db,
        } => {
            format!("{unit} player {} {looped} {gain_db}", show_sound(sound))
        }
        Command::CreateRecorder { unit, options } => {
            format!("{unit} recorder {:?} {}", options.name, options.stereo)
        }
        Command::Unit { unit, command } => format!("{unit} {}", show_unit(command)),
        Command::Connect { from, to } => format!("{from} -> {to}"),
        Command::Disconnect { from, to } => format!("{from} -x {to}"),
        Command::SetTimer {
            timer,
            after_ms,
            repeat,
        } => {
            format!(
                "{timer} {} {after_ms}",
                if *repeat { "every" } else { "after" }
            )
        }
        Command::CancelTimer { timer } => format!("{timer} cancel"),
        Command::SetCustomData { text } => format!("custom_data {text}"),
    }
}

fn show_leg(command: &LegCommand) -> String {
    match command {
        LegCommand::Answer { headers } => format!("answer{}", show_headers(headers)),
        LegCommand::Ring => "ring".to_owned(),
        LegCommand::Reject { code, reason } => format!("reject {code} {reason}"),
        LegCommand::Hangup { headers, reason } => {
            format!("hangup{} {reason}", show_headers(headers))
                .trim_end()
                .to_owned()
        }
        LegCommand::StartEarlyMedia => "early media".to_owned(),
        LegCommand::Play {
            sound: sound @ Sound::Speech { .. },
            ..
        } => {
            format!("say {}", show_sound(sound))
        }
        LegCommand::Play {
            sound,
            looped,
            gain_db,
        } => {
            format!("play {} {looped} {gain_db}", show_sound(sound))
        }
        LegCommand::StopPlayback => "stop playback".to_owned(),
        LegCommand::DetectDigits {
            telephone_event,
            in_band,
            info,
        } => {
            format!("detect {telephone_event} {in_band} {info}")
        }
        LegCommand::SendDigits { digits } => format!("digits {digits}"),
        LegCommand::SendMessage { text } => format!("message {text}"),
        LegCommand::SendInfo {
            mime,
            body,
            headers,
        } => {
            format!("info {mime} {body}{}", show_headers(headers))
        }
        LegCommand::Record { recorder, options } => {
            format!("record {recorder} {:?} {}", options.name, options.stereo)
        }
        LegCommand::Mute { on } => format!("mute {on}"),
        LegCommand::Deafen { on } => format!("deafen {on}"),
        LegCommand::Gain { in_db, out_db } => format!("gain {in_db} {out_db}"),
        LegCommand::DetectTalk { on } => format!("detect talk {on}"),
        LegCommand::Expect { event } => format!("expect {event}"),
    }
}

fn show_unit(command: &UnitCommand) -> String {
    match command {
        UnitCommand::Play {
            sound,
            looped,
            gain_db,
        } => {
            format!("play {} {looped} {gain_db}", show_sound(sound))
        }
        UnitCommand::StopPlayback => "stop playback".to_owned(),
        UnitCommand::Pause { on } => format!("pause {on}"),
        UnitCommand::Record { recorder, options } => {
            format!("record {recorder} {:?} {}", options.name, options.stereo)
        }
        UnitCommand::Lock { on } => format!("lock {on}"),
        UnitCommand::MaxMembers { members } => format!("max {members}"),
        UnitCommand::WatchSpeakers { on } => format!("watch speakers {on}"),
        UnitCommand::Stop => "stop".to_owned(),
    }
}
