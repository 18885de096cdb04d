use std::sync::Arc;

use poai_store::Blocks;

use crate::NetError;

/// Asks the store, on a thread that may wait.
pub(crate) async fn ask<T: Send + 'static>(
    blocks: &Arc<dyn Blocks>,
    question: impl FnOnce(&dyn Blocks) -> T + Send + 'static,
) -> Result<T, NetError> {
    let blocks = blocks.clone();
    match tokio::task::spawn_blocking(move || question(&*blocks)).await {
        Ok(answer) => Ok(answer),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => Err(NetError::ShutDown),
    }
}
