//! The whole service against simulators of both systems, with time in the test's hands.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was counted and measured is shown with --nocapture")]

mod attacks;
mod companies;
mod cost_of_goods;
mod credits;
mod doctor;
mod door;
mod door_limits;
mod durable;
mod edited;
mod expense_faults;
mod expenses;
mod faults;
mod harness;
mod inventory;
mod inventory_faults;
mod matrix;
mod operators;
mod payment_faults;
mod payments;
mod posting;
mod process;
mod purchase_faults;
mod purchases;
mod reload;
mod slow;
mod webhooks;
