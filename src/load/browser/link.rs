//! The secured path of one browser's media: the crate's full ICE agent in the controlling role,
//! DTLS as its client, SRTP in both directions. The engine's side of the same is `media/webrtc`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use bytes::BytesMut;
use rtc::crypto::{self, HashAlgorithm, RTCCryptoProvider};
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::ice::agent::agent_config::AgentConfig;
use rtc::ice::agent::{Agent, Event};
use rtc::ice::candidate::candidate_host::CandidateHostConfig;
use rtc::ice::candidate::{Candidate, CandidateConfig};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc::srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::context;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::description::{Answer, Credentials};

/// Between checks until a pair is chosen. The crate nominates with the check after the first good
/// one, where browsers do so at once: hence less than their 50 ms (RFC 8445 §14.2).
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Checks without an answer before the path is given up.
const CHECKS_MAX: u16 = 250;
/// Datagrams that may wait for the socket; a flight has a few. The oldest goes first.
const OUT_MAX: usize = 32;

/// The certificate that all browsers of one run share.
#[derive(Clone)]
pub(in super::super) struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    config: Arc<HandshakeConfig>,
    /// SHA-256 in hexadecimal with colons, upper case.
    pub(super) fingerprint: String,
}

impl Identity {
    /// Makes one.
    ///
    /// # Errors
    /// The crypto library gives no key.
    pub(in super::super) fn generate() -> anyhow::Result<Identity> {
        let provider = crypto::default_provider().context("no crypto library")?;
        let subject = vec!["load".to_owned()];
        let certificate = Certificate::generate_self_signed(subject, provider.crypto())
            .context("no certificate for DTLS")?;
        let der = certificate.certificate.first();
        let fingerprint = der.and_then(|der| fingerprint(provider.as_ref(), der));
        let fingerprint = fingerprint.ok_or_else(|| anyhow!("the certificate has no hash"))?;
        // The engine's certificate is judged by the fingerprint in its answer.
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_insecure_skip_verify(true)
            .build(true, None)
            .context("no settings for DTLS")?;
        Ok(Identity {
            provider,
            config: Arc::new(config),
            fingerprint,
        })
    }
}

fn fingerprint(provider: &dyn RTCCryptoProvider, der: &[u8]) -> Option<String> {
    let hash = provider.crypto().hash(HashAlgorithm::Sha256, der).ok()?;
    let mut text = String::new();
    for byte in hash {
        let colon = if text.is_empty() { "" } else { ":" };
        write!(text, "{colon}{byte:02X}").ok()?;
    }
    Some(text)
}

/// SRTP keys for both directions.
struct Srtp {
    outgoing: context::Context,
    incoming: context::Context,
}

/// The path of one browser.
pub(super) struct Link {
    identity: Identity,
    local: SocketAddr,
    agent: Agent,
    endpoint: Endpoint,
    /// The engine's, known from its answer.
    peer: Option<Peer>,
    /// ICE has chosen a pair.
    selected: bool,
    srtp: Option<Srtp>,
    secured_at: Option<Instant>,
    problem: Option<&'static str>,
    out: VecDeque<BytesMut>,
}

struct Peer {
    address: SocketAddr,
    fingerprint: String,
}

impl Link {
    /// A path from `local` that waits for the answer.
    ///
    /// # Errors
    /// The crate refuses the address or the credentials.
    pub(super) fn new(
        now: Instant,
        local: SocketAddr,
        ice: &Credentials,
        identity: &Identity,
    ) -> anyhow::Result<Link> {
        let config = AgentConfig {
            local_ufrag: ice.ufrag.clone(),
            local_pwd: ice.pwd.clone(),
            check_interval: CHECK_INTERVAL,
            max_binding_requests: Some(CHECKS_MAX),
            is_controlling: true,
            ..AgentConfig::default()
        };
        let mut agent = Agent::new(now, Arc::new(config), identity.provider.clone())?;
        agent.add_local_candidate(candidate(local)?)?;
        Ok(Link {
            identity: identity.clone(),
            local,
            agent,
            endpoint: Endpoint::new(local, TransportProtocol::UDP, None),
            peer: None,
            selected: false,
            srtp: None,
            secured_at: None,
            problem: None,
            out: VecDeque::new(),
        })
    }

    /// Begins the checks.
    pub(super) fn start(&mut self, now: Instant, answer: &Answer) -> anyhow::Result<()> {
        self.agent
            .add_remote_candidate(candidate(answer.candidate)?)?;
        let Credentials { ufrag, pwd } = answer.ice.clone();
        self.agent
            .start_connectivity_checks(now, true, ufrag, pwd)?;
        self.peer = Some(Peer {
            address: answer.candidate,
            fingerprint: answer.fingerprint.clone(),
        });
        self.handle_timeout(now);
        Ok(())
    }

    /// When media could flow first.
    pub(super) fn secured_at(&self) -> Option<Instant> {
        self.secured_at
    }

    /// Why it never will.
    pub(super) fn problem(&self) -> Option<&'static str> {
        self.problem
    }

    /// The next datagram to send, and where to.
    pub(super) fn poll_out(&mut self) -> Option<(BytesMut, SocketAddr)> {
        let address = self.peer.as_ref()?.address;
        Some((self.out.pop_front()?, address))
    }

    /// Takes a datagram; an RTP packet that is genuine comes back in plain.
    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Option<BytesMut> {
        let peer = self.peer.as_ref()?.address;
        match (datagram.first()?, datagram.get(1)?) {
            (0..=3, _) => {
                let transport = TransportContext {
                    local_addr: self.local,
                    peer_addr: peer,
                    ecn: None,
                    transport_protocol: TransportProtocol::UDP,
                };
                let message = BytesMut::from(datagram);
                // A message that it does not understand is nobody's loss: checks are repeated.
                let _ = self.agent.handle_read(TaggedBytesMut {
                    now,
                    transport,
                    message,
                });
                self.pump(now);
            }
            (20..=63, _) => {
                let data = BytesMut::from(datagram);
                let events = self.endpoint.read(now, peer, None, data);
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => match self.keys() {
                            Ok(srtp) => {
                                self.srtp = Some(srtp);
                                self.secured_at = Some(now);
                            }
                            Err(problem) => self.problem = Some(problem),
                        },
                        EndpointEvent::PeerClosed => self.problem = Some("the engine closed DTLS"),
                        EndpointEvent::ApplicationData(_) | _ => {}
                    }
                }
                self.pump(now);
            }
            // Reports of the engine (RFC 5761 §4).
            (128..=191, 192..=223) => {}
            (128..=191, _) => {
                let srtp = self.srtp.as_mut()?;
                return srtp.incoming.decrypt_rtp(datagram).ok();
            }
            _ => {}
        }
        None
    }

    /// Lets ICE and DTLS repeat what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.agent.poll_timeout().is_some_and(|due| due <= now) {
            // It fails only in parts that are not in use, such as names of candidates.
            let _ = self.agent.handle_timeout(now);
        }
        if let Some(peer) = &self.peer
            && self.secured_at.is_none()
            && self.selected
        {
            // Refused when there is nothing to repeat.
            let _ = self.endpoint.handle_timeout(peer.address, now);
        }
        self.pump(now);
    }

    /// The packet under the keys, and where it goes; nothing before there are any.
    pub(super) fn protect(&mut self, plain: &[u8]) -> Option<(BytesMut, SocketAddr)> {
        let address = self.peer.as_ref()?.address;
        let protected = self.srtp.as_mut()?.outgoing.encrypt_rtp(plain).ok()?;
        Some((protected, address))
    }

    /// Says that the association ends.
    pub(super) fn close(&mut self, now: Instant) {
        if let Some(peer) = &self.peer {
            self.endpoint.stop(now, peer.address);
        }
        self.pump(now);
    }

    /// Moves what ICE and DTLS have to say to the way out.
    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.agent.poll_event() {
            let Event::SelectedCandidatePairChange(..) = event.event else {
                continue;
            };
            if let Some(peer) = &self.peer
                && !std::mem::replace(&mut self.selected, true)
            {
                let config = self.identity.config.clone();
                let started = self.endpoint.connect(now, peer.address, config, None);
                if started.is_err() {
                    self.problem = Some("DTLS could not be started");
                }
            }
        }
        while let Some(transmit) = self.agent.poll_write() {
            self.out.push_back(transmit.message);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.out.push_back(transmit.message);
        }
        while self.out.len() > OUT_MAX {
            self.out.pop_front();
        }
    }

    /// The keys of a complete handshake with the one whose fingerprint is in the answer.
    fn keys(&self) -> Result<Srtp, &'static str> {
        const NO_KEYS: &str = "DTLS gave no keys for SRTP";
        let peer = self.peer.as_ref().ok_or(NO_KEYS)?;
        let state = self.endpoint.get_connection_state(peer.address);
        let state = state.ok_or(NO_KEYS)?;
        let provider = &self.identity.provider;
        let certificate = state.peer_certificates.first();
        let hash = certificate.and_then(|der| fingerprint(provider.as_ref(), der));
        if hash.as_deref() != Some(&peer.fingerprint) {
            return Err("the engine's certificate is not the one of its answer");
        }
        if state.srtp_protection_profile() != SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm {
            return Err(NO_KEYS);
        }
        let profile = ProtectionProfile::AeadAes128Gcm;
        let mut config = Config {
            profile,
            ..Config::default()
        };
        let length = config.keying_material_len();
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
            .map_err(|_| NO_KEYS)?;
        config
            .set_session_keys_from_keying_material(material.as_ref(), state.is_client())
            .map_err(|_| NO_KEYS)?;
        let keys = config.keys;
        let context = |key: &[u8], salt: &[u8]| {
            context::Context::new(key, salt, profile, None, None, provider.crypto())
                .map_err(|_| NO_KEYS)
        };
        Ok(Srtp {
            outgoing: context(&keys.local_master_key, &keys.local_master_salt)?,
            incoming: context(&keys.remote_master_key, &keys.remote_master_salt)?,
        })
    }
}

fn candidate(address: SocketAddr) -> anyhow::Result<Candidate> {
    let base_config = CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..CandidateConfig::default()
    };
    let host = CandidateHostConfig {
        base_config,
        ..CandidateHostConfig::default()
    };
    Ok(host.new_candidate_host()?)
}
