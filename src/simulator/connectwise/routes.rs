//! The endpoints below the API root.

use serde_json::{Value, json};

use super::expense_rows;
use super::paging::read;
use super::procurement;
use super::records::Refusal;
use super::reply::{Call, FieldError, Reply, pruned};
use super::settings::StatusAfterBatch;
use super::state::{Actor, State};

/// Answers one authenticated call.
pub(super) fn route(state: &mut State, call: &Call) -> Reply {
    let path: Vec<&str> = call.path.split('/').collect();
    let result = match path.as_slice() {
        ["system", rest @ ..] => system(state, call, rest),
        ["finance", "accounting", rest @ ..] => accounting(state, call, rest),
        ["finance", "invoices", rest @ ..] => invoices(state, call, rest),
        ["finance", rest @ ..] => finance(state, call, rest),
        ["expense", rest @ ..] => expense_rows::expense(state, call, rest),
        ["procurement", rest @ ..] => procurement::procurement(state, call, rest),
        ["company", "companies", rest @ ..] => read(call, rest, state.company_rows(), "Company"),
        ["company", "contacts", rest @ ..] => read(call, rest, state.contact_rows(), "Contact"),
        _ => Err(Reply::no_endpoint()),
    };
    result.unwrap_or_else(|reply| reply)
}

fn system(state: &mut State, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
    match rest {
        ["info"] if call.method == "GET" => Ok(Reply::ok(&json!({
            "version": format!("{}.0", state.codebase.trim_end_matches('/').replace('_', ".")), "isCloud": true,
            "serverTimeZone": "UTC", "licenseBits": [], "cloudRegion": "NA",
        }))),
        ["members", rest @ ..] => read(call, rest, state.member_rows(), "Member"),
        ["callbacks", rest @ ..] if call.method == "GET" => read(call, rest, state.callback_rows(), "CallbackEntry"),
        ["callbacks", rest @ ..] => state.write_callback(call, rest),
        _ => Err(Reply::no_endpoint()),
    }
}

fn finance(state: &mut State, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
    match rest {
        ["billingStatuses", rest @ ..] => read(call, rest, state.status_rows(), "BillingStatus"),
        ["billingTerms", rest @ ..] => read(call, rest, state.terms_rows(), "BillingTerm"),
        ["taxCodes", code, "taxCodeLevels", rest @ ..] => {
            let known = code.parse().ok().filter(|code| state.tax_codes.contains_key(code));
            let code = known.ok_or_else(|| Reply::no_record("TaxCode", code))?;
            read(call, rest, state.tax_level_rows(code), "TaxCodeLevel")
        }
        ["taxCodes", rest @ ..] => read(call, rest, state.tax_code_rows(), "TaxCode"),
        ["glCaptions", rest @ ..] => read(call, rest, state.caption_rows(), "GLCaption"),
        ["currencies", rest @ ..] => read(call, rest, state.currency_rows(), "Currency"),
        ["glAccounts", rest @ ..] => read(call, rest, state.gl_account_rows(), "GLAccount"),
        ["accountingPackageSetup", rest @ ..] => read(call, rest, state.package_setup_rows(), "AccountingPackageSetup"),
        ["closedInvoices", id] => write_closed_invoice(state, call, id),
        _ => Err(Reply::no_endpoint()),
    }
}

fn invoices(state: &mut State, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
    match rest {
        [id, "glEntries", rest @ ..] => {
            let invoice = state.invoices.get(&known(state, id)?).ok_or_else(Reply::no_endpoint)?;
            read(call, rest, invoice.gl_entry_rows(), "GLEntry")
        }
        [id, "payments", rest @ ..] => {
            let id = known(state, id)?;
            state.payment_call(call, id, rest)
        }
        // The service forbids sub-paths that it does not have.
        [_, _, ..] => {
            let message = "You do not have security permission to perform this action.";
            Err(Reply::error(403, "Security", message))
        }
        [id] if id.parse::<i64>().is_ok() => {
            // Only its own row is made: those of a large tenant take longer than the service would.
            let found = id.parse().ok().and_then(|id: i64| state.invoices.get(&id));
            let row = found.map(|invoice| state.invoice_row(invoice));
            read(call, rest, row.into_iter().collect(), "Invoice")
        }
        _ => read(call, rest, state.invoice_rows(), "Invoice"),
    }
}

/// The id of an invoice that exists.
fn known(state: &State, id: &str) -> Result<i64, Reply> {
    let known = id.parse().ok().filter(|id| state.invoices.contains_key(id));
    known.ok_or_else(|| Reply::no_record("Invoice", id))
}

fn accounting(state: &mut State, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
    let post = call.method == "POST";
    match rest {
        ["unpostedinvoices", rest @ ..] => read(call, rest, state.unposted_rows(), "UnpostedInvoice"),
        ["unpostedprocurement", rest @ ..] => procurement::unposted(state, call, rest),
        ["unpostedexpenses", rest @ ..] => read(call, rest, state.unposted_expense_rows(), "UnpostedExpense"),
        // The list and its items are spelled differently.
        ["unpostedpayments"] => read(call, &[], state.unposted_payment_rows(), "UnpostedPayment"),
        ["unpostedPayments", id] => read(call, &[*id], state.unposted_payment_rows(), "UnpostedPayment"),
        ["export"] if post => state.preview(call),
        ["batches"] if post => state.post_batch(call),
        ["batches", id, "export"] if post => Ok(Reply::ok(&state.export_again(batch(state, id)?))),
        ["batches", id, "entries", rest @ ..] => {
            read(call, rest, state.batch_entry_rows(batch(state, id)?), "BatchEntry")
        }
        ["batches", id] if call.method == "DELETE" => {
            let id = batch(state, id)?;
            state.delete_batch(id, Actor::Api).map_err(|_| Reply::no_endpoint())?;
            Ok(Reply::no_content())
        }
        ["batches", rest @ ..] => read(call, rest, state.batch_rows(), "AccountingBatch"),
        _ => Err(Reply::no_endpoint()),
    }
}

/// The id of a batch that exists.
fn batch(state: &State, id: &str) -> Result<i64, Reply> {
    let known = id.parse().ok().filter(|id| state.batches.contains_key(id));
    known.ok_or_else(|| Reply::no_record("AccountingBatch", id))
}

/// PUT or PATCH of a closed invoice, which has a status and notes only.
fn write_closed_invoice(state: &mut State, call: &Call, id: &str) -> Result<Reply, Reply> {
    let key = known(state, id)?;
    let invoice = state.invoices.get(&key).ok_or_else(Reply::no_endpoint)?;
    if invoice.closing.is_none() {
        return Err(Reply::no_record("ClosedInvoice", id));
    }
    let batched = invoice.batch().is_some();
    let body = call.json()?;
    let field = |name: &str| -> Option<Value> {
        match call.method.as_str() {
            "PUT" => body.get(name).cloned(),
            // A nested path such as `status/id` is answered with 200 and changes nothing.
            "PATCH" => body.as_array()?.iter().find_map(|operation| {
                let path = operation.get("path")?.as_str()?.trim_start_matches('/');
                (path == name).then(|| operation.get("value").cloned()).flatten()
            }),
            _ => None,
        }
    };
    if let Some(notes) = field("internalNotes").as_ref().and_then(Value::as_str)
        && let Some(invoice) = state.invoices.get_mut(&key)
    {
        notes.clone_into(&mut invoice.notes);
    }
    let status = field("status").and_then(|status| status.get("id").and_then(Value::as_i64));
    if let Some(status) = status {
        let refused = batched && state.settings.status_after_batch == StatusAfterBatch::Refuse;
        let moved = if refused { Err(Refusal::Batched) } else { state.set_status(key, status, Actor::Api) };
        moved.map_err(|refusal| {
            Reply::invalid("closedInvoice", &[FieldError::invalid("status", &refusal.to_string())])
        })?;
    } else {
        state.touch(key, Actor::Api);
    }
    let invoice = state.invoices.get(&key).ok_or_else(Reply::no_endpoint)?;
    let status = state.statuses.get(&invoice.status).map(super::tables::Status::reference);
    Ok(Reply::ok(&pruned(json!({"id": key, "status": status, "internalNotes": invoice.notes}))))
}
