//! From facts to a draft: one file a kind of record, with what they share beside them.

mod invoice;
mod reference;
mod segments;
mod tax;

pub use invoice::{kind, map, number, rounding_place};
pub use segments::is_non_product_id;
