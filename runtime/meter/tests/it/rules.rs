//! Every static rule.
