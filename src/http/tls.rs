//! TLS at the door, for those who have no reverse proxy. The certificate can be exchanged while the door is open.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificate that clients are shown from now on.
#[derive(Debug)]
pub struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    /// This one.
    #[must_use]
    pub fn new(identity: Arc<CertifiedKey>) -> Self {
        Self(RwLock::new(identity))
    }

    /// Shows another one to clients that come from now on; connections that are open keep theirs.
    pub fn exchange(&self, identity: Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// How the door speaks: TLS 1.2 and 1.3, HTTP/1.1 within.
    ///
    /// # Errors
    /// When the provider of TLS lacks both.
    pub fn speaking(self: Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
