use super::Node;
use crate::errors::Failure;
use crate::gateway::{Gateway, GatewayLimits};

impl Node {
    /// Serves this home's blocks over HTTP, if its operator wants that. Gives the gateway's URL.
    pub(crate) async fn start_gateway(&self) -> Result<Option<String>, Failure> {
        let Some(address) = self.config.gateway.address()? else { return Ok(None) };
        let started = Gateway::start(address, self.store.clone(), GatewayLimits::default()).await;
        let gateway = started.map_err(|error| Failure::address("gateway", address, &error))?;
        Ok(Some(self.gateway.get_or_init(|| gateway).url()))
    }

    /// Where the gateway listens, if there is one.
    pub(super) fn gateway_url(&self) -> Option<String> {
        self.gateway.get().map(Gateway::url)
    }
}
