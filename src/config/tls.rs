//! The certificate of the door and its key, read from their PEM files and checked against each other.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::reader::Section;

/// The key of the setting that names the certificate's file.
pub(super) const CERTIFICATE: &str = "tls_certificate";
/// The key of the setting that names the file of its key.
pub(super) const KEY: &str = "tls_key";

/// So long before its end a certificate should have been renewed.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What the door speaks TLS with.
#[derive(Clone, Debug)]
pub struct Tls {
    /// File of the certificate and of those between it and its root, in this order.
    pub certificate: PathBuf,
    /// File of its key.
    pub key: PathBuf,
    /// Both, as they were when the configuration was read.
    pub identity: Arc<CertifiedKey>,
    /// When the certificate begins and ends; none when that cannot be read.
    pub valid: Option<Validity>,
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Tls {
    /// What is wrong with the certificate now or soon, and what helps; none while it is good.
    #[must_use]
    pub fn complaint(&self, now: Timestamp) -> Option<String> {
        let Validity { from, until } = self.valid?;
        let what = if now > until {
            "has expired: clients refuse it"
        } else if now < from {
            "is not valid yet: clients refuse it"
        } else if until.duration_since(now) < SOON {
            "expires soon"
        } else {
            return None;
        };
        Some(format!(
            "the certificate in {} {what} (valid from {from} until {until}); put a new one and its key in place, then run `readypost reload`",
            self.certificate.display()
        ))
    }
}

/// Reads both files; without either setting the door speaks plain HTTP.
pub(super) fn read(section: &Section<'_, '_>) -> Option<Tls> {
    let (certificate, key) = match (section.text(CERTIFICATE), section.text(KEY)) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return None,
        (Some(_), None) => {
            section.missing(KEY);
            return None;
        }
        (None, Some(_)) => {
            section.missing(CERTIFICATE);
            return None;
        }
    };
    // Both are looked at before anything is given up, so that all faults are listed.
    let (chain, private) = (chain(section, &certificate), private(section, &key));
    let (chain, private) = (chain?, private?);
    let valid = chain.first().and_then(|first| validity(first));
    let identity = match CertifiedKey::from_der(chain, private, &ring::default_provider()) {
        Ok(identity) => Arc::new(identity),
        Err(error) => {
            let (setting, message) = refusal(&error);
            section.fault(setting, &message);
            return None;
        }
    };
    Some(Tls { certificate: PathBuf::from(certificate), key: PathBuf::from(key), identity, valid })
}

/// Which file is wrong, and why they cannot be used.
fn refusal(error: &Error) -> (&'static str, String) {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => (
            KEY,
            format!("is not the key of the certificate in `{CERTIFICATE}`: name both files of the same certificate"),
        ),
        Error::InvalidCertificate(cause) => {
            (CERTIFICATE, format!("the first certificate of this file cannot be used: {cause:?}"))
        }
        other => (KEY, format!("the key in this file cannot be used: {other}")),
    }
}

/// The bytes of a file. Its name is not in the fault: who mistakes the setting writes the key itself there.
fn bytes(section: &Section<'_, '_>, setting: &'static str, path: &str) -> Option<Vec<u8>> {
    std::fs::read(path).map_err(|error| section.fault(setting, &format!("this file cannot be read: {error}"))).ok()
}

fn chain(section: &Section<'_, '_>, path: &str) -> Option<Vec<CertificateDer<'static>>> {
    let text = bytes(section, CERTIFICATE, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            section.fault(CERTIFICATE, "this file holds no certificate in PEM (BEGIN CERTIFICATE)");
            None
        }
        Err(_) => {
            section.fault(CERTIFICATE, "this file is cut off or is no PEM");
            None
        }
    }
}

fn private(section: &Section<'_, '_>, path: &str) -> Option<PrivateKeyDer<'static>> {
    let text = bytes(section, KEY, path)?;
    // What the reader would say of it could quote the file.
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| {
            let message = "this file holds no key in PEM that can be read without a passphrase (BEGIN PRIVATE KEY)";
            section.fault(KEY, message);
        })
        .ok()
}

/// When a certificate in DER is good (RFC 5280, section 4.1).
fn validity(certificate: &[u8]) -> Option<Validity> {
    let (_, certificate, _) = element(certificate)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, mut rest) = element(signed)?;
    if tag == VERSION {
        // Past the serial number, which comes first where no version is given.
        (_, _, rest) = element(rest)?;
    }
    let (_, _, rest) = element(rest)?; // the algorithm of the signature
    let (_, _, rest) = element(rest)?; // the issuer
    let (_, validity, _) = element(rest)?;
    let (from_tag, from, rest) = element(validity)?;
    let (until_tag, until, _) = element(rest)?;
    Some(Validity { from: time(from_tag, from)?, until: time(until_tag, until)? })
}

/// The tag of a certificate's version.
const VERSION: u8 = 0xa0;
/// The tags of a time with two digits for the year, and with four.
const SHORT_TIME: u8 = 0x17;
const LONG_TIME: u8 = 0x18;

/// The tag and the content of what comes first, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn time(tag: u8, content: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let year = match tag {
        // Two digits are of 1950 to 2049.
        SHORT_TIME => {
            if *text.as_bytes().first()? < b'5' {
                "20"
            } else {
                "19"
            }
        }
        LONG_TIME => "",
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", format!("{year}{text}")).ok()?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
