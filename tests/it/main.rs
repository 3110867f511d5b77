//! The whole service against simulators of both systems, with time in the test's hands.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was counted and measured is shown with --nocapture")]

mod alert_commands;
mod alert_kinds;
mod alert_receivers;
mod alerts;
mod attacks;
mod broken_disk;
mod bulk;
mod callbacks;
mod cells;
mod certificate;
mod checks;
mod companies;
mod connect;
mod cost_of_goods;
mod credits;
#[expect(dead_code, reason = "the power is cut by a command of its own")]
#[path = "../powercut/disk.rs"]
mod disk;
mod doctor;
mod door;
mod door_limits;
mod durable;
mod edited;
mod expense_faults;
mod expenses;
mod faults;
mod half_batches;
mod harness;
mod history;
mod hostile;
mod inventory;
mod inventory_faults;
mod json_log;
mod key_urls;
mod links;
mod lost_store;
mod mapcheck;
mod matrix;
mod monitors;
mod month;
mod next_commands;
mod openapi;
mod operators;
mod pace;
mod page;
mod payment_faults;
mod payments;
mod posting;
mod process;
mod purchase_faults;
mod purchases;
mod receivers;
mod reconcile;
mod reload;
mod renderings;
mod secrets;
mod simulate;
mod simulate_commands;
mod slow;
mod sweep;
mod sweep_limits;
mod terminal;
mod tls;
mod unpost;
mod unpost_restored;
mod webhooks;
