//! Internal calls: one leg in each of two sessions, joined by a wire in the media core. The two
//! sessions tell each other by values: the engine delivers them.
//!
//! | caller's session | | conference's session |
//! |---|---|---|
//! | `call_conference` | [`ConferenceCall`] → | incoming leg |
//! | event | ← [`FromPeer`] → | ring, answer, message, info, digit, end |

use std::collections::BTreeMap;

use crate::id::LegId;
use crate::media::{Command, DigitKind};
use crate::routing::Source;
use crate::script::{CallOptions, Event, LegEvent, LegInfo};
use crate::termination::Reason;

use super::context::Context;
use super::delivery::{ConferenceCall, Delivery, Farewell, FromPeer};
use super::leg::{Leg, Link};
use super::notice::{ConferenceCalled, Notice};
use super::refused::{Refused, refuse};
use super::session::Session;
use super::trace_id::TraceId;

/// How long a digit lasts that one end of an internal call sends to the other.
const SENT_MS: u32 = 100;

impl Session {
    /// Calls a conference by name: its live session, or a new one by the rules.
    pub(super) fn call_conference(
        &mut self,
        cx: &mut Context,
        leg: LegId,
        name: &str,
        options: CallOptions,
    ) -> Result<(), Refused> {
        let legs_max = cx.settings.session_legs_max;
        if self.conference_name.is_none() && self.legs.len() >= legs_max {
            return refuse(
                "too-many-legs",
                format!("a session may have {legs_max} legs"),
            );
        }
        let hops = self.hops() + 1;
        let hops_max = cx.settings.internal_hops_max;
        if hops > hops_max {
            return refuse(
                "too-many-hops",
                format!("internal calls may follow {hops_max} times"),
            );
        }
        let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
        let headers: BTreeMap<String, String> = options.headers.iter().map(lower).collect();
        let own = LegInfo {
            id: leg,
            incoming: false,
            source: "internal".to_owned(),
            caller_id: options.caller_id.clone(),
            display_name: options.display_name,
            destination: name.to_owned(),
            number: name.to_owned(),
            headers: BTreeMap::new(),
            user: String::new(),
        };
        let far = LegInfo {
            id: LegId(cx.take_ids(1)),
            incoming: true,
            number: options.caller_id,
            headers,
            ..own.clone()
        };
        let trace = self.trace().unwrap_or(TraceId::Phone(leg));
        let link = Link::Internal { peer: far.id, hops };
        let called = Leg::new(cx.now, &own, link, (trace, Source::Internal));
        cx.notice(Notice::ConferenceCalled(ConferenceCalled {
            trace,
            session: self.id,
            leg,
            at_ms: self.at_ms(cx),
            parties: called.parties.clone(),
        }));
        self.add_leg(cx, called);
        // The script may connect its end in the same turn, so the wire is there at once.
        cx.media(Command::AddWire {
            a: leg.unit(),
            b: far.id.unit(),
        });
        let call = ConferenceCall {
            caller: self.id,
            own: leg,
            far,
            hops,
            trace,
        };
        cx.deliveries
            .push_back(Delivery::CallConference(Box::new(call)));
        Ok(())
    }

    /// The leg of a call that was refused: the script has it already, and it ends like any other.
    pub(super) fn tell_never_called(&mut self, cx: &mut Context, leg: LegId) {
        let row = Reason::LimitReached.row();
        let event = LegEvent::Failed {
            code: row.sip_status,
            reason: row.label.to_owned(),
            class: row.class.label().to_owned(),
            text: row.text.to_owned(),
            headers: Vec::new(),
        };
        self.tell(cx, Event::Leg { leg, event });
    }

    /// How many internal calls led to this session.
    fn hops(&self) -> u8 {
        let hops = self.legs.values().filter_map(|leg| match leg.link {
            Link::Internal { hops, .. } if leg.incoming => Some(hops),
            Link::Internal { .. } | Link::Sip(_) => None,
        });
        hops.max().unwrap_or(0)
    }

    /// The trace of the calls that the session makes: that of the leg which came to it first.
    fn trace(&self) -> Option<TraceId> {
        let mut legs = self.legs.values();
        legs.find(|leg| leg.incoming).map(|leg| leg.trace)
    }

    /// The other end of an internal call did something. A leg that has ended hears nothing.
    pub(super) fn handle_peer(&mut self, cx: &mut Context, leg: LegId, said: FromPeer) {
        let event = match said {
            FromPeer::Ringing => LegEvent::Ringing {
                code: 180,
                headers: Vec::new(),
            },
            FromPeer::Answered(headers) => return self.connect_leg(cx, leg, headers),
            FromPeer::Message(text) => LegEvent::Message { text },
            FromPeer::Info {
                mime,
                body,
                headers,
            } => LegEvent::Info {
                mime,
                body,
                headers,
            },
            FromPeer::Digit(digit) => {
                let kind = DigitKind::TelephoneEvent;
                return self.handle_digit(cx, leg, digit, kind, Some(SENT_MS));
            }
            FromPeer::Gone(reason, heard) => {
                return self.end_leg(cx, leg, reason, Farewell::default(), heard);
            }
            FromPeer::NeverThere(reason) => return self.drop_leg(cx, leg, reason),
        };
        self.tell_leg(cx, leg, event);
    }
}
