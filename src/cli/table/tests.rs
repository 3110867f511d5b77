//! Tables of several widths: what fits, what is shortened, and what never is.

use super::*;
use crate::cli::screen::Screen;

/// A key that no row of 80 columns has room for, a client that is as long as they come, and a sentence.
fn records() -> Table {
    let mut table = Table::new(&[
        ("record", Fit::Key),
        ("state", Fit::Whole),
        ("client", Fit::Name),
        ("total", Fit::Amount),
        ("owner", Fit::Name),
        ("what is to know", Fit::Sentence),
    ]);
    let row = |table: &mut Table, [key, state, client, total, why]: [&str; 5]| {
        table.row([
            Words::from(key),
            Hue::Bad.of(state),
            Words::from(client),
            Words::from(total),
            Words::default(),
            Words::from(why),
        ]);
    };
    let why =
        "unknown_tax: Line 1: tax code 'GTS' is not the name of a tax rate in Xero, and nobody knows why it is so.";
    row(&mut table, ["acme/invoice/5029", "held", "Blue Gum Dental", "330.00", why]);
    let long = "acme/payment/acme-au/c8585de7-a5c2-464c-9b6e-191789893be7";
    row(
        &mut table,
        [long, "done", "Société Générale d'Électricité et de 東京電力ホールディングス株式会社", "-1234567.89", ""],
    );
    table
}

fn shown(table: &Table, width: Option<usize>) -> String {
    let mut screen = Screen::new(width, false);
    screen.table(table);
    screen.text()
}

#[test]
fn a_table_is_as_wide_as_the_terminal_and_loses_no_key_no_amount_and_no_sentence() {
    for width in [40, 60, 80, 100, 120, 140, 200] {
        let text = shown(&records(), Some(width));
        let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["acme/invoice/5029", "c8585de7-a5c2-464c-9b6e-191789893be7", "-1234567.89", "330.00"] {
            assert!(whole.contains(part), "{part} at {width}:\n{text}");
        }
        for word in ["unknown_tax:", "'GTS'", "nobody", "so."] {
            assert!(whole.contains(word), "{word} at {width}:\n{text}");
        }
        let too_wide =
            text.lines().find(|line| Words::from(*line).width() > width && !line.starts_with("acme/payment/"));
        assert_eq!(too_wide, None, "at {width}:\n{text}");
    }
}

#[test]
fn a_long_key_stands_above_its_row_and_a_sentence_beside_or_below_it() {
    insta::with_settings!({ snapshot_path => "../../../fixtures/renderings", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("table_80", shown(&records(), Some(80)));
        insta::assert_snapshot!("table_160", shown(&records(), Some(160)));
        insta::assert_snapshot!("table_piped", shown(&records(), None));
    });
}

#[test]
fn amounts_end_below_each_other_whatever_letters_stand_before_them() {
    for width in [Some(80), Some(160), None] {
        let text = shown(&records(), width);
        let end = |amount: &str| {
            let line = text.lines().find(|line| line.contains(amount)).unwrap();
            let (before, _) = line.split_once(amount).unwrap();
            Words::from(before).width() + amount.len()
        };
        assert_eq!(end("330.00"), end("-1234567.89"), "{text}");
    }
}

#[test]
fn what_is_piped_is_not_cut() {
    let text = shown(&records(), None);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.contains("東京電力ホールディングス株式会社") && text.contains("nobody knows why it is so.\n"),
        "{text}"
    );
    assert!(!text.contains("owner"), "a column without a word is not shown: {text}");
}

#[test]
fn nothing_that_steers_a_terminal_comes_through() {
    let mut table = Table::new(&[("client", Fit::Name), ("why", Fit::Sentence)]);
    let evil = "Evil\u{1b}]0;pwned\u{7} \u{9b}31m\r\n\u{202e}Pty\u{1b}[2J";
    table.row([Words::from(evil), Hue::Bad.of(evil)]);
    table.note(evil);
    for width in [Some(40), Some(200), None] {
        let mut screen = Screen::new(width, true);
        screen.table(&table);
        screen.line(evil);
        screen.next(evil);
        for line in screen.drawn() {
            let bare = line.replace("\u{1b}[31m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
            assert!(!bare.contains(|letter: char| letter.is_control() || letter == '\u{202e}'), "{line:?}");
            assert!(!bare.is_empty());
        }
    }
    let mut plain = Screen::new(None, false);
    plain.line(evil);
    assert!(!plain.text().trim_end().contains(char::is_control), "{:?}", plain.text());
}
