//! The lines of the log about calls, made from the notices of the engine. All lines of one caller,
//! from its INVITE over internal calls to its end, have the same `trace`.

use tracing::{info, warn};

use crate::engine::Notice;
use crate::engine::notice::{
    CallArrived, CallUnrouted, EndedLink, InternalCall, LegEnded, SessionEnded, Trouble,
};
use crate::id::LegId;
use crate::pii::ClientAddress;

/// Writes the line of a notice. Some have none: what they say stands in the line of another one.
// tidy: table
pub fn write(notice: &Notice) {
    match notice {
        Notice::SessionStarted(started) => info!(session_id = %started.session,
            rule = %started.rule, conference = ?started.conference, "Session started"),
        Notice::SessionEnded(ended) => write_session_end(ended),
        Notice::ScenarioFailed(failed) => warn!(session_id = %failed.session,
            place = %failed.place, function = %failed.function, message = %failed.message,
            "Scenario failed"),
        Notice::HostPanicked { session, panic } => {
            warn!(session_id = %session, %panic, "Script host panicked");
        }
        Notice::EventsOverflowed {
            session,
            events_max,
        } => warn!(session_id = %session, events_max, "Session cannot keep up with its events"),
        Notice::CallArrived(call) => write_arrival(call),
        Notice::CallUnrouted(call) => write_unrouted(call),
        Notice::RuleKeptOut { application, rule } => {
            warn!(application, %rule, "Rule is kept out until it is mended");
        }
        Notice::RuleFull { application, rule } => {
            info!(application, %rule, "Rule has as many sessions as it may");
        }
        Notice::InternalCall(call) => write_internal_call(call),
        Notice::ConferenceUnrouted(call) => info!(application = call.application,
            trace = %call.tried.masked(), "No rule matches an internal call"),
        Notice::LegTrouble { leg, trouble, .. } => write_trouble(*leg, trouble),
        Notice::FlowLost { session, leg } => {
            info!(leg_id = %leg, session_id = %session, "WebSocket of a call lost");
        }
        Notice::FlowBack { session, leg } => {
            info!(leg_id = %leg, session_id = %session, "WebSocket of a call is back");
        }
        Notice::LegEnded(ended) => write_leg_end(ended),
        Notice::SoundFailed(failed) => warn!(unit = %failed.unit, source = failed.source,
            error = failed.error, "Sound cannot be played"),
        Notice::RecordingBegun(begun) => info!(session_id = %begun.session,
            unit = %begun.recorder, url = begun.url, "Recording begins"),
        Notice::RecordingsGivenUp { session, recorders } => warn!(session_id = %session,
            recordings = recorders.len(), "Recordings take too long to end"),
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

fn write_session_end(ended: &SessionEnded) {
    info!(
        session_id = %ended.session,
        rule = %ended.rule,
        reason = %ended.reason,
        custom_data = ended.custom_data,
        duration_ms = ended.duration_ms,
        "Session ends"
    );
}

fn write_arrival(call: &CallArrived) {
    info!(
        trace = %call.trace,
        leg_id = %call.leg,
        call_id = call.sip_call_id,
        session_id = %call.session,
        rule = call.rule,
        source = call.parties.source.label(),
        address = %ClientAddress(call.address),
        caller = %call.parties.caller,
        display_name = %call.parties.display_name,
        dialled = %call.parties.dialled,
        "Call"
    );
}

fn write_unrouted(call: &CallUnrouted) {
    let rules: usize = call.tried.iter().map(|(_, tried)| tried.steps.len()).sum();
    info!(
        trace = %call.trace,
        dialled = %call.parties.dialled,
        caller = %call.parties.caller,
        source = call.parties.source.label(),
        address = %ClientAddress(call.address),
        rules,
        times = call.times,
        "No rule takes the call; talkpath route says why"
    );
}

fn write_internal_call(call: &InternalCall) {
    info!(
        trace = %call.trace,
        leg_id = %call.leg,
        session_id = %call.session,
        to_leg = %call.to_leg,
        to_session = %call.to_session,
        room = %call.parties.dialled,
        caller = %call.parties.caller,
        display_name = %call.parties.display_name,
        "Internal call"
    );
}

fn write_trouble(leg_id: LegId, trouble: &Trouble) {
    match trouble {
        Trouble::NoMediaPort(error) => info!(%leg_id, error, "No media port for a leg"),
        Trouble::OfferRefused(refusal) => info!(%leg_id, %refusal, "Offer refused"),
        Trouble::AnswerRefused(refusal) => info!(%leg_id, %refusal, "Answer in ACK refused"),
        Trouble::ReinviteRefused(refusal) => {
            info!(%leg_id, %refusal, "Offer of a re-INVITE refused, call goes on");
        }
        Trouble::BranchFailed(error) => info!(%leg_id, %error, "Direct call could not be placed"),
        Trouble::UserUnregistered(user) => info!(%leg_id, %user, "User is not registered"),
        Trouble::AnswerNotPassed(error) => {
            info!(%leg_id, %error, "Answer of a direct call cannot be passed on");
        }
        Trouble::MediaLost(loss) => info!(%leg_id, ?loss, "WebRTC leg lost"),
    }
}

/// Enough to answer "what happened to that call". An internal call has one line for its two legs,
/// on the side of the one that was called.
fn write_leg_end(ended: &LegEnded) {
    let LegEnded {
        trace,
        session: session_id,
        leg: leg_id,
        reason,
        ..
    } = ended;
    match &ended.link {
        EndedLink::Internal { .. } if ended.incoming => {
            info!(%trace, %leg_id, %session_id, %reason, "Internal call ended");
        }
        EndedLink::Internal { .. } => {}
        EndedLink::Sip {
            sip_call_id,
            codec,
            stats,
        } => info!(
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
        ),
    }
}
