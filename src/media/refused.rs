//! Why the core does not carry out a command.

use super::digits::SendDigitsError;
use super::graph::GraphError;

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("the unit is not of the kind for this command")]
    WrongKind,
    #[error("a core has no more than {0} legs")]
    Legs(usize),
    #[error("there is no certificate for WebRTC")]
    NoIdentity,
    #[error("another leg has this ICE user name fragment")]
    Ufrag,
    #[error(transparent)]
    Digits(#[from] SendDigitsError),
}
