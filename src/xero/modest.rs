//! Work that only wants to know: it leaves to posting the last third of each minute's calls, and of the day's.

tokio::task_local! {
    static MODEST: ();
}

/// Does `work`; the calls that it makes itself take at most two thirds of a minute's calls, and of a day's, those of
/// others counted.
pub async fn modest<Work: Future>(work: Work) -> Work::Output {
    MODEST.scope((), work).await
}

/// Whether this is such work.
pub(super) fn is_modest() -> bool {
    MODEST.try_with(|()| ()).is_ok()
}
