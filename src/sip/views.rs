//! What header values mean, read on demand from [`Headers`]; nothing here changes a message. RFC
//! 3261 §20, RFC 3262, RFC 3326, RFC 3515, RFC 3581, RFC 3891, RFC 4028.

use super::error::{Fault, SipParseError};
use super::headers::Headers;
use super::message::Method;
use super::name_addr::NameAddr;
use super::params::Params;
use super::text;
use super::uri::{Host, host_port};
use std::fmt;
use std::net::IpAddr;

/// The largest CSeq, RFC 3261 §8.1.1.5.
const CSEQ_MAX: u32 = (1 << 31) - 1;

/// One value of Via.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// The transport as received: `UDP`, `TCP`, `TLS`, `WS`, `WSS` or any other token.
    pub transport: String,
    /// The host of sent-by.
    pub host: Host,
    /// The port of sent-by, when given.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params,
}

impl Via {
    /// Reads one value, `SIP/2.0/UDP host:port;params`, with white space wherever the grammar lets
    /// it stand.
    ///
    /// # Errors
    /// Fewer than three parts of sent-protocol, a malformed host, port or parameter.
    pub fn parse(input: &str) -> Result<Self, Fault> {
        let params_at = input.find(';').unwrap_or(input.len());
        let params = Params::parse_header(input.get(params_at..).unwrap_or_default())?;
        let mut parts = input.get(..params_at).unwrap_or_default().splitn(3, '/');
        let trimmed =
            |part: Option<&'_ str>| part.map(|p| p.trim_matches(text::is_white).to_owned());
        let name = trimmed(parts.next()).filter(|name| name.eq_ignore_ascii_case("SIP"));
        let version = trimmed(parts.next()).filter(|version| text::is_token(version));
        let rest = parts.next().map(|rest| rest.trim_matches(text::is_white));
        let (Some(_), Some(_), Some(rest)) = (name, version, rest) else {
            return Err(Fault::Malformed);
        };
        let (transport, sent_by) = rest.split_once(text::is_white).ok_or(Fault::Malformed)?;
        if !text::is_token(transport) {
            return Err(Fault::Malformed);
        }
        let (host, port) = host_port(sent_by.trim_matches(text::is_white))?;
        Ok(Self {
            transport: transport.to_owned(),
            host,
            port,
            params,
        })
    }

    /// The branch. Nothing in requests of RFC 2543 clients.
    pub fn branch(&self) -> Option<&str> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// The address that `received` names, with or without brackets around IPv6.
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.get("received")?;
        let inner = value
            .strip_prefix('[')
            .and_then(|v| v.strip_suffix(']'))
            .unwrap_or(value);
        inner.parse().ok()
    }

    /// The port that `rport` names, once it is filled in.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Whether the sender asks for `rport` (RFC 3581), filled in or not.
    pub fn has_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// Fills in `received`, IPv6 without brackets.
    pub fn set_received(&mut self, address: IpAddr) {
        self.params.set("received", Some(&address.to_string()));
    }

    /// Fills in `rport`.
    pub fn set_rport(&mut self, port: u16) {
        self.params.set("rport", Some(&port.to_string()));
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

/// The value of CSeq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number, below 2³¹.
    pub seq: u32,
    /// The method.
    pub method: Method,
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

/// The value of RAck, RFC 3262 §7.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the acknowledged response.
    pub rseq: u32,
    /// Its CSeq.
    pub cseq: CSeq,
}

/// The value of Content-Type or one element of Accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Type and subtype in lower case, `application/sdp`; `*` possible in Accept.
    pub essence: String,
    /// The parameters.
    pub params: Params,
}

impl MediaType {
    /// Reads `type/subtype;params`.
    ///
    /// # Errors
    /// [`Fault::Malformed`] without two tokens, or a malformed parameter.
    pub fn parse(input: &str) -> Result<Self, Fault> {
        let params_at = input.find(';').unwrap_or(input.len());
        let (kind, subtype) = input
            .get(..params_at)
            .and_then(|e| e.split_once('/'))
            .ok_or(Fault::Malformed)?;
        let (kind, subtype) = (
            kind.trim_matches(text::is_white),
            subtype.trim_matches(text::is_white),
        );
        if !text::is_token(kind) || !text::is_token(subtype) {
            return Err(Fault::Malformed);
        }
        let params = Params::parse_header(input.get(params_at..).unwrap_or_default())?;
        Ok(Self {
            essence: format!("{kind}/{subtype}").to_ascii_lowercase(),
            params,
        })
    }
}

/// One value of the Reason header, RFC 3326.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850` or another protocol, as received.
    pub protocol: String,
    /// The status code or cause. Nothing when it is absent or no number.
    pub cause: Option<u16>,
    /// The text for people, without quotes.
    pub text: Option<String>,
}

/// The value of Session-Expires, RFC 4028 §4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval in seconds.
    pub interval_s: u32,
    /// Who refreshes: `uac` or `uas`; nothing when that is left open.
    pub refresher: Option<String>,
}

/// The value of Replaces, RFC 3891 §3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The Call-ID of the dialog to replace.
    pub call_id: String,
    /// Its tag on the side that receives this header.
    pub to_tag: String,
    /// Its tag on the other side.
    pub from_tag: String,
    /// Whether only an early dialog may be replaced.
    pub early_only: bool,
}

/// Cuts the parameters off a value that is not a URI: what is before the first semicolon, trimmed,
/// and the rest.
fn with_params(value: &str) -> Result<(&str, Params), Fault> {
    let params_at = value.find(';').unwrap_or(value.len());
    let head = value
        .get(..params_at)
        .unwrap_or_default()
        .trim_matches(text::is_white);
    Ok((
        head,
        Params::parse_header(value.get(params_at..).unwrap_or_default())?,
    ))
}

fn parse_cseq(value: &str) -> Result<CSeq, Fault> {
    let (seq, method) = value.split_once(text::is_white).ok_or(Fault::Malformed)?;
    let seq = text::number(seq, CSEQ_MAX)?;
    let method = Method::from_token(method.trim_matches(text::is_white)).ok_or(Fault::Malformed)?;
    Ok(CSeq { seq, method })
}

/// Typed views. Each reads its header when asked; errors name the header.
impl Headers {
    fn required(&self, name: &'static str) -> Result<&str, SipParseError> {
        self.get(name).ok_or_else(|| Fault::Missing.at(name))
    }

    fn optional<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Result<Option<T>, SipParseError> {
        self.get(name)
            .map(read)
            .transpose()
            .map_err(|fault| fault.at(name))
    }

    fn list_of<T>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Result<Vec<T>, SipParseError> {
        self.list(name)?
            .into_iter()
            .map(|e| read(e).map_err(|fault| fault.at(name)))
            .collect()
    }

    /// The topmost Via. Those below are not looked at.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn via(&self) -> Result<Via, SipParseError> {
        let line = self.required("Via")?;
        let elements = text::split(line, ',').map_err(|fault| fault.at("Via"))?;
        Via::parse(elements.first().copied().unwrap_or_default()).map_err(|fault| fault.at("Via"))
    }

    /// All Via values, topmost first.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn vias(&self) -> Result<Vec<Via>, SipParseError> {
        self.list_of("Via", Via::parse)
    }

    /// CSeq.
    ///
    /// # Errors
    /// When it is missing or malformed, or the number is 2³¹ or more.
    pub fn cseq(&self) -> Result<CSeq, SipParseError> {
        parse_cseq(self.required("CSeq")?).map_err(|fault| fault.at("CSeq"))
    }

    /// From.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn from(&self) -> Result<NameAddr, SipParseError> {
        NameAddr::parse(self.required("From")?).map_err(|fault| fault.at("From"))
    }

    /// To.
    ///
    /// # Errors
    /// When it is missing or malformed.
    pub fn to(&self) -> Result<NameAddr, SipParseError> {
        NameAddr::parse(self.required("To")?).map_err(|fault| fault.at("To"))
    }

    /// Call-ID.
    ///
    /// # Errors
    /// When it is missing, empty or holds white space.
    pub fn call_id(&self) -> Result<&str, SipParseError> {
        let call_id = self.required("Call-ID")?;
        let fault = if call_id.is_empty() {
            Fault::Empty
        } else if call_id.contains(text::is_white) {
            Fault::WhiteSpace
        } else {
            return Ok(call_id);
        };
        Err(fault.at("Call-ID"))
    }

    /// The addresses of Contact; none for `*`, see [`Headers::is_contact_star`].
    ///
    /// # Errors
    /// When one is malformed, or `*` stands beside others.
    pub fn contacts(&self) -> Result<Vec<NameAddr>, SipParseError> {
        if self.is_contact_star() {
            Ok(Vec::new())
        } else {
            self.list_of("Contact", NameAddr::parse)
        }
    }

    /// Whether Contact is `*`, which a REGISTER sends to remove all bindings.
    pub fn is_contact_star(&self) -> bool {
        let mut lines = self.values("Contact");
        lines.next() == Some("*") && lines.next().is_none()
    }

    /// Max-Forwards, 0 to 255. Nothing in requests of RFC 2543 clients.
    ///
    /// # Errors
    /// When it is no number or above 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, SipParseError> {
        let hops = |value: &str| text::number(value, u32::from(u8::MAX));
        let hops = self.optional("Max-Forwards", hops)?;
        Ok(hops.and_then(|hops| u8::try_from(hops).ok()))
    }

    /// Content-Type.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn content_type(&self) -> Result<Option<MediaType>, SipParseError> {
        self.optional("Content-Type", MediaType::parse)
    }

    /// The received Content-Length in octets.
    ///
    /// # Errors
    /// When it is no number or above 2³²-1.
    pub fn content_length(&self) -> Result<Option<u32>, SipParseError> {
        self.optional("Content-Length", |value| text::number(value, u32::MAX))
    }

    /// Record-Route, topmost first.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn record_routes(&self) -> Result<Vec<NameAddr>, SipParseError> {
        self.list_of("Record-Route", NameAddr::parse)
    }

    /// Route, topmost first.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn routes(&self) -> Result<Vec<NameAddr>, SipParseError> {
        self.list_of("Route", NameAddr::parse)
    }

    /// The option tags of Require.
    ///
    /// # Errors
    /// When the list is malformed.
    pub fn require(&self) -> Result<Vec<&str>, SipParseError> {
        self.list("Require")
    }

    /// The option tags of Supported.
    ///
    /// # Errors
    /// When the list is malformed.
    pub fn supported(&self) -> Result<Vec<&str>, SipParseError> {
        self.list("Supported")
    }

    /// The methods of Allow.
    ///
    /// # Errors
    /// When the list is malformed or an element is no token.
    pub fn allow(&self) -> Result<Vec<Method>, SipParseError> {
        self.list_of("Allow", |token| {
            Method::from_token(token).ok_or(Fault::Malformed)
        })
    }

    /// The media ranges of Accept; nothing without the header, which then means `application/sdp`
    /// for INVITE.
    ///
    /// # Errors
    /// When the list or an element is malformed.
    pub fn accept(&self) -> Result<Option<Vec<MediaType>>, SipParseError> {
        self.get("Accept")
            .map(|_| self.list_of("Accept", MediaType::parse))
            .transpose()
    }

    /// Retry-After in seconds; its comment and parameters are not looked at.
    ///
    /// # Errors
    /// When it does not start with a number below 2³².
    pub fn retry_after(&self) -> Result<Option<u32>, SipParseError> {
        self.optional("Retry-After", |value| {
            let digits = value
                .split(|c| text::is_white(c) || c == '(' || c == ';')
                .next();
            text::number(digits.unwrap_or_default(), u32::MAX)
        })
    }

    /// Expires in seconds. Above 2³²-1 it is 2³²-1, RFC 3261 §20.19.
    ///
    /// # Errors
    /// When it is no number.
    pub fn expires(&self) -> Result<Option<u32>, SipParseError> {
        self.optional("Expires", |value| match text::number(value, u32::MAX) {
            Err(Fault::NumberTooLarge) => Ok(u32::MAX),
            read => read,
        })
    }

    /// The values of Reason, RFC 3326.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn reasons(&self) -> Result<Vec<Reason>, SipParseError> {
        self.list_of("Reason", |value| {
            let (protocol, params) = with_params(value)?;
            if !text::is_token(protocol) {
                return Err(Fault::Malformed);
            }
            let cause = params.get("cause").and_then(|cause| cause.parse().ok());
            let text = params
                .unquoted("text")
                .map(|t| text::readable(&t).into_owned());
            Ok(Reason {
                protocol: protocol.to_owned(),
                cause,
                text,
            })
        })
    }

    /// RSeq of a reliable provisional response, RFC 3262 §7.1.
    ///
    /// # Errors
    /// When it is no number below 2³².
    pub fn rseq(&self) -> Result<Option<u32>, SipParseError> {
        self.optional("RSeq", |value| text::number(value, u32::MAX))
    }

    /// RAck of a PRACK, RFC 3262 §7.2.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn rack(&self) -> Result<Option<RAck>, SipParseError> {
        self.optional("RAck", |value| {
            let (rseq, cseq) = value.split_once(text::is_white).ok_or(Fault::Malformed)?;
            let cseq = parse_cseq(cseq.trim_matches(text::is_white))?;
            Ok(RAck {
                rseq: text::number(rseq, u32::MAX)?,
                cseq,
            })
        })
    }

    /// Session-Expires, RFC 4028 §4.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, SipParseError> {
        self.optional("Session-Expires", |value| {
            let (seconds, params) = with_params(value)?;
            let refresher = params.get("refresher").map(str::to_ascii_lowercase);
            Ok(SessionExpires {
                interval_s: text::number(seconds, u32::MAX)?,
                refresher,
            })
        })
    }

    /// Min-SE in seconds, RFC 4028 §5.
    ///
    /// # Errors
    /// When it does not start with a number below 2³².
    pub fn min_se(&self) -> Result<Option<u32>, SipParseError> {
        self.optional("Min-SE", |value| {
            text::number(with_params(value)?.0, u32::MAX)
        })
    }

    /// Refer-To, RFC 3515 §2.1.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn refer_to(&self) -> Result<Option<NameAddr>, SipParseError> {
        self.optional("Refer-To", NameAddr::parse)
    }

    /// Replaces, RFC 3891 §6.1.
    ///
    /// # Errors
    /// When it is malformed or lacks a tag.
    pub fn replaces(&self) -> Result<Option<Replaces>, SipParseError> {
        self.optional("Replaces", |value| {
            let (call_id, params) = with_params(value)?;
            let tag = |name: &str| params.get(name).map(str::to_owned).ok_or(Fault::Missing);
            Ok(Replaces {
                call_id: call_id.to_owned(),
                to_tag: tag("to-tag")?,
                from_tag: tag("from-tag")?,
                early_only: params.has("early-only"),
            })
        })
    }
}

#[cfg(test)]
mod tests;
