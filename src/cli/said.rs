//! What was said with both systems, for people: `readypost records show --raw`.

use super::screen::{Hue, Screen, time};
use crate::domain::exchange::{Body, Exchange};
use crate::store::Said;

/// Requests and answers in their order.
pub(super) fn tell(said: &[Said], screen: &mut Screen) {
    screen.line(Hue::Strong.of("Said with both systems:"));
    for said in said {
        let rules = said.rules.as_deref().unwrap_or("not noted");
        let until = if said.before == "request" { "before a request was sent" } else { "to the end of the step" };
        let at = time(Some(said.at));
        screen.indented(2, format!("{at}  {} exchanges {until}, by the rules {rules}", said.count));
        if let Some(missing) = &said.missing {
            screen.indented(4, Hue::Look.of(format!("not there: {missing}")));
        }
        for exchange in said.exchanges.iter().flatten() {
            tell_one(exchange, screen);
        }
    }
}

fn tell_one(exchange: &Exchange, screen: &mut Screen) {
    let Exchange { at, method, address, status, failure, .. } = exchange;
    let status = status.map(|status| status.to_string()).or_else(|| failure.clone()).unwrap_or_default();
    screen.indented(4, format!("{}  {method} {address}: {status}", time(Some(*at))));
    for (name, value) in &exchange.headers {
        screen.indented(6, format!("{name}: {value}"));
    }
    for (arrow, body) in [(">", &exchange.request), ("<", &exchange.response)] {
        if let Some(Body { text, cut }) = body {
            let cut = cut.as_ref().and_then(|cut| cut.bytes).map(|bytes| format!(" … ({bytes} bytes in all)"));
            let text = format!("{arrow} {text}{}", cut.unwrap_or_default());
            text.lines().for_each(|line| screen.letters(6, line));
        }
    }
}
