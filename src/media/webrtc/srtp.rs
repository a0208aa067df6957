//! SRTP and SRTCP of one leg (RFC 3711, RFC 7714) with the keys of its DTLS association (RFC 5764
//! §4.2).
//!
//! The contexts of the crate keep state for each SSRC that they see, before they know whether the
//! packet is genuine. A packet of an SSRC that has not been seen in a genuine one is therefore
//! tried on a context that is thrown away after [`PROBES_MAX`] of them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::dtls::state::State;
use rtc::rtp::header::{Extension, Header};
use rtc::srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP, SessionKeys};
use rtc::srtp::context::Context;
use rtc::srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc::srtp::protection_profile::ProtectionProfile;

/// Packets before the newest one that are told from repetitions; 2.5 s of audio.
const REPLAY_WINDOW: usize = 128;
/// SSRCs of one peer in the life of an association, for RTP and for RTCP. A browser has one or two.
const SSRCS_MAX: usize = 16;
/// Packets that may fail on one trial context.
const PROBES_MAX: usize = 64;
/// Length of the RTP header without contributing sources and extension.
const FIXED_BYTES: usize = 12;
/// No header is longer than a packet.
const HEADER_BYTES_MAX: usize = 2048;

/// Which keys a packet is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Protected {
    Rtp,
    Rtcp,
}

/// Keys in both directions.
pub(super) struct SrtpKeys {
    profile: ProtectionProfile,
    keys: SessionKeys,
}

impl SrtpKeys {
    /// The keys of a complete handshake; nothing when no profile was agreed.
    pub(super) fn of(state: &State) -> Option<SrtpKeys> {
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => ProtectionProfile::AeadAes256Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
                ProtectionProfile::Aes128CmHmacSha1_80
            }
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32
            | SrtpProtectionProfile::Unsupported
            | _ => return None,
        };
        let mut config = Config {
            profile,
            ..Config::default()
        };
        let length = config.keying_material_len();
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length);
        config
            .set_session_keys_from_keying_material(material.ok()?.as_ref(), state.is_client())
            .ok()?;
        let keys = config.keys;
        Some(SrtpKeys { profile, keys })
    }
}

/// Protection in both directions.
pub(in super::super) struct Srtp {
    provider: Arc<dyn RTCCryptoProvider>,
    keys: SrtpKeys,
    outgoing: Context,
    incoming: Context,
    probe: Option<(Context, usize)>,
    /// SSRCs of genuine packets.
    streams: Vec<u32>,
    reporters: Vec<u32>,
    /// Reused, as the crate wants a parsed header of which it reads three fields.
    header: Header,
}

impl Srtp {
    /// Makes the contexts; nothing when the provider lacks the profile.
    pub(super) fn new(provider: Arc<dyn RTCCryptoProvider>, keys: SrtpKeys) -> Option<Srtp> {
        let SessionKeys {
            local_master_key,
            local_master_salt,
            ..
        } = &keys.keys;
        let crypto = provider.crypto();
        let outgoing = Context::new(
            local_master_key,
            local_master_salt,
            keys.profile,
            None,
            None,
            crypto,
        );
        let outgoing = outgoing.ok()?;
        let incoming = incoming(provider.as_ref(), &keys)?;
        Some(Srtp {
            provider,
            keys,
            outgoing,
            incoming,
            probe: None,
            streams: Vec::new(),
            reporters: Vec::new(),
            header: Header::default(),
        })
    }

    /// Protects the RTP packet of ours that `packet` holds from `start` on; false when that cannot
    /// be done, and it must not be sent.
    pub(in super::super) fn protect(
        &mut self,
        kind: Protected,
        packet: &mut Vec<u8>,
        start: usize,
    ) -> bool {
        let Some(plain) = packet.get(start..) else {
            return false;
        };
        let protected = match (kind, encrypted_header(plain)) {
            (Protected::Rtp, Some((sequence_number, ssrc, FIXED_BYTES))) => {
                let header = Header {
                    sequence_number,
                    ssrc,
                    ..Header::default()
                };
                self.outgoing.encrypt_rtp_with_header(plain, &header)
            }
            (Protected::Rtp, _) => return false,
            (Protected::Rtcp, _) => self.outgoing.encrypt_rtcp(plain),
        };
        packet.truncate(start);
        match protected {
            Ok(protected) => packet.extend_from_slice(&protected),
            Err(_) => return false,
        }
        true
    }

    /// The plain packet; nothing when it is not genuine, or has been here before.
    pub(in super::super) fn unprotect(
        &mut self,
        kind: Protected,
        packet: &[u8],
    ) -> Option<BytesMut> {
        let ssrc = match kind {
            Protected::Rtp => {
                let (seq, ssrc, length) = encrypted_header(packet)?;
                set_header(&mut self.header, seq, ssrc, length);
                ssrc
            }
            Protected::Rtcp => {
                let ssrc = packet.get(4..8)?;
                u32::from_be_bytes(ssrc.try_into().ok()?)
            }
        };
        let known = match kind {
            Protected::Rtp => &self.streams,
            Protected::Rtcp => &self.reporters,
        };
        if !known.contains(&ssrc) {
            if known.len() >= SSRCS_MAX || !self.probe(kind, packet) {
                return None;
            }
            match kind {
                Protected::Rtp => self.streams.push(ssrc),
                Protected::Rtcp => self.reporters.push(ssrc),
            }
        }
        open(&mut self.incoming, kind, packet, &self.header)
    }

    /// Whether the packet of an SSRC that is not known is genuine.
    fn probe(&mut self, kind: Protected, packet: &[u8]) -> bool {
        let (mut context, failed) = match self.probe.take() {
            Some(probe) => probe,
            None => match incoming(self.provider.as_ref(), &self.keys) {
                Some(context) => (context, 0),
                None => return false,
            },
        };
        if open(&mut context, kind, packet, &self.header).is_some() {
            return true;
        }
        if failed + 1 < PROBES_MAX {
            self.probe = Some((context, failed + 1));
        }
        false
    }
}

fn incoming(provider: &dyn RTCCryptoProvider, keys: &SrtpKeys) -> Option<Context> {
    let SessionKeys {
        remote_master_key,
        remote_master_salt,
        ..
    } = &keys.keys;
    Context::new(
        remote_master_key,
        remote_master_salt,
        keys.profile,
        Some(srtp_replay_protection(REPLAY_WINDOW)),
        Some(srtcp_replay_protection(REPLAY_WINDOW)),
        provider.crypto(),
    )
    .ok()
}

fn open(
    context: &mut Context,
    kind: Protected,
    packet: &[u8],
    header: &Header,
) -> Option<BytesMut> {
    match kind {
        Protected::Rtp => context.decrypt_rtp_with_header(packet, header).ok(),
        Protected::Rtcp => context.decrypt_rtcp(packet).ok(),
    }
}

/// Sequence number, SSRC and length of the header of a packet whose payload, padding included, may
/// be encrypted.
fn encrypted_header(packet: &[u8]) -> Option<(u16, u32, usize)> {
    let (&[first, _, s0, s1, _, _, _, _, r0, r1, r2, r3], _) =
        packet.split_first_chunk::<FIXED_BYTES>()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut length = FIXED_BYTES + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?.try_into().ok()?;
        length += 4 + 4 * usize::from(u16::from_be_bytes(words));
    }
    let fits = length <= packet.len().min(HEADER_BYTES_MAX);
    let (seq, ssrc) = ([s0, s1], [r0, r1, r2, r3]);
    fits.then_some((u16::from_be_bytes(seq), u32::from_be_bytes(ssrc), length))
}

/// Makes the crate believe in a header of this length: it computes it anew from the parts that it
/// would have parsed, which does not always give the length that the packet has.
fn set_header(header: &mut Header, sequence_number: u16, ssrc: u32, length: usize) {
    static ZEROS: [u8; HEADER_BYTES_MAX] = [0; HEADER_BYTES_MAX];
    header.sequence_number = sequence_number;
    header.ssrc = ssrc;
    header.extension = length > FIXED_BYTES;
    let extension = ZEROS.get(..length.saturating_sub(FIXED_BYTES + 4));
    let payload = Bytes::from_static(extension.unwrap_or_default());
    header.extensions.clear();
    header.extensions.push(Extension { id: 0, payload });
}
