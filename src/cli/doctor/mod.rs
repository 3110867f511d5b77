//! `readypost doctor`: finds what would hold tomorrow's records, today.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

mod both;
mod findings;
mod keys;
mod named;

use super::client::show;
use super::{ConfigFile, PROBLEMS};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Alert, Company, Config, Connection, Grant};
use crate::connectwise::ConnectWise;
use crate::domain::facts::{Organisation, Status, TaxRate};
use crate::domain::record::ConnectionId;
use crate::domain::registration::{Change, Standing, compared, ending};
use crate::domain::rules::{Rules, TaxSource};
use crate::xero::{Connected, TokenVault};
use findings::Findings;

/// Clocks that differ by more than this make dates and locks doubtful.
const CLOCK_OFFSET_MAX: SignedDuration = SignedDuration::from_mins(2);

/// Check the configuration and both systems.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Reads from both systems and writes nothing. The exit code is 1 when something is wrong.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let path = &self.file.config;
        let config = match super::load(path) {
            Ok(config) => config,
            Err(code) => return Ok(code),
        };
        let mut findings = Findings::begin();
        findings.good("configuration", &format!("{} is complete", path.display()));
        let checked = check(config, &mut findings).await;
        findings.end();
        show(self.json, &findings.json(), |screen| findings.tell(screen))?;
        checked?;
        Ok(if findings.wrongs() == 0 { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
    }
}

async fn check(config: Config, findings: &mut Findings) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    server(&config, clock.now(), findings);
    let Config { connections, companies, server, alerts, .. } = config;
    let mut names = BTreeMap::new();
    for connection in connections {
        let ours: Vec<&Company> = companies.iter().filter(|company| company.connection == connection.name).collect();
        let callback = server
            .public_url
            .as_ref()
            .map(|url| format!("{}/callbacks/{}", url.as_str().trim_end_matches('/'), connection.name));
        let name = connection.name.clone();
        if let Some(known) = check_connection(connection, &ours, callback, &clock, findings).await? {
            names.insert(name, known);
        }
    }
    for company in &companies {
        check_company(company, &names, &clock, findings).await?;
    }
    channels(&alerts, findings).await?;
    Ok(())
}

fn server(config: &Config, now: Timestamp, findings: &mut Findings) {
    if let Some(tls) = &config.server.tls {
        match (tls.complaint(now), tls.valid) {
            (Some(complaint), _) => findings.wrong("tls_certificate", &complaint),
            (None, Some(valid)) => findings.good("tls_certificate", &format!("is valid until {}", valid.until)),
            (None, None) => findings.note("tls_certificate", "does not say in a known way how long it is valid"),
        }
    }
    match &config.server.public_url {
        None => findings.note("public_url", "is not set, so the callbacks' address cannot be checked"),
        Some(url) if url.scheme() != "https" => {
            findings.wrong("public_url", "must be https: ConnectWise calls it over the internet");
        }
        Some(url) => findings.good("public_url", url.as_str()),
    }
    if config.operators.is_empty() {
        findings.wrong("operators", "there is none, so nobody can look; `readypost token` makes one");
    }
}

/// Channels of alerts are greeted; only `readypost alerts test` sends something.
async fn channels(alerts: &[Alert], findings: &mut Findings) -> anyhow::Result<()> {
    for greeted in app::greet_channels(alerts).await? {
        let about = format!("alert {}", greeted.name);
        match greeted.outcome {
            Ok(said) => {
                let more = format!("`readypost alerts test --channel {}` sends a message", greeted.name);
                findings.good(&about, &format!("{} by {}; {more}", said, greeted.channel));
            }
            Err(cause) => findings.wrong(&about, &format!("cannot be told by {}: {cause}", greeted.channel)),
        }
    }
    Ok(())
}

async fn check_connection(
    connection: Connection,
    companies: &[&Company],
    callback: Option<String>,
    clock: &Arc<dyn Clock>,
    findings: &mut Findings,
) -> anyhow::Result<Option<both::Names>> {
    let about = format!("connectwise {}", connection.name);
    keys::check(&connection, &about, findings).await?;
    let client = app::connectwise_client(&connection, clock)?;
    if let Err(error) = client.ping().await {
        findings.wrong(&about, &error.to_string());
        return Ok(None);
    }
    findings.good(&about, "answers, and accepts the credentials");
    match client.clock_offset().await {
        Ok(Some(offset)) if offset.abs() > CLOCK_OFFSET_MAX => {
            findings.wrong(&about, &format!("its clock differs from this one by {} s", offset.as_secs()));
        }
        Ok(_) => findings.good(&about, "its clock and this one agree"),
        Err(error) => findings.wrong(&about, &error.to_string()),
    }
    statuses(&client, companies, &about, findings).await;
    order_statuses(&client, companies, &about, findings).await;
    captions(&client, companies, &about, findings).await;
    callbacks(&client, callback, &about, findings).await;
    Ok(Some(both::names(&client, &about, findings).await))
}

/// The wanted billing statuses must exist and must be closed ones.
async fn statuses(client: &ConnectWise, companies: &[&Company], about: &str, findings: &mut Findings) {
    match client.billing_statuses().await {
        Err(error) => findings.wrong(about, &format!("billing statuses cannot be read: {error}")),
        Ok(known) => {
            for company in companies {
                let wanted = (&company.rules.invoice_statuses, "invoice_statuses", "billing status");
                wanted_statuses(company, wanted, &known, about, findings);
            }
        }
    }
}

/// So must those of purchase orders; without rights on Procurement nothing is bought through readypost.
async fn order_statuses(client: &ConnectWise, companies: &[&Company], about: &str, findings: &mut Findings) {
    match client.order_statuses().await {
        Err(error) => {
            findings.note(about, &format!("purchase orders cannot be posted, their statuses cannot be read: {error}"));
        }
        Ok(known) => {
            for company in companies {
                let wanted = (&company.rules.purchase_statuses, "purchase_statuses", "purchase order status");
                wanted_statuses(company, wanted, &known, about, findings);
            }
        }
    }
}

fn wanted_statuses(
    company: &Company,
    (wanted, rule, noun): (&Vec<String>, &str, &str),
    known: &[Status],
    about: &str,
    findings: &mut Findings,
) {
    for wanted in wanted {
        let means = |status: &&Status| {
            status.name.eq_ignore_ascii_case(wanted.trim()) || wanted.trim().parse() == Ok(status.id)
        };
        match known.iter().find(means) {
            None => findings.wrong(about, &format!("there is no {noun} '{wanted}' (company {})", company.id)),
            Some(status) if !status.closed => findings.wrong(
                about,
                &format!("the {noun} '{}' is an open one: ConnectWise makes no GL entries for it", status.name),
            ),
            Some(status) => findings.good(about, &format!("the {noun} '{}' closes its records", status.name)),
        }
    }
    if wanted.is_empty() {
        findings.note(about, &format!("{rule} is empty: every closed status posts (company {})", company.id));
    }
}

/// Lines without a product need a segment that names their item.
async fn captions(client: &ConnectWise, companies: &[&Company], about: &str, findings: &mut Findings) {
    let required =
        companies.iter().any(|company| company.rules.non_product_id == crate::domain::rules::NonProductId::Required);
    match client.captions().await {
        Err(error) => findings.wrong(about, &format!("GL captions cannot be read: {error}")),
        Ok(captions) => {
            let names: Vec<&str> = captions.iter().map(|caption| caption.name.as_str()).collect();
            if required && !captions.iter().any(crate::domain::map::is_non_product_id) {
                findings
                    .wrong(about, &format!("no GL segment is titled Non-Product ID (there are: {})", names.join(", ")));
            } else {
                findings.good(about, &format!("GL segments: {}", names.join(", ")));
            }
        }
    }
}

/// Types of callbacks, and whether readypost is of no use without them.
const CALLBACKS: [(&str, bool); 3] = [("invoice", true), ("purchaseorder", false), ("expense", false)];

/// Callbacks must be registered for our address and must not be switched off.
async fn callbacks(client: &ConnectWise, address: Option<String>, about: &str, findings: &mut Findings) {
    let Some(address) = address else { return };
    let registered = match client.callbacks().await {
        Ok(registered) => registered,
        Err(error) => return findings.wrong(about, &format!("callbacks cannot be read: {error}")),
    };
    for (kind, required) in CALLBACKS {
        for standing in compared(&registered, &address, &[kind]) {
            match standing {
                Standing::Wrong(Change::Register { .. }) => {
                    let text = format!(
                        "no {kind} callback leads to {address}; register one: POST /system/callbacks \
                         {{\"type\": \"{kind}\", \"level\": \"owner\", \"objectId\": 1, \"url\": \"{}\"}}",
                        ending(&address)
                    );
                    if required { findings.wrong(about, &text) } else { findings.note(about, &text) }
                }
                Standing::Wrong(change) => findings.wrong(about, &change.wrong()),
                Standing::Right(entry) => findings.good(about, &format!("{kind} callback {} leads here", entry.id)),
                Standing::Unneeded(_) | Standing::Foreign(_) => {}
            }
        }
    }
}

/// Doctor never spends a refresh token: the running service holds the only valid one.
#[derive(Debug)]
struct NoVault;

#[async_trait]
impl TokenVault for NoVault {
    async fn load(&self) -> Option<SecretString> {
        None
    }

    async fn keep(&self, _: SecretString) -> Result<(), String> {
        Err("doctor keeps no tokens".to_owned())
    }

    async fn connect(&self, _: Connected) -> Result<(), String> {
        Err("doctor keeps no tokens".to_owned())
    }
}

async fn check_company(
    company: &Company,
    names: &BTreeMap<ConnectionId, both::Names>,
    clock: &Arc<dyn Clock>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let about = format!("xero {}", company.id);
    if company.xero.grant == Grant::RefreshToken {
        let text = format!(
            "uses a refresh token, which only the running service may spend: `readypost status` says whether it is good. \
             Where there is none, or it is dead: `readypost xero connect --company {}`",
            company.id
        );
        findings.note(&about, &text);
        return Ok(());
    }
    let client = app::xero_client((&company.id, &company.xero), Arc::new(NoVault), clock)?;
    let organisation = match client.organisation().await {
        Ok(organisation) => organisation,
        Err(error) => {
            findings.wrong(&about, &error.to_string());
            return Ok(());
        }
    };
    findings.good(
        &about,
        &format!("answers as '{}' ({}, {})", organisation.name, organisation.country, organisation.base_currency),
    );
    rounding(&organisation, &company.rules, &about, findings);
    taxes(&organisation, &company.rules, &about, findings);
    named::check(&organisation, company, &about, findings);
    if let Some(names) = names.get(&company.connection) {
        both::compare(names, &organisation, &company.rules, &about, findings);
    }
    let lock = organisation.period_lock.max(organisation.year_lock);
    match lock {
        Some(lock) => {
            findings.note(&about, &format!("locked up to {lock}: records dated on or before that day will be held"));
        }
        None => findings.good(&about, "no lock date is set"),
    }
    if let Some(left) = client.budget().day_remaining {
        findings.good(&about, &format!("{left} calls left today"));
    }
    Ok(())
}

fn rounding(organisation: &Organisation, rules: &Rules, about: &str, findings: &mut Findings) {
    let place = crate::domain::map::rounding_place(organisation, rules);
    match (&place.account, &place.tax_type) {
        (Some(account), Some(tax)) => {
            findings.good(about, &format!("rounding goes to account {account} with tax {tax}"));
        }
        (None, _) => findings.wrong(
            about,
            "there is no active rounding account (set `rounding_account`): records that are off by cents will be held",
        ),
        (_, None) => findings.wrong(
            about,
            "there is no 0 % tax rate for rounding (set `rounding_tax`): records that are off by cents will be held",
        ),
    }
}

/// Tax rates that the rules name must be there, and be of use where they are named.
fn taxes(organisation: &Organisation, rules: &Rules, about: &str, findings: &mut Findings) {
    let named = |names: &BTreeMap<String, String>, untaxed: &str| -> Vec<String> {
        names.values().map(String::as_str).chain([untaxed]).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let sales = (named(&rules.tax_names, &rules.untaxed), "sales");
    let purchases = (named(&rules.purchase_tax_names, &rules.untaxed_purchases), "purchases");
    for (names, used_on) in [sales, purchases] {
        for name in names {
            let rate = organisation.tax_rates.iter().find(|rate| rate.name.trim().eq_ignore_ascii_case(name.trim()));
            let usable = |rate: &TaxRate| if used_on == "sales" { rate.for_sales } else { rate.for_purchases };
            match rate {
                Some(rate) if rate.active && usable(rate) => {
                    let percent = rate.rate.normalize();
                    findings.good(
                        about,
                        &format!("tax rate '{}' is {percent} % ({}), for {used_on}", rate.name, rate.tax_type),
                    );
                }
                Some(rate) => {
                    findings.wrong(about, &format!("tax rate '{}' is archived or not for {used_on}", rate.name));
                }
                None => findings.wrong(about, &format!("there is no tax rate '{name}'")),
            }
        }
    }
    for (rule, rate, records) in
        [("untaxed", &rules.untaxed, "invoices"), ("untaxed_purchases", &rules.untaxed_purchases, "bills")]
    {
        if rate.is_empty() {
            let text = format!("`{rule}` is not set: {records} with lines that are not taxable will be held");
            findings.note(about, &text);
        }
    }
    if rules.tax != TaxSource::Code && !(rules.tax_names.is_empty() && rules.purchase_tax_names.is_empty()) {
        findings.note(about, "the tax names of the rules map the XRefs of tax levels, because `tax` is not \"code\"");
    }
}
