//! Whole files of each program, through parsing and mapping, against what is expected of them.

mod golden;
mod hostile;
