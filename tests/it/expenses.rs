//! What a member spent is in Xero as one bill, to the cent, and marked in ConnectWise.

use axum::http::Method;
use readypost::domain::delivery::State;
use readypost::pipeline::{Turn, turn};
use readypost::simulator::connectwise::{
    DateStyle, ExpenseIds, ExpenseShape, ExpensesReach, Mapping, NewExpense, NewMember, Oddities, ReportCallbacks,
    Settings, Sign, StrayIds, View,
};
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero;
use serde_json::{Value, json};

use crate::harness::{Differently, World, dec};

/// Rules for expenses that fit the demo organisation.
pub(crate) const RULES: &str =
    "untaxed_purchases = \"GST Free Expenses\"\npurchase_tax_names = { GST = \"GST on Expenses\" }\n";
pub(crate) const BY_ENTRY: &str = "untaxed_purchases = \"GST Free Expenses\"\npurchase_tax_names = { GST = \"GST on Expenses\" }\nexpenses = \"entry\"\n";

/// A world with a member whom both systems know.
pub(crate) struct Spending {
    pub(crate) world: World,
    pub(crate) member: i64,
    gst: i64,
}

impl Spending {
    pub(crate) async fn new() -> Self {
        Self::with(Differently { rules: RULES, ..Differently::default() }).await
    }

    async fn in_tenant(connectwise: fn(&mut Settings)) -> Self {
        Self::with(Differently { rules: RULES, connectwise, ..Differently::default() }).await
    }

    pub(crate) async fn by_entry() -> Self {
        Self::with(Differently { rules: BY_ENTRY, ..Differently::default() }).await
    }

    pub(crate) async fn with(differently: Differently) -> Self {
        let world = World::with(differently).await;
        world.xero.add_contact(xero::NewContact { name: "Jo Doe".to_owned(), ..xero::NewContact::default() });
        let member = world.connectwise.add_member(NewMember::default());
        let mut gst = None;
        world.connectwise.edit_company(world.client, |company| gst = company.tax_code).unwrap();
        let spending = Self { world, member, gst: gst.unwrap() };
        spending.listen();
        spending
    }

    /// Tells the service of changes of expenses.
    pub(crate) fn listen(&self) {
        let url = format!("{}/callbacks/acme?recordId=", self.world.url);
        self.world.connectwise.register_callback(&url, "expense", "owner", 1).unwrap();
    }

    /// A parking of 12.00 without tax.
    pub(crate) fn parking(&self) -> NewExpense {
        NewExpense { member: self.member, amount: dec("12"), notes: "City".to_owned(), ..NewExpense::default() }
    }

    /// Meals of 33.00, of which 3.00 are tax.
    pub(crate) fn meals(&self) -> NewExpense {
        NewExpense {
            kind: "Meals".to_owned(),
            amount: dec("33"),
            tax: dec("3"),
            tax_code: Some(self.gst),
            mapping: Mapping::account("429"),
            billable: "Billable".to_owned(),
            company: Some(self.world.client),
            notes: "Lunch".to_owned(),
            ..self.parking()
        }
    }

    /// 20.00 of a class that is not reimbursable.
    fn on_card(&self, class: &str) -> NewExpense {
        NewExpense {
            kind: "Software".to_owned(),
            amount: dec("20"),
            classification: class.to_owned(),
            payment_method: "Company card".to_owned(),
            ..self.parking()
        }
    }

    pub(crate) fn add(&self, expense: NewExpense) -> i64 {
        self.world.connectwise.add_expense(expense)
    }

    /// A report of these, approved; the ids are of its entries.
    pub(crate) fn approved(&self, expenses: Vec<NewExpense>) -> Vec<i64> {
        let ids: Vec<i64> = expenses.into_iter().map(|expense| self.add(expense)).collect();
        self.world.connectwise.approve(ids[0]).unwrap();
        ids
    }

    /// A parking and meals, posted and marked.
    async fn posted() -> (Self, Vec<i64>) {
        let spending = Self::new().await;
        let ids = spending.approved(vec![spending.parking(), spending.meals()]);
        spending.world.settle().await;
        assert_eq!(spending.report_state(ids[0]).await, "done");
        (spending, ids)
    }

    pub(crate) fn report(&self, entry: i64) -> i64 {
        self.world.connectwise.report_of(entry)["id"].as_i64().unwrap()
    }

    pub(crate) async fn report_state(&self, entry: i64) -> String {
        self.world.state_of(&format!("acme/expense_report/{}", self.report(entry))).await
    }

    pub(crate) async fn entry_state(&self, entry: i64) -> String {
        self.world.state_of(&format!("acme/expense/{entry}")).await
    }

    /// Bills and vendors' credit notes that are worth something.
    pub(crate) fn bills(&self) -> Vec<xero::Document> {
        let alive = |document: &xero::Document| {
            !document.kind.name().starts_with("ACCREC")
                && !matches!(document.status, xero::Status::Voided | xero::Status::Deleted)
        };
        self.world.xero.documents().into_iter().filter(alive).collect()
    }

    /// How many of these entries are in a batch with all of theirs.
    pub(crate) fn marked(&self, entries: &[i64]) -> usize {
        entries.iter().filter(|id| self.world.connectwise.expense_batch(**id).is_some()).count()
    }

    /// The sentence of the hold of a record.
    async fn sentence(&self, key: &str) -> String {
        let record = self.world.app.parts.store.record(&key.parse().unwrap()).await.unwrap().unwrap();
        match record.state {
            State::Held { reason } => reason.sentence.to_string(),
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_report_becomes_one_bill_and_is_marked() {
    let spending = Spending::new().await;
    let ids = spending.approved(vec![spending.parking(), spending.meals()]);
    spending.world.settle().await;
    for id in &ids {
        assert_eq!(spending.entry_state(*id).await, "skipped posted_with_report");
    }
    assert_eq!(spending.report_state(ids[0]).await, "done");
    let report = spending.report(ids[0]);
    let bills = spending.bills();
    assert_eq!((bills.len(), bills[0].kind.name(), bills[0].number.clone()), (1, "ACCPAY", format!("EXP-{report}")));
    assert_eq!((bills[0].total, bills[0].total_tax), (dec("45"), dec("3")));
    assert_eq!(
        (bills[0].date, bills[0].due_date.unwrap()),
        (jiff::civil::date(2026, 11, 30), jiff::civil::date(2026, 11, 30))
    );
    let lines: Vec<(&str, &str)> = bills[0]
        .lines
        .iter()
        .map(|line| (line.description.as_str(), line.account_code.as_deref().unwrap_or_default()))
        .collect();
    let first = format!("Parking: City [ConnectWise acme/expense_report/{report}]");
    assert_eq!(lines, [(first.as_str(), "493"), ("Meals: Lunch", "429")]);
    assert_eq!(spending.marked(&ids), 2);
    assert!(spending.world.connectwise.unposted_expenses().is_empty());
    assert_eq!(spending.world.connectwise.batches().len(), 1, "one batch for the report");
    let shown = spending.world.get(&format!("/api/v1/records/acme/expense_report/{report}")).await;
    assert!(shown["record"]["document"]["batch"].as_str().unwrap().starts_with(&format!("RP-R-{report}-")));
    let events: Vec<&str> =
        shown["history"].as_array().unwrap().iter().filter_map(|line| line["event"].as_str()).collect();
    // The batch calls back, too: another look finds nothing more to do.
    assert_eq!(events, ["entry", "entry", "request", "posted", "marked", "entry", "entry", "marked"]);
    let listed = spending.world.get("/api/v1/records?kind=expense_report").await;
    assert_eq!(listed["records"].as_array().unwrap().len(), 1);
    assert_eq!(spending.world.get("/api/v1/records?kind=expense").await["records"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_entry_becomes_one_bill_where_the_rules_say_so() {
    let spending = Spending::by_entry().await;
    let ids = spending.approved(vec![spending.parking(), spending.meals()]);
    spending.world.settle().await;
    assert_eq!(spending.entry_state(ids[0]).await, "done");
    assert_eq!(spending.entry_state(ids[1]).await, "done");
    let totals: Vec<_> = spending.bills().iter().map(|bill| bill.total).collect();
    assert_eq!((totals, spending.marked(&ids)), (vec![dec("12"), dec("33")], 2));
    assert_eq!(spending.world.connectwise.batches().len(), 2, "one batch for each");
    // A report that an operator asks for leaves it to its entries.
    let key = format!("acme/expense_report/{}", spending.report(ids[0]));
    assert_eq!(spending.world.post(&format!("/api/v1/records/{key}/retry"), &json!({})).await.0, 200);
    spending.world.settle().await;
    assert_eq!(spending.world.state_of(&key).await, "skipped entries_apart");
    assert_eq!(spending.bills().len(), 2);
}

#[tokio::test]
async fn expenses_that_are_off_are_left_alone() {
    let spending = Spending::with(Differently { rules: "expenses = \"off\"\n", ..Differently::default() }).await;
    let ids = spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    assert_eq!(spending.entry_state(ids[0]).await, "skipped expenses_off");
    assert!(spending.bills().is_empty() && spending.marked(&ids) == 0);
}

#[tokio::test]
async fn a_warm_bill_for_expenses_costs_two_calls_to_xero() {
    let (spending, _) = Spending::posted().await;
    let before = spending.world.xero.calls();
    for month in 1..=5 {
        let date = jiff::civil::date(2026, 6 + month, 3);
        spending.approved(vec![NewExpense { date, ..spending.parking() }, NewExpense { date, ..spending.meals() }]);
    }
    spending.world.settle().await;
    assert_eq!((spending.world.xero.calls() - before, spending.bills().len()), (10, 6));
}

#[tokio::test]
async fn a_warm_bill_for_one_entry_costs_two_calls_to_xero_and_none_where_its_report_is_posted() {
    let spending = Spending::by_entry().await;
    spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    let before = spending.world.xero.calls();
    let date = jiff::civil::date(2026, 8, 3);
    spending.approved(vec![NewExpense { date, ..spending.parking() }, NewExpense { date, ..spending.meals() }]);
    spending.world.settle().await;
    // Both entries were called back about; their report is none of it.
    assert_eq!((spending.world.xero.calls() - before, spending.bills().len()), (4, 3));
}

#[tokio::test]
async fn nothing_that_is_not_approved_is_posted_though_it_is_listed() {
    for rules in [RULES, BY_ENTRY] {
        let connectwise = |settings: &mut Settings| settings.expenses_reach = ExpensesReach::WhenEntered;
        let spending = Spending::with(Differently { rules, connectwise, ..Differently::default() }).await;
        let ids = [spending.add(spending.parking()), spending.add(spending.meals())];
        let state = async || {
            if rules == RULES { spending.report_state(ids[0]).await } else { spending.entry_state(ids[0]).await }
        };
        assert_eq!(spending.world.connectwise.unposted_expenses().len(), 2);
        spending.world.settle().await;
        assert_eq!(state().await, "skipped not_approved");
        for status in ["PendingApproval", "Rejected", "RejectBySecondTier", "ErrorsCorrected"] {
            spending.world.connectwise.set_report_status(ids[0], status).unwrap();
            spending.world.settle().await;
            assert_eq!(state().await, "skipped not_approved", "{status}");
        }
        for status in ["ApprovedByTierOne", "WrittenOff"] {
            spending.world.connectwise.set_report_status(ids[0], status).unwrap();
            spending.world.settle().await;
            assert_eq!(state().await, "skipped status_not_wanted", "{status}");
        }
        spending.world.connectwise.set_report_status(ids[0], "EscalatedToOwner").unwrap();
        spending.world.settle().await;
        assert_eq!(state().await, "held unreadable_field");
        assert!(spending.bills().is_empty());
        spending.world.connectwise.approve(ids[0]).unwrap();
        spending.world.settle().await;
        assert_eq!((state().await.as_str(), spending.marked(&ids)), ("done", 2));
    }
}

#[tokio::test]
async fn a_report_waits_for_an_entry_that_is_not_approved() {
    let spending = Spending::in_tenant(|settings| settings.expenses_reach = ExpensesReach::WhenEntered).await;
    let ids = spending.approved(vec![spending.parking(), spending.meals()]);
    spending.world.connectwise.set_expense_status(ids[1], "Rejected").unwrap();
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "skipped not_approved");
    assert!(spending.bills().is_empty());
    spending.world.connectwise.set_expense_status(ids[1], "ReadyToBill").unwrap();
    spending.world.settle().await;
    assert_eq!((spending.report_state(ids[0]).await.as_str(), spending.bills().len()), ("done", 1));
}

#[tokio::test]
async fn an_entry_that_comes_into_a_posted_report_is_for_a_person() {
    let (spending, ids) = Spending::posted().await;
    let late = spending.world.connectwise.add_expense_beside(ids[0], spending.parking()).unwrap();
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "done", "it is in its batch, and the late one is nobody's yet");
    spending.world.connectwise.set_expense_status(late, "ApprovedByTierTwo").unwrap();
    spending.world.settle().await;
    // The same amount as the parking before: the GL entries tell them apart.
    assert_eq!(spending.report_state(ids[0]).await, "held edited_after_post");
    assert_eq!((spending.bills().len(), spending.marked(&[late])), (1, 0));
}

#[tokio::test]
async fn an_entry_that_comes_while_its_report_is_marked_is_not_marked_with_it() {
    let spending = Spending::new().await;
    // The name of the batch is looked up first; meanwhile an entry comes.
    let slow = Fault::Delay(std::time::Duration::from_millis(300));
    spending.world.connectwise.server.faults.add(Rule::next(Method::GET, "/accounting/batches", slow));
    let ids = spending.approved(vec![spending.parking(), spending.meals()]);
    spending.world.callbacks().await;
    let parts = std::sync::Arc::clone(&spending.world.app.parts);
    let working = tokio::spawn(async move { while turn(&parts).await == Ok(Turn::Worked) {} });
    let is_asked = || {
        let requests = spending.world.connectwise.server.requests();
        requests
            .iter()
            .any(|request| request.method == Method::GET && request.uri.path().contains("/accounting/batches"))
    };
    while !is_asked() {
        assert!(!working.is_finished(), "the batch was never looked for");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    let late = spending.world.connectwise.add_expense_beside(ids[0], spending.parking()).unwrap();
    spending.world.connectwise.set_expense_status(late, "ApprovedByTierTwo").unwrap();
    working.await.unwrap();
    assert_eq!((spending.marked(&ids), spending.marked(&[late])), (2, 0));
    spending.world.settle().await;
    assert_eq!(spending.report_state(late).await, "held edited_after_post");
    assert_eq!((spending.bills().len(), spending.marked(&[late])), (1, 0));
}

#[tokio::test]
async fn a_late_entry_is_not_posted_by_an_empty_store_either() {
    let (mut spending, ids) = Spending::posted().await;
    let late = spending.world.connectwise.add_expense_beside(ids[0], spending.parking()).unwrap();
    spending.world.connectwise.set_expense_status(late, "ApprovedByTierTwo").unwrap();
    let _ = spending.world.connectwise.take_callbacks();
    spending.world.lose_store().await;
    spending.listen();
    spending.world.connectwise.save_expense(late);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "held not_unposted");
    assert!(spending.sentence(&format!("acme/expense_report/{}", spending.report(late))).await.contains("1 of its 3"));
    assert_eq!(spending.bills().len(), 1);
}

#[tokio::test]
async fn part_of_a_report_is_posted_where_the_rules_say_so() {
    for (rule, state, bills) in [("hold", "held not_unposted", 0), ("post", "done", 1)] {
        let rules: &'static str = format!("{RULES}partial_reports = \"{rule}\"\n").leak();
        let spending = Spending::with(Differently { rules, ..Differently::default() }).await;
        let ids = [spending.add(spending.parking()), spending.add(spending.meals())];
        let _ = spending.world.connectwise.take_callbacks();
        spending.world.connectwise.approve(ids[0]).unwrap();
        spending.world.connectwise.manual_expense_batch(ids[0], "M-1").unwrap();
        spending.world.settle().await;
        assert_eq!((spending.report_state(ids[0]).await.as_str(), spending.bills().len()), (state, bills), "{rule}");
        assert!(spending.bills().iter().all(|bill| bill.total == dec("33")));
    }
}

#[tokio::test]
async fn what_the_company_paid_is_never_owed_to_the_member() {
    let clearing: &'static str = format!("{RULES}company_paid_account = \"850\"\n").leak();
    for (rules, lines, tax) in [(RULES, 1, "0"), (clearing, 3, "0")] {
        let spending = Spending::with(Differently { rules, ..Differently::default() }).await;
        let ids = spending.approved(vec![spending.parking(), spending.on_card("NonReimbursable")]);
        spending.world.settle().await;
        assert_eq!(spending.report_state(ids[0]).await, "done");
        let bills = spending.bills();
        assert_eq!((bills[0].total, bills[0].lines.len(), bills[0].total_tax), (dec("12"), lines, dec(tax)));
        assert_eq!(spending.marked(&ids), 2, "what was left out is marked, too");
    }
    let spending = Spending::new().await;
    let ids = spending.approved(vec![spending.on_card("NonReimbursable")]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "skipped company_paid");
    assert!(spending.bills().is_empty());
}

#[tokio::test]
async fn what_is_personal_reduces_what_is_owed_by_either_sign() {
    let tenants: [fn(&mut Settings); 2] =
        [|settings| settings.personal_expense = Sign::Positive, |settings| settings.personal_expense = Sign::Negative];
    for tenant in tenants {
        let spending = Spending::in_tenant(tenant).await;
        let ids = spending.approved(vec![spending.meals(), spending.on_card("Personal")]);
        spending.world.settle().await;
        assert_eq!(spending.report_state(ids[0]).await, "done");
        let bills = spending.bills();
        assert_eq!((bills[0].kind.name(), bills[0].total, spending.marked(&ids)), ("ACCPAY", dec("13"), 2));
        // More than is owed: the vendor's credit note.
        let date = jiff::civil::date(2026, 10, 2);
        let personal = NewExpense { amount: dec("50"), date, ..spending.on_card("Personal") };
        let ids = spending.approved(vec![NewExpense { date, ..spending.meals() }, personal]);
        spending.world.settle().await;
        assert_eq!(spending.report_state(ids[0]).await, "done");
        let bills = spending.bills();
        assert_eq!((bills[1].kind.name(), bills[1].total, spending.marked(&ids)), ("ACCPAYCREDIT", dec("17"), 2));
    }
}

/// What is special about a tenant.
type Tenant = (&'static str, fn(&mut Settings));

#[tokio::test]
async fn every_shape_of_the_preview_comes_to_the_same_books() {
    let tenants: [Tenant; 6] = [
        ("one id a row", |settings| settings.expense_ids = ExpenseIds::Number),
        ("rows for each account", |settings| settings.expense_shape = ExpenseShape::CondensedBills),
        ("a journal", |settings| settings.expense_shape = ExpenseShape::Journal),
        ("a journal where stray ids are refused", |settings| {
            settings.expense_shape = ExpenseShape::Journal;
            settings.stray_ids = StrayIds::Refuse;
        }),
        ("other ids in the list", |settings| settings.expense_detail_offset = 7_000),
        ("other ids in the list that are those of others", |settings| settings.expense_detail_offset = 1),
    ];
    for (name, tenant) in tenants {
        let spending = Spending::in_tenant(tenant).await;
        let card = spending.on_card("Personal");
        let ids = spending.approved(vec![spending.parking(), spending.meals(), card]);
        spending.world.settle().await;
        assert_eq!(spending.report_state(ids[0]).await, "done", "{name}");
        let bills = spending.bills();
        assert_eq!((bills.len(), bills[0].total, bills[0].total_tax), (1, dec("25"), dec("3")), "{name}");
        assert_eq!(spending.marked(&ids), 3, "{name}");
        assert!(spending.world.connectwise.unposted_expenses().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn an_entry_finds_its_row_by_whatever_ids_the_list_has() {
    let tenants: [fn(&mut Settings); 4] = [
        |_| (),
        |settings| settings.expense_detail_offset = 7_000,
        |settings| settings.expense_detail_offset = 1,
        |settings| settings.expense_shape = ExpenseShape::Journal,
    ];
    for connectwise in tenants {
        let spending = Spending::with(Differently { rules: BY_ENTRY, connectwise, ..Differently::default() }).await;
        let ids = spending.approved(vec![spending.parking(), spending.meals(), spending.on_card("Personal")]);
        spending.world.settle().await;
        let mut found: Vec<_> =
            spending.bills().iter().map(|bill| (bill.kind.name(), bill.total, bill.lines.len())).collect();
        found.sort_unstable();
        let expected = [("ACCPAY", dec("12"), 1), ("ACCPAY", dec("33"), 1), ("ACCPAYCREDIT", dec("20"), 1)];
        assert_eq!((found, spending.marked(&ids)), (expected.to_vec(), 3));
    }
}

#[tokio::test]
async fn equal_entries_under_other_ids_are_never_taken_for_each_other() {
    // Both are in the report: which is which does not matter.
    let spending = Spending::in_tenant(|settings| settings.expense_detail_offset = 7_000).await;
    let ids = spending.approved(vec![spending.parking(), spending.parking()]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "done");
    assert_eq!((spending.bills()[0].total, spending.marked(&ids)), (dec("24"), 2));
    // Another one in a report of its own: nothing tells whose row it is.
    let other = spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    assert!(spending.report_state(other[0]).await.contains("several unposted expenses"));
    assert_eq!((spending.bills().len(), spending.marked(&other)), (1, 0));
    // An id that is another entry's of the same day and type, worth something else.
    let spending = Spending::in_tenant(|settings| settings.expense_detail_offset = 1).await;
    let ids = spending.approved(vec![spending.parking(), NewExpense { amount: dec("8"), ..spending.parking() }]);
    spending.world.settle().await;
    assert!(spending.report_state(ids[0]).await.contains("several unposted expenses"));
    assert!(spending.bills().is_empty());
}

#[tokio::test]
async fn a_member_who_cannot_be_read_has_the_name_in_the_expenses() {
    let spending = Spending::new().await;
    let forbidden = Fault::Answer(Canned::new(403, r#"{"code":"Forbidden","message":"Insufficient rights"}"#));
    spending.world.connectwise.server.faults.add(Rule::every("/system/members", forbidden));
    let ids = spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    assert_eq!((spending.report_state(ids[0]).await.as_str(), spending.bills().len()), ("done", 1));
}

#[tokio::test]
async fn an_equal_entry_of_another_report_is_never_taken_for_one_that_was_posted() {
    let (spending, ids) = Spending::posted().await;
    // Same member, day, type, class and amount, in a report of its own.
    let twin = spending.approved(vec![spending.parking()]);
    spending.world.connectwise.save_expense(ids[0]);
    spending.world.settle().await;
    assert_ne!(spending.report(ids[0]), spending.report(twin[0]));
    assert_eq!(spending.report_state(ids[0]).await, "done");
    assert_eq!(spending.report_state(twin[0]).await, "done");
    let totals: Vec<_> = spending.bills().iter().map(|bill| bill.total).collect();
    assert_eq!((totals, spending.marked(&twin)), (vec![dec("45"), dec("12")], 1));
}

#[tokio::test]
async fn a_receipt_that_is_taxed_in_part_keeps_its_tax() {
    let spending = Spending::new().await;
    let ids = spending.approved(vec![NewExpense { tax: dec("2.10"), ..spending.meals() }]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "done");
    let bills = spending.bills();
    assert_eq!((bills[0].total, bills[0].total_tax), (dec("33"), dec("2.10")));
    let key = format!("acme/expense_report/{}", spending.report(ids[0])).parse().unwrap();
    let record = spending.world.app.parts.store.record(&key).await.unwrap().unwrap();
    let codes: Vec<&str> = record.warnings.iter().map(|open| open.warning.code.as_str()).collect();
    assert_eq!(codes, ["expense_tax"]);
}

#[tokio::test]
async fn a_member_whom_xero_does_not_know_is_created_apart_from_companies() {
    let spending = Spending::new().await;
    // The simulator numbers members and companies apart, so one id is of both.
    let mut member = spending.world.connectwise.add_member(NewMember::default());
    while member < spending.world.client {
        member = spending.world.connectwise.add_member(NewMember::default());
    }
    let name = |member: &mut NewMember| (member.first_name, member.last_name) = ("Ada".to_owned(), "New".to_owned());
    spending.world.connectwise.edit_member(member, name).unwrap();
    let ids = spending.approved(vec![NewExpense { member, ..spending.parking() }]);
    let invoice = spending.world.invoice("1001", vec![crate::harness::labour("1", "100")]);
    spending.world.ready(invoice);
    spending.world.settle().await;
    assert_eq!(
        (spending.report_state(ids[0]).await.as_str(), spending.world.state(invoice).await.as_str()),
        ("done", "done")
    );
    let contacts = spending.world.xero.contacts();
    let ada = contacts.iter().find(|contact| contact.name == "Ada New").unwrap();
    assert_eq!(ada.number.as_deref().unwrap_or_default(), format!("M-{member}"));
    let bills = spending.bills();
    assert_eq!((bills.len(), bills[0].contact_id), (1, ada.id));
    assert_ne!(spending.world.documents("1001")[0].contact_id, ada.id);
}

#[tokio::test]
async fn entries_of_several_organisations_are_for_a_person() {
    let spending = Spending::new().await;
    let other = xero::Xero::start(xero::Settings::new(spending.world.clock.clone())).await.unwrap();
    let text = spending.world.configuration() + &crate::harness::company_text("acme-nz", "acme", "[3]", &other);
    assert_eq!(spending.world.reload(&text).await.0, 200);
    let ids = spending.approved(vec![spending.parking(), NewExpense { location_id: 3, ..spending.meals() }]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "held no_company");
    let key = format!("acme/expense_report/{}", spending.report(ids[0]));
    assert!(spending.sentence(&key).await.contains("acme-au, acme-nz"));
    assert!(spending.bills().is_empty() && other.documents().is_empty());
}

#[tokio::test]
async fn nothing_is_posted_twice_when_the_rule_changes_between_bill_and_batch() {
    for (first, then) in [("report", "entry"), ("entry", "report")] {
        let rules: &'static str = format!("{RULES}expenses = \"{first}\"\n").leak();
        let spending = Spending::with(Differently { rules, ..Differently::default() }).await;
        let batches = Rule::next(Method::POST, "/accounting/batches", Fault::DropBefore).times(50);
        spending.world.connectwise.server.faults.add(batches);
        let ids = spending.approved(vec![spending.parking()]);
        spending.world.settle().await;
        assert_eq!((spending.bills().len(), spending.marked(&ids)), (1, 0));
        let from = format!("expenses = \"{first}\"");
        let text = spending.world.configuration().replace(&from, &format!("expenses = \"{then}\""));
        assert_eq!(spending.world.reload(&text).await.0, 200);
        spending.world.connectwise.save_expense(ids[0]);
        let key = format!("acme/expense_report/{}", spending.report(ids[0]));
        assert_eq!(spending.world.post(&format!("/api/v1/records/{key}/retry"), &json!({})).await.0, 200);
        spending.world.settle().await;
        spending.world.connectwise.server.faults.clear();
        spending.world.pass(jiff::SignedDuration::from_hours(1)).await;
        assert_eq!((spending.bills().len(), spending.marked(&ids)), (1, 1), "{first}, then {then}");
    }
}

#[tokio::test]
async fn a_posted_report_that_is_taken_back_or_loses_an_entry_is_for_a_person() {
    let (spending, ids) = Spending::posted().await;
    // Taken out of its batch alone: marked again, under another name.
    let batch = spending.world.connectwise.batches()[0].id;
    spending.world.connectwise.delete_batch(batch).unwrap();
    spending.world.connectwise.save_expense(ids[0]);
    spending.world.settle().await;
    assert_eq!((spending.report_state(ids[0]).await.as_str(), spending.marked(&ids)), ("done", 2));
    // Out of its batch and an entry deleted: the entry's callback brings the report.
    let batch = spending.world.connectwise.batches().last().unwrap().id;
    spending.world.connectwise.delete_batch(batch).unwrap();
    let _ = spending.world.connectwise.take_callbacks();
    spending.world.connectwise.delete_expense(ids[0]).unwrap();
    spending.world.settle().await;
    assert_eq!(spending.entry_state(ids[0]).await, "skipped deleted");
    assert_eq!(spending.report_state(ids[1]).await, "held edited_after_post");
    // Void in Xero: what is left is posted anew.
    spending.world.xero.void(spending.bills()[0].id);
    spending.world.connectwise.save_expense(ids[1]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[1]).await, "done");
    let bills = spending.bills();
    assert_eq!((bills.len(), bills[0].total, spending.marked(&ids[1..])), (1, dec("33"), 1));
}

#[tokio::test]
async fn a_report_that_is_rejected_after_it_was_posted_is_for_a_person() {
    let spending = Spending::new().await;
    let batches = Rule::next(Method::POST, "/accounting/batches", Fault::DropBefore).times(50);
    spending.world.connectwise.server.faults.add(batches);
    let ids = spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    assert_eq!(spending.bills().len(), 1);
    spending.world.connectwise.reject(ids[0]).unwrap();
    spending.world.pass(jiff::SignedDuration::from_mins(10)).await;
    assert_eq!(spending.report_state(ids[0]).await, "held edited_after_post");
}

#[tokio::test]
async fn an_empty_store_finds_its_bills_by_their_marks() {
    let mut spending = Spending::new().await;
    let batches = Rule::next(Method::POST, "/accounting/batches", Fault::DropBefore).times(50);
    spending.world.connectwise.server.faults.add(batches);
    let ids = spending.approved(vec![spending.parking(), spending.meals()]);
    spending.world.settle().await;
    assert_eq!((spending.bills().len(), spending.marked(&ids)), (1, 0));
    spending.world.lose_store().await;
    spending.world.connectwise.server.faults.clear();
    spending.listen();
    spending.world.connectwise.save_expense(ids[1]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "done");
    assert_eq!((spending.bills().len(), spending.marked(&ids)), (1, 2));
    // Marked before, and the store lost again: it is in its batch.
    spending.world.lose_store().await;
    spending.listen();
    spending.world.connectwise.save_expense(ids[1]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "skipped posted_before");
    assert_eq!(spending.bills().len(), 1);
}

#[tokio::test]
async fn what_somebody_else_batched_is_left_alone() {
    let spending = Spending::new().await;
    let id = spending.add(spending.parking());
    let _ = spending.world.connectwise.take_callbacks();
    spending.world.connectwise.approve(id).unwrap();
    spending.world.connectwise.manual_expense_batch(id, "M-1").unwrap();
    spending.world.settle().await;
    assert_eq!(spending.report_state(id).await, "skipped nothing_unposted");
    assert!(spending.bills().is_empty());
}

#[tokio::test]
async fn an_approval_that_calls_nobody_back_is_taken_in_by_hand() {
    let spending = Spending::in_tenant(|settings| settings.report_callbacks = ReportCallbacks::None).await;
    let ids = spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    let key = format!("acme/expense_report/{}", spending.report(ids[0]));
    assert_eq!(spending.world.post(&format!("/api/v1/records/{key}/retry"), &json!({})).await.0, 200);
    spending.world.settle().await;
    assert_eq!((spending.world.state_of(&key).await.as_str(), spending.bills().len()), ("done", 1));
}

#[tokio::test]
async fn a_pause_of_reports_keeps_their_bills_back() {
    let spending = Spending::new().await;
    let url = "/api/v1/companies/acme-au/pause";
    assert_eq!(spending.world.post(url, &json!({"kind": "expense_report"})).await.0, 200);
    let ids = spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    assert_eq!(spending.entry_state(ids[0]).await, "skipped posted_with_report");
    assert!(spending.report_state(ids[0]).await.starts_with("queued") && spending.bills().is_empty());
    let url = "/api/v1/companies/acme-au/resume";
    assert_eq!(spending.world.post(url, &json!({"kind": "expense_report"})).await.0, 200);
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "done");
}

#[tokio::test]
async fn an_entry_that_an_operator_stopped_is_not_posted_with_its_report() {
    for (stop, again) in [("hold", "release"), ("skip", "retry")] {
        let spending = Spending::new().await;
        let ids = [spending.add(spending.parking()), spending.add(spending.meals())];
        spending.world.settle().await;
        let decide = async |action: &str| {
            let path = format!("/api/v1/records/acme/expense/{}/{action}", ids[1]);
            assert_eq!(spending.world.post(&path, &json!({})).await.0, 200, "{action}");
        };
        decide(stop).await;
        spending.world.connectwise.approve(ids[0]).unwrap();
        spending.world.settle().await;
        assert_eq!(spending.report_state(ids[0]).await, "held entry_stopped", "{stop}");
        assert!(spending.bills().is_empty());
        decide(again).await;
        spending.world.settle().await;
        assert_eq!((spending.report_state(ids[0]).await.as_str(), spending.marked(&ids)), ("done", 2), "{again}");
    }
}

#[tokio::test]
async fn expenses_before_the_start_date_are_left_alone() {
    let rules: &'static str = format!("{RULES}start_date = 2026-11-01\n").leak();
    let spending = Spending::with(Differently { rules, ..Differently::default() }).await;
    let date = jiff::civil::date(2026, 10, 31);
    let old = spending.approved(vec![NewExpense { date, ..spending.parking() }]);
    let new = spending.approved(vec![spending.parking()]);
    spending.world.settle().await;
    assert_eq!(spending.report_state(old[0]).await, "skipped before_start_date");
    assert_eq!((spending.report_state(new[0]).await.as_str(), spending.bills().len()), ("done", 1));
}

/// What is odd, where it is shown, and what becomes of the report.
type Odd = (&'static str, fn(&mut NewExpense), &'static str);

fn odd_members_and_entries() -> Vec<Odd> {
    vec![
        ("amounts as text", |expense| expense.oddities.amounts_as_text = true, "done"),
        ("days alone", |expense| expense.oddities.dates = Some(DateStyle::DateOnly), "done"),
        ("no member", |expense| expense.member = 0, "held unreadable_field member"),
        ("no account", |expense| expense.mapping = Mapping::account(""), "held no_gl_account line 2"),
        (
            "a class that is new",
            |expense| "Loaned".clone_into(&mut expense.classification),
            "held unreadable_field Loaned",
        ),
        ("a GL type that is new", |expense| expense.gl_type = Some("XX".to_owned()), "held unknown_type XX"),
        (
            "no class in the list",
            |expense| expense.oddities = Oddities::default().field(View::Unposted, "/classification", Value::Null),
            "held unreadable_field classification",
        ),
    ]
}

fn odd_lists_and_previews() -> Vec<Odd> {
    vec![
        (
            "no id to export by",
            |expense| expense.oddities = Oddities::default().field(View::Unposted, "/expenseDetailId", Value::Null),
            "held unreadable_field expenseDetailId",
        ),
        (
            "an id that is none",
            |expense| expense.oddities = Oddities::default().field(View::Export, "/id", json!("soon")),
            "held unreadable_field id of a row",
        ),
        (
            "an amount that is none",
            |expense| expense.oddities = Oddities::default().field(View::Export, "/total", json!("much")),
            "held unreadable_field total of a row",
        ),
        (
            "a row without an amount",
            |expense| expense.oddities = Oddities::default().field(View::Export, "/total", Value::Null),
            "held unreadable_field total of a row",
        ),
        (
            "a row that says something else",
            |expense| expense.oddities = Oddities::default().field(View::Export, "/reimbursable", json!(false)),
            "held unreadable_field classification",
        ),
        (
            "a total of the list that is another",
            |expense| expense.oddities = Oddities::default().field(View::Unposted, "/total", json!(99)),
            "held out_of_balance total in the unposted list",
        ),
        (
            "a tax that the entry and the list deny",
            |expense| {
                expense.oddities = Oddities::default().field(View::Unposted, "/salesTaxAmount", json!(0)).field(
                    View::Record,
                    "/taxes",
                    json!([]),
                );
            },
            "held out_of_balance tax",
        ),
        (
            "an amount of the entry that is none",
            |expense| expense.oddities = Oddities::default().field(View::Record, "/amount", json!("much")),
            "held unreadable_field amount",
        ),
        (
            "a date of the entry that is none",
            |expense| expense.oddities = Oddities::default().field(View::Record, "/date", json!("soon")),
            "held unreadable_field date",
        ),
    ]
}

#[tokio::test]
async fn odd_input_is_read_or_held_by_the_name_of_its_field() {
    for (name, change, expected) in [odd_members_and_entries(), odd_lists_and_previews()].concat() {
        let spending = Spending::new().await;
        let mut odd = spending.meals();
        change(&mut odd);
        let ids = match odd.member {
            0 => spending.approved(vec![odd]),
            _ => spending.approved(vec![spending.parking(), odd]),
        };
        spending.world.settle().await;
        let key = format!("acme/expense_report/{}", spending.report(ids[0]));
        let state = spending.world.state_of(&key).await;
        assert!(expected.starts_with(&state), "{name}: {state}");
        if expected != "done" {
            let (named, sentence) = (expected.splitn(3, ' ').nth(2).unwrap(), spending.sentence(&key).await);
            assert!(sentence.contains(named), "{name}: {sentence}");
        }
        assert_eq!(spending.bills().len(), usize::from(expected == "done"), "{name}");
    }
}
