//! From a record to ConnectWise's own pages: only where an address is documented, and the same on the page, in JSON and on
//! the command line.

use serde_json::{Value, json};

use crate::expenses::Spending;
use crate::harness::{TOKEN, World, labour};
use crate::inventory;
use crate::purchases::Buying;

/// The page of a client or vendor at the simulator.
fn opens(world: &World, id: i64) -> Value {
    let api = world.connectwise.api_url();
    let (site, _) = api.split_once("/v4_6_release").unwrap();
    let opener = "/v4_6_release/services/system_io/router/openrecord.rails?locale=en_US&companyName=acme";
    json!(format!("{site}{opener}&recordType=CompanyFV&recid={id}"))
}

/// The link to the client of a record.
async fn link(world: &World, key: &str) -> Value {
    let record = world.get(&format!("/api/v1/records/{key}")).await["record"].clone();
    // A list says the same.
    let listed = world.get(&format!("/api/v1/records?q={key}")).await["records"][0].clone();
    assert_eq!((&record["key"], &listed["key"]), (&json!(key), &json!(key)));
    assert_eq!(record["client_link"], listed["client_link"], "{key}");
    record["client_link"].clone()
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
    let client = opens(&world, world.client);
    for invoice in [held, done] {
        assert_eq!(link(&world, &format!("acme/invoice/{invoice}")).await, client);
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
async fn a_bill_leads_to_its_vendor_and_an_expense_nowhere() {
    let buying = Buying::new().await;
    let order = buying.order(&["5"]);
    buying.close(order, "S");
    buying.world.settle().await;
    let vendor = opens(&buying.world, buying.vendor);
    for key in [format!("acme/purchase/{order}-S-purchase"), format!("acme/purchase_order/{order}")] {
        assert_eq!(link(&buying.world, &key).await, vendor, "{key}");
    }
    let spending = Spending::by_entry().await;
    let entry = spending.approved(vec![spending.parking()])[0];
    spending.world.settle().await;
    // Members have no page that is documented.
    assert_eq!(link(&spending.world, &format!("acme/expense/{entry}")).await, Value::Null);
}

#[tokio::test]
async fn a_report_and_a_change_of_the_inventory_lead_nowhere() {
    let spending = Spending::new().await;
    let entry = spending.approved(vec![spending.parking()])[0];
    spending.world.settle().await;
    let report = format!("acme/expense_report/{}", spending.report(entry));
    assert_eq!(link(&spending.world, &report).await, Value::Null);
    let world = inventory::stocked().await;
    let (_, key) = inventory::closed(&world, inventory::loss("shrinkage"));
    inventory::sweep(&world).await;
    world.settle().await;
    assert_eq!(link(&world, &key).await, Value::Null);
}
