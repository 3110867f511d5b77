//! What to do about a record, decided from facts and rules alone.

use jiff::civil::Date;
use serde::Serialize;

use super::batch;
use super::contact::{Contact, ContactMatch};
use super::delivery::Posted;
use super::document::Document;
use super::draft::{ContactChoice, DocumentKind};
use super::facts::{
    Existing, ExistingDocument, Expense, ExpenseClass, Facts, MovementKind, Organisation, Party, RecordFacts, Status,
};
use super::hold::{HoldCode, HoldReason, SkipReason};
use super::journal::Journal;
use super::map::{self, cost_document, cost_of_goods, map};
use super::rules::{Adjustments, DocumentStatus, NewContacts, RequiredContacts, Rules, Transfers, ZeroTotals};
use super::text::shorten;
use super::warning::{Flagged, Warning, WarningCode};

/// What to do, and what a person should look at once it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What to do.
    pub action: Action,
    /// What was noticed.
    pub warnings: Vec<Warning>,
}

/// The one thing to do about a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Make this document.
    Create {
        /// The document.
        document: Box<Document>,
        /// Its contact; a journal has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        contact: Option<ContactChoice>,
        /// The journal of its cost of goods, which is made after it.
        #[serde(skip_serializing_if = "Option::is_none")]
        cost: Option<Box<Journal>>,
    },
    /// The document is in Xero already and is the same.
    Adopt(Box<ExistingDocument>),
    /// Nothing.
    Skip(SkipReason),
    /// Let a person decide.
    Hold(HoldReason),
}

impl Plan {
    fn plain(action: Action) -> Self {
        Self { action, warnings: Vec::new() }
    }
}

/// The verdicts that need the record only, so that they cost no call to Xero.
#[must_use]
pub fn triage(record: &RecordFacts, rules: &Rules) -> Option<Action> {
    if let Some(name) = record.batch() {
        let ours = batch::is_ours(record, name);
        return Some(Action::Skip(if ours { SkipReason::PostedBefore } else { SkipReason::BatchedElsewhere }));
    }
    if let Some(action) = unwanted(record, rules) {
        return Some(action);
    }
    let nobody = match record {
        RecordFacts::Purchase(purchase) if purchase.order.vendor_id.is_none() => "vendor of the purchase order",
        RecordFacts::Expense(expense) if expense.member_id.is_none() => "member of the expenses",
        _ => "",
    };
    if !nobody.is_empty() {
        return Some(Action::Hold(map::unreadable(nobody)));
    }
    if rules.start_date.is_some_and(|start| record.date().is_some_and(|date| date < start)) {
        return Some(Action::Skip(SkipReason::BeforeStartDate));
    }
    let owes_nobody = match record {
        RecordFacts::Expense(expense) if expense.listed().next().is_none() => {
            return Some(Action::Skip(SkipReason::NothingUnposted));
        }
        RecordFacts::Expense(expense) => expense.listed().all(|(_, listed)| listed.class == ExpenseClass::CompanyPaid),
        _ => false,
    };
    if owes_nobody {
        // Nothing is owed, but its costs may have to be cleared.
        return rules.company_paid_account.is_empty().then_some(Action::Skip(SkipReason::CompanyPaid));
    }
    let is_worth = match record {
        RecordFacts::Movement(movement) => !movement.is_free(),
        _ => !record.total().is_zero(),
    };
    if !record.has_content() || is_worth {
        return None;
    }
    match rules.zero_totals {
        ZeroTotals::Post => None,
        ZeroTotals::Skip => Some(Action::Skip(SkipReason::ZeroTotal)),
        ZeroTotals::Hold => {
            Some(Action::Hold(HoldReason::new(HoldCode::ZeroTotal, format!("The total is 0.00: {}.", record.title()))))
        }
    }
}

/// What the status of a record, or the rules for its kind, say against posting it.
fn unwanted(record: &RecordFacts, rules: &Rules) -> Option<Action> {
    match record {
        RecordFacts::Invoice(facts) => of_status(&facts.invoice.status, &rules.invoice_statuses, "invoices"),
        RecordFacts::Purchase(purchase) => of_status(&purchase.order.status, &rules.purchase_statuses, "purchases"),
        RecordFacts::Expense(expense) => of_approval(expense, rules),
        RecordFacts::Movement(movement) if !posts(movement.kind, rules) => Some(Action::Skip(SkipReason::ByRule)),
        RecordFacts::Movement(movement) if movement.unposted.is_none() => Some(Action::Skip(SkipReason::NotListed)),
        RecordFacts::Movement(_) => None,
    }
}

/// Whether the rules post changes of the inventory of this kind.
#[must_use]
pub fn posts(kind: MovementKind, rules: &Rules) -> bool {
    match kind {
        MovementKind::Adjustment => rules.adjustments != Adjustments::Skip,
        MovementKind::Transfer => rules.transfers != Transfers::Skip,
    }
}

/// What a status says about posting; nothing when it is to post. `wanted` are names or ids; empty = every closed one.
#[must_use]
pub fn of_status(status: &Status, wanted: &[String], records: &str) -> Option<Action> {
    let means = |wanted: &String| {
        wanted.trim().eq_ignore_ascii_case(status.name.trim()) || wanted.trim().parse() == Ok(status.id)
    };
    let named = wanted.iter().any(means);
    match (named || wanted.is_empty(), status.closed) {
        (true, true) => None,
        (true, false) if named => {
            let sentence = format!(
                "The status '{}' is to post {records}, but it is an open status: ConnectWise makes no GL entries for it.",
                status.name
            );
            let cause = format!("status '{}'", status.name);
            Some(Action::Hold(HoldReason::new(HoldCode::StatusNotClosed, sentence).caused_by(cause)))
        }
        (_, false) => Some(Action::Skip(SkipReason::StatusOpen)),
        (false, true) => Some(Action::Skip(SkipReason::StatusNotWanted)),
    }
}

/// What the statuses of expenses say: only what somebody approved is posted, whatever ConnectWise lists.
fn of_approval(expense: &Expense, rules: &Rules) -> Option<Action> {
    match map::unapproved(expense, rules)? {
        (status, None) => {
            Some(Action::Hold(map::unreadable(&format!("status of the expenses ('{}')", shorten(status, 40)))))
        }
        (_, Some(false)) => Some(Action::Skip(SkipReason::NotApproved)),
        (_, Some(true)) => Some(Action::Skip(SkipReason::StatusNotWanted)),
    }
}

/// Decides about a record that is not known to be posted. Total: bad facts end in a hold.
#[must_use]
pub fn plan(facts: &Facts, rules: &Rules) -> Plan {
    if let Some(action) = triage(&facts.record, rules) {
        return Plan::plain(action);
    }
    document(facts, rules).unwrap_or_else(|reason| Plan::plain(Action::Hold(reason)))
}

fn document(facts: &Facts, rules: &Rules) -> Result<Plan, HoldReason> {
    let Flagged { value: document, mut warnings } = map(facts, rules)?;
    // Whom it bills must be reachable; a vendor needs nobody.
    if let (RecordFacts::Invoice(_), Some(party)) = (&facts.record, &facts.party) {
        required_contacts(party, rules)?;
    }
    let contact = match document {
        Document::Invoice(_) => Some(contact(facts, rules)?),
        Document::Journal(_) => None,
    };
    // A sale whose cost cannot be posted is not posted either.
    cost_document(facts, rules)?;
    let cost = cost_of_goods(facts, rules)?.map(|cost| Box::new(cost.value));
    let approved = document.kind() != DocumentKind::Journal && document.status() == DocumentStatus::Authorised;
    if document.total().is_zero() && approved {
        let sentence = "The total is 0.00, so Xero marks the document as paid at once.";
        warnings.push(Warning::new(WarningCode::ZeroTotalPaid, sentence));
    }
    if let Some(existing) = same_record(facts, &document, contact.as_ref(), facts.mark.as_deref())? {
        warnings.push(adoption(facts, existing, &differences(existing, &document, contact.as_ref()))?);
        return Ok(Plan { action: Action::Adopt(Box::new(existing.clone())), warnings });
    }
    unlocked(&document, &facts.organisation)?;
    Ok(Plan { action: Action::Create { document: Box::new(document), contact, cost }, warnings })
}

/// Decides about the journal of what a posted invoice costs; `facts.existing` is about the journal. None when there
/// is nothing to post.
#[must_use]
pub fn plan_cost(facts: &Facts, rules: &Rules) -> Option<Plan> {
    journal(facts, rules).unwrap_or_else(|reason| Some(Plan::plain(Action::Hold(reason))))
}

fn journal(facts: &Facts, rules: &Rules) -> Result<Option<Plan>, HoldReason> {
    let Some(Flagged { value: document, mut warnings }) = cost_document(facts, rules)? else { return Ok(None) };
    let contact = match document {
        Document::Invoice(_) => Some(contact(facts, rules)?),
        Document::Journal(_) => None,
    };
    if let Some(existing) = same_record(facts, &document, contact.as_ref(), facts.cost_mark.as_deref())? {
        warnings.push(adoption(facts, existing, &differences(existing, &document, contact.as_ref()))?);
        return Ok(Some(Plan { action: Action::Adopt(Box::new(existing.clone())), warnings }));
    }
    unlocked(&document, &facts.organisation)?;
    let action = Action::Create { document: Box::new(document), contact, cost: None };
    Ok(Some(Plan { action, warnings }))
}

/// The document in Xero that is this record, or has its number where that is unique.
///
/// Bills of one number are told apart by their marks. One without a mark was made by a person or another product,
/// and could be this record if it is the same in all that can be compared: that is for a person to say.
fn same_record<'facts>(
    facts: &'facts Facts,
    document: &Document,
    contact: Option<&ContactChoice>,
    mark: Option<&str>,
) -> Result<Option<&'facts ExistingDocument>, HoldReason> {
    let documents = match &facts.existing {
        Existing::NotLookedUp | Existing::None => return Ok(None),
        Existing::Found(existing) | Existing::Chosen(existing) => return Ok(Some(existing)),
        Existing::Among(documents) => documents,
    };
    let mut ours = documents.iter().filter(|existing| mark.is_some_and(|mark| existing.has(mark)));
    let ambiguous = |which: &ExistingDocument, why: &str| {
        let (kind, number, total) = (which.kind.noun(), &which.number, which.total);
        let sentence = format!("Xero has the {kind} {number} of {total} ({}) {why}.", which.id);
        Err(HoldReason::new(HoldCode::AmbiguousDocument, sentence))
    };
    match (ours.next(), ours.next()) {
        (Some(_), Some(second)) => return ambiguous(second, "and another one with the mark of this record"),
        (Some(one), None) => return Ok(Some(one)),
        (None, _) => {}
    }
    let could_be = |existing: &&ExistingDocument| {
        let Some(ContactChoice::Known(contact)) = contact else { return false };
        existing.marks.is_empty()
            && existing.contact_id == *contact
            && existing.currency == document.currency()
            && existing.total.to_cents() == document.total()
    };
    match documents.iter().find(could_be) {
        Some(stranger) => ambiguous(stranger, "without a mark, so whether it is this record cannot be told"),
        None => Ok(None),
    }
}

/// The warning about a document that is taken for the record; a hold when it is another one.
fn adoption(facts: &Facts, existing: &ExistingDocument, differences: &[Difference]) -> Result<Warning, HoldReason> {
    let chosen = matches!(facts.existing, Existing::Chosen(_));
    let hard = differences.iter().any(|difference| difference.hard);
    let told = differences.iter().map(|difference| difference.told.as_str()).collect::<Vec<_>>().join(", ");
    if hard || (!chosen && !differences.is_empty()) {
        let sentence = format!("Xero has another {} {}: {told}.", existing.kind.noun(), existing.number);
        return Err(HoldReason::new(HoldCode::DocumentDiffers, sentence));
    }
    let but = if told.is_empty() { String::new() } else { format!(", with {told}") };
    let sentence = format!("The {} {} was already in Xero{but}.", existing.kind.noun(), existing.number);
    Ok(Warning::new(WarningCode::Adopted, sentence))
}

fn required_contacts(party: &Party, rules: &Rules) -> Result<(), HoldReason> {
    let missing = |code, which: &str| {
        let sentence = format!("{} has no {which} contact in ConnectWise.", party.name);
        Err(HoldReason::new(code, sentence).caused_by(party.name.clone()))
    };
    match (rules.required_contacts, &party.primary_contact, &party.billing_contact) {
        (RequiredContacts::Both, None, _) => missing(HoldCode::NoPrimaryContact, "primary"),
        (RequiredContacts::Both, _, None) => missing(HoldCode::NoBillingContact, "billing"),
        (RequiredContacts::Any, None, None) => missing(HoldCode::NoBillingContact, "primary or billing"),
        _ => Ok(()),
    }
}

fn contact(facts: &Facts, rules: &Rules) -> Result<ContactChoice, HoldReason> {
    let (Some(party), Some(found)) = (&facts.party, &facts.contact) else { return Err(map::unreadable("company")) };
    let names = |contacts: &[Contact]| {
        let named: Vec<String> = contacts
            .iter()
            .map(|contact| match &contact.number {
                Some(number) => format!("'{}' (contact code {number})", contact.name),
                None => format!("'{}'", contact.name),
            })
            .collect();
        named.join(", ")
    };
    let (code, sentence) = match found {
        ContactMatch::Known(id) => return Ok(ContactChoice::Known(*id)),
        // Not a company of ConnectWise, but a name in the rules: nothing is known to create it with.
        ContactMatch::New if party.id == 0 => {
            (HoldCode::NewContact, format!("'{}' (rule `adjustment_contact`) is not a contact in Xero.", party.name))
        }
        ContactMatch::New if rules.new_contacts == NewContacts::Create => {
            return Ok(ContactChoice::Create(Box::new(party.clone())));
        }
        ContactMatch::New => {
            (HoldCode::NewContact, format!("'{}' ({}) is not a contact in Xero.", party.name, party.contact_number()))
        }
        ContactMatch::Similar(candidates) => {
            let sentence = format!(
                "'{}' ({}) is not in Xero, but similar contacts are: {}.",
                party.name,
                party.contact_number(),
                names(candidates)
            );
            (HoldCode::SimilarContact, sentence)
        }
        ContactMatch::Duplicate(candidates) => {
            let sentence = format!(
                "Several contacts in Xero match '{}' ({}): {}.",
                party.name,
                party.contact_number(),
                names(candidates)
            );
            (HoldCode::DuplicateContact, sentence)
        }
        ContactMatch::Archived(contact) => (
            HoldCode::ArchivedContact,
            format!("The contact '{}' of '{}' is archived in Xero.", contact.name, party.name),
        ),
    };
    Err(HoldReason::new(code, sentence).caused_by(party.name.clone()))
}

/// Nothing is posted into a locked period, even where an adviser's connection could; drafts may.
fn unlocked(document: &Document, organisation: &Organisation) -> Result<(), HoldReason> {
    if document.status() == DocumentStatus::Draft {
        return Ok(());
    }
    dated_after_locks("document", document.date(), organisation)
}

/// Whether a day is after both lock dates; `what` is dated so.
///
/// # Errors
/// The hold [`HoldCode::PeriodLocked`].
pub fn dated_after_locks(what: &str, date: Date, organisation: &Organisation) -> Result<(), HoldReason> {
    let locks = [("period", organisation.period_lock), ("end of year", organisation.year_lock)];
    let before = |lock: Option<Date>| lock.filter(|lock| date <= *lock);
    match locks.iter().find_map(|(name, lock)| before(*lock).map(|lock| (*name, lock))) {
        None => Ok(()),
        Some((name, lock)) => {
            let sentence = format!("The {what} date {date} is not after the {name} lock date {lock} in Xero.");
            Err(HoldReason::new(HoldCode::PeriodLocked, sentence).caused_by(format!("{name} lock date {lock}")))
        }
    }
}

/// Something in which a document in Xero is not the one that would be made.
struct Difference {
    told: String,
    /// Even an operator cannot make it the same document.
    hard: bool,
}

fn differences(existing: &ExistingDocument, document: &Document, contact: Option<&ContactChoice>) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, xeros: String, ours: String, hard: bool| {
        if xeros != ours {
            differences.push(Difference { told: format!("{what} {xeros} instead of {ours}"), hard });
        }
    };
    compare("kind", existing.kind.noun().to_owned(), document.kind().noun().to_owned(), true);
    compare("total", existing.total.to_cents().to_string(), document.total().to_string(), true);
    compare("tax", existing.total_tax.to_cents().to_string(), document.total_tax().to_cents().to_string(), true);
    compare("currency", existing.currency.clone(), document.currency().to_owned(), true);
    compare("date", existing.date.map(|date| date.to_string()).unwrap_or_default(), document.date().to_string(), false);
    let contact = contact.map(|contact| match contact {
        ContactChoice::Known(id) => id.to_string(),
        ContactChoice::Create(party) => format!("a new contact '{}'", party.name),
    });
    if let Some(contact) = contact {
        compare("contact", existing.contact_id.to_string(), contact, false);
    }
    let unapproved =
        matches!(existing.status.as_str(), "DRAFT" | "SUBMITTED") && document.status() == DocumentStatus::Authorised;
    let void = !existing.is_live();
    if void || unapproved {
        differences.push(Difference { told: format!("status {}", existing.status), hard: void });
    }
    differences
}

/// What a fresh look at a posted record asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterPost {
    /// It is posted and marked.
    Nothing,
    /// It is posted and has to be marked in ConnectWise.
    Mark,
    /// Its content is not what was posted; [`super::edit`] says in what.
    Edited,
    /// A person decides.
    Hold(HoldReason),
}

/// Decides about a record that was posted before: never post it again.
#[must_use]
pub fn after_post(record: &RecordFacts, posted: &Posted) -> AfterPost {
    let edited = |sentence: String| AfterPost::Hold(HoldReason::new(HoldCode::EditedAfterPost, sentence));
    let title = record.title();
    if record.has_content() && record.content_hash() != posted.content {
        return AfterPost::Edited;
    }
    if posted.xero_total != posted.total {
        let sentence =
            format!("Xero calculated {} for {}, ConnectWise has {}.", posted.xero_total, posted.number, posted.total);
        return AfterPost::Hold(HoldReason::new(HoldCode::TotalDiffers, sentence));
    }
    match (record.batch(), record.is_closed()) {
        (Some(_), _) => AfterPost::Nothing,
        (None, true) => AfterPost::Mark,
        (None, false) if matches!(record, RecordFacts::Movement(_)) => edited(format!(
            "{title} is in Xero, but ConnectWise lists it neither as unposted nor in a batch of readypost: it was opened, deleted, or put into a batch by somebody else."
        )),
        (None, false) => edited(format!("{title} was reopened in ConnectWise after it was posted.")),
    }
}
