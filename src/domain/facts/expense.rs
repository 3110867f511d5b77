//! Expenses: what a member spent, as a report or as one entry of it, which becomes one bill.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::invoice::ContentHash;
use super::rows::{Detail, TaxLevel};
use crate::domain::draft::DocumentKind;
use crate::domain::money::Money;
use crate::domain::rules::Rules;
use crate::domain::text::hex;

/// The expenses of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expense {
    /// Whether they are those of a report or one entry.
    pub unit: ExpenseUnit,
    /// ConnectWise id of the report or entry.
    pub id: i64,
    /// ConnectWise id of the report that an entry is in; none for reports.
    #[serde(default)]
    pub report: Option<i64>,
    /// Status of the report or entry, as ConnectWise names it.
    pub status: String,
    /// Id of the member who spent it; none when ConnectWise names none.
    #[serde(default)]
    pub member_id: Option<i64>,
    /// Name of the member.
    #[serde(default)]
    pub member_name: String,
    /// The report's last day, or the entry's day: the date of the bill where the preview has none.
    #[serde(default)]
    pub day: Option<Date>,
    /// The entries: all of a report, or the one.
    pub entries: Vec<ExpenseEntry>,
    /// Name of the batch of readypost that it is in; known only for what is not unposted.
    #[serde(default)]
    pub batch: Option<String>,
}

/// What becomes one bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpenseUnit {
    /// The report of a member and a period.
    Report,
    /// One entry.
    Entry,
}

/// One expense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpenseEntry {
    /// ConnectWise id.
    pub id: i64,
    /// Status, as ConnectWise names it.
    pub status: String,
    /// Type, such as Mileage.
    #[serde(default)]
    pub kind: String,
    /// Who paid, as the entry says; none when it does not.
    #[serde(default)]
    pub class: Option<ExpenseClass>,
    /// The day of the expense.
    #[serde(default)]
    pub date: Option<Date>,
    /// What it is entered with: an amount, or of some types a quantity such as miles; so only its sign is used.
    #[serde(default)]
    pub amount: Option<Money>,
    /// The taxes that it was entered with.
    #[serde(default)]
    pub tax: Option<Money>,
    /// Location, for the routing to a Xero organisation.
    #[serde(default)]
    pub location_id: Option<i64>,
    /// ISO code; none when ConnectWise has no multi-currency.
    #[serde(default)]
    pub currency: Option<String>,
    /// What the accounting interface has of it; none when it is not in the unposted list.
    #[serde(default)]
    pub listed: Option<ListedExpense>,
    /// Fields that hold something unreadable, with what they hold.
    #[serde(default)]
    pub unreadable: Vec<String>,
}

/// An entry in the accounting interface: its row of the unposted list and its preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedExpense {
    /// Who paid what for whom.
    pub class: ExpenseClass,
    /// Total in the unposted list. Whether it counts tax is not documented.
    #[serde(default)]
    pub total: Option<Money>,
    /// Tax in the unposted list. Whether it is the tax that was paid or the one to be billed is not documented.
    #[serde(default)]
    pub tax: Option<Money>,
    /// Name of the tax code.
    #[serde(default)]
    pub tax_code: String,
    /// The tax levels that apply.
    #[serde(default)]
    pub tax_levels: Vec<TaxLevel>,
    /// The earliest instant at which it may have come to the accounting interface.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// Number of the bill in the preview, which goes into the reference; empty in a journal.
    #[serde(default)]
    pub document_number: String,
    /// Date of the bill in the preview.
    #[serde(default)]
    pub document_date: Option<Date>,
    /// What the preview says of the bill as a whole.
    #[serde(default)]
    pub memo: String,
    /// The member's number as a vendor.
    #[serde(default)]
    pub vendor_number: String,
    /// ISO code in the preview.
    #[serde(default)]
    pub preview_currency: Option<String>,
    /// Total of the bill in the preview; none in a journal.
    #[serde(default)]
    pub preview_total: Option<Money>,
    /// The rows of costs and tax.
    pub rows: Vec<Detail>,
    /// What the rows say about being owed to the member, where they say it.
    #[serde(default)]
    pub reimbursable: Vec<bool>,
    /// What the rows call their class, where they do.
    #[serde(default)]
    pub row_classes: Vec<ExpenseClass>,
    /// Every GL entry id of the preview, those of the other side of a journal included.
    pub entry_ids: Vec<i64>,
}

/// Who paid an expense, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ExpenseClass {
    /// The member paid for the company, and is owed it.
    Reimbursable,
    /// The company paid for itself.
    CompanyPaid,
    /// The company paid for the member, who owes it.
    Personal,
    /// A class this version does not know.
    Unknown(String),
}

impl From<String> for ExpenseClass {
    fn from(text: String) -> Self {
        let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
        match letters.to_ascii_lowercase().as_str() {
            "reimbursable" => Self::Reimbursable,
            "nonreimbursable" => Self::CompanyPaid,
            "personal" => Self::Personal,
            _ => Self::Unknown(text),
        }
    }
}

impl From<ExpenseClass> for String {
    fn from(class: ExpenseClass) -> Self {
        match class {
            ExpenseClass::Reimbursable => "Reimbursable".to_owned(),
            ExpenseClass::CompanyPaid => "NonReimbursable".to_owned(),
            ExpenseClass::Personal => "Personal".to_owned(),
            ExpenseClass::Unknown(text) => text,
        }
    }
}

/// Statuses in which somebody has approved, in one tier at least, and what follows them.
const APPROVED: [&str; 6] =
    ["ApprovedByTierOne", "ApprovedByTierTwo", "ReadyToBill", "Billed", "WrittenOff", "BilledAgreement"];
/// The other statuses of ConnectWise (2026.4).
const NOT_APPROVED: [&str; 6] =
    ["Open", "Rejected", "PendingApproval", "ErrorsCorrected", "PendingProjectApproval", "RejectBySecondTier"];

/// Whether somebody has approved what has this status; none when the status is not known.
#[must_use]
pub fn is_approved(status: &str) -> Option<bool> {
    let is = |known: &str| known.eq_ignore_ascii_case(status.trim());
    if APPROVED.iter().any(|known| is(known)) {
        return Some(true);
    }
    NOT_APPROVED.iter().any(|known| is(known)).then_some(false)
}

impl Expense {
    /// A bill, or a credit when the member owes more than is owed to them.
    #[must_use]
    pub fn becomes(&self) -> DocumentKind {
        if self.total().is_negative() { DocumentKind::BillCredit } else { DocumentKind::Bill }
    }

    /// What it is called in sentences.
    #[must_use]
    pub fn title(&self) -> String {
        let what = match self.unit {
            ExpenseUnit::Report => "Expense report",
            ExpenseUnit::Entry => "Expense",
        };
        match self.member_name.trim() {
            "" => format!("{what} {}", self.id),
            member => format!("{what} {} of {member}", self.id),
        }
    }

    /// The number of its bill.
    ///
    /// It is not the one of the preview: that is unknown once nothing is listed, nothing says whether it stays the
    /// same, and a bill that is looked for under another number would be made twice.
    #[must_use]
    pub fn number(&self) -> String {
        match self.unit {
            ExpenseUnit::Report => format!("EXP-{}", self.id),
            // A report and an entry may have the same id.
            ExpenseUnit::Entry => format!("EXP-E{}", self.id),
        }
    }

    /// The entries in the unposted list.
    pub fn listed(&self) -> impl Iterator<Item = (&ExpenseEntry, &ListedExpense)> {
        self.entries.iter().filter_map(|entry| Some((entry, entry.listed.as_ref()?)))
    }

    /// Entries that are worth something and not in the unposted list.
    pub fn unlisted(&self) -> impl Iterator<Item = &ExpenseEntry> {
        let is_worth = |entry: &&ExpenseEntry| entry.amount.is_none_or(|amount| !amount.is_zero());
        self.entries.iter().filter(|entry| entry.listed.is_none()).filter(is_worth)
    }

    /// Whether somebody has approved all of it.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        let mut statuses = self.entries.iter().map(|entry| &entry.status).chain([&self.status]);
        statuses.all(|status| is_approved(status) == Some(true))
    }

    /// What the member is owed; below zero when they owe. What the company paid for itself is no part of it.
    pub(super) fn total(&self) -> Money {
        self.entries.iter().map(ExpenseEntry::owed).sum()
    }

    /// The tax in its bill, which has what the company paid only where that is cleared.
    pub(super) fn tax(&self, rules: &Rules) -> Money {
        let in_bill = |entry: &&ExpenseEntry| {
            let class = entry.listed.as_ref().map(|listed| &listed.class);
            class != Some(&ExpenseClass::CompanyPaid) || !rules.company_paid_account.is_empty()
        };
        self.entries.iter().filter(in_bill).map(ExpenseEntry::tax_in_bill).sum()
    }

    /// The date of the bill.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        self.listed().filter_map(|(_, listed)| listed.document_date).max().or(self.day)
    }

    /// The earliest instant at which part of it may have been posted; none when that is not known, which it is not
    /// when part of it has left the unposted list.
    #[must_use]
    pub fn closed_at(&self) -> Option<Timestamp> {
        let closed: Option<Vec<Timestamp>> = self.listed().map(|(_, listed)| listed.closed_at).collect();
        closed.filter(|_| self.unlisted().next().is_none())?.into_iter().min()
    }

    /// The locations of its entries, each once.
    #[must_use]
    pub fn locations(&self) -> BTreeSet<Option<i64>> {
        self.entries.iter().map(|entry| entry.location_id).collect()
    }

    /// The currency of its first entry that says one.
    pub(super) fn currency(&self) -> Option<&str> {
        self.entries.iter().find_map(|entry| entry.currency.as_deref())
    }

    /// The complete set of GL entry ids that marks it as posted, ascending.
    #[must_use]
    pub fn processed_ids(&self) -> Vec<i64> {
        let all: BTreeSet<i64> = self.listed().flat_map(|(_, listed)| listed.entry_ids.iter().copied()).collect();
        all.into_iter().collect()
    }

    /// A hash of what a bookkeeper would call its content, and of its GL entries: an entry that comes into a report
    /// later may have the amount of one that leaves it.
    pub(super) fn content_hash(&self) -> ContentHash {
        if self.listed().next().is_none() {
            return ContentHash(String::new());
        }
        let amount = |money: Money| money.decimal().normalize().to_string();
        let mut parts = vec![self.member_id.map(|id| id.to_string()).unwrap_or_default(), amount(self.total())];
        for (entry, listed) in self.listed() {
            parts.push(entry.id.to_string());
            parts.push(String::from(listed.class.clone()));
            parts.push(entry.currency.clone().unwrap_or_default());
            parts.push(amount(listed.gross()));
            parts.push(amount(listed.tax_rows()));
        }
        parts.extend(self.processed_ids().iter().map(ToString::to_string));
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(format!("{}:{part};", part.len()));
        }
        ContentHash(hex(hash.finalize().get(..16).unwrap_or_default()))
    }
}

impl ExpenseEntry {
    /// How the preview's amounts count in the bill: 1 as they are, -1 turned round.
    ///
    /// What is personal reduces what is owed. Whether the preview has it below zero already is not documented, so
    /// its sign is compared with that of the entry. None when that says nothing, or when others are turned round.
    #[must_use]
    pub fn direction(&self) -> Option<i64> {
        let listed = self.listed.as_ref()?;
        let gross = listed.gross();
        let (amount, personal) = (self.amount?, listed.class == ExpenseClass::Personal);
        if gross.is_zero() && listed.rows.iter().all(|row| row.total.is_zero()) {
            return Some(1);
        }
        if gross.is_zero() || amount.is_zero() {
            return None;
        }
        match (personal, gross.is_negative() == amount.is_negative()) {
            (false, true) | (true, false) => Some(1),
            (true, true) => Some(-1),
            (false, false) => None,
        }
    }

    /// The amount as it counts in the bill.
    #[must_use]
    pub fn turned(&self, amount: Money) -> Money {
        if self.direction() == Some(-1) { -amount } else { amount }
    }

    /// What the member is owed for it; below zero when they owe it.
    #[must_use]
    pub fn owed(&self) -> Money {
        match &self.listed {
            Some(listed) if listed.class != ExpenseClass::CompanyPaid => self.turned(listed.gross()),
            _ => Money::ZERO,
        }
    }

    fn tax_in_bill(&self) -> Money {
        self.listed.as_ref().map(|listed| self.turned(listed.tax_rows())).unwrap_or_default()
    }
}

impl ListedExpense {
    /// All rows.
    #[must_use]
    pub fn gross(&self) -> Money {
        self.rows.iter().map(|row| row.total).sum()
    }

    /// The rows of tax.
    #[must_use]
    pub fn tax_rows(&self) -> Money {
        self.rows.iter().filter(|row| row.is_expense_tax()).map(|row| row.total).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::new(text.parse().unwrap()).unwrap()
    }

    fn entry(class: ExpenseClass, amount: &str, row: &str) -> ExpenseEntry {
        let row = Detail {
            cost: None,
            id: 5101,
            gl_type: "EI".to_owned(),
            account: "493".to_owned(),
            class: String::new(),
            quantity: None,
            total: money(row),
            price: None,
            currency: None,
            description: String::new(),
            item: None,
            tax_code: String::new(),
            tax_xref: String::new(),
            taxable: None,
            tax_levels: Vec::new(),
        };
        let listed = ListedExpense {
            class,
            total: None,
            tax: None,
            tax_code: String::new(),
            tax_levels: Vec::new(),
            closed_at: None,
            document_number: String::new(),
            document_date: None,
            memo: String::new(),
            vendor_number: String::new(),
            preview_currency: None,
            preview_total: None,
            entry_ids: vec![row.id],
            rows: vec![row],
            reimbursable: Vec::new(),
            row_classes: Vec::new(),
        };
        ExpenseEntry {
            id: 31,
            status: "Billed".to_owned(),
            kind: String::new(),
            class: None,
            date: None,
            amount: Some(money(amount)),
            tax: None,
            location_id: None,
            currency: None,
            listed: Some(listed),
            unreadable: Vec::new(),
        }
    }

    fn report(entries: Vec<ExpenseEntry>) -> Expense {
        Expense {
            unit: ExpenseUnit::Report,
            id: 17,
            report: None,
            status: "Billed".to_owned(),
            member_id: Some(7),
            member_name: "Jo Doe".to_owned(),
            day: None,
            entries,
            batch: None,
        }
    }

    #[test]
    fn what_is_owed_follows_from_who_paid_and_from_both_signs() {
        use ExpenseClass::{CompanyPaid, Personal, Reimbursable};
        // Of a type such as Mileage the amount is a quantity: only its sign counts.
        let rows = [
            (Reimbursable, "12", "12", Some(1), "12"),
            (Reimbursable, "100", "67", Some(1), "67"),
            (Reimbursable, "-5", "-5", Some(1), "-5"),
            (Reimbursable, "12", "-12", None, "-12"),
            (Personal, "12", "12", Some(-1), "-12"),
            (Personal, "12", "-12", Some(1), "-12"),
            (Personal, "-5", "-5", Some(-1), "5"),
            (Personal, "-5", "5", Some(1), "5"),
            (Personal, "0", "5", None, "5"),
            (CompanyPaid, "20", "20", Some(1), "0"),
            (CompanyPaid, "20", "-20", None, "0"),
            (Reimbursable, "0", "0", Some(1), "0"),
        ];
        for (class, amount, row, direction, owed) in rows {
            let entry = entry(class.clone(), amount, row);
            assert_eq!((entry.direction(), entry.owed()), (direction, money(owed)), "{class:?} {amount} {row}");
        }
    }

    #[test]
    fn an_edit_of_anything_that_counts_is_another_content() {
        let usual = report(vec![entry(ExpenseClass::Reimbursable, "12", "12")]);
        let edits: [fn(&mut Expense); 7] = [
            |expense| expense.member_id = Some(8),
            |expense| expense.entries[0].listed.as_mut().unwrap().class = ExpenseClass::Personal,
            |expense| expense.entries[0].listed.as_mut().unwrap().rows[0].total = Money::CENT,
            |expense| expense.entries[0].listed.as_mut().unwrap().rows[0].gl_type = "ET".to_owned(),
            |expense| expense.entries[0].listed.as_mut().unwrap().entry_ids.push(5102),
            |expense| expense.entries[0].id = 32,
            |expense| expense.entries.push(entry(ExpenseClass::CompanyPaid, "20", "20")),
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let mut edited = usual.clone();
            edit(&mut edited);
            assert_ne!(edited.content_hash(), usual.content_hash(), "edit {number}");
        }
        let mut billed_on = usual.clone();
        billed_on.status = "ReadyToBill".to_owned();
        billed_on.entries[0].status = "Billed".to_owned();
        assert_eq!(billed_on.content_hash(), usual.content_hash(), "a status that moves on is no edit");
    }

    #[test]
    fn what_the_company_paid_for_itself_is_owed_to_nobody() {
        let mut expense = report(vec![entry(ExpenseClass::Reimbursable, "12", "12")]);
        for (amount, row) in [("20", "20"), ("-20", "-20"), ("20", "-20"), ("0", "5")] {
            expense.entries.push(entry(ExpenseClass::CompanyPaid, amount, row));
            assert_eq!(expense.total(), money("12"), "{amount} {row}");
        }
    }
}
