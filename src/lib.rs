//! readypost posts ConnectWise PSA records to Xero the moment they are ready to post.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connectwise;
pub mod domain;
pub mod http;
pub mod pipeline;
pub mod remote;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod vault;
pub mod xero;
