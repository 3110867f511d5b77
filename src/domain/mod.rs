//! The pure core: no async, no IO, no clock, no log. What it decides, the shell carries out.

pub mod balance;
pub mod batch;
pub mod callback;
pub mod contact;
pub mod decision;
pub mod delivery;
pub mod document;
pub mod draft;
pub mod exchange;
pub mod facts;
pub mod hold;
pub mod journal;
pub mod map;
pub mod money;
pub mod payments;
pub mod plan;
pub mod posted;
pub mod record;
pub mod rules;
pub mod settle;
pub mod signature;
pub mod terms;
pub mod text;
pub mod trigger;
pub mod warning;
pub mod webhook;
