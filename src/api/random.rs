//! Randomness of the system, in the forms that names and secrets take.

use rand_core::{OsRng, TryRngCore as _};

use super::error::ApiError;

/// Letters of names that nobody is to guess.
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Random octets.
///
/// # Errors
/// The system gives none.
pub(super) fn octets<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut octets = [0; N];
    OsRng
        .try_fill_bytes(&mut octets)
        .map_err(|error| ApiError::internal(format!("no randomness: {error}")))?;
    Ok(octets)
}

/// `count` characters of `a` to `z` and `0` to `9`, each as likely as the others.
///
/// # Errors
/// The system gives no randomness.
pub(super) fn name(count: usize) -> Result<String, ApiError> {
    // 252 is the largest multiple of 36 in an octet; what lies above would favour some letters.
    const FAIR: u8 = 252;
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let fair = octets::<32>()?.into_iter().filter(|octet| *octet < FAIR);
        let letters = fair.filter_map(|octet| LETTERS.get(usize::from(octet) % LETTERS.len()));
        text.extend(letters.take(count - text.len()).map(|l| char::from(*l)));
    }
    Ok(text)
}

/// 16 hexadecimal digits.
///
/// # Errors
/// The system gives no randomness.
pub(super) fn hexadecimal() -> Result<String, ApiError> {
    Ok(format!("{:016x}", u64::from_be_bytes(octets()?)))
}
