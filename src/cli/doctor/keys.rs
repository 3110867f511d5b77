//! The hosts that signing keys come from: each must answer, and one should be ConnectWise's own.

use std::time::Duration;

use super::Findings;
use crate::config::{Connection, Endpoint};
use crate::remote::http_client;

/// How long a host may take; the door itself waits for 2 s only.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn check(connection: &Connection, about: &str, findings: &mut Findings) -> anyhow::Result<()> {
    let http = http_client(TIMEOUT)?;
    for host in &connection.key_url_hosts {
        // Any answer will do: what matters is that the host is there and its certificate is good.
        match http.get(host.address()).send().await {
            Ok(_) => findings.good(about, &format!("the key host {host} answers")),
            Err(error) => {
                let reason = reason(&error.without_url());
                findings.wrong(
                    about,
                    &format!("the key host {host} does not answer, so no callback of it can be verified: {reason}"),
                );
            }
        }
    }
    let (Endpoint::ApiUrl(url) | Endpoint::Site(url)) = &connection.endpoint;
    let host = url.host_str().unwrap_or_default();
    let expected = host.strip_prefix("api-").unwrap_or(host);
    if !connection.key_url_hosts.iter().any(|host| host.is_named(expected)) {
        findings.note(about, &format!("`key_url_hosts` does not name {expected}, where keys usually come from"));
    }
    Ok(())
}

/// The innermost cause, which is the one that says something.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
