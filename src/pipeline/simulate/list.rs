//! Which records are simulated.

use super::{Candidate, Simulating, key};
use crate::connectwise::{ConnectWise, OwnedExpense};
use crate::domain::callback::whole_id;
use crate::domain::facts::MovementKind;
use crate::domain::plan::posts;
use crate::domain::record::{ConnectionId, RecordKey, RecordKind, SourceId};
use crate::domain::rules::ExpensesBy;
use crate::domain::statement::Month;
use crate::domain::text::shorten;
use crate::pipeline::parts::{Company, Connection};
use crate::remote::RemoteError;
use crate::xero::{Listing, XeroError};

/// Pages of one list of Xero; a month has fewer documents.
const PAGES_MAX: u32 = 200;

/// The candidates, and what was not looked at.
type Found = (Vec<Candidate>, Vec<String>);

fn told(error: &RemoteError) -> String {
    error.to_string()
}

impl Simulating<'_> {
    fn connection(&self, id: &ConnectionId) -> Result<&Connection, String> {
        let connection = self.parts.connections.get(id);
        connection.ok_or_else(|| format!("the connection '{id}' is not in the configuration"))
    }

    /// The record itself; of a purchase order its purchases that are listed.
    pub(super) async fn of_record(&self, record: &RecordKey) -> Result<Vec<Candidate>, String> {
        let connection = self.connection(&record.connection)?;
        match record.kind {
            RecordKind::Payment => {
                Err("payments are not simulated: what is paid is compared by `readypost reconcile`".to_owned())
            }
            RecordKind::PurchaseOrder => {
                let id = whole_id(record.source.as_str()).and_then(|id| id.as_str().parse::<i64>().ok());
                let id = id.ok_or_else(|| "the id of the order is no whole number".to_owned())?;
                let listed = connection.client.unposted_purchases(id).await.map_err(|error| told(&error))?;
                let sources = listed.into_iter().filter_map(|row| SourceId::try_from(row.id).ok());
                let purchases = sources.map(|source| key(&record.connection, RecordKind::Purchase, source).into());
                let purchases: Vec<Candidate> = purchases.collect();
                let none = || format!("ConnectWise lists nothing of the purchase order {id} as unposted");
                if purchases.is_empty() { Err(none()) } else { Ok(purchases) }
            }
            _ => Ok(vec![record.clone().into()]),
        }
    }

    /// The closed invoices of a month, and what else is unposted.
    pub(super) async fn of_month(&mut self, company: &Company, month: Month) -> Result<Found, String> {
        self.tell("closed invoices in ConnectWise", 0, 0);
        let client = &self.connection(&company.connection)?.client;
        let listed = client.closed_invoices(month.first(), month.last()).await.map_err(|error| told(&error))?;
        let of_invoice = |invoice: crate::domain::facts::Invoice| Candidate {
            key: key(&company.connection, RecordKind::Invoice, invoice.id.into()),
            invoice: Some(invoice),
        };
        let mut candidates: Vec<Candidate> = listed.into_iter().map(of_invoice).collect();
        self.documents(company, month).await?;
        let (others, mut notes) = self.others(company).await?;
        candidates.extend(others);
        notes.push(
            "Invoices that are in a batch already are compared by number, date and sums: ConnectWise previews the lines of what is unposted only."
                .to_owned(),
        );
        if let Some(start) = company.rules.start_date.filter(|start| *start > month.first()) {
            notes.push(format!(
                "`start_date` is {start}: what is dated before is not posted, and simulated here as if that were not so."
            ));
        }
        notes.push(
            "Of purchases, expenses and changes of the inventory only those that are unposted are listed by ConnectWise."
                .to_owned(),
        );
        Ok((candidates, notes))
    }

    /// What Xero has of a month's sales: a call for each thousand, instead of one for each record.
    async fn documents(&mut self, company: &Company, month: Month) -> Result<(), String> {
        for listing in Listing::between(month.first(), month.last(), false) {
            for page in 1..=PAGES_MAX {
                self.tell("documents in Xero", 0, 0);
                let (rows, more) = loop {
                    match company.client.stated_of(listing, page).await {
                        Err(XeroError::Wait { until, .. }) => self.wait(until).await,
                        answer => break answer.map_err(|error| error.to_string())?,
                    }
                };
                for row in rows {
                    let name = (row.document.kind, row.document.number.to_ascii_lowercase());
                    self.listed.entry(name).or_default().push(row);
                }
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Everything that ConnectWise lists as unposted.
    pub(super) async fn unposted(&self, company: &Company) -> Result<Found, String> {
        self.tell("unposted invoices in ConnectWise", 0, 0);
        let client = &self.connection(&company.connection)?.client;
        let listed = client.unposted_invoices().await.map_err(|error| told(&error))?;
        let mut notes = listed.odd;
        let owners = client.invoices_of(&listed.rows).await.map_err(|error| told(&error))?;
        let mut candidates: Vec<Candidate> = Vec::new();
        for (row, owners) in listed.rows.iter().zip(owners) {
            if owners.is_empty() {
                let number = shorten(row.number.trim(), 40);
                notes.push(format!("No invoice in ConnectWise is the unposted one of number '{number}'."));
            }
            let keys = owners.into_iter().map(|id| key(&company.connection, RecordKind::Invoice, id.into()));
            candidates.extend(keys.map(Candidate::from));
        }
        let (others, more) = self.others(company).await?;
        candidates.extend(others);
        notes.extend(more);
        Ok((candidates, notes))
    }

    /// Purchases, expenses and changes of the inventory that are unposted; a list that cannot be read is a note.
    async fn others(&self, company: &Company) -> Result<Found, String> {
        let (client, id) = (&self.connection(&company.connection)?.client, &company.connection);
        let (mut candidates, mut notes) = (Vec::new(), Vec::new());
        let mut take = |what: &str, found: Result<Found, RemoteError>| match found {
            Ok((found, odd)) => {
                candidates.extend(found);
                notes.extend(odd);
            }
            Err(error) => notes.push(format!("Unposted {what} were not looked at: {error}.")),
        };
        self.tell("unposted purchases in ConnectWise", 0, 0);
        take("purchases", purchases(client, id).await);
        if company.rules.expenses != ExpensesBy::Off {
            self.tell("unposted expenses in ConnectWise", 0, 0);
            take("expenses", expenses(client, id, company.rules.expenses).await);
        }
        for (kind, of) in
            [(MovementKind::Adjustment, RecordKind::Adjustment), (MovementKind::Transfer, RecordKind::Transfer)]
        {
            if posts(kind, &company.rules) {
                self.tell("unposted changes of the inventory in ConnectWise", 0, 0);
                take("changes of the inventory", movements(client, id, (kind, of)).await);
            }
        }
        Ok((candidates, notes))
    }
}

async fn purchases(client: &ConnectWise, id: &ConnectionId) -> Result<Found, RemoteError> {
    let listed = client.all_unposted_purchases().await?;
    let mut notes = listed.odd;
    let mut candidates: Vec<Candidate> = Vec::new();
    for (row, _) in listed.rows {
        match SourceId::try_from(row.id.clone()) {
            Ok(source) => candidates.push(key(id, RecordKind::Purchase, source).into()),
            Err(error) => notes.push(format!("The unposted purchase '{}': {error}.", shorten(&row.id, 60))),
        }
    }
    Ok((candidates, notes))
}

async fn expenses(client: &ConnectWise, id: &ConnectionId, by: ExpensesBy) -> Result<Found, RemoteError> {
    let listed = client.unposted_expenses().await?;
    let mut notes = listed.odd;
    let owners = client.entries_of(&listed.rows).await?;
    let mut keys: Vec<RecordKey> = Vec::new();
    for (row, owners) in listed.rows.iter().zip(owners) {
        if owners.is_empty() {
            let whose = shorten(&row.member, 40);
            notes.push(format!("No expense entry in ConnectWise is the unposted one of {whose}."));
        }
        for OwnedExpense { entry, report } in owners {
            let key = match report.filter(|_| by == ExpensesBy::Report) {
                Some(report) => key(id, RecordKind::ExpenseReport, report.into()),
                None => key(id, RecordKind::Expense, entry.into()),
            };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    Ok((keys.into_iter().map(Candidate::from).collect(), notes))
}

async fn movements(
    client: &ConnectWise,
    id: &ConnectionId,
    (kind, of): (MovementKind, RecordKind),
) -> Result<Found, RemoteError> {
    let listed = client.unposted_movements(kind).await?;
    let mut notes = listed.odd;
    let mut candidates: Vec<Candidate> = Vec::new();
    for row in listed.rows {
        match SourceId::try_from(row.id.clone()) {
            Ok(source) => candidates.push(key(id, of, source).into()),
            Err(error) => notes.push(format!("The unposted change '{}': {error}.", shorten(&row.id, 60))),
        }
    }
    Ok((candidates, notes))
}
