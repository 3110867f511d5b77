//! Lists: conditions, order, chosen fields, and both ways of paging.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};
use url::form_urlencoded::Serializer;

use super::amounts::decimal;
use super::conditions::{Condition, lookup};
use super::reply::{Call, Reply, pruned};

const PAGE_SIZE_DEFAULT: usize = 25;
const PAGE_SIZE_MAX: usize = 1000;

/// Answers the list, the count or one record of a collection; `rest` is the path below it.
pub(super) fn read(call: &Call, rest: &[&str], rows: Vec<Value>, noun: &str) -> Result<Reply, Reply> {
    if call.method != "GET" {
        return Err(Reply::no_endpoint());
    }
    match rest {
        [] => list(call, rows),
        ["count"] => Ok(Reply::ok(&json!({"count": matching(call, rows)?.len()}))),
        [id] => {
            let wanted = id.parse::<i64>().ok();
            let found =
                rows.into_iter().find(|row| wanted.is_some() && row.get("id").and_then(Value::as_i64) == wanted);
            found.map(|row| Reply::ok(&pruned(row))).ok_or_else(|| Reply::no_record(noun, id))
        }
        _ => Err(Reply::no_endpoint()),
    }
}

fn matching(call: &Call, rows: Vec<Value>) -> Result<Vec<Value>, Reply> {
    let Some(text) = call.parameter("conditions").filter(|text| !text.trim().is_empty()) else { return Ok(rows) };
    let condition = Condition::parse(text).map_err(|error| {
        let message = format!("The conditions could not be parsed: {error}");
        Reply::error(400, "InvalidConditions", &message)
    })?;
    Ok(rows.into_iter().filter(|row| condition.holds(row)).collect())
}

fn list(call: &Call, rows: Vec<Value>) -> Result<Reply, Reply> {
    let mut rows = matching(call, rows)?;
    let number = |name: &str| call.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("pageSize").unwrap_or(PAGE_SIZE_DEFAULT).clamp(1, PAGE_SIZE_MAX);
    let forward_only = call.header("pagination-type").is_some_and(|kind| kind.eq_ignore_ascii_case("forward-only"));
    let (page, link) = if forward_only {
        let after = call.parameter("pageId").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        forward(call, rows, (after, size))
    } else {
        if let Some(order) = call.parameter("orderBy") {
            sort(&mut rows, order);
        }
        let page = number("page").unwrap_or(1).max(1);
        let last = rows.len().div_ceil(size).max(1);
        let link = links(call, page, last);
        (rows.into_iter().skip((page - 1) * size).take(size).collect(), link)
    };
    let fields = call.parameter("fields").filter(|fields| !fields.is_empty());
    let page: Vec<Value> = page.into_iter().map(|row| chosen(pruned(row), fields)).collect();
    let reply = Reply::ok(&Value::Array(page));
    Ok(if link.is_empty() { reply } else { reply.with_header("link", link) })
}

/// The rows with ids above `after`, and the link to those that follow.
fn forward(call: &Call, mut rows: Vec<Value>, (after, size): (i64, usize)) -> (Vec<Value>, String) {
    let id = |row: &Value| row.get("id").and_then(Value::as_i64).unwrap_or(0);
    rows.retain(|row| id(row) > after);
    rows.sort_by_key(id);
    let more = rows.len() > size;
    rows.truncate(size);
    let link = match rows.last() {
        Some(last) if more => format!("<{}>; rel=\"next\"", address(call, "pageId", &id(last).to_string())),
        _ => String::new(),
    };
    (rows, link)
}

fn links(call: &Call, page: usize, last: usize) -> String {
    let link = |rel: &str, page: usize| format!("<{}>; rel=\"{rel}\"", address(call, "page", &page.to_string()));
    let mut links = Vec::new();
    if page > 1 {
        links.extend([link("first", 1), link("prev", page - 1)]);
    }
    if page < last {
        links.extend([link("next", page + 1), link("last", last)]);
    }
    links.join(", ")
}

/// The address of the call with one parameter replaced.
fn address(call: &Call, name: &str, value: &str) -> String {
    let others = call.query.iter().filter(|(key, _)| !key.eq_ignore_ascii_case(name));
    let query = Serializer::new(String::new()).extend_pairs(others).append_pair(name, value).finish();
    format!("{}?{query}", call.address)
}

fn sort(rows: &mut [Value], order: &str) {
    let keys: Vec<(&str, bool)> = order
        .split(',')
        .map(|key| {
            let (path, direction) = key.trim().split_once(' ').unwrap_or((key.trim(), ""));
            (path, direction.trim().eq_ignore_ascii_case("desc"))
        })
        .collect();
    rows.sort_by(|left, right| {
        let by_key = |(path, descending): &(&str, bool)| {
            let order = compare(lookup(left, path), lookup(right, path));
            if *descending { order.reverse() } else { order }
        };
        keys.iter().map(by_key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (decimal(left), decimal(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.as_str().unwrap_or_default().to_lowercase().cmp(&right.as_str().unwrap_or_default().to_lowercase()),
    }
}

/// The chosen fields of a row, or all of them.
fn chosen(row: Value, fields: Option<&str>) -> Value {
    let Some(fields) = fields else { return row };
    let mut kept = Map::new();
    for path in fields.split(',').map(str::trim) {
        let value = lookup(&row, path);
        if value.is_null() {
            continue;
        }
        match path.split_once('/') {
            None => drop(kept.insert(path.to_owned(), value.clone())),
            Some((parent, child)) => {
                if let Some(parent) = kept.entry(parent).or_insert_with(|| json!({})).as_object_mut() {
                    parent.insert(child.to_owned(), value.clone());
                }
            }
        }
    }
    Value::Object(kept)
}
