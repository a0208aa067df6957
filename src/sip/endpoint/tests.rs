//! The endpoint from outside: text goes in, text and events come out, in virtual time.

mod admission;
mod bench;
mod calls;
mod fuzz;
mod headers;
mod lossy;
mod refusals;
mod torture;
mod walk;
