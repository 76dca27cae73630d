//! Tests of what the benchmark `reliability` judges by, which has no tests of its own.
#![allow(dead_code, reason = "the rest of the benchmark uses it")]

#[path = "../../benches/reliability/bytes.rs"]
mod bytes;
#[path = "../../benches/reliability/options.rs"]
mod options;
#[path = "../../benches/reliability/silence.rs"]
mod silence;
#[path = "../../benches/reliability/verdict.rs"]
mod verdict;
