//! The shell around the pure core: it leases records, reads facts, carries plans out and settles.
//!
//! All branching between the two systems is here; nothing below calls back up.

mod again;
mod alerts;
mod allocation;
pub mod connect;
mod contact;
mod cost;
mod deliver;
mod edited;
mod failure;
mod gather;
mod lanes;
mod made;
mod mapcheck;
mod met;
mod order;
mod parts;
mod payment;
mod post;
mod reconcile;
mod relations;
mod report;
mod send;
mod sides;
mod simulate;
mod slots;
mod sweep;
mod unknown;
mod unpost;
mod update;
mod worker;

pub use alerts::{standing, token_ends};
pub use lanes::Closed;
pub use mapcheck::map_check;
pub use parts::{CallbackRule, Company, Connection, Live, Parts};
pub use reconcile::{Progress, reconcile};
pub use sides::sides;
pub use simulate::{SimulationProgress, simulate};
pub use sweep::{
    AskedSweep, CallbackCheck, CallbackRow, FoundRow, ListError, PassReport, accept_movements, ask as ask_sweep,
    asked as asked_sweep, check_callbacks, run as run_sweeps, sweep, sweep_within, sync_callbacks,
};
pub use worker::{Turn, run, turn};
