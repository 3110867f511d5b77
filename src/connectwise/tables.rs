//! Set-up tables that hardly ever change: kept for [`LIFE_MINUTES`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::client::ConnectWise;
use super::failure::Denied;
use super::wire;
use crate::domain::facts::{Caption, Status};
use crate::remote::RemoteError;

/// How long captions and terms are kept, in minutes.
pub(super) const LIFE_MINUTES: i64 = 10;

/// XRefs of billing terms by their id.
pub(super) type TermsXrefs = BTreeMap<i64, String>;

impl ConnectWise {
    /// The captions, possibly kept.
    pub(super) async fn kept_captions(&self) -> Result<Arc<Vec<Caption>>, RemoteError> {
        self.captions.get(self.clock.as_ref(), self.read_captions()).await
    }

    /// The captions, read now.
    pub(super) async fn read_captions(&self) -> Result<Vec<Caption>, RemoteError> {
        let rows: Vec<wire::Segmented> = self.list("finance/glCaptions", None).await??;
        Ok(rows.first().map(wire::Segmented::captions).unwrap_or_default())
    }

    /// The XRef of billing terms; none when they have none or the API member may not see the table.
    ///
    /// Without an XRef the document gets the due date that ConnectWise shows, so this is optional.
    pub(super) async fn terms_xref(&self, terms: Option<i64>) -> Result<String, RemoteError> {
        let Some(terms) = terms else { return Ok(String::new()) };
        let xrefs = self.terms.get(self.clock.as_ref(), self.read_terms()).await?;
        Ok(xrefs.get(&terms).cloned().unwrap_or_default())
    }

    async fn read_terms(&self) -> Result<TermsXrefs, RemoteError> {
        match self.list::<wire::BillingTerm>("finance/billingTerms", None).await? {
            Ok(rows) => Ok(rows.into_iter().map(|row| (row.id, row.terms_xref)).collect()),
            Err(Denied::Forbidden(cause) | Denied::NoRecord(cause) | Denied::NoEndpoint(cause)) => {
                tracing::warn!(%cause, "billing terms cannot be read: due dates are those of ConnectWise");
                Ok(TermsXrefs::new())
            }
        }
    }

    /// The billing statuses, read now.
    pub(super) async fn read_statuses(&self) -> Result<Vec<Status>, RemoteError> {
        let rows: Vec<wire::BillingStatus> = self.list("finance/billingStatuses", None).await??;
        let status = |row: wire::BillingStatus| Status {
            id: row.id,
            name: row.name,
            closed: row.closed_flag.unwrap_or_default(),
        };
        Ok(rows.into_iter().map(status).collect())
    }
}
