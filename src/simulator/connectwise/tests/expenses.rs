//! Expenses: reported, approved, exported and batched.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Rig, rig};
use crate::simulator::connectwise::{
    DateStyle, ExpenseIds, ExpenseShape, ExpensesReach, NewExpense, NewMember, Oddities, Refusal, ReportCallbacks,
    Settings, Sign, View,
};

const UNPOSTED: &str = "/finance/accounting/unpostedexpenses";

/// A tenant with a member who has spent something on Parking and on Meals, the last with tax.
async fn office(change: impl FnOnce(&mut Settings)) -> (Rig, i64, [i64; 2]) {
    let rig = rig(change).await;
    let member = rig.cw.add_member(NewMember::default());
    let parking = NewExpense { member, amount: Decimal::from(12), notes: "City".to_owned(), ..NewExpense::default() };
    let meals = NewExpense {
        kind: "Meals".to_owned(),
        amount: Decimal::from(33),
        tax: Decimal::from(3),
        billable: "Billable".to_owned(),
        company: Some(rig.company),
        ..parking.clone()
    };
    let ids = [rig.cw.add_expense(parking), rig.cw.add_expense(meals)];
    (rig, member, ids)
}

impl Rig {
    async fn export_expenses(&self, ids: &[i64]) -> Value {
        let request = json!({"batchIdentifier": "0", "glInterfaceIdentifier": "0", "summarizeInvoices": "Detailed",
            "exportExpensesFlag": true, "includedExpenseIds": ids});
        let (status, body) = self.post("/finance/accounting/export", request).await;
        assert_eq!(status, 200);
        body
    }

    async fn batch_expenses(&self, identifier: &str, ids: &[i64]) -> (u16, Value) {
        let request = json!({"batchIdentifier": identifier, "exportExpensesFlag": true, "summarizeExpenses": true,
            "processedRecordIds": ids});
        self.post("/finance/accounting/batches", request).await
    }
}

/// Every id that the rows of a bill name.
fn ids(bill: &Value) -> Vec<i64> {
    let rows = bill["detail"].as_array().unwrap().iter();
    rows.flat_map(|row| row["id"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap())).collect()
}

#[tokio::test]
async fn an_entry_is_listed_when_its_report_is_approved_and_leaves_when_that_is_taken_back() {
    let (rig, _, [parking, meals]) = office(|settings| settings.expense_detail_offset = 7_000).await;
    assert_eq!(rig.get(UNPOSTED).await, json!([]));
    rig.cw.submit(parking).unwrap();
    assert_eq!(rig.get(&format!("/expense/entries/{meals}")).await["status"], "PendingApproval");
    let report = &rig.get("/expense/reports?conditions=status='PendingApproval'").await[0];
    assert_eq!(
        (&report["total"], &report["period"], &report["member"]["identifier"]),
        (&json!(45.0), &json!(11), &json!("jdoe"))
    );
    let act = |action: &str| format!("/expense/reports/{}/{action}", report["id"]);
    assert_eq!(rig.post(&act("approve"), json!({"approvalType": "Tier2Update"})).await.1["success"], json!(true));
    let rows = rig.get(&format!("{UNPOSTED}?conditions=classification='Reimbursable'")).await;
    let row = &rows[1];
    assert_eq!((&row["expenseDetailId"], &row["glType"]), (&json!(meals + 7_000), &json!("EE")));
    assert!(row["id"] != row["expenseDetailId"] && row["id"] != meals);
    assert_eq!(
        (&row["total"], &row["salesTaxAmount"], &row["billableAmount"]),
        (&json!(33.0), &json!(3.0), &json!(33.0))
    );
    assert_eq!(
        (&rows[0]["glType"], &rows[0]["accountNumber"], &rows[0]["creditAccount"]),
        (&json!("EI"), &json!("493"), &json!("800"))
    );
    assert_eq!(rig.post(&act("reverse"), json!({})).await.1["success"], json!(true));
    assert!(rig.cw.unposted_expenses().is_empty());
    let member = &rig.get("/system/members?conditions=identifier='jdoe'").await[0];
    assert_eq!(member["vendorNumber"], "EMP-4");
}

#[tokio::test]
async fn unapproved_entries_are_listed_where_their_tickets_bill_them() {
    let (rig, _, [parking, _]) = office(|settings| settings.expenses_reach = ExpensesReach::WhenEntered).await;
    assert_eq!(rig.cw.unposted_expenses().len(), 2);
    assert_eq!(rig.cw.expense(parking)["status"], "Open");
    rig.cw.reject(parking).unwrap();
    assert_eq!((rig.cw.unposted_expenses().len(), &rig.cw.report_of(parking)["status"]), (2, &json!("Rejected")));
}

#[tokio::test]
async fn a_report_is_a_bill_whose_rows_have_arrays_of_ids_or_single_ones() {
    let (rig1, _, [parking, meals]) = office(|settings| settings.expense_detail_offset = 7_000).await;
    rig1.cw.approve(parking).unwrap();
    let export = rig1.export_expenses(&[]).await;
    let bill = &export["expenseBills"][0];
    assert_eq!(
        (&bill["total"], &bill["vendorNumber"], &bill["documentDate"]),
        (&json!(45.0), &json!("EMP-4"), &json!("2026-11-30T00:00:00Z"))
    );
    let kinds: Vec<&str> =
        bill["detail"].as_array().unwrap().iter().map(|row| row["glTypeId"].as_str().unwrap()).collect();
    assert_eq!((kinds, ids(bill).len()), (vec!["EI", "EE", "ET"], 3));
    let row = &bill["detail"][1];
    assert_eq!(
        (&row["total"], &row["billable"], &row["company"]["identifier"]),
        (&json!(30.0), &json!(true), &json!("ACME"))
    );
    assert_eq!(
        (&row["reimbursable"], &row["companyAdvance"], &row["memo"]),
        (&json!(true), &json!(false), &json!("Meals: City"))
    );
    assert_eq!((&export["expenses"], &export["vendors"][0]["member"]["identifier"]), (&json!([]), &json!("jdoe")));
    assert_eq!(rig1.export_expenses(&[meals]).await["expenseBills"], json!([]), "not by the id of the entry");
    assert_eq!(ids(&rig1.export_expenses(&[meals + 7_000]).await["expenseBills"][0]).len(), 2);
    let (rig2, _, [parking, _]) = office(|settings| settings.expense_ids = ExpenseIds::Number).await;
    rig2.cw.approve(parking).unwrap();
    assert!(rig2.export_expenses(&[]).await["expenseBills"][0]["detail"][0]["id"].is_i64());
    let (rig3, member, [parking, _]) = office(|settings| settings.expense_shape = ExpenseShape::CondensedBills).await;
    let more = NewExpense { member, amount: Decimal::from(8), ..NewExpense::default() };
    let _ = rig3.cw.add_expense(more);
    rig3.cw.approve(parking).unwrap();
    let bill = &rig3.export_expenses(&[]).await["expenseBills"][0];
    let first = &bill["detail"][0];
    assert_eq!((&first["total"], first["id"].as_array().map(Vec::len), ids(bill).len()), (&json!(20.0), Some(2), 4));
}

#[tokio::test]
async fn a_journal_takes_the_place_of_bills_when_the_package_is_set_up_so() {
    let (rig, _, [parking, _]) = office(|settings| settings.expense_shape = ExpenseShape::Journal).await;
    rig.cw.approve(parking).unwrap();
    let setup = &rig.get("/finance/accountingPackageSetup").await[0];
    assert_eq!(setup["transferExpensesAsBillFlag"], json!(false));
    let export = rig.export_expenses(&[]).await;
    assert_eq!((&export["expenseBills"], export["expenses"].as_array().map(Vec::len)), (&json!([]), Some(3)));
    let row = &export["expenses"][0];
    assert_eq!(
        (&row["total"], &row["offset"]["total"], &row["offset"]["glTypeId"]),
        (&json!(12.0), &json!(-12.0), &json!("EO"))
    );
    assert_eq!((&row["apAccountNumber"], &row["offset"]["accountNumber"]), (&json!("800"), &json!("800")));
    assert_eq!((&row["periodStartDate"], &row["vendorNumber"]), (&json!("2026-11-01T00:00:00Z"), &json!("EMP-4")));
    let costs: Vec<i64> =
        export["expenses"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(rig.batch_expenses("X", &costs).await.0, 201);
    assert!(rig.cw.unposted_expenses().is_empty(), "the other side need not be named");
}

#[tokio::test]
async fn a_personal_expense_is_told_by_its_class_or_by_its_sign() {
    for (sign, total) in [(Sign::Positive, json!(57.0)), (Sign::Negative, json!(33.0))] {
        let (rig, member, [parking, _]) = office(|settings| settings.personal_expense = sign).await;
        let personal = NewExpense {
            member,
            amount: Decimal::from(12),
            classification: "Personal".to_owned(),
            payment_method: "Company card".to_owned(),
            ..NewExpense::default()
        };
        let _ = rig.cw.add_expense(personal);
        rig.cw.approve(parking).unwrap();
        let bill = &rig.export_expenses(&[]).await["expenseBills"][0];
        let row = &bill["detail"][3];
        assert_eq!((&row["expenseClass"]["name"], &row["reimbursable"]), (&json!("Personal"), &json!(false)));
        assert_eq!((&bill["total"], &row["companyAdvance"]), (&total, &json!(true)));
    }
}

#[tokio::test]
async fn part_of_a_report_is_batched_and_comes_back_with_its_batch() {
    let (rig, _, [parking, meals]) = office(|_| ()).await;
    rig.cw.approve(parking).unwrap();
    let all = ids(&rig.export_expenses(&[]).await["expenseBills"][0]);
    let (last, most) = all.split_last().unwrap();
    let (status, body) = rig.batch_expenses("X-1", most).await;
    assert_eq!((status, body["expenseBills"][0]["detail"].as_array().map(Vec::len)), (201, Some(2)));
    assert_eq!((rig.cw.expense_batch(parking).is_some(), rig.cw.expense_batch(meals)), (true, None));
    assert_eq!(rig.cw.unposted_expenses()[0]["total"], json!(3.0));
    assert_eq!(rig.cw.approve(parking), Err(Refusal::Batched));
    assert_eq!(rig.batch_expenses("X-2", &[*last]).await.0, 201);
    let batches = rig.cw.batches();
    assert_eq!((&batches[0].expense_ids, &batches[1].expense_ids), (&vec![parking, meals], &vec![meals]));
    let entries = rig.get(&format!("/finance/accounting/batches/{}/entries", batches[0].id)).await;
    assert_eq!((&entries[0]["expense"]["id"], &entries[0]["debit"]), (&json!(parking), &json!(12.0)));
    rig.cw.delete_batch(batches[0].id).unwrap();
    assert_eq!(rig.cw.unposted_expenses().len(), 2);
    assert!(rig.cw.manual_expense_batch(parking, "M-1").is_ok());
    assert_eq!(rig.cw.unposted_expenses().len(), 1);
}

#[tokio::test]
async fn expenses_call_back_by_owner_and_class_but_never_by_status() {
    for (approval, messages) in [(ReportCallbacks::Each, 2), (ReportCallbacks::None, 0)] {
        let (rig, _, [parking, _]) = office(|settings| settings.report_callbacks = approval).await;
        rig.cw.register_callback("https://test.example/?recordId=", "expense", "owner", 0).unwrap();
        rig.cw.register_callback("https://test.example/?recordId=", "expense", "class", 3).unwrap();
        assert!(rig.cw.register_callback("https://test.example/?recordId=", "expense", "status", 1).is_err());
        rig.cw.approve(parking).unwrap();
        let heard = rig.cw.take_callbacks();
        assert_eq!(heard.len(), messages);
        rig.cw.save_expense(parking);
        let body: Value = serde_json::from_slice(&rig.cw.take_callbacks()[0].body).unwrap();
        let entity: Value = serde_json::from_str(body["Entity"].as_str().unwrap()).unwrap();
        assert_eq!((&body["Type"], &body["ID"], &entity["amount"]), (&json!("expense"), &json!(parking), &json!(12.0)));
        rig.cw.delete_expense(parking).unwrap();
        assert_eq!(rig.cw.expense(parking), Value::Null);
    }
}

#[tokio::test]
async fn bad_input_is_shown_as_it_was_asked_for() {
    let (rig, member, [parking, _]) = office(|_| ()).await;
    rig.cw.set_report_status(parking, "Shredded").unwrap();
    assert_eq!(rig.cw.report_of(parking)["status"], "Shredded");
    rig.cw
        .edit_member(member, |member| {
            member.vendor_number.clear();
            member.oddities = Oddities::default().field(View::Export, "/apAccountNumber", json!(""));
        })
        .unwrap();
    rig.cw.approve(parking).unwrap();
    let bill = &rig.export_expenses(&[parking]).await["expenseBills"][0];
    assert_eq!((&bill["vendorNumber"], &bill["apAccountNumber"]), (&json!(""), &json!("")));
    let oddities = Oddities { amounts_as_text: true, dates: Some(DateStyle::DateOnly), ..Oddities::default() }
        .field(View::Record, "/status", json!("EscalatedToOwner"))
        .field(View::Unposted, "/expenseDetailId", Value::Null)
        .field(View::Export, "/accountNumber", json!(""));
    let id = rig.cw.add_expense(NewExpense { classification: "Loaned".to_owned(), oddities, ..NewExpense::default() });
    rig.cw.set_expense_status(id, "ReadyToBill").unwrap();
    assert_eq!(rig.cw.expense(id)["status"], "EscalatedToOwner");
    let row = &rig.cw.unposted_expenses()[2];
    assert_eq!(
        (&row["member"], &row["expenseDetailId"], &row["classification"]),
        (&Value::Null, &Value::Null, &json!("Loaned"))
    );
    assert_eq!((&row["total"], &row["dateExpense"]), (&json!("0.0"), &json!("2026-11-18")));
    let bill = &rig.export_expenses(&[]).await["expenseBills"][1];
    assert_eq!((&bill["detail"][0]["accountNumber"], &bill["vendorNumber"]), (&json!(""), &Value::Null));
}

#[tokio::test]
async fn an_entry_can_come_into_a_report_that_is_approved_and_is_open_there() {
    let (rig, member, [parking, _]) = office(|_| ()).await;
    rig.cw.approve(parking).unwrap();
    let new = NewExpense { member, amount: Decimal::from(5), ..NewExpense::default() };
    let late = rig.cw.add_expense_beside(parking, new.clone()).unwrap();
    assert_eq!(rig.cw.report_of(late)["id"], rig.cw.report_of(parking)["id"]);
    assert_eq!((&rig.cw.expense(late)["status"], rig.cw.unposted_expenses().len()), (&json!("Open"), 2));
    rig.cw.set_expense_status(late, "ApprovedByTierTwo").unwrap();
    assert_eq!(rig.cw.unposted_expenses().len(), 3);
    assert_eq!(rig.cw.add_expense_beside(999, new), Err(Refusal::Unknown));
}
