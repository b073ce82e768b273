//! Whole files of each program, through parsing and mapping.
