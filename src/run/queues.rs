//! The engine's inputs: one queue for each kind, served in turn, so that none waits for another one
//! that is never empty.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::mpsc;

use super::recordings::{News, Recorded as RecordedFile, URL_PREFIX};
use super::script_pool::{Finished, JobPanicked};
use crate::audio::Clip;
use crate::engine::{Input, Recorded, ScriptDone};
use crate::id::{PlaybackId, SessionId};
use crate::media;
use crate::net::{Incoming, IncomingQueue};

/// What comes back from the script threads.
pub type TurnDone = Finished<SessionId, Box<ScriptDone>>;
/// A sound, or why there is none.
pub type ClipDone = (PlaybackId, Result<Arc<Clip>, String>);

/// Users that come and go. What it has been given must be there at once, without another task
/// between: a token may be used the moment that it is told.
pub type Users = Pin<Box<dyn Stream<Item = Input> + Send>>;

/// The queues of the loop.
pub(super) struct Queues {
    pub sip: IncomingQueue,
    pub media: mpsc::Receiver<media::Event>,
    pub turns: mpsc::Receiver<TurnDone>,
    pub clips: mpsc::Receiver<ClipDone>,
    pub recordings: mpsc::Receiver<RecordedFile>,
    pub users: Users,
    /// Whose turn it is.
    pub next: usize,
}

/// The kinds that take turns.
const KINDS: usize = 5;

impl Queues {
    /// Waits for an input; nothing when the sockets are gone.
    pub async fn recv(&mut self) -> Option<Input> {
        Some(tokio::select! {
            incoming = self.sip.recv() => sip_input(incoming?),
            Some(event) = self.media.recv() => Input::Media(event),
            Some(done) = self.turns.recv() => turn_input(done),
            Some(done) = self.clips.recv() => clip_input(done),
            Some(done) = self.recordings.recv() => recording_input(done),
            Some(user) = self.users.next() => user,
        })
    }

    /// An input that is there. Users go before all others, as a token may be used the moment that
    /// it is told; the others take turns.
    pub fn next_ready(&mut self) -> Option<Input> {
        if let Some(user) = self.next_user() {
            return Some(user);
        }
        for _ in 0..KINDS {
            let kind = self.next;
            self.next = (kind + 1) % KINDS;
            let input = match kind {
                0 => self.media.try_recv().ok().map(Input::Media),
                1 => self.turns.try_recv().ok().map(turn_input),
                2 => self.clips.try_recv().ok().map(clip_input),
                3 => self.recordings.try_recv().ok().map(recording_input),
                _ => self.sip.try_recv().map(sip_input),
            };
            if input.is_some() {
                return input;
            }
        }
        None
    }

    /// The next user, if one is there. Not held back by the budget that tokio gives a task.
    pub fn next_user(&mut self) -> Option<Input> {
        tokio::task::unconstrained(self.users.next())
            .now_or_never()
            .flatten()
    }
}

fn sip_input(incoming: Incoming) -> Input {
    match incoming {
        Incoming::Message(received) => Input::Sip {
            flow: received.flow,
            bytes: received.bytes,
        },
        Incoming::FlowOpened { flow, identity } => Input::FlowOpened { flow, identity },
        Incoming::FlowClosed(flow) => Input::FlowClosed(flow),
    }
}

fn turn_input(done: TurnDone) -> Input {
    let lost = |panicked: JobPanicked| Box::new(ScriptDone::lost(done.tag, panicked.message));
    Input::Script(done.outcome.unwrap_or_else(lost))
}

fn clip_input((id, result): (PlaybackId, Result<Arc<Clip>, String>)) -> Input {
    Input::Clip { id, result }
}

fn recording_input(done: RecordedFile) -> Input {
    let unit = done.unit;
    let url = |name: String| format!("{URL_PREFIX}{name}");
    match done.news {
        News::Opened(name) => Input::RecordingOpened {
            unit,
            url: url(name),
        },
        News::Ended(result) => Input::Recording {
            unit,
            result: result.map(|file| Recorded {
                url: url(file.name),
                duration_ms: file.duration_ms,
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UnitId;
    use crate::net::{NetSettings, Transports};
    use crate::sip::User;

    const MANY: usize = 100;

    fn user(name: &str) -> Input {
        Input::PutUser(Box::new(User {
            name: name.to_owned(),
            display_name: String::new(),
            ha1: Vec::new(),
        }))
    }

    /// Which kind it is.
    fn kind(input: &Input) -> &'static str {
        let kinds = [
            ("media", matches!(input, Input::Media(_))),
            ("clip", matches!(input, Input::Clip { .. })),
            ("recording", matches!(input, Input::Recording { .. })),
            ("user", matches!(input, Input::PutUser(_))),
        ];
        let found = kinds.into_iter().find(|(_, is_it)| *is_it);
        found.map_or("other", |(kind, _)| kind)
    }

    #[tokio::test]
    async fn a_queue_that_is_never_empty_keeps_no_other_one_waiting() {
        let (transports, sip) = Transports::bind(&[], NetSettings::default()).expect("nothing");
        let (media_in, media) = mpsc::channel(MANY);
        let (_turns, turns) = mpsc::channel(1);
        let (clips_in, clips) = mpsc::channel(MANY);
        let (recordings_in, recordings) = mpsc::channel(MANY);
        for n in 0..MANY as u64 {
            let unit = UnitId(n);
            let event = media::Event::MediaTimeout { unit };
            media_in.try_send(event).expect("room");
            let clip = (PlaybackId(n), Err("none".to_owned()));
            clips_in.try_send(clip).expect("room");
            let news = News::Ended(Err("none".to_owned()));
            let recorded = RecordedFile { unit, news };
            recordings_in.try_send(recorded).expect("room");
        }
        let users = futures_util::stream::iter([user("a"), user("b")]);
        let mut queues = Queues {
            sip,
            media,
            turns,
            clips,
            recordings,
            users: Box::pin(users.chain(futures_util::stream::pending())),
            next: 0,
        };
        let served: Vec<&str> = (0..8)
            .map(|_| kind(&queues.next_ready().expect("one more")))
            .collect();
        let turn = ["media", "clip", "recording"];
        assert_eq!(served[..2], ["user", "user"]);
        assert_eq!(served[2..], [turn, turn].concat());
        let rest = std::iter::from_fn(|| queues.next_ready()).count();
        assert_eq!(rest, 3 * (MANY - 2));
        transports.close().await;
    }
}
