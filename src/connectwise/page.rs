//! Where ConnectWise shows a record to people.
//!
//! Only the address of companies is known; for invoices, purchase orders and expenses the page of their client or vendor
//! is the nearest.
//!
//! Source: ConnectWise PSA, Report Writer, "Advanced Field Settings Examples".

use super::client::ConnectWise;
use super::settings::Endpoint;

impl ConnectWise {
    /// The page of a company; none when the configured address has no host.
    #[must_use]
    pub fn company_page(&self, company: i64) -> Option<String> {
        let settings = self.settings();
        let (Endpoint::ApiUrl(url) | Endpoint::Site(url)) = &settings.endpoint;
        // The API of the cloud is on a host of its own, beside that of the pages.
        let host = url.host_str()?;
        let host = host.strip_prefix("api-").unwrap_or(host);
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("locale", "en_US")
            .append_pair("companyName", &settings.company)
            .append_pair("recordType", "CompanyFV")
            .append_pair("recid", &company.to_string())
            .finish();
        Some(format!("{}://{host}{port}/v4_6_release/services/system_io/router/openrecord.rails?{query}", url.scheme()))
    }
}
