//! The types of configuration values that TOML does not have, and how values are written and
//! judged.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// Most SIP listeners.
pub(super) const LISTENERS_MAX: usize = 16;

/// The transports that a SIP listener may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenTransport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

/// A place where SIP is heard, written `udp:0.0.0.0:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen {
    /// The transport.
    pub transport: ListenTransport,
    /// Local address and port; port 0 takes any free one.
    pub address: SocketAddr,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(transport, address)| {
            let transport = match transport {
                "udp" => ListenTransport::Udp,
                "tcp" => ListenTransport::Tcp,
                _ => return None,
            };
            Some(Self {
                transport,
                address: address.parse().ok()?,
            })
        });
        parts.ok_or_else(|| format!("{text:?} is not a listener"))
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            ListenTransport::Udp => "udp",
            ListenTransport::Tcp => "tcp",
        };
        write!(f, "{transport}:{}", self.address)
    }
}

/// A hash function of SIP digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum DigestAlgorithm {
    /// RFC 2617.
    #[serde(rename = "MD5")]
    Md5,
    /// RFC 8760.
    #[serde(rename = "SHA-256")]
    Sha256,
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DigestAlgorithm::Md5 => "MD5",
            DigestAlgorithm::Sha256 => "SHA-256",
        })
    }
}

/// UDP and TCP on port 5060 of every IPv4 interface.
pub(super) fn default_listeners() -> Vec<Listen> {
    let address = SocketAddr::from(([0, 0, 0, 0], 5060));
    [ListenTransport::Udp, ListenTransport::Tcp]
        .map(|transport| Listen { transport, address })
        .to_vec()
}

/// A range of UDP ports, written `10000-20000`. It holds at least one pair of an even port and the
/// odd one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

impl PortRange {
    /// 10000 to 20000.
    pub const DEFAULT: PortRange = PortRange {
        first: 10_000,
        last: 20_000,
    };

    /// The even ports whose odd neighbour is in the range too, ascending; at least one.
    pub fn even_ports(self) -> impl DoubleEndedIterator<Item = u16> + Clone {
        let first = self.first.saturating_add(self.first % 2);
        (first..self.last).step_by(2)
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| -> Option<u16> {
            let plain = text.bytes().all(|b| b.is_ascii_digit());
            plain
                .then(|| text.parse().ok())
                .flatten()
                .filter(|port| *port >= 1024)
        };
        let range = text
            .split_once('-')
            .and_then(|(first, last)| {
                Some(Self {
                    first: number(first)?,
                    last: number(last)?,
                })
            })
            .filter(|range| range.even_ports().next().is_some());
        range.ok_or_else(|| format!("{text:?} is not a range of ports"))
    }
}

impl TryFrom<String> for PortRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A text that is not shown, not even in debug output.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A number as people dial it, written `+15550100`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PhoneNumber(pub String);

impl TryFrom<String> for PhoneNumber {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix('+').unwrap_or(&text);
        let dialled =
            (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if !dialled {
            return Err(format!("{text:?} cannot be dialled"));
        }
        Ok(Self(text))
    }
}

/// Where clients reach the HTTP port, written `https://talk.example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl {
    /// The scheme is https.
    pub secure: bool,
    /// Host and, where it is not the usual one, port.
    pub authority: String,
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let secure = text.strip_prefix("https://").map(|rest| (true, rest));
        let (secure, rest) = secure
            .or_else(|| text.strip_prefix("http://").map(|rest| (false, rest)))
            .ok_or_else(|| format!("{text:?} begins with neither https:// nor http://"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':') {
            // Colons inside of brackets belong to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
        if !is_host(host) || !port.is_none_or(is_port) {
            return Err(format!("{text:?} is not a URL of a host"));
        }
        Ok(Self {
            secure,
            authority: authority.to_owned(),
        })
    }
}

impl PublicUrl {
    /// The origin as browsers write it (RFC 6454 §6.2): in lower case, without the port that is the
    /// scheme's own.
    pub fn origin(&self) -> String {
        let own_port = if self.secure { ":443" } else { ":80" };
        let text = self.to_string().to_ascii_lowercase();
        text.strip_suffix(own_port)
            .map(str::to_owned)
            .unwrap_or(text)
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// Who turns text into speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpeechEngine {
    /// The program `espeak-ng`.
    EspeakNg,
    /// The configured command.
    Command,
    /// Nobody: recorded prompts only.
    None,
}

/// The least severe lines of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// The engine stops.
    Error,
    /// Somebody should look.
    Warn,
    /// Legs and conferences come and go.
    Info,
    /// Everything off the happy path.
    Debug,
    /// Every packet and tick.
    Trace,
}

impl LogLevel {
    /// The word used in the file.
    pub fn label(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What the log shows of numbers, names and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogPersonal {
    /// Enough to recognise what one knows.
    Masked,
    /// All.
    Full,
}

/// Voices of espeak-ng for the default language of scripts.
pub(super) fn default_voices() -> BTreeMap<String, String> {
    [("en-US/female", "en-us+f3"), ("en-US/male", "en-us+m3")]
        .map(|(name, voice)| (name.to_owned(), voice.to_owned()))
        .into()
}

/// Whether `name` is `LANGUAGE/GENDER`, such as `en-US/female`.
pub(super) fn is_voice_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split_once('/')
        .is_some_and(|(language, gender)| plain(language) && plain(gender))
}

/// Whether `text` is a host name or an address as in a SIP URI.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let literal = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    literal.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
        || (text.len() <= 253 && text.split('.').all(label))
}

/// Whether `text` is a URL of a STUN or TURN server (RFC 7064, RFC 7065) with one of `schemes`.
pub(super) fn is_ice_url(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = rest else {
        return false;
    };
    let address = match rest.split_once('?') {
        Some((address, "transport=udp" | "transport=tcp")) => address,
        Some(_) => return false,
        None => rest,
    };
    match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => is_host(host) && port.parse::<u16>().is_ok(),
        _ => is_host(address),
    }
}

/// The values that a key allows.
pub(super) trait Allowed<T> {
    /// The values in words.
    fn text(&self) -> String;
    /// Whether `value` is one of them, as far as this kind of range can judge.
    fn holds(&self, value: &T) -> bool;
}

impl<T: PartialOrd + fmt::Display> Allowed<T> for RangeInclusive<T> {
    fn text(&self) -> String {
        format!("{} to {}", self.start(), self.end())
    }

    fn holds(&self, value: &T) -> bool {
        self.contains(value)
    }
}

/// Words only: the type, or a check of several keys together, judges.
impl<T> Allowed<T> for &str {
    fn text(&self) -> String {
        (*self).to_owned()
    }

    fn holds(&self, _value: &T) -> bool {
        true
    }
}

/// How a value is written in the file.
pub(super) trait TomlText {
    /// The value as TOML; `None` when it is not set.
    fn toml(&self) -> Option<String>;

    /// A value for the example file, for types whose default may be "not set".
    fn sample() -> String {
        String::new()
    }
}

macro_rules! toml_text {
    ($($type:ty: $value:ident => $text:expr;)*) => {$(
        impl TomlText for $type {
            fn toml(&self) -> Option<String> {
                let $value = self;
                Some($text)
            }
        }
    )*};
}

toml_text! {
    u32: value => value.to_string();
    bool: value => value.to_string();
    PathBuf: value => quoted(&value.to_string_lossy());
    IpAddr: value => quoted(&value.to_string());
    SocketAddr: value => quoted(&value.to_string());
    PortRange: value => quoted(&value.to_string());
    Vec<Listen>: value => list(value);
    Vec<DigestAlgorithm>: value => list(value);
    Vec<String>: value => list(value);
    Vec<IpAddr>: value => list(value);
    Vec<PublicUrl>: value => list(value);
    BTreeMap<String, String>: value => table(value);
    SpeechEngine: value => quoted(match value {
        SpeechEngine::EspeakNg => "espeak-ng",
        SpeechEngine::Command => "command",
        SpeechEngine::None => "none",
    });
    LogLevel: value => quoted(value.label());
    LogPersonal: value => quoted(match value {
        LogPersonal::Masked => "masked",
        LogPersonal::Full => "full",
    });
    LogFormat: value => quoted(match value {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    });
}

impl TomlText for Option<IpAddr> {
    fn toml(&self) -> Option<String> {
        self.as_ref().and_then(TomlText::toml)
    }

    fn sample() -> String {
        quoted("192.0.2.1")
    }
}

impl TomlText for Option<PathBuf> {
    fn toml(&self) -> Option<String> {
        self.as_ref().and_then(TomlText::toml)
    }

    fn sample() -> String {
        quoted("var/journal")
    }
}

impl TomlText for Option<String> {
    fn toml(&self) -> Option<String> {
        self.as_deref().map(quoted)
    }

    fn sample() -> String {
        quoted("example.org")
    }
}

impl TomlText for Option<PhoneNumber> {
    fn toml(&self) -> Option<String> {
        self.as_ref().map(|number| quoted(&number.0))
    }

    fn sample() -> String {
        quoted("+15550100")
    }
}

impl TomlText for Option<PublicUrl> {
    fn toml(&self) -> Option<String> {
        self.as_ref().map(|url| quoted(&url.to_string()))
    }

    fn sample() -> String {
        quoted("https://talk.example.org")
    }
}

impl TomlText for Option<Secret> {
    fn toml(&self) -> Option<String> {
        self.as_ref().map(|_| quoted("not shown"))
    }

    fn sample() -> String {
        quoted("a-long-random-text")
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list<T: fmt::Display>(values: &[T]) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|value| quoted(&value.to_string()))
        .collect();
    format!("[{}]", values.join(", "))
}

fn table(values: &BTreeMap<String, String>) -> String {
    let entries: Vec<String> = values
        .iter()
        .map(|(key, value)| format!("{} = {}", quoted(key), quoted(value)))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}
