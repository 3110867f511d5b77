//! What members spent: a bill for each report.

use anyhow::anyhow;
use jiff::civil::Date;

use super::scene::dec;
use super::show;
use super::stage::{Stage, key};
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::simulator::connectwise::{Mapping, NewExpense, NewMember};
use crate::simulator::xero::NewContact;

/// Reports of members, with this tax code where there is tax.
pub(super) async fn play(stage: &mut Stage, today: Date, tax: i64) -> anyhow::Result<()> {
    show::heading("Expense reports: one bill to the member, of what is approved and owed");
    let jo = stage.connectwise.add_member(NewMember::default());
    stage.xero.add_contact(NewContact { name: "Jo Doe".to_owned(), ..NewContact::default() });
    let other = |identifier: &str, first_name: &str, last_name: &str| NewMember {
        identifier: identifier.to_owned(),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        vendor_number: String::new(),
        ..NewMember::default()
    };
    let kim = stage.connectwise.add_member(other("kimt", "Kim", "Tran"));
    let lee = stage.connectwise.add_member(other("leeo", "Lee", "Olsen"));
    let parking = |member| NewExpense { member, date: today, amount: dec("12"), ..NewExpense::default() };
    let meals = |member| NewExpense {
        kind: "Meals".to_owned(),
        amount: dec("33"),
        tax: dec("3"),
        tax_code: Some(tax),
        mapping: Mapping::account("429"),
        ..parking(member)
    };
    let on_card = |member, class: &str| NewExpense {
        kind: "Software".to_owned(),
        amount: dec("20"),
        classification: class.to_owned(),
        payment_method: "Company card".to_owned(),
        ..parking(member)
    };
    let mut keys = vec![
        report(stage, vec![parking(jo), meals(jo), on_card(jo, "Personal")], ("done", &[]))?,
        report(
            stage,
            vec![meals(kim), on_card(kim, "NonReimbursable")],
            ("done", &["company_paid_left_out", "contact_created"]),
        )?,
    ];
    let waits = stage.connectwise.add_expense(parking(lee));
    stage.connectwise.submit(waits).map_err(|refusal| anyhow!("{refusal:?}"))?;
    keys.push(expect(stage, waits, ("not_approved", &[]))?);
    stage.send().await;
    stage.watch(&keys).await
}

/// Enters the entries of one report and approves it.
fn report(
    stage: &mut Stage,
    entries: Vec<NewExpense>,
    ends: (&'static str, &'static [&'static str]),
) -> anyhow::Result<RecordKey> {
    let ids: Vec<i64> = entries.into_iter().map(|entry| stage.connectwise.add_expense(entry)).collect();
    let first = ids.first().copied().unwrap_or_default();
    stage.connectwise.approve(first).map_err(|refusal| anyhow!("{refusal:?}"))?;
    expect(stage, first, ends)
}

fn expect(
    stage: &mut Stage,
    entry: i64,
    (ends, warnings): (&'static str, &'static [&'static str]),
) -> anyhow::Result<RecordKey> {
    let report = stage.connectwise.report_of(entry).get("id").and_then(serde_json::Value::as_i64);
    let report = report.ok_or_else(|| anyhow!("the expense {entry} is in no report"))?;
    let key = key(RecordKind::ExpenseReport, SourceId::from(report))?;
    stage.expect(&key, format!("EXP-{report}"), ends, warnings);
    Ok(key)
}
