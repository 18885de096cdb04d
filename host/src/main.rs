//! poai
fn main() {}
