//! `poai demo`: the whole story, between real processes on this machine.
//!
//! There are three stories: [`training`], as [`plan`] says as data, [`inference`] with models, which are asked the
//! [`questions`], and [`acceleration`] by GPUs. All happen by the very commands that a user types ([`program`]), on peers that are processes of
//! their own ([`peers`]) with homes of their own ([`stage`]), and consist of the same acts ([`scene`]).
//! What came of one is a [`report`], which only `render` turns into words.
//! The one host that does not play by the rules is made here and nowhere else ([`cheat`]): no flag of
//! `poai host` makes a host lie.

pub(crate) mod acceleration; // models, computed by a GPU and verified by a processor
pub(crate) mod cheat; // a host that alters what its guests write
pub(crate) mod inference; // models, computed by one path of code and verified by another
mod peers; // the daemons, and their end
mod plan; // who does what in a training
mod program; // this program, called as a user calls it
mod questions; // what models are asked
pub(crate) mod report; // what came of it
mod scene; // the acts of any story
mod stage; // where the peers live
pub(crate) mod tether; // processes that end with this one
pub(crate) mod training; // a network is trained, and a cheat is caught

pub(crate) use scene::Setting;
pub(crate) use stage::Stage;
