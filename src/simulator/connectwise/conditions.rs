//! The language of the `conditions` parameter: `status/name = "Closed" and id in (1,2)`.

use std::cmp::Ordering;
use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use super::amounts::decimal;

/// A parsed condition.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare(String, Operator, Literal),
    In(String, Vec<Literal>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    Like,
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Number(Decimal),
    Bool(bool),
    Date(Timestamp),
    Null,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Date(String),
    Sign(String),
}

impl Condition {
    /// Parses the text of a `conditions` parameter; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, position: 0 };
        let condition = parser.any()?;
        match parser.peek() {
            None => Ok(condition),
            Some(token) => Err(format!("unexpected {token:?}")),
        }
    }

    /// Whether a row meets the condition.
    pub(super) fn holds(&self, row: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::Not(part) => !part.holds(row),
            Self::Compare(path, operator, literal) => compare(lookup(row, path), *operator, literal),
            Self::In(path, literals) => {
                literals.iter().any(|literal| compare(lookup(row, path), Operator::Equal, literal))
            }
        }
    }
}

/// The field of `row` that a path like `status/name` leads to.
pub(super) fn lookup<'a>(row: &'a Value, path: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    let found = path.split('/').try_fold(row, |value, name| value.get(name));
    // Every record can be asked for its last update without saying where that is kept.
    let aliased = || (path == "lastUpdated").then(|| row.pointer("/_info/lastUpdated")).flatten();
    found.or_else(aliased).unwrap_or(&NULL)
}

fn compare(field: &Value, operator: Operator, literal: &Literal) -> bool {
    let text = || field.as_str().unwrap_or_default().to_lowercase();
    match (operator, literal) {
        (Operator::Contains, Literal::Text(part)) => text().contains(&part.to_lowercase()),
        (Operator::Like, Literal::Text(pattern)) => like(&text(), &pattern.to_lowercase()),
        (Operator::Equal, Literal::Text(pattern)) if pattern.contains('*') => like(&text(), &pattern.to_lowercase()),
        (Operator::NotEqual, _) => order(field, literal) != Some(Ordering::Equal),
        _ => order(field, literal).is_some_and(|order| match operator {
            Operator::Equal => order.is_eq(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::NotEqual | Operator::Contains | Operator::Like => false,
        }),
    }
}

fn order(field: &Value, literal: &Literal) -> Option<Ordering> {
    match literal {
        // Text compares without case, as in the database behind the service.
        Literal::Text(text) => Some(field.as_str()?.to_lowercase().cmp(&text.to_lowercase())),
        Literal::Number(number) => Some(decimal(field)?.cmp(number)),
        Literal::Bool(flag) => Some(field.as_bool()?.cmp(flag)),
        Literal::Date(at) => Some(instant(field.as_str()?)?.cmp(at)),
        Literal::Null => field.is_null().then_some(Ordering::Equal),
    }
}

/// Matches `*` and `%` against any run of characters.
fn like(text: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split(['*', '%']).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return text == pattern };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// An instant in any of the shapes that the service writes.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        let (token, left) = match first {
            '"' | '\'' => {
                let (inside, left) = after.split_once(first).ok_or("unterminated string")?;
                (Token::Text(inside.to_owned()), left)
            }
            '[' => {
                let (inside, left) = after.split_once(']').ok_or("unterminated date")?;
                (Token::Date(inside.to_owned()), left)
            }
            '(' | ')' | ',' => (Token::Sign(first.to_string()), after),
            '=' | '!' | '<' | '>' => {
                let left = rest.trim_start_matches(['=', '!', '<', '>']);
                let sign = rest.strip_suffix(left).unwrap_or_default();
                (Token::Sign(sign.to_owned()), left)
            }
            _ => {
                let is_word = |c: char| c.is_alphanumeric() || "_/.-".contains(c);
                let left = rest.trim_start_matches(is_word);
                let word = rest.strip_suffix(left).unwrap_or_default();
                if word.is_empty() {
                    return Err(format!("unexpected character {first:?}"));
                }
                (Token::Word(word.to_owned()), left)
            }
        };
        tokens.push(token);
        rest = left.trim_start();
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.peek().cloned().ok_or("unexpected end")?;
        self.position += 1;
        Ok(token)
    }

    /// Steps over a key word, in any case.
    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.position += usize::from(found);
        found
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(sign)) if sign == wanted);
        self.position += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(Condition::All(parts))
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.word("not") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.sign("(") {
            let inside = self.any()?;
            return if self.sign(")") { Ok(inside) } else { Err("missing )".to_owned()) };
        }
        let Token::Word(path) = self.next()? else { return Err("expected a field".to_owned()) };
        let negated = self.word("not");
        let comparison = self.comparison(path)?;
        Ok(if negated { Condition::Not(Box::new(comparison)) } else { comparison })
    }

    fn comparison(&mut self, path: String) -> Result<Condition, String> {
        if self.word("in") {
            if !self.sign("(") {
                return Err("expected ( after in".to_owned());
            }
            let mut literals = vec![self.literal()?];
            while self.sign(",") {
                literals.push(self.literal()?);
            }
            return if self.sign(")") { Ok(Condition::In(path, literals)) } else { Err("missing )".to_owned()) };
        }
        let operator = match self.next()? {
            Token::Word(word) if word.eq_ignore_ascii_case("contains") => Operator::Contains,
            Token::Word(word) if word.eq_ignore_ascii_case("like") => Operator::Like,
            Token::Sign(sign) => match sign.as_str() {
                "=" => Operator::Equal,
                "!=" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                other => return Err(format!("unknown operator {other}")),
            },
            token => return Err(format!("expected an operator, not {token:?}")),
        };
        Ok(Condition::Compare(path, operator, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        match self.next()? {
            Token::Text(text) => Ok(Literal::Text(text)),
            Token::Date(text) => instant(&text).map(Literal::Date).ok_or(format!("not a date: {text}")),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "true" => Ok(Literal::Bool(true)),
                "false" => Ok(Literal::Bool(false)),
                "null" => Ok(Literal::Null),
                // Text without quotes is the classic mistake.
                number => Decimal::from_str(number).map(Literal::Number).map_err(|_| format!("not a value: {word}")),
            },
            Token::Sign(sign) => Err(format!("expected a value, not {sign}")),
        }
    }
}
