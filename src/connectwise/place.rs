//! Where in a JSON text an error is: `transactions[0].detail[2].total` says more to people than a column.

use crate::domain::text::shorten;

/// The longest name of a member that is shown.
const NAME_CHARS_MAX: usize = 40;

/// A step on the way to a value.
enum Step {
    Member(String),
    Item(usize),
}

/// The way to what ends at this line and column, both counted from 1; empty when that is the whole text.
pub(super) fn place(text: &str, line: usize, column: usize) -> String {
    let above: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let last = above.saturating_add(column).saturating_sub(1);
    // What ends a value or begins one is not yet behind it.
    let ends = text.as_bytes().get(last).is_some_and(|byte| b"{}[],".contains(byte));
    let end = if ends { last } else { last.saturating_add(1) };
    let (mut way, mut name, mut string, mut escaped) = (Vec::new(), "", None, false);
    for (at, byte) in text.bytes().enumerate().take(end) {
        match (string, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(start), b'"') => {
                name = text.get(start..at).unwrap_or_default();
                string = None;
            }
            (None, b'"') => string = Some(at.saturating_add(1)),
            (None, b'{') => way.push(Step::Member(String::new())),
            (None, b'[') => way.push(Step::Item(0)),
            (None, b'}' | b']') => drop(way.pop()),
            (None, b':') => {
                if let Some(Step::Member(member)) = way.last_mut() {
                    *member = shorten(name, NAME_CHARS_MAX);
                }
            }
            (None, b',') => {
                if let Some(Step::Item(index)) = way.last_mut() {
                    *index = index.saturating_add(1);
                }
            }
            _ => {}
        }
    }
    let mut place = String::new();
    // Deeper than any answer of ConnectWise is nonsense, and its place needs no exactness.
    for step in way.iter().take(8) {
        match step {
            Step::Member(name) if name.is_empty() => {}
            Step::Member(name) if place.is_empty() => place.push_str(name),
            Step::Member(name) => place.extend([".", name.as_str()]),
            Step::Item(index) => place.extend(["[", index.to_string().as_str(), "]"]),
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    struct Outer {
        #[expect(dead_code, reason = "only read")]
        rows: Vec<Inner>,
    }

    #[derive(Deserialize, Debug)]
    struct Inner {
        #[expect(dead_code, reason = "only read")]
        total: u8,
        #[expect(dead_code, reason = "only read")]
        name: String,
    }

    #[test]
    fn the_field_of_an_error_is_named() {
        for (text, expected) in [
            (r#"{"rows":[{"total":1,"name":"a"},{"total":"x","name":"b"}]}"#, "rows[1].total"),
            ("{\n \"rows\":\n [{\"name\":\"a\\\"}]\",\n \"total\": [1]}]}", "rows[0].total"),
            (r#"{"rows":[{"total":1,"name":7}]}"#, "rows[0].name"),
            (r#"{"rows":{}}"#, "rows"),
            (r#"[{"total":1}]"#, ""),
            ("7", ""),
        ] {
            let error = serde_json::from_str::<Outer>(text).unwrap_err();
            let found = place(text, error.line(), error.column());
            assert!(found == expected || (expected.is_empty() && !found.contains("rows")), "{text}: {found}");
        }
        assert_eq!(place("ä\u{10}\"\\", 9, 9), "");
    }
}
