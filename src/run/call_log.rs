//! The lines of the log about calls, made from the notices of the engine. All lines of one caller,
//! from its INVITE over internal calls to its end, have the same `trace`. Ids have the names that
//! scenarios see.

use tracing::{info, warn};

use crate::engine::notice::{
    CallArrived, CallUnrouted, EndedLink, InternalCall, LegEnded, RecordingBegun, SessionEnded,
    SoundFailed, Trouble,
};
use crate::engine::{Notice, TraceId};
use crate::id::{LegId, Run, SessionId};
use crate::pii::ClientAddress;

/// Writes the lines about the calls of one run.
#[derive(Clone, Copy, Debug)]
pub struct CallLog {
    run: Run,
}

impl CallLog {
    /// The log of an engine's run.
    pub fn new(run: Run) -> CallLog {
        CallLog { run }
    }

    /// Writes a line of a scenario.
    pub fn write_script(self, session: SessionId, is_warning: bool, text: &str) {
        let session_id = self.run.name(session);
        match is_warning {
            true => warn!(target: "script", %session_id, "{text}"),
            false => info!(target: "script", %session_id, "{text}"),
        }
    }

    /// Writes the line of a notice. Some have none: what they say stands in the line of another
    /// one.
    // tidy: table
    pub fn write(self, notice: &Notice) {
        match notice {
            Notice::SessionStarted(started) => {
                let session_id = self.run.name(started.session);
                let (rule, conference) = (&started.rule, &started.conference);
                info!(%session_id, %rule, ?conference, "Session started");
            }
            Notice::SessionEnded(ended) => self.write_session_end(ended),
            Notice::ScenarioFailed(failed) => {
                let session_id = self.run.name(failed.session);
                let (place, function) = (&failed.place, &failed.function);
                let message = &failed.message;
                warn!(%session_id, %place, %function, %message, "Scenario failed");
            }
            Notice::HostPanicked { session, panic } => {
                let session_id = self.run.name(session);
                warn!(%session_id, %panic, "Script host panicked");
            }
            Notice::EventsOverflowed {
                session,
                events_max,
            } => {
                let session_id = self.run.name(session);
                warn!(%session_id, events_max, "Session cannot keep up with its events");
            }
            Notice::CallArrived(call) => self.write_arrival(call),
            Notice::CallUnrouted(call) => self.write_unrouted(call),
            Notice::RuleKeptOut { application, rule } => {
                warn!(application, %rule, "Rule is kept out until it is mended");
            }
            Notice::RuleFull { application, rule } => {
                info!(application, %rule, "Rule has as many sessions as it may");
            }
            Notice::InternalCall(call) => self.write_internal_call(call),
            Notice::ConferenceUnrouted(call) => {
                let (application, trace) = (&call.application, call.tried.masked());
                info!(application, %trace, "No rule matches an internal call");
            }
            Notice::LegTrouble { leg, trouble, .. } => self.write_trouble(*leg, trouble),
            Notice::FlowLost { session, leg } => {
                let (leg_id, session_id) = (self.run.name(leg), self.run.name(session));
                info!(%leg_id, %session_id, "WebSocket of a call lost");
            }
            Notice::FlowBack { session, leg } => {
                let (leg_id, session_id) = (self.run.name(leg), self.run.name(session));
                info!(%leg_id, %session_id, "WebSocket of a call is back");
            }
            Notice::LegEnded(ended) => self.write_leg_end(ended),
            Notice::SoundFailed(failed) => {
                let unit = self.run.name(failed.unit);
                let SoundFailed { source, error, .. } = failed;
                warn!(%unit, source, error, "Sound cannot be played");
            }
            Notice::RecordingBegun(begun) => {
                let RecordingBegun { url, .. } = begun;
                let session_id = self.run.name(begun.session);
                let unit = self.run.name(begun.recorder);
                info!(%session_id, %unit, url, "Recording begins");
            }
            Notice::RecordingsGivenUp { session, recorders } => {
                let (session_id, recordings) = (self.run.name(session), recorders.len());
                warn!(%session_id, recordings, "Recordings take too long to end");
            }
            // The end of a recording is a line of the thread that writes it.
            Notice::RecordingEnded(_)
            | Notice::ConferenceCalled(_)
            | Notice::LegAnswered(_)
            | Notice::ConferenceOpened(_)
            | Notice::ConferenceClosed(_)
            | Notice::LegJoined(_)
            | Notice::LegLeft(_) => {}
        }
    }

    /// A WebSocket has the number that the lines about itself have.
    fn trace(self, trace: TraceId) -> String {
        match trace {
            TraceId::WebSocket(flow) => flow.to_string(),
            TraceId::Phone(leg) => self.run.name(leg).to_string(),
        }
    }

    fn write_session_end(self, ended: &SessionEnded) {
        info!(
            session_id = %self.run.name(ended.session),
            rule = %ended.rule,
            reason = %ended.reason,
            custom_data = ended.custom_data,
            duration_ms = ended.duration_ms,
            "Session ends"
        );
    }

    fn write_arrival(self, call: &CallArrived) {
        info!(
            trace = %self.trace(call.trace),
            leg_id = %self.run.name(call.leg),
            call_id = call.sip_call_id,
            session_id = %self.run.name(call.session),
            rule = call.rule,
            source = call.parties.source.label(),
            address = %ClientAddress(call.address),
            caller = %call.parties.caller,
            display_name = %call.parties.display_name,
            dialled = %call.parties.dialled,
            "Call"
        );
    }

    fn write_unrouted(self, call: &CallUnrouted) {
        let rules: usize = call.tried.iter().map(|(_, tried)| tried.steps.len()).sum();
        info!(
            trace = %self.trace(call.trace),
            dialled = %call.parties.dialled,
            caller = %call.parties.caller,
            source = call.parties.source.label(),
            address = %ClientAddress(call.address),
            rules,
            times = call.times,
            "No rule takes the call; talkpath route says why"
        );
    }

    fn write_internal_call(self, call: &InternalCall) {
        info!(
            trace = %self.trace(call.trace),
            leg_id = %self.run.name(call.leg),
            session_id = %self.run.name(call.session),
            to_leg = %self.run.name(call.to_leg),
            to_session = %self.run.name(call.to_session),
            room = %call.parties.dialled,
            caller = %call.parties.caller,
            display_name = %call.parties.display_name,
            "Internal call"
        );
    }

    fn write_trouble(self, leg: LegId, trouble: &Trouble) {
        let leg_id = self.run.name(leg);
        match trouble {
            Trouble::NoMediaPort(error) => info!(%leg_id, error, "No media port for a leg"),
            Trouble::OfferRefused(refusal) => info!(%leg_id, %refusal, "Offer refused"),
            Trouble::AnswerRefused(refusal) => {
                info!(%leg_id, %refusal, "Answer in ACK refused");
            }
            Trouble::ReinviteRefused(refusal) => {
                info!(%leg_id, %refusal, "Offer of a re-INVITE refused, call goes on");
            }
            Trouble::BranchFailed(error) => {
                info!(%leg_id, %error, "Direct call could not be placed");
            }
            Trouble::UserUnregistered(user) => info!(%leg_id, %user, "User is not registered"),
            Trouble::AnswerNotPassed(error) => {
                info!(%leg_id, %error, "Answer of a direct call cannot be passed on");
            }
            Trouble::MediaLost(loss) => info!(%leg_id, ?loss, "WebRTC leg lost"),
        }
    }

    /// Enough to answer "what happened to that call". An internal call has one line for its two
    /// legs, on the side of the one that was called.
    fn write_leg_end(self, ended: &LegEnded) {
        let trace = self.trace(ended.trace);
        let leg_id = self.run.name(ended.leg);
        let session_id = self.run.name(ended.session);
        let reason = ended.reason;
        match &ended.link {
            EndedLink::Internal { .. } if ended.incoming => {
                info!(%trace, %leg_id, %session_id, %reason, "Internal call ended");
            }
            EndedLink::Internal { .. } => {}
            EndedLink::Sip {
                sip_call_id,
                codec,
                stats,
            } => {
                let stats = stats.unwrap_or_default();
                info!(
                    %trace,
                    %leg_id,
                    %session_id,
                    call_id = sip_call_id,
                    caller = %ended.parties.caller,
                    %reason,
                    class = reason.row().class.label(),
                    duration_ms = ended.answered_ms.unwrap_or_default(),
                    codec = codec.unwrap_or("none"),
                    packets_in = stats.packets_in,
                    packets_out = stats.packets_out,
                    lost = stats.lost,
                    late = stats.late,
                    concealed = stats.concealed,
                    jitter_ms_max = stats.jitter_ms_max,
                    "Leg ended"
                );
            }
        }
    }
}
