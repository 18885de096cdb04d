//! `wasi:random`: each interface has a stream of its own.

use super::super::Guest;
use super::super::bindings::wasi::random::{insecure, insecure_seed, random};
use super::super::meter::Meter;
use super::super::random::Stream;
use super::super::stop::Stop;

/// Random bytes of one call: what a host is ready to hold for it.
const MAX_BYTES: u64 = 64 << 20;

fn bytes(meter: &mut Meter, stream: &mut Stream, length: u64) -> Result<Vec<u8>, Stop> {
    meter.charge_bytes(length)?;
    if length > MAX_BYTES {
        return Err(Stop::Abi { rule: "one call gives at most 64 MiB of random bytes" });
    }
    let mut bytes = vec![0; usize::try_from(length).expect("the limit fits")];
    stream.fill(&mut bytes);
    Ok(bytes)
}

impl random::Host for Guest {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(bytes(&mut self.meter, &mut self.random.secure, length)?)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.secure.next_u64())
    }
}

impl insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(bytes(&mut self.meter, &mut self.random.insecure, length)?)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.insecure.next_u64())
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        let stream = &mut self.random.insecure_seed;
        Ok((stream.next_u64(), stream.next_u64()))
    }
}
