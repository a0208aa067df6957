//! The entries of a journal, as they are written.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::audio::Clip;
use crate::engine::{self, Recorded, Settings};
use crate::id::{FlowId, PlaybackId, SessionId, UnitId};
use crate::media;
use crate::sip::{Flow, User};

/// The first line of a journal: what the engine was made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Unix time of the beginning, in milliseconds.
    pub epoch_ms: u64,
    /// The only source of randomness.
    pub seed: [u8; 32],
    /// Addresses, limits and times.
    pub settings: Settings,
}

/// One thing that went in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Nanoseconds since the beginning. Deadlines are as exact as the clock that was read.
    pub at_ns: u64,
    /// What it was; nothing when only time has passed and deadlines were due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
}

/// What went in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// [`engine::Input::Sip`].
    Sip {
        /// Where it came from.
        flow: Flow,
        /// The message, each byte as the character of that number.
        text: String,
    },
    /// [`engine::Input::FlowOpened`].
    FlowOpened {
        /// The connection.
        flow: Flow,
        /// The user who has proved to be there.
        identity: Option<String>,
    },
    /// [`engine::Input::FlowClosed`].
    FlowClosed(FlowId),
    /// [`engine::Input::PutUser`].
    PutUser(User),
    /// [`engine::Input::RemoveUser`].
    RemoveUser(String),
    /// [`engine::Input::Media`].
    Media(media::Event),
    /// A script turn is over.
    Turn {
        /// The session.
        session: SessionId,
        /// What came of it.
        done: Turn,
    },
    /// [`engine::Input::Clip`].
    Clip {
        /// The id of the request.
        id: PlaybackId,
        /// The sound, or why there is none.
        result: Result<Sound, String>,
    },
    /// [`engine::Input::RecordingOpened`].
    RecordingOpened {
        /// The recorder.
        unit: UnitId,
        /// Its URL.
        url: String,
    },
    /// [`engine::Input::Recording`].
    Recording {
        /// The recorder.
        unit: UnitId,
        /// Where it is, or what went wrong.
        result: Result<Recorded, String>,
    },
    /// [`engine::Input::Catalog`]: the next rules and programs of those that the replay is given.
    Catalog,
    /// [`engine::Input::Drain`].
    Drain,
    /// [`engine::Input::HangUpAll`].
    HangUpAll,
}

/// What came of a script turn: enough to see that a replay goes another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// The handlers ran.
    Ran {
        /// Commands that they gave.
        commands: usize,
        /// The first failure.
        error: Option<String>,
    },
    /// The script state was lost, and why.
    Lost(String),
}

/// A sound without its samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sound {
    /// The spoken text, or the file.
    pub name: String,
    /// Samples a second.
    pub rate_hz: u32,
    /// How many samples.
    pub samples: usize,
}

impl Entry {
    /// What is written for an input that goes in at `now`.
    pub(super) fn of(epoch: Instant, now: Instant, input: &engine::Input) -> Entry {
        Entry::at(epoch, now, Some(Input::of(input)))
    }

    /// What is written for deadlines that are due.
    pub(super) fn timeout(epoch: Instant, now: Instant) -> Entry {
        Entry::at(epoch, now, None)
    }

    fn at(epoch: Instant, now: Instant, input: Option<Input>) -> Entry {
        let passed = now.saturating_duration_since(epoch).as_nanos();
        Entry {
            at_ns: u64::try_from(passed).unwrap_or(u64::MAX),
            input,
        }
    }

    /// When it went in, for a beginning at `epoch`.
    pub fn instant(&self, epoch: Instant) -> Instant {
        epoch + Duration::from_nanos(self.at_ns)
    }
}

impl Input {
    fn of(input: &engine::Input) -> Input {
        match input {
            engine::Input::Sip { flow, bytes } => Input::Sip {
                flow: *flow,
                text: bytes.iter().copied().map(char::from).collect(),
            },
            engine::Input::FlowOpened { flow, identity } => Input::FlowOpened {
                flow: *flow,
                identity: identity.clone(),
            },
            engine::Input::FlowClosed(flow) => Input::FlowClosed(*flow),
            engine::Input::PutUser(user) => Input::PutUser((**user).clone()),
            engine::Input::RemoveUser(name) => Input::RemoveUser(name.clone()),
            engine::Input::Media(event) => Input::Media(event.clone()),
            engine::Input::Script(done) => Input::Turn {
                session: done.session,
                done: Turn::of(&done.outcome),
            },
            engine::Input::Clip { id, result } => Input::Clip {
                id: *id,
                result: match result {
                    Ok(clip) => Ok(Sound::of(clip)),
                    Err(why) => Err(why.clone()),
                },
            },
            engine::Input::RecordingOpened { unit, url } => Input::RecordingOpened {
                unit: *unit,
                url: url.clone(),
            },
            engine::Input::Recording { unit, result } => Input::Recording {
                unit: *unit,
                result: result.clone(),
            },
            engine::Input::Catalog(_) => Input::Catalog,
            engine::Input::Drain => Input::Drain,
            engine::Input::HangUpAll => Input::HangUpAll,
        }
    }
}

impl Turn {
    pub(super) fn of(outcome: &Result<crate::script::Outcome, String>) -> Turn {
        match outcome {
            Ok(outcome) => Turn::Ran {
                commands: outcome.commands.len(),
                error: outcome.error.as_ref().map(ToString::to_string),
            },
            Err(why) => Turn::Lost(why.clone()),
        }
    }
}

impl Sound {
    fn of(clip: &Clip) -> Sound {
        Sound {
            name: clip.name.clone(),
            rate_hz: clip.rate.hz(),
            samples: clip.samples.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{DigitKind, Event, Loss, Quality};
    use crate::sip::{Algorithm, Ha1, Transport};

    #[test]
    fn what_is_written_is_read_again() {
        let flow = Flow {
            id: FlowId(7),
            transport: Transport::Wss,
            local: "192.0.2.1:443".parse().expect("an address"),
            remote: "[2001:db8::1]:5060".parse().expect("an address"),
        };
        let unit = UnitId(9);
        let user = User {
            name: "anna".to_owned(),
            display_name: "Anna".to_owned(),
            ha1: vec![Ha1 {
                algorithm: Algorithm::Sha256,
                realm: "talkpath".to_owned(),
                hash: "00ff".to_owned(),
                expires_unix_s: Some(1),
            }],
        };
        let every_byte: Vec<u8> = (0..=255).collect();
        let quality = Quality {
            loss: 0.1,
            jitter_ms: 3.3,
            rtt_ms: None,
            mos: 4.1,
        };
        let inputs = [
            engine::Input::Sip {
                flow,
                bytes: every_byte.into(),
            },
            engine::Input::FlowOpened {
                flow,
                identity: Some("anna".to_owned()),
            },
            engine::Input::FlowClosed(FlowId(7)),
            engine::Input::PutUser(Box::new(user)),
            engine::Input::RemoveUser("anna".to_owned()),
            engine::Input::Media(Event::Digit {
                unit,
                digit: '#',
                kind: DigitKind::TelephoneEvent,
                duration_ms: None,
            }),
            engine::Input::Media(Event::Quality { unit, quality }),
            engine::Input::Media(Event::LegLost {
                unit,
                loss: Loss::Dtls("is not who it should be".into()),
            }),
            engine::Input::Clip {
                id: PlaybackId(3),
                result: Err("no such file".to_owned()),
            },
            engine::Input::RecordingOpened {
                unit,
                url: "recording:a.wav".to_owned(),
            },
            engine::Input::Drain,
            engine::Input::HangUpAll,
        ];
        for input in &inputs {
            let written = Input::of(input);
            let line = serde_json::to_string(&written).expect("it can be written");
            let read: Input = serde_json::from_str(&line).expect(&line);
            assert_eq!(read, written, "{line}");
        }
    }
}
