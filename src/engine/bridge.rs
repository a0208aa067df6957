//! The dialogs of a call that was forwarded to a user: the caller's, and one branch per binding.

use std::collections::BTreeMap;

use crate::sip::{CallKey, RequestKey};

/// A forwarded call.
#[derive(Debug)]
pub(super) struct Bridge {
    /// The caller's dialog.
    pub(super) caller: CallKey,
    /// Branches that have not failed.
    pub(super) branches: Vec<CallKey>,
    /// The branch that answered.
    pub(super) chosen: Option<CallKey>,
    /// The best refusal so far.
    pub(super) refusal: u16,
    /// Requests that we passed on and that are not answered.
    pub(super) relays: BTreeMap<RequestKey, Relay>,
}

/// A request of one side that the other one has been sent.
#[derive(Debug)]
pub(super) struct Relay {
    /// The dialog that it went to.
    pub(super) to: CallKey,
    /// What its answer answers.
    pub(super) asked: RequestKey,
    /// An INFO, which may wait for its receiver; a re-INVITE may not.
    pub(super) is_info: bool,
}

impl Bridge {
    /// The dialog that hears what this one says; nothing before the answer.
    pub(super) fn other_side(&self, call: CallKey) -> Option<CallKey> {
        match call == self.caller {
            true => self.chosen,
            false => Some(self.caller),
        }
    }
}

/// RFC 3261 §16.7 step 6: 6xx wins, then the lowest class; 480 is what we say when nothing better
/// came.
pub(super) fn better_refusal(best: u16, code: u16) -> u16 {
    match (best, code) {
        (best, _) if best >= 600 => best,
        (_, code) if code >= 600 => code,
        (480, code) if code != 487 => code,
        (best, code) if code / 100 < best / 100 => code,
        (best, _) => best,
    }
}

#[cfg(test)]
mod tests {
    use super::better_refusal;

    #[test]
    fn the_best_refusal_follows_rfc_3261() {
        for (codes, best) in [
            (&[486, 480][..], 486),
            (&[404, 603, 486], 603),
            (&[487, 486], 486),
            (&[503, 486], 486),
            (&[408], 408),
        ] {
            let found = codes
                .iter()
                .fold(480, |best, code| better_refusal(best, *code));
            assert_eq!(found, best, "{codes:?}");
        }
    }
}
