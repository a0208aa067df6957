//! Who may use the API: whoever has the key, in `Authorization: Bearer KEY`.
//!
//! The key comes from the configuration, or is made at the first start, shown once and kept as a
//! hash. Keys are compared by their hashes in constant time. The right key is always taken,
//! whatever else comes from its address: a key cannot be guessed, so that a limit protects nothing.
//! An address that fails too often is told to wait.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Api;
use super::error::ApiError;
use super::random;
use super::request::Client;

/// Failures per address and window after which it has to wait.
pub const FAILURES_MAX: u32 = 10;
/// The window, in seconds.
pub const FAILURES_WINDOW_S: u64 = 60;

/// The hash of an API key. The key has more randomness than a hash has, so that one round is
/// enough.
#[derive(Clone, Copy)]
pub(super) struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of `key`.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The hash as it was stored. Nothing when it has another size.
    pub fn stored(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    /// The octets to store.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    fn admits(&self, key: &str) -> bool {
        Self::of(key).0.ct_eq(&self.0).into()
    }
}

/// A key of 256 random bits.
///
/// # Errors
/// The system gives no randomness.
pub(super) fn fresh_key() -> Result<String, ApiError> {
    Ok(format!(
        "tp_{}",
        URL_SAFE_NO_PAD.encode(random::octets::<32>()?)
    ))
}

/// Proof that the request came with the key; a handler that takes it is closed to others.
pub(super) struct Authorized;

impl FromRequestParts<Api> for Authorized {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Client(address) = Client::from_request_parts(parts, api).await?;
        let now = api.now();
        let key = bearer(parts);
        if key.is_some_and(|key| api.key.admits(key)) {
            return Ok(Self);
        }
        if let Some(seconds) = api.key_failures.wait(address, now) {
            return Err(ApiError::too_many(
                "too-many-failures",
                "Too many requests without the right API key came from this address.",
                seconds,
            ));
        }
        let refused = match key {
            Some(_) => ApiError::new(
                StatusCode::UNAUTHORIZED,
                "wrong-api-key",
                "The API key is not the one of this server.",
            ),
            None => ApiError::new(
                StatusCode::UNAUTHORIZED,
                "api-key-missing",
                "Send the API key as Authorization: Bearer KEY.",
            ),
        };
        api.key_failures.count(address, now);
        Err(refused)
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| key.trim())
        .filter(|key| !key.is_empty())
}
