//! The HTTP face: health and metrics. One file per resource; the only place that knows axum.
//! Handlers ask the engine through a bounded channel and see none of its types.

mod health;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::run::engine_loop::Asker;

/// Serves HTTP until `stop` turns true.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    asker: Asker,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let router = Router::new().merge(health::router()).with_state(asker);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone, which is a stop too.
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await
}
