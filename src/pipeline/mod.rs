//! The shell around the pure core: it leases records, reads facts, carries plans out and settles.
//!
//! All branching between the two systems is here; nothing below calls back up.

mod again;
mod allocation;
mod contact;
mod cost;
mod deliver;
mod edited;
mod failure;
mod gather;
mod lanes;
mod made;
mod movements;
mod order;
mod parts;
mod payment;
mod post;
mod relations;
mod report;
mod send;
mod slots;
mod sweep;
mod unknown;
mod unpost;
mod update;
mod worker;

pub use lanes::Closed;
pub use movements::accept_movements;
pub use parts::{Company, Connection, Live, Parts};
pub use sweep::{run as run_sweeps, sweep};
pub use worker::{Turn, run, turn};
