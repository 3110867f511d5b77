//! A statement for a spreadsheet.

use super::Statement;
use crate::domain::money::Money;

impl Statement {
    /// The lines as comma-separated values, for a spreadsheet.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "company,month,ledger,currency,record,number,party,date,standing,closed,in_xero,difference,explained,paid_in_connectwise,paid_in_xero,note,xero_link,connectwise_link\r\n",
        );
        let money = |money: Option<Money>| money.map(|money| money.to_string()).unwrap_or_default();
        for (section, line) in
            self.sections.iter().flat_map(|section| section.lines.iter().map(move |line| (section, line)))
        {
            let cells = [
                self.company.to_string(),
                self.month.to_string(),
                section.ledger.as_str().to_owned(),
                section.currency.clone(),
                line.key.as_ref().map(ToString::to_string).unwrap_or_default(),
                line.number.clone(),
                line.party.to_string(),
                line.date.map(|date| date.to_string()).unwrap_or_default(),
                line.standing.as_str().to_owned(),
                money(line.closed),
                money(line.in_xero),
                line.difference.to_string(),
                if line.explained { "yes" } else { "" }.to_owned(),
                money(line.paid_in_connectwise),
                money(line.paid_in_xero),
                line.note.clone(),
                line.xero_link.clone().unwrap_or_default(),
                line.connectwise_link.clone().unwrap_or_default(),
            ];
            text.push_str(&cells.map(|cell| csv_cell(&cell)).join(","));
            text.push_str("\r\n");
        }
        text
    }
}

/// A cell that a spreadsheet takes as text, whatever ConnectWise or Xero let somebody type.
pub(in crate::domain) fn csv_cell(text: &str) -> String {
    let is_number = text.parse::<rust_decimal::Decimal>().is_ok();
    // A formula would run in the reader's spreadsheet.
    let formula = !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_gets_text_and_no_formula() {
        let cells = ["=1+1", "+61 2", "-12.50", "@a", "a,b", "say \"x\"", "line\nbreak", ""].map(csv_cell);
        assert_eq!(cells, ["'=1+1", "'+61 2", "-12.50", "'@a", "\"a,b\"", "\"say \"\"x\"\"\"", "\"line\nbreak\"", ""]);
    }
}
