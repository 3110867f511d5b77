//! Refresh tokens at rest: encrypted with the operator's key, durable in the journal before they are used.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::domain::record::CompanyId;
use crate::store::{Event, Store};
use crate::xero::TokenVault;

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
    /// The token of the configuration, until there is a newer one.
    pub first: Option<SecretString>,
}

#[async_trait]
impl TokenVault for Vault {
    async fn load(&self) -> Option<SecretString> {
        let kept = self.store.company(&self.company).sealed_token();
        match (&self.sealer, kept) {
            (Some(sealer), Some(kept)) => {
                let token = sealer.open(&self.company, &kept);
                if token.is_none() {
                    tracing::error!(company = %self.company, "the stored refresh token cannot be decrypted: was the store's key changed?");
                }
                token
            }
            _ => self.first.clone(),
        }
    }

    async fn keep(&self, token: SecretString) -> Result<(), String> {
        let sealer = self.sealer.as_ref().ok_or("the store has no key to encrypt it with")?;
        let text = sealer.seal(&self.company, &token).ok_or("it cannot be encrypted")?;
        let event = Event::TokenKept { company: self.company.clone(), sealed: text };
        self.store.note(event, self.clock.now()).await.map_err(|error| error.to_string())
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
}
