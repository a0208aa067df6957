//! Digest authentication (RFC 3261 §22, RFC 7616, RFC 8760): the two header values, the response
//! that proves a password, and both sides of the comparison.
//!
//! MD5 and SHA-256, with `qop=auth` always: without it nothing tells a replayed request from a new
//! one. Not done: `auth-int`, which needs the body as the client wrote it; session algorithms;
//! `userhash`. Nonces and their replay window are in [`nonce`]; whose password it is, in
//! [`login`](super::login).

pub mod nonce;

use std::fmt;

use hmac::digest::Digest as _;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::error::Fault;
use super::message::Method;
use super::params::Params;
use super::text;
use super::uri::Uri;

/// Most parameters of one header that are read.
const PARAMS_MAX: usize = 32;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// RFC 2617, what every client knows.
    Md5,
    /// RFC 8760.
    Sha256,
}

impl Algorithm {
    /// All of them, the stronger ones first.
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

    /// The value of the `algorithm` parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Reads the `algorithm` parameter, in any case. Nothing for one that is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(name))
    }

    /// The hash of the parts with colons between them, in lower-case hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        let mut octets = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                octets.push(b':');
            }
            text::encode(part, &mut octets);
        }
        match self {
            Algorithm::Md5 => hexadecimal(&md5::Md5::digest(&octets)),
            Algorithm::Sha256 => hexadecimal(&sha2::Sha256::digest(&octets)),
        }
    }

    /// H(A1): the hash of user name, realm and password. It opens the account as the password does.
    pub fn ha1(self, username: &str, realm: &str, password: &str) -> String {
        self.hash(&[username, realm, password])
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn hexadecimal(octets: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// The value of Authorization or Proxy-Authorization. Quoted values are without their quotes, their
/// escapes kept: that is what both sides hash (RFC 7616 §3.4, `unq`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub username: String,
    /// For which password.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The Request-URI as the client wrote it.
    pub uri: String,
    /// The proof, in hexadecimal.
    pub response: String,
    /// The hash; `None` for one that is not known.
    pub algorithm: Option<Algorithm>,
    /// The client's nonce.
    pub cnonce: String,
    /// The quality of protection; empty when the client has none.
    pub qop: String,
    /// How often the client has used the nonce, as written: 1 to 8 hexadecimal digits.
    pub nc: String,
}

impl Credentials {
    /// Reads the header value. Nothing for a scheme other than Digest.
    ///
    /// # Errors
    /// A malformed list, or one without a parameter that a response needs.
    pub fn parse(value: &str) -> Result<Option<Self>, Fault> {
        let Some(fields) = Fields::parse(value)? else {
            return Ok(None);
        };
        let credentials = Self {
            username: fields.needed("username")?,
            realm: fields.needed("realm")?,
            nonce: fields.needed("nonce")?,
            uri: fields.needed("uri")?,
            response: fields.needed("response")?,
            algorithm: fields.algorithm(),
            cnonce: fields.get("cnonce").unwrap_or_default().to_owned(),
            qop: fields.get("qop").unwrap_or_default().to_owned(),
            nc: fields.get("nc").unwrap_or_default().to_owned(),
        };
        Ok(Some(credentials))
    }

    /// The nonce count. Nothing when it is no hexadecimal number of 32 bits.
    pub fn count(&self) -> Option<u32> {
        let digits = self.nc.len() <= 8 && self.nc.bytes().all(|b| b.is_ascii_hexdigit());
        digits.then(|| u32::from_str_radix(&self.nc, 16).ok())?
    }

    fn expected(&self, algorithm: Algorithm, ha1: &str, method: &Method) -> String {
        let ha2 = algorithm.hash(&[method.as_str(), &self.uri]);
        let parts = [ha1, &self.nonce, &self.nc, &self.cnonce, &self.qop, &ha2];
        algorithm.hash(&parts)
    }

    /// Whether the response proves `ha1`, compared in constant time.
    pub fn prove(&self, algorithm: Algorithm, ha1: &str, method: &Method) -> bool {
        let expected = self.expected(algorithm, ha1, method);
        let given = self.response.to_ascii_lowercase();
        expected.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// Whether the `uri` parameter names the Request-URI. Ports, parameters and headers are left
    /// out of the comparison: clients drop them, and proxies change them on the way.
    pub fn is_for(&self, request_uri: &Uri) -> bool {
        let Ok(uri) = Uri::parse(&self.uri) else {
            return false;
        };
        uri.user_unescaped() == request_uri.user_unescaped()
            && uri.host == request_uri.host
            && uri.opaque == request_uri.opaque
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            username,
            realm,
            nonce,
            uri,
            response,
            cnonce,
            nc,
            ..
        } = self;
        write!(f, "Digest username=\"{username}\",realm=\"{realm}\",")?;
        write!(f, "nonce=\"{nonce}\",uri=\"{uri}\",response=\"{response}\"")?;
        if let Some(algorithm) = self.algorithm {
            write!(f, ",algorithm={algorithm}")?;
        }
        write!(f, ",cnonce=\"{cnonce}\",qop={},nc={nc}", self.qop)
    }
}

/// The value of WWW-Authenticate or Proxy-Authenticate; quoted values as in [`Credentials`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// For which password.
    pub realm: String,
    /// The nonce to hash.
    pub nonce: String,
    /// To be sent back unchanged.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// Whether `qop=auth` is offered.
    pub auth: bool,
    /// The password may have been right, the nonce was too old.
    pub stale: bool,
}

impl Challenge {
    /// Reads the header value. Nothing for another scheme or an unknown algorithm.
    ///
    /// # Errors
    /// A malformed list, or one without realm or nonce.
    pub fn parse(value: &str) -> Result<Option<Self>, Fault> {
        let Some(fields) = Fields::parse(value)? else {
            return Ok(None);
        };
        let Some(algorithm) = fields.algorithm() else {
            return Ok(None);
        };
        let qop = fields.get("qop").unwrap_or_default();
        let mut offered = qop.split(',').map(|one| one.trim_matches(text::is_white));
        let stale = fields.get("stale").unwrap_or_default();
        Ok(Some(Self {
            realm: fields.needed("realm")?,
            nonce: fields.needed("nonce")?,
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm,
            auth: offered.any(|one| one.eq_ignore_ascii_case("auth")),
            stale: stale.eq_ignore_ascii_case("true"),
        }))
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (realm, nonce) = (&self.realm, &self.nonce);
        write!(f, "Digest realm=\"{realm}\",nonce=\"{nonce}\"")?;
        if let Some(opaque) = &self.opaque {
            write!(f, ",opaque=\"{opaque}\"")?;
        }
        write!(f, ",algorithm={}", self.algorithm)?;
        if self.auth {
            f.write_str(",qop=\"auth\"")?;
        }
        if self.stale {
            f.write_str(",stale=true")?;
        }
        Ok(())
    }
}

/// What a client knows.
#[derive(Clone, Copy)]
pub struct Secret<'s> {
    /// Its name for the realm.
    pub username: &'s str,
    /// Its password.
    pub password: &'s str,
}

/// Answers a 401 or 407 to a request of ours: the value of Authorization or Proxy-Authorization.
/// `uri` is the Request-URI; `nonce_use` is a fresh client nonce and how often the nonce has been
/// used with this request, from 1. Nothing when the challenge offers no `qop=auth`.
pub fn answer(
    challenge: &Challenge,
    secret: Secret<'_>,
    method: &Method,
    uri: &Uri,
    (cnonce, count): (&str, u32),
) -> Option<String> {
    let Challenge {
        realm, algorithm, ..
    } = challenge;
    let ha1 = algorithm.ha1(secret.username, realm, secret.password);
    let mut credentials = Credentials {
        username: secret.username.to_owned(),
        realm: realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: uri.to_string(),
        response: String::new(),
        algorithm: Some(*algorithm),
        cnonce: cnonce.to_owned(),
        qop: "auth".to_owned(),
        nc: format!("{count:08x}"),
    };
    credentials.response = credentials.expected(*algorithm, &ha1, method);
    let opaque = challenge.opaque.as_ref();
    let opaque = opaque.map(|opaque| format!(",opaque=\"{opaque}\""));
    challenge
        .auth
        .then(|| format!("{credentials}{}", opaque.unwrap_or_default()))
}

/// The parameters behind the scheme.
struct Fields(Params);

impl Fields {
    /// Nothing for a scheme other than Digest.
    fn parse(value: &str) -> Result<Option<Self>, Fault> {
        let value = value.trim_matches(text::is_white);
        let (scheme, rest) = value.split_once(text::is_white).unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Ok(None);
        }
        let mut params = Params::new();
        for (index, part) in text::split(rest, ',')?.into_iter().enumerate() {
            if index == PARAMS_MAX {
                return Err(Fault::TooMany);
            }
            let (name, value) = text::cut(part, '=')?.ok_or(Fault::BadParameter)?;
            let name = name.trim_matches(text::is_white);
            if !text::is_token(name) || params.has(name) {
                return Err(Fault::BadParameter);
            }
            params.set(name, Some(unquoted(value.trim_matches(text::is_white))?));
        }
        Ok(Some(Self(params)))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    fn needed(&self, name: &str) -> Result<String, Fault> {
        self.get(name).map(str::to_owned).ok_or(Fault::Missing)
    }

    /// MD5 when none is named (RFC 7616 §3.3).
    fn algorithm(&self) -> Option<Algorithm> {
        self.get("algorithm")
            .map_or(Some(Algorithm::Md5), Algorithm::from_name)
    }
}

/// What stands between the quotes, escapes kept; a value without quotes as it is.
fn unquoted(value: &str) -> Result<&str, Fault> {
    match text::quoted(value)? {
        None if value.contains(['"', '\\']) => Err(Fault::BadParameter),
        None => Ok(value),
        Some((_, "")) => Ok(value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or_default()),
        Some(_) => Err(Fault::BadParameter),
    }
}

#[cfg(test)]
mod tests;
