//! The poai program: daemon, command line, scheduler and verifier.
//!
//! [`cli`] reads the command line and the environment, and asks a [`node::Node`] by the one
//! [`control::Request`]: the node in this process, or the daemon's over its socket. `render` is the only
//! part that prints. A worker is this same program, started with the hidden command `worker`.

mod accelerator; // the device that computes models beside the processor
mod attempts; // runs under way, and their logs
mod claim_cache; // which known claims answer for a run
mod cli; // one command a file
mod clock; // this machine's time
mod config; // what the operator chose
mod content; // inputs for the sandbox, from the store
mod control; // requests and answers, in-process and over the socket
mod demo; // the whole story, between real processes
mod errors; // kinds of failure, exit codes, hints
mod events; // what happens, as data
mod gateway; // blocks over HTTP, for those who check them
mod home; // where everything lies, and who owns it
mod keys; // account, host, this disk's secret
mod model_file; // a model, and the weights beside it
mod nearest; // near misses of names
mod node; // the service behind every command
mod npy; // tensors as NumPy's files
mod output_folder; // outputs as files
mod output_sink; // outputs from the sandbox, into the store
mod package_file; // package.toml
mod policy; // whose runs are taken
mod program_file; // a component or module from disk
mod recording; // effects' results, kept and recalled
mod records; // names, attempts, claims, statements
mod render; // the only place that prints
mod scheduler; // slots, memory, queue
mod shelf; // objects in the store
mod tensor_folder; // a model's results as files
mod toml_line; // where a TOML error lies
mod whole_files; // models for workers to map

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything confines itself: a filter of system calls may end a process for asking.
    poai_numerics::prepare();
    // A worker restricts itself before anything else happens in its process.
    if std::env::args_os().nth(1).is_some_and(|command| command == cli::WORKER_COMMAND) {
        return cli::worker::main();
    }
    if std::env::args_os().nth(1).is_some_and(|command| command == cli::DEVICE_PROOF_COMMAND) {
        return cli::device_proof::main();
    }
    poai_sandbox::prepare_kernels();
    ExitCode::from(cli::main() as u8)
}
