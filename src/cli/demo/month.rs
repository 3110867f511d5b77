//! The month end, act by act.

use std::time::Duration;

use anyhow::anyhow;
use axum::http::Method;
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::scene::{Scene, dec, labour, product};
use super::show;
use super::stage::{Stage, invoice_id, numbered};
use super::{expenses, inventory, payments, purchases};
use crate::domain::record::RecordKey;
use crate::simulator::connectwise::{Forgery, Mapping, NewCompany};
use crate::simulator::faults::{Fault, Rule};
use crate::simulator::xero::NewContact;

/// Who and what there is before the month ends.
struct Cast {
    today: Date,
    dental: i64,
    brewery: i64,
    school: i64,
    tax: i64,
    exempt: i64,
    net20: i64,
}

/// Plays the whole month.
pub(super) async fn play(stage: &mut Stage) -> anyhow::Result<()> {
    let cast = cast(stage)?;
    clean(stage, &cast).await?;
    cents(stage, &cast).await?;
    terms(stage, &cast).await?;
    contacts(stage, &cast).await?;
    mapping(stage, &cast).await?;
    books(stage, &cast).await?;
    purchases::play(stage, cast.today, cast.tax, cast.net20).await?;
    expenses::play(stage, cast.today, cast.tax).await?;
    inventory::play(stage, cast.today, cast.brewery).await?;
    payments::play(stage, cast.today).await?;
    callbacks(stage, &cast).await?;
    trouble(stage, &cast).await?;
    cures(stage).await
}

fn cast(stage: &Stage) -> anyhow::Result<Cast> {
    let (connectwise, xero) = (&stage.connectwise, &stage.xero);
    let today = stage.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let tax = connectwise.add_tax_code("GST", "GST on Income", &[("GST on Income", dec("0.1"))]);
    let exempt = connectwise.add_tax_code("FREE", "GST Free Income", &[("GST Free Income", dec("0"))]);
    let net20 = connectwise.add_terms("Net 20", 20, "20");
    let _ = connectwise.add_billing_status("Approved", false);
    let company = |identifier: &str, name: &str| {
        connectwise.add_company(NewCompany {
            identifier: identifier.to_owned(),
            name: name.to_owned(),
            primary_contact: true,
            billing_contact: true,
            account_number: identifier.to_owned(),
            email: format!("accounts@{}.example", identifier.to_lowercase()),
            terms: Some(net20),
            tax_code: Some(tax),
            ..NewCompany::default()
        })
    };
    let dental = company("BLUEGUM", "Blue Gum Dental");
    let brewery = company("TANNERS", "Tanners Lane Brewery");
    let school = company("RIVERBEND", "Riverbend Primary School");
    for (id, name) in
        [(dental, "Blue Gum Dental"), (brewery, "Tanners Lane Brewery"), (school, "Riverbend Primary School")]
    {
        xero.add_contact(NewContact { name: name.to_owned(), number: Some(id.to_string()), ..NewContact::default() });
    }
    let locked = today.checked_sub(60.days())?;
    xero.set_lock_dates(Some(locked), None);
    Ok(Cast { today, dental, brewery, school, tax, exempt, net20 })
}

/// Invoices as they mostly are.
async fn clean(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let Cast { today, dental, brewery, school, exempt, .. } = *cast;
    let scenes = vec![
        Scene::new(
            "1001",
            dental,
            today,
            vec![labour("Service desk, November", "12.5", "165"), product("SSD1", "2", "189.5")],
        )
        .change(|invoice| "PO-7731".clone_into(&mut invoice.customer_po)),
        Scene::new("1002", brewery, today, vec![labour("Managed services", "1", "2450")])
            .kind("Agreement")
            .change(|invoice| invoice.agreement = Some("Managed Services Gold".to_owned()))
            .line(|line| "220".clone_into(&mut line.account)),
        Scene::new("1003", school, today, vec![labour("Network refresh, milestone 2", "1", "8800")])
            .kind("Progress")
            .change(|invoice| invoice.project = Some("Network refresh".to_owned())),
        Scene::new("1004", dental, today, vec![labour("Deposit for practice move", "1", "3000")])
            .kind("DownPayment")
            .line(|line| {
                "230".clone_into(&mut line.account);
                line.taxable = false;
            }),
        Scene::new("1005", brewery, today, vec![labour("Cabling", "1", "412.40")]).kind("Miscellaneous"),
        Scene::new("1006", school, today, vec![labour("Two sites", "1", "700"), product("LAPTOP-14", "3", "1499")])
            .kind("Consolidated"),
        Scene::new("1007", school, today, vec![labour("Training, exempt", "4", "120")])
            .change(|invoice| invoice.tax_code = Some(exempt)),
        Scene::new("1009", dental, today, vec![labour("Practice move", "20", "165")]).change(|invoice| {
            invoice.down_payment_applied = dec("3000");
            invoice.applied_mapping = Some(Mapping { non_product_id: "LABOUR".to_owned(), ..Mapping::account("230") });
        }),
        Scene::new("CM-18", dental, today, vec![labour("Credit: double visit", "1", "165")]).kind("CreditMemo"),
        Scene::new("1008", brewery, today, vec![labour("Returned equipment", "1", "-220")]),
    ];
    stage.act("Ten invoices and credits become ready to post", scenes).await
}

/// Where the arithmetic of both systems differs.
async fn cents(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let Cast { today, dental, brewery, school, .. } = *cast;
    let small = |price: &str| labour("Monitoring", "1", price);
    let scenes = vec![
        Scene::new("1101", dental, today, vec![small("25.06"), small("25.06"), small("25.06")])
            .warns(&["tax_rounding"]),
        Scene::new("1102", brewery, today, vec![labour("Per-user licence", "700", "0.16515")])
            .line(|line| line.total = Some(dec("115.61"))),
        Scene::new("1103", school, today, vec![product("SSD1", "3", "33.3333")])
            .line(|line| line.total = Some(dec("100.03")))
            .warns(&["rounding_line"]),
        Scene::new("1104", dental, today, vec![labour("Time", "1", "200")])
            .change(|invoice| invoice.total = Some(dec("220.40")))
            .warns(&["adjustment_line"]),
        Scene::new("1105", brewery, today, vec![labour("Time", "1", "200")])
            .change(|invoice| invoice.total = Some(dec("240")))
            .ends("out_of_balance"),
    ];
    stage.act("Cents: every difference is explained, or held", scenes).await
}

async fn terms(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let Cast { today, dental, .. } = *cast;
    let connectwise = &stage.connectwise;
    let twentieth = connectwise.add_terms("20th of next month", 20, "M+1:D20");
    let net_text = connectwise.add_terms("Net thirty", 30, "net 30");
    let due = today.first_of_month().checked_add(1.month())?.with().day(20).build()?;
    let scene = |number: &str| Scene::new(number, dental, today, vec![labour("Time", "1", "100")]);
    let scenes = vec![
        scene("1201").change(|invoice| (invoice.terms, invoice.due_date) = (Some(twentieth), Some(due))),
        scene("1202")
            .change(|invoice| (invoice.terms, invoice.due_date) = (Some(twentieth), Some(today)))
            .warns(&["terms_mismatch"]),
        scene("1203").change(|invoice| invoice.terms = Some(net_text)).warns(&["terms_unreadable"]),
    ];
    stage.act("Terms", scenes).await
}

/// Companies that Xero does not know, or knows too well.
async fn contacts(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let (today, tax) = (cast.today, cast.tax);
    let (connectwise, xero) = (&stage.connectwise, &stage.xero);
    let company = |name: &str, contacts: (bool, bool)| {
        connectwise.add_company(NewCompany {
            identifier: name.to_uppercase().replace(' ', ""),
            name: name.to_owned(),
            primary_contact: contacts.0,
            billing_contact: contacts.1,
            account_number: "X".to_owned(),
            tax_code: Some(tax),
            ..NewCompany::default()
        })
    };
    let contact = |name: &str, number: Option<i64>| {
        xero.add_contact(NewContact {
            name: name.to_owned(),
            number: number.map(|id| id.to_string()),
            ..NewContact::default()
        })
    };
    let both = (true, true);
    let (new, similar, archived) =
        (company("Harbour Yoga", both), company("Kestrel Freight", both), company("Old Mill Bakery", both));
    let (no_primary, no_billing) = (company("Tin Shed Gym", (false, true)), company("Salt Street Cafe", (true, false)));
    let duplicate = company("Lighthouse Legal", both);
    contact("KESTREL FREIGHT PTY LTD", None);
    let gone = contact("Old Mill Bakery", Some(archived));
    xero.archive_contact(gone);
    contact("Lighthouse Legal", Some(duplicate));
    contact("Lighthouse Legal Melbourne", Some(duplicate));
    let scene = |number: &str, company: i64| Scene::new(number, company, today, vec![labour("Onboarding", "3", "150")]);
    let scenes = vec![
        scene("1301", new).warns(&["contact_created"]),
        scene("1302", similar).ends("similar_contact"),
        scene("1303", archived).ends("archived_contact"),
        scene("1304", no_primary).ends("no_primary_contact"),
        scene("1305", no_billing).ends("no_billing_contact"),
    ];
    stage.act("Contacts: none is created or chosen by guesswork", scenes).await?;
    let twins = xero_allows_twins(stage, duplicate);
    if twins {
        let scenes = vec![
            Scene::new("1306", duplicate, today, vec![labour("Onboarding", "3", "150")]).ends("duplicate_contact"),
        ];
        let keys = stage.enter(scenes)?;
        stage.send().await;
        stage.watch(&keys).await?;
    }
    Ok(())
}

/// Whether the simulator let two contacts have one number, as Xero's demo data has them.
fn xero_allows_twins(stage: &Stage, company: i64) -> bool {
    let number = company.to_string();
    stage.xero.contacts().iter().filter(|contact| contact.number.as_deref() == Some(number.as_str())).count() > 1
}

/// What the GL mapping, the tax codes and the settings of Xero can do to an invoice.
async fn mapping(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let Cast { today, dental, .. } = *cast;
    let misspelt = stage.connectwise.add_tax_code("GTS", "GTS", &[("GTS", dec("0.1"))]);
    let scene = |number: &str| Scene::new(number, dental, today, vec![labour("Time", "2", "150")]);
    let scenes = vec![
        scene("1401").line(|line| line.account.clear()).ends("no_gl_account"),
        scene("1402").line(|line| line.non_product_id.clear()).ends("no_non_product_id"),
        scene("1403").line(|line| "999".clone_into(&mut line.account)).ends("unknown_account"),
        scene("1404").line(|line| "299".clone_into(&mut line.account)).ends("unusable_account"),
        scene("1405").change(|invoice| invoice.tax_code = Some(misspelt)).ends("unknown_tax"),
        scene("1406").line(|line| "Hobart".clone_into(&mut line.region)).warns(&["tracking_missing"]),
        Scene::new("1407", dental, today, vec![product("SUPER-LONG-PRODUCT-CODE-OF-A-WORKSTATION", "1", "2199")])
            .warns(&["item_code_changed"]),
        scene("1408").change(|invoice| invoice.currency = Some("EUR".to_owned())).ends("currency_not_enabled"),
        scene("1409").kind("Retainer").ends("unknown_type"),
    ];
    stage.act("Mapping: what is missing is named, with its cure", scenes).await
}

/// What the books themselves forbid.
async fn books(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let Cast { today, brewery, .. } = *cast;
    let old = today.checked_sub(75.days())?;
    foreign_document(stage, "1503", brewery).await?;
    let scene = |number: &str| Scene::new(number, brewery, today, vec![labour("Time", "2", "150")]);
    let scenes = vec![
        scene("1501").change(|invoice| (invoice.date, invoice.due_date) = (old, Some(today))).ends("period_locked"),
        scene("1502").line(|line| line.unit_price = dec("0")).ends("zero_total"),
        scene("1503").ends("document_differs"),
        scene("1504").status("Approved").ends("status_not_closed"),
        scene("1505").status("Closed").ends("status_not_wanted"),
    ];
    stage.act("Books: locked, zero, taken, not closed, not wanted", scenes).await
}

/// A document that somebody entered into Xero by hand.
async fn foreign_document(stage: &Stage, number: &str, company: i64) -> anyhow::Result<()> {
    let settings = stage.xero.settings();
    let http = crate::remote::http_client(Duration::from_secs(5))?;
    let form = [("grant_type", "client_credentials")];
    let token = http
        .post(stage.xero.token_url())
        .basic_auth(&settings.client_id, Some(&settings.client_secret))
        .form(&form)
        .send()
        .await?;
    let token: Value = serde_json::from_slice(&token.bytes().await?)?;
    let contacts = stage.xero.contacts();
    let contact = contacts
        .iter()
        .find(|contact| contact.number.as_deref() == Some(&company.to_string()))
        .ok_or_else(|| anyhow!("no contact"))?;
    let body = json!({ "Invoices": [{ "Type": "ACCREC", "Contact": { "ContactID": contact.id }, "InvoiceNumber": number, "Status": "AUTHORISED",
        "Date": "2026-11-02", "DueDate": "2026-11-22", "LineItems": [{ "Description": "By hand", "Quantity": 1, "UnitAmount": 77, "AccountCode": "200" }] }] });
    let bearer = token.get("access_token").and_then(Value::as_str).unwrap_or_default();
    let request =
        http.put(format!("{}/Invoices", stage.xero.api_url())).bearer_auth(bearer).header("Accept", "application/json");
    let answer = request.header("Xero-Tenant-Id", settings.tenant_id.to_string()).json(&body).send().await?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(anyhow!("the simulator refused a document: {}", answer.text().await?))
    }
}

/// Duplicates, replays and forgeries.
async fn callbacks(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let Cast { today, school, .. } = *cast;
    show::heading("Callbacks: saved five times, replayed, forged");
    let keys = stage.enter(vec![Scene::new("1601", school, today, vec![labour("Time", "2", "150")])])?;
    for key in std::iter::repeat_n(keys.first(), 4).flatten() {
        stage.connectwise.save_invoice(invoice_id(key));
    }
    let deliveries = stage.connectwise.take_callbacks();
    for delivery in &deliveries {
        let outcome = stage.connectwise.deliver(delivery).await;
        stage.count(outcome);
    }
    show::say(&format!("{} callbacks for one invoice were delivered", deliveries.len()));
    let Some(genuine) = deliveries.last() else { return Ok(()) };
    let replayed = stage.connectwise.send(genuine).await;
    show::say(&format!("the last one, replayed: HTTP {}", stage.count(replayed)));
    for (what, forgery) in [
        ("signed with another key", Forgery::WrongKey),
        ("altered after signing", Forgery::AlteredBody),
        ("without a signature", Forgery::NoSignature),
        ("with a key from another host", Forgery::KeyUrl("https://keys.attacker.example/key".to_owned())),
    ] {
        let outcome = stage.connectwise.send(&stage.connectwise.forge(genuine, &forgery)).await;
        show::say(&format!("{what}: HTTP {}", stage.count(outcome)));
    }
    stage.watch(&keys).await
}

/// An outage, and an answer that is lost after Xero had done its part.
async fn trouble(stage: &mut Stage, cast: &Cast) -> anyhow::Result<()> {
    let Cast { today, dental, school, .. } = *cast;
    show::heading("Xero is down for maintenance");
    stage.xero.set_outage(Some("The Xero API is currently offline for maintenance".to_owned()));
    let keys = stage.enter(vec![
        Scene::new("1701", dental, today, vec![labour("Time", "1", "150")]),
        Scene::new("1702", school, today, vec![labour("Time", "1", "160")]),
    ])?;
    stage.send().await;
    show::say("two invoices become ready; their callbacks are stored and answered at once");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stage.glance(&keys).await?;
    stage.xero.set_outage(None);
    show::say("Xero is back");
    stage.watch(&keys).await?;

    show::heading("Xero posts an invoice, and its answer is lost on the way back");
    stage.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropAfter));
    let keys = stage.enter(vec![Scene::new("1703", dental, today, vec![labour("Time", "1", "170")])])?;
    stage.send().await;
    stage.watch(&keys).await?;
    let copies = stage.xero.documents().iter().filter(|document| document.number == "1703").count();
    show::say(&format!("documents numbered 1703 in Xero: {copies}"));
    Ok(())
}

/// A bookkeeper mends three causes, and edits one invoice too many.
async fn cures(stage: &mut Stage) -> anyhow::Result<()> {
    show::heading("A bookkeeper mends three causes; what was held is posted");
    let (similar, account, edited) = (numbered(stage, "1302")?, numbered(stage, "1403")?, numbered(stage, "1005")?);
    stage.xero.add_account("999", "Consulting", "REVENUE");
    show::say("account 999 is added in Xero, and 1403 is retried");
    retry(stage, &account).await?;
    stage.xero.add_contact(NewContact { name: "Kestrel Freight".to_owned(), ..NewContact::default() });
    show::say("Kestrel Freight is added in Xero under exactly this name, and 1302 is retried");
    retry(stage, &similar).await?;
    let mapping = numbered(stage, "1401")?;
    let mapped = invoice_id(&mapping);
    let refused = |refusal| anyhow!("{refusal:?}");
    stage.connectwise.set_status(mapped, "Hold").map_err(refused)?;
    stage
        .connectwise
        .edit_invoice(mapped, |invoice| invoice.lines.iter_mut().for_each(|line| "200".clone_into(&mut line.account)))
        .map_err(refused)?;
    stage.connectwise.set_status(mapped, "Ready to Post").map_err(refused)?;
    show::say("1401 is reopened in ConnectWise, mapped and closed again: its callback is enough");
    for key in [&similar, &account, &mapping] {
        if let Some(expected) = stage.expected.get_mut(key) {
            (expected.ends, expected.begun, expected.took) = ("done", std::time::Instant::now(), None);
        }
    }
    stage.send().await;
    // The callback of 1401 is stored by now, so none of the three still shows its old hold.
    stage.watch(&[similar, account, mapping]).await?;

    show::heading("An invoice is edited after it was posted: it is never posted twice");
    let id = invoice_id(&edited);
    stage.connectwise.unbatch(id).map_err(refused)?;
    stage.connectwise.set_status(id, "Hold").map_err(refused)?;
    let price = dec("512.40");
    stage
        .connectwise
        .edit_invoice(id, |invoice| invoice.lines.iter_mut().for_each(|line| line.unit_price = price))
        .map_err(refused)?;
    stage.connectwise.set_status(id, "Ready to Post").map_err(refused)?;
    if let Some(expected) = stage.expected.get_mut(&edited) {
        (expected.ends, expected.begun, expected.took) = ("edited_after_post", std::time::Instant::now(), None);
    }
    stage.send().await;
    stage.watch(&[edited]).await
}

/// What `readypost records retry` does.
async fn retry(stage: &Stage, key: &RecordKey) -> anyhow::Result<()> {
    let http = crate::remote::http_client(Duration::from_secs(5))?;
    let url = format!("{}/api/v1/records/{}/retry", stage.url, key.path());
    let answer = http.post(url).bearer_auth(&stage.token).json(&json!({ "note": "mended" })).send().await?;
    if answer.status().is_success() { Ok(()) } else { Err(anyhow!("retrying {key}: {}", answer.text().await?)) }
}
