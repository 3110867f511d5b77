//! Refresh tokens at rest: encrypted with the operator's key, durable in the journal before they are used.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::record::CompanyId;
use crate::domain::text::hex;
use crate::store::{Event, Store};
use crate::xero::{Connected, TokenVault};

/// Encrypts small secrets with a key derived from the configured one.
pub struct Sealer(LessSafeKey);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// A sealer for the configured key, which should be long and random.
    #[must_use]
    pub fn new(key: &SecretString) -> Option<Self> {
        let digest = Sha256::digest(key.expose_secret().as_bytes());
        UnboundKey::new(&CHACHA20_POLY1305, &digest).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// Encrypts a secret of a company: base64 of nonce and ciphertext.
    fn seal(&self, company: &CompanyId, secret: &SecretString) -> Option<String> {
        let mut nonce = [0; 12];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut bytes = secret.expose_secret().as_bytes().to_vec();
        let owner = Aad::from(company.as_str().as_bytes());
        self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), owner, &mut bytes).ok()?;
        Some(STANDARD.encode([&nonce[..], &bytes[..]].concat()))
    }

    /// Decrypts what [`Self::seal`] made for the same company.
    fn open(&self, company: &CompanyId, sealed: &str) -> Option<SecretString> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<12>()?;
        let mut sealed = sealed.to_vec();
        let owner = Aad::from(company.as_str().as_bytes());
        let text = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), owner, &mut sealed).ok()?;
        std::str::from_utf8(text).ok().map(|text| SecretString::from(text.to_owned()))
    }
}

/// The refresh token of one company.
#[derive(Debug)]
pub struct Vault {
    /// Where it is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whose it is.
    pub company: CompanyId,
    /// How it is encrypted; none where no refresh tokens are used.
    pub sealer: Option<Arc<Sealer>>,
    /// The token of the configuration; used until it has a successor, and again when it is another one.
    pub first: Option<SecretString>,
}

/// A refresh token as it is sealed. Before there was an origin, the token itself was sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    token: String,
    /// SHA-256 of the configured token that it descends from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The organisation that was connected, where the configuration names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<Uuid>,
}

impl Vault {
    /// What is stored, if it can be decrypted.
    fn kept(&self) -> Option<Kept> {
        let (key, sealed) = (self.sealer.as_ref()?, self.store.company(&self.company).sealed_token()?);
        let Some(text) = key.open(&self.company, &sealed) else {
            tracing::error!(company = %self.company, "the stored refresh token cannot be decrypted: was the store's key changed?");
            return None;
        };
        let text = text.expose_secret();
        Some(serde_json::from_str(text).unwrap_or_else(|_| Kept { token: text.to_owned(), origin: None, tenant: None }))
    }

    /// The organisation that somebody connected, if somebody did.
    #[must_use]
    pub fn tenant(&self) -> Option<Uuid> {
        self.kept()?.tenant
    }

    /// Makes it durable, before it returns.
    async fn note(&self, kept: &Kept, by: Option<String>) -> Result<(), String> {
        let key = self.sealer.as_ref().ok_or("the store has no key to encrypt it with")?;
        let text = serde_json::to_string(kept).map_err(|error| error.to_string())?;
        let sealed = key.seal(&self.company, &SecretString::from(text)).ok_or("it cannot be encrypted")?;
        let event = Event::TokenKept { company: self.company.clone(), sealed, by };
        self.store.note(event, self.clock.now()).await.map_err(|error| error.to_string())
    }

    /// The digest of the configured token.
    fn origin(&self) -> Option<String> {
        self.first.as_ref().map(|first| hex(&Sha256::digest(first.expose_secret().as_bytes())))
    }
}

#[async_trait]
impl TokenVault for Vault {
    /// The stored token, unless the operator has put another one into the configuration since.
    async fn load(&self) -> Option<SecretString> {
        let Some(kept) = self.kept() else { return self.first.clone() };
        match (self.origin(), &kept.origin) {
            (Some(configured), Some(origin)) if configured != *origin => self.first.clone(),
            _ => Some(SecretString::from(kept.token)),
        }
    }

    async fn keep(&self, token: SecretString) -> Result<(), String> {
        let before = self.kept();
        let tenant = before.as_ref().and_then(|kept| kept.tenant);
        // Without a configured token, the descent goes on as it was.
        let origin = self.origin().or_else(|| before.and_then(|kept| kept.origin));
        self.note(&Kept { token: token.expose_secret().to_owned(), origin, tenant }, None).await
    }

    /// From now on it stands for the configured token, too.
    async fn connect(&self, Connected { token, tenant, by }: Connected) -> Result<(), String> {
        // Where none is configured, any that is configured later is another one.
        let origin = Some(self.origin().unwrap_or_default());
        self.note(&Kept { token: token.expose_secret().to_owned(), origin, tenant: Some(tenant) }, Some(by)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_by_its_company_and_key_only() {
        let sealer = Sealer::new(&SecretString::from("key")).unwrap();
        let (ours, other) = ("acme-au".parse().unwrap(), "acme-nz".parse().unwrap());
        let kept = sealer.seal(&ours, &SecretString::from("refresh-me")).unwrap();
        assert!(!kept.contains("refresh"));
        assert_ne!(kept, sealer.seal(&ours, &SecretString::from("refresh-me")).unwrap());
        assert_eq!(sealer.open(&ours, &kept).unwrap().expose_secret(), "refresh-me");
        assert!(sealer.open(&other, &kept).is_none());
        assert!(Sealer::new(&SecretString::from("other")).unwrap().open(&ours, &kept).is_none());
    }

    /// A vault as the service has it after a start with `first` in its configuration.
    fn vault(store: &Arc<dyn Store>, key: &str, first: Option<&str>) -> Vault {
        Vault {
            store: Arc::clone(store),
            clock: Arc::new(crate::clock::SystemClock),
            company: "acme-au".parse().unwrap(),
            sealer: Sealer::new(&SecretString::from(key)).map(Arc::new),
            first: first.map(SecretString::from),
        }
    }

    async fn loaded(vault: &Vault) -> Option<String> {
        vault.load().await.map(|token| token.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_newly_configured_token_wins_over_the_stored_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::open(folder.path(), &crate::clock::SystemClock).unwrap();
        let configured = async |first| loaded(&vault(&store, "key", first)).await;
        let keep =
            async |first, token: &str| vault(&store, "key", first).keep(SecretString::from(token)).await.unwrap();
        assert_eq!(configured(Some("a0")).await.unwrap(), "a0");
        keep(Some("a0"), "a1").await;
        assert_eq!(configured(Some("a0")).await.unwrap(), "a1");
        assert_eq!(configured(None).await.unwrap(), "a1");
        assert_eq!(configured(Some("b0")).await.unwrap(), "b0");
        keep(None, "a2").await;
        assert_eq!(configured(Some("a0")).await.unwrap(), "a2", "the descent is remembered");
        keep(Some("b0"), "b1").await;
        assert_eq!(configured(Some("b0")).await.unwrap(), "b1");
        // A token that cannot be decrypted any more is lost; only the configured one can help.
        assert_eq!(loaded(&vault(&store, "another key", Some("c0"))).await.unwrap(), "c0");
        // An older version sealed the token alone.
        let old = vault(&store, "key", Some("a0"));
        let sealed = old.sealer.as_ref().unwrap().seal(&old.company, &SecretString::from("old")).unwrap();
        let event = Event::TokenKept { company: old.company.clone(), sealed, by: None };
        store.note(event, old.clock.now()).await.unwrap();
        assert_eq!(loaded(&old).await.unwrap(), "old");
        store.close().await;
    }
}
