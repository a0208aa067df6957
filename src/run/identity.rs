//! Makes the certificate of our side of DTLS: over P-256, signed by itself, another one in each run
//! of the process.

use anyhow::Context as _;
use rtc::crypto;
use rtc::dtls::crypto::Certificate;

use crate::media::Identity;

/// What we name in the certificate. Nobody reads it: the fingerprint counts.
const SUBJECT: &str = "talkpath";

/// Makes a new one, from the randomness of the crypto library.
///
/// # Errors
/// When the crypto library gives no key.
pub fn generate() -> anyhow::Result<Identity> {
    let provider = crypto::default_provider().context("no crypto library for DTLS")?;
    let certificate =
        Certificate::generate_self_signed(vec![SUBJECT.to_owned()], provider.crypto())
            .context("cannot make a certificate for DTLS")?;
    Ok(Identity::new(provider, &certificate)?)
}
