//! The pure core: no async, no IO, no clock, no log. What it decides, the shell carries out.

pub mod callback;
pub mod hold;
pub mod money;
pub mod record;
pub mod signature;
pub mod terms;
pub mod text;
pub mod warning;
