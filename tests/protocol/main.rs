//! What holds for the protocol core as a whole: the chapters of `protocol-docs` tell the truth,
//! the layers know only those below them, and data passes through without an allocation.

mod allocation;
mod documents;
mod layers;
