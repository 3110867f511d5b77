//! The shell around the pure core: it leases records, reads facts, carries plans out and settles.
//!
//! All branching between the two systems is here; nothing below calls back up.

mod again;
mod deliver;
mod failure;
mod parts;
mod post;
mod worker;

pub use parts::{Company, Connection, Parts};
pub use worker::{Turn, run, turn};
