//! A folder that a newer version has written is refused before anything is done with it.

use std::collections::BTreeMap;
use std::path::Path;

use readypost::clock::ManualClock;
use readypost::store::{self, Event, FORM};

use super::{callback, folder, key, now, open};

/// As a version of this form says it at its start.
fn configured(form: u32) -> Event {
    Event::Configured {
        rules: "0123456789abcdef".to_owned(),
        version: "9.8.7".to_owned(),
        form,
        companies: BTreeMap::new(),
        by: None,
    }
}

/// The files below a folder with their sizes, without what a lock leaves.
fn files(folder: &Path, found: &mut BTreeMap<String, u64>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else if entry.file_name() != "lock" {
            found.insert(entry.path().display().to_string(), entry.metadata().unwrap().len());
        }
    }
}

async fn written(folder: &Path, form: u32) {
    let store = open(folder);
    store.note(configured(form), now(0)).await.unwrap();
    store.accept(&key(1), callback(1), now(1)).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_store_of_a_newer_form_is_refused_with_or_without_its_index() {
    let folder = folder();
    written(folder.path(), FORM + 1).await;
    for index in [true, false] {
        if !index {
            std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        }
        let journal = folder.path().join("journal");
        let [mut before, mut after] = [BTreeMap::new(), BTreeMap::new()];
        files(&journal, &mut before);
        let refused = store::open(folder.path(), &ManualClock::new(now(2))).unwrap_err().to_string();
        for said in ["readypost 9.8.7", "start 9.8.7 again", &format!("form {}", FORM + 1), env!("CARGO_PKG_VERSION")] {
            assert!(refused.contains(said), "{said}: {refused}");
        }
        files(&journal, &mut after);
        assert_eq!(before, after, "nothing was written, index: {index}");
    }
}

#[tokio::test]
async fn a_store_of_this_form_and_of_older_ones_opens() {
    for form in 0..=FORM {
        let folder = folder();
        written(folder.path(), form).await;
        let store = open(folder.path());
        assert!(store.record(&key(1)).await.unwrap().is_some());
        store.close().await;
    }
}
