//! What the operator chose: defaults, then the home's file, then the environment, then flags.
//!
//! [`default.toml`](DEFAULT_TOML) is the one list of keys: documentation, defaults and the
//! types of values come from it, and a key that is not in it is refused.

mod layers;

use std::net::{IpAddr, SocketAddr};

use poai_sandbox::Kernels;
use serde::Deserialize;

pub(crate) use layers::Layers;

use crate::errors::{Failure, Kind};

/// The commented defaults, which are also the documentation.
pub(crate) const DEFAULT_TOML: &str = include_str!("default.toml");

/// Threads that may compute one run's models: a worker may have no more.
const MAX_THREADS: usize = 48;

/// Everything that can be configured, in force for one command or daemon.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) host: HostConfig,
    pub(crate) network: NetworkConfig,
    pub(crate) gateway: GatewayConfig,
    pub(crate) store: StoreConfig,
    pub(crate) cache: CacheConfig,
    pub(crate) numerics: NumericsConfig,
    pub(crate) log: LogConfig,
}

/// What this machine does for others, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostConfig {
    pub(crate) slots: usize,
    pub(crate) queue: usize,
    pub(crate) runs_per_peer: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) run_memory_bytes: u64,
    pub(crate) run_timeout_s: u64,
    pub(crate) optimise: bool,
    pub(crate) accept: Vec<String>,
    pub(crate) price: u64,
    pub(crate) device_price: u64,
}

/// How peers are met.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkConfig {
    pub(crate) listen: Vec<String>,
    pub(crate) peers: Vec<String>,
    pub(crate) mdns: bool,
    pub(crate) patience_s: u64,
    pub(crate) silence_s: u64,
    pub(crate) quarantine_s: u64,
}

/// Blocks over HTTP, for those who check them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayConfig {
    pub(crate) listen: String,
}

impl GatewayConfig {
    /// Where the gateway listens; none if there is to be none.
    pub(crate) fn address(&self) -> Result<Option<SocketAddr>, Failure> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        self.listen.parse().map(Some).map_err(|_| {
            Failure::new(
                Kind::Config,
                format!("gateway.listen is {:?}, but must be an IP address and a port", self.listen),
            )
            .hint("write it as 127.0.0.1:8080 or [::1]:8080; port 0 means any free one")
        })
    }
}

/// What is kept on disk, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreConfig {
    pub(crate) quota_bytes: u64,
    pub(crate) retention_s: u64,
    pub(crate) effect_bytes: u64,
    pub(crate) kubo: String,
}

impl StoreConfig {
    /// Where the RPC API of the operator's Kubo node is, as `HOST:PORT`; none if there is none.
    pub(crate) fn kubo_address(&self) -> Result<Option<String>, Failure> {
        if self.kubo.is_empty() {
            return Ok(None);
        }
        let refused = |reason: &str| {
            Failure::new(Kind::Config, format!("store.kubo is {:?}, but {reason}", self.kubo))
                .hint("write it as http://127.0.0.1:5001 or http://NAME:5001")
        };
        let address = self.kubo.strip_prefix("http://").ok_or_else(|| refused("must begin with http://"))?;
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, port) = address.rsplit_once(':').ok_or_else(|| refused("must end in a port"))?;
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(refused("must end in a port"));
        }
        let ip = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse::<IpAddr>();
        match ip {
            Ok(ip) if ip.is_loopback() => {}
            // Whoever reaches this API owns the node, and nothing on the way is encrypted or signed.
            Ok(_) => return Err(refused("an address of another machine is not safe to talk to without encryption")),
            Err(_) if is_host_name(host) => {}
            Err(_) => return Err(refused("has no host's name or address")),
        }
        Ok(Some(address.to_owned()))
    }
}

/// Whether a text may be the name of a host: letters, digits, hyphens and dots.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Which answers are reused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CacheConfig {
    pub(crate) trusted_keys: Vec<String>,
    pub(crate) verdicts: usize,
    pub(crate) compiled_bytes: u64,
    pub(crate) mapped_bytes: u64,
}

/// How models are computed: nothing here changes a result.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumericsConfig {
    pub(crate) kernels: String,
    pub(crate) threads: usize,
    /// `cpu`, `auto`, or a device by its name or UUID.
    pub(crate) device: String,
    /// Fused steps below which a product stays on the processor.
    pub(crate) device_from: u64,
}

impl NumericsConfig {
    /// The kernels, if this machine has them.
    pub(crate) fn kernels(&self) -> Result<Kernels, Failure> {
        let available = Kernels::available();
        let known = self.kernels.parse().ok();
        known.filter(|kernels| *kernels == Kernels::Auto || available.contains(kernels)).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(Kernels::to_string).collect();
            let message =
                format!("numerics.kernels is {:?}, and this machine has auto, {}", self.kernels, names.join(", "));
            Failure::new(Kind::Config, message)
        })
    }
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    pub(crate) level: String,
    pub(crate) file: String,
}

impl Config {
    /// The values that the layers come to.
    pub(crate) fn from_layers(layers: &Layers) -> Result<Self, Failure> {
        let config: Self = layers.merged().try_into().map_err(|error: toml::de::Error| {
            Failure::new(Kind::Config, format!("the configuration: {}", error.message()))
        })?;
        config.check()?;
        Ok(config)
    }

    /// What the values' types alone cannot say.
    fn check(&self) -> Result<(), Failure> {
        self.gateway.address()?;
        self.store.kubo_address()?;
        self.numerics.kernels()?;
        if self.numerics.threads > MAX_THREADS {
            let message = format!("numerics.threads is {}, but must be at most {MAX_THREADS}", self.numerics.threads);
            return Err(Failure::new(Kind::Config, message));
        }
        let trusted = self.cache.trusted_keys.len();
        if trusted > 0 && !(1..=trusted).contains(&self.cache.verdicts) {
            let message = format!(
                "cache.verdicts is {}, but must lie between 1 and the {trusted} trusted keys",
                self.cache.verdicts
            );
            return Err(Failure::new(Kind::Config, message));
        }
        for (key, value) in [
            ("host.run_timeout_s", self.host.run_timeout_s),
            ("network.patience_s", self.network.patience_s),
            ("network.silence_s", self.network.silence_s),
            ("network.quarantine_s", self.network.quarantine_s),
        ] {
            if value == 0 || value > 366 * 24 * 3600 {
                return Err(Failure::new(
                    Kind::Config,
                    format!("{key} is {value}, but must lie between 1 second and a year"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl Default for Config {
    fn default() -> Self {
        Self::from_layers(&Layers::default()).expect("the defaults are valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_valid() {
        let config = Config::default();
        assert!(config.host.accept.is_empty(), "a host takes nobody's runs unless its operator says so");
        assert_eq!(config.store.retention_s, 24 * 3600);
    }

    #[test]
    fn a_kubo_node_is_near_or_has_a_name() {
        for (text, expected) in [
            ("", Ok(None)),
            ("http://127.0.0.1:5001", Ok(Some("127.0.0.1:5001"))),
            ("http://[::1]:5001/", Ok(Some("[::1]:5001"))),
            ("http://kubo.local:5001", Ok(Some("kubo.local:5001"))),
            ("127.0.0.1:5001", Err("must begin with http://")),
            ("https://127.0.0.1:5001", Err("must begin with http://")),
            ("http://127.0.0.1", Err("must end in a port")),
            ("http://127.0.0.1:0", Err("must end in a port")),
            ("http://127.0.0.1:5001/api/v0", Err("must end in a port")),
            ("http://192.0.2.1:5001", Err("not safe")),
            ("http://[2001:db8::1]:5001", Err("not safe")),
            ("http://user@kubo:5001", Err("no host's name")),
            ("http://:5001", Err("no host's name")),
        ] {
            let config = StoreConfig { kubo: text.into(), ..Config::default().store };
            match (config.kubo_address(), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
                (Err(error), Err(words)) => assert!(error.message.contains(words), "{text}: {}", error.message),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn impossible_values_are_refused() {
        for (text, words) in [
            ("[cache]\ntrusted_keys = [\"a\"]\nverdicts = 2", "cache.verdicts is 2"),
            ("[host]\nrun_timeout_s = 0", "host.run_timeout_s is 0"),
            ("[numerics]\nkernels = \"sse9\"", "numerics.kernels is \"sse9\", and this machine has auto, "),
            ("[numerics]\nthreads = 49", "numerics.threads is 49"),
            ("[gateway]\nlisten = \"8080\"", "gateway.listen is \"8080\""),
            ("[host]\nslots = -1", "the configuration: invalid value: integer `-1`, expected usize"),
        ] {
            let mut layers = Layers::default();
            layers.add_file("config.toml", text).unwrap();
            let error = Config::from_layers(&layers).unwrap_err();
            assert!(error.message.starts_with(words), "{}", error.message);
        }
    }
}
