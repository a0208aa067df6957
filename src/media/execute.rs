//! Carries out commands on the units of a core, one act per function. Nothing is mixed or sent here
//! but the goodbye of a leg.

use std::time::Instant;

use rand_core::RngCore;

use super::command::{Command, DigitKind, Event, LegKind, LegStats, RecordSource, StreamParams};
use super::core::Core;
use super::encode::say_goodbye;
use super::graph::{GraphError, Kind, Node};
use super::output::Output;
use super::playback::Player;
use super::record::Recorder;
use super::refused::Refused;
use super::rtp_leg::{RtpLeg, StreamSeed, Transport};
use super::watch::Watch;
use super::webrtc_leg::WebRtcLeg;
use crate::audio::{Gain, TalkDetector};
use crate::id::UnitId;

impl Core {
    /// Carries out a command.
    // tidy: table
    pub(super) fn execute(&mut self, now: Instant, command: Command) -> Result<(), Refused> {
        match command {
            Command::OpenLeg { unit, kind } => self.open_leg(unit, kind)?,
            Command::UpdateLeg { unit, stream } => self.update_leg(now, unit, *stream)?,
            Command::AddMixer { unit } => self.add_player(unit, Kind::Mixer)?,
            Command::AddPlayer { unit } => self.add_player(unit, Kind::Player)?,
            Command::AddWire { a, b } => {
                let (a, b) = self.units.graph.add_wire(a, b)?;
                self.units.forget(a);
                self.units.forget(b);
            }
            Command::AddRecorder {
                unit,
                source,
                stereo,
            } => {
                self.add_recorder(unit, source, stereo)?;
            }
            Command::Pause { unit, paused } => self.pause(unit, paused)?,
            Command::Close { unit } => self.close(now, unit)?,
            Command::Connect { from, to } => self.units.graph.connect(from, to)?,
            Command::Disconnect { from, to } => self.units.graph.disconnect(from, to),
            Command::Play {
                unit,
                playback,
                clip,
                looped,
                gain_db,
            } => {
                self.player_of(unit)?.play(playback, clip, looped, gain_db);
            }
            Command::StopPlay { unit } => self.stop_play(unit)?,
            Command::DetectDigits {
                unit,
                telephone_event,
                in_band,
            } => {
                self.leg_of(unit)?.digits.detect(telephone_event, in_band);
            }
            Command::NoteDigit {
                unit,
                digit,
                duration_ms,
            } => {
                if self.leg_of(unit)?.digits.note_info(now, digit) {
                    let kind = DigitKind::Info;
                    self.event(Event::Digit {
                        unit,
                        digit,
                        kind,
                        duration_ms: Some(duration_ms),
                    });
                }
            }
            Command::SendDigits { unit, digits } => {
                let leg = self.leg_of(unit)?;
                let rate = leg.rate().ok_or(Refused::WrongKind)?;
                leg.digits.send(&digits, rate)?;
            }
            Command::DetectTalk { unit, on } => self.detect_talk(unit, on)?,
            Command::WatchSpeakers { unit, on } => self.watch_speakers(unit, on)?,
            Command::Silence {
                unit,
                muted,
                deafened,
            } => {
                let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
                self.units.graph.silence(node, muted, deafened);
            }
            Command::Gain {
                unit,
                in_db,
                out_db,
            } => self.gain(unit, Gain::from_db(in_db), Gain::from_db(out_db))?,
        }
        Ok(())
    }

    fn gain(&mut self, unit: UnitId, input: Gain, output: Gain) -> Result<(), Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        if let Some(Kind::Wire { .. }) = self.units.graph.kind(node) {
            self.units.graph.set_gain(node, input, output);
            return Ok(());
        }
        let leg = self.units.legs.get_mut(node).ok_or(Refused::WrongKind)?;
        leg.gains.input = input;
        leg.gains.output = output;
        Ok(())
    }

    fn detect_talk(&mut self, unit: UnitId, on: bool) -> Result<(), Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        if let Some(Kind::Wire { .. }) = self.units.graph.kind(node) {
            self.watch(node, on, Watch::talk);
            return Ok(());
        }
        let leg = self.units.legs.get_mut(node).ok_or(Refused::WrongKind)?;
        leg.talk = on.then(|| leg.talk.unwrap_or_else(TalkDetector::new));
        Ok(())
    }

    fn watch_speakers(&mut self, unit: UnitId, on: bool) -> Result<(), Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        if self.units.graph.kind(node) != Some(Kind::Mixer) {
            return Err(Refused::WrongKind);
        }
        self.watch(node, on, Watch::speakers);
        Ok(())
    }

    fn watch(&mut self, node: Node, on: bool, new: fn() -> Watch) {
        if !on {
            self.units.watches.remove(node);
        } else if self.units.watches.get(node).is_none() {
            self.units.watches.insert(node, new());
        }
        self.changed = true;
    }

    fn open_leg(&mut self, unit: UnitId, kind: LegKind) -> Result<(), Refused> {
        if self.legs >= self.settings.legs_max {
            return Err(Refused::Legs(self.settings.legs_max));
        }
        let (transport, ufrag) = match kind {
            LegKind::Rtp => (Transport::plain(), None),
            LegKind::WebRtc { ice } => match self.settings.identity.clone() {
                None => return Err(Refused::NoIdentity),
                Some(_) if self.shared.has_ufrag(&ice.ufrag) => return Err(Refused::Ufrag),
                Some(identity) => {
                    let ufrag = ice.ufrag.clone();
                    let webrtc = Box::new(WebRtcLeg::new(identity, ice));
                    (Transport::WebRtc(webrtc), Some(ufrag))
                }
            },
        };
        let node = self.units.graph.add(unit, Kind::Leg)?;
        self.units.forget(node);
        let mut leg = RtpLeg::new(unit);
        leg.transport = transport;
        self.units.legs.insert(node, leg);
        self.legs += 1;
        let shared = ufrag.is_some();
        if let Some(ufrag) = ufrag {
            self.shared.claim_ufrag(&ufrag, node);
        }
        self.outputs.push(Output::Bind { unit, shared });
        Ok(())
    }

    fn update_leg(
        &mut self,
        now: Instant,
        unit: UnitId,
        params: StreamParams,
    ) -> Result<(), Refused> {
        let seed = StreamSeed {
            ssrc: self.random.next_u32(),
            seq: self.random.next_u32() as u16,
            timestamp: self.random.next_u32(),
            report: self.random.next_u32(),
        };
        let period = self.clock.period();
        self.update_webrtc(now, unit, params.webrtc.as_deref())?;
        let leg = self.leg_of(unit)?;
        let first = leg.stream.is_none();
        leg.update(now, period, params, seed);
        self.streams += usize::from(first);
        self.changed = true;
        Ok(())
    }

    fn add_player(&mut self, unit: UnitId, kind: Kind) -> Result<(), Refused> {
        let node = self.units.graph.add(unit, kind)?;
        self.units.forget(node);
        self.units.players.insert(node, Player::new());
        Ok(())
    }

    fn add_recorder(
        &mut self,
        unit: UnitId,
        source: RecordSource,
        stereo: bool,
    ) -> Result<(), Refused> {
        // The shell has opened the file, and waits for its end.
        self.try_add_recorder(unit, source, stereo)
            .inspect_err(|_| self.outputs.push(Output::RecordEnd { unit }))
    }

    fn try_add_recorder(
        &mut self,
        unit: UnitId,
        source: RecordSource,
        stereo: bool,
    ) -> Result<(), Refused> {
        let tap = match source {
            RecordSource::Connected => None,
            RecordSource::Leg(leg) => {
                let leg = self.units.graph.node(leg).ok_or(GraphError::Unknown)?;
                match self.units.graph.kind(leg) {
                    Some(Kind::Leg | Kind::Wire { .. }) => Some(leg),
                    Some(Kind::Mixer | Kind::Player | Kind::Recorder { .. }) | None => {
                        return Err(Refused::WrongKind);
                    }
                }
            }
        };
        let node = self.units.graph.add(unit, Kind::Recorder { tap })?;
        self.units.forget(node);
        self.units
            .recorders
            .insert(node, Recorder::new(unit, source, stereo));
        Ok(())
    }

    fn pause(&mut self, unit: UnitId, paused: bool) -> Result<(), Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        if let Some(recorder) = self.units.recorders.get_mut(node) {
            recorder.paused = paused;
            self.changed = true;
        } else if let Some(player) = self.units.players.get_mut(node) {
            player.paused = paused;
        } else {
            return Err(Refused::WrongKind);
        }
        Ok(())
    }

    fn close(&mut self, now: Instant, unit: UnitId) -> Result<(), Refused> {
        let Some((node, _)) = self.units.graph.remove(unit) else {
            // A leg that was refused: whoever waits for its totals is told that there are none.
            let stats = LegStats::default();
            self.event(Event::LegClosed { unit, stats });
            return Ok(());
        };
        if let Some(mut leg) = self.units.legs.remove(node) {
            let period = self.clock.period();
            let (_, _, mut tick) = self.tick_of(now, period);
            say_goodbye(&mut leg, &mut tick);
            self.close_webrtc(now, node, &mut leg);
            self.legs -= 1;
            self.streams -= usize::from(leg.stream.is_some());
            self.event(Event::LegClosed {
                unit,
                stats: leg.totals(),
            });
            self.outputs.push(Output::Unbind { unit });
        }
        if self.units.recorders.get(node).is_some() {
            self.outputs.push(Output::RecordEnd { unit });
        }
        self.units.forget(node);
        Ok(())
    }

    /// What plays on a unit, made where there is none yet.
    fn player_of(&mut self, unit: UnitId) -> Result<&mut Player, Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        match self.units.graph.kind(node) {
            Some(Kind::Leg) => {
                let leg = self.units.legs.get_mut(node).ok_or(Refused::WrongKind)?;
                Ok(leg.prompt.get_or_insert_with(|| Box::new(Player::new())))
            }
            Some(Kind::Wire { .. }) => {
                self.units.graph.set_sounding(node, true);
                self.announcer_of(node)
            }
            Some(Kind::Mixer | Kind::Player) => {
                self.units.players.get_mut(node).ok_or(Refused::WrongKind)
            }
            Some(Kind::Recorder { .. }) | None => Err(Refused::WrongKind),
        }
    }

    fn announcer_of(&mut self, node: Node) -> Result<&mut Player, Refused> {
        if self.units.players.get(node).is_none() {
            self.units.players.insert(node, Player::new());
        }
        self.units.players.get_mut(node).ok_or(Refused::WrongKind)
    }

    fn stop_play(&mut self, unit: UnitId) -> Result<(), Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        if let Some(leg) = self.units.legs.get_mut(node) {
            leg.prompt = None;
        } else if let Some(player) = self.units.players.get_mut(node) {
            player.stop();
        }
        Ok(())
    }

    pub(super) fn leg_of(&mut self, unit: UnitId) -> Result<&mut RtpLeg, Refused> {
        let node = self.units.graph.node(unit).ok_or(GraphError::Unknown)?;
        self.units.legs.get_mut(node).ok_or(Refused::WrongKind)
    }

    fn event(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }
}
