//! Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2).

use crate::sip::error::SipParseError;
use crate::sip::headers::Headers;
use crate::sip::message::{Method, Request};

/// What a branch of RFC 3261 begins with.
const MAGIC_COOKIE: &str = "z9hG4bK";

/// The identity of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A request of ours, found by the branch we chose and the method of the CSeq.
    Client {
        /// The branch of our Via.
        branch: String,
        /// INVITE, BYE, …
        method: String,
    },
    /// A request with an RFC 3261 branch.
    Server {
        /// The branch of the topmost Via.
        branch: String,
        /// Host and port of the topmost Via.
        sent_by: String,
        /// INVITE for INVITE and ACK.
        method: String,
    },
    /// A request of RFC 2543. The To tag is left out: it differs between INVITE and ACK, and the
    /// other parts already name one request.
    Legacy {
        /// The topmost Via as received.
        via: String,
        /// Request-URI, Call-ID, From tag.
        parts: [String; 3],
        /// The CSeq number.
        seq: u32,
        /// INVITE for INVITE and ACK.
        method: String,
    },
}

impl Key {
    /// The key of a received request, before its Via is changed.
    ///
    /// # Errors
    /// When Via, CSeq, From or Call-ID cannot be read.
    pub fn server(request: &Request) -> Result<Self, SipParseError> {
        let acknowledges = request.method == Method::Ack;
        let method = if acknowledges {
            &Method::Invite
        } else {
            &request.method
        };
        Self::of(request, method.as_str().to_owned())
    }

    /// The key of the INVITE that a CANCEL is for.
    ///
    /// # Errors
    /// As [`Key::server`].
    pub fn cancelled(cancel: &Request) -> Result<Self, SipParseError> {
        Self::of(cancel, Method::Invite.as_str().to_owned())
    }

    /// The key of a request of ours.
    pub fn client(branch: &str, method: &Method) -> Self {
        Key::Client {
            branch: branch.to_owned(),
            method: method.as_str().to_owned(),
        }
    }

    fn of(request: &Request, method: String) -> Result<Self, SipParseError> {
        let headers = &request.headers;
        let via = headers.via()?;
        match via.branch() {
            Some(branch) if branch.starts_with(MAGIC_COOKIE) && branch != MAGIC_COOKIE => {
                let port = via.port.map(|port| format!(":{port}")).unwrap_or_default();
                let sent_by = format!("{}{port}", via.host).to_ascii_lowercase();
                Ok(Key::Server {
                    branch: branch.to_owned(),
                    sent_by,
                    method,
                })
            }
            Some(_) | None => Ok(Key::Legacy {
                via: via.to_string(),
                parts: [
                    request.uri.to_string(),
                    headers.call_id()?.to_owned(),
                    headers.from()?.tag().unwrap_or_default().to_owned(),
                ],
                seq: headers.cseq()?.seq,
                method,
            }),
        }
    }
}

/// What a request that came over two paths has in common with itself (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Merged {
    call_id: String,
    from_tag: String,
    seq: u32,
    method: String,
}

impl Merged {
    /// `None` for requests inside a dialog and for those without a From tag.
    pub fn of(headers: &Headers) -> Option<Self> {
        let cseq = headers.cseq().ok()?;
        if headers.to().ok()?.tag().is_some() {
            return None;
        }
        Some(Self {
            call_id: headers.call_id().ok()?.to_owned(),
            from_tag: headers.from().ok()?.tag()?.to_owned(),
            seq: cseq.seq,
            method: cseq.method.as_str().to_owned(),
        })
    }
}
