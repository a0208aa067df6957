//! What is told of an m= line by its kind, profile and attributes, whatever carries it.

use super::description::{Attribute, Media};

/// Profiles that carry plain RTP (RFC 3551, RFC 4585).
const PLAIN_PROFILES: [&str; 2] = ["RTP/AVP", "RTP/AVPF"];

/// Whether a line is audio over plain RTP and not refused by port 0.
pub(super) fn is_plain(media: &Media) -> bool {
    is_audio(media)
        && PLAIN_PROFILES
            .iter()
            .any(|profile| media.protocol.eq_ignore_ascii_case(profile))
}

/// Whether a line is audio and not refused by port 0.
pub(super) fn is_audio(media: &Media) -> bool {
    media.kind.eq_ignore_ascii_case("audio") && media.port != 0
}

/// The value of the first attribute `name`.
pub(super) fn value_of<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|attribute| attribute.name == name)
        .map(|found| found.value.as_str())
}
