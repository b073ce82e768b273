//! An operation's directory and what is in it.
