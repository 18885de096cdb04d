//! A demo's report in words: what was run where, what the replay said, and how to look further.

mod devices;
mod models;
#[cfg(test)]
mod sample;
mod table;
mod training;

pub(crate) use devices::devices;
pub(crate) use models::models;
pub(crate) use training::training;
