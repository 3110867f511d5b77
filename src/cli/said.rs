//! What was said with both systems, for people: `readypost records show --raw`.

use super::print::out;
use super::status::time;
use crate::domain::exchange::{Body, Exchange};
use crate::store::Said;

/// Prints requests and answers in their order.
pub(super) fn print(said: &[Said]) {
    out!("Said with both systems:");
    for said in said {
        let rules = said.rules.as_deref().unwrap_or("not noted");
        let until = if said.before == "request" { "before a request was sent" } else { "to the end of the step" };
        out!("  {}  {} exchanges {until}, by the rules {rules}", time(Some(said.at)), said.count);
        if let Some(missing) = &said.missing {
            out!("    not there: {missing}");
        }
        for exchange in said.exchanges.iter().flatten() {
            print_one(exchange);
        }
    }
}

fn print_one(exchange: &Exchange) {
    let Exchange { at, method, address, status, failure, .. } = exchange;
    let status = status.map(|status| status.to_string()).or_else(|| failure.clone()).unwrap_or_default();
    out!("    {}  {method} {address}: {status}", time(Some(*at)));
    for (name, value) in &exchange.headers {
        out!("      {name}: {value}");
    }
    for (arrow, body) in [(">", &exchange.request), ("<", &exchange.response)] {
        if let Some(Body { text, cut }) = body {
            let cut = cut.as_ref().and_then(|cut| cut.bytes).map(|bytes| format!(" … ({bytes} bytes in all)"));
            out!("      {arrow} {text}{}", cut.unwrap_or_default());
        }
    }
}
