//! What holds for the protocol core as a whole: the chapters of `protocol-docs` tell the truth, the
//! layers know only those below them, data passes through without an allocation, and the sender follows
//! its path. And what holds for the documents: links lead somewhere, messages are the programs' own.

mod allocation;
mod diagrams;
mod documents;
mod figures;
mod grid;
mod layers;
mod links;
mod map;
mod messages;
mod mistakes;
mod sources;
