//! The token endpoint, a person who lets an app in, and what the gateway says about a token, its scopes and the tenant.

use std::collections::{HashMap, HashSet};

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::operator::Settings;
use super::query::Query;
use super::wire::{Answer, Call, Reply, problem};

/// Life of an access token in seconds.
const TOKEN_LIFE_S: i64 = 1800;
/// Life of a code.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(5);
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
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own that a test turns")]
pub(super) struct Tokens {
    access: HashMap<String, Grant>,
    refresh: Option<String>,
    previous: Option<(String, Timestamp)>,
    revoked_scopes: HashSet<String>,
    /// Codes that were not exchanged yet.
    codes: HashMap<String, Code>,
    /// Where the app's people may be sent back to.
    pub(super) redirects: Vec<String>,
    /// The app has no secret, and must prove by PKCE that it asked.
    pub(super) public: bool,
    /// A person who is asked for access refuses.
    pub(super) refuses: bool,
    pub(super) client_broken: bool,
    pub(super) disconnected: bool,
}

/// What a person let an app have.
#[derive(Debug)]
struct Code {
    redirect: String,
    challenge: Option<String>,
    scopes: Vec<String>,
    expires: Timestamp,
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
        let is_people = !self.redirects.is_empty();
        let secret = if self.public { String::new() } else { settings.client_secret.clone() };
        let expected = (settings.client_id.clone(), secret);
        if self.client_broken || client != Some(expected) {
            return Err(refused("invalid_client"));
        }
        let scopes = self.granted(form.get("scope"))?;
        if form.get("grant_type") == Some("client_credentials") && is_people {
            return Err(refused("unauthorized_client"));
        }
        let mut body = json!({"expires_in": TOKEN_LIFE_S, "token_type": "Bearer", "scope": scopes.join(" ")});
        match form.get("grant_type") {
            Some("client_credentials") => {}
            Some("authorization_code") => {
                let scopes = self.redeem(&form, call.now)?;
                put(&mut body, "scope", scopes.join(" "));
                if scopes.iter().any(|scope| scope == "offline_access") {
                    let fresh = format!("refresh-{}", Uuid::new_v4().simple());
                    self.set_refresh(Some(fresh.clone()));
                    put(&mut body, "refresh_token", fresh);
                }
                return Ok(self.grant(body, scopes, call.now));
            }
            Some("refresh_token") => {
                let token = self.rotate(form.get("refresh_token").unwrap_or_default(), call.now)?;
                put(&mut body, "refresh_token", token);
            }
            _ => return Err(refused("unsupported_grant_type")),
        }
        Ok(self.grant(body, scopes, call.now))
    }

    fn grant(&mut self, mut body: Value, scopes: Vec<String>, now: Timestamp) -> Reply {
        let access = format!("access-{}", Uuid::new_v4().simple());
        let expires = now.saturating_add(SignedDuration::from_secs(TOKEN_LIFE_S)).unwrap_or(Timestamp::MAX);
        self.access.insert(access.clone(), Grant { expires, scopes });
        put(&mut body, "access_token", access);
        Reply::json(200, &body).header("cache-control", "no-store")
    }

    /// `GET /identity/connect/authorize`: a person lets the app in, or does not, and their browser is sent back.
    pub(super) fn authorize(&mut self, settings: &Settings, call: &Call) -> Reply {
        let asked = |name: &str| call.query.get(name).unwrap_or_default();
        let redirect = asked("redirect_uri");
        // What is not registered is shown to the person, and the app never hears of it.
        if asked("client_id") != settings.client_id || !self.redirects.iter().any(|known| known == redirect) {
            return Reply::text(400, "Error: unauthorized_client. Invalid redirect_uri");
        }
        let challenge = call.query.get("code_challenge").map(str::to_owned);
        let is_hashed = asked("code_challenge_method") == "S256" && challenge.is_some();
        let outcome = match self.granted(call.query.get("scope")) {
            _ if asked("response_type") != "code" || asked("state").is_empty() => Err("invalid_request"),
            _ if self.public && !is_hashed => Err("invalid_request"),
            Err(_) => Err("invalid_scope"),
            Ok(_) if self.refuses => Err("access_denied"),
            Ok(scopes) => Ok(scopes),
        };
        let Ok(mut back) = redirect.parse::<url::Url>() else { return Reply::not_found() };
        match outcome {
            Err(error) => drop(back.query_pairs_mut().append_pair("error", error)),
            Ok(scopes) => {
                let code = format!("code-{}", Uuid::new_v4().simple());
                let expires = call.now.saturating_add(CODE_LIFE).unwrap_or(Timestamp::MAX);
                back.query_pairs_mut().append_pair("code", &code);
                self.codes.insert(code, Code { redirect: redirect.to_owned(), challenge, scopes, expires });
            }
        }
        back.query_pairs_mut().append_pair("state", asked("state"));
        Reply::text(302, "").header("location", back.as_str())
    }

    /// The scopes of a code, which works once, for the app that asked for it.
    fn redeem(&mut self, form: &Query, now: Timestamp) -> Result<Vec<String>, Reply> {
        let code = self.codes.remove(form.get("code").unwrap_or_default());
        let code = code.ok_or_else(|| refused("invalid_grant"))?;
        let digest = |text: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        let proven = match (&code.challenge, form.get("code_verifier")) {
            (Some(challenge), Some(verifier)) => (43..=128).contains(&verifier.len()) && digest(verifier) == *challenge,
            (None, None) => !self.public,
            _ => false,
        };
        let fits = proven && now < code.expires && form.get("redirect_uri") == Some(code.redirect.as_str());
        if fits { Ok(code.scopes) } else { Err(refused("invalid_grant")) }
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
        let may_omit = tenant.is_empty() && settings.refresh_token.is_none() && self.redirects.is_empty();
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
        if self.disconnected {
            return Reply::json(200, &json!([]));
        }
        let tenant = |id: Uuid, name: &str| {
            json!({"id": id, "authEventId": Uuid::nil(), "tenantId": id,
            "tenantType": "ORGANISATION", "tenantName": name})
        };
        let mut tenants = vec![tenant(settings.tenant_id, "Demo Company (AU)")];
        tenants.extend(settings.other_tenants.iter().map(|(id, name)| tenant(*id, name)));
        Reply::json(200, &Value::Array(tenants))
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
