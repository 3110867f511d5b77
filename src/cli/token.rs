//! `readypost token`.

use std::process::ExitCode;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::client::print_json;
use super::print::out;
use crate::domain::text::hex;

/// Makes a token; only its SHA-256 goes into the configuration.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// Name of the operator
    #[arg(long, default_value = "finance-desk")]
    name: String,
    /// operator (may decide) or viewer (may look)
    #[arg(long, default_value = "operator", value_parser = ["operator", "viewer"])]
    role: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A token and its digest.
pub(super) fn make() -> anyhow::Result<(String, String)> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("the system has no random numbers"))?;
    let token = format!("rp_{}", URL_SAFE_NO_PAD.encode(bytes));
    let digest = hex(&Sha256::digest(token.as_bytes()));
    Ok((token, digest))
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (token, digest) = make()?;
        if self.json {
            let made = json!({ "name": self.name, "role": self.role, "token": token, "token_sha256": digest });
            print_json(&made)?;
            return Ok(ExitCode::SUCCESS);
        }
        out!("# The token, shown once; give it to {}:\n# {token}\n", self.name);
        out!("[[operator]]\nname = {:?}\nrole = {:?}\ntoken_sha256 = {digest:?}", self.name, self.role);
        Ok(ExitCode::SUCCESS)
    }
}
