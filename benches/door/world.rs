//! Simulators of both systems and the configuration of a service between them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use readypost::clock::{Clock, SystemClock};
use readypost::config::{self, Config};
use readypost::simulator::connectwise::{self, ConnectWise, NewCompany, NewInvoice, NewLine};
use readypost::simulator::xero::{self, Xero};
use rust_decimal::Decimal;

/// More than any run makes: the limits are Xero's, and are not what is looked at.
const CALLS_MAX: u32 = 1_000_000;

/// Both systems, a client company in each, and a folder for the store.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connectwise: ConnectWise,
    pub(crate) xero: Xero,
    pub(crate) client: i64,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    /// Starts both on free ports, with the store below `folder`; every call of their APIs takes `latency` longer.
    pub(crate) async fn start(folder: &Path, latency: Duration) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let settings = connectwise::Settings { latency, ..connectwise::Settings::new(Arc::clone(&clock)) };
        let connectwise = ConnectWise::start(settings).await?;
        let settings = xero::Settings {
            latency,
            minute_limit: CALLS_MAX,
            day_limit: CALLS_MAX,
            ..xero::Settings::new(Arc::clone(&clock))
        };
        let xero = Xero::start(settings).await?;
        let tax_code = connectwise.add_tax_code("GST", "GST on Income", &[("GST on Income", Decimal::new(1, 1))]);
        let terms = connectwise.add_terms("Net 20", 20, "20");
        let name = "Blue Gum Dental";
        let client = connectwise.add_company(NewCompany {
            identifier: "BLUEGUM".to_owned(),
            name: name.to_owned(),
            primary_contact: true,
            billing_contact: true,
            terms: Some(terms),
            tax_code: Some(tax_code),
            ..NewCompany::default()
        });
        xero.add_contact(xero::NewContact { name: name.to_owned(), ..xero::NewContact::default() });
        Ok(Self { clock, connectwise, xero, client, folder: tempfile::tempdir_in(folder)? })
    }

    /// An invoice of the client over one line, open.
    pub(crate) fn invoice(&self, number: &str) -> i64 {
        let line = NewLine {
            description: "Labour".to_owned(),
            quantity: Decimal::new(25, 1),
            unit_price: Decimal::from(180),
            region: "Sydney".to_owned(),
            department: "Service".to_owned(),
            non_product_id: "LABOUR".to_owned(),
            ..NewLine::default()
        };
        self.connectwise.add_invoice(NewInvoice {
            number: number.to_owned(),
            kind: "Standard".to_owned(),
            company: self.client,
            lines: vec![line],
            ..NewInvoice::default()
        })
    }

    /// The configuration file of a service that reaches both systems at these addresses.
    pub(crate) fn text(&self, connectwise_api: &str, xero_api: &str) -> String {
        let settings = self.xero.settings();
        format!(
            r#"
[server]
listen = "127.0.0.1:0"
[store]
path = '{path}'
[[operator]]
name = "bench"
role = "viewer"
token_sha256 = "{TOKEN_SHA256}"
[[connectwise]]
name = "acme"
api_url = "{connectwise_api}"
company = "acme"
public_key = "public-key"
private_key = "private-key"
client_id = "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11"
key_url_hosts = ["{keys}"]
[[company]]
id = "acme-au"
connectwise = "acme"
[company.xero]
api_url = "{xero_api}"
token_url = "{token_url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
tenant_id = "{tenant}"
minute_limit = {CALLS_MAX}
[company.rules]
untaxed = "GST Free Income"
tax_names = {{ GST = "GST on Income" }}
"#,
            path = self.folder.path().join("store").display(),
            keys = self.connectwise.key_host(),
            token_url = self.xero.token_url(),
            client_id = settings.client_id,
            client_secret = settings.client_secret,
            tenant = settings.tenant_id,
        )
    }

    /// The configuration of a service that reaches both systems directly.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        parse(&self.text(&self.connectwise.api_url(), &self.xero.api_url()))
    }
}

/// The operator's token.
pub(crate) const TOKEN: &str = "test-token";
const TOKEN_SHA256: &str = "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e";

/// Reads a configuration text.
pub(crate) fn parse(text: &str) -> anyhow::Result<Config> {
    config::parse(text, &|_| None).or_else(|faults| bail!("{faults:?}"))
}
