//! Wrappers, twins and the seam to the host.
