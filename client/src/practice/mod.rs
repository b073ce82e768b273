//! The built-in practice model.
