//! Calls that need a session: an INVITE, or a call to a conference by its name. The rules choose,
//! limits may refuse, and the new leg is given to its session.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::debug;

use crate::display_name::cleaned;
use crate::id::{LegId, SessionId};
use crate::media::Command;
use crate::pii::Pii;
use crate::routing::{CallInfo, Source, Variable};
use crate::script::{Headers, Instance, LegInfo, SessionInfo};
use crate::sip::{CallKey, Flow, Request};
use crate::termination::Reason;

use super::Engine;
use super::catalog::{Catalog, RoutingDecision};
use super::delivery::{ConferenceCall, FromPeer};
use super::end::reason_header;
use super::leg::{Leg, Link, SipLink};
use super::notice::{CallArrived, ConferenceUnrouted, InternalCall, Notice, SessionStarted};
use super::session::{Session, SessionInput};
use super::trace_id::TraceId;

impl Engine {
    /// A new call: asks the rules, starts the session, gives it the leg.
    pub(super) fn handle_invite(
        &mut self,
        call: CallKey,
        request: &Request,
        (flow, user): (Flow, Option<String>),
    ) {
        self.cx.stats.calls_total += 1;
        let info = self.describe(request, flow, user);
        let headers: Headers = request
            .headers
            .iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let question = CallInfo {
            destination: &info.destination,
            caller: &info.caller_id,
            source: source_of(flow),
            headers: &headers,
            now_unix_s: (self.cx.clock_ms() / 1000) as i64,
        };
        let catalog = self.catalog.clone();
        let decision = match catalog.decide(&question) {
            Ok(decision) => decision,
            Err(traces) => {
                let (now, stats) = (self.cx.now, &mut self.cx.stats);
                if let Some(told) = self.unrouted.note(now, &info, flow, traces, stats) {
                    self.cx.notice(Notice::CallUnrouted(Box::new(told)));
                }
                self.refuse_call(call, Reason::NotFound);
                return;
            }
        };
        if let Some(reason) = self.refuses_session(&decision) {
            self.refuse_call(call, reason);
            return;
        }
        let rule = decision.rule.name.clone();
        let source = question.source;
        let Some(session) = self.open_session(&catalog, decision, (source, None)) else {
            self.refuse_call(call, Reason::InternalError);
            return;
        };
        let sip = SipLink::new(call, request, flow, self.cx.next_seed());
        let trace = TraceId::of(flow, info.id);
        let sip_call_id = sip.sip_call_id.clone();
        let link = Link::Sip(Box::new(sip));
        let leg = Leg::new(self.cx.now, &info, link, (trace, source));
        self.cx.notice(Notice::CallArrived(Box::new(CallArrived {
            trace,
            session,
            leg: leg.id,
            sip_call_id,
            rule,
            address: flow.remote.ip(),
            parties: leg.parties.clone(),
        })));
        self.give(session, SessionInput::Call(Box::new(leg), info));
    }

    fn describe(&mut self, request: &Request, flow: Flow, user: Option<String>) -> LegInfo {
        let from = request.headers.from().ok();
        let caller_id = from
            .as_ref()
            .map(|from| {
                from.uri
                    .user_unescaped()
                    .unwrap_or_else(|| from.uri.host.to_string())
            })
            .map(|name| cleaned(&name))
            .unwrap_or_default();
        let display_name = from.and_then(|from| from.display_name);
        let destination = request.uri.user_unescaped().unwrap_or_default();
        LegInfo {
            id: LegId(self.cx.take_ids(1)),
            incoming: true,
            source: source_of(flow).label().to_owned(),
            number: caller_id.clone(),
            caller_id,
            display_name: cleaned(&display_name.unwrap_or_default()),
            destination,
            headers: script_headers(request),
            user: user.unwrap_or_default(),
        }
    }

    fn refuse_call(&mut self, call: CallKey, reason: Reason) {
        let (now, status) = (self.cx.now, reason.row().sip_status);
        let headers = reason_header(reason);
        if let Err(error) = self.cx.sip.reject(now, call, status, None, headers) {
            debug!(?call, %error, "Call could not be refused");
        }
    }

    /// Gives the far end of an internal call to the conference of its name. The caller's end fails
    /// with 404 when no rule takes the name from inside.
    pub(super) fn call_conference(&mut self, call: ConferenceCall) {
        let ConferenceCall {
            caller,
            own,
            far,
            hops,
            trace,
        } = call;
        let callee = match self.conference_session((caller, own), &far) {
            Ok(callee) => callee,
            Err(reason) => {
                self.cx.media(Command::Close {
                    unit: far.id.unit(),
                });
                let said = FromPeer::NeverThere(reason);
                self.give(caller, SessionInput::Peer { leg: own, said });
                return;
            }
        };
        let link = Link::Internal { peer: own, hops };
        let leg = Leg::new(self.cx.now, &far, link, (trace, Source::Internal));
        self.cx.notice(Notice::InternalCall(Box::new(InternalCall {
            trace,
            session: caller,
            leg: own,
            to_session: callee,
            to_leg: leg.id,
            parties: leg.parties.clone(),
        })));
        self.give(callee, SessionInput::Call(Box::new(leg), far));
    }

    /// The live session of a conference name, or a new one by the caller's own rules.
    fn conference_session(
        &mut self,
        (caller, leg): (SessionId, LegId),
        info: &LegInfo,
    ) -> Result<SessionId, Reason> {
        let name = &info.destination;
        let session = self.sessions.get(&caller).ok_or(Reason::NotFound)?;
        let application = session.application.clone();
        let key = (application, name.clone());
        if let Some(&live) = self.cx.index.conferences.get(&key) {
            return Ok(live);
        }
        // A conference runs by the newest rules, whatever version its first caller runs.
        let catalog = self.catalog.clone();
        let headers: Headers = info.headers.clone().into_iter().collect();
        let question = CallInfo {
            destination: name,
            caller: &info.caller_id,
            source: Source::Internal,
            headers: &headers,
            now_unix_s: (self.cx.clock_ms() / 1000) as i64,
        };
        let (application, name) = key;
        let own = catalog.application(&application);
        let (rule, trace) = own.ok_or(Reason::NotFound)?.router.decide(&question);
        let Some(rule) = rule else {
            self.cx
                .notice(Notice::ConferenceUnrouted(Box::new(ConferenceUnrouted {
                    session: caller,
                    leg,
                    application,
                    tried: trace,
                })));
            return Err(Reason::NotFound);
        };
        let decision = RoutingDecision { application, rule };
        if let Some(reason) = self.refuses_session(&decision) {
            return Err(reason);
        }
        let opened = self.open_session(&catalog, decision, (Source::Internal, Some(name)));
        opened.ok_or(Reason::NotFound)
    }

    /// Makes a session, which starts with the call that follows. Nothing for a rule without
    /// program.
    fn open_session(
        &mut self,
        catalog: &Catalog,
        decision: RoutingDecision,
        (source, conference_name): (Source, Option<String>),
    ) -> Option<SessionId> {
        let RoutingDecision { application, rule } = decision;
        let programs = &catalog.application(&application)?.programs;
        let program = Arc::clone(programs.get(&rule.name)?);
        let id = SessionId(self.cx.take_ids(1));
        let variables = rule.variables.iter();
        let about = SessionInfo {
            run: self.cx.run,
            id,
            rule: rule.name.clone(),
            application: application.clone(),
            conference_name: conference_name.clone().unwrap_or_default(),
            custom_data: String::new(),
            variables: variables
                .map(|(name, value)| (name.clone(), variable(value)))
                .collect(),
            seed: self.cx.next_seed(),
        };
        self.cx.notice(Notice::SessionStarted(SessionStarted {
            session: id,
            application: application.clone(),
            rule: rule.name.clone(),
            source,
            conference: conference_name.clone().map(Pii),
        }));
        if let Some(name) = &conference_name {
            let key = (application.clone(), name.clone());
            self.cx.index.conferences.insert(key, id);
        }
        let instance = Instance::new(program, about);
        let names = (id, application, rule.name.clone());
        let session = Session::new(names, conference_name, instance, self.cx.now);
        self.sessions.insert(id, session);
        Some(id)
    }

    /// Why no session of the rule may begin: it is kept out, or has as many as its limit allows.
    fn refuses_session(&mut self, decision: &RoutingDecision) -> Option<Reason> {
        let RoutingDecision { application, rule } = decision;
        if rule.kept_out {
            self.cx.notice(Notice::RuleKeptOut {
                application: application.clone(),
                rule: rule.name.clone(),
            });
            return Some(Reason::RuleKeptOut);
        }
        let max = rule.limits.sessions_max?;
        let of_rule = |one: &&Session| one.rule == rule.name && one.application == *application;
        if self.sessions.values().filter(of_rule).count() < max as usize {
            return None;
        }
        self.cx.notice(Notice::RuleFull {
            application: application.clone(),
            rule: rule.name.clone(),
        });
        Some(Reason::Overload)
    }
}

/// Where a call comes from that comes in over SIP.
pub(super) fn source_of(flow: Flow) -> Source {
    match flow.transport.is_web() {
        true => Source::Web,
        false => Source::Phone,
    }
}

fn variable(value: &Variable) -> serde_json::Value {
    match value {
        Variable::Text(text) => text.clone().into(),
        Variable::Integer(number) => (*number).into(),
        Variable::Float(number) => (*number).into(),
        Variable::Bool(flag) => (*flag).into(),
    }
}

/// The headers that a script sees: `X-…` and a few that say who calls.
fn script_headers(request: &Request) -> BTreeMap<String, String> {
    const OTHERS: [&str; 5] = [
        "user-agent",
        "subject",
        "diversion",
        "p-asserted-identity",
        "history-info",
    ];
    request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| name.starts_with("x-") || OTHERS.contains(&name.as_str()))
        .collect()
}
