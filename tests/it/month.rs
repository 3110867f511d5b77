//! A month with every kind of record, in steps: each is done in one of the systems, and the service hears of it or not.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::date;
use readypost::pipeline::{Turn, turn};
use readypost::simulator::connectwise::{
    CostRows, Item, Mapping, NewCompany, NewExpense, NewInvoice, NewLine, NewMember, NewMovement, NewPayment,
    NewPurchaseOrder, NewStock, Settings,
};
use readypost::simulator::xero;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::harness::{Differently, World, dec, labour};
use crate::purchases::disk;

/// Rules that post all there is, both ways.
pub(crate) const RULES: &str = "untaxed_purchases = \"GST Free Expenses\"\n\
    purchase_tax_names = { GST = \"GST on Expenses\" }\nadjustments = \"journal\"\ntransfers = \"journal\"\n\
    cost_of_goods = \"journal\"\npayments = \"both\"\npayment_account = \"090\"\ncredits = \"to_xero\"\n";

/// How many steps a month has.
pub(crate) const STEPS: usize = 10;

/// A world with a vendor, a member and an inventory.
pub(crate) struct Month {
    pub(crate) world: World,
    pub(crate) vendor: i64,
    pub(crate) member: i64,
    gst: i64,
    /// Ids of invoices and credit memos by number.
    pub(crate) invoices: BTreeMap<&'static str, i64>,
    pub(crate) entries: Vec<i64>,
    pub(crate) order: i64,
    pub(crate) movements: Vec<i64>,
}

fn with_costs(settings: &mut Settings) {
    settings.cost_rows = CostRows::OfRow;
}

impl Month {
    pub(crate) async fn new() -> Self {
        Self::by(RULES).await
    }

    pub(crate) async fn by(rules: &'static str) -> Self {
        Self::with(Differently { rules, connectwise: with_costs, ..Differently::default() }).await
    }

    pub(crate) async fn with(differently: Differently) -> Self {
        let world = World::with(differently).await;
        for name in ["Harbour Distribution", "Jo Doe"] {
            world.xero.add_contact(xero::NewContact { name: name.to_owned(), ..xero::NewContact::default() });
        }
        let mut usual = NewCompany::default();
        world.connectwise.edit_company(world.client, |company| usual = company.clone()).unwrap();
        let gst = usual.tax_code.unwrap();
        let vendor = world.connectwise.add_company(NewCompany {
            identifier: "HARBOUR".to_owned(),
            name: "Harbour Distribution".to_owned(),
            account_number: "HARBOUR".to_owned(),
            is_vendor: true,
            vendor_number: "V-310".to_owned(),
            ..usual
        });
        let member = world.connectwise.add_member(NewMember::default());
        let (invoices, entries, movements) = (BTreeMap::new(), Vec::new(), Vec::new());
        let month = Self { world, vendor, member, gst, invoices, entries, order: 0, movements };
        month.listen();
        // From now on no request from before its store can be under way.
        month.world.clock.advance(SignedDuration::from_mins(4));
        month
    }

    /// Tells the service of orders and expenses, too.
    pub(crate) fn listen(&self) {
        let url = format!("{}/callbacks/acme?recordId=", self.world.url);
        for kind in ["purchaseorder", "expense"] {
            self.world.connectwise.register_callback(&url, kind, "owner", 1).unwrap();
        }
    }

    fn sale(&mut self, number: &'static str, kind: &str, lines: Vec<NewLine>) {
        let invoice = NewInvoice { number: number.to_owned(), kind: kind.to_owned(), lines, ..NewInvoice::default() };
        let id = self.world.invoice_like(invoice);
        self.world.ready(id);
        self.invoices.insert(number, id);
    }

    /// Does one step of the month.
    pub(crate) fn step(&mut self, step: usize) {
        let connectwise = &self.world.connectwise;
        let day = date(2026, 12, 1);
        match step {
            0 => self.sale("INV-1", "Standard", vec![labour("1", "100"), disks("2")]),
            1 => self.sale("CM-1", "CreditMemo", vec![labour("1", "40")]),
            2 => {
                let order = connectwise.add_purchase_order(NewPurchaseOrder {
                    number: "PO-3041".to_owned(),
                    vendor: self.vendor,
                    vendor_invoice_number: "HD-55012".to_owned(),
                    vendor_invoice_date: Some(date(2026, 11, 28)),
                    lines: vec![disk("5"), disk("5"), disk("2")],
                    ..NewPurchaseOrder::default()
                });
                for (number, slip) in [(1, "A"), (2, "B"), (3, "C")] {
                    connectwise.receive_line(order, number, slip).unwrap();
                }
                connectwise.close_purchase_order(order).unwrap();
                self.order = order;
            }
            3 => {
                let parking = NewExpense {
                    member: self.member,
                    amount: dec("12"),
                    notes: "City".to_owned(),
                    ..NewExpense::default()
                };
                let meals = NewExpense {
                    kind: "Meals".to_owned(),
                    amount: dec("33"),
                    tax: dec("3"),
                    tax_code: Some(self.gst),
                    mapping: Mapping::account("429"),
                    notes: "Lunch".to_owned(),
                    ..parking.clone()
                };
                self.entries = [parking, meals].map(|entry| connectwise.add_expense(entry)).to_vec();
                connectwise.approve(self.entries[0]).unwrap();
            }
            4 => {
                let id = connectwise.add_movement(NewMovement::adjustment("ADJ-1", vec![stock()]));
                connectwise.close_adjustment(id).unwrap();
                self.movements.push(id);
            }
            5 => {
                let mut transfer = NewMovement::transfer("TR-1", dec("3"), dec("50"));
                let readypost::simulator::connectwise::Movement::Transfer { stock, .. } = &mut transfer.movement else {
                    unreachable!()
                };
                (stock.inventory_account, stock.mapping) = ("620".to_owned(), Mapping::account("710"));
                self.movements.push(connectwise.add_movement(transfer));
            }
            6 => drop(self.world.xero.pay("INV-1", dec("60"), day).unwrap()),
            7 => {
                let payment = NewPayment {
                    invoice: self.invoices["INV-1"],
                    amount: dec("20"),
                    date: day,
                    ..NewPayment::default()
                };
                let _ = connectwise.add_payment(payment);
            }
            8 => {
                let _ = connectwise.apply_credit(self.invoices["CM-1"], self.invoices["INV-1"], dec("10"));
            }
            9 => self.sale("INV-2", "Standard", vec![labour("3", "33.33"), disks("1")]),
            _ => unreachable!(),
        }
    }

    /// What was told of is worked on, but no more than so many steps; how many there were.
    pub(crate) async fn work(&self, turns: usize) -> usize {
        for done in 0..turns {
            self.world.callbacks().await;
            if turn(&self.world.app.parts).await.unwrap() == Turn::Idle && self.world.callbacks().await.is_empty() {
                return done;
            }
        }
        turns
    }

    /// One sweep, and all that it leads to.
    pub(crate) async fn sweep(&self) {
        readypost::pipeline::sweep(&self.world.app.parts).await.unwrap();
        self.world.settle().await;
    }

    /// All that is in the books of Xero, and what of payments is in ConnectWise.
    pub(crate) fn books(&self) -> Vec<String> {
        let world = &self.world;
        let alive =
            |document: &xero::Document| !matches!(document.status, xero::Status::Voided | xero::Status::Deleted);
        let mut books: Vec<String> = world
            .xero
            .documents()
            .into_iter()
            .filter(alive)
            .map(|document| {
                let (kind, number) = (document.kind.name(), document.number.clone());
                let credited = document.amount_credited.normalize();
                format!("{kind} {number} {} credited {credited}", document.total.normalize())
            })
            .collect();
        books.extend(crate::inventory::journals(world).iter().map(|journal| {
            let debits: rust_decimal::Decimal =
                journal.lines.iter().map(|line| line.line_amount).filter(Decimal::is_sign_positive).sum();
            format!("journal {} {}", journal.narration.split(" [").next().unwrap(), debits.normalize())
        }));
        let paid = world.xero.payments().into_iter().filter(|payment| !payment.is_deleted);
        books.extend(paid.map(|payment| format!("payment in Xero {}", payment.amount.normalize())));
        for (number, id) in &self.invoices {
            let rows = world.connectwise.payments(*id);
            books.extend(rows.iter().map(|row| {
                format!("payment in ConnectWise of {number} {}", dec(&row["amount"].to_string()).normalize())
            }));
        }
        books.sort();
        books
    }

    /// What ConnectWise still lists as unposted, payments apart.
    pub(crate) fn unposted(&self) -> Vec<Value> {
        let connectwise = &self.world.connectwise;
        [connectwise.unposted(), connectwise.unposted_procurement(), connectwise.unposted_expenses()].concat()
    }

    /// Records by state, as the status has them, and warnings by code.
    pub(crate) async fn status(&self) -> Value {
        self.world.get("/status").await
    }

    /// The records that need somebody.
    pub(crate) async fn held(&self) -> Value {
        let page = self.world.get("/api/v1/records?state=held").await;
        let row = |row: &Value| json!([row["key"], row["reason"]["code"], row["reason"]["sentence"]]);
        page["records"].as_array().unwrap().iter().map(row).collect()
    }
}

fn disks(quantity: &str) -> NewLine {
    NewLine {
        description: "Solid state disk".to_owned(),
        quantity: dec(quantity),
        unit_price: dec("55"),
        cost: dec("30"),
        item: Some(Item::new(741, "SSD1")),
        region: "Sydney".to_owned(),
        ..NewLine::default()
    }
}

fn stock() -> NewStock {
    NewStock {
        quantity: dec("-2"),
        unit_cost: dec("50"),
        inventory_account: "620".to_owned(),
        mapping: Mapping { account: "310".to_owned(), region: "Sydney".to_owned(), ..Mapping::default() },
        ..NewStock::default()
    }
}
