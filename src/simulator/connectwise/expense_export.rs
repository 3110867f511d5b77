//! Expenses as an accounting package is given them: a bill for each report, or a journal.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::number;
use super::expense_rows::classification;
use super::expenses::{Expense, Report, Spent};
use super::ledger::GlEntry;
use super::oddities::View;
use super::records::SegmentKind;
use super::settings::{ExpenseIds, ExpenseShape};
use super::state::State;
use super::tables::currency;

/// What of the expenses is to be exported, and how.
pub(super) struct Chosen<'a> {
    pub(super) expense: &'a dyn Fn(&Expense) -> bool,
    /// By the batch that an entry is in.
    pub(super) entry: &'a dyn Fn(Option<i64>) -> bool,
    /// One row of a bill for each account.
    pub(super) condensed: bool,
}

/// An entry that becomes part of a row.
type Part<'a> = (&'a Expense, &'a GlEntry<Spent>);

impl State {
    /// `expenses` and `expenseBills` of an export: one of the two is empty, by the set-up of the package.
    pub(super) fn expense_parts(&self, chosen: &Chosen<'_>) -> (Vec<Value>, Vec<Value>) {
        if self.settings.expense_shape == ExpenseShape::Journal {
            let parts = self.expenses.values().filter(|expense| (chosen.expense)(expense)).flat_map(wanted(chosen));
            let rows = parts.map(|(expense, entry)| self.expense_journal(expense, entry));
            return (rows.collect(), Vec::new());
        }
        let mut bills = Vec::new();
        for report in self.reports.values() {
            let inside = self.expenses.values().filter(|expense| expense.report == report.id);
            let parts: Vec<Part<'_>> =
                inside.filter(|expense| (chosen.expense)(expense)).flat_map(wanted(chosen)).collect();
            if !parts.is_empty() {
                bills.push(self.expense_bill(report, &parts, chosen.condensed));
            }
        }
        (Vec::new(), bills)
    }

    fn expense_bill(&self, report: &Report, parts: &[Part<'_>], condensed: bool) -> Value {
        let total: Decimal = parts.iter().map(|(_, entry)| entry.amount).sum();
        let member = self.members.get(&report.member);
        let period = report.start.strftime("%Y-%m").to_string();
        let code = parts.first().map(|(expense, _)| expense.new.currency.as_str());
        let row = json!({
            "id": report.bill_id, "documentDate": self.accounting_date(report.start.last_of_month()),
            "documentType": "EXPENSE", "documentNumber": format!("EXP-{}", report.id),
            "memo": format!("Expenses {period}"), "glClass": "", "apAccountNumber": self.settings.payable_account,
            "member": self.member_reference(report.member), "currency": code.map(currency), "total": number(total),
            "vendorNumber": member.map(|member| member.new.vendor_number.as_str()),
            "detail": self.expense_detail(parts, condensed),
        });
        match member {
            Some(member) => member.new.oddities.show(View::Export, row),
            None => row,
        }
    }

    /// The rows of a bill; only condensed ones have several ids.
    fn expense_detail(&self, parts: &[Part<'_>], condensed: bool) -> Vec<Value> {
        let alone = self.settings.expense_ids == ExpenseIds::Number;
        let mut groups: Vec<Vec<Part<'_>>> = Vec::new();
        for part in parts {
            let same = |group: &&mut Vec<Part<'_>>| {
                group.first().is_some_and(|first| self.expense_account(first) == self.expense_account(part))
            };
            match groups.iter_mut().find(same).filter(|_| condensed && !alone) {
                Some(group) => group.push(*part),
                None => groups.push(vec![*part]),
            }
        }
        groups.iter().filter_map(|group| self.expense_detail_row(group)).collect()
    }

    fn expense_account(&self, (expense, entry): &Part<'_>) -> (String, String, String) {
        (self.joined(entry, SegmentKind::Account), entry.kind.clone(), expense.new.classification.clone())
    }

    fn expense_detail_row(&self, group: &[Part<'_>]) -> Option<Value> {
        let (expense, entry) = group.first()?;
        let new = &expense.new;
        let ids: Vec<i64> = group.iter().map(|(_, entry)| entry.id).collect();
        let total: Decimal = group.iter().map(|(_, entry)| entry.amount).sum();
        let id = match self.settings.expense_ids {
            ExpenseIds::Array => json!(ids),
            ExpenseIds::Number => json!(entry.id),
        };
        let row = json!({
            "id": id, "documentDate": self.accounting_date(new.date), "glTypeId": entry.kind, "memo": memo(expense),
            "company": new.company.map(|company| self.company_reference(company)),
            "accountNumber": self.joined(entry, SegmentKind::Account), "currency": currency(&new.currency),
            "expenseClass": classification(&new.classification), "total": number(total),
            "billable": new.billable == "Billable", "reimbursable": new.classification == "Reimbursable",
            "companyAdvance": matches!(new.classification.as_str(), "NonReimbursable" | "Personal"),
        });
        Some(new.oddities.show(View::Export, row))
    }

    fn expense_journal(&self, expense: &Expense, entry: &GlEntry<Spent>) -> Value {
        let new = &expense.new;
        let (start, end) = (new.date.first_of_month(), new.date.last_of_month());
        let account = new.company.and_then(|id| self.companies.get(&id));
        let offset = expense.entries.iter().find(|entry| entry.source == Spent::Offset);
        let date = self.accounting_date(new.date);
        let offset = offset.map(|offset| {
            json!({"id": offset.id, "documentDate": date, "documentType": "EXPENSE", "glTypeId": offset.kind,
                "accountNumber": self.joined(offset, SegmentKind::Account),
                "glClass": self.joined(offset, SegmentKind::Class), "member": self.member_reference(new.member),
                "memo": memo(expense), "description": memo(expense), "total": number(-entry.amount)})
        });
        let row = json!({
            "id": entry.id, "documentDate": date, "documentType": "EXPENSE", "apClass": "",
            "apAccountNumber": self.settings.payable_account, "glTypeId": entry.kind,
            "accountNumber": self.joined(entry, SegmentKind::Account),
            "glClass": self.joined(entry, SegmentKind::Class), "memo": memo(expense), "description": memo(expense),
            "periodStartDate": self.accounting_date(start), "periodEndDate": self.accounting_date(end),
            "member": self.member_reference(new.member),
            "vendorNumber": self.members.get(&new.member).map(|member| member.new.vendor_number.as_str()),
            "company": new.company.map(|company| self.company_reference(company)),
            "companyAccountNumber": account.map(|company| company.new.account_number.as_str()),
            "currency": currency(&new.currency), "total": number(entry.amount), "offset": offset,
        });
        new.oddities.show(View::Export, row)
    }

    /// The members of an export as the vendors that they are in accounting.
    pub(super) fn member_vendors(&self, bills: &[Value]) -> Vec<Value> {
        let of_bill = |bill: &Value| {
            let member = self.members.get(&bill.pointer("/member/id")?.as_i64()?)?;
            Some(json!({"member": self.member_reference(member.id), "vendorNumber": member.new.vendor_number,
                "accountNumber": ""}))
        };
        let mut vendors: Vec<Value> = bills.iter().filter_map(of_bill).collect();
        vendors.dedup();
        vendors
    }

    /// The rows of expenses in a batch.
    pub(super) fn expense_batch_rows(&self, batch: i64) -> Vec<Value> {
        let in_batch = |expense: &'_ Expense| -> Vec<Value> {
            let entries = expense.entries.iter().filter(|entry| entry.batch == Some(batch));
            entries
                .map(|entry| {
                    let (debit, credit) = (entry.amount.max(Decimal::ZERO), (-entry.amount).max(Decimal::ZERO));
                    json!({"id": entry.id, "accountType": entry.kind, "name": memo(expense),
                        "accountNumber": self.joined(entry, SegmentKind::Account), "debit": number(debit),
                        "credit": number(credit), "cost": number(Decimal::ZERO),
                        "expense": {"id": expense.id, "identifier": expense.new.kind}, "_info": {}})
                })
                .collect()
        };
        self.expenses.values().flat_map(in_batch).collect()
    }
}

/// The entries of an expense that are chosen; the other side of a journal is shown beside them.
fn wanted<'a>(chosen: &Chosen<'_>) -> impl Fn(&'a Expense) -> Vec<Part<'a>> {
    |expense| {
        let entries = expense.needed().filter(|entry| (chosen.entry)(entry.batch));
        entries.map(|entry| (expense, entry)).collect()
    }
}

fn memo(expense: &Expense) -> String {
    let new = &expense.new;
    if new.notes.is_empty() { new.kind.clone() } else { format!("{}: {}", new.kind, new.notes) }
}
