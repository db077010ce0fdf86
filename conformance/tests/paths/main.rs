//! The path engine against rules that were not written beside it.
//!
//! `differential`: thousands of generated hierarchies, judged by the engine, by a plain model of
//! RFC 5280 section 6, by rustls-webpki and by OpenSSL. `bettertls`: path building and name
//! constraints in the shape of the public suite of that name. `bad_input`: what must be refused, with
//! the reason.

mod bad_input;
mod bettertls;
mod case;
mod dialect;
mod differential;
mod generate;
mod model;
mod oracle;
mod random;
mod world;
