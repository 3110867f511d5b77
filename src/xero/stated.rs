//! Documents of a list with all that they say: one call for each thousand, where one by one would be a call each.

use std::collections::HashMap;

use uuid::Uuid;

use super::client::Xero;
use super::error::XeroError;
use super::listing::Listing;
use super::lookup::existing;
use super::standing::{Row, Rows};
use super::wire;
use crate::domain::edit::InXero;
use crate::domain::facts::ExistingDocument;

/// A document of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The document.
    pub document: ExistingDocument,
    /// The name of its contact.
    pub contact: String,
    /// What else it says.
    pub content: InXero,
}

impl Xero {
    /// One page of a list, counted from 1, and whether there are more. Void documents are left out.
    ///
    /// # Errors
    /// As [`Xero::documents_of`].
    pub async fn stated_of(&self, listing: Listing, page: u32) -> Result<(Vec<Stated>, bool), XeroError> {
        let (answer, rows, more) = self.listed_page(listing, page).await?;
        let said = wire::parse::<Rows>(&answer.body).map(|rows| rows.rows);
        let unreadable = || XeroError::Malformed { cause: format!("a list of documents: {}", answer.excerpt()) };
        let said = said.ok_or_else(unreadable)?;
        let mut said: HashMap<Uuid, Row> = said.into_iter().map(|row| (row.id, row)).collect();
        let mut stated = Vec::new();
        for row in rows {
            let contact = row.contact.as_ref().and_then(|contact| contact.name.clone()).unwrap_or_default();
            let document = existing(row)?;
            let content = said.remove(&document.id).map(|row| row.content(document.kind));
            let missing = || {
                let (noun, id) = (document.kind.noun(), document.id);
                XeroError::Malformed { cause: format!("the {noun} {id} is not complete") }
            };
            let content = content.ok_or_else(missing)?;
            if document.is_live() {
                stated.push(Stated { document, contact, content });
            }
        }
        Ok((stated, more))
    }
}
