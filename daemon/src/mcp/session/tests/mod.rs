//! Sessions against servers that are played by the tests.
