//! What Xero's refusals mean. They have no codes, so the words decide; the words are always kept.

use super::error::XeroError;
use crate::domain::hold::{HoldCode, HoldReason};

/// What a refusal means for the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The number is taken.
    Taken,
    /// The key was used for something else: its request may have been handled.
    KeyUsed,
    /// A person has to act.
    Hold(HoldCode),
}

/// How a message begins, what it contains further on, and what it means; the first row that fits any
/// message decides. All in lower case.
const TABLE: &[(&str, &str, Verdict)] = &[
    ("invoice #", "unique", Verdict::Taken),
    ("credit note #", "unique", Verdict::Taken),
    ("creditnote #", "unique", Verdict::Taken),
    ("invoice number", "unique", Verdict::Taken),
    ("credit note number", "unique", Verdict::Taken),
    ("creditnotenumber", "unique", Verdict::Taken),
    ("invoicenumber", "unique", Verdict::Taken),
    ("this invoice number", "unique", Verdict::Taken),
    ("this credit note number", "unique", Verdict::Taken),
    ("the invoice number", "unique", Verdict::Taken),
    ("the credit note number", "unique", Verdict::Taken),
    // A creation that Xero takes for a change has met a document of its number.
    ("invoice not of valid status for modification", "", Verdict::Taken),
    ("credit note not of valid status for modification", "", Verdict::Taken),
    ("document not of valid status", "", Verdict::Taken),
    ("idempotency key:", "is used with a different request", Verdict::KeyUsed),
    ("the document date cannot be before the", "lock date", Verdict::Hold(HoldCode::PeriodLocked)),
    ("organisation accounts are locked", "", Verdict::Hold(HoldCode::PeriodLocked)),
    ("the contact with the specified contact details has been archived", "", Verdict::Hold(HoldCode::ArchivedContact)),
    ("the specified contact details matched an archived contact", "", Verdict::Hold(HoldCode::ArchivedContact)),
    ("the contact name", "already assigned to another contact", Verdict::Hold(HoldCode::SimilarContact)),
    ("the existing contact with name", "cannot be updated", Verdict::Hold(HoldCode::SimilarContact)),
    ("another contact has this contact number", "", Verdict::Hold(HoldCode::DuplicateContact)),
    ("account code '", "has been archived", Verdict::Hold(HoldCode::UnusableAccount)),
    ("account code '", "is not a valid code", Verdict::Hold(HoldCode::UnknownAccount)),
    ("account code must be specified", "", Verdict::Hold(HoldCode::UnknownAccount)),
    ("the account code or id must be specified", "", Verdict::Hold(HoldCode::UnknownAccount)),
    ("account type is invalid for making a payment", "", Verdict::Hold(HoldCode::UnusableAccount)),
    ("the taxtype code '", "does not exist", Verdict::Hold(HoldCode::UnknownTax)),
    ("the taxtype code '", "cannot be used with account code", Verdict::Hold(HoldCode::UnusableTax)),
    ("the tracking ", "could not be found", Verdict::Hold(HoldCode::UnknownTracking)),
    ("organisation is not subscribed to currency", "", Verdict::Hold(HoldCode::CurrencyNotEnabled)),
    ("the current organisation is not subscribed to currency", "", Verdict::Hold(HoldCode::CurrencyNotEnabled)),
    ("you have reached the limit of invoices you can approve", "", Verdict::Hold(HoldCode::XeroPlanLimit)),
    ("you have reached the limit of", "approve", Verdict::Hold(HoldCode::XeroPlanLimit)),
    ("the line total", "does not match the expected line total", Verdict::Hold(HoldCode::OutOfBalance)),
    ("the document total does not equal", "", Verdict::Hold(HoldCode::OutOfBalance)),
    ("the invoice total does not equal", "", Verdict::Hold(HoldCode::OutOfBalance)),
    ("the tax amount cannot be greater than the line amount", "", Verdict::Hold(HoldCode::OutOfBalance)),
    ("tax amount cannot be greater than the line amount", "", Verdict::Hold(HoldCode::OutOfBalance)),
];

/// The error that these messages of one element amount to.
pub(super) fn refusal(messages: &[String]) -> XeroError {
    let words = messages.join("; ");
    match verdict(messages) {
        Verdict::Taken => XeroError::NumberTaken { message: words },
        Verdict::KeyUsed => XeroError::ServerError { cause: words },
        Verdict::Hold(code) => {
            let said = if words.is_empty() { "nothing more".to_owned() } else { format!("\"{words}\"") };
            let reason = HoldReason::new(code, format!("Xero refused it and said {said}"));
            XeroError::Refused(if words.is_empty() { reason } else { reason.caused_by(words) })
        }
    }
}

/// Whether the e-mail address is all that Xero has against a contact.
pub(super) fn is_about_email_only(messages: &[String]) -> bool {
    !messages.is_empty()
        && messages.iter().all(|message| begins(&message.to_lowercase(), "email address must be valid"))
}

fn verdict(messages: &[String]) -> Verdict {
    let lower: Vec<String> = messages.iter().map(|message| message.to_lowercase()).collect();
    let says = |start: &str, rest: &str| {
        lower.iter().any(|message| sentence(message, start).is_some_and(|from| from.contains(rest)))
    };
    let row = TABLE.iter().find(|(start, rest, _)| says(start, rest));
    row.map_or(Verdict::Hold(HoldCode::RefusedByXero), |(_, _, verdict)| *verdict)
}

fn begins(message: &str, start: &str) -> bool {
    sentence(message, start).is_some()
}

/// The message from where a sentence of it begins so: Xero joins several by commas, semicolons or full stops.
fn sentence<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    let starts = message.match_indices(start).filter_map(|(at, _)| {
        let before = message.get(..at)?.trim_end();
        let is_start = before.is_empty() || (before.len() < at && before.ends_with([',', ';', '.', '!', '|']));
        if is_start || before.ends_with('\n') { message.get(at..) } else { None }
    });
    starts.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::HoldCode as Code;
    use super::*;

    fn of(messages: &[&str]) -> XeroError {
        refusal(&messages.iter().map(|&message| message.to_owned()).collect::<Vec<_>>())
    }

    /// Every message known for this API, with the hold that it becomes.
    const MESSAGES: &[(Code, &str)] = &[
        (
            Code::SimilarContact,
            "The contact name X is already assigned to another contact. The contact name must be unique across all active contacts.",
        ),
        (
            Code::SimilarContact,
            "The existing contact with name \"[A]\" cannot be updated to use new name \"[B]\". The name is taken.",
        ),
        (Code::DuplicateContact, "Another contact has this contact number. Please enter a different contact number."),
        (Code::RefusedByXero, "The Account Number already exists. Please enter a different Account Number."),
        (
            Code::ArchivedContact,
            "The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes.",
        ),
        (
            Code::ArchivedContact,
            "The specified contact details matched an archived contact. Archived contacts cannot currently be edited via the API.",
        ),
        (
            Code::RefusedByXero,
            "The Contact must contain at least 1 of the following elements to identify the contact: Name, ContactID, ContactNumber",
        ),
        (Code::UnknownAccount, "Account code '999' is not a valid code for this document."),
        (
            Code::UnusableAccount,
            "Account code '299' has been archived, or has been deleted. Each line item must reference a valid account.",
        ),
        (
            Code::UnusableAccount,
            "Account code '299' has been archived or has been deleted. Each line item must reference a valid account.",
        ),
        (Code::UnknownAccount, "Account code must be specified"),
        (Code::UnknownAccount, "The account code or ID must be specified"),
        (Code::UnusableAccount, "Account type is invalid for making a payment to/from"),
        (Code::UnknownTax, "The TaxType code 'X' does not exist or cannot be used with this type of transaction."),
        (Code::UnusableTax, "The TaxType code 'INPUT' cannot be used with account code '200'."),
        (Code::RefusedByXero, "Account must be valid."),
        (Code::RefusedByXero, "Tax rate must be valid."),
        (Code::PeriodLocked, "The document date cannot be before the period lock date, currently set at 30-Nov-2018"),
        (
            Code::PeriodLocked,
            "The document date cannot be before the end of year lock date, currently set at 30-Nov-2018, The document date cannot be before the period lock date, currently set at 30-Nov-2018",
        ),
        (Code::PeriodLocked, "Organisation accounts are locked on the specified payment"),
        (Code::RefusedByXero, "This document cannot be edited as it has a payment or credit note allocated to it."),
        (
            Code::RefusedByXero,
            "The status VOIDED cannot be applied to the invoice because it has payments or credit notes allocated to it.",
        ),
        (Code::OutOfBalance, "The line total 9.50 does not match the expected line total 10.00"),
        (Code::OutOfBalance, "The document total does not equal the sum of the lines."),
        (Code::OutOfBalance, "The invoice total does not equal the sum of the lines."),
        (Code::RefusedByXero, "The quantity value '-1.0000' is invalid. Quantity must not be less than zero."),
        (Code::RefusedByXero, "The discount rate 'x' is invalid. Discount must not be greater than the line total."),
        (Code::OutOfBalance, "The tax amount cannot be greater than the line amount!"),
        (Code::OutOfBalance, "Tax amount cannot be greater than the line amount"),
        (Code::CurrencyNotEnabled, "Organisation is not subscribed to currency EUR"),
        (Code::CurrencyNotEnabled, "The current organisation is not subscribed to currency 'EUR'."),
        (
            Code::RefusedByXero,
            "Payment amount exceeds the amount outstanding on this document; Payments can only be made against Authorised documents",
        ),
        (Code::RefusedByXero, "Item Code is invalid."),
        (Code::RefusedByXero, "Email address must be valid."),
        (Code::RefusedByXero, "You can only have a maximum of 5 contact persons."),
        (Code::RefusedByXero, "An existing Invoice with the specified ID could not be found"),
        (Code::RefusedByXero, "The document total must be greater than 0."),
        (Code::RefusedByXero, "Contact Name cannot be empty."),
        (Code::UnknownTracking, "The tracking option 'Perth' could not be found in tracking category 'Region'."),
        (Code::XeroPlanLimit, "You have reached the limit of invoices you can approve."),
        (Code::XeroPlanLimit, "YOU HAVE REACHED THE LIMIT OF INVOICES YOU CAN APPROVE"),
    ];

    #[test]
    fn every_known_message_has_its_code() {
        for (code, message) in MESSAGES {
            let XeroError::Refused(reason) = of(&[message]) else { panic!("{message}") };
            assert_eq!(reason.code, *code, "{message}");
            assert!(reason.sentence.as_str().contains(message), "{}", reason.sentence);
        }
    }

    #[test]
    fn a_taken_number_is_seen_among_anything_else() {
        for message in [
            "Invoice # must be unique.",
            "invoice # must be unique",
            "Credit note # must be unique.",
            "Credit Note Number must be unique",
            "This invoice number must be unique.",
            "Invoice not of valid status for modification",
            "Credit Note not of valid status for modification",
            "Document not of valid status for modification",
            "Account code must be specified; Invoice # must be unique.",
        ] {
            assert!(matches!(of(&["Account must be valid.", message]), XeroError::NumberTaken { .. }), "{message}");
        }
        // Words of a person are no sentence of Xero.
        let named = "The contact name Invoice # must be unique is already assigned to another contact.";
        assert!(matches!(of(&[named]), XeroError::Refused(HoldReason { code: HoldCode::SimilarContact, .. })));
        let used = "Idempotency Key: k is used with a different request.";
        assert!(matches!(of(&[used]), XeroError::ServerError { .. }));
    }

    #[test]
    fn all_words_are_quoted_and_the_graver_one_decides() {
        let both = of(&["Item Code is invalid.", "Account code '9' is not a valid code for this document."]);
        let XeroError::Refused(reason) = both else { panic!("{both:?}") };
        assert_eq!(reason.code, HoldCode::UnknownAccount);
        assert_eq!(
            reason.sentence.as_str(),
            "Xero refused it and said \"Item Code is invalid.; Account code '9' is not a valid code for this document.\""
        );
        assert!(matches!(of(&[]), XeroError::Refused(HoldReason { code: HoldCode::RefusedByXero, .. })));
        assert!(is_about_email_only(&["Email address must be valid.".to_owned()]));
        assert!(!is_about_email_only(&["Email address must be valid.".to_owned(), "x".to_owned()]));
    }
}
