//! The endpoints below `/procurement`, and the part of the unposted list that comes from there.

use serde_json::{Value, json};

use super::marks::Kind;
use super::paging::read;
use super::records::Refusal;
use super::reply::{Call, FieldError, Reply, pruned};
use super::state::{Actor, State};

/// Answers one call below `/procurement`.
pub(super) fn procurement(state: &mut State, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
    match rest {
        ["purchaseorderstatuses", rest @ ..] => read(call, rest, state.order_status_rows(), "PurchaseOrderStatus"),
        ["purchaseorders", id, action @ ("unbatch" | "rebatch")] if call.method == "POST" => {
            let id = known(state, id)?;
            let done = if *action == "unbatch" { state.unbatch_order(id) } else { state.rebatch_order(id) };
            let message = done.as_ref().err().map_or_else(String::new, ToString::to_string);
            Ok(Reply::ok(&json!({"success": done.is_ok(), "message": message})))
        }
        ["purchaseorders", id, "lineitems", rest @ ..] => {
            let order = state.purchase_orders.get(&known(state, id)?).ok_or_else(Reply::no_endpoint)?;
            read(call, rest, State::purchase_line_rows(order), "PurchaseOrderLineItem")
        }
        ["purchaseorders", id] if call.method == "PATCH" => {
            let id = known(state, id)?;
            patch_order(state, call, id)
        }
        ["purchaseorders", id] if id.parse::<i64>().is_ok() => {
            // Only its own row is made: those of a large tenant take longer than the service would.
            let found = id.parse().ok().and_then(|id: i64| state.purchase_orders.get(&id));
            let row = found.map(|order| state.purchase_order_row(order));
            read(call, rest.get(1..).unwrap_or_default(), row.into_iter().collect(), "PurchaseOrder")
        }
        ["adjustments", id, "details", rest @ ..] => {
            let wanted = id.parse::<i64>().ok();
            let mut rows = state.adjustment_rows().into_iter();
            let found = rows.find(|row| row.get("id").and_then(Value::as_i64) == wanted);
            let found = found.ok_or_else(|| Reply::no_record("ProcurementAdjustment", id))?;
            let details = found.get("adjustmentDetails").and_then(Value::as_array).cloned();
            read(call, rest, details.unwrap_or_default(), "AdjustmentDetail")
        }
        ["adjustments", rest @ ..] => read(call, rest, state.adjustment_rows(), "ProcurementAdjustment"),
        ["purchaseorders", rest @ ..] => read(call, rest, state.purchase_order_rows(), "PurchaseOrder"),
        _ => Err(Reply::no_endpoint()),
    }
}

/// Answers one call below `/finance/accounting/unpostedprocurement`.
pub(super) fn unposted(state: &State, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
    match rest {
        [id, "taxableLevels", rest @ ..] => {
            let rows = id.parse().ok().and_then(|id| state.taxable_level_rows(id));
            let rows = rows.ok_or_else(|| Reply::no_record("UnpostedProcurement", id))?;
            read(call, rest, rows, "UnpostedProcurementTaxableLevel")
        }
        _ => read(call, rest, state.unposted_procurement_rows(), "UnpostedProcurement"),
    }
}

impl State {
    /// The unposted list of procurement.
    pub(super) fn unposted_procurement_rows(&self) -> Vec<Value> {
        let mut rows = self.unposted_purchase_rows();
        rows.extend(self.unposted_change_rows());
        rows
    }

    /// Takes all of a purchase order out of the batches that it is in, which stay.
    pub(super) fn unbatch_order(&mut self, id: i64) -> Result<(), Refusal> {
        let order = self.purchase_orders.get(&id).ok_or(Refusal::Unknown)?;
        let batches: Vec<i64> =
            order.slips.iter().flat_map(|slip| &slip.entries).filter_map(|entry| entry.batch).collect();
        if batches.is_empty() {
            return Err(Refusal::NotBatched);
        }
        for batch in batches {
            self.take_out(batch, Some((Kind::Product, id)), Actor::Api);
        }
        Ok(())
    }

    /// Puts a purchase order back into the batches that it was taken out of, without an export.
    pub(super) fn rebatch_order(&mut self, id: i64) -> Result<(), Refusal> {
        let order = self.purchase_orders.get(&id).ok_or(Refusal::Unknown)?;
        let mut back = Vec::new();
        for slip in &order.slips {
            let Some(batch) = slip.unbatched.filter(|batch| self.batches.contains_key(batch)) else { continue };
            let entries = slip.free().iter().map(|entry| entry.id).collect();
            back.push((batch, entries));
        }
        if back.is_empty() {
            return Err(Refusal::NotBatched);
        }
        for (batch, entries) in back {
            self.mark(batch, &entries, Actor::Api);
        }
        Ok(())
    }
}

/// The id of a purchase order that exists.
fn known(state: &State, id: &str) -> Result<i64, Reply> {
    let known = id.parse().ok().filter(|id| state.purchase_orders.contains_key(id));
    known.ok_or_else(|| Reply::no_record("PurchaseOrder", id))
}

/// PATCH of a purchase order: status, notes and the vendor's invoice number; a nested path does nothing.
fn patch_order(state: &mut State, call: &Call, id: i64) -> Result<Reply, Reply> {
    let body = call.json()?;
    let mut status = None;
    for operation in body.as_array().into_iter().flatten() {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default().trim_start_matches('/');
        let value = operation.get("value").cloned().unwrap_or_default();
        let order = state.purchase_orders.get_mut(&id).ok_or_else(Reply::no_endpoint)?;
        match path {
            "status" => status = value.get("id").and_then(Value::as_i64),
            "internalNotes" => value.as_str().unwrap_or_default().clone_into(&mut order.notes),
            "vendorInvoiceNumber" => {
                value.as_str().unwrap_or_default().clone_into(&mut order.new.vendor_invoice_number);
            }
            _ => {}
        }
    }
    match status {
        Some(status) => state.set_order_status(id, status, Actor::Api).map_err(|refusal| {
            Reply::invalid("purchaseOrder", &[FieldError::invalid("status", &refusal.to_string())])
        })?,
        None => state.touch_order(id, Actor::Api),
    }
    let order = state.purchase_orders.get(&id).ok_or_else(Reply::no_endpoint)?;
    Ok(Reply::ok(&pruned(state.purchase_order_row(order))))
}
