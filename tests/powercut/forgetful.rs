//! A disk that forgets every byte, name, rename and removal that was not synced.
//!
//! It is played from what strace saw of a process, so what runs is the store as it is, its index included. The bytes
//! and the length of a file last by a sync of the file, names by a sync of the folder, and nothing else lasts.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::Seeded;
use crate::trace::Moment;

/// The bytes of a node and the names in it, as a cut leaves them.
type Shown<'of> = &'of mut dyn FnMut(&Node) -> (Vec<u8>, BTreeMap<String, usize>);

/// The size of what a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A change that is not synced yet.
#[derive(Clone)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
    Names(Vec<(String, Option<usize>)>),
}

/// A file or a folder, as processes see it and as the disk has it.
#[derive(Clone, Default)]
struct Node {
    bytes: Vec<u8>,
    names: BTreeMap<String, usize>,
    kept_bytes: Vec<u8>,
    kept_names: BTreeMap<String, usize>,
    /// Those that are not synced.
    changes: Vec<Change>,
    /// How many were synced before those.
    synced: usize,
    folder: bool,
}

fn change(bytes: &mut Vec<u8>, names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Write { at, bytes: written } => {
            if bytes.len() < at + written.len() {
                bytes.resize(at + written.len(), 0);
            }
            bytes[*at..at + written.len()].copy_from_slice(written);
        }
        Change::Length(length) => bytes.resize(*length, 0),
        Change::Names(changed) => {
            for (name, node) in changed {
                match node {
                    Some(node) => names.insert(name.clone(), *node),
                    None => names.remove(name),
                };
            }
        }
    }
}

impl Node {
    fn apply(&mut self, new: Change) {
        change(&mut self.bytes, &mut self.names, &new);
        self.changes.push(new);
    }

    /// Everything up to this many changes is on the disk; whether that is more than before.
    fn sync(&mut self, count: usize) -> bool {
        let ready = count.saturating_sub(self.synced).min(self.changes.len());
        for done in self.changes.drain(..ready) {
            change(&mut self.kept_bytes, &mut self.kept_names, &done);
        }
        self.synced += ready;
        ready > 0
    }

    /// What the disk has when some of what was not synced reached it all the same, sector by sector.
    fn partly(&self, random: &mut Seeded) -> (Vec<u8>, BTreeMap<String, usize>) {
        let (mut bytes, mut names) = (self.kept_bytes.clone(), self.kept_names.clone());
        for pending in &self.changes {
            match pending {
                Change::Write { at, bytes: written } => {
                    let mut done = 0;
                    while done < written.len() {
                        let end = ((at + done) / SECTOR + 1) * SECTOR - at;
                        let end = end.min(written.len());
                        if random.below(2) == 0 {
                            let part = Change::Write { at: at + done, bytes: written[done..end].to_vec() };
                            change(&mut bytes, &mut names, &part);
                        }
                        done = end;
                    }
                }
                other if random.below(2) == 0 => change(&mut bytes, &mut names, other),
                _ => {}
            }
        }
        (bytes, names)
    }
}

/// What a moment did.
pub(crate) enum Done {
    /// Nothing that lasts.
    Nothing,
    /// Something that is not synced.
    Changed,
    /// It is about to say this.
    Says(String),
    /// A sync ended that the disk has more from; before that it had less.
    Synced,
}

/// An open file.
#[derive(Clone, Copy)]
struct Open {
    node: usize,
    offset: usize,
}

/// The disk below one folder.
#[derive(Clone)]
pub(crate) struct Forgetful {
    root: String,
    nodes: Vec<Node>,
    open: HashMap<i64, Open>,
    /// Syncs that are under way, with how many changes there were when they began.
    syncing: HashMap<String, usize>,
}

impl Forgetful {
    /// An empty folder, which is on the disk itself.
    pub(crate) fn new(root: &Path) -> Self {
        let node = Node { folder: true, ..Node::default() };
        let root = root.to_str().unwrap().to_owned();
        Self { root, nodes: vec![node], open: HashMap::new(), syncing: HashMap::new() }
    }

    /// A process ended: its files are closed, and what it wrote is still seen by the next one.
    pub(crate) fn process_ended(&mut self) {
        self.open.clear();
        self.syncing.clear();
    }

    /// The bytes of a file become these, on the disk, too: it was damaged.
    pub(crate) fn damage(&mut self, path: &Path, bytes: &[u8]) {
        let node = self.node(path.to_str().unwrap()).unwrap();
        let node = &mut self.nodes[node];
        (node.bytes, node.kept_bytes, node.changes) = (bytes.to_vec(), bytes.to_vec(), Vec::new());
    }

    /// A file or folder is gone, from the disk, too.
    pub(crate) fn lose(&mut self, path: &Path) {
        let (above, name) = self.place(path.to_str().unwrap()).unwrap();
        self.nodes[above].names.remove(&name);
        self.nodes[above].kept_names.remove(&name);
    }

    /// The folder and the name of a path; none when it lies elsewhere.
    fn place(&self, path: &str) -> Option<(usize, String)> {
        let inside = path.strip_prefix(&self.root)?.strip_prefix('/')?;
        let mut parts: Vec<&str> = inside.trim_end_matches('/').split('/').collect();
        let name = parts.pop()?.to_owned();
        let folder = parts.into_iter().try_fold(0, |folder, part| self.nodes[folder].names.get(part).copied())?;
        Some((folder, name))
    }

    fn node(&self, path: &str) -> Option<usize> {
        if path.trim_end_matches('/') == self.root {
            return Some(0);
        }
        let (folder, name) = self.place(path)?;
        self.nodes[folder].names.get(&name).copied()
    }

    fn is_ours(&self, path: &str) -> bool {
        path.starts_with(&self.root)
    }

    fn create(&mut self, path: &str, folder: bool) -> Option<usize> {
        let (above, name) = self.place(path)?;
        self.nodes.push(Node { folder, ..Node::default() });
        let node = self.nodes.len() - 1;
        self.nodes[above].apply(Change::Names(vec![(name, Some(node))]));
        Some(node)
    }

    fn remove(&mut self, path: &str) {
        let (above, name) = self.place(path).unwrap();
        self.nodes[above].apply(Change::Names(vec![(name, None)]));
    }

    fn opened(&mut self, moment: &Moment, descriptor: i64) -> Done {
        let (path, flags) = (moment.text(1), moment.plain(2));
        self.open.remove(&descriptor);
        if !self.is_ours(&path) {
            return Done::Nothing;
        }
        assert!(!flags.contains("O_APPEND"), "appending is not played");
        let found = self.node(&path);
        let Some(node) = found.or_else(|| self.create(&path, false)) else { return Done::Nothing };
        self.open.insert(descriptor, Open { node, offset: 0 });
        if found.is_some() && flags.contains("O_TRUNC") {
            self.nodes[node].apply(Change::Length(0));
            return Done::Changed;
        }
        if found.is_none() { Done::Changed } else { Done::Nothing }
    }

    fn written(&mut self, moment: &Moment, count: i64, at: Option<usize>) -> Done {
        let Some(open) = self.open.get_mut(&moment.number(0)) else { return Done::Nothing };
        let mut bytes = moment.bytes(1);
        bytes.truncate(usize::try_from(count).unwrap());
        let begin = at.unwrap_or(open.offset);
        if at.is_none() {
            open.offset += bytes.len();
        }
        let node = open.node;
        self.nodes[node].apply(Change::Write { at: begin, bytes });
        Done::Changed
    }

    fn renamed(&mut self, from: &str, to: &str) -> Done {
        if !self.is_ours(from) {
            return Done::Nothing;
        }
        let ((above, old), (below, new)) = (self.place(from).unwrap(), self.place(to).unwrap());
        assert_eq!(above, below, "renaming into another folder is not played");
        let node = self.nodes[above].names[&old];
        self.nodes[above].apply(Change::Names(vec![(old, None), (new, Some(node))]));
        Done::Changed
    }

    fn sync(&mut self, moment: &Moment) -> Done {
        let Some(node) = self.open.get(&moment.number(0)).map(|open| open.node) else { return Done::Nothing };
        let node = &mut self.nodes[node];
        match moment.result {
            None => {
                self.syncing.insert(moment.process.clone(), node.synced + node.changes.len());
                Done::Nothing
            }
            Some(0) => {
                let count = self.syncing.remove(&moment.process).unwrap();
                if node.sync(count) { Done::Synced } else { Done::Nothing }
            }
            Some(_) => {
                let count = self.syncing.remove(&moment.process).unwrap();
                // Names are in the log of the file system, which stops where that cannot be written.
                if node.folder {
                    return Done::Nothing;
                }
                // The kernel takes bytes for written all the same: processes see them, and no later sync writes them.
                let ready = count.saturating_sub(node.synced).min(node.changes.len());
                node.changes.drain(..ready);
                node.synced += ready;
                Done::Nothing
            }
        }
    }

    /// Plays a moment.
    pub(crate) fn play(&mut self, moment: &Moment) -> Done {
        let name = moment.name.as_str();
        if matches!(name, "fsync" | "fdatasync") {
            return self.sync(moment);
        }
        let Some(result) = moment.result else {
            if name == "close" {
                // Its number is free from now on: another thread may get it before strace tells of the end.
                self.open.remove(&moment.number(0));
            }
            let says = name == "write" && moment.number(0) == 1;
            return if says { Done::Says(moment.text(1)) } else { Done::Nothing };
        };
        if result < 0 {
            return Done::Nothing;
        }
        match name {
            "openat" => self.opened(moment, result),
            "write" => self.written(moment, result, None),
            "pwrite64" => self.written(moment, result, Some(usize::try_from(moment.number(3)).unwrap())),
            "ftruncate" => {
                let length = usize::try_from(moment.number(1)).unwrap();
                let Some(open) = self.open.get(&moment.number(0)) else { return Done::Nothing };
                self.nodes[open.node].apply(Change::Length(length));
                Done::Changed
            }
            "lseek" => {
                if let Some(open) = self.open.get_mut(&moment.number(0)) {
                    open.offset = usize::try_from(result).unwrap();
                }
                Done::Nothing
            }
            "rename" => self.renamed(&moment.text(0), &moment.text(1)),
            "mkdir" if self.is_ours(&moment.text(0)) => {
                self.create(&moment.text(0), true);
                Done::Changed
            }
            "unlink" | "rmdir" if self.is_ours(&moment.text(0)) => {
                self.remove(&moment.text(0));
                Done::Changed
            }
            "close" | "mkdir" | "unlink" | "rmdir" => Done::Nothing,
            "fcntl" if !moment.plain(1).starts_with("F_DUPFD") => Done::Nothing,
            "dup" | "fcntl" => {
                let Some(open) = self.open.get(&moment.number(0)).copied() else { return Done::Nothing };
                self.open.insert(result, open);
                Done::Nothing
            }
            other => panic!("{other} is not played"),
        }
    }

    /// Writes what the disk has into a folder; with `random`, some of what was not synced as well.
    pub(crate) fn write_kept(&self, to: &Path, mut random: Option<Seeded>) {
        self.write(0, to, &mut |node| match &mut random {
            Some(random) => node.partly(random),
            None => (node.kept_bytes.clone(), node.kept_names.clone()),
        });
    }

    /// Writes what processes see into a folder.
    pub(crate) fn write_seen(&self, to: &Path) {
        self.write(0, to, &mut |node| (node.bytes.clone(), node.names.clone()));
    }

    fn write(&self, node: usize, to: &Path, of: Shown<'_>) {
        let node = &self.nodes[node];
        let (bytes, names) = of(node);
        if !node.folder {
            std::fs::write(to, bytes).unwrap();
            return;
        }
        std::fs::create_dir_all(to).unwrap();
        for (name, below) in names {
            self.write(below, &to.join(name), of);
        }
    }
}
