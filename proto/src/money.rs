//! Money as integers: pico-dollars in the ledger, nano-dollars at the edge.
