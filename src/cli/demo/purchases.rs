//! What is bought: a bill for each packing slip.

use anyhow::anyhow;
use jiff::civil::Date;

use super::scene::dec;
use super::show;
use super::stage::{Stage, key};
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::simulator::connectwise::{Item, NewCompany, NewPurchaseLine, NewPurchaseOrder};
use crate::simulator::xero::NewContact;

/// An order whose goods came, and how their bill should end.
struct Delivery {
    order: NewPurchaseOrder,
    packing_slip: &'static str,
    ends: &'static str,
    warnings: &'static [&'static str],
}

/// Bills of vendors with this tax code and these terms, dated `today`.
pub(super) async fn play(stage: &mut Stage, today: Date, tax: i64, terms: i64) -> anyhow::Result<()> {
    let vendor = add_vendor(stage, "Harbour Distribution", (tax, terms));
    stage.xero.add_contact(NewContact { name: "Harbour Distribution".to_owned(), ..NewContact::default() });
    let newcomer = add_vendor(stage, "Coastline Cables", (tax, terms));
    let order = |number: &str, invoice: &str, lines: Vec<NewPurchaseLine>| NewPurchaseOrder {
        number: number.to_owned(),
        vendor,
        date: today,
        vendor_invoice_number: invoice.to_owned(),
        vendor_invoice_date: Some(today),
        lines,
        ..NewPurchaseOrder::default()
    };
    let delivery = |order, packing_slip| Delivery { order, packing_slip, ends: "done", warnings: &[] };
    let freight = NewPurchaseOrder {
        freight: dec("24.50"),
        freight_taxable: true,
        ..order("PO-3302", "HD-55013", vec![bought("LAPTOP-14", "2", "1049")])
    };
    let returned = order("PO-3303", "HD-55014", vec![bought("SSD1", "-2", "142.10")]);
    let unmapped = NewPurchaseLine {
        mapping: crate::simulator::connectwise::Mapping::account(""),
        ..bought("SSD1", "1", "142.10")
    };
    let deliveries = vec![
        delivery(order("PO-3301", "HD-55012", vec![bought("SSD1", "10", "142.10")]), "DN-88120"),
        delivery(freight, "DN-88121"),
        delivery(returned, "DN-88122"),
        Delivery { ends: "no_gl_account", ..delivery(order("PO-3304", "HD-55015", vec![unmapped]), "DN-88123") },
        Delivery {
            warnings: &["contact_created"],
            ..delivery(
                NewPurchaseOrder { vendor: newcomer, ..order("PO-3305", "4417", vec![bought("SSD1", "1", "150")]) },
                "DN-1",
            )
        },
    ];
    show::heading("Purchase orders: one bill for each packing slip");
    let mut keys = Vec::new();
    for delivery in deliveries {
        keys.extend(receive(stage, delivery)?);
    }
    stage.send().await;
    stage.watch(&keys).await?;
    in_two_parts(
        stage,
        order("PO-3306", "HD-55016", vec![bought("SSD1", "4", "142.10"), bought("SSD1", "4", "142.10")]),
    )
    .await
}

/// An order that comes in two equal parts, under one invoice of the vendor.
async fn in_two_parts(stage: &mut Stage, order: NewPurchaseOrder) -> anyhow::Result<()> {
    show::heading("The vendor delivers in two equal parts and writes one invoice: two bills of one number");
    let number = order.vendor_invoice_number.clone();
    let id = stage.connectwise.add_purchase_order(order);
    let refused = |refusal| anyhow!("{refusal:?}");
    for (line, slip) in [(1, "DN-88130"), (2, "DN-88131")] {
        stage.connectwise.receive_line(id, line, slip).map_err(refused)?;
    }
    stage.connectwise.close_purchase_order(id).map_err(refused)?;
    let keys = expect(stage, id, &number, ("done", &[]))?;
    stage.send().await;
    stage.watch(&keys).await?;
    stage.connectwise.save_purchase_order(id);
    stage.send().await;
    stage.watch(&keys).await?;
    let bills = stage.xero.documents().iter().filter(|document| document.number == number).count();
    show::say(&format!("the order is saved once more; bills numbered {number} in Xero: {bills}"));
    Ok(())
}

/// Enters, receives and closes an order; the keys of its purchases.
fn receive(stage: &mut Stage, delivery: Delivery) -> anyhow::Result<Vec<RecordKey>> {
    let Delivery { order, packing_slip, ends, warnings } = delivery;
    let number = order.vendor_invoice_number.clone();
    let id = stage.connectwise.add_purchase_order(order);
    let refused = |refusal| anyhow!("{number}: {refusal:?}");
    stage.connectwise.receive(id, packing_slip).map_err(refused)?;
    stage.connectwise.close_purchase_order(id).map_err(refused)?;
    expect(stage, id, &number, (ends, warnings))
}

fn expect(
    stage: &mut Stage,
    order: i64,
    number: &str,
    (ends, warnings): (&'static str, &'static [&'static str]),
) -> anyhow::Result<Vec<RecordKey>> {
    let mut keys = Vec::new();
    for purchase in stage.connectwise.purchases(order) {
        let key = key(RecordKind::Purchase, SourceId::try_from(purchase.unposted_product_id)?)?;
        stage.expect(&key, number.to_owned(), ends, warnings);
        keys.push(key);
    }
    Ok(keys)
}

fn bought(code: &str, quantity: &str, unit_cost: &str) -> NewPurchaseLine {
    NewPurchaseLine {
        description: format!("{code}, bought"),
        quantity: dec(quantity),
        unit_cost: dec(unit_cost),
        item: Some(Item { id: 741, identifier: code.to_owned() }),
        ..NewPurchaseLine::default()
    }
}

fn add_vendor(stage: &Stage, name: &str, (tax, terms): (i64, i64)) -> i64 {
    stage.connectwise.add_company(NewCompany {
        identifier: name.to_uppercase().replace(' ', ""),
        name: name.to_owned(),
        account_number: "RP-01".to_owned(),
        is_vendor: true,
        vendor_number: "V-310".to_owned(),
        tax_code: Some(tax),
        terms: Some(terms),
        ..NewCompany::default()
    })
}
