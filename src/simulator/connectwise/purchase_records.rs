//! What a test puts into purchase orders.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::amounts::round2;
use super::oddities::Oddities;
use super::records::{Item, Mapping};

/// A purchase order to add; it starts with an open status.
#[derive(Clone, Debug)]
pub struct NewPurchaseOrder {
    /// Purchase order number.
    pub number: String,
    /// Company id of the vendor; one that does not exist leaves the vendor out.
    pub vendor: i64,
    /// Date of the order.
    pub date: Date,
    /// The vendor's invoice number; empty until somebody types it in.
    pub vendor_invoice_number: String,
    /// Date of the vendor's invoice.
    pub vendor_invoice_date: Option<Date>,
    /// Billing terms id; else the vendor's.
    pub terms: Option<i64>,
    /// Tax code id; else the vendor's.
    pub tax_code: Option<i64>,
    /// ISO code; else the vendor's.
    pub currency: Option<String>,
    /// Location id.
    pub location_id: i64,
    /// Company id of the customer that it is bought for.
    pub customer: Option<i64>,
    /// It goes from the vendor to the customer.
    pub drop_ship: bool,
    /// Freight, before tax.
    pub freight: Decimal,
    /// Packing slip that freight came with; else the first one.
    pub freight_packing_slip: String,
    /// GL mapping of freight.
    pub freight_mapping: Mapping,
    /// Tax applies to the lines that are taxable.
    pub taxable: bool,
    /// Tax applies to freight.
    pub freight_taxable: bool,
    /// Tax on what each closing adds to a packing slip, when it is not rates times taxable amounts in cents.
    pub tax: Option<Decimal>,
    /// Total of each packing slip, when it is to be out of balance.
    pub total: Option<Decimal>,
    /// The carrier's number.
    pub tracking_number: String,
    /// Lines.
    pub lines: Vec<NewPurchaseLine>,
    /// What is odd about what it shows.
    pub oddities: Oddities,
}

impl Default for NewPurchaseOrder {
    fn default() -> Self {
        Self {
            number: "PO-1001".to_owned(),
            vendor: 0,
            date: jiff::civil::date(2026, 11, 27),
            vendor_invoice_number: String::new(),
            vendor_invoice_date: None,
            terms: None,
            tax_code: None,
            currency: None,
            location_id: 11,
            customer: None,
            drop_ship: false,
            freight: Decimal::ZERO,
            freight_packing_slip: String::new(),
            freight_mapping: Mapping::account("425"),
            taxable: true,
            freight_taxable: false,
            tax: None,
            total: None,
            tracking_number: String::new(),
            lines: Vec::new(),
            oddities: Oddities::default(),
        }
    }
}

/// One line of a purchase order, with the GL mapping in force for it.
#[derive(Clone, Debug)]
pub struct NewPurchaseLine {
    /// What is bought.
    pub description: String,
    /// How much of it; below zero for what goes back to the vendor.
    pub quantity: Decimal,
    /// Cost of one.
    pub unit_cost: Decimal,
    /// Cost of what is received, when it is not quantity times unit cost in cents.
    pub total: Option<Decimal>,
    /// The catalog item.
    pub item: Option<Item>,
    /// GL mapping of the purchase.
    pub mapping: Mapping,
    /// Account of the inventory that it becomes.
    pub inventory_account: String,
    /// Account of the cost that it becomes when it is sold.
    pub cost_account: String,
    /// Tax applies.
    pub taxable: bool,
    /// The vendor's number of the item.
    pub vendor_sku: String,
}

impl Default for NewPurchaseLine {
    fn default() -> Self {
        Self {
            description: "Disk".to_owned(),
            quantity: Decimal::ONE,
            unit_cost: Decimal::ZERO,
            total: None,
            item: Some(Item::new(741, "SSD1")),
            mapping: Mapping::account("310"),
            inventory_account: "630".to_owned(),
            cost_account: "310".to_owned(),
            taxable: true,
            vendor_sku: String::new(),
        }
    }
}

impl NewPurchaseLine {
    /// What a quantity of it costs, before tax.
    pub(super) fn cost_of(&self, quantity: Decimal) -> Decimal {
        self.total.unwrap_or_else(|| round2(quantity * self.unit_cost))
    }
}

/// What becomes of a line that is received in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The rest is no longer expected.
    Cancel,
    /// The rest becomes a line of its own.
    Clone,
}
