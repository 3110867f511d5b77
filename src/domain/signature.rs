//! Verification of ConnectWise callbacks and Xero webhooks: no unverified body can be read as either.
//!
//! Source: ConnectWise developer guide, "Verifying the Callback Source". The HMAC key is the SHA-256 of
//! the signing key's UTF-8 text; the signature is base64 of HMAC-SHA256 over the body as received.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The derived HMAC key of one signing key.
pub struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the HMAC key from the `signing_key` that the key endpoint returns.
    #[must_use]
    pub fn derive(signing_key: &str) -> Self {
        Self(Sha256::digest(signing_key.as_bytes()).into())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// The key that a Xero app signs its webhooks with.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKey(Vec<u8>);

impl WebhookKey {
    /// The key as Xero shows it; its text is the HMAC key.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(key.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookKey(..)")
    }
}

/// What webhooks to others are signed with, as Standard Webhooks says.
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// Reads `whsec_` and base64; none when it is neither, or has not 24 to 64 bytes.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim().strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The value of the header `webhook-signature` for a message that is sent at a time, in seconds since 1970.
    #[must_use]
    pub fn sign(&self, id: &str, at: i64, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

/// A well-formed `x-content-signature` or `x-xero-signature` header: 32 bytes, not yet compared.
#[derive(Clone, Debug)]
pub struct Signature([u8; 32]);

/// Why a body was not taken as ConnectWise's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no `x-content-signature` header, or more than one.
    #[error("the x-content-signature header is missing or repeated")]
    Missing,
    /// The header is not base64 of 32 bytes.
    #[error("the x-content-signature header is not a base64 SHA-256 signature")]
    Unreadable,
    /// The signature is another one.
    #[error("the signature does not match the body")]
    Mismatch,
}

impl Signature {
    /// Reads the header's value.
    ///
    /// # Errors
    /// When it is absent, or not base64 of exactly 32 bytes.
    pub fn parse(header: Option<&[u8]>) -> Result<Self, SignatureError> {
        let header = header.ok_or(SignatureError::Missing)?;
        let bytes = STANDARD.decode(header).map_err(|_| SignatureError::Unreadable)?;
        bytes.try_into().map(Self).map_err(|_| SignatureError::Unreadable)
    }
}

/// A body whose signature was right; only [`verify`] makes one.
#[derive(Debug)]
pub struct Verified<'body>(&'body [u8]);

impl<'body> Verified<'body> {
    /// The body as received.
    #[must_use]
    pub fn bytes(&self) -> &'body [u8] {
        self.0
    }
}

/// Compares the signature of `body` in constant time.
///
/// # Errors
/// [`SignatureError::Mismatch`] when the body, the key or the signature is another one.
pub fn verify<'body>(
    body: &'body [u8],
    signature: &Signature,
    key: &SigningKey,
) -> Result<Verified<'body>, SignatureError> {
    compare(body, signature, &key.0)
}

/// Compares the signature of a webhook's `body` in constant time.
///
/// # Errors
/// [`SignatureError::Mismatch`] when the body, the key or the signature is another one.
pub fn verify_webhook<'body>(
    body: &'body [u8],
    signature: &Signature,
    key: &WebhookKey,
) -> Result<Verified<'body>, SignatureError> {
    compare(body, signature, &key.0)
}

fn compare<'body>(body: &'body [u8], signature: &Signature, key: &[u8]) -> Result<Verified<'body>, SignatureError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SignatureError::Mismatch)?;
    mac.update(body);
    mac.verify_slice(&signature.0).map_err(|_| SignatureError::Mismatch)?;
    Ok(Verified(body))
}

/// The header that Xero would send under a webhook key.
#[cfg(test)]
pub(crate) fn sign_webhook(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The header a sender with `signing_key` would send.
#[cfg(test)]
pub(crate) fn sign_for_tests(body: &[u8], signing_key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(&SigningKey::derive(signing_key).0).unwrap();
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = include_bytes!("../../fixtures/callbacks/vector.json");
    const SIGNATURE: &[u8] = b"rqGiZc1S6gd1zbnDRkLr9aMxxMXlNyQFLZxDgthdLzw=";

    fn check(body: &[u8], header: Option<&[u8]>, key: &str) -> Result<(), SignatureError> {
        verify(body, &Signature::parse(header)?, &SigningKey::derive(key)).map(drop)
    }

    #[test]
    fn the_documented_vector_verifies() {
        assert_eq!(BODY.len(), 412);
        assert_eq!(check(BODY, Some(SIGNATURE), "test-signing-key"), Ok(()));
    }

    #[test]
    fn a_webhook_verifies_under_its_own_key_only() {
        // A vector made with openssl.
        let body = br#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}"#;
        let signature = Signature::parse(Some(b"6pcKNc1quOoLDQB7+cCoaGmm2+UnmKhR8Ky7B5GBVe0=")).unwrap();
        assert!(verify_webhook(body, &signature, &WebhookKey::new("s+Tl8D0ZbQ==")).is_ok());
        for (body, key) in [(&body[..], "s+Tl8D0ZbQ="), (&body[1..], "s+Tl8D0ZbQ=="), (&body[..], "")] {
            assert!(verify_webhook(body, &signature, &WebhookKey::new(key)).is_err(), "{key}");
        }
    }

    #[test]
    fn a_webhook_to_others_is_signed_as_standard_webhooks_says() {
        // The example of the specification's own libraries.
        let secret = WebhookSecret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for wrong in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_!", "whsec_c2hvcnQ="] {
            assert!(WebhookSecret::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let mut other = BODY.to_vec();
        other[10] ^= 1;
        assert_eq!(check(&other, Some(SIGNATURE), "test-signing-key"), Err(SignatureError::Mismatch));
        assert_eq!(check(BODY, Some(SIGNATURE), "another-key"), Err(SignatureError::Mismatch));
        assert_eq!(check(BODY, None, "test-signing-key"), Err(SignatureError::Missing));
        for header in ["", "%%%", "AAAA", "rqGiZc1S6gd1zbnDRkLr9aMxxMXlNyQFLZxDgthdLzw"] {
            assert_eq!(
                check(BODY, Some(header.as_bytes()), "test-signing-key"),
                Err(SignatureError::Unreadable),
                "{header}"
            );
        }
    }
}
