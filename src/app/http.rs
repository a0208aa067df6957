//! Store and HTTP face: opens both as the configuration says.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use futures_util::StreamExt as _;
use futures_util::stream::poll_fn;
use tokio::sync::mpsc;

use crate::api::{
    Algorithm, Api, IceSettings, Origin, OwnStun, Settings, USER_CHANGES_MAX, UserChange,
};
use crate::config::{Config, PublicUrl, Secret};
use crate::engine::Input;
use crate::run::health::Health;
use crate::run::queues::Users;
use crate::run::stun_socket::StunSocket;
use crate::sip;
use crate::store::Store;
use crate::web::Pages;

/// Wins over `api.key`.
const KEY_VARIABLE: &str = "TALKPATH_API_KEY";
/// Wins over `turn.secret`.
const TURN_SECRET_VARIABLE: &str = "TALKPATH_TURN_SECRET";
/// The realm of SIP digest: part of every stored hash, so passwords would end if it changed.
pub(super) const REALM: &str = sip::DEFAULT_REALM;

/// Seconds since 1970.
pub(super) fn unix_s() -> u64 {
    super::unix_time().as_secs()
}

/// Opens the store and what serves HTTP on it. `usual_number` is what pages show when the
/// configuration names no number to dial. Gives the API key too when it was made just now, and the
/// users that the engine is to know as they come and go. Starts the STUN server that guests are
/// told.
///
/// # Errors
/// The store or the STUN server's port cannot be opened, or a secret is missing.
pub(super) async fn open(
    config: &Config,
    usual_number: Option<&str>,
) -> anyhow::Result<(Api, Option<String>, Users)> {
    let mut settings = settings(config)?;
    settings.ice.own_stun = serve_stun(config).await?;
    settings.phone_number = settings.phone_number.or(usual_number.map(str::to_owned));
    let store = Store::open(&config.data_dir).await?;
    let (changes, mut changed) = mpsc::channel(USER_CHANGES_MAX);
    let (api, fresh_key) = Api::open(
        settings,
        store,
        Health::default(),
        Arc::new(unix_s),
        changes,
    )
    .await
    .map_err(|error| anyhow!(error.log.unwrap_or(error.message)))?;
    let users = poll_fn(move |context| changed.poll_recv(context)).map(user_input);
    Ok((api, fresh_key, Box::pin(users)))
}

fn user_input(change: UserChange) -> Input {
    let (name, display_name, ha1) = match change {
        UserChange::Put {
            name,
            display_name,
            ha1,
        } => (name, display_name, ha1),
        UserChange::Remove(name) => return Input::RemoveUser(name),
    };
    let ha1 = ha1.into_iter().map(|ha1| sip::Ha1 {
        algorithm: match ha1.algorithm {
            Algorithm::Md5 => sip::Algorithm::Md5,
            Algorithm::Sha256 => sip::Algorithm::Sha256,
        },
        realm: ha1.realm,
        hash: ha1.hash,
        expires_unix_s: ha1.expires_unix_s,
    });
    Input::PutUser(Box::new(sip::User {
        name,
        display_name,
        ha1: ha1.collect(),
    }))
}

/// What the person who started the engine is told of a new API key.
pub(super) fn key_notice(key: &str) -> String {
    format!(
        "API key, shown this once: {key}\n\
         Only its hash is kept. Set api.key or TALKPATH_API_KEY to choose another."
    )
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let turn_secret = secret(TURN_SECRET_VARIABLE, config.turn.secret.as_ref());
    if !config.turn.urls.is_empty() && turn_secret.is_none() {
        bail!("turn.urls: set turn.secret or {TURN_SECRET_VARIABLE} too");
    }
    let public_origin = config.http.public_url.as_ref().map(|url| Origin {
        secure: url.secure,
        authority: url.authority.clone(),
    });
    Ok(Settings {
        public_origin,
        proxies: config.http.proxies.clone(),
        origins: config.http.origins.iter().map(PublicUrl::origin).collect(),
        domain: config.sip.domain.clone(),
        realm: REALM.to_owned(),
        key: secret(KEY_VARIABLE, config.api.key.as_ref()),
        token_s: config.api.token_s,
        guest_s: config.api.guest_s,
        guests_max: config.api.guests_max,
        joins_per_minute: config.api.joins_per_minute,
        connections_max: config.http.connections_max as usize,
        connections_per_address_max: config.http.connections_per_address_max as usize,
        phone_number: config
            .api
            .phone_number
            .as_ref()
            .map(|number| number.0.clone()),
        ice: IceSettings {
            own_stun: None,
            stun_urls: config.stun.urls.clone(),
            turn_urls: config.turn.urls.clone(),
            turn_secret: turn_secret.unwrap_or_default(),
            turn_ttl_s: config.turn.ttl_s,
        },
        pages: Pages::embedded(),
    })
}

/// Starts the STUN server, if there is to be one. An address that is bound by itself is reached by
/// itself.
async fn serve_stun(config: &Config) -> anyhow::Result<Option<OwnStun>> {
    if !config.stun.serve {
        return Ok(None);
    }
    let address = config.stun.listen;
    let socket = StunSocket::bind(address).await.with_context(|| {
        format!(
            "stun.listen: cannot listen on {address}; choose another port, or set stun.serve=false"
        )
    })?;
    let port = socket.port()?;
    tokio::spawn(socket.serve());
    let bound = Some(address.ip()).filter(|address| !address.is_unspecified());
    Ok(Some(OwnStun {
        address: config.media.address.or(bound),
        port,
    }))
}

/// The environment wins over the file. An empty variable counts as none.
fn secret(variable: &str, configured: Option<&Secret>) -> Option<String> {
    let given = std::env::var(variable).ok().filter(|text| !text.is_empty());
    given.or_else(|| configured.map(|secret| secret.0.clone()))
}

/// Takes the names of guests that scenarios have done with.
pub(super) fn remover(api: Api) -> mpsc::Sender<String> {
    let (names, mut removals) = mpsc::channel(REMOVALS_MAX);
    tokio::spawn(async move {
        while let Some(name) = removals.recv().await {
            if let Err(error) = api.remove_user(name).await {
                // A store that is not well has said so.
                tracing::debug!(
                    ?error,
                    "A guest was not removed; it goes when its time is over"
                );
            }
        }
    });
    names
}

/// Guests that may wait to be removed; one more is left to expire.
const REMOVALS_MAX: usize = 256;
