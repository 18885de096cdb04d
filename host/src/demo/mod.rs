//! `poai demo`: the whole story, between real processes on this machine.
//!
//! [`plan`] says what happens, as data. [`story`] makes it happen, by the very commands that a user types
//! ([`program`]), on peers that are processes of their own ([`peers`]) with homes of their own ([`stage`]).
//! What came of it is a [`report::DemoReport`], which only `render` turns into words.
//! The one host that does not play by the rules is made here and nowhere else ([`cheat`]): no flag of
//! `poai host` makes a host lie.

pub(crate) mod cheat; // a host that alters what its guests write
mod peers; // the daemons, and their end
mod plan; // who does what
mod program; // this program, called as a user calls it
pub(crate) mod report; // what came of it
mod stage; // where the peers live
mod story; // from the first command to the last
pub(crate) mod tether; // processes that end with this one

pub(crate) use stage::Stage;
pub(crate) use story::{Setting, tell};
