//! Rules of the repository that no compiler knows: who may use whom, how long files are, how they begin.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which modules each module may use. What is not here is forbidden; data flows down, nothing calls back up.
///
/// The simulators stand beside the product: they know neither its words nor its wire modules, because a
/// misreading of either system must not be mirrored in what it is tested against.
const MAY_USE: [(&str, &[&str]); 16] = [
    ("main", &["cli"]),
    ("lib", &[]),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "connectwise",
            "domain",
            "http",
            "remote",
            "simulator",
            "store",
            "telemetry",
            "xero",
        ],
    ),
    (
        "app",
        &[
            "alerts",
            "clock",
            "config",
            "connectwise",
            "domain",
            "http",
            "pipeline",
            "store",
            "telemetry",
            "vault",
            "xero",
        ],
    ),
    ("http", &["alerts", "clock", "config", "connectwise", "domain", "pipeline", "store", "telemetry"]),
    ("alerts", &["clock", "config", "domain", "pipeline", "remote", "store"]),
    ("pipeline", &["clock", "connectwise", "domain", "remote", "store", "telemetry", "xero"]),
    ("telemetry", &["config", "domain", "store"]),
    ("vault", &["clock", "domain", "store", "xero"]),
    ("connectwise", &["clock", "domain", "remote"]),
    ("xero", &["clock", "domain", "remote"]),
    ("store", &["clock", "domain"]),
    ("config", &["domain"]),
    ("remote", &["clock", "domain"]),
    ("simulator", &["clock"]),
    ("domain", &[]),
];
/// Uses nothing, and most use it.
const ALONE: &str = "clock";
/// Lines of code in a file, above its tests; blank lines and comments are not counted.
const CODE_LINES_MAX: usize = 400;

#[test]
fn every_module_uses_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    let mut modules = BTreeSet::new();
    for file in product() {
        let module = module(&file);
        let text = code(&file);
        let allowed = match MAY_USE.iter().find(|(name, _)| *name == module) {
            Some((_, allowed)) => *allowed,
            None if module == ALONE => &[],
            None => {
                wrong.push(format!("{}: the module has no row in the table", file.display()));
                continue;
            }
        };
        for used in used(&text) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} must not use {used}", file.display()));
            }
        }
        modules.insert(module);
    }
    let gone = MAY_USE.iter().filter(|(name, _)| !modules.contains(*name));
    wrong.extend(gone.map(|(name, _)| format!("the table has a row for {name}, which is not there")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_it_can_be_read() {
    let long = product().into_iter().filter_map(|file| {
        let text = code(&file);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        (lines > CODE_LINES_MAX).then(|| format!("{}: {lines} lines of code", file.display()))
    });
    let long: Vec<String> = long.collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_leaves_nothing_undone() {
    // In pieces, so that this file does not find itself.
    let forbidden = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("db", "g!("), concat!("to", "do!(")];
    let mut wrong = Vec::new();
    for file in ["src", "tests", "benches", "examples"].into_iter().flat_map(|folder| rust(&root().join(folder))) {
        let text = read(&file);
        if !text.starts_with("//! ") {
            wrong.push(format!("{}: it does not begin with what it is for", file.display()));
        }
        let found = forbidden.iter().filter(|word| text.contains(**word));
        wrong.extend(found.map(|word| format!("{}: {word}", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The parser of decimals goes one call deeper for each digit, so a long number from outside would end the process.
#[test]
fn no_number_from_outside_is_read_without_a_look_at_its_length() {
    let mut wrong = Vec::new();
    for file in ["src/xero", "src/connectwise"].into_iter().flat_map(|folder| rust(&root().join(folder))) {
        let (mut reads, mut checked) = (false, false);
        for line in code(&file).lines().map(str::trim) {
            if line.starts_with("#[derive(") {
                reads = line.contains("Deserialize");
            } else if line == "}" {
                reads = false;
            } else if line.starts_with("#[") {
                checked |= line.contains("deserialize_with");
            } else if reads && !line.starts_with("//") {
                let raw = line.contains("Decimal") && !line.contains("Told<");
                if raw && !checked {
                    wrong.push(format!("{}: {line}", file.display()));
                }
                checked = false;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder that is there.
fn rust(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(rust(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Files of the product, without those that hold only tests.
fn product() -> Vec<PathBuf> {
    let is_test =
        |file: &PathBuf| file.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")));
    let source = root().join("src");
    let files = rust(&source);
    assert!(files.len() > 50, "the source was not found in {}", source.display());
    files.into_iter().filter(|file| !is_test(&file.strip_prefix(&source).unwrap().to_owned())).collect()
}

/// The module that a file belongs to: the first name below `src`.
fn module(file: &Path) -> String {
    let source = root().join("src");
    let first = file.strip_prefix(source).unwrap().components().next().expect("a file has a name");
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// The part above the tests.
fn code(file: &Path) -> String {
    let text = read(file);
    let end = text.find("#[cfg(test)]\nmod ").or_else(|| text.find("#[cfg(test)]\npub(crate) mod "));
    text.get(..end.unwrap_or(text.len())).unwrap().to_owned()
}

/// The modules that a text names by `crate::`, or `main.rs` by `readypost::`; comments do not count.
fn used(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let after = lines.flat_map(|line| line.split("crate::").skip(1).chain(line.split("readypost::").skip(1)));
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let names: BTreeSet<String> = after.map(name).collect();
    assert!(!names.contains(""), "write one `use` for each module of the crate, so that it can be read here");
    names
}
