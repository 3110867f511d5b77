//! Simulator of Xero.
