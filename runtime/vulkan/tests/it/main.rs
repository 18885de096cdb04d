//! The crate on two independent software drivers, each in a process of its own, under the validation layer.

mod device;
mod drivers;
mod kernels;
