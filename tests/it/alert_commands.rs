//! The real program tells its channels by itself, also over TLS, and its commands say what came back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::alerts::secret;
use crate::harness::{TOKEN, World};
use crate::process::Service;
use crate::receivers::{Certificate, Hook, Manner, Says, Smtp};

/// What a command says, and its exit code.
async fn said(service: &Service, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
    let output = command.args(arguments).args(["--url", &service.url, "--token", TOKEN]).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_program_tells_over_tls_and_its_commands_say_what_came_back() {
    let world = World::new().await;
    let certificate = Certificate::of(&["localhost"]);
    let (tls, starttls) =
        (Smtp::start(Manner::Tls, Some(&certificate)).await, Smtp::start(Manner::Starttls, Some(&certificate)).await);
    let hook = Hook::start().await;
    let email = |name: &str, port: u16, security: &str| {
        format!(
            "\n[[alert]]\nname = {name:?}\nchannel = \"email\"\nhost = \"localhost\"\nport = {port}\nuser = \"mailer\"\n\
             security = {security:?}\nfrom = \"rp@example.com\"\nto = [\"finance@example.com\"]\n"
        )
    };
    let signed = format!("\n[[alert]]\nname = \"hook\"\nchannel = \"webhook\"\nsecret = {:?}\n", secret());
    let folder = tempfile::tempdir().unwrap();
    let (file, log, url) = (folder.path().join("readypost.toml"), folder.path().join("log"), folder.path().join("url"));
    std::fs::write(&url, format!("{}/in\n", hook.address)).unwrap();
    let text = world.configuration().replace(world.folder().to_str().unwrap(), folder.path().to_str().unwrap());
    let signed = format!("{signed}url_file = {url:?}\n");
    let channels = [email("tls", tls.port, "tls"), email("upgraded", starttls.port, "starttls"), signed];
    std::fs::write(&file, text.clone() + &channels.concat()).unwrap();
    let trusted = format!("SSL_CERT_FILE={}", certificate.issuer.display());
    let passwords = ["READYPOST_ALERT_TLS_PASSWORD=pass-one", "READYPOST_ALERT_UPGRADED_PASSWORD=pass-two"];
    let wrapper = ["env", &trusted, passwords[0], passwords[1]];
    let service = Service::start(&wrapper, &file, &log).await.unwrap();
    let (code, text) = said(&service, &["alerts", "test"]).await;
    assert_eq!(code, Some(0), "{text}");
    for part in ["tls ", "upgraded ", "hook ", "250 2.0.0 queued as 1", "HTTP 200 ok"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for server in [&tls, &starttls] {
        assert_eq!(server.mails().len(), 1);
        assert!(server.mails()[0].contains("readypost: a test of alerts"));
        assert_eq!(server.said().iter().filter(|line| line.starts_with("AUTH PLAIN ")).count(), 1);
    }
    // Both greet again after the upgrade, and who it is was said only then.
    let order: Vec<String> =
        starttls.said().iter().map(|line| line.split(' ').next().unwrap().to_owned()).take(4).collect();
    assert_eq!(order, ["EHLO", "STARTTLS", "EHLO", "AUTH"]);
    assert_eq!(hook.take()[0].json()["type"], "readypost.test");
    let (code, text) = said(&service, &["alerts", "list"]).await;
    assert_eq!((code, text.contains("Nothing stands.")), (Some(0), true), "{text}");
    // Without being asked, it tells what stands.
    assert_eq!(said(&service, &["companies", "pause", "acme-au", "--note", "audit"]).await.0, Some(0));
    let begun = Instant::now();
    while hook.got().is_empty() || tls.mails().len() < 2 || starttls.mails().len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(40), "{}", std::fs::read_to_string(&log).unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(hook.got()[0].json()["data"]["new"][0]["kind"], "paused");
    hook.says([Says::Status(400, "no")]);
    let (code, text) = said(&service, &["alerts", "test", "--channel", "hook", "--json"]).await;
    let tested: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, tested.as_array().unwrap().len(), &tested[0]["sent"]), (Some(1), 1, &json!(false)));
    assert_eq!(tested[0]["said"], "webhook refused: HTTP 400 no");
    let (code, text) = said(&service, &["alerts", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &listed["channels"][2]["messages"]), (Some(1), &json!(1)), "{text}");
    let (code, text) = said(&service, &["alerts", "test", "--channel", "nobody"]).await;
    assert_eq!(code, Some(2));
    assert!(text.contains("there is no channel \"nobody\"; name one of: tls, upgraded, hook"), "{text}");
    assert_eq!(service.terminate().await, Some(0));
    // Whoever issued the certificates is not trusted without being named, and everybody is told once.
    let service =
        Service::start(&wrapper[..1].iter().chain(&wrapper[2..]).copied().collect::<Vec<_>>(), &file, &log).await;
    let service = service.unwrap();
    let (code, text) = said(&service, &["alerts", "test", "--channel", "tls"]).await;
    assert_eq!((code, text.contains("certificate")), (Some(1), true), "{text}");
    assert_eq!((tls.mails().len(), starttls.mails().len()), (2, 2));
    service.kill().await;
}
