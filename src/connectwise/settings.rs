//! One configured ConnectWise system.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::domain::callback::KeyHost;

/// One configured ConnectWise system.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its API is.
    pub endpoint: Endpoint,
    /// Login company.
    pub company: String,
    /// Public key of the API member.
    pub public_key: String,
    /// Private key of the API member.
    pub private_key: SecretString,
    /// The integration's registered client id, which every call must carry.
    pub client_id: String,
    /// Version of the model that is asked for, such as `2025.1`; without it the newest would be given.
    pub version: String,
    /// Hosts that may serve signing keys.
    pub key_hosts: Vec<KeyHost>,
    /// Whether their names may lead to addresses of a private network.
    pub private_key_hosts: bool,
    /// The longest that one request may take; signing keys have their own limit of 2 s.
    pub timeout: Duration,
}

/// Where the API of a ConnectWise system is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The full prefix, such as `https://api-na.myconnectwise.net/v4_6_release/apis/3.0`.
    ApiUrl(Url),
    /// The site that people log in to, such as `https://na.myconnectwise.net`; the prefix is discovered
    /// there, and again whenever a release has moved it.
    Site(Url),
}
