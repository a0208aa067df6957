//! Short-lived logins of guests: JSON Web Tokens (RFC 7519), HS256 only, signed with a secret of
//! this installation. A token is either in the URL of the WebSocket or the password of SIP digest.

use chrono::{DateTime, Utc};
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt as _, Claims, Header, UntrustedToken};
use serde::{Deserialize, Serialize};

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 2_048;

#[derive(Serialize, Deserialize)]
struct Ours {
    sub: String,
    room: String,
    jti: String,
}

/// What a token says, once its signature has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The room of the invitation.
    pub room: String,
    /// From this second on it is no login any more.
    pub expires_unix_s: u64,
}

/// Why a token is no login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, or not one that was signed here.
    #[error("the token was not issued by this server")]
    Invalid,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
}

/// Issues and checks tokens.
pub struct Tokens {
    key: Hs256Key,
}

impl Tokens {
    /// Tokens signed with `secret`.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            key: Hs256Key::new(secret),
        }
    }

    /// A token for `login`. `id` makes two tokens of the same second differ. Nothing when a time is
    /// beyond what a calendar holds.
    pub fn issue(&self, login: &Login, issued_unix_s: u64, id: String) -> Option<String> {
        let mut claims = Claims::new(Ours {
            sub: login.username.clone(),
            room: login.room.clone(),
            jti: id,
        });
        claims.issued_at = Some(instant(issued_unix_s)?);
        claims.expiration = Some(instant(login.expires_unix_s)?);
        let header = Header::empty().with_token_type("JWT");
        Hs256.token(&header, &claims, &self.key).ok()
    }

    /// Who may log in with the token at `now_unix_s`.
    ///
    /// # Errors
    /// [`TokenError`] of both kinds.
    pub fn check(&self, token: &str, now_unix_s: u64) -> Result<Login, TokenError> {
        let login = self.check_signature(token)?;
        if now_unix_s >= login.expires_unix_s {
            return Err(TokenError::Expired);
        }
        Ok(login)
    }

    /// Whose token it is or was.
    ///
    /// # Errors
    /// [`TokenError::Invalid`].
    pub fn check_signature(&self, token: &str) -> Result<Login, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let untrusted = UntrustedToken::new(token).map_err(|_| TokenError::Invalid)?;
        let token = Hs256
            .validator::<Ours>(&self.key)
            .validate(&untrusted)
            .map_err(|_| TokenError::Invalid)?;
        let claims = token.claims();
        let expires = claims.expiration.ok_or(TokenError::Invalid)?;
        Ok(Login {
            username: claims.custom.sub.clone(),
            room: claims.custom.room.clone(),
            expires_unix_s: u64::try_from(expires.timestamp()).unwrap_or(0),
        })
    }
}

fn instant(unix_s: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(unix_s).ok()?, 0)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, Mac as _};

    use super::*;

    const SECRET: &[u8] = b"thirty-two octets that nobody has";

    fn signed(header: &str, claims: &str, secret: &[u8]) -> String {
        let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let input = parts.join(".");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).expect("any length");
        mac.update(input.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{input}.{tag}")
    }

    #[test]
    fn what_is_issued_is_a_login_until_its_second() {
        let tokens = Tokens::new(SECRET);
        let login = Login {
            username: "guest-a".to_owned(),
            room: "1234".to_owned(),
            expires_unix_s: 2_000,
        };
        let token = tokens.issue(&login, 1_000, "x".to_owned()).expect("issued");
        assert_eq!(tokens.check(&token, 1_999), Ok(login.clone()));
        assert_eq!(tokens.check(&token, 2_000), Err(TokenError::Expired));
        assert_eq!(tokens.check_signature(&token), Ok(login.clone()));
        let other = Tokens::new(b"another secret of another place!");
        assert_eq!(other.check(&token, 1_999), Err(TokenError::Invalid));
        let again = tokens.issue(&login, 1_000, "y".to_owned()).expect("issued");
        assert_ne!(token, again);
    }

    #[test]
    fn only_tokens_of_ours_are_believed() {
        let tokens = Tokens::new(SECRET);
        let hs256 = r#"{"alg":"HS256","typ":"JWT"}"#;
        let claims = r#"{"sub":"guest-a","room":"1234","iat":1,"exp":2000,"jti":"x"}"#;
        let good = signed(hs256, claims, SECRET);
        assert!(tokens.check(&good, 1_000).is_ok());
        let unsigned = signed(r#"{"alg":"none"}"#, claims, SECRET);
        for (what, token) in [
            ("empty", String::new()),
            ("words", "not a token".to_owned()),
            (
                "no signature",
                good.rsplit_once('.').expect("dots").0.to_owned(),
            ),
            (
                "empty signature",
                format!("{}.", good.rsplit_once('.').expect("dots").0),
            ),
            ("alg none", unsigned),
            (
                "another algorithm",
                signed(r#"{"alg":"HS512"}"#, claims, SECRET),
            ),
            ("another secret", signed(hs256, claims, b"guess")),
            (
                "no subject",
                signed(hs256, r#"{"room":"1","exp":2000,"jti":"x"}"#, SECRET),
            ),
            (
                "no end",
                signed(hs256, r#"{"sub":"a","room":"1","jti":"x"}"#, SECRET),
            ),
            ("too long", format!("{good}{}", "A".repeat(TOKEN_BYTES_MAX))),
        ] {
            assert_eq!(
                tokens.check(&token, 1_000),
                Err(TokenError::Invalid),
                "{what}"
            );
        }
    }
}
