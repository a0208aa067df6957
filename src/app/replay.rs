//! `talkpath replay`: a journal, fed into an engine of its own with the rules and scenarios of
//! today.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::rules::Rules;
use super::{make_host, say};
use crate::config::Config;
use crate::engine::Output;
use crate::journal::{Diverged, Entry, Header, Input, Replay};

/// Bytes of one line; a longer one is none of ours.
const LINE_MAX: usize = 16 << 20;

/// `talkpath replay`: prints what came in and what the engine did about it, and where it goes
/// another way than it did then.
///
/// # Errors
/// The journal cannot be read, or rules or scenarios have to be mended.
pub fn replay(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let host = Arc::new(make_host(config));
    let rules = Rules::read(config, host.clone(), false)?;
    let opened = File::open(file).with_context(|| format!("{}", file.display()))?;
    let mut lines = Lines {
        from: BufReader::new(opened),
        number: 0,
        name: file.display().to_string(),
    };
    let header: Header = match lines.next()? {
        Some(line) => lines.parse(&line)?,
        None => bail!("{}: it is empty, and no journal", lines.name),
    };
    let mut replay = Replay::new(&header, Instant::now(), &host);
    let (mut outputs, mut entries, mut others) = (Vec::new(), 0_u64, 0_u64);
    let mut last = Duration::ZERO;
    while let Some(line) = lines.next()? {
        let entry: Entry = lines.parse(&line)?;
        last = Duration::from_nanos(entry.at_ns);
        let at = format!("{:>10.3}", last.as_secs_f64());
        entries += 1;
        if entry.input == Some(Input::Catalog) {
            replay.add_catalog(Arc::clone(&rules.catalog));
        }
        if let Some(what) = entry.input.as_ref().and_then(came_in) {
            say(&format!("{at}  ← {what}"));
        }
        let fed = replay.feed(entry, &mut outputs);
        for what in outputs.drain(..).filter_map(|output| went_out(&output)) {
            say(&format!("{at}  → {what}"));
        }
        match fed {
            Ok(()) => {}
            Err(other @ (Diverged::OtherTurn { .. } | Diverged::NoTurn(_))) => {
                others += 1;
                say(&format!("{at}  ≠ {other}"));
            }
            Err(other) => bail!("{}:{}: {other}", lines.name, lines.number),
        }
    }
    let seconds = last.as_secs_f64();
    let how = match others {
        0 => "the same way".to_owned(),
        1 => "another way in 1 place, marked ≠".to_owned(),
        places => format!("another way in {places} places, marked ≠"),
    };
    say(&format!("{entries} entries, {seconds:.1} s: {how}"));
    Ok(match others {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

struct Lines {
    from: BufReader<File>,
    number: usize,
    name: String,
}

impl Lines {
    /// The next line; nothing at the end, or where the last line was cut off by a crash.
    fn next(&mut self) -> anyhow::Result<Option<String>> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        let mut limited = self.from.by_ref().take(LINE_MAX as u64);
        limited
            .read_until(b'\n', &mut bytes)
            .with_context(|| self.name.clone())?;
        self.number += 1;
        if bytes.len() >= LINE_MAX {
            bail!("{}:{}: the line is too long", self.name, self.number);
        }
        if bytes.pop() != Some(b'\n') {
            return Ok(None);
        }
        let line = String::from_utf8(bytes);
        let line = line.with_context(|| format!("{}:{}", self.name, self.number))?;
        Ok(Some(line))
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, line: &str) -> anyhow::Result<T> {
        serde_json::from_str(line)
            .with_context(|| format!("{}:{}: no line of a journal", self.name, self.number))
    }
}

/// What came in, for people; nothing for what they have no name for.
fn came_in(input: &Input) -> Option<String> {
    Some(match input {
        Input::Sip { flow, text } => {
            let line = text.lines().next().unwrap_or_default();
            format!("{line}  ({} {})", flow.transport.via_token(), flow.remote)
        }
        Input::FlowOpened { flow, identity } => {
            let who = identity.as_deref().unwrap_or("somebody");
            format!("connected: {who}  ({})", flow.remote)
        }
        Input::FlowClosed(flow) => format!("connection {flow} is gone"),
        Input::Media(event) => format!("media: {event:?}"),
        Input::Turn { session, done } => format!("turn of {session}: {done:?}"),
        Input::Clip { id, result } => format!("sound {id}: {result:?}"),
        Input::RecordingOpened { url, .. } => format!("recording begins: {url}"),
        Input::Recording { result, .. } => format!("recording ends: {result:?}"),
        Input::Catalog => "rules and scenarios".to_owned(),
        Input::Drain => "no new calls from here on".to_owned(),
        Input::HangUpAll => "everything is hung up".to_owned(),
        Input::PutUser(_) | Input::RemoveUser(_) => return None,
    })
}

/// What the engine did, for people.
fn went_out(output: &Output) -> Option<String> {
    Some(match output {
        Output::Sip { flow, bytes } => {
            let text = String::from_utf8_lossy(bytes);
            let line = text.lines().next().unwrap_or_default();
            format!("{line}  ({} {})", flow.transport.via_token(), flow.remote)
        }
        Output::Media(command) => format!("media: {}", command.about().1),
        Output::Clip { sound, .. } => format!("sound: {sound:?}"),
        Output::OpenRecording { name, .. } => format!("recording: {name}"),
        Output::Log { session, text, .. } => format!("{session}: {text}"),
        Output::RemoveUser { name } => format!("user removed: {name}"),
        Output::Notice(notice) => format!("told: {notice:?}"),
        Output::Script(_) => return None,
    })
}
