//! Reference and description templates.

use crate::domain::facts::Detail;
use crate::domain::text::shorten;

/// Xero's longest reference.
const REFERENCE_CHARS_MAX: usize = 255;
/// Xero's longest line description.
const DESCRIPTION_CHARS_MAX: usize = 4000;

/// Fills the placeholders of a reference.
///
/// Parts between ` | ` whose placeholders are all empty are dropped, with their separator.
pub(super) fn reference(template: &str, values: &[(&str, &str)]) -> String {
    let parts: Vec<String> = template.split('|').filter_map(|part| fill(part.trim(), values)).collect();
    shorten(&parts.join(" | "), REFERENCE_CHARS_MAX)
}

/// Fills `{description}`, `{item}` and `{quantity}`; never empty, because Xero refuses that.
pub(super) fn description(template: &str, detail: &Detail, fallback: &str) -> String {
    let quantity = detail.quantity.map(|quantity| quantity.abs().normalize().to_string()).unwrap_or_default();
    let values = [
        ("{description}", detail.description.trim()),
        ("{item}", detail.item.as_deref().unwrap_or_default()),
        ("{quantity}", quantity.as_str()),
    ];
    let text = fill(template.trim(), &values).unwrap_or_default();
    let fallback = detail.item.as_deref().unwrap_or(fallback);
    shorten(if text.is_empty() { fallback } else { &text }, DESCRIPTION_CHARS_MAX)
}

/// The part with its placeholders filled; none when it has placeholders and all of them are empty.
fn fill(part: &str, values: &[(&str, &str)]) -> Option<String> {
    let used: Vec<&(&str, &str)> = values.iter().filter(|(name, _)| part.contains(name)).collect();
    if part.is_empty() || (!used.is_empty() && used.iter().all(|(_, value)| value.trim().is_empty())) {
        return None;
    }
    Some(used.iter().fold(part.to_owned(), |text, (name, value)| text.replace(name, value.trim())).trim().to_owned())
}
