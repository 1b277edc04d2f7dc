//! The pipeline from the outside: real processes, real files, real sockets on loopback.

mod bad_input;
mod caching;
mod configuration;
mod contract;
mod crash;
mod environments;
mod gate;
mod project;
mod reproducible;
mod signals;
mod standalone;
mod swap;
