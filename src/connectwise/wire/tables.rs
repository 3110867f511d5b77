//! Set-up tables: billing statuses, terms, currencies and tax codes.

use serde::Deserialize;

use crate::connectwise::lenient::{flag, id, text};

/// `/finance/billingStatuses`, where "closed" has another name than on an invoice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connectwise) struct BillingStatus {
    #[serde(deserialize_with = "id")]
    pub(in crate::connectwise) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::connectwise) name: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in crate::connectwise) closed_flag: Option<bool>,
}

/// `/finance/billingTerms`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connectwise) struct BillingTerm {
    #[serde(deserialize_with = "id")]
    pub(in crate::connectwise) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::connectwise) name: String,
    #[serde(default, deserialize_with = "text")]
    pub(in crate::connectwise) terms_xref: String,
}

/// `/finance/currencies`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::connectwise) struct Currency {
    #[serde(default, deserialize_with = "text")]
    pub(in crate::connectwise) currency_code: String,
}

/// `/finance/taxCodes`.
#[derive(Debug, Deserialize)]
pub(in crate::connectwise) struct TaxCode {
    #[serde(default, deserialize_with = "text")]
    pub(in crate::connectwise) identifier: String,
}
