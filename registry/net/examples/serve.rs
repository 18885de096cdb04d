//! Serves the blocks of a store to anybody, until its standard input ends.
//!
//! `serve STORE SEED`: the store's folder, and a number from 0 to 255 that the key is made of. Prints
//! its address when it is ready. A key that is to be kept is made of 32 random bytes instead.

use std::io::Read;
use std::sync::Arc;

use poai_net::{Identity, Net, NetConfig};
use poai_store::{Store, StoreLimits};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(seed)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve STORE SEED".into());
    };
    let store = Store::open(folder, StoreLimits::default())?;
    let mut config = NetConfig::new(Identity::from_seed([seed.parse()?; 32]));
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".parse()?];
    let net = Net::start(config, Arc::new(store)).await?;
    announce(&net).await?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    net.shut_down().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "whoever started this waits for the line")]
async fn announce(net: &Net) -> Result<(), Box<dyn std::error::Error>> {
    println!("{}", net.addresses().await?.first().ok_or("it listens nowhere")?);
    Ok(())
}
