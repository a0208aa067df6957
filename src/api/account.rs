//! What a user's name, display name and password may be, and the hashes that SIP digest needs.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use crate::display_name::{self, is_forbidden};
use crate::engine::GUEST_PREFIX;
use crate::store::Hashes;

/// Longest password, in characters.
pub const PASSWORD_MAX: usize = 128;

/// Checks the name of a named user.
///
/// # Errors
/// `invalid-username`.
pub fn check_username(name: &str) -> Result<(), ApiError> {
    let invalid = |message| Err(ApiError::unprocessable("invalid-username", message));
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    let first = name.bytes().next().is_some_and(|b| b != b'_' && b != b'-');
    if !first || !(3..=50).contains(&name.len()) || !name.bytes().all(inner) {
        return invalid(
            "A username has 3 to 50 of a-z, 0-9, _ and -, and begins with a letter or a digit.",
        );
    }
    if name.starts_with(GUEST_PREFIX) {
        return invalid("Usernames that begin with guest- are for guests.");
    }
    Ok(())
}

/// Checks a display name.
///
/// # Errors
/// `invalid-display-name`.
pub fn check_display_name(name: &str) -> Result<(), ApiError> {
    let invalid = |message| Err(ApiError::unprocessable("invalid-display-name", message));
    if name.trim().is_empty() {
        return invalid("A display name may not be empty.");
    }
    if name.chars().count() > display_name::CHARS_MAX {
        return invalid("A display name has 255 characters at most.");
    }
    if name.chars().any(is_forbidden) {
        return invalid("A display name may not contain control characters.");
    }
    Ok(())
}

/// Checks a new password.
///
/// # Errors
/// `invalid-password`.
pub fn check_password(password: &str) -> Result<(), ApiError> {
    let length = password.chars().count();
    let has = |test: fn(char) -> bool| password.chars().any(test);
    let mixed = has(char::is_uppercase)
        && has(char::is_lowercase)
        && has(|c| c.is_numeric())
        && has(|c| !c.is_alphanumeric());
    if (8..=PASSWORD_MAX).contains(&length) && mixed && !has(char::is_control) {
        return Ok(());
    }
    Err(ApiError::unprocessable(
        "invalid-password",
        "A password has 8 to 128 characters, among them an upper-case letter, a lower-case letter, \
         a digit and a special character, and no control character.",
    ))
}

/// Whether `id` can be a room: 3 to 64 letters and digits.
pub fn is_room_id(id: &str) -> bool {
    (3..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// H(A1) of RFC 7616 §3.4.2 for both algorithms.
pub fn hashes(name: &str, realm: &str, password: &str) -> Hashes {
    let a1 = format!("{name}:{realm}:{password}");
    Hashes {
        realm: realm.to_owned(),
        md5: format!("{:x}", Md5::digest(&a1)),
        sha256: format!("{:x}", Sha256::digest(&a1)),
    }
}

#[cfg(test)]
mod tests {
    use super::hashes;

    #[test]
    fn hashes_are_those_of_the_examples_in_rfc_7616() {
        // §3.9.1; the RFC gives responses, so they are built of the hashes here.
        use md5::{Digest as _, Md5};
        let hashes = hashes("Mufasa", "http-auth@example.org", "Circle of Life");
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v:00000001:\
                     f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ:auth";
        let a2 = format!("{:x}", Md5::digest("GET:/dir/index.html"));
        let response = format!("{:x}", Md5::digest(format!("{}:{nonce}:{a2}", hashes.md5)));
        assert_eq!(response, "8ca523f5e9506fed4657c9700eebdbec");
        let a2 = format!("{:x}", sha2::Sha256::digest("GET:/dir/index.html"));
        let text = format!("{}:{nonce}:{a2}", hashes.sha256);
        assert_eq!(
            format!("{:x}", sha2::Sha256::digest(text)),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }
}
