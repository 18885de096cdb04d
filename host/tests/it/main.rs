//! The real program, as users and scripts call it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims; // the same run, the same claim
mod command; // how it is called
mod daemons; // homes with a daemon: detached runs, their ends
mod demo; // the whole story
mod devices; // GPUs, by drivers of software
mod gateway; // blocks over HTTP
#[path = "../../../registry/net/tests/helia/node.rs"]
#[expect(dead_code, reason = "net's tests use the rest")]
mod helia; // a real Helia node
mod kubo; // an IPFS node of the operator's
#[path = "../../../registry/store/tests/it/kubo_server.rs"]
mod kubo_server; // what stands for it
mod model; // models by themselves
mod model_tasks; // tasks with models, beside the models' own libraries
mod models; // models that are here
mod network; // runs between daemons
mod one_build; // both README commands share one build
mod processes; // what the system says of those that run
mod programs; // what is run
mod retention; // what a host keeps for others, and how long
mod runs; // local runs: exit codes, JSON, cache, outputs
mod sampling; // verdicts by a sample
mod settings; // keys, configuration, files and their rights
mod tasks; // the tasks' own workspace
mod words; // what people read
mod zoo; // bad input
