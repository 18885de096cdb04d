//! Bad input: refused, without panic or delay.
