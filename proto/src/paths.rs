//! Where things are.
