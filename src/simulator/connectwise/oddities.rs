//! How what one record shows differs from what the service should send: the bad input that a test provokes.

use serde_json::Value;

use super::conditions::instant;
use super::settings::DateStyle;

/// Where a record is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The record itself.
    Record,
    /// The list of its lines.
    Lines,
    /// Its row of an unposted list.
    Unposted,
    /// Its transaction of an export.
    Export,
}

/// What is odd about a record; nothing by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Oddities {
    /// Amounts are text, such as `"12.5"`.
    pub amounts_as_text: bool,
    /// Its dates have this shape wherever they are shown.
    pub dates: Option<DateStyle>,
    /// Fields by the pointer (RFC 6901) to them, and what they hold in a view; null leaves them out.
    pub fields: Vec<(View, String, Value)>,
}

impl Oddities {
    /// The same with one more odd field.
    #[must_use]
    pub fn field(mut self, view: View, pointer: &str, value: Value) -> Self {
        self.fields.push((view, pointer.to_owned(), value));
        self
    }

    /// What is shown instead of `row`.
    pub(super) fn show(&self, view: View, mut row: Value) -> Value {
        if self.amounts_as_text {
            write_amounts(&mut row);
        }
        if let Some(style) = self.dates {
            write_dates(&mut row, style);
        }
        for (_, pointer, value) in self.fields.iter().filter(|(of, ..)| *of == view) {
            put(&mut row, pointer, value.clone());
        }
        row
    }
}

fn write_amounts(value: &mut Value) {
    match value {
        // Only amounts have a decimal point; ids and counts stay numbers.
        Value::Number(number) if number.to_string().contains('.') => *value = Value::String(number.to_string()),
        Value::Object(fields) => fields.values_mut().for_each(write_amounts),
        Value::Array(items) => items.iter_mut().for_each(write_amounts),
        _ => {}
    }
}

fn write_dates(value: &mut Value, style: DateStyle) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let date = field.as_str().filter(|_| name.to_lowercase().contains("date")).and_then(instant);
                match date {
                    Some(date) => *field = Value::String(style.write(date)),
                    None => write_dates(field, style),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| write_dates(item, style)),
        _ => {}
    }
}

fn put(row: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    match row.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.insert(name.to_owned(), value)),
        Some(Value::Array(items)) => {
            if let Some(item) = name.parse().ok().and_then(|position: usize| items.get_mut(position)) {
                *item = value;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DateStyle, Oddities, View};

    #[test]
    fn amounts_dates_and_single_fields_are_shown_otherwise() {
        let row = || json!({"id": 7, "total": 12.5, "dateClosed": "2026-11-30T10:00:00Z", "lines": [{"cost": 1.0}]});
        let odd = Oddities { amounts_as_text: true, dates: Some(DateStyle::DateOnly), ..Oddities::default() }
            .field(View::Export, "/lines/0/account", json!(""))
            .field(View::Unposted, "/id", json!("seven"));
        let shown = odd.show(View::Export, row());
        let lines = json!([{"cost": "1.0", "account": ""}]);
        assert_eq!(shown, json!({"id": 7, "total": "12.5", "dateClosed": "2026-11-30", "lines": lines}));
        assert_eq!(odd.show(View::Unposted, row())["id"], "seven");
        assert_eq!(Oddities::default().show(View::Record, row()), row());
    }
}
