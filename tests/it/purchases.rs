//! What came with a packing slip is in Xero as one bill, to the cent, and marked in ConnectWise.

use jiff::SignedDuration;
use readypost::simulator::connectwise::{
    DateStyle, Item, NewCompany, NewPurchaseLine, NewPurchaseOrder, Oddities, PurchaseTotal, PurchasesReach, View,
};
use readypost::simulator::xero;
use serde_json::{Value, json};

use crate::harness::{Differently, TOKEN, World, dec};

/// Rules for purchases that fit the demo organisation.
pub(crate) const RULES: &str =
    "untaxed_purchases = \"GST Free Expenses\"\npurchase_tax_names = { GST = \"GST on Expenses\" }\n";

/// A world with a vendor that both systems know.
pub(crate) struct Buying {
    pub(crate) world: World,
    pub(crate) vendor: i64,
}

impl Buying {
    pub(crate) async fn new() -> Self {
        Self::with(Differently { rules: RULES, ..Differently::default() }).await
    }

    pub(crate) async fn with(differently: Differently) -> Self {
        let world = World::with(differently).await;
        world
            .xero
            .add_contact(xero::NewContact { name: "Harbour Distribution".to_owned(), ..xero::NewContact::default() });
        let mut usual = NewCompany::default();
        world.connectwise.edit_company(world.client, |company| usual = company.clone()).unwrap();
        let vendor = world.connectwise.add_company(NewCompany {
            identifier: "HARBOUR".to_owned(),
            name: "Harbour Distribution".to_owned(),
            account_number: "HARBOUR".to_owned(),
            is_vendor: true,
            vendor_number: "V-310".to_owned(),
            primary_contact: false,
            billing_contact: false,
            ..usual
        });
        let buying = Self { world, vendor };
        buying.listen();
        buying
    }

    /// Tells the service of changes of purchase orders.
    pub(crate) fn listen(&self) {
        let url = format!("{}/callbacks/acme?recordId=", self.world.url);
        self.world.connectwise.register_callback(&url, "purchaseorder", "owner", 1).unwrap();
    }

    /// An open order of disks at 55.00.
    pub(crate) fn order(&self, quantities: &[&str]) -> i64 {
        self.order_like(NewPurchaseOrder {
            lines: quantities.iter().map(|quantity| disk(quantity)).collect(),
            ..self.usual()
        })
    }

    pub(crate) fn usual(&self) -> NewPurchaseOrder {
        NewPurchaseOrder {
            number: "PO-3041".to_owned(),
            vendor: self.vendor,
            vendor_invoice_number: "HD-55012".to_owned(),
            vendor_invoice_date: Some(jiff::civil::date(2026, 11, 28)),
            ..NewPurchaseOrder::default()
        }
    }

    pub(crate) fn order_like(&self, order: NewPurchaseOrder) -> i64 {
        self.world.connectwise.add_purchase_order(order)
    }

    /// Receives all of an order under one packing slip and closes it.
    pub(crate) fn close(&self, order: i64, slip: &str) {
        self.world.connectwise.receive(order, slip).unwrap();
        self.world.connectwise.close_purchase_order(order).unwrap();
    }

    /// An order of so many disks that came and was closed, posted and marked.
    async fn posted(quantity: &str) -> (Self, i64) {
        let buying = Self::new().await;
        let order = buying.order(&[quantity]);
        buying.close(order, "SLIP 7");
        buying.world.settle().await;
        assert_eq!(buying.state(order, "SLIP 7").await, "done");
        (buying, order)
    }

    pub(crate) async fn state(&self, order: i64, slip: &str) -> String {
        self.world.state_of(&format!("acme/purchase/{order}-{slip}-purchase")).await
    }

    async fn order_state(&self, order: i64) -> String {
        self.world.state_of(&format!("acme/purchase_order/{order}")).await
    }

    /// Bills and vendors' credit notes that are worth something.
    pub(crate) fn bills(&self) -> Vec<xero::Document> {
        let alive = |document: &xero::Document| {
            !document.kind.name().starts_with("ACCREC")
                && !matches!(document.status, xero::Status::Voided | xero::Status::Deleted)
        };
        self.world.xero.documents().into_iter().filter(alive).collect()
    }

    /// Packing slips of an order that are in a batch.
    pub(crate) fn marked(&self, order: i64) -> usize {
        self.world.connectwise.purchases(order).iter().filter(|purchase| purchase.batch.is_some()).count()
    }

    async fn decide(&self, key: &str, action: &str, body: Value) -> u16 {
        let path = key.parse::<readypost::domain::record::RecordKey>().unwrap().path();
        let url = format!("{}/api/v1/records/{path}/{action}", self.world.url);
        self.world.http.post(url).bearer_auth(TOKEN).json(&body).send().await.unwrap().status().as_u16()
    }

    /// Enters a bill like the one of ten disks by hand.
    fn enter_by_hand(&self) {
        let contacts = self.world.xero.contacts();
        let contact = contacts.iter().find(|contact| contact.name == "Harbour Distribution").unwrap().id;
        let bill = json!({"Type": "ACCPAY", "InvoiceNumber": "HD-55012", "Contact": {"ContactID": contact},
            "Date": "2026-11-28", "DueDate": "2026-12-18", "LineAmountTypes": "Exclusive", "Status": "AUTHORISED",
            "LineItems": [{"Description": "Disks", "Quantity": 10, "UnitAmount": 55, "AccountCode": "310",
                "TaxType": "INPUT"}]});
        self.world.xero.enter(&bill).unwrap();
    }
}

pub(crate) fn disk(quantity: &str) -> NewPurchaseLine {
    NewPurchaseLine {
        description: "Solid state disk".to_owned(),
        quantity: dec(quantity),
        unit_cost: dec("55"),
        item: Some(Item::new(741, "SSD1")),
        ..NewPurchaseLine::default()
    }
}

#[tokio::test]
async fn a_packing_slip_becomes_one_bill_and_is_marked() {
    let buying = Buying::new().await;
    let order = buying.order_like(NewPurchaseOrder {
        lines: vec![disk("10"), NewPurchaseLine { quantity: dec("3"), unit_cost: dec("33.33"), ..disk("3") }],
        freight: dec("20"),
        freight_taxable: true,
        ..buying.usual()
    });
    buying.close(order, "SLIP 7/a");
    buying.world.settle().await;
    assert_eq!(buying.order_state(order).await, "skipped purchases_apart");
    assert_eq!(buying.state(order, "SLIP 7/a").await, "done");
    let bills = buying.bills();
    assert_eq!((bills.len(), bills[0].kind.name(), bills[0].number.as_str()), (1, "ACCPAY", "HD-55012"));
    // 550.00 + 99.99 + 20.00 freight, and 10 % of each.
    assert_eq!((bills[0].total, bills[0].total_tax), (dec("736.99"), dec("67.00")));
    assert_eq!(
        (bills[0].date, bills[0].due_date.unwrap().to_string().as_str()),
        (jiff::civil::date(2026, 11, 28), "2026-12-18")
    );
    assert_eq!(bills[0].lines.iter().filter(|line| line.account_code.as_deref() == Some("425")).count(), 1);
    assert_eq!(buying.marked(order), 1);
    assert!(buying.world.connectwise.unposted_procurement().is_empty(), "every entry is in the batch");
    let path = format!("/api/v1/records/acme/purchase/{order}-SLIP%207%2Fa-purchase");
    let shown = buying.world.get(&path).await;
    assert_eq!(shown["record"]["document"]["kind"], "bill");
    assert!(shown["record"]["document"]["batch"].as_str().unwrap().starts_with("RP-P-"));
    let events: Vec<&str> =
        shown["history"].as_array().unwrap().iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["order", "request", "posted", "marked"]);
    let listed = buying.world.get("/api/v1/records?kind=purchase&q=slip").await;
    assert_eq!(listed["records"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn equal_packing_slips_of_one_vendors_invoice_are_two_bills() {
    let buying = Buying::new().await;
    let order = buying.order(&["5", "5"]);
    buying.world.connectwise.receive_line(order, 1, "A").unwrap();
    buying.world.connectwise.receive_line(order, 2, "B").unwrap();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    let bills = buying.bills();
    assert_eq!(bills.len(), 2);
    assert!(bills.iter().all(|bill| bill.number == "HD-55012" && bill.total == dec("302.50")), "{bills:?}");
    assert_eq!(buying.marked(order), 2);
}

#[tokio::test]
async fn a_packing_slip_that_comes_later_is_posted_by_itself() {
    let (buying, order) = Buying::posted("10").await;
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.order_state(order).await, "skipped status_open");
    assert_eq!(buying.state(order, "SLIP 7").await, "done", "it stays in its batch");
    buying.world.connectwise.add_purchase_line(order, disk("2")).unwrap();
    buying.close(order, "SLIP 8");
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 8").await, "done");
    let totals: Vec<_> = buying.bills().iter().map(|bill| bill.total).collect();
    assert_eq!((totals, buying.marked(order)), (vec![dec("605"), dec("121")], 2));
}

#[tokio::test]
async fn a_second_receipt_under_the_same_packing_slip_is_not_taken_for_the_first() {
    let (buying, order) = Buying::posted("5").await;
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.connectwise.add_purchase_line(order, disk("5")).unwrap();
    buying.close(order, "SLIP 7");
    buying.world.settle().await;
    // The same name and amounts, other entries: neither posted twice nor marked without a bill.
    assert_eq!(buying.state(order, "SLIP 7").await, "held edited_after_post");
    assert_eq!(buying.bills().len(), 1);
    assert!(!buying.world.connectwise.unposted_procurement().is_empty());
}

#[tokio::test]
async fn a_warm_bill_costs_two_calls_to_xero() {
    let (buying, _) = Buying::posted("1").await;
    // One call looks for the bill, because nothing in Xero refuses a second one, and one makes it. Where the order is
    // older than the store, it is looked for by the order's number, too.
    for (date, calls) in [(jiff::civil::date(2026, 12, 2), 2), (jiff::civil::date(2026, 11, 27), 3)] {
        buying.world.clock.advance(SignedDuration::from_hours(48));
        let warm = buying.order_like(NewPurchaseOrder { lines: vec![disk("1")], ..buying.usual() });
        buying.close(warm, "");
        buying.world.settle().await;
        let before = buying.world.xero.calls();
        for number in 0..5 {
            let order = buying.order_like(NewPurchaseOrder {
                number: format!("PO-{number}"),
                date,
                lines: vec![disk("1")],
                ..buying.usual()
            });
            buying.close(order, "");
        }
        buying.world.settle().await;
        assert_eq!(buying.world.xero.calls() - before, 5 * calls);
    }
    assert_eq!(buying.bills().len(), 13);
}

#[tokio::test]
async fn what_goes_back_becomes_a_credit_note_of_the_vendor() {
    let (buying, order) = Buying::posted("-2").await;
    let bills = buying.bills();
    assert_eq!((bills[0].kind.name(), bills[0].total), ("ACCPAYCREDIT", dec("121")));
    assert_eq!(buying.marked(order), 1);
}

#[tokio::test]
async fn readings_of_connectwise_that_are_not_documented_come_to_the_same_books() {
    for (reach, total) in
        [(PurchasesReach::WhenReceived, PurchaseTotal::Whole), (PurchasesReach::WhenClosed, PurchaseTotal::Lines)]
    {
        let settings: [fn(&mut readypost::simulator::connectwise::Settings); 2] = [
            |settings| settings.purchases_reach = PurchasesReach::WhenReceived,
            |settings| settings.purchase_total = PurchaseTotal::Lines,
        ];
        let connectwise = settings[usize::from(total == PurchaseTotal::Lines)];
        let buying = Buying::with(Differently { rules: RULES, connectwise, ..Differently::default() }).await;
        let order =
            buying.order_like(NewPurchaseOrder { lines: vec![disk("10")], freight: dec("20"), ..buying.usual() });
        buying.world.connectwise.receive(order, "S").unwrap();
        buying.world.settle().await;
        assert!(buying.bills().is_empty(), "{reach:?}: not before it is closed");
        buying.world.connectwise.close_purchase_order(order).unwrap();
        buying.world.settle().await;
        let bills = buying.bills();
        assert_eq!((bills.len(), bills[0].total, buying.marked(order)), (1, dec("625"), 1), "{reach:?} {total:?}");
    }
}

#[tokio::test]
async fn an_empty_store_finds_its_bills_by_their_marks() {
    let mut buying = Buying::new().await;
    let order = buying.order(&["5", "5"]);
    // The first slip reaches Xero and is not marked; then the store is lost, and an equal slip comes.
    buying.world.connectwise.receive_line(order, 1, "A").unwrap();
    let fault = readypost::simulator::faults::Fault::DropBefore;
    let batches = readypost::simulator::faults::Rule::next(axum::http::Method::POST, "/accounting/batches", fault);
    buying.world.connectwise.server.faults.add(batches.times(50));
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!((buying.bills().len(), buying.marked(order)), (1, 0));
    buying.world.lose_store().await;
    buying.world.connectwise.server.faults.clear();
    buying.listen();
    // Closed after the new store was begun, by its own clock and the other's.
    buying.world.clock.advance(SignedDuration::from_mins(30));
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.close(order, "B");
    buying.world.settle().await;
    assert_eq!(
        (buying.state(order, "A").await, buying.state(order, "B").await),
        ("done".to_owned(), "done".to_owned())
    );
    let bills = buying.bills();
    assert_eq!((bills.len(), buying.marked(order)), (2, 2), "A was adopted and B made: {bills:?}");
}

#[tokio::test]
async fn an_empty_store_finds_a_bill_that_was_posted_under_the_orders_number() {
    let mut buying = Buying::new().await;
    let order = buying.order_like(NewPurchaseOrder {
        vendor_invoice_number: String::new(),
        lines: vec![disk("10")],
        ..buying.usual()
    });
    let fault = readypost::simulator::faults::Fault::DropBefore;
    let batches = readypost::simulator::faults::Rule::next(axum::http::Method::POST, "/accounting/batches", fault);
    buying.world.connectwise.server.faults.add(batches.times(50));
    buying.close(order, "SLIP 7");
    buying.world.settle().await;
    assert_eq!(buying.bills()[0].number, "PO-3041-SLIP 7");
    buying.world.lose_store().await;
    buying.world.connectwise.server.faults.clear();
    buying.listen();
    buying.world.clock.advance(SignedDuration::from_mins(30));
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    let number = |order: &mut NewPurchaseOrder| "HD-55012".clone_into(&mut order.vendor_invoice_number);
    buying.world.connectwise.edit_purchase_order(order, number).unwrap();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!((buying.state(order, "SLIP 7").await.as_str(), buying.bills().len()), ("done", 1));
}

#[tokio::test]
async fn a_bill_that_was_entered_by_hand_is_noticed_whenever_its_order_is_closed() {
    let buying = Buying::new().await;
    let order = buying.order(&["10", "2"]);
    buying.world.connectwise.receive_line(order, 1, "SLIP 7").unwrap();
    buying.enter_by_hand();
    buying.world.clock.advance(SignedDuration::from_mins(30));
    buying.close(order, "SLIP 8");
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "held ambiguous_document");
    assert_eq!((buying.state(order, "SLIP 8").await.as_str(), buying.bills().len()), ("done", 2));
}

#[tokio::test]
async fn a_packing_slip_with_letters_of_other_languages_is_posted_once_when_an_answer_is_lost() {
    for slip in ["Größe 7", "伝票", "a\"b\\c"] {
        let buying = Buying::new().await;
        let order = buying.order(&["10"]);
        let lost = readypost::simulator::faults::Fault::DropAfter;
        let put = readypost::simulator::faults::Rule::next(axum::http::Method::PUT, "/Invoices", lost);
        buying.world.xero.server.faults.add(put);
        buying.close(order, slip);
        buying.world.settle().await;
        buying.world.pass(SignedDuration::from_mins(1)).await;
        assert_eq!((buying.state(order, slip).await.as_str(), buying.bills().len()), ("done", 1), "{slip}");
    }
}

#[tokio::test]
async fn an_edit_is_not_forgotten_when_the_order_is_rebatched() {
    let (buying, order) = Buying::posted("10").await;
    buying.world.connectwise.unbatch_purchase_order(order).unwrap();
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.connectwise.edit_purchase_line(order, 1, |line| line.unit_cost = dec("66")).unwrap();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "held edited_after_post");
    buying.world.connectwise.manual_purchase_batch(order, "M-1").unwrap();
    buying.world.connectwise.save_purchase_order(order);
    buying.world.settle().await;
    // ConnectWise does not say any more what it is worth.
    assert_eq!(buying.state(order, "SLIP 7").await, "held edited_after_post");
    let key = format!("acme/purchase/{order}-SLIP 7-purchase");
    assert_eq!(buying.decide(&key, "adopt", json!({ "document": buying.bills()[0].id })).await, 200);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "done", "an operator has said so");
}

#[tokio::test]
async fn what_comes_between_bill_and_batch_is_not_marked_with_it() {
    let buying = Buying::new().await;
    let order = buying.order(&["5"]);
    buying.close(order, "SLIP 7");
    // The bill is posted while ConnectWise takes no batch.
    let busy = readypost::simulator::faults::Canned::new(503, "busy");
    let fault = readypost::simulator::faults::Fault::Answer(busy);
    let batches = readypost::simulator::faults::Rule::next(axum::http::Method::POST, "/accounting/batches", fault);
    buying.world.connectwise.server.faults.add(batches.times(50));
    buying.world.settle().await;
    assert_eq!((buying.bills().len(), buying.marked(order)), (1, 0));
    buying.world.connectwise.server.faults.clear();
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.connectwise.add_purchase_line(order, disk("5")).unwrap();
    buying.close(order, "SLIP 7");
    buying.world.pass(SignedDuration::from_hours(1)).await;
    assert_eq!(buying.state(order, "SLIP 7").await, "held edited_after_post");
    assert_eq!((buying.bills().len(), buying.marked(order)), (1, 0));
}

#[tokio::test]
async fn a_packing_slip_that_cannot_be_a_record_holds_the_order_and_nothing_else() {
    let buying = Buying::new().await;
    let order = buying.order(&["5", "5"]);
    buying.world.connectwise.receive_line(order, 1, "A").unwrap();
    buying.world.connectwise.receive_line(order, 2, "B\u{200B}").unwrap();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.order_state(order).await, "held unreadable_field");
    assert_eq!(buying.state(order, "A").await, "done");
    // What was handed on is known to the order all the same.
    buying.world.connectwise.unbatch_purchase_order(order).unwrap();
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "A").await, "held edited_after_post");
    let adopt = json!({ "document": buying.bills()[0].id });
    assert_eq!(buying.decide(&format!("acme/purchase_order/{order}"), "adopt", adopt).await, 409);
}

#[tokio::test]
async fn a_bill_without_a_mark_is_for_a_person_to_tell() {
    let mut buying = Buying::new().await;
    let order = buying.order(&["10"]);
    buying.close(order, "SLIP 7");
    buying.enter_by_hand();
    let _ = buying.world.connectwise.take_callbacks();
    buying.world.lose_store().await;
    buying.listen();
    buying.world.connectwise.save_purchase_order(order);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "held ambiguous_document");
    let key = format!("acme/purchase/{order}-SLIP 7-purchase");
    assert_eq!(buying.decide(&key, "adopt", json!({ "document": buying.bills()[0].id })).await, 200);
    buying.world.settle().await;
    assert_eq!((buying.state(order, "SLIP 7").await.as_str(), buying.bills().len()), ("done", 1));
    assert_eq!(buying.marked(order), 1);
}

#[tokio::test]
async fn a_posted_purchase_that_is_opened_unbatched_or_deleted_is_never_posted_twice() {
    // Taken out of its batch alone: marked again.
    let (buying, order) = Buying::posted("10").await;
    buying.world.connectwise.unbatch_purchase_order(order).unwrap();
    buying.world.connectwise.save_purchase_order(order);
    buying.world.settle().await;
    assert_eq!((buying.state(order, "SLIP 7").await.as_str(), buying.marked(order)), ("done", 1));
    assert_eq!(buying.bills().len(), 1);
    let listed = buying.world.get("/api/v1/records?kind=purchase").await;
    assert_eq!(listed["records"][0]["total"], "605.00", "also when ConnectWise does not say it any more");
    // Then opened: a person has to look.
    buying.world.connectwise.unbatch_purchase_order(order).unwrap();
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "held edited_after_post");
    // Changed and closed again, with the bill void in Xero: posted anew.
    buying.world.connectwise.edit_purchase_line(order, 1, |line| line.unit_cost = dec("66")).unwrap();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "held edited_after_post");
    buying.world.xero.void(buying.bills()[0].id);
    buying.world.connectwise.save_purchase_order(order);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "done");
    let bills = buying.bills();
    assert_eq!((bills.len(), bills[0].total, buying.marked(order)), (1, dec("726"), 1));
    // Deleted at last.
    buying.world.connectwise.unbatch_purchase_order(order).unwrap();
    buying.world.connectwise.delete_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "held edited_after_post");
}

#[tokio::test]
async fn what_somebody_else_batched_is_left_alone() {
    let buying = Buying::new().await;
    let order = buying.order(&["10"]);
    buying.world.connectwise.receive(order, "SLIP 7").unwrap();
    let _ = buying.world.connectwise.take_callbacks();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.callbacks().await;
    // Between the look at the order and the look at its purchase.
    readypost::pipeline::turn(&buying.world.app.parts).await.unwrap();
    buying.world.connectwise.manual_purchase_batch(order, "M-1").unwrap();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "SLIP 7").await, "skipped batched_elsewhere");
    assert!(buying.bills().is_empty());
}

/// What is odd, where it is shown, and what becomes of the purchase.
type Odd = (&'static str, fn(&mut NewPurchaseOrder), &'static str);

#[tokio::test]
async fn odd_input_is_read_or_held_by_the_name_of_its_field() {
    let rows: [Odd; 10] = [
        ("amounts as text", |order| order.oddities.amounts_as_text = true, "done"),
        ("days without a time", |order| order.oddities.dates = Some(DateStyle::DateOnly), "done"),
        (
            "an American date",
            |order| {
                order.oddities = Oddities::default().field(View::Export, "/vendorInvoiceDate", json!("11/28/2026"));
            },
            "done",
        ),
        (
            "a date that is none",
            |order| {
                order.oddities = Oddities::default().field(View::Export, "/vendorInvoiceDate", json!("soon"));
            },
            "held unreadable_field vendor invoice date",
        ),
        ("no vendor", |order| order.vendor = 0, "held unreadable_field vendor"),
        (
            "no account",
            |order| order.lines[0].mapping = readypost::simulator::connectwise::Mapping::account(""),
            "held no_gl_account line 1",
        ),
        (
            "a GL type that is new",
            |order| {
                order.oddities = Oddities::default().field(View::Export, "/purchaseDetail/0/glTypeId", json!("XX"));
            },
            "held unknown_type XX",
        ),
        ("a wrong total", |order| order.total = Some(dec("99")), "held out_of_balance total"),
        (
            "freight without a row",
            |order| order.oddities = Oddities::default().field(View::Export, "/freightAmount", json!(20)),
            "held out_of_balance freight",
        ),
        (
            "tax without rows",
            |order| order.oddities = Oddities::default().field(View::Export, "/purchaseDetailTax", json!([])),
            "held out_of_balance tax",
        ),
    ];
    for (name, change, expected) in rows {
        let buying = Buying::new().await;
        let mut order = NewPurchaseOrder { lines: vec![disk("10")], ..buying.usual() };
        change(&mut order);
        let order = buying.order_like(order);
        buying.close(order, "SLIP 7");
        buying.world.settle().await;
        let key = format!("acme/purchase/{order}-SLIP 7-purchase");
        let record = buying.world.app.parts.store.record(&key.parse().unwrap()).await.unwrap().unwrap();
        let state = buying.world.state_of(&key).await;
        assert!(expected.starts_with(&state), "{name}: {state} {:?}", record.state);
        if let readypost::domain::delivery::State::Held { reason } = record.state {
            let named = expected.splitn(3, ' ').nth(2).unwrap();
            assert!(reason.sentence.as_str().contains(named), "{name}: {}", reason.sentence);
        }
        assert_eq!(buying.bills().len(), usize::from(expected == "done"), "{name}");
    }
}
