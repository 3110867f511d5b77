//! Changes of the inventory, and what goods cost that are sold.

use anyhow::anyhow;
use jiff::civil::Date;

use super::scene::{Scene, dec, labour, product};
use super::show;
use super::stage::{Stage, key};
use crate::domain::record::{RecordKind, SourceId};
use crate::simulator::connectwise::{Mapping, NewMovement, NewStock};

/// A stock take, and a sale whose cost is a journal beside its invoice.
pub(super) async fn play(stage: &mut Stage, today: Date, client: i64) -> anyhow::Result<()> {
    show::heading("Inventory: a stock take becomes a journal, found by the sweep");
    let missing = NewStock {
        quantity: dec("-2"),
        unit_cost: dec("50"),
        inventory_account: "620".to_owned(),
        mapping: Mapping { region: "Sydney".to_owned(), ..Mapping::account("310") },
        ..NewStock::default()
    };
    let id = stage.connectwise.add_movement(NewMovement::adjustment("STOCK-11", vec![missing]));
    stage.connectwise.close_adjustment(id).map_err(|refusal| anyhow!("{refusal:?}"))?;
    let adjustment = key(RecordKind::Adjustment, SourceId::try_from(format!("{id}-adjustment"))?)?;
    stage.expect(&adjustment, "STOCK-11".to_owned(), "done", &[]);
    stage.sweep().await?;
    stage.watch(std::slice::from_ref(&adjustment)).await?;
    let scenes = vec![
        Scene::new("1801", client, today, vec![labour("Installation", "1", "165"), product("SSD1", "3", "189.5")])
            .each_line(|line| line.cost = if line.item.is_some() { dec("142.10") } else { dec("0") }),
    ];
    stage.act("A sale and the cost of its goods: an invoice and a journal", scenes).await?;
    for journal in stage.xero.journals() {
        let lines: Vec<String> =
            journal.lines.iter().map(|line| format!("{} {:.2}", line.account_code, line.line_amount)).collect();
        show::say(&format!("journal '{}': {}", journal.narration, lines.join(", ")));
    }
    Ok(())
}
