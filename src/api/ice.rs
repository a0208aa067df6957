//! The ICE servers that a browser is told: our own STUN server, others as configured, and TURN
//! servers with credentials that expire.
//!
//! TURN credentials are those of the shared-secret scheme (draft-uberti-behave-turn-rest), which
//! coturn knows as `use-auth-secret`: the user name is `expiry:user`, the password the HMAC-SHA1 of
//! it.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde::Serialize;
use sha1::Sha1;

/// The STUN server that this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnStun {
    /// Where browsers reach it; none: at the host of the page.
    pub address: Option<IpAddr>,
    /// Its UDP port.
    pub port: u16,
}

/// Which servers there are.
#[derive(Clone, Default)]
pub struct IceSettings {
    /// Ours, if it is one.
    pub own_stun: Option<OwnStun>,
    /// `stun:` URLs of others.
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

impl OwnStun {
    /// As RFC 7064 writes it.
    fn url(self, host: &str) -> String {
        match self.address {
            Some(address) => format!("stun:{}", SocketAddr::new(address, self.port)),
            None => format!("stun:{host}:{}", self.port),
        }
    }
}

impl IceSettings {
    /// The servers for one user, who has loaded the page from `host` (RFC 3986: IPv6 addresses in
    /// brackets).
    pub fn servers(&self, host: &str, user: &str, now_unix_s: u64) -> Vec<IceServer> {
        let mut servers = Vec::new();
        let own = self.own_stun.map(|own| own.url(host));
        let urls: Vec<String> = own.into_iter().chain(self.stun_urls.clone()).collect();
        if !urls.is_empty() {
            servers.push(IceServer {
                urls,
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
            own_stun: None,
            stun_urls: vec!["stun:stun.example.org".to_owned()],
            turn_urls: vec!["turn:turn.example.org?transport=udp".to_owned()],
            turn_secret: "north".to_owned(),
            turn_ttl_s: 600,
        };
        let servers = settings.servers("a.example", "guest-a", 1_000);
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
        let nothing = IceSettings::default();
        assert_eq!(nothing.servers("a.example", "guest-a", 1_000), []);
    }

    #[test]
    fn our_own_server_comes_first_and_is_where_browsers_reach_it() {
        let rows = [
            (None, "talk.example.org", "stun:talk.example.org:9000"),
            (None, "[2001:db8::1]", "stun:[2001:db8::1]:9000"),
            (Some("192.0.2.1"), "talk.example.org", "stun:192.0.2.1:9000"),
            (Some("2001:db8::2"), "localhost", "stun:[2001:db8::2]:9000"),
        ];
        for (address, host, url) in rows {
            let settings = IceSettings {
                own_stun: Some(OwnStun {
                    address: address.map(|text| text.parse().expect("an address")),
                    port: 9000,
                }),
                stun_urls: vec!["stun:stun.example.org".to_owned()],
                ..IceSettings::default()
            };
            let servers = settings.servers(host, "guest-a", 1_000);
            assert_eq!(servers.len(), 1, "one entry");
            assert_eq!(servers[0].urls, [url, "stun:stun.example.org"]);
        }
    }
}
