//! What the engine is told of users, so that it can check logins without asking anybody.

use super::account::hashes;
use crate::store::User;

/// Changes that may wait for the engine. When they are as many, requests that would make another
/// one wait for two seconds and are then refused with 503.
pub const USER_CHANGES_MAX: usize = 256;

/// A hash function of SIP digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 2617.
    Md5,
    /// RFC 8760.
    Sha256,
}

/// One way for a user to prove a password or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    /// The hash function.
    pub algorithm: Algorithm,
    /// The realm that is part of the hash.
    pub realm: String,
    /// H(A1) in lower-case hexadecimal.
    pub hash: String,
    /// From this second since 1970 on it proves nothing. `None`: it stays good.
    pub expires_unix_s: Option<u64>,
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ha1({:?} {:?})", self.algorithm, self.expires_unix_s)
    }
}

/// What became of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// The user is there with exactly this; what was known under the name before is void.
    Put {
        /// The user part of the address-of-record.
        name: String,
        /// What others are shown.
        display_name: String,
        /// One per algorithm.
        ha1: Vec<Ha1>,
    },
    /// The user is not there.
    Remove(String),
}

impl UserChange {
    /// The change that makes the engine know `user`.
    pub(super) fn put(user: &User) -> Self {
        let login_expires = user.guest.as_ref().map(|guest| guest.login_expires_unix_s);
        let expires_unix_s = login_expires.map(|at| u64::try_from(at).unwrap_or(0));
        let ha1 = |algorithm, hash: &str| Ha1 {
            algorithm,
            realm: user.hashes.realm.clone(),
            hash: hash.to_owned(),
            expires_unix_s,
        };
        Self::Put {
            name: user.name.clone(),
            display_name: user.display_name.clone(),
            ha1: vec![
                ha1(Algorithm::Sha256, &user.hashes.sha256),
                ha1(Algorithm::Md5, &user.hashes.md5),
            ],
        }
    }
}

/// A named user, to be stored.
pub fn named_user(
    name: &str,
    display_name: &str,
    realm: &str,
    password: &str,
    now_unix_s: i64,
) -> User {
    User {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        hashes: hashes(name, realm, password),
        guest: None,
        created_unix_s: now_unix_s,
    }
}
