//! The structure of a description: session part, media parts, their c= and a= lines (RFC 4566 §5).
//!
//! The only file that names `sdp_types`. Before it parses, [`clean`] makes good what devices get
//! wrong and what we do not need: line ends of LF or CR alone, NULs and blanks at the ends, Latin-1
//! text, runs of spaces in m= lines. Of the line types only v, c, m and a are read; the others (a
//! user name with spaces in o=, a t= without numbers) are blanked, so that they cannot spoil a
//! call. What the attributes mean is not known here.

use std::net::IpAddr;

/// The longest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The most m= lines of a body.
pub const MEDIA_LINES_MAX: usize = 32;
/// The most formats of one m= line. RTP has 128 payload types.
pub const FORMATS_MAX: usize = 256;

/// Why a body is not a session description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`BODY_BYTES_MAX`].
    #[error("body of {length} bytes, at most {BODY_BYTES_MAX} are read")]
    TooLong {
        /// Bytes of the body.
        length: usize,
    },
    /// More m= lines than [`MEDIA_LINES_MAX`].
    #[error("line {line}: more than {MEDIA_LINES_MAX} media lines")]
    TooManyMedia {
        /// The line, counted from 1.
        line: usize,
    },
    /// More formats than [`FORMATS_MAX`].
    #[error("line {line}: more than {FORMATS_MAX} formats")]
    TooManyFormats {
        /// The line, counted from 1.
        line: usize,
    },
    /// Not the grammar of RFC 4566; the text names line and field.
    #[error("{0}")]
    Malformed(String),
}

/// A description as far as it matters to offer and answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub connection: Option<Connection>,
    pub attributes: Vec<Attribute>,
    pub media: Vec<Media>,
}

/// A c= line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// As it is written: an address, perhaps with a TTL, or a name.
    pub address: String,
    /// Counted from 1; 0 in descriptions of ours.
    pub line: usize,
}

/// An a= line. The value is empty for a property attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub name: String,
    pub value: String,
}

/// An m= line and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub kind: String,
    pub port: u16,
    pub protocol: String,
    pub formats: Vec<String>,
    pub connection: Option<Connection>,
    pub attributes: Vec<Attribute>,
    /// Counted from 1; 0 in descriptions of ours.
    pub line: usize,
}

/// What an o= line of ours says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub session_id: u64,
    pub version: u64,
    pub address: IpAddr,
}

impl Attribute {
    pub fn property(name: &str) -> Self {
        Self::new(name, String::new())
    }

    pub fn new(name: &str, value: String) -> Self {
        Self {
            name: name.to_string(),
            value,
        }
    }
}

impl Media {
    /// The same line with port 0, which refuses it in an answer (RFC 3264 §6).
    pub fn refused(&self) -> Self {
        Self {
            port: 0,
            connection: None,
            attributes: Vec::new(),
            line: 0,
            ..self.clone()
        }
    }
}

impl Description {
    /// Reads a body.
    ///
    /// # Errors
    /// [`SdpError`] when a limit is passed or a line is not what its type demands.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        let cleaned = clean(body)?;
        let session = sdp_types::Session::parse(cleaned.text.as_bytes())
            .map_err(|error| SdpError::Malformed(error.to_string()))?;
        let mut lines = cleaned.lines.into_iter();
        let first = lines.next().unwrap_or_default();
        let connection = |found: Option<&sdp_types::Connection>, line: usize| {
            found.map(|found| Connection {
                address: found.connection_address.clone(),
                line,
            })
        };
        let media = session
            .medias
            .iter()
            .zip(lines)
            .map(|(media, lines)| Media {
                kind: media.media.clone(),
                port: media.port,
                protocol: media.proto.clone(),
                formats: media.fmt.split(' ').map(str::to_string).collect(),
                connection: connection(media.connections.first(), lines.connection),
                attributes: attributes(&media.attributes),
                line: lines.media,
            });
        Ok(Self {
            connection: connection(session.connection.as_ref(), first.connection),
            attributes: attributes(&session.attributes),
            media: media.collect(),
        })
    }

    /// The body, with o=, `s=-` and `t=0 0` (RFC 3264 §5).
    pub fn write(&self, origin: &Origin) -> Vec<u8> {
        let owner =
            sdp_types::Origin::with_ip_addr(origin.session_id, origin.version, origin.address);
        let mut session = sdp_types::Session::new(owner, "-");
        session.connection = self.connection.as_ref().and_then(Connection::to_line);
        session.attributes = self.attributes.iter().map(Attribute::to_line).collect();
        session.medias = self.media.iter().map(Media::to_lines).collect();
        let mut body = Vec::new();
        session.write(&mut body).expect("a Vec takes all bytes");
        body
    }
}

impl Connection {
    fn to_line(&self) -> Option<sdp_types::Connection> {
        self.address
            .parse::<IpAddr>()
            .ok()
            .map(sdp_types::Connection::from_ip_addr)
    }
}

impl Attribute {
    fn to_line(&self) -> sdp_types::Attribute {
        let value = (!self.value.is_empty()).then(|| self.value.clone());
        sdp_types::Attribute {
            attribute: self.name.clone(),
            value,
        }
    }
}

impl Media {
    fn to_lines(&self) -> sdp_types::Media {
        sdp_types::Media {
            media: self.kind.clone(),
            port: self.port,
            num_ports: None,
            proto: self.protocol.clone(),
            fmt: self.formats.join(" "),
            media_title: None,
            connections: self
                .connection
                .iter()
                .filter_map(Connection::to_line)
                .collect(),
            bandwidths: Vec::new(),
            key: None,
            attributes: self.attributes.iter().map(Attribute::to_line).collect(),
        }
    }
}

fn attributes(lines: &[sdp_types::Attribute]) -> Vec<Attribute> {
    let attribute = |line: &sdp_types::Attribute| Attribute {
        name: line.attribute.clone(),
        value: line.value.clone().unwrap_or_default(),
    };
    lines.iter().map(attribute).collect()
}

/// A body that `sdp_types` reads, with the same line numbers as the original.
struct Cleaned {
    text: String,
    /// The session part, then one for each m= line.
    lines: Vec<PartLines>,
}

/// Where the lines of one part stand, counted from 1; 0 where there is none.
#[derive(Clone, Copy, Default)]
struct PartLines {
    media: usize,
    /// The first c= line of the part.
    connection: usize,
}

fn clean(body: &[u8]) -> Result<Cleaned, SdpError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(SdpError::TooLong { length: body.len() });
    }
    let end = if body.contains(&b'\n') { b'\n' } else { b'\r' };
    let mut text = String::with_capacity(body.len());
    let mut part = PartLines::default();
    let mut lines = Vec::new();
    for (index, bytes) in body.split(|&byte| byte == end).enumerate() {
        let number = index + 1;
        let line = decode(bytes);
        let line = line.trim_end_matches(['\r', '\0', ' ', '\t']);
        match line.as_bytes() {
            [b'm', b'=', ..] => {
                lines.push(part);
                part = PartLines {
                    media: number,
                    connection: 0,
                };
                if lines.len() > MEDIA_LINES_MAX {
                    return Err(SdpError::TooManyMedia { line: number });
                }
                let fields: Vec<&str> = line.split_ascii_whitespace().collect();
                if fields.len() > FIELDS_BEFORE_FORMATS + FORMATS_MAX {
                    return Err(SdpError::TooManyFormats { line: number });
                }
                text.push_str(&fields.join(" "));
            }
            [b'c', b'=', ..] => {
                if part.connection == 0 {
                    part.connection = number;
                }
                text.push_str(line);
            }
            [b'v' | b'a', b'=', ..] => text.push_str(line),
            [b'a'..=b'z', b'=', ..] => {}
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    lines.push(part);
    Ok(Cleaned { text, lines })
}

/// Media, port and protocol.
const FIELDS_BEFORE_FORMATS: usize = 3;

/// UTF-8 where it is, else Latin-1, of which every byte is the character of the same number.
fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}
