//! What the interface is, as `OpenAPI` 3.1: collected from the handlers, so that an address, a filter or a field that is
//! served is described.

use std::borrow::Cow;

use axum::Json;
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Schema};
use utoipa::{Modify, OpenApi as _, PartialSchema, ToSchema};

use super::access::Viewer;
use super::error::ProblemView;
use crate::domain::money::Money;
use crate::domain::record::{CompanyId, RecordKey};
use crate::domain::statement::Month;
use crate::domain::text::Sentence;
use crate::store::Head;

/// Of each schema what it looks like.
const EXAMPLES: &str = include_str!("examples.json");
/// The methods of a path.
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "readypost",
        description = "Posts ConnectWise PSA records to Xero the moment they are ready to post. \
            Times are UTC. Amounts are decimal texts: read them as decimals, never as binary fractions. Fields may be \
            added; what is here keeps its meaning. 400 says that a request is not as described here, 422 that it is, and \
            that its parts do not fit together or to what is known. Answers to GET have an `ETag`: send it as `If-None-Match`, and what has not changed is answered \
            by 304 without a body.",
    ),
    servers((url = "/")),
    components(schemas(ProblemView)),
    modifiers(&Token),
    tags(
        (name = "doors", description = "Where ConnectWise and Xero call; verified by their signatures."),
        (name = "records", description = "Invoices, purchases, expenses, movements and payments, and what holds them."),
        (name = "bulk", description = "One decision about many records: plan, run, watch, cancel."),
        (name = "companies", description = "The Xero organisations."),
        (name = "onboarding", description = "What posting would do, and whether both systems fit, before anything is written."),
        (name = "reconcile", description = "A month of both systems next to each other."),
        (name = "sweep", description = "What callbacks did not tell of, and the callbacks themselves."),
        (name = "alerts", description = "What stands, and who is told."),
        (name = "configuration", description = "The file of settings."),
        (name = "monitoring", description = "For supervisors and monitors."),
    ),
)]
struct Document;

/// The token that everything but the doors, health and readiness wants.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A token of the configuration, see `readypost token`. A viewer may look, an operator may also decide.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// The document before the handlers are in it.
pub(super) fn begun() -> OpenApi {
    Document::openapi()
}

/// The document once all handlers are in it: with the answers that are the same everywhere.
pub(super) fn completed(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    // The file that describes the crate names no licence.
    if let Some(info) = document.get_mut("info").and_then(Value::as_object_mut) {
        info.remove("license");
    }
    let mut examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for (name, schema) in schemas.into_iter().flatten() {
        if let (Some(schema), Some(example)) = (schema.as_object_mut(), examples.remove(name)) {
            schema.insert("examples".to_owned(), json!([example]));
        }
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for operation in paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut).flat_map(operations) {
        complete(operation);
    }
    document
}

fn operations(path: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    path.iter_mut().filter(|(name, _)| METHODS.contains(&name.as_str())).filter_map(|(_, one)| one.as_object_mut())
}

fn complete(operation: &mut Map<String, Value>) {
    let Some(role) = role(operation) else { return };
    let sends = operation.contains_key("requestBody");
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let mut add = |status: &str, description: &str, fits: bool| {
        if fits {
            responses.entry(status).or_insert_with(|| json!({ "description": description }));
        }
    };
    add("400", "The body is not what is expected: `detail` says where.", sends);
    add("401", "There is no token, or one that is not in the configuration.", true);
    add("403", "The token is a viewer's, who may look, but not decide.", role == "operator");
    add("408", "It took more than 60 s. What was begun may go on: look before you ask again.", true);
    add("413", "The body has more than 2 MB.", sends);
    add("415", "The body is not `application/json`.", sends);
    add("429", "The token asks too often: come again after `Retry-After` seconds.", true);
    add("500", "A fault inside readypost; its log says more. Look before you ask again.", true);
    add("503", "The store does not answer now: come again after `Retry-After` seconds.", true);
    for (status, response) in responses {
        if !status.starts_with('2')
            && let Some(response) = response.as_object_mut()
        {
            let problem =
                json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
            response.insert("content".to_owned(), problem);
        }
    }
}

/// The role that an operation wants; none where it wants no token.
fn role(operation: &Map<String, Value>) -> Option<String> {
    let role = operation.get("security")?.get(0)?.get("token")?.get(0)?.as_str()?;
    Some(role.to_owned())
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "monitoring", responses((status = 200, description = "This document.", body = Object)), security(("token" = ["viewer"])))]
pub(super) async fn show(_: Viewer) -> Json<&'static Value> {
    Json(super::openapi())
}

/// Values that are texts on the wire, whatever they are inside.
macro_rules! texts {
    ($($type:ty, $name:literal, $pattern:literal, $example:literal, $description:literal;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).description(Some($description));
                text.pattern(Some($pattern)).examples([$example]).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

texts! {
    RecordKey, "RecordKey", "^[a-z0-9-]{1,40}/[a-z_]+/.{1,128}$", "acme/invoice/5041", "connection/kind/source; the source percent-encoded where it has signs that an address has not.";
    CompanyId, "CompanyId", "^[a-z0-9-]{1,40}$", "acme-au", "Id of a Xero organisation in the configuration.";
    Month, "Month", "^[0-9]{4}-(0[1-9]|1[0-2])$", "2026-11", "A month.";
    Sentence, "Sentence", "^", "Line 2: there is no account with the code '455' in Xero.", "At most 400 characters.";
    Head, "Head", "^[0-9]+:[0-9a-f]{64}$", "4711:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "Sequence and hash of an entry.";
}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let description = "An exact amount: read it as a decimal, never as a binary fraction.";
        let amount = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        amount.pattern(Some(r"^-?[0-9]+(\.[0-9]+)?$")).examples(["240.00"]).into()
    }
}

impl ToSchema for Money {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Money")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::http::extract::DryRun;
    use crate::http::records::Because;
    use crate::http::{
        AlertView, CompanyView, IssueView, RecordView, alerts, bulk, companies, mapcheck, reconcile, simulate, view,
    };

    #[test]
    fn every_example_is_what_it_is_an_example_of() {
        fn reads<T: for<'de> Deserialize<'de>>(value: Value) -> Result<(), String> {
            serde_json::from_value::<T>(value).map(drop).map_err(|error| error.to_string())
        }
        type Reads = fn(Value) -> Result<(), String>;
        let readers: BTreeMap<&str, Reads> = BTreeMap::from([
            ("RecordView", reads::<RecordView> as Reads),
            ("IssueView", reads::<IssueView>),
            ("WarningView", reads::<view::WarningView>),
            ("CompanyView", reads::<CompanyView>),
            ("AlertView", reads::<AlertView>),
            ("Decision", reads::<Because>),
            ("BulkPlan", reads::<bulk::Plan>),
            ("Pause", reads::<companies::Asked>),
            ("DryRun", reads::<DryRun>),
            ("AlertTest", reads::<alerts::Asked>),
            ("MapCheckOf", reads::<mapcheck::Wanted>),
            ("StatementOf", reads::<reconcile::Asked>),
            ("SimulationOf", reads::<simulate::Asked>),
            ("Problem", reads::<BTreeMap<String, Value>>),
        ]);
        let document = crate::http::openapi();
        let examples: BTreeMap<String, Value> = serde_json::from_str(EXAMPLES).unwrap();
        assert_eq!(examples.keys().collect::<Vec<_>>(), readers.keys().collect::<Vec<_>>());
        for (name, example) in examples {
            let schema = &document["components"]["schemas"][&name];
            assert_eq!(schema["examples"][0], example, "{name} is no schema");
            // A field that is not described would be read over.
            let known = schema["properties"].as_object().unwrap();
            for field in example.as_object().unwrap().keys() {
                assert!(known.contains_key(field), "{name} has no {field}");
            }
            readers[name.as_str()](example).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
