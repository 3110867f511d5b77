//! The README names everything that an operator can set, meet or type, in the words of the program.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Command, CommandFactory};
use readypost::cli::Cli;
use readypost::config;
use readypost::domain::hold::{HoldCode, Place, SkipReason};
use readypost::domain::warning::WarningCode;

const README: &str = include_str!("../README.md");
const FULL: &str = include_str!("../fixtures/config/full.toml");

/// What of `wanted` no line of the README fits.
fn missing(wanted: impl IntoIterator<Item = String>, fits: impl Fn(&str, &str) -> bool) -> Vec<String> {
    wanted.into_iter().filter(|wanted| !README.lines().any(|line| fits(line, wanted))).collect()
}

/// The lines from the one that contains `begin` up to the next bold row or heading.
fn part(begin: &str) -> Vec<&'static str> {
    let mut lines = README.lines().skip_while(|line| !line.contains(begin));
    let first = lines.next().unwrap_or_else(|| panic!("the README has no {begin}"));
    std::iter::once(first).chain(lines.take_while(|line| !line.starts_with("| **") && !line.starts_with('#'))).collect()
}

#[test]
fn every_hold_skip_and_warning_has_its_row() {
    let place = |place| match place {
        Place::ConnectWise => "ConnectWise",
        Place::Xero => "Xero",
        Place::Configuration => "configuration",
        Place::Readypost => "readypost",
    };
    for code in HoldCode::ALL {
        let (begin, end) =
            (format!("| `{}` | ", code.as_str()), format!(" | {} | {} |", place(code.place()), code.cure()));
        assert!(README.lines().any(|line| line.starts_with(&begin) && line.ends_with(&end)), "{begin}…{end}");
    }
    let skips = SkipReason::ALL.iter().map(|reason| format!("| `{}` | {} |", reason.as_str(), reason.sentence()));
    let warnings = WarningCode::ALL.iter().map(|code| format!("| `{}` | {} |", code.as_str(), code.meaning()));
    assert_eq!(missing(skips.chain(warnings), |line, row| line == row), [""; 0]);
}

/// The keys that a section knows, by the fault of one that it does not know.
fn known(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let faults = config::parse(text, &|_| None).expect_err("the unknown keys are faults");
    let listed = faults.into_iter().filter_map(|fault| {
        let (section, _) = fault.key.rsplit_once('.')?;
        let (_, keys) = fault.message.split_once("known here: ")?;
        Some((section.to_owned(), keys.split(", ").map(str::to_owned).collect()))
    });
    listed.collect()
}

#[test]
fn every_setting_has_its_row() {
    let headings = [
        ("server", "**`[server]`**"),
        ("store", "**`[store]`**"),
        ("log", "**`[log]`**"),
        ("operator", "**`[[operator]]`**"),
        ("connectwise", "**`[[connectwise]]`**"),
        ("company", "**`[[company]]`**"),
        ("company.xero", "**`[company.xero]`**"),
        ("company.rules", "**`[company.rules]`**"),
        ("alert", "**`[[alert]]`**"),
    ];
    let mut unknown = FULL.to_owned();
    for (section, _) in headings {
        for heading in [format!("[{section}]\n"), format!("[[{section}]]\n")] {
            unknown = unknown.replacen(&heading, &format!("{heading}no_such_key = 1\n"), 1);
        }
    }
    let sections = known(&unknown);
    let found: BTreeSet<&str> = sections.iter().map(|(section, _)| section.as_str()).collect();
    assert_eq!(found, headings.iter().map(|(section, _)| *section).collect());
    for (section, keys) in &sections {
        let (_, heading) = headings.iter().find(|(name, _)| name == section).expect("compared above");
        let rows = part(heading);
        for key in keys.iter().filter(|key| !matches!(key.as_str(), "xero" | "rules")) {
            let named = match key.as_str() {
                key @ ("tax_names" | "purchase_tax_names") => {
                    rows.iter().any(|row| row.starts_with(&format!("| `[company.rules.{key}]` |")))
                }
                key if key.ends_with("_file") => {
                    README.contains(&format!(" {}` | `{key}` |", key.trim_end_matches("_file")))
                }
                key => rows.iter().any(|row| row.starts_with(&format!("| `{key}` |"))),
            };
            assert!(named, "the README does not explain {section}.{key}");
        }
    }
}

#[test]
fn every_key_of_the_full_example_is_known_to_the_readme() {
    fn keys(table: &toml::Table, found: &mut BTreeSet<String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) if key.ends_with("tax_names") => assert!(!inner.is_empty()),
                toml::Value::Table(inner) => keys(inner, found),
                toml::Value::Array(rows) if rows.iter().any(toml::Value::is_table) => {
                    rows.iter().filter_map(toml::Value::as_table).for_each(|row| keys(row, found));
                }
                _ => {
                    found.insert(key.clone());
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    keys(&FULL.parse().expect("the example is TOML"), &mut found);
    let rows = found.iter().map(|key| format!("| `{key}` |"));
    assert_eq!(missing(rows, |line, row| line.starts_with(row)), [""; 0]);
}

/// Every command that does something, with its options.
fn commands(command: &Command, path: &str, found: &mut Vec<(String, Vec<String>)>) {
    let mut inner = command.get_subcommands().peekable();
    if inner.peek().is_none() {
        let options = command.get_arguments().filter_map(|argument| argument.get_long());
        found.push((path.to_owned(), options.map(|option| format!("--{option}")).collect()));
    }
    for command in inner {
        commands(command, &format!("{path} {}", command.get_name()), found);
    }
}

#[test]
fn every_command_has_its_row_and_every_option_is_named() {
    let mut found = Vec::new();
    commands(&Cli::command(), "readypost", &mut found);
    assert!(found.len() > 10);
    for (command, options) in found {
        assert!(README.lines().any(|line| line.starts_with(&format!("| `{command}` |"))), "{command}");
        for option in options {
            assert!(README.contains(&option), "{command} {option}");
        }
    }
}

#[test]
fn every_file_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_source = |text: &&str| Path::new(text).extension().is_some_and(|extension| extension == "rs");
    let quoted = README.split('`').filter(is_source).filter(|text| !text.contains(char::is_whitespace));
    let linked = README.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = quoted.map(|file| root.join("src").join(file));
    let files = files.chain(linked.filter(|link| !link.starts_with('#')).map(|link| root.join(link)));
    let gone: Vec<_> = files.filter(|file| !file.exists()).collect();
    assert!(gone.is_empty(), "{gone:?}");
}
