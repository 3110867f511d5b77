//! Simulators of ConnectWise and Xero on real ports, used by the tests and by `readypost demo`.
//!
//! They follow the check-lists of known facts and traps of both systems, and share no code with the
//! clients that they test: a mistake in a client's wire types must not be mirrored here.

pub mod connectwise;
pub mod faults;
pub mod xero;

mod server;

pub use server::{Request, Server};
