//! `readypost doctor` finds in the set-up of both systems what would hold records later.

use std::path::Path;

use crate::harness::{Differently, World};

/// Runs the program; its exit code and what it printed.
async fn doctor(file: &Path) -> (i32, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
    let output = command.arg("doctor").arg("--config").arg(file).output().await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn a_set_up_that_is_right_has_nothing_to_correct() {
    let rules = "invoice_statuses = [\"Ready to Post\"]\npurchase_statuses = [\"Ready to Post\"]\n\
                 untaxed_purchases = \"GST Free Expenses\"\npurchase_tax_names = { GST = \"GST on Expenses\" }\n";
    let world = World::with(Differently { rules, ..Differently::default() }).await;
    let (code, text) = doctor(&world.file()).await;
    assert_eq!(code, 0, "{text}");
    for line in [
        "the billing status 'Ready to Post' closes its records",
        "the purchase order status 'Ready to Post' closes its records",
        "GST on Expenses' is 10 % (INPUT), for purchases",
        "answers as '",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert_eq!(world.xero.documents().len(), 0, "nothing is written");
}

#[tokio::test]
async fn what_would_hold_records_is_found() {
    let rules = "invoice_statuses = [\"Ready to Past\", \"Hold\"]\npurchase_statuses = [\"Waiting\"]\n\
                 untaxed_purchases = \"GST Free Income\"\nrounding_account = \"999\"\ndrop_ship_account = \"998\"\nadjustments = \"journal\"\n";
    let world = World::with(Differently { rules, ..Differently::default() }).await;
    let _ = world.connectwise.add_purchase_status("Waiting", false);
    let address = "https://hooks.example.com";
    let url = format!("{address}/callbacks/acme?recordId=");
    world.connectwise.register_callback(&url, "invoice", "owner", 1).unwrap();
    world.rewrite(&world.configuration().replace("[server]", &format!("[server]\npublic_url = \"{address}\"")));
    let (code, text) = doctor(&world.file()).await;
    assert_eq!(code, 1, "{text}");
    for line in [
        "there is no billing status 'Ready to Past'",
        "the billing status 'Hold' is an open one",
        "the purchase order status 'Waiting' is an open one",
        "tax rate 'GST Free Income' is archived or not for purchases",
        "there is no active rounding account",
        "there is no account 998 (set `drop_ship_account`)",
        "`start_date` is not set: the sweep posts what was closed from 35 days",
        "invoice callback",
        "no expense callback leads to https://hooks.example.com/callbacks/acme",
        "no purchaseorder callback leads to https://hooks.example.com/callbacks/acme",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
