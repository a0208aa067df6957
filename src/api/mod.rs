//! The HTTP face: health, metrics, and SIP over WebSocket. One file per resource; the only place
//! that knows axum. Handlers ask the engine through a bounded channel and see none of its types.

mod health;
mod sip_ws;

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::run::engine_loop::Asker;

pub use sip_ws::{LoginTokens, NoTokens, SipWebSocket, router as sip_router};

/// Serves HTTP until `stop` turns true.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    asker: Asker,
    sip: SipWebSocket,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let router = Router::new()
        .merge(health::router())
        .with_state(asker)
        .merge(sip_ws::router(sip));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await
}
