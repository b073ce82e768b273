//! Counts tokens and money of one operation, never twice.
