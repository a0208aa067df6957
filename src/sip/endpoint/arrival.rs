//! A request that came, on its way through the endpoint.

use crate::sip::flow::Flow;
use crate::sip::message::Request;
use crate::sip::transaction::Key;

/// A request with what is known about its way.
#[derive(Debug)]
pub(in crate::sip) struct Arrival {
    /// The request, with `received` and `rport` in its Via.
    pub request: Request,
    /// Its transaction.
    pub key: Key,
    /// How it came.
    pub flow: Flow,
    /// Where its responses go.
    pub back: Flow,
}
