//! Changes good input: bytes of anything, members of JSON. The same changes for the same seed.

use serde_json::{Map, Value};

/// The `SplitMix64` step.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Numbers at the edges, as JSON has them.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1",
    "0.1",
    "0.005",
    "0.004999999999999999999999999999",
    "1.005",
    "99999999.995",
    "1e2",
    "1E-2",
    "1e-28",
    "1e28",
    "1e-400",
    "1e400",
    "1e99999999999",
    "1e-99999999999",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "79228162514264337593543950335",
    "79228162514264337593543950336",
    "1000000000000",
    "1000000000000.01",
    "-1000000000000",
    "0.0000000000000000000000000000000000000000000000000001",
    "123456789012345678901234567890.123456789",
    "3.14159265358979323846264338327950288419716939937510",
    "12345678901234567890123456789012345678901234567890",
];
/// Texts that have confused somebody.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\u{0}",
    "null",
    "true",
    "NaN",
    "Infinity",
    "-",
    "+1",
    "0x10",
    "1,234.50",
    "1.234,50",
    "１２",
    "٣",
    "1 000",
    "1_000",
    "10.00 ",
    "$10",
    "(10.00)",
    "\u{202e}00.01",
    "a\u{0301}",
    "\u{feff}1",
    "𝟏",
    "ß",
    "İ",
    "ﬀ",
    "\u{fffd}",
    "../../etc/passwd",
    "'; drop table x; --",
    "\" or 1==1 or \"",
    "<script>alert(1)</script>",
    "%00",
    "%2e%2e%2f",
    "\r\nx-injected: 1",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "2026-02-30",
    "9999-12-31T23:59:60Z",
    "0000-00-00",
    "-271821-04-20",
    "13/31/2026",
    "/Date(99999999999999999)/",
    "/Date(-1)/",
    "/Date()/",
    "🧾🧾🧾",
    "::::",
    ",,,",
    "7,7",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];
/// Pieces that mean something to a reader.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"\0",
    b"\r\n",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\\ud800",
    b"\\u0000",
    b"1e999",
    b"=",
    b"#",
    b"'''",
    b"\"\"\"",
    b"[[",
    b"]]",
    b"//",
    b"@",
    b"%",
    b"&",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x92\xa5",
    b"$serde_json::private::Number",
];

/// Pieces that are repeated until they are too deep or too long.
const DEEP: &[&[u8]] = &[b"[", b"{\"a\":", b"x", b"[[company]]\n", b"\xff", b"a.", b"\""];

/// Changes bytes once to four times.
pub(crate) fn bytes(random: &mut Seeded, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        change(random, &mut bytes, others);
    }
    bytes
}

fn change(random: &mut Seeded, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let end = at + random.below(bytes.len() + 1 - at);
    let end = if random.one_in(4) { end } else { end.min(at + 8) };
    match random.below(14) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap(),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..end)),
        5 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        6 | 7 => drop(bytes.splice(at..at, random.of(PIECES).iter().copied())),
        8 => drop(bytes.splice(at..end, random.of(NUMBERS).bytes())),
        9 => drop(bytes.splice(at..end, random.of(TEXTS).bytes())),
        10 if !others.is_empty() => {
            let other = random.of(others);
            let from = random.below(other.len() + 1);
            let to = from + random.below(other.len() + 1 - from);
            drop(bytes.splice(at..end, other[from..to].iter().copied()));
        }
        11 if random.one_in(4) => {
            let piece = *random.of::<&[u8]>(DEEP);
            let deep = piece.repeat(random.below(3000));
            drop(bytes.splice(at..at, deep));
        }
        12 if random.one_in(8) => {
            // The same text in another encoding.
            let text = String::from_utf8_lossy(bytes).into_owned();
            let big = random.one_in(2);
            *bytes = text
                .encode_utf16()
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
        }
        13 => {
            if let Some(byte) = bytes.get_mut(at) {
                byte.make_ascii_uppercase();
            }
        }
        _ => drop(bytes.splice(at..at, *b"\"")),
    }
}

/// Changes members of JSON, and now and then bytes, too; what is no JSON is changed by bytes.
pub(crate) fn json(random: &mut Seeded, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(input) else { return bytes(random, input, others) };
    if random.one_in(6) {
        return bytes(random, input, others);
    }
    for _ in 0..=random.below(3) {
        let count = size(&value);
        let at = random.below(count);
        let donor = others.get(random.below(others.len().max(1))).and_then(|other| serde_json::from_slice(other).ok());
        change_member(random, nth(&mut value, &mut { at }).unwrap(), donor.as_ref());
    }
    let mut text = value.to_string();
    if random.one_in(30) {
        // A number of more digits than anybody writes.
        let digits: Vec<usize> = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
        if let Some(&at) = digits.get(random.below(digits.len().max(1))) {
            text.insert_str(at, &random.of::<&str>(&["0", "1", "9."]).repeat(random.below(20_000)));
        }
    }
    if text.contains(MARK) {
        let depth = 1 + random.below(400);
        let (open, close) = *random.of(&[("[", "]"), ("{\"a\":", "}")]);
        text = text.replacen(&format!("\"{MARK}\""), &format!("{}1{}", open.repeat(depth), close.repeat(depth)), 1);
    }
    if random.one_in(8) {
        text = duplicated(random, &text);
    }
    if random.one_in(10) { bytes(random, text.as_bytes(), others) } else { text.into_bytes() }
}

/// Stands where something deep comes.
const MARK: &str = "@@deep@@";

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.values().map(size).sum::<usize>(),
        _ => 0,
    }
}

/// The value that is so many values into the tree.
fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    let children: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(members) => Box::new(members.values_mut()),
        _ => return None,
    };
    for child in children {
        let below = size(child);
        if *left < below {
            return nth(child, left);
        }
        *left -= below;
    }
    None
}

fn number(random: &mut Seeded) -> Value {
    serde_json::from_str(random.of::<&str>(NUMBERS)).unwrap_or(Value::Null)
}

fn change_member(random: &mut Seeded, value: &mut Value, donor: Option<&Value>) {
    let old = value.take();
    *value = match (random.below(16), old) {
        (0, _) => Value::Null,
        (1, old) => Value::Array(vec![old]),
        (2, old) => Value::Object(Map::from_iter([("a".to_owned(), old)])),
        (3, Value::Number(old)) => Value::String(old.to_string()),
        (3, Value::String(old)) => serde_json::from_str(&old).unwrap_or(Value::Bool(true)),
        (4, _) | (5, Value::Number(_)) => number(random),
        (6 | 7, Value::String(old)) => {
            let trick = *random.of(TEXTS);
            match random.below(3) {
                0 => Value::String(trick.to_owned()),
                1 => Value::String(old + trick),
                _ => Value::String(trick.to_owned() + &old),
            }
        }
        (6, _) => Value::String((*random.of(TEXTS)).to_owned()),
        (8, Value::Array(mut items)) => {
            let again: Vec<Value> =
                items.iter().cycle().take(items.len().min(50) * random.below(20)).cloned().collect();
            items.extend(again);
            Value::Array(items)
        }
        (9, Value::Array(mut items)) if !items.is_empty() => {
            items.remove(random.below(items.len()));
            Value::Array(items)
        }
        (8 | 9, Value::Object(mut members)) if !members.is_empty() => {
            let name = members.keys().nth(random.below(members.len())).unwrap().clone();
            members.remove(&name);
            Value::Object(members)
        }
        (10, Value::Number(old)) => {
            // The same amount, off by the least.
            let digits = old.to_string();
            let (head, last) = digits.split_at(digits.len() - 1);
            let digit = last.parse::<u8>().map_or(0, |digit| (digit + 1) % 10);
            serde_json::from_str(&format!("{head}{digit}")).unwrap_or(Value::Number(old))
        }
        (10, Value::Object(members)) => {
            let cased = members.into_iter().map(|(name, value)| (name.to_ascii_uppercase(), value));
            Value::Object(cased.collect())
        }
        (11, Value::Bool(old)) => Value::Bool(!old),
        (12, _) if random.one_in(4) => Value::String(MARK.to_owned()),
        (13, Value::String(old)) => Value::String(old.repeat(random.below(300))),
        (13, Value::Number(old)) => serde_json::from_str(&format!("-{old}")).unwrap_or(Value::Number(old)),
        (14, old) => match donor.cloned() {
            Some(mut donor) => {
                let at = random.below(size(&donor));
                nth(&mut donor, &mut { at }).map_or(old, Value::take)
            }
            None => old,
        },
        (15, Value::Array(mut items)) => {
            items.reverse();
            Value::Array(items)
        }
        (_, old) => old,
    };
}

/// A member that is there twice, with another value.
fn duplicated(random: &mut Seeded, text: &str) -> String {
    let starts: Vec<usize> = text.match_indices("{\"").map(|(at, _)| at + 1).collect();
    let Some(&at) = starts.get(random.below(starts.len().max(1))) else { return text.to_owned() };
    let Some(colon) = text[at..].find(':') else { return text.to_owned() };
    let value = if random.one_in(2) { number(random).to_string() } else { "null".to_owned() };
    format!("{}{}:{value},{}", &text[..at], &text[at..at + colon], &text[at..])
}
