//! From a record to ConnectWise's own pages: only where an address is documented, and the same on the page, in JSON and on
//! the command line.

use serde_json::{Value, json};

use crate::expenses::Spending;
use crate::harness::{TOKEN, World, labour};
use crate::inventory;
use crate::purchases::Buying;

/// The page of a record at the simulator.
fn opens(world: &World, record_type: &str, id: i64) -> Value {
    let api = world.connectwise.api_url();
    let (site, _) = api.split_once("/v4_6_release").unwrap();
    let opener = "/v4_6_release/services/system_io/router/openrecord.rails?locale=en_US&companyName=acme";
    json!(format!("{site}{opener}&recordType={record_type}&recid={id}"))
}

/// The links of a record: of its client, and of itself.
async fn links(world: &World, key: &str) -> [Value; 2] {
    let record = world.get(&format!("/api/v1/records/{key}")).await["record"].clone();
    // A list says the same.
    let listed = world.get(&format!("/api/v1/records?q={key}")).await["records"][0].clone();
    assert_eq!((&record["key"], &listed["key"]), (&json!(key), &json!(key)));
    ["client_link", "connectwise_link"].map(|name| {
        assert_eq!(record[name], listed[name], "{key} {name}");
        record[name].clone()
    })
}

#[tokio::test]
async fn an_invoice_leads_to_its_client_held_or_posted() {
    let world = World::new().await;
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let [held, done] = [line, labour("1", "100")].map(|line| {
        let invoice = world.invoice(if line.account == "999" { "1001" } else { "1002" }, vec![line]);
        world.ready(invoice);
        invoice
    });
    world.settle().await;
    assert_eq!([world.state(held).await, world.state(done).await], ["held unknown_account", "done"]);
    let client = opens(&world, "CompanyFV", world.client);
    for invoice in [held, done] {
        assert_eq!(links(&world, &format!("acme/invoice/{invoice}")).await, [client.clone(), Value::Null]);
        let page = world.http.get(format!("{}/status/records/acme/invoice/{invoice}", world.url));
        let page = page.header("accept", "text/html").bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        let shown = client.as_str().unwrap().replace('&', "&amp;");
        assert!(
            page.contains(&format!("<a href=\"{shown}\" rel=\"noreferrer\">Blue Gum Dental in ConnectWise</a>")),
            "{page}"
        );
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
    command.args(["records", "show", &format!("acme/invoice/{held}"), "--url", &world.url, "--token", TOKEN]);
    let said = String::from_utf8(command.output().await.unwrap().stdout).unwrap();
    assert!(said.contains(client.as_str().unwrap()), "{said}");
}

#[tokio::test]
async fn a_bill_leads_to_its_vendor_and_an_expense_entry_to_itself() {
    let buying = Buying::new().await;
    let order = buying.order(&["5"]);
    buying.close(order, "S");
    buying.world.settle().await;
    let vendor = opens(&buying.world, "CompanyFV", buying.vendor);
    for key in [format!("acme/purchase/{order}-S-purchase"), format!("acme/purchase_order/{order}")] {
        assert_eq!(links(&buying.world, &key).await, [vendor.clone(), Value::Null], "{key}");
    }
    let spending = Spending::by_entry().await;
    let entry = spending.approved(vec![spending.parking()])[0];
    spending.world.settle().await;
    let own = opens(&spending.world, "ExpenseFV", entry);
    // Members have no page that is documented.
    assert_eq!(links(&spending.world, &format!("acme/expense/{entry}")).await, [Value::Null, own]);
}

#[tokio::test]
async fn a_report_and_a_change_of_the_inventory_lead_nowhere() {
    let spending = Spending::new().await;
    let entry = spending.approved(vec![spending.parking()])[0];
    spending.world.settle().await;
    let report = format!("acme/expense_report/{}", spending.report(entry));
    assert_eq!(links(&spending.world, &report).await, [Value::Null, Value::Null]);
    let world = inventory::stocked().await;
    let (_, key) = inventory::closed(&world, inventory::loss("shrinkage"));
    inventory::sweep(&world).await;
    world.settle().await;
    assert_eq!(links(&world, &key).await, [Value::Null, Value::Null]);
}
