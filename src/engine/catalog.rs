//! The rules of every application with their compiled programs, as one immutable value: a session
//! keeps the one that it started with, a reload puts a new one in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::routing::{CallInfo, Router, Rule, Trace};
use crate::script::Program;

/// Every application.
#[derive(Debug, Default)]
pub struct Catalog {
    /// In the order in which they are asked: the default application first.
    pub applications: Vec<Application>,
}

/// One set of rules.
#[derive(Debug)]
pub struct Application {
    /// The name: that of its file in `rules/`.
    pub name: String,
    /// The ordered rules.
    pub router: Router,
    /// The program of each rule, by the rule's name.
    pub programs: BTreeMap<String, Arc<Program>>,
}

/// A rule that takes a call, and the application that it is of.
#[derive(Clone, Debug)]
pub struct RoutingDecision {
    /// The application's name.
    pub application: String,
    /// The rule.
    pub rule: Arc<Rule>,
}

impl Catalog {
    /// The application of this name; nothing when there is none.
    pub fn application(&self, name: &str) -> Option<&Application> {
        self.applications
            .iter()
            .find(|application| application.name == name)
    }

    /// Asks the applications in order for a rule.
    ///
    /// # Errors
    /// Every application's trace, when no rule matches.
    pub fn decide(&self, call: &CallInfo<'_>) -> Result<RoutingDecision, Vec<(String, Trace)>> {
        let mut traces = Vec::new();
        for application in &self.applications {
            let (decision, trace) = application.router.decide(call);
            let application = application.name.clone();
            match decision {
                Some(rule) => return Ok(RoutingDecision { application, rule }),
                None => traces.push((application, trace)),
            }
        }
        Err(traces)
    }
}
