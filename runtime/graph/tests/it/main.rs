//! Models from outside.

mod fuzz;
