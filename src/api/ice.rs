//! The ICE servers that a browser is told: STUN servers as configured, and TURN servers with
//! credentials that expire.
//!
//! TURN credentials are those of the shared-secret scheme (draft-uberti-behave-turn-rest), which
//! coturn knows as `use-auth-secret`: the user name is `expiry:user`, the password the HMAC-SHA1 of
//! it. No server of either kind is in here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha1::Sha1;

/// Which servers there are.
#[derive(Clone, Default)]
pub struct IceSettings {
    /// `stun:` URLs.
    pub stun_urls: Vec<String>,
    /// `turn:` and `turns:` URLs.
    pub turn_urls: Vec<String>,
    /// What we share with the TURN servers.
    pub turn_secret: String,
    /// How long TURN credentials are good, in seconds.
    pub turn_ttl_s: u32,
}

/// One entry of `RTCConfiguration.iceServers`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// Where it is.
    pub urls: Vec<String>,
    /// TURN only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl IceSettings {
    /// The servers for one user.
    pub fn servers(&self, user: &str, now_unix_s: u64) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.stun_urls.is_empty() {
            servers.push(IceServer {
                urls: self.stun_urls.clone(),
                username: None,
                credential: None,
            });
        }
        if !self.turn_urls.is_empty() {
            let expiry = now_unix_s.saturating_add(u64::from(self.turn_ttl_s));
            let username = format!("{expiry}:{user}");
            servers.push(IceServer {
                urls: self.turn_urls.clone(),
                credential: Some(credential(&self.turn_secret, &username)),
                username: Some(username),
            });
        }
        servers
    }
}

fn credential(secret: &str, username: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes())
        .expect("HMAC takes a key of any length (RFC 2104 §2)");
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_credentials_are_those_that_coturn_computes() {
        let settings = IceSettings {
            stun_urls: vec!["stun:stun.example.org".to_owned()],
            turn_urls: vec!["turn:turn.example.org?transport=udp".to_owned()],
            turn_secret: "north".to_owned(),
            turn_ttl_s: 600,
        };
        let servers = settings.servers("guest-a", 1_000);
        assert_eq!(servers.len(), 2);
        assert_eq!(
            (&servers[0].username, &servers[0].credential),
            (&None, &None)
        );
        assert_eq!(servers[1].username.as_deref(), Some("1600:guest-a"));
        // echo -n 1600:guest-a | openssl dgst -binary -sha1 -hmac north | openssl base64
        assert_eq!(
            servers[1].credential.as_deref(),
            Some("4hfPT/2YypghUrdvGqkuGrpC9ws=")
        );
        assert_eq!(IceSettings::default().servers("guest-a", 1_000), []);
    }
}
