//! `[company.rules]`.

use std::collections::BTreeMap;

use super::reader::Section;
use crate::domain::facts::is_approved;
use crate::domain::money::{Money, decimal};
use crate::domain::rules::{Adjustments, CostOfGoods, DocumentStatus, Rules};

/// Reads the rules; what is not said is as in [`Rules::default`].
pub(super) fn read(section: Section<'_, '_>) -> Rules {
    let default = Rules::default();
    let (names, purchase_names) = (section.section("tax_names"), section.section("purchase_tax_names"));
    let rules = Rules {
        invoice_statuses: section.list("invoice_statuses"),
        start_date: section.parsed("start_date"),
        conversion_date: section.parsed("conversion_date"),
        purchase_statuses: section.list("purchase_statuses"),
        document_status: section.choice("document_status", default.document_status, "AUTHORISED, DRAFT"),
        bill_status: section.chosen("bill_status", "AUTHORISED, DRAFT"),
        bill_due_days: section.parsed("bill_due_days"),
        missing_vendor_invoice: section.choice("missing_vendor_invoice", default.missing_vendor_invoice, "order, hold"),
        bill_reference: section.text("bill_reference").unwrap_or(default.bill_reference),
        drop_ship_account: section.text("drop_ship_account").unwrap_or_default(),
        purchase_items: section.choice("purchase_items", default.purchase_items, "known, omit"),
        purchase_tax_names: purchase_names.entries().into_iter().collect::<BTreeMap<_, _>>(),
        untaxed_purchases: section.text("untaxed_purchases").unwrap_or_default(),
        adjustments: section.choice("adjustments", default.adjustments, "journal, bill, skip"),
        adjustment_contact: section.text("adjustment_contact").unwrap_or_default(),
        transfers: section.choice("transfers", default.transfers, "skip, journal"),
        cost_of_goods: section.choice("cost_of_goods", default.cost_of_goods, "off, journal, bill"),
        down_payment_account: section.text("down_payment_account").unwrap_or_default(),
        expenses: section.choice("expenses", default.expenses, "report, entry, off"),
        expense_statuses: Some(section.list("expense_statuses"))
            .filter(|list| !list.is_empty())
            .unwrap_or(default.expense_statuses),
        partial_reports: section.choice("partial_reports", default.partial_reports, "hold, post"),
        company_paid_account: section.text("company_paid_account").unwrap_or_default(),
        expense_due_days: section.parsed("expense_due_days").unwrap_or_default(),
        sent_to_contact: section.flag("sent_to_contact", default.sent_to_contact),
        branding_theme: section.parsed("branding_theme"),
        rounding_ceiling: ceiling(&section, "rounding_ceiling", default.rounding_ceiling),
        adjustment_ceiling: ceiling(&section, "adjustment_ceiling", default.adjustment_ceiling),
        rounding_account: section.text("rounding_account").unwrap_or_default(),
        rounding_tax: section.text("rounding_tax").unwrap_or_default(),
        new_contacts: section.choice("new_contacts", default.new_contacts, "create, hold"),
        required_contacts: section.choice("required_contacts", default.required_contacts, "both, any, none"),
        zero_totals: section.choice("zero_totals", default.zero_totals, "post, skip, hold"),
        long_item_codes: section.choice("long_item_codes", default.long_item_codes, "truncate, omit, hold"),
        tax: section.choice("tax", default.tax, "code, gl_entry, level"),
        tax_names: names.entries().into_iter().collect::<BTreeMap<_, _>>(),
        untaxed: section.text("untaxed").unwrap_or_default(),
        tracking: section.list("tracking"),
        tracking_missing: section.choice("tracking_missing", default.tracking_missing, "warn, hold"),
        tracking_blank: section.choice("tracking_blank", default.tracking_blank, "ignore, warn"),
        non_product_id: section.choice("non_product_id", default.non_product_id, "required, optional"),
        terms_overflow: section.choice("terms_overflow", default.terms_overflow, "clamp, roll_over"),
        reference: section.text("reference").unwrap_or(default.reference),
        description: section.text("description").unwrap_or(default.description),
        payments: section.choice("payments", default.payments, "off, from_xero, to_xero, both"),
        credits: section.choice("credits", default.credits, "off, to_xero"),
        payment_account: section.text("payment_account").unwrap_or_default(),
        edited: section.choice("edited", default.edited, "hold, update"),
        edited_locked: section.choice("edited_locked", default.edited_locked, "hold, next_period"),
        sweep_minutes: section.parsed("sweep_minutes").unwrap_or(default.sweep_minutes),
    };
    together(&rules, &section);
    section.finish();
    rules
}

/// Rules that do not go together.
fn together(rules: &Rules, section: &Section<'_, '_>) {
    if rules.sent_to_contact && rules.document_status == DocumentStatus::Draft {
        section.fault(
            "sent_to_contact",
            "Xero marks only approved documents as sent; set document_status = \"AUTHORISED\"",
        );
    }
    let bills = rules.adjustments == Adjustments::Bill || rules.cost_of_goods == CostOfGoods::Bill;
    if bills && rules.adjustment_contact.trim().is_empty() {
        section.fault(
            "adjustment_contact",
            "adjustments and cost_of_goods = \"bill\" need the name of a contact in Xero that the bills are of",
        );
    }
    if rules.tracking.len() > 2 {
        section.fault("tracking", "Xero has at most two tracking categories");
    }
    for status in rules.expense_statuses.iter().filter(|status| is_approved(status) != Some(true)) {
        section.fault("expense_statuses", &format!("{status:?} is no status of approved expenses"));
    }
    if rules.payments.to_xero() && rules.payment_account.trim().is_empty() {
        section.fault("payment_account", "is missing: the code of the account in Xero that payments go to");
    }
}

fn ceiling(section: &Section<'_, '_>, key: &'static str, default: Money) -> Money {
    let Some(text) = section.text(key) else { return default };
    match decimal(text.trim()).map(Money::new) {
        Some(Ok(money)) if !money.is_negative() => money,
        _ => {
            section.fault(key, "must be an amount of zero or more, such as \"0.10\"");
            default
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse_rules;

    #[test]
    fn no_rule_posts_what_is_not_approved() {
        let rules = parse_rules("expense_statuses = [\"WrittenOff\", \"approvedbytierone\"]").unwrap();
        assert_eq!(rules.expense_statuses, ["WrittenOff", "approvedbytierone"]);
        assert_eq!(parse_rules("expense_statuses = []").unwrap().expense_statuses.len(), 4);
        for status in ["Open", "Rejected", "PendingApproval", "Approved", ""] {
            assert!(parse_rules(&format!("expense_statuses = [\"{status}\"]")).is_err(), "{status}");
        }
    }
}
