//! Where ConnectWise shows a record to people.
//!
//! Only some types of records have a documented address: companies and expense entries do, invoices, purchase orders and
//! expense reports do not. The page of their client or vendor is the nearest.
//!
//! Source: ConnectWise PSA, Report Writer, "Advanced Field Settings Examples", and the record types that it lists.

use super::client::ConnectWise;
use super::settings::Endpoint;

impl ConnectWise {
    /// The page of a company; none when the configured address has no host.
    #[must_use]
    pub fn company_page(&self, company: i64) -> Option<String> {
        self.page("CompanyFV", company)
    }

    /// The page of an expense entry; none as above.
    #[must_use]
    pub fn expense_page(&self, entry: i64) -> Option<String> {
        self.page("ExpenseFV", entry)
    }

    fn page(&self, record_type: &str, id: i64) -> Option<String> {
        let settings = self.settings();
        let (Endpoint::ApiUrl(url) | Endpoint::Site(url)) = &settings.endpoint;
        // The API of the cloud is on a host of its own, beside that of the pages.
        let host = url.host_str()?;
        let host = host.strip_prefix("api-").unwrap_or(host);
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("locale", "en_US")
            .append_pair("companyName", &settings.company)
            .append_pair("recordType", record_type)
            .append_pair("recid", &id.to_string())
            .finish();
        Some(format!("{}://{host}{port}/v4_6_release/services/system_io/router/openrecord.rails?{query}", url.scheme()))
    }
}
