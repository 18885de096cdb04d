//! Reproducible kernels: `poai-numerics/1`.
