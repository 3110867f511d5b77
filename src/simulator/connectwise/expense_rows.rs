//! The endpoints of members and expenses, and the rows that show them.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::number;
use super::expenses::{CLASSIFICATIONS, Expense, Member, PAYMENT_METHODS, Report, TYPES, id_of};
use super::oddities::View;
use super::paging::read;
use super::records::SegmentKind;
use super::reply::{Call, Reply, merged};
use super::state::{Actor, State};
use super::tables::{currency, reference};

/// Answers one call below `/expense`.
pub(super) fn expense(state: &mut State, call: &Call, rest: &[&str]) -> Result<Reply, Reply> {
    match rest {
        ["reports", id, action] if call.method == "POST" => {
            let status = match *action {
                "submit" => "PendingApproval",
                "approve" => "ApprovedByTierTwo",
                "reject" => "Rejected",
                "reverse" => "Open",
                _ => return Err(Reply::no_endpoint()),
            };
            let missing = || Reply::no_record("ExpenseReport", id);
            let report = id.parse().ok().filter(|id| state.reports.contains_key(id)).ok_or_else(missing)?;
            let done = state.set_report_status(report, status, Actor::Api);
            let message = done.as_ref().err().map_or_else(String::new, ToString::to_string);
            Ok(Reply::ok(&json!({"success": done.is_ok(), "message": message})))
        }
        ["reports", rest @ ..] => read(call, rest, state.report_rows(), "ExpenseReport"),
        ["entries", rest @ ..] => read(call, rest, state.expense_rows(), "ExpenseEntry"),
        ["types", rest @ ..] => read(call, rest, table(&TYPES), "ExpenseType"),
        ["classifications", rest @ ..] => read(call, rest, table(&CLASSIFICATIONS), "Classification"),
        ["paymentTypes", rest @ ..] => read(call, rest, table(&PAYMENT_METHODS), "PaymentType"),
        _ => Err(Reply::no_endpoint()),
    }
}

fn table(names: &[&str]) -> Vec<Value> {
    (1..).zip(names).map(|(id, name)| json!({"id": id, "name": name, "_info": {}})).collect()
}

impl State {
    pub(super) fn member_rows(&self) -> Vec<Value> {
        let row = |member: &Member| {
            let new = &member.new;
            let row = json!({"id": member.id, "identifier": new.identifier, "firstName": new.first_name,
                "lastName": new.last_name, "vendorNumber": new.vendor_number, "officeEmail": new.email,
                "primaryEmail": new.email, "defaultEmail": "Office", "licenseClass": "F", "inactiveFlag": false,
                "defaultPhone": "Office", "hireDate": "2020-01-06T00:00:00Z", "securityRole": {"id": 63, "name": "Service"},
                "employeeIdentifer": "", "_info": {}});
            new.oddities.show(View::Record, row)
        };
        self.members.values().map(row).collect()
    }

    /// `{id, identifier, name}` of a member, or null.
    pub(super) fn member_reference(&self, id: i64) -> Value {
        self.members.get(&id).map_or(Value::Null, |member| {
            let name = format!("{} {}", member.new.first_name, member.new.last_name);
            json!({"id": id, "identifier": member.new.identifier, "name": name})
        })
    }

    pub(super) fn report_rows(&self) -> Vec<Value> {
        self.reports.values().map(|report| self.report_row(report)).collect()
    }

    pub(super) fn report_row(&self, report: &Report) -> Value {
        let inside = self.expenses.values().filter(|expense| expense.report == report.id);
        let total: Decimal = inside.map(|expense| expense.new.amount).sum();
        json!({"id": report.id, "member": self.member_reference(report.member), "year": report.start.year(),
            "period": report.start.month(), "dateStart": report.start.to_string(),
            "dateEnd": report.start.last_of_month().to_string(), "status": report.status, "total": number(total),
            "dueDate": report.start.last_of_month().to_string(),
            "_info": {"lastUpdated": report.updated.0.to_string(), "updatedBy": report.updated.1}})
    }

    pub(super) fn expense_rows(&self) -> Vec<Value> {
        self.expenses.values().map(|expense| self.expense_row(expense)).collect()
    }

    pub(super) fn expense_row(&self, expense: &Expense) -> Value {
        let new = &expense.new;
        let billed = if new.billable == "Billable" { new.amount } else { Decimal::ZERO };
        let report = self.reports.get(&expense.report);
        let invoice = new.invoice.and_then(|id| self.invoices.get(&id));
        let row = json!({
            "id": expense.id, "status": expense.status, "amount": number(new.amount),
            "date": format!("{}T00:00:00Z", new.date), "member": self.member_reference(new.member),
            "expenseReport": report.map(|report| reference(report.id, &report.start.strftime("%Y-%m").to_string())),
            "type": reference(id_of(&TYPES, &new.kind), &new.kind), "chargeToType": new.charge_to, "chargeToId": 801,
            "classification": classification(&new.classification), "billableOption": new.billable,
            "paymentMethod": reference(id_of(&PAYMENT_METHODS, &new.payment_method), &new.payment_method),
            "company": new.company.map(|company| self.company_reference(company)), "notes": new.notes,
            "locationId": new.location_id, "businessUnitId": 1, "invoiceAmount": number(billed),
            "billAmount": number(billed), "agreementAmount": number(Decimal::ZERO),
            "taxes": [{"id": 1, "amount": number(new.tax), "type": reference(1, "GST")}],
            "invoice": invoice.map(|invoice| json!({"id": invoice.id, "identifier": invoice.new.number})),
            "currency": currency(&new.currency),
        });
        let links = json!({
            "ticket": new.ticket.as_ref().map(|summary| json!({"id": 801, "summary": summary})),
            "project": new.project.as_ref().map(|name| reference(41, name)),
            "agreement": new.agreement.as_ref().map(|name| reference(31, name)),
            "_info": {"lastUpdated": expense.updated.0.to_string(), "updatedBy": expense.updated.1},
        });
        new.oddities.show(View::Record, merged(row, links))
    }

    /// The rows of the unposted list.
    pub(super) fn unposted_expense_rows(&self) -> Vec<Value> {
        let unposted = self.expenses.values().filter(|expense| expense.is_unposted());
        unposted.map(|expense| expense.new.oddities.show(View::Unposted, self.unposted_expense_row(expense))).collect()
    }

    fn unposted_expense_row(&self, expense: &Expense) -> Value {
        let new = &expense.new;
        let cost = expense.needed().next();
        let free: Decimal = expense.needed().filter(|entry| entry.batch.is_none()).map(|entry| entry.amount).sum();
        let (billable, other) =
            if new.billable == "Billable" { (new.amount, Decimal::ZERO) } else { (Decimal::ZERO, new.amount) };
        let row = json!({
            "id": expense.unposted_id, "expenseDetailId": self.expense_detail_id(expense),
            "locationId": new.location_id, "departmentId": 1,
            "company": new.company.map(|company| self.company_reference(company)),
            "accountNumber": cost.map(|entry| self.joined(entry, SegmentKind::Account)),
            "creditAccount": self.settings.payable_account, "classification": new.classification,
            "expenseType": reference(id_of(&TYPES, &new.kind), &new.kind), "glType": cost.map(|entry| &entry.kind),
            "member": self.member_reference(new.member), "dateExpense": self.accounting_date(new.date),
            "chargeDescription": new.notes, "inPolicy": true, "currency": currency(&new.currency),
            "paymentMethod": reference(id_of(&PAYMENT_METHODS, &new.payment_method), &new.payment_method),
            "total": number(free), "billableAmount": number(billable), "nonBillableAmount": number(other),
        });
        let more = json!({
            "ticket": new.ticket.as_ref().map(|summary| json!({"id": 801, "summary": summary})),
            "project": new.project.as_ref().map(|name| reference(41, name)),
            "agreement": new.agreement.as_ref().map(|name| reference(31, name)),
            "agreementAmountCovered": number(Decimal::ZERO), "taxCode": self.tax_code_reference(new.tax_code),
            "avalaraTaxFlag": false, "itemTaxableFlag": !new.tax.is_zero(), "salesTaxAmount": number(new.tax),
            "stateTaxFlag": !new.tax.is_zero(), "stateTaxAmount": number(new.tax),
            "stateTaxXref": new.tax_code.and_then(|code| self.tax_levels(code).first()).map(|(xref, _)| xref),
            "dateClosed": expense.distributed.map(|at| self.accounting_instant(at)), "_info": {},
        });
        merged(row, more)
    }

    /// The id that an expense is exported by.
    pub(super) fn expense_detail_id(&self, expense: &Expense) -> i64 {
        expense.id + self.settings.expense_detail_offset
    }
}

/// The reference of a classification.
pub(super) fn classification(name: &str) -> Value {
    reference(id_of(&CLASSIFICATIONS, name), name)
}
