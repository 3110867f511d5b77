//! Expenses as the accounting interface has them, in each of its shapes, and their batch.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::Marked;
use super::{Rig, rig};
use crate::domain::facts::{Expense, ExpenseClass, PartyKind, RecordFacts};
use crate::domain::money::Money;
use crate::simulator::connectwise::{
    ExpenseIds, ExpenseShape, NewExpense, NewMember, Oddities, Settings, StrayIds, View,
};

const NAME: &str = "RP-R-1-0a1b2c3d";

/// A parking of 12.00, and meals of 33.00 with 3.00 of tax, in an approved report.
async fn office(change: impl FnOnce(&mut Settings)) -> (Rig, Expense) {
    let rig = rig(change).await;
    let member = rig.tenant.add_member(NewMember::default());
    let parking = NewExpense { member, amount: Decimal::from(12), notes: "City".to_owned(), ..NewExpense::default() };
    let mut tax_code = None;
    rig.tenant.edit_company(rig.company, |company| tax_code = company.tax_code).unwrap();
    let (amount, tax) = (Decimal::from(33), Decimal::from(3));
    let meals = NewExpense { kind: "Meals".to_owned(), amount, tax, tax_code, ..parking.clone() };
    let ids = [rig.tenant.add_expense(parking), rig.tenant.add_expense(meals)];
    rig.tenant.approve(ids[0]).unwrap();
    let report = rig.tenant.report_of(ids[0])["id"].to_string();
    let expense = rig.client.expense_report(&report).await.unwrap().unwrap();
    let expense = rig.client.listed(expense).await.unwrap();
    (rig, expense)
}

fn record(expense: &Expense) -> RecordFacts {
    RecordFacts::Expense(Box::new(expense.clone()))
}

fn cents(cents: i64) -> Money {
    Money::new(Decimal::new(cents, 2)).unwrap()
}

#[tokio::test]
async fn one_id_a_row_and_an_array_of_them_are_the_same_facts() {
    let (rig, of_arrays) = office(|_| ()).await;
    let (_, of_numbers) = office(|settings| settings.expense_ids = ExpenseIds::Number).await;
    assert_eq!(of_arrays, of_numbers);
    let listed: Vec<_> = of_arrays.listed().map(|(_, listed)| listed).collect();
    assert_eq!((listed[0].gross(), listed[0].tax_rows()), (cents(1200), Money::ZERO));
    assert_eq!((listed[1].gross(), listed[1].tax_rows(), listed[1].tax), (cents(3300), cents(300), Some(cents(300))));
    assert_eq!((&listed[1].class, listed[1].tax_code.as_str()), (&ExpenseClass::Reimbursable, "GST"));
    assert_eq!(listed[1].tax_levels.iter().map(|level| level.xref.as_str()).collect::<Vec<_>>(), ["GST on Income"]);
    assert_eq!(of_arrays.processed_ids().len(), 3);
    assert!(of_arrays.closed_at().is_some());
    // The report, its entries, the list once for all of them, and a preview of each.
    for (method, path, count) in [
        ("GET", "expense/reports", 1),
        ("GET", "expense/entries", 1),
        ("GET", "unpostedexpenses", 1),
        ("POST", "export", 2),
    ] {
        assert_eq!(rig.requests(method, path), count, "{path}");
    }
    let party = rig.client.posting(&record(&of_arrays)).await.unwrap().party.unwrap();
    assert_eq!(
        (party.kind, party.name.as_str(), party.account_number.as_str()),
        (PartyKind::Member, "Jo Doe", "EMP-4")
    );
    assert_eq!(party.invoice_email, "jo@acme.example");
}

#[tokio::test]
async fn a_batch_names_every_id_of_the_preview_and_of_a_journal_its_other_side() {
    for (shape, ids) in [(ExpenseShape::Bills, 3), (ExpenseShape::CondensedBills, 3), (ExpenseShape::Journal, 5)] {
        let (rig, expense) = office(|settings| {
            settings.expense_shape = shape;
            settings.stray_ids = StrayIds::Refuse;
        })
        .await;
        assert_eq!(expense.processed_ids().len(), ids, "{shape:?}");
        let marked = rig.client.mark(&record(&expense), NAME).await;
        assert_eq!(marked, Ok(Marked::Batched { leftover: Vec::new() }), "{shape:?}");
        assert_eq!(rig.tenant.batches()[0].entry_ids.len(), ids, "{shape:?}");
        assert!(rig.tenant.unposted_expenses().is_empty());
        let requests = rig.tenant.server.requests();
        let sent = requests.iter().find(|request| request.method == "POST" && request.uri.path().ends_with("batches"));
        let sent: Value = serde_json::from_slice(&sent.unwrap().body).unwrap();
        for (flag, value) in [
            ("exportExpensesFlag", true),
            ("summarizeExpenses", true),
            ("exportInvoicesFlag", false),
            ("exportProductsFlag", false),
        ] {
            assert_eq!(sent[flag], json!(value), "{flag}");
        }
        assert_eq!(sent["processedRecordIds"], json!(expense.processed_ids()));
        // Another request of the same name makes nothing.
        assert_eq!(rig.client.mark(&record(&expense), NAME).await, Ok(Marked::Batched { leftover: Vec::new() }));
        assert_eq!(rig.requests("POST", "accounting/batches"), 1);
    }
}

#[tokio::test]
async fn a_report_in_its_batch_names_it_and_one_in_a_strangers_does_not() {
    let (rig, expense) = office(|_| ()).await;
    let prefix = crate::domain::batch::prefix_of_expense(expense.unit, expense.id);
    let name = format!("{prefix}0a1b2c3d");
    rig.client.mark(&record(&expense), &name).await.unwrap();
    let now = rig.client.expense_now(&expense).await.unwrap().unwrap();
    assert_eq!((now.batch.as_deref(), now.listed().count()), (Some(name.as_str()), 0));
    let (rig, expense) = office(|_| ()).await;
    for entry in &expense.entries {
        rig.tenant.manual_expense_batch(entry.id, &format!("M-{}", entry.id)).unwrap();
    }
    let now = rig.client.expense_now(&expense).await.unwrap().unwrap();
    assert_eq!((now.batch.as_deref(), now.closed_at()), (None, None));
}

#[tokio::test]
async fn what_cannot_be_read_is_named_at_its_entry() {
    let rows = [
        (View::Export, "/total", json!({}), "total of a row"),
        (View::Export, "/id", json!(["x"]), "id of a row"),
        (View::Export, "/id", json!([]), "id of a row"),
        (View::Unposted, "/total", json!("12,00"), "total in the unposted list"),
        (View::Unposted, "/salesTaxAmount", json!("none"), "salesTaxAmount"),
        (View::Record, "/amount", json!([1]), "amount"),
        (View::Record, "/taxes", json!([{"amount": "x"}]), "taxes"),
        (View::Record, "/date", json!("30/30/2026"), "date"),
    ];
    for (view, pointer, value, named) in rows {
        let (rig, _) = office(|_| ()).await;
        let member = rig.tenant.add_member(NewMember::default());
        let oddities = Oddities::default().field(view, pointer, value.clone());
        let odd =
            rig.tenant.add_expense(NewExpense { member, amount: Decimal::TEN, oddities, ..NewExpense::default() });
        rig.tenant.approve(odd).unwrap();
        let expense = rig.client.expense_entry(&odd.to_string()).await.unwrap().unwrap();
        let expense = rig.client.listed(expense).await.unwrap();
        let unreadable = &expense.entries[0].unreadable;
        assert!(unreadable.iter().any(|field| field.starts_with(named)), "{pointer} {value}: {unreadable:?}");
    }
}
