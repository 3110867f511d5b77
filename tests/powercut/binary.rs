//! The real binary, of which the n-th call fails.

/// Runs it for at most so many seconds.
pub(crate) async fn run(_seconds: u64, _wrong: &mut Vec<String>) {}
