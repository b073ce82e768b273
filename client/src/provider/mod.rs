//! Providers that are spoken to over HTTP.
