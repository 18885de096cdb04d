//! poai's objects: what is named, signed, stored and sent.
//!
//! A [`Run`] describes one execution completely; its id is the CID of that description. A [`Claim`]
//! is what a run produced, deterministic fields only, so that two honest hosts make byte-identical
//! claims and a claim's CID *is* the agreement. A [`Receipt`] is a claim signed by a host, a
//! [`Verdict`] is a verifier's signed answer to it, a [`SampledVerdict`] a cheaper and weaker one.
//!
//! Every object is DAG-CBOR `{body, kind, version}` under a CIDv1 of sha2-256 ([`codec`]); signed
//! ones sit in an [`Envelope`]. Numbers are integers: no float has a canonical form worth an id. What
//! [`Object::seal`] makes, [`Object::from_bytes`] takes, and nothing else.
//!
//! Parameters come from people, so [`Params`] takes any JSON object, makes it canonical, and checks it
//! against its package's schema.
//!
//! Nothing here does I/O, reads a clock, draws randomness or waits. Nothing here knows of wasmtime,
//! of the network, or of the store.

mod claim;
pub mod codec;
mod delegation;
mod engine;
mod envelope;
mod error;
mod id;
mod json;
mod key;
mod name;
mod nearest;
mod offer;
mod outcome;
mod package;
mod params;
mod program;
mod receipt;
mod run;
mod sampled_verdict;
mod scan;
mod schema;
mod trace;
mod verdict;

pub use claim::{Claim, Field};
pub use codec::{DecodeLimits, Object};
pub use delegation::Delegation;
pub use engine::EngineName;
pub use envelope::{Envelope, Signed};
pub use error::ObjectError;
pub use id::{
    ClaimId, DelegationId, EnvelopeId, Link, OfferId, PackageId, ProgramId, ReceiptId, RunId, SampledVerdictId,
    TraceChunkId, TraceId, VerdictId,
};
pub use key::{PublicKey, SecretKey, Signature};
pub use name::{InputName, OutputName, PackageName};
pub use offer::{Offer, Price};
pub use outcome::{Outcome, Trap};
pub use package::{Contributor, Package, Port, Role};
pub use params::Params;
pub use program::{Model, Program, World};
pub use receipt::{Receipt, Telemetry};
pub use run::{Fuel, Limits, Run};
pub use sampled_verdict::{Sample, SampledVerdict};
pub use trace::{Effect, TraceChunk, TraceRoot, TraceWriter};
pub use verdict::{Difference, Finding, Verdict};
