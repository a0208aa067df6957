//! Dialogs (RFC 3261 §12): identity, CSeq numbers, route set, remote target, and the request that
//! they shape.
//!
//! ```text
//!   UAS: INVITE ─────────────► Early ──2xx──► Confirmed
//!   UAC: 1xx with To tag ────► Early ──2xx──► Confirmed
//!   either:                    Early ──3xx–6xx, CANCEL──► gone
//! ```
//!
//! Early and confirmed dialogs are the same value; which it is, the call knows in `invite/`. A
//! dialog owns no transaction and no timer. Whether a request may be sent is decided in `invite/`.

use super::error::{Fault, HeaderError, SipParseError};
use super::flow::Flow;
use super::headers::Headers;
use super::message::{Method, Request, Response};
use super::name_addr::NameAddr;
use super::uri::{Scheme, Uri};
use bytes::Bytes;

/// Most Route values that a dialog keeps; a longer route set is refused as malformed.
pub const ROUTES_MAX: usize = 32;
/// First local CSeq number of a dialog in which we are the UAS.
const FIRST_SEQ: u32 = 1;

/// The three parts that name a dialog; a tag is empty for a peer of RFC 2543.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialogId {
    /// The Call-ID header.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// Their tag.
    pub remote_tag: String,
}

impl DialogId {
    /// The dialog that a received request names: our tag stands in To.
    ///
    /// # Errors
    /// When From, To or Call-ID cannot be read.
    pub fn of_request(headers: &Headers) -> Result<Self, SipParseError> {
        Ok(Self {
            call_id: headers.call_id()?.to_owned(),
            local_tag: headers.to()?.tag().unwrap_or_default().to_owned(),
            remote_tag: headers.from()?.tag().unwrap_or_default().to_owned(),
        })
    }

    /// The dialog that a received response names: our tag stands in From.
    ///
    /// # Errors
    /// When From, To or Call-ID cannot be read.
    pub fn of_response(headers: &Headers) -> Result<Self, SipParseError> {
        Ok(Self {
            call_id: headers.call_id()?.to_owned(),
            local_tag: headers.from()?.tag().unwrap_or_default().to_owned(),
            remote_tag: headers.to()?.tag().unwrap_or_default().to_owned(),
        })
    }
}

/// One dialog.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Its name.
    pub id: DialogId,
    /// From of our requests, with our tag.
    pub local: String,
    /// To of our requests, with their tag.
    pub remote: String,
    /// CSeq number of our last request.
    pub local_seq: u32,
    /// CSeq number of their last request; `None` before the first.
    pub remote_seq: Option<u32>,
    /// Route values in the order in which our requests pass them.
    pub routes: Vec<String>,
    /// Where our requests are addressed to; the peer's Contact.
    pub target: Uri,
    /// Whether the peer is addressed by SIPS URIs, so that our Contact must be one.
    pub sips: bool,
    /// The flow over which the peer was heard last.
    pub flow: Flow,
}

impl Dialog {
    /// The dialog of an INVITE that came, with the tag that all our responses carry. A peer without
    /// a usable Contact (RFC 2543) is addressed by its From URI.
    ///
    /// # Errors
    /// When a header that makes the dialog cannot be read.
    pub fn uas(invite: &Request, local_tag: &str, flow: Flow) -> Result<Self, SipParseError> {
        let headers = &invite.headers;
        let from = headers.from()?;
        let mut id = DialogId::of_request(headers)?;
        id.local_tag = local_tag.to_owned();
        Ok(Self {
            id,
            local: with_tag(headers.get("To").unwrap_or_default(), local_tag),
            remote: headers.get("From").unwrap_or_default().to_owned(),
            local_seq: FIRST_SEQ - 1,
            remote_seq: Some(headers.cseq()?.seq),
            routes: route_set(headers)?,
            target: contact(headers)?.unwrap_or(from.uri),
            sips: invite.uri.scheme == Scheme::Sips,
            flow,
        })
    }

    /// The dialog that a response to our INVITE makes.
    ///
    /// # Errors
    /// When a header that makes the dialog cannot be read.
    pub fn uac(invite: &Request, response: &Response, flow: Flow) -> Result<Self, SipParseError> {
        let headers = &response.headers;
        let mut routes = route_set(headers)?;
        routes.reverse();
        Ok(Self {
            id: DialogId::of_response(headers)?,
            local: invite.headers.get("From").unwrap_or_default().to_owned(),
            remote: headers.get("To").unwrap_or_default().to_owned(),
            local_seq: invite.headers.cseq()?.seq,
            remote_seq: None,
            routes,
            target: contact(headers)?.unwrap_or_else(|| invite.uri.clone()),
            sips: invite.uri.scheme == Scheme::Sips,
            flow,
        })
    }

    /// Takes the CSeq number of a request that came. False when it is not higher than the last: the
    /// request is out of order and owed a 500 (§12.2.2).
    pub fn accept_seq(&mut self, seq: u32) -> bool {
        let in_order = self.remote_seq.is_none_or(|last| seq > last);
        if in_order {
            self.remote_seq = Some(seq);
        }
        in_order
    }

    /// Takes the Contact of a target refresh request or its 2xx as the new remote target (§12.2).
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Ok(Some(target)) = contact(headers) {
            self.target = target;
        }
    }

    /// The next CSeq number for a request of ours.
    pub fn next_seq(&mut self) -> u32 {
        self.local_seq = self.local_seq.wrapping_add(1);
        self.local_seq
    }

    /// A request inside the dialog with Route, From, To, Call-ID, CSeq and Max-Forwards
    /// (§12.2.1.1). Via, Contact and body are the sender's.
    ///
    /// # Errors
    /// When a value has grown too long for a header line.
    pub fn request(&self, method: Method, seq: u32) -> Result<Request, HeaderError> {
        let (uri, routes) = self.destination();
        let mut headers = Headers::new();
        let cseq = format!("{seq} {}", method.as_str());
        let fixed = [
            ("Max-Forwards", "70"),
            ("From", &self.local),
            ("To", &self.remote),
            ("Call-ID", &self.id.call_id),
            ("CSeq", &cseq),
        ];
        let routes = routes.iter().map(|route| ("Route", route.as_str()));
        for (name, value) in routes.chain(fixed) {
            headers.push(name, value)?;
        }
        Ok(Request {
            method,
            uri,
            headers,
            body: Bytes::new(),
        })
    }

    /// Request-URI and Route values. Behind a strict router the Request-URI is that router and the
    /// target goes last (§12.2.1.1).
    fn destination(&self) -> (Uri, Vec<String>) {
        let first = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route).ok());
        match first {
            Some(first) if !first.uri.params.has("lr") => {
                let mut routes: Vec<String> = self.routes.iter().skip(1).cloned().collect();
                routes.push(format!("<{}>", self.target));
                let mut uri = first.uri;
                uri.headers = None;
                uri.params.remove("method");
                (uri, routes)
            }
            Some(_) | None => (self.target.clone(), self.routes.clone()),
        }
    }
}

/// The value of From or To with `;tag=` appended, unless it has a tag.
pub fn with_tag(value: &str, tag: &str) -> String {
    match NameAddr::parse(value) {
        Ok(address) if address.tag().is_some() => value.to_owned(),
        Ok(_) | Err(_) => format!("{value};tag={tag}"),
    }
}

fn route_set(headers: &Headers) -> Result<Vec<String>, SipParseError> {
    let routes = headers.list("Record-Route")?;
    if routes.len() > ROUTES_MAX {
        return Err(Fault::TooMany.at("Record-Route"));
    }
    Ok(routes.into_iter().map(str::to_owned).collect())
}

/// The first Contact that a request of ours can be sent to.
fn contact(headers: &Headers) -> Result<Option<Uri>, SipParseError> {
    let contacts = headers.contacts()?;
    let uri = contacts.into_iter().map(|contact| contact.uri);
    Ok(uri
        .into_iter()
        .find(|uri| matches!(uri.scheme, Scheme::Sip | Scheme::Sips)))
}

#[cfg(test)]
mod tests;
