//! The one configuration tree: keys, defaults, units, allowed values, and the documents made of
//! them.
//!
//! Owns `talkpath.toml` and `--set key=value`. What it gives are plain values, one struct per part
//! of the engine; whoever starts a part hands it its struct, and nobody keeps the whole [`Config`].
//! It binds no sockets and opens no directories. Secrets in it print as nothing.

mod document;
mod load;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

pub use document::{document, example};
pub use load::ConfigError;
use value::{Allowed, TomlText};
pub use value::{
    DigestAlgorithm, Listen, ListenTransport, LogFormat, LogLevel, LogPersonal, PhoneNumber,
    PortRange, PublicUrl, Secret, SpeechEngine,
};

/// Shortest API key, in characters.
const API_KEY_CHARS_MIN: usize = 16;

/// One key, for documents and errors.
struct Key {
    /// Dotted path from the top of the file.
    path: String,
    /// What the key is for.
    meaning: String,
    /// The default as TOML. `None`: not set.
    default: Option<String>,
    /// A value for the example file: the default where there is one.
    sample: String,
    /// The values that are allowed, in words.
    allowed: String,
}

/// One table of the file with its keys.
struct Section {
    /// The table's name; empty for the top of the file.
    table: &'static str,
    meaning: String,
    keys: Vec<Key>,
}

/// A value that is read but not allowed.
struct Fault {
    path: String,
    message: String,
}

/// A part of the tree that knows its keys; written by the macro below.
trait Part: Default {
    fn section(table: &'static str) -> Section;
    /// Adds the keys whose values are outside their allowed range.
    fn check(&self, table: &str, faults: &mut Vec<Fault>);
    /// The parts below this one, each with its keys.
    fn parts() -> Vec<Section>;
}

fn path_of(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// Writes a struct of keys, each with its meaning, type, default and allowed values in one place.
macro_rules! part {
    (
        $(#[doc = $meaning:literal])+
        $name:ident {
            $(
                $(#[doc = $key_meaning:literal])+
                $key:ident: $type:ty = $default:expr, $allowed:expr;
            )*
        }
        $($(#[doc = $part_meaning:literal])+ $part:ident: $part_type:ident;)*
    ) => {
        $(#[doc = $meaning])+
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields, expecting = "a table")]
        pub struct $name {
            $($(#[doc = $key_meaning])+ pub $key: $type,)*
            $($(#[doc = $part_meaning])+ pub $part: $part_type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    $($part: $part_type::default(),)*
                }
            }
        }

        impl Part for $name {
            fn section(table: &'static str) -> Section {
                let default = Self::default();
                let keys = vec![$(Key {
                    path: path_of(table, stringify!($key)),
                    meaning: [$($key_meaning),+].concat().trim().to_owned(),
                    default: default.$key.toml(),
                    sample: default.$key.toml().unwrap_or_else(<$type as TomlText>::sample),
                    allowed: Allowed::<$type>::text(&$allowed),
                },)*];
                Section { table, meaning: [$($meaning),+].concat().trim().to_owned(), keys }
            }

            fn check(&self, table: &str, faults: &mut Vec<Fault>) {
                $(if !Allowed::<$type>::holds(&$allowed, &self.$key) {
                    let shown = self.$key.toml().unwrap_or_default();
                    let message = format!("{shown} is out of range");
                    faults.push(Fault { path: path_of(table, stringify!($key)), message });
                })*
                $(self.$part.check(stringify!($part), faults);)*
            }

            fn parts() -> Vec<Section> {
                vec![$(<$part_type as Part>::section(stringify!($part)),)*]
            }
        }
    };
}

part! {
    /// Directories. Relative ones start at the working directory.
    Config {
        /// Rules, one file per application; `videoconf.toml` is the application `videoconf`.
        rules_dir: PathBuf = "rules".into(), "a directory";
        /// Scenario scripts that the rules name.
        scripts_dir: PathBuf = "scripts".into(), "a directory";
        /// What the engine writes for itself.
        data_dir: PathBuf = "var".into(), "a directory";
        /// Recordings of calls and conferences.
        recordings_dir: PathBuf = "var/recordings".into(), "a directory";
    }
    /// Signalling over SIP.
    sip: Sip;
    /// The HTTP port: pages and API.
    http: Http;
    /// The HTTP API and the guests that join by it.
    api: Api;
    /// STUN servers that browsers are told, for the connections among themselves.
    stun: Stun;
    /// TURN servers that browsers are told, for those behind firewalls. The server has to know the
    /// same secret: with coturn `use-auth-secret` and `static-auth-secret`.
    turn: Turn;
    /// RTP.
    media: Media;
    /// Text to speech.
    speech: Speech;
    /// Limits of each session of a script.
    script: Script;
    /// Times after which a session gives up.
    session: Session;
    /// The end of the process.
    shutdown: Shutdown;
    /// The log.
    log: Log;
}

part! {
    /// Signalling over SIP.
    Sip {
        /// Transports and addresses on which calls arrive. Port 0 takes any free port.
        listen: Vec<Listen> = value::default_listeners(),
            "one to 16 of \"udp:ADDRESS:PORT\" and \"tcp:ADDRESS:PORT\", none twice";
        /// The address that peers are told in Via and Contact, where it differs from the address on
        /// which they reached the engine: behind a NAT with forwarded ports, for instance.
        address: Option<IpAddr> = None,
            "an IP address that a peer can reach, such as \"192.0.2.1\"";
        /// The domain of the engine's own users. Without it every domain in a Request-URI is taken.
        domain: Option<String> = None, "a host name or an address, such as \"example.org\"";
        /// Hash functions of logins, in the order in which phones over UDP and TCP are offered
        /// them; no other one is taken. Many phones take the first and know MD5 alone. Browsers are
        /// offered the same ones, MD5 last, because they take the last.
        digest: Vec<DigestAlgorithm> = vec![DigestAlgorithm::Md5, DigestAlgorithm::Sha256],
            "a list of \"MD5\" and \"SHA-256\", not empty, none twice";
        /// Calls at the same time, inbound and outbound together; one more gets 503.
        calls_max: u32 = 10_000, 1..=1_000_000;
        /// TCP connections and WebSockets at the same time; one more is refused.
        tcp_connections_max: u32 = 4_096, 1..=100_000;
        /// TCP connections and WebSockets of one address, which may be an office of five hundred
        /// behind one NAT; of IPv6 a network of 64 bits is one address. One more is refused.
        connections_per_address_max: u32 = 1_000, 1..=100_000;
    }
}

part! {
    /// The HTTP port: pages and API.
    Http {
        /// The address on which the API is served. Port 0 takes any free port.
        listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 8080)),
            "\"ADDRESS:PORT\", such as \"127.0.0.1:8080\"";
        /// Where browsers reach this server, when a proxy with TLS stands in front of it. Without
        /// it: what they write into the Host header, without TLS.
        public_url: Option<PublicUrl> = None,
            "\"https://HOST\" or \"http://HOST\", with \":PORT\" where it is not the usual \
             one";
        /// Proxies in front of this server. The last address in X-Forwarded-For is believed when it
        /// comes from one of them, so that limits count clients and not the proxy.
        proxies: Vec<IpAddr> = Vec::new(), "a list of IP addresses";
        /// Origins of other sites whose pages may join rooms by the SDK and may show the conference
        /// page in a frame. Without them only this server's own pages may.
        origins: Vec<PublicUrl> = Vec::new(),
            "a list of \"https://HOST\" or \"http://HOST\", with \":PORT\" where it is not the \
             usual one";
        /// HTTP connections at the same time, WebSockets not among them; one more is closed at
        /// once.
        connections_max: u32 = 8_192, 1..=100_000;
        /// HTTP connections of one address, which may be an office of five hundred; a browser opens
        /// up to six. Proxies have no such limit.
        connections_per_address_max: u32 = 3_000, 1..=100_000;
    }
}

part! {
    /// The HTTP API and the guests that join by it.
    Api {
        /// The API key. The environment variable TALKPATH_API_KEY wins over it. Without both a key
        /// is made at the first start and printed once.
        key: Option<Secret> = None, "16 characters or more";
        /// Seconds that the token of a guest is a login.
        token_s: u32 = 3_600, 60..=86_400;
        /// Seconds that a guest exists after it has joined the last time.
        guest_s: u32 = 43_200, 60..=604_800;
        /// Guests at the same time; one more gets 503.
        guests_max: u32 = 10_000, 1..=100_000;
        /// Joins of one address in a minute; one more gets 429.
        joins_per_minute: u32 = 1_000, 1..=100_000;
        /// The number that telephones dial, for pages to show. Without it: the access number of the
        /// shipped rules, where the rules take it.
        phone_number: Option<PhoneNumber> = None,
            "digits as they are dialled, such as \"+15550100\"";
    }
}

part! {
    /// STUN servers that browsers are told, for the connections among themselves.
    Stun {
        /// The engine is one itself, and names itself first.
        serve: bool = true, "true or false";
        /// The UDP address on which it is one. Port 0 takes any free port.
        listen: SocketAddr = SocketAddr::from(([0, 0, 0, 0], 3_478)),
            "\"ADDRESS:PORT\", such as \"127.0.0.1:3478\"";
        /// URLs of others.
        urls: Vec<String> = Vec::new(), "a list of \"stun:HOST\" or \"stun:HOST:PORT\"";
    }
}

part! {
    /// TURN servers that browsers are told, for those behind firewalls. The server has to know the
    /// same secret: with coturn `use-auth-secret` and `static-auth-secret`.
    Turn {
        /// Their URLs.
        urls: Vec<String> = Vec::new(),
            "a list of \"turn:HOST\" or \"turns:HOST\", with port and transport where needed; \
             it needs turn.secret";
        /// What the TURN servers share with this server. The environment variable
        /// TALKPATH_TURN_SECRET wins over it.
        secret: Option<Secret> = None, "the static-auth-secret of coturn";
        /// Seconds that credentials are good. A relay of a browser ends with them.
        ttl_s: u32 = 86_400, 300..=604_800;
    }
}

part! {
    /// RTP.
    Media {
        /// The address in session descriptions. Without it: the address on which the peer reached
        /// the engine.
        address: Option<IpAddr> = None,
            "an IP address that a peer can reach, such as \"192.0.2.1\"";
        /// The local address of the RTP sockets.
        bind: IpAddr = IpAddr::from([0, 0, 0, 0]),
            "an IP address; \"0.0.0.0\" is every IPv4 interface";
        /// UDP ports for RTP and RTCP. Each leg takes an even port and the odd one after it.
        ports: PortRange = PortRange::DEFAULT,
            "\"FIRST-LAST\" within 1024 and 65535, with at least one even port and its odd \
             neighbour";
        /// The UDP port that all browsers share for audio (ICE, DTLS, SRTP). 0 takes any free port.
        webrtc_port: u32 = 9_000, 0..=65_535;
        /// Seconds without any packet after which a connected leg is told that its media timed out.
        timeout_s: u32 = 30, 1..=3_600;
    }
}

part! {
    /// Text to speech.
    Speech {
        /// Who speaks: the program espeak-ng, a command of your own, or nobody.
        engine: SpeechEngine = SpeechEngine::EspeakNg, "\"espeak-ng\", \"command\" or \"none\"";
        /// The words of the command, started once per text. The text comes on its standard
        /// input, a WAV file is expected on its standard output.
        command: Vec<String> = Vec::new(),
            "a list of texts; not empty when the engine is \"command\"";
        /// Voices of the engine by language and gender, as scripts name them.
        voices: BTreeMap<String, String> = value::default_voices(),
            "a table: \"LANGUAGE/GENDER\" = \"voice\"";
        /// Recorded WAV files. One that is named after a text, such as `hello-world.wav` for
        /// "Hello, world!", is played in place of the engine's voice.
        prompts_dir: PathBuf = "prompts".into(), "a directory; it need not exist";
        /// Seconds that the engine may take for one text.
        timeout_s: u32 = 10, 1..=120;
    }
}

part! {
    /// Limits of each session of a script. Reaching one is an error event in that session.
    Script {
        /// Operations of one handler.
        operations_max: u32 = 1_000_000, 1_000..=100_000_000;
        /// Milliseconds of one handler, in processor time.
        handler_ms: u32 = 50, 1..=10_000;
        /// Depth of calls between functions.
        call_depth_max: u32 = 64, 8..=128;
        /// Length of one string, in bytes.
        string_bytes_max: u32 = 1_048_576, 1_024..=67_108_864;
        /// Items of one array.
        array_items_max: u32 = 10_000, 16..=1_000_000;
        /// Entries of one map. Those of maps within it, or of maps in one array, count too.
        map_entries_max: u32 = 20_000, 16..=100_000;
        /// All that a session keeps, in bytes.
        state_bytes_max: u32 = 16_777_216, 65_536..=268_435_456;
        /// Timers at the same time.
        timers_max: u32 = 100, 1..=10_000;
        /// Players at the same time.
        players_max: u32 = 10, 1..=1_000;
        /// Legs of a plain session; a conference has the limit of its room.
        legs_max: u32 = 100, 1..=10_000;
        /// Body of a message within a call, in bytes.
        message_bytes_max: u32 = 8_192, 256..=32_768;
        /// One line that a script logs, in characters; the rest is cut.
        log_characters_max: u32 = 15_000, 80..=100_000;
    }
}

part! {
    /// Times after which a session gives up.
    Session {
        /// Seconds of early media before the answer.
        early_media_s: u32 = 60, 1..=600;
        /// Seconds that an incoming call may wait for its answer.
        unanswered_s: u32 = 60, 1..=600;
        /// Seconds without any call after which a session ends.
        idle_s: u32 = 60, 1..=86_400;
        /// Seconds that a call waits for a browser whose WebSocket was lost.
        reconnect_s: u32 = 60, 1..=3_600;
    }
}

part! {
    /// The end of the process.
    Shutdown {
        /// Seconds that running calls have to end by themselves, while new ones get 503. 0 ends
        /// them at once.
        drain_s: u32 = 30, 0..=86_400;
    }
}

part! {
    /// The log.
    Log {
        /// The least severe lines that are written.
        level: LogLevel = LogLevel::Info, "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
        /// Lines for people, or one JSON object per line.
        format: LogFormat = LogFormat::Text, "\"text\" or \"json\"";
        /// Numbers, names, rooms and addresses of clients: masked so that one recognises what one
        /// knows, or in full. What is keyed in is never logged.
        personal: LogPersonal = LogPersonal::Masked, "\"masked\" or \"full\"";
        /// Where all that goes into the engine is written down for `talkpath replay`, a file for
        /// each start. It holds whole SIP messages, names and hashed passwords: it is for finding a
        /// fault, and nobody but its owner can read it. Not set: nothing is written.
        journal_dir: Option<PathBuf> = None, "a directory, such as \"var/journal\"";
        /// Megabytes after which a journal ends.
        journal_mb: u32 = 1_000, 1..=1_000_000;
    }
}

impl Config {
    /// Every table of the file, its top first, in the order of the documents.
    fn sections() -> Vec<Section> {
        let mut sections = vec![<Self as Part>::section("")];
        sections.extend(Self::parts());
        sections
    }

    /// The keys whose values are read but not allowed, those that depend on each other included.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.check("", &mut faults);
        let mut fault = |path: &str, message: &dyn fmt::Display| {
            faults.push(Fault {
                path: path.to_owned(),
                message: message.to_string(),
            });
        };
        let listen = &self.sip.listen;
        if listen.is_empty() || listen.len() > value::LISTENERS_MAX {
            fault("sip.listen", &format_args!("{} listeners", listen.len()));
        }
        let again = listen.iter().enumerate().find(|(index, listener)| {
            listener.address.port() != 0 && listen.iter().take(*index).any(|l| l == *listener)
        });
        if let Some((_, listener)) = again {
            fault("sip.listen", &format_args!("{listener} stands twice"));
        }
        let digest = &self.sip.digest;
        let again = |(index, one)| digest.iter().take(index).any(|before| before == one);
        if digest.is_empty() || digest.iter().enumerate().any(again) {
            fault("sip.digest", &"the list is empty or names one twice");
        }
        for (path, address) in [
            ("sip.address", self.sip.address),
            ("media.address", self.media.address),
        ] {
            if let Some(address) = address.filter(|a| a.is_unspecified() || a.is_multicast()) {
                fault(path, &format_args!("{address} cannot be reached by a peer"));
            }
        }
        let ports = self.media.ports;
        if (ports.first.into()..=ports.last.into()).contains(&self.media.webrtc_port) {
            let (first, last) = (ports.first, ports.last);
            let path = "media.webrtc_port";
            fault(path, &format_args!("within media.ports ({first}-{last})"));
        }
        if let Some(domain) = self
            .sip
            .domain
            .as_ref()
            .filter(|domain| !value::is_host(domain))
        {
            fault("sip.domain", &format_args!("{domain:?} is not a host"));
        }
        if self.speech.engine == SpeechEngine::Command && self.speech.command.is_empty() {
            fault("speech.command", &"the list is empty");
        }
        let voices = &self.speech.voices;
        if let Some(name) = voices.keys().find(|name| !value::is_voice_name(name)) {
            fault(
                "speech.voices",
                &format_args!("{name:?} is not \"LANGUAGE/GENDER\""),
            );
        }
        self.api_faults(&mut fault);
        faults
    }

    fn api_faults(&self, fault: &mut dyn FnMut(&str, &dyn fmt::Display)) {
        let key = self.api.key.as_ref();
        if let Some(Secret(key)) = key.filter(|key| key.0.chars().count() < API_KEY_CHARS_MIN) {
            let count = key.chars().count();
            fault("api.key", &format_args!("{count} characters are too few"));
        }
        for (path, urls, schemes) in [
            ("stun.urls", &self.stun.urls, &["stun:"][..]),
            ("turn.urls", &self.turn.urls, &["turn:", "turns:"]),
        ] {
            if let Some(url) = urls.iter().find(|url| !value::is_ice_url(url, schemes)) {
                fault(path, &format_args!("{url:?} is not such a URL"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
