//! Tests of the pure engine: the acceptance cases, each check and source, properties.

mod cases;
mod checks;
mod fixture;
mod plain;
mod properties;
mod sources;
mod whatif;
