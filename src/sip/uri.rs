//! URIs: `sip`, `sips`, `tel`, and all others as opaque text. Parts are kept as received; `%`
//! escapes are never undone or made when a URI is written. RFC 3261 §19.1, RFC 3966, RFC 5118.

use super::error::Fault;
use super::params::Params;
use super::text;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The scheme of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`, RFC 3966
    Tel,
    /// Any other, as received.
    Other(Box<str>),
}

impl Scheme {
    /// The name before the colon.
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        }
    }

    fn parse(name: &str) -> Result<Self, Fault> {
        let known = [Scheme::Sip, Scheme::Sips, Scheme::Tel];
        if let Some(known) = known
            .into_iter()
            .find(|s| s.as_str().eq_ignore_ascii_case(name))
        {
            return Ok(known);
        }
        let first_is_letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let of_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        if first_is_letter && name.bytes().all(of_scheme) {
            Ok(Scheme::Other(name.into()))
        } else {
            Err(Fault::NoScheme)
        }
    }
}

/// A host name or an address, printed as it was received: IPv6 with its brackets.
#[derive(Clone, Debug)]
pub struct Host {
    text: String,
    address: Option<IpAddr>,
}

impl Host {
    /// Reads a name, an IPv4 address or an IPv6 address in brackets. The three colons that the
    /// grammar of RFC 3261 wrongly asks for before an embedded IPv4 address (RFC 5118 §4.10) are
    /// read as two.
    ///
    /// # Errors
    /// [`Fault::BadHost`] for anything else.
    pub fn parse(input: &str) -> Result<Self, Fault> {
        let text = input.to_owned();
        if let Some(inner) = input.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(Fault::BadHost)?;
            let address = Ipv6Addr::from_str(inner)
                .or_else(|_| Ipv6Addr::from_str(&inner.replacen(":::", "::", 1)))
                .map_err(|_| Fault::BadHost)?;
            return Ok(Self {
                text,
                address: Some(IpAddr::V6(address)),
            });
        }
        let of_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if input.is_empty() || !input.bytes().all(of_name) {
            return Err(Fault::BadHost);
        }
        let address = Ipv4Addr::from_str(input).ok().map(IpAddr::V4);
        Ok(Self { text, address })
    }

    /// The text as it stands in a URI or Via: IPv6 in brackets. Empty for a URI without a host.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, when it is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address
    }

    fn none() -> Self {
        Self {
            text: String::new(),
            address: None,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        let text = match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        Self {
            text,
            address: Some(address),
        }
    }
}

/// Same address, or same name without regard to case.
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self.address, other.address) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (None, None) => self.text.eq_ignore_ascii_case(&other.text),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for Host {}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads `host[:port]`; white space around the colon, as Via allows it, is dropped.
pub(super) fn host_port(input: &str) -> Result<(Host, Option<u16>), Fault> {
    let colon_at = match input.rfind(']') {
        Some(bracket) => input
            .get(bracket..)
            .and_then(|t| t.find(':'))
            .map(|at| bracket + at),
        None => input.find(':'),
    };
    let (host, port) = match colon_at {
        Some(at) => (input.get(..at).unwrap_or_default(), input.get(at + 1..)),
        None => (input, None),
    };
    let host = Host::parse(host.trim_matches(text::is_white))?;
    let Some(port) = port else {
        return Ok((host, None));
    };
    let port = text::number(port.trim_matches(text::is_white), u32::from(u16::MAX));
    let port = port
        .ok()
        .and_then(|p| u16::try_from(p).ok())
        .ok_or(Fault::BadPort)?;
    Ok((host, Some(port)))
}

/// A URI in its parts, each as received.
///
/// Derived equality compares the parts; [`Uri::equivalent`] is the comparison of RFC 3261 §19.1.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part as received, escapes included, without the password; for `tel` the number with
    /// its visual separators. Nothing when the URI names a host only.
    pub user: Option<String>,
    /// The password as received. To be forgotten as soon as possible.
    pub password: Option<String>,
    /// The host; empty for `tel` and for unknown schemes.
    pub host: Host,
    /// The port, when given.
    pub port: Option<u16>,
    /// URI parameters, escapes included; also those of `tel`.
    pub params: Params,
    /// What follows the `?`, as received.
    pub headers: Option<String>,
    /// All that follows the colon of an unknown scheme; nothing for `sip`, `sips` and `tel`.
    pub opaque: Option<String>,
}

impl Uri {
    /// Makes `sip:[user@]host[:port]`. The user must be escaped by the caller, see
    /// [`Uri::escape_user`].
    pub fn sip(user: Option<&str>, host: Host, port: Option<u16>) -> Self {
        Self {
            user: user.map(str::to_owned),
            port,
            ..Self::empty(Scheme::Sip, host)
        }
    }

    fn empty(scheme: Scheme, host: Host) -> Self {
        Self {
            scheme,
            user: None,
            password: None,
            host,
            port: None,
            params: Params::new(),
            headers: None,
            opaque: None,
        }
    }

    /// Reads a URI without angle brackets around it.
    ///
    /// # Errors
    /// White space or another character that no URI holds, no scheme, a malformed host, port,
    /// number or parameter.
    pub fn parse(input: &str) -> Result<Self, Fault> {
        if input.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(Fault::WhiteSpace);
        }
        if input.contains(text::is_delimiter) {
            return Err(Fault::BadCharacter);
        }
        let (scheme, rest) = input.split_once(':').ok_or(Fault::NoScheme)?;
        match Scheme::parse(scheme)? {
            scheme @ (Scheme::Sip | Scheme::Sips) => Self::parse_sip(scheme, rest),
            Scheme::Tel => Self::parse_tel(rest),
            Scheme::Other(_) if rest.is_empty() => Err(Fault::Empty),
            scheme @ Scheme::Other(_) => Ok(Self {
                opaque: Some(rest.to_owned()),
                ..Self::empty(scheme, Host::none())
            }),
        }
    }

    fn parse_sip(scheme: Scheme, rest: &str) -> Result<Self, Fault> {
        // Neither parameters nor headers may hold a raw `@`, so a `;` or `?` before it is part of
        // the user.
        let (userinfo, rest) = match rest.split_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let (user, password) = match userinfo.map(|u| u.split_once(':').ok_or(u)) {
            None => (None, None),
            Some(Err(user)) => (Some(user), None),
            Some(Ok((user, password))) => (Some(user), Some(password)),
        };
        if user == Some("") {
            return Err(Fault::Empty);
        }
        let (rest, headers) = match rest.split_once('?') {
            Some((rest, headers)) => (rest, Some(headers.to_owned())),
            None => (rest, None),
        };
        let params_at = rest.find(';').unwrap_or(rest.len());
        let (host, port) = host_port(rest.get(..params_at).unwrap_or_default())?;
        let params = Params::parse_uri(rest.get(params_at..).unwrap_or_default())?;
        Ok(Self {
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
            port,
            params,
            headers,
            ..Self::empty(scheme, host)
        })
    }

    fn parse_tel(rest: &str) -> Result<Self, Fault> {
        let params_at = rest.find(';').unwrap_or(rest.len());
        let number = rest.get(..params_at).unwrap_or_default();
        let digits = number.strip_prefix('+').unwrap_or(number);
        let of_number = |b: u8| b.is_ascii_hexdigit() || b"*#-.()".contains(&b);
        let has_digit = digits
            .bytes()
            .any(|b| b.is_ascii_hexdigit() || b == b'*' || b == b'#');
        if !has_digit || !digits.bytes().all(of_number) {
            return Err(Fault::BadNumber);
        }
        let params = Params::parse_uri(rest.get(params_at..).unwrap_or_default())?;
        let user = Some(number.to_owned());
        Ok(Self {
            user,
            params,
            ..Self::empty(Scheme::Tel, Host::none())
        })
    }

    /// The user with its `%` escapes undone once. Octets that are not UTF-8 are kept as
    /// [`text::decode`] says.
    pub fn user_unescaped(&self) -> Option<String> {
        self.user
            .as_deref()
            .map(|user| text::unescape(user).into_owned())
    }

    /// Escapes what may not stand in a user part, `%` included.
    pub fn escape_user(user: &str) -> String {
        let mut octets = Vec::new();
        text::encode(user, &mut octets);
        let mut escaped = String::with_capacity(octets.len());
        for octet in octets {
            if octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet) {
                escaped.push(char::from(octet));
            } else {
                escaped.push_str(&format!("%{octet:02X}"));
            }
        }
        escaped
    }

    /// Whether both name the same resource by RFC 3261 §19.1.4, and RFC 3966 §4 for `tel`. Unknown
    /// schemes are compared as text. `transport` counts when only one has it, as the examples there
    /// demand.
    pub fn equivalent(&self, other: &Uri) -> bool {
        let same_scheme = self
            .scheme
            .as_str()
            .eq_ignore_ascii_case(other.scheme.as_str());
        same_scheme
            && match self.scheme {
                Scheme::Sip | Scheme::Sips => self.equivalent_sip(other),
                Scheme::Tel => self.equivalent_tel(other),
                Scheme::Other(_) => self.opaque == other.opaque,
            }
    }

    fn equivalent_sip(&self, other: &Uri) -> bool {
        const NEVER_DEFAULTED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
        let unescaped =
            |part: &Option<String>| part.as_deref().map(|p| text::unescape(p).into_owned());
        let params_agree = |mine: &Params, theirs: &Params| {
            // Of a name that stands twice, which no URI may have, the first value counts.
            let values = |name| (find_unescaped(mine, name), find_unescaped(theirs, name));
            mine.iter().all(|(name, _)| match values(name) {
                (mine, Some(theirs)) => same_text(mine.unwrap_or_default(), theirs),
                (_, None) => !NEVER_DEFAULTED.iter().any(|n| same_text(n, name)),
            })
        };
        unescaped(&self.user) == unescaped(&other.user)
            && unescaped(&self.password) == unescaped(&other.password)
            && self.host == other.host
            && self.port == other.port
            && params_agree(&self.params, &other.params)
            && params_agree(&other.params, &self.params)
            && self.sorted_headers() == other.sorted_headers()
    }

    fn sorted_headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<_> = self
            .headers
            .as_deref()
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(n, v)| {
                (
                    text::unescape(n).to_ascii_lowercase(),
                    text::unescape(v).into_owned(),
                )
            })
            .collect();
        headers.sort();
        headers
    }

    fn equivalent_tel(&self, other: &Uri) -> bool {
        let digits = |text: &str| -> String {
            let separator = |c: &char| !matches!(c, '-' | '.' | '(' | ')');
            text.chars()
                .filter(separator)
                .map(|c| c.to_ascii_lowercase())
                .collect()
        };
        let params = |uri: &Uri| {
            let lower = |(name, value): (&str, Option<&str>)| {
                (name.to_ascii_lowercase(), digits(value.unwrap_or_default()))
            };
            let mut params: Vec<_> = uri.params.iter().map(lower).collect();
            params.sort();
            params
        };
        self.user.as_deref().map(digits) == other.user.as_deref().map(digits)
            && params(self) == params(other)
    }
}

fn same_text(mine: &str, theirs: &str) -> bool {
    text::unescape(mine).eq_ignore_ascii_case(&text::unescape(theirs))
}

fn find_unescaped<'p>(params: &'p Params, name: &str) -> Option<&'p str> {
    params
        .iter()
        .find(|(n, _)| same_text(n, name))
        .map(|(_, value)| value.unwrap_or_default())
}

impl FromStr for Uri {
    type Err = Fault;

    fn from_str(input: &str) -> Result<Self, Fault> {
        Self::parse(input)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if let Some(opaque) = &self.opaque {
            return f.write_str(opaque);
        }
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            if self.scheme != Scheme::Tel {
                f.write_str("@")?;
            }
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        if let Some(headers) = &self.headers {
            write!(f, "?{headers}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
