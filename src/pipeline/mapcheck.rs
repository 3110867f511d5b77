//! Reads the set-up of both systems and compares it; it writes nothing.

use std::sync::Arc;

use jiff::SignedDuration;

use super::parts::{Company, Parts};
use crate::domain::mapcheck::{Checking, MapCheck, SetUp, check};
use crate::domain::record::CompanyId;
use crate::domain::statement::Calls;
use crate::remote::{self, RemoteError};
use crate::xero::{XeroError, modest};

/// Settings that are older are read anew: whoever checks has just mended something.
const STALE_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// Calls that Xero's settings take.
const SETTINGS_CALLS: u32 = 6;
/// How long a check waits for calls to Xero.
const WAITS_FOR: SignedDuration = SignedDuration::from_mins(5);

fn list<T>(read: Result<Vec<T>, RemoteError>) -> Result<Vec<T>, String> {
    read.map_err(|error| error.to_string())
}

/// Compares a company's rules and ConnectWise's set-up with Xero.
///
/// # Errors
/// Why it cannot be done, for an operator; a list of ConnectWise that cannot be read is in the result.
pub async fn map_check(company: &CompanyId, parts: &Parts) -> Result<MapCheck, String> {
    let sent = Arc::new(remote::Calls::default());
    let found = remote::counted(Arc::clone(&sent), modest(Box::pin(compared(company, parts)))).await?;
    let Checking { findings, looked_at, not_looked_at } = found;
    let calls = Calls { connectwise: sent.to("ConnectWise"), xero: sent.to("Xero") };
    Ok(MapCheck { company: company.clone(), at: parts.clock.now(), findings, looked_at, not_looked_at, calls })
}

async fn compared(company: &CompanyId, parts: &Parts) -> Result<Checking, String> {
    let found = parts.companies.iter().find(|candidate| candidate.id == *company);
    let company = found.ok_or_else(|| format!("the company '{company}' is not in the configuration"))?;
    let id = &company.connection;
    let connection = parts.connections.get(id);
    let client = &connection.ok_or_else(|| format!("the connection '{id}' is not in the configuration"))?.client;
    refresh(company, parts).await?;
    let organisation = company.client.organisation().await.map_err(|error| error.to_string())?;
    let set_up = SetUp {
        billing_statuses: list(client.billing_statuses().await),
        order_statuses: list(client.order_statuses().await),
        tax_codes: list(client.tax_code_names().await),
        captions: list(client.captions().await),
        mappings: list(client.gl_mappings().await),
        terms: list(client.all_terms().await),
        currencies: list(client.currencies().await),
    };
    Ok(check(&set_up, &organisation, &company.rules))
}

/// Reads Xero's settings anew. It waits for calls of the minute, but not for ever.
async fn refresh(company: &Company, parts: &Parts) -> Result<(), String> {
    let begun = parts.clock.now();
    loop {
        let (until, cause) = match company.client.spare_at(SETTINGS_CALLS) {
            Some(until) => (until, "the calls of this minute are used".to_owned()),
            None => match company.client.refresh_organisation(STALE_AFTER).await {
                Err(XeroError::Wait { until, cause }) => (until, cause),
                read => return read.map(|_| ()).map_err(|error| error.to_string()),
            },
        };
        if until.duration_since(begun) > WAITS_FOR {
            let minutes = WAITS_FOR.as_mins();
            return Err(format!(
                "Xero's settings could not be read within {minutes} minutes: {cause}; check again later"
            ));
        }
        parts.clock.sleep_until(until).await;
    }
}
