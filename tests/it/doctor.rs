//! `readypost doctor` finds in the set-up of both systems what would hold records later.

use std::path::Path;

use crate::harness::{Differently, World};
use crate::receivers::{Hook, Manner, Smtp};

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

/// Without what makes columns of it.
fn unspaced(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn channels_of_alerts_are_greeted_and_told_nothing() {
    let world = World::new().await;
    let (hook, mail, refuses) =
        (Hook::start().await, Smtp::start(Manner::Plain, None).await, Smtp::start(Manner::RefusesUsers, None).await);
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = gone.local_addr().unwrap();
    drop(gone);
    let slack = |name: &str, address: &str| {
        format!("\n[[alert]]\nname = {name:?}\nchannel = \"slack\"\nurl = \"{address}/services/planted-secret\"\n")
    };
    let email = |name: &str, port: u16, more: &str| {
        format!(
            "\n[[alert]]\nname = {name:?}\nchannel = \"email\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             security = \"none\"\nfrom = \"rp@example.com\"\nto = [\"desk@example.com\"]\n{more}\n"
        )
    };
    let user = "user = \"planted-user\"\npassword = \"planted-password\"\n";
    let good = [slack("chat", &hook.address), email("mail", mail.port, "")].concat();
    let text = world.configuration();
    world.rewrite(&(text.clone() + &good));
    let (_, said) = doctor(&world.file()).await;
    let said = unspaced(&said);
    for line in [
        "ok alert chat its host answers by slack; `readypost alerts test --channel chat` sends a message",
        "ok alert mail the mail server answers, and takes who greets it by email",
    ] {
        assert!(said.contains(line), "{line} is missing in\n{said}");
    }
    let asked: Vec<String> = hook.take().into_iter().map(|got| got.asked).collect();
    assert_eq!(asked, ["HEAD /"], "neither a message nor its address");
    assert!(mail.said()[0].starts_with("EHLO") && mail.said().iter().all(|line| !line.starts_with("MAIL")));
    let bad = [slack("nobody", &format!("http://{nobody}")), email("user", refuses.port, user)].concat();
    world.rewrite(&(text + &good + &bad));
    let (code, said) = doctor(&world.file()).await;
    let said = unspaced(&said);
    assert_eq!(code, 1, "{said}");
    for line in [
        "WRONG alert nobody cannot be told by slack: ",
        "WRONG alert user cannot be told by email: the mail server does not accept user and password (535)",
    ] {
        assert!(said.contains(line), "{line} is missing in\n{said}");
    }
    assert!(!said.contains("planted"), "{said}");
    assert_eq!((mail.mails().len(), refuses.mails().len()), (0, 0));
}
