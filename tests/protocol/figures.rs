//! Tests of what `scripts/figures` reads out of benchmarks, which has none of its own.
#![allow(dead_code, reason = "the rest of it uses that")]

#[path = "../../benches/figures/tables.rs"]
mod tables;
