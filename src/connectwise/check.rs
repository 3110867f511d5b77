//! Small reads for `readypost doctor` and `readypost map check`: whether the set-up of ConnectWise fits the configuration.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::fmt::rfc2822;

use super::client::{Call, ConnectWise};
use super::wire;
use crate::domain::facts::{Caption, Status};
use crate::domain::mapcheck::{GlMapping, TermsRow};
use crate::remote::{Answer, RemoteError};

/// The cheapest read that needs credentials.
const PING: &str = "system/info";

impl ConnectWise {
    /// Whether ConnectWise answers and takes the credentials.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn ping(&self) -> Result<(), RemoteError> {
        self.info().await.map(drop)
    }

    /// How far ConnectWise's clock is ahead of ours, to the second; none when it does not say.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn clock_offset(&self) -> Result<Option<SignedDuration>, RemoteError> {
        let answer = self.info().await?;
        let theirs = answer.header("date").and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        Ok(theirs.map(|theirs| theirs.duration_since(self.clock.now())))
    }

    async fn info(&self) -> Result<Answer, RemoteError> {
        Ok(self.read(&Call::get(PING)).await??)
    }

    /// All billing statuses.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn billing_statuses(&self) -> Result<Vec<Status>, RemoteError> {
        self.read_statuses().await
    }

    /// All statuses of purchase orders; one that does not say whether it is closed counts as open.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn order_statuses(&self) -> Result<Vec<Status>, RemoteError> {
        let rows = self.read_order_statuses().await?;
        let status =
            |row: wire::OrderStatus| Status { id: row.id, name: row.name, closed: row.closed_flag == Some(true) };
        Ok(rows.into_iter().map(status).collect())
    }

    /// The identifiers of all tax codes, sorted.
    ///
    /// That an invoice's tax code is named by its identifier, and not by its description, is not documented.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn tax_code_names(&self) -> Result<Vec<String>, RemoteError> {
        let rows: Vec<wire::TaxCode> = self.list("finance/taxCodes", None).await??;
        Ok(distinct(rows.into_iter().map(|row| row.identifier)))
    }

    /// The GL mapping: every row with its type and its segments.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn gl_mappings(&self) -> Result<Vec<GlMapping>, RemoteError> {
        let rows: Vec<wire::Segmented> = self.list("finance/glAccounts", None).await??;
        Ok(rows.iter().map(wire::Segmented::mapping).collect())
    }

    /// All billing terms with their XRefs.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn all_terms(&self) -> Result<Vec<TermsRow>, RemoteError> {
        let rows: Vec<wire::BillingTerm> = self.list("finance/billingTerms", None).await??;
        Ok(rows.into_iter().map(|row| TermsRow { name: row.name, xref: row.terms_xref }).collect())
    }

    /// ISO codes of all currencies, sorted.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn currencies(&self) -> Result<Vec<String>, RemoteError> {
        let rows: Vec<wire::Currency> = self.list("finance/currencies", None).await??;
        Ok(distinct(rows.into_iter().map(|row| row.currency_code)))
    }

    /// The captions of the GL segments, in order.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn captions(&self) -> Result<Vec<Caption>, RemoteError> {
        self.read_captions().await
    }
}

/// The values that are not empty, each once, sorted.
fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    values.filter(|value| !value.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
}
