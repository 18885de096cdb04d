use std::sync::Arc;

use serde_json::json;
use toml::Value;

use super::invocation::{Invocation, interrupts};
use super::run_input::multiaddr;
use crate::config::Config;
use crate::control;
use crate::errors::{Exit, Failure, Kind};
use crate::node::{Executor, Honest, Node};

/// Run this home's daemon: serve its content, and take runs of those whom you accept
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An address to listen on; port 0 means any free one
    #[arg(long, value_name = "MULTIADDR", value_parser = multiaddr)]
    listen: Vec<String>,
    /// Whose runs to take: program:CID, package:CID, peer:ID, key:ed25519:… or any
    #[arg(long, value_name = "RULE")]
    accept: Vec<String>,
    /// A peer to connect to
    #[arg(long = "peer", value_name = "MULTIADDR", value_parser = multiaddr)]
    peers: Vec<String>,
    /// Serve this home's blocks over HTTP at this IP:PORT; port 0 means any free one
    #[arg(long, value_name = "ADDR")]
    gateway: Option<String>,
    /// Runs that execute at once
    #[arg(long, value_name = "N")]
    slots: Option<u32>,
    /// Which code computes models; all give the same bits (default: the fastest that the processor has)
    #[arg(long, value_name = "auto|scalar|avx2|avx512|amx|neon")]
    kernels: Option<String>,
    /// What computes models beside the processor: cpu, auto, or a device that `poai devices` shows, by name or UUID
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Multiply-adds from which a product is given to that device
    #[arg(long, value_name = "N")]
    device_from: Option<u32>,
    /// Do not look for peers in the local network
    #[arg(long)]
    no_mdns: bool,
}

pub(super) async fn run(args: Args, invocation: &mut Invocation<'_>) -> Result<Exit, Failure> {
    run_with(args, invocation, Box::new(Honest)).await
}

/// A daemon whose workers execute by way of this.
pub(super) async fn run_with(
    args: Args,
    invocation: &mut Invocation<'_>,
    executor: Box<dyn Executor>,
) -> Result<Exit, Failure> {
    let home = invocation.home()?;
    let mut layers = invocation.layers(&home)?;
    let list = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
    for (flag, key, texts) in [
        ("--listen", "network.listen", args.listen),
        ("--accept", "host.accept", args.accept),
        ("--peer", "network.peers", args.peers),
    ] {
        if !texts.is_empty() {
            layers.add_flag(flag, key, list(texts))?;
        }
    }
    if let Some(slots) = args.slots {
        layers.add_flag("--slots", "host.slots", i64::from(slots))?;
    }
    if let Some(address) = args.gateway {
        layers.add_flag("--gateway", "gateway.listen", address)?;
    }
    if let Some(kernels) = args.kernels {
        layers.add_flag("--kernels", "numerics.kernels", kernels)?;
    }
    if let Some(device) = args.device {
        layers.add_flag("--device", "numerics.device", device)?;
    }
    if let Some(least) = args.device_from {
        layers.add_flag("--device-from", "numerics.device_from", i64::from(least))?;
    }
    if args.no_mdns {
        layers.add_flag("--no-mdns", "network.mdns", false)?;
    }
    let config = Config::from_layers(&layers)?;
    invocation.start_log(&config)?;
    let stop = interrupts()?;
    let Some(lock) = home.lock()? else {
        let owner = home.owner().map_or_else(|| "another process".to_owned(), |owner| format!("process {owner}"));
        return Err(Failure::new(Kind::HomeBusy, format!("{} is in use by {owner}", home.root().display()))
            .hint("a home has one daemon: stop that one with `poai stop`, or choose another with --home"));
    };
    let node = Arc::new(Node::open(home.clone(), lock, config, executor).await?);
    let served = serve(&node, &home, &stop, invocation).await;
    node.close().await;
    served.map(|()| Exit::Done)
}

async fn serve(
    node: &Arc<Node>,
    home: &crate::home::Home,
    stop: &tokio_util::sync::CancellationToken,
    invocation: &mut Invocation<'_>,
) -> Result<(), Failure> {
    // A device that was named and does not serve ends this at once.
    let device = node.accelerator().await?.map(|chosen| chosen.name().to_owned());
    let gateway = node.start_gateway().await?;
    let (peer, addresses) = node.start_hosting().await?;
    let listener = control::listen(home)?;
    let mut value = json!({ "peer": peer, "addresses": addresses });
    let mut words = format!(
        "peer  {peer}\n{}",
        addresses.iter().map(|address| format!("listens on  {address}\n")).collect::<String>()
    );
    if let Some(device) = device {
        words.push_str(&format!("computes on  {device}\n"));
        value["device"] = device.into();
    }
    if let Some(gateway) = gateway {
        words.push_str(&format!("gateway at  {gateway}\n"));
        value["gateway"] = gateway.into();
    }
    invocation.screen.value(&value, &words);
    control::serve(node.clone(), home, listener, stop.clone()).await
}
