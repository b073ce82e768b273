//! Dated prices and the arithmetic on them.
