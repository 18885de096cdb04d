//! How a command reaches the node: one request, events, one answer.
//!
//! [`Request`] and [`Answer`] are the only contract. A command that owns its home hands the request
//! to [`Node::handle`](crate::node::Node::handle) in its own process; while a daemon holds the home, the same
//! values travel over its socket ([`frame`]). Nothing else differs.

mod answer;
mod client;
mod frame;
mod request;
mod server;

pub(crate) use answer::*;
pub(crate) use client::{Endpoint, ask_daemon_of, connect};
pub(crate) use request::*;
pub(crate) use server::{listen, serve};

/// Raised whenever a request, an event or an answer changes its shape.
pub(crate) const CONTROL_VERSION: u32 = 2;
