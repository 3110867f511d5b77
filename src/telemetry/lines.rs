//! The log as JSON: one object a line, with the fields of the spans around it beside its own.
//!
//! So what is said about a record has `record.key` in one place, whoever says it.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes an event as one line of JSON. The fields of spans have to be JSON, too.
#[derive(Debug)]
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        event.record(&mut Said(&mut fields));
        for span in context.event_scope().into_iter().flatten() {
            // From the inside to the outside: what is nearer says it better.
            fields.entry("span").or_insert_with(|| span.name().into());
            let extensions = span.extensions();
            let text = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.as_str());
            if let Ok(Value::Object(around)) = serde_json::from_str(text) {
                for (name, value) in around {
                    fields.entry(name).or_insert(value);
                }
            }
        }
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        // Of libraries with another way to log; theirs is the name that the filter knows.
        let target = fields.remove("log.target").unwrap_or_else(|| event.metadata().target().into());
        fields.retain(|name, _| !name.starts_with("log."));
        let (time, level) = (Value::from(time), Value::from(event.metadata().level().as_str()));
        write!(writer, "{{\"timestamp\":{time},\"level\":{level},\"target\":{target}")?;
        for (name, value) in fields {
            write!(writer, ",{}:{value}", Value::from(name))?;
        }
        writeln!(writer, "}}")
    }
}

/// Takes the fields of an event.
struct Said<'fields>(&'fields mut Map<String, Value>);

impl Said<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        // The three that every line has are never the event's own.
        if !matches!(field.name(), "timestamp" | "level" | "target") {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Said<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
