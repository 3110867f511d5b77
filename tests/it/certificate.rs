//! Certificates that sign themselves, with dates of the test's choice.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BITS: u8 = 0x03;
const ECDSA_WITH_SHA256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
const OTHER_NAMES: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];

/// A certificate for 127.0.0.1 with its key.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    key: Vec<u8>,
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match length {
        [0, short @ 0..=0x7f] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [first, second] => vec![tag, 0x82, first, second],
    };
    [head, content].concat()
}

/// As RFC 5280 wants it: two digits for the year until 2049.
fn time(at: Timestamp) -> Vec<u8> {
    let civil = at.to_zoned(TimeZone::UTC);
    let (tag, form) = if civil.year() < 2050 { (0x17, "%y%m%d%H%M%SZ") } else { (0x18, "%Y%m%d%H%M%SZ") };
    element(tag, &[civil.strftime(form).to_string().as_bytes()])
}

impl Certificate {
    pub(crate) fn new(from: &str, until: &str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
        let algorithm = element(SEQUENCE, &[ECDSA_WITH_SHA256]);
        let name = element(SEQUENCE, &[COMMON_NAME, &element(0x0c, &[b"readypost"])]);
        let name = element(SEQUENCE, &[&element(SET, &[&name])]);
        let public = element(BITS, &[&[0], pair.public_key().as_ref()]);
        let public = element(SEQUENCE, &[&element(SEQUENCE, &[EC_KEY, P256]), &public]);
        let names = element(SEQUENCE, &[&element(0x82, &[b"localhost"]), &element(0x87, &[&[127, 0, 0, 1]])]);
        let names = element(SEQUENCE, &[OTHER_NAMES, &element(0x04, &[&names])]);
        let [from, until] = [from, until].map(|at| time(at.parse().unwrap()));
        let signed = element(
            SEQUENCE,
            &[
                &element(0xa0, &[&[0x02, 0x01, 0x02]]),
                &[0x02, 0x01, 0x01],
                &algorithm,
                &name,
                &element(SEQUENCE, &[&from, &until]),
                &name,
                &public,
                &element(0xa3, &[&element(SEQUENCE, &[&names])]),
            ],
        );
        let signature = element(BITS, &[&[0], pair.sign(&random, &signed).unwrap().as_ref()]);
        Self { der: element(SEQUENCE, &[&signed, &algorithm, &signature]), key: key.as_ref().to_vec() }
    }

    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    pub(crate) fn key(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// Puts both into a folder, as `tls.pem` and `tls.key`.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::write(folder.join("tls.pem"), self.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), self.key()).unwrap();
    }
}

fn pem(name: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", lines.join("\n"))
}
