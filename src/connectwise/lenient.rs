//! Tolerant reading of JSON values: numbers as strings, strings as numbers, nulls and blanks.
//!
//! What is there but cannot be meant (a word for an id, an object for an amount) is an error, so that
//! nothing is silently zero.

use rust_decimal::Decimal;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::domain::money::{Money, decimal};

/// Text without blanks around it; empty for null.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_of(&Value::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("expected text"))
}

/// An id, which must be there.
pub(super) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    optional_id(deserializer)?.ok_or_else(|| D::Error::custom("expected an id"))
}

/// An id; none for null and blanks.
pub(super) fn optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    blank(&value).map_or_else(|| integer_of(&value).map(Some), |()| Ok(None)).map_err(D::Error::custom)
}

/// Ids separated by commas, or an array of them, or one; blanks are ignored.
pub(super) fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let values = match Value::deserialize(deserializer)? {
        Value::Array(values) => values,
        Value::String(text) => text.split(',').map(Value::from).collect(),
        other => vec![other],
    };
    let present = values.iter().filter(|value| blank(value).is_none());
    present.map(integer_of).collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// An amount, which must be there.
pub(super) fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    optional_money(deserializer)?.ok_or_else(|| D::Error::custom("expected an amount"))
}

/// An amount; none for null and blanks.
pub(super) fn optional_money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    optional_decimal(deserializer)?.map(Money::new).transpose().map_err(D::Error::custom)
}

/// A number; none for null and blanks.
pub(super) fn optional_decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    blank(&value).map_or_else(|| decimal_of(&value).map(Some), |()| Ok(None)).map_err(D::Error::custom)
}

/// A flag; none when it is not said.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let text = text_of(&value).unwrap_or_default().to_ascii_lowercase();
    match text.as_str() {
        "" => Ok(None),
        "true" | "1" | "y" | "yes" => Ok(Some(true)),
        "false" | "0" | "n" | "no" => Ok(Some(false)),
        _ => Err(D::Error::custom("expected true or false")),
    }
}

/// A list; empty for null.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A value that one odd field must not hide: what it means, or what it holds that cannot be meant.
#[derive(Debug)]
pub(super) struct Told<T>(pub(super) Result<Option<T>, String>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(Ok(None))
    }
}

impl<T> Told<T> {
    /// The value; what it holds instead is noted under the field's name.
    pub(super) fn or_note(self, field: &str, unreadable: &mut Vec<String>) -> Option<T> {
        self.0.unwrap_or_else(|held| {
            unreadable.push(format!("{field} ('{}')", crate::domain::text::shorten(&held, 40)));
            None
        })
    }
}

impl<'de, T: Tellable> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if blank(&value).is_some() {
            return Ok(Self(Ok(None)));
        }
        Ok(Self(T::tell(&value).map(Some).ok_or_else(|| text_of(&value).unwrap_or_else(|| value.to_string()))))
    }
}

/// What a JSON value may mean.
pub(super) trait Tellable: Sized {
    /// The value; none when it cannot be meant.
    fn tell(value: &Value) -> Option<Self>;
}

impl Tellable for i64 {
    fn tell(value: &Value) -> Option<Self> {
        integer_of(value).ok()
    }
}

impl Tellable for Decimal {
    fn tell(value: &Value) -> Option<Self> {
        decimal_of(value).ok()
    }
}

impl Tellable for Money {
    fn tell(value: &Value) -> Option<Self> {
        decimal_of(value).ok().and_then(|amount| Self::new(amount).ok())
    }
}

/// Null and blank text.
fn blank(value: &Value) -> Option<()> {
    match value {
        Value::Null => Some(()),
        Value::String(text) if text.trim().is_empty() => Some(()),
        _ => None,
    }
}

/// The text of a plain value.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The whole number that a plain value is.
pub(super) fn integer_of(value: &Value) -> Result<i64, &'static str> {
    let number = decimal_of(value).map_err(|_| "expected an id")?.normalize();
    if number.scale() > 0 {
        return Err("expected a whole number");
    }
    i64::try_from(number).map_err(|_| "expected a smaller number")
}

fn decimal_of(value: &Value) -> Result<Decimal, &'static str> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return Err("expected a number"),
    };
    decimal(&text).ok_or("expected a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug)]
    struct Row {
        #[serde(default, deserialize_with = "ids")]
        ids: Vec<i64>,
        #[serde(default, deserialize_with = "text")]
        text: String,
        #[serde(default, deserialize_with = "optional_money")]
        money: Option<Money>,
        #[serde(default, deserialize_with = "flag")]
        flag: Option<bool>,
        #[serde(default, deserialize_with = "optional_id")]
        id: Option<i64>,
    }

    fn read(json: &str) -> Result<Row, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn numbers_may_be_strings_and_strings_numbers() {
        let row = read(r#"{"ids":"901, ,904,","text":1001,"money":"182714.10","flag":"True","id":"16"}"#).unwrap();
        assert_eq!((row.ids, row.text.as_str(), row.flag, row.id), (vec![901, 904], "1001", Some(true), Some(16)));
        assert_eq!(row.money.unwrap().to_string(), "182714.10");
        let row = read(r#"{"ids":[901,"904"],"text":null,"money":1E+2,"flag":0,"id":16.0,"new":{"a":[1]}}"#).unwrap();
        assert_eq!((row.ids, row.text.as_str(), row.flag, row.id), (vec![901, 904], "", Some(false), Some(16)));
        assert_eq!(row.money.unwrap().to_string(), "100.00");
        let row = read(r#"{"ids":901,"money":"","flag":null,"id":""}"#).unwrap();
        assert_eq!((row.ids, row.money, row.flag, row.id), (vec![901], None, None, None));
        assert_eq!(read(r#"{"money":0.1}"#).unwrap().money.unwrap().decimal(), Decimal::new(1, 1));
    }

    #[test]
    fn what_cannot_be_meant_is_not_zero() {
        for json in [
            r#"{"ids":"901,x"}"#,
            r#"{"money":"1,234.50"}"#,
            r#"{"money":{}}"#,
            r#"{"id":1.5}"#,
            r#"{"flag":"maybe"}"#,
            r#"{"money":1e30}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
