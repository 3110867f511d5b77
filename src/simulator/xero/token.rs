//! The token endpoint, and what the gateway says about a token, its scopes and the tenant.

use std::collections::{HashMap, HashSet};

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::operator::Settings;
use super::query::Query;
use super::wire::{Answer, Call, Reply, problem};

/// Life of an access token in seconds.
const TOKEN_LIFE_S: i64 = 1800;
/// How long the previous refresh token still works, for an answer that was lost.
const PREVIOUS_LIFE: SignedDuration = SignedDuration::from_mins(30);

const SCOPES: [&str; 13] = [
    "offline_access",
    "accounting.invoices",
    "accounting.invoices.read",
    "accounting.payments",
    "accounting.payments.read",
    "accounting.manualjournals",
    "accounting.manualjournals.read",
    "accounting.contacts",
    "accounting.contacts.read",
    "accounting.settings",
    "accounting.settings.read",
    "accounting.attachments",
    "accounting.attachments.read",
];

#[derive(Debug)]
struct Grant {
    expires: Timestamp,
    scopes: Vec<String>,
}

/// The tokens given out, and what the organisation has taken back.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    access: HashMap<String, Grant>,
    refresh: Option<String>,
    previous: Option<(String, Timestamp)>,
    revoked_scopes: HashSet<String>,
    pub(super) client_broken: bool,
    pub(super) disconnected: bool,
}

impl Tokens {
    pub(super) fn new(refresh: Option<String>) -> Self {
        Self { refresh, ..Self::default() }
    }

    /// Makes every access token expired.
    pub(super) fn expire_all(&mut self, now: Timestamp) {
        self.access.values_mut().for_each(|grant| grant.expires = now);
    }

    pub(super) fn revoke_scope(&mut self, scope: &str) {
        self.revoked_scopes.extend([scope.to_owned(), format!("{scope}.read")]);
    }

    pub(super) fn restore_scopes(&mut self) {
        self.revoked_scopes.clear();
    }

    /// Replaces every refresh token; none means that all are revoked.
    pub(super) fn set_refresh(&mut self, token: Option<String>) {
        self.refresh = token;
        self.previous = None;
    }

    /// `POST /connect/token`.
    pub(super) fn issue(&mut self, settings: &Settings, call: &Call) -> Answer {
        if call.method != Method::POST {
            return Err(Reply::not_found());
        }
        let form = Query::parse(&String::from_utf8_lossy(&call.body));
        let client = basic(call).or_else(|| {
            Some((form.get("client_id")?.to_owned(), form.get("client_secret").unwrap_or_default().to_owned()))
        });
        let expected = (settings.client_id.clone(), settings.client_secret.clone());
        if self.client_broken || client != Some(expected) {
            return Err(refused("invalid_client"));
        }
        let scopes = self.granted(form.get("scope"))?;
        let mut body = json!({"expires_in": TOKEN_LIFE_S, "token_type": "Bearer", "scope": scopes.join(" ")});
        match form.get("grant_type") {
            Some("client_credentials") => {}
            Some("refresh_token") => {
                let token = self.rotate(form.get("refresh_token").unwrap_or_default(), call.now)?;
                put(&mut body, "refresh_token", token);
            }
            _ => return Err(refused("unsupported_grant_type")),
        }
        let access = format!("access-{}", Uuid::new_v4().simple());
        let expires = call.now.saturating_add(SignedDuration::from_secs(TOKEN_LIFE_S)).unwrap_or(Timestamp::MAX);
        self.access.insert(access.clone(), Grant { expires, scopes });
        put(&mut body, "access_token", access);
        Ok(Reply::json(200, &body).header("cache-control", "no-store"))
    }

    /// The scopes asked for less those taken back; all of them if none is asked for.
    fn granted(&self, asked: Option<&str>) -> Result<Vec<String>, Reply> {
        let asked: Vec<&str> = asked.map_or(SCOPES.to_vec(), |asked| asked.split_whitespace().collect());
        if asked.iter().any(|scope| !SCOPES.contains(scope)) {
            return Err(refused("invalid_scope"));
        }
        Ok(asked.into_iter().filter(|scope| !self.revoked_scopes.contains(*scope)).map(str::to_owned).collect())
    }

    fn rotate(&mut self, sent: &str, now: Timestamp) -> Result<String, Reply> {
        let fresh = format!("refresh-{}", Uuid::new_v4().simple());
        let is_previous = self.previous.as_ref().is_some_and(|(token, until)| token == sent && now < *until);
        if self.refresh.as_deref() == Some(sent) {
            let until = now.saturating_add(PREVIOUS_LIFE).unwrap_or(Timestamp::MAX);
            self.previous = Some((sent.to_owned(), until));
        } else if !is_previous {
            return Err(refused("invalid_grant"));
        }
        self.refresh = Some(fresh.clone());
        Ok(fresh)
    }

    /// Lets the call pass, or says what the gateway has against it.
    pub(super) fn admit(&self, settings: &Settings, call: &Call) -> Result<(), Reply> {
        let unauthorized = |detail: &str| problem(401, "Unauthorized", detail);
        let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let grant = token.and_then(|token| self.access.get(token));
        let grant = grant.ok_or_else(|| unauthorized("AuthenticationUnsuccessful"))?;
        if grant.expires <= call.now {
            let at = grant.expires.strftime("%m/%d/%Y %H:%M:%S");
            return Err(unauthorized(&format!("TokenExpired: token expired at {at}")));
        }
        // A custom connection has one tenant, so only an app with refresh tokens must name it.
        let tenant = call.header("xero-tenant-id").unwrap_or_default();
        let is_named = tenant.eq_ignore_ascii_case(&settings.tenant_id.to_string());
        let may_omit = tenant.is_empty() && settings.refresh_token.is_none();
        if self.disconnected || !(is_named || may_omit) {
            return Err(problem(403, "Forbidden", "AuthenticationUnsuccessful"));
        }
        let has = |scope: &&str| {
            let held = |name: &str| grant.scopes.iter().any(|held| held == name) && !self.revoked_scopes.contains(name);
            held(scope) || (call.method == Method::GET && held(&format!("{scope}.read")))
        };
        if needed_scopes(&call.path).iter().any(has) {
            return Ok(());
        }
        Err(unauthorized("AuthorizationUnsuccessful").header("www-authenticate", "insufficent_scope"))
    }

    /// `GET /connections`: the tenants of a token, none after a disconnect.
    pub(super) fn connections(&self, settings: &Settings, call: &Call) -> Reply {
        let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let live = token.and_then(|token| self.access.get(token)).is_some_and(|grant| grant.expires > call.now);
        if !live {
            return problem(401, "Unauthorized", "AuthenticationUnsuccessful");
        }
        let tenant = json!({"id": settings.tenant_id, "authEventId": Uuid::nil(), "tenantId": settings.tenant_id,
            "tenantType": "ORGANISATION", "tenantName": "Demo Company (AU)"});
        Reply::json(200, &if self.disconnected { json!([]) } else { json!([tenant]) })
    }
}

/// Any one of these lets a call on this path pass.
fn needed_scopes(path: &str) -> &'static [&'static str] {
    match path.split('/').nth(1).unwrap_or_default() {
        "Invoices" | "CreditNotes" => &["accounting.invoices"],
        "Payments" | "BatchPayments" | "Overpayments" | "Prepayments" => &["accounting.payments"],
        "ManualJournals" => &["accounting.manualjournals"],
        "Contacts" => &["accounting.contacts"],
        "Items" => &["accounting.invoices", "accounting.settings"],
        _ => &["accounting.settings"],
    }
}

fn refused(error: &str) -> Reply {
    Reply::json(400, &json!({"error": error}))
}

fn put(body: &mut Value, key: &str, text: String) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(key.to_owned(), Value::String(text));
    }
}

fn basic(call: &Call) -> Option<(String, String)> {
    let encoded = call.header("authorization")?.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
