//! GL segments: which of them is the account, which are tracking, which names the item.
//!
//! ConnectWise gives them twice: raw on the GL entries, and joined by ':' in the accounting preview,
//! account segments apart from class segments. The captions decide what each one is.

use crate::domain::facts::{Caption, Detail, SegmentType};

/// The segments of one line, sorted by their meaning.
pub(super) struct Segments {
    /// Account code; empty when ConnectWise has no mapping.
    pub(super) account: String,
    /// The Non-Product ID; none when no segment has that caption.
    pub(super) non_product_id: Option<String>,
    /// Captions and values of the other segments, in order, empty values left out.
    pub(super) tracking: Vec<(String, String)>,
}

/// Reads the segments of `detail`; `raw` are those of its GL entry, where they are known.
pub(super) fn of(detail: &Detail, raw: Option<&Vec<String>>, captions: &[Caption]) -> Segments {
    let values = match raw {
        Some(raw) if raw.iter().any(|value| !value.trim().is_empty()) => raw.clone(),
        _ => joined((&detail.account, &detail.class), captions),
    };
    sorted(&values, captions)
}

/// Reads joined segments: those of the account, and those of the class.
pub(super) fn of_joined(account: &str, class: &str, captions: &[Caption]) -> Segments {
    sorted(&joined((account, class), captions), captions)
}

/// Sorts segments that are not joined.
pub(super) fn sorted(values: &[String], captions: &[Caption]) -> Segments {
    let mut found = Segments { account: String::new(), non_product_id: None, tracking: Vec::new() };
    let mut account_seen = false;
    for (index, value) in values.iter().enumerate() {
        let value = value.trim().to_owned();
        match captions.get(index) {
            Some(caption) if is_non_product_id(caption) => found.non_product_id = Some(value),
            Some(caption) if caption.kind == SegmentType::Class || account_seen => {
                found.tracking.push((caption.name.clone(), value));
            }
            _ if !account_seen => {
                found.account = value;
                account_seen = true;
            }
            _ => {}
        }
    }
    found.tracking.retain(|(_, value)| !value.is_empty());
    found
}

/// Whether the caption names the item of lines without a product, as today's products require it.
#[must_use]
pub fn is_non_product_id(caption: &Caption) -> bool {
    let letters = caption.name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    letters.eq("nonproductid".chars())
}

/// The preview's two joined strings, dealt out to the captions in their order.
fn joined((account, class): (&str, &str), captions: &[Caption]) -> Vec<String> {
    let mut accounts = account.split(':');
    let mut classes = class.split(':');
    if captions.is_empty() {
        return vec![accounts.next().unwrap_or_default().to_owned()];
    }
    let next = |caption: &Caption| match caption.kind {
        SegmentType::Account => accounts.next().unwrap_or_default().to_owned(),
        SegmentType::Class => classes.next().unwrap_or_default().to_owned(),
    };
    captions.iter().map(next).collect()
}
