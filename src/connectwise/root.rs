//! The API's prefix: configured, or discovered at the site and discovered again when a release moves it.
//!
//! Source: developer guide, "Cloud URL formatting" and `/login/companyinfo/{company}`; django-connectwise
//! for the answer `null` and for reading again after a 404.

use tokio::sync::Mutex;
use url::{Host, Url};

use super::client::{SYSTEM, TRIES, parse};
use super::settings::{Endpoint, Settings};
use super::wire;
use crate::remote::{Answer, RemoteError, send, with_retry};

/// Domains of ConnectWise's own cloud, where the API's host is the site's with `api-` before it.
const CLOUD_DOMAINS: [&str; 2] = [".myconnectwise.net", ".connectwisedev.com"];

/// The prefix in force, without a slash at its end.
pub(super) struct Root {
    /// Held while discovering, so that many callers cause one discovery.
    found: Mutex<Option<String>>,
}

impl Root {
    pub(super) fn new() -> Self {
        Self { found: Mutex::new(None) }
    }

    /// The prefix; `stale` is one that answered that it does not exist.
    pub(super) async fn get(
        &self,
        http: &reqwest::Client,
        settings: &Settings,
        stale: Option<&str>,
    ) -> Result<String, RemoteError> {
        let site = match &settings.endpoint {
            Endpoint::ApiUrl(url) => return Ok(url.as_str().trim_end_matches('/').to_owned()),
            Endpoint::Site(site) => site,
        };
        let mut found = self.found.lock().await;
        if let Some(root) = found.as_ref().filter(|root| Some(root.as_str()) != stale) {
            return Ok(root.clone());
        }
        let address = info_address(site, &settings.company)?;
        let answer = with_retry(TRIES, || ask(http, &address)).await?;
        let root = api_root(site, &settings.company, &answer)?;
        tracing::info!(connectwise.root = %root, "the API of ConnectWise was found");
        *found = Some(root.clone());
        Ok(root)
    }
}

async fn ask(http: &reqwest::Client, address: &Url) -> Result<Answer, RemoteError> {
    // Discovery is public: it is asked without credentials.
    let answer = send(SYSTEM, http.get(address.clone())).await?;
    let cause = || format!("{} at {}: {}", answer.status, address.path(), answer.excerpt());
    match answer.status.as_u16() {
        200..=299 => Ok(answer),
        429 => Err(RemoteError::Throttled { system: SYSTEM, cause: cause(), wait: answer.retry_after() }),
        500..=599 => Err(RemoteError::Failed { system: SYSTEM, cause: cause() }),
        _ => Err(RemoteError::Unauthorized {
            system: SYSTEM,
            cause: format!("no API was found at the site: {}", cause()),
        }),
    }
}

fn info_address(site: &Url, company: &str) -> Result<Url, RemoteError> {
    let mut address = site.clone();
    address.set_query(None);
    address
        .path_segments_mut()
        .map_err(|()| malformed("the configured site is not an address".to_owned()))?
        .pop_if_empty()
        .extend(["login", "companyinfo", company]);
    Ok(address)
}

fn api_root(site: &Url, company: &str, answer: &Answer) -> Result<String, RemoteError> {
    let Some(info) = parse::<Option<wire::CompanyInfo>>(answer, "companyinfo")? else {
        let cause = format!("there is no company '{company}' at {}", site.host_str().unwrap_or_default());
        return Err(RemoteError::Unauthorized { system: SYSTEM, cause });
    };
    let codebase = info.codebase.trim_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if codebase.is_empty() || codebase.contains("..") || !codebase.bytes().all(plain) {
        return Err(malformed(format!("the code base '{codebase}' of companyinfo")));
    }
    let mut root = site.clone();
    root.set_query(None);
    if let Some(Host::Domain(host)) = site.host() {
        let cloud = CLOUD_DOMAINS.iter().any(|domain| host.ends_with(domain)) && !host.starts_with("api-");
        if cloud && root.set_host(Some(&format!("api-{host}"))).is_err() {
            return Err(malformed("the configured site is not an address".to_owned()));
        }
    }
    Ok(format!("{}/{codebase}/apis/3.0", root.as_str().trim_end_matches('/')))
}

fn malformed(cause: String) -> RemoteError {
    RemoteError::Malformed { system: SYSTEM, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(site: &str, codebase: &str) -> Result<String, RemoteError> {
        let body = serde_json::json!({ "Codebase": codebase }).to_string().into_bytes();
        let answer = Answer { status: reqwest::StatusCode::OK, headers: reqwest::header::HeaderMap::new(), body };
        api_root(&site.parse().unwrap(), "acme", &answer)
    }

    #[test]
    fn only_the_cloud_has_an_api_host() {
        for (site, codebase, root) in [
            ("https://na.myconnectwise.net", "v2025_1/", "https://api-na.myconnectwise.net/v2025_1/apis/3.0"),
            ("https://api-eu.myconnectwise.net/", "v2025_1", "https://api-eu.myconnectwise.net/v2025_1/apis/3.0"),
            ("https://cw.msp.example", "v4_6_release/", "https://cw.msp.example/v4_6_release/apis/3.0"),
            ("http://127.0.0.1:4010", "v2026_1/", "http://127.0.0.1:4010/v2026_1/apis/3.0"),
        ] {
            assert_eq!(root_of(site, codebase).unwrap(), root);
        }
        for codebase in ["", "/", "..", "a/b", "@evil.test", "x?y"] {
            assert!(matches!(root_of("https://na.myconnectwise.net", codebase), Err(RemoteError::Malformed { .. })));
        }
    }
}
