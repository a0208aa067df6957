//! Our side of DTLS that all legs of a process share: one certificate, and the settings of the
//! handshake. Its key is random, so `run` makes it and hands it over.

use std::fmt::{self, Debug, Write as _};
use std::sync::Arc;

use rtc::crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;

/// SRTP protection, the preferred first (RFC 7714, RFC 5764 §4.1.2).
const PROFILES: [SrtpProtectionProfile; 3] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];

/// Why a certificate is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be used for DTLS: {0}")]
pub struct IdentityError(String);

/// A certificate with its key, and what handshakes with it are like. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    fingerprint: String,
    provider: Arc<dyn RTCCryptoProvider>,
    pub(super) server: Arc<HandshakeConfig>,
    pub(super) client: Arc<HandshakeConfig>,
}

impl Identity {
    /// The identity of who holds `certificate`, which may be signed by itself.
    ///
    /// # Errors
    /// [`IdentityError`] when the crypto library does not take it.
    pub fn new(
        provider: Arc<dyn RTCCryptoProvider>,
        certificate: &Certificate,
    ) -> Result<Identity, IdentityError> {
        let failed = |error: String| IdentityError(error);
        let der = certificate.certificate.first();
        let der = der.ok_or_else(|| failed("it is empty".to_owned()))?;
        let hash = sha256(provider.as_ref(), der)
            .ok_or_else(|| failed("there is no SHA-256".to_owned()))?;
        let config = |is_client| {
            // The chain says nothing; who the peer is is judged by its fingerprint, after the
            // handshake has proved that it holds the key.
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(PROFILES.to_vec())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .build(is_client, None)
                .map(Arc::new)
                .map_err(|error| failed(error.to_string()))
        };
        Ok(Identity {
            fingerprint: fingerprint(&hash),
            server: config(false)?,
            client: config(true)?,
            provider,
        })
    }

    /// Hash and value of the certificate as session descriptions say them: `sha-256 AA:BB…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl Identity {
    /// The crypto library.
    pub(in super::super) fn provider(&self) -> Arc<dyn RTCCryptoProvider> {
        self.provider.clone()
    }
}

impl Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint)
    }
}

/// The hash of a certificate.
pub(super) fn sha256(provider: &dyn RTCCryptoProvider, der: &[u8]) -> Option<[u8; 32]> {
    let hash = provider.crypto().hash(HashAlgorithm::Sha256, der).ok()?;
    hash.try_into().ok()
}

fn fingerprint(hash: &[u8; 32]) -> String {
    let mut text = "sha-256 ".to_owned();
    for (index, byte) in hash.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        write!(text, "{colon}{byte:02X}").expect("a String takes all text");
    }
    text
}
