//! readypost posts ConnectWise PSA records to Xero the moment they are ready to post.
//!
//! This page is for whoever changes the program; the README is for whoever runs it.
//!
//! # The idea
//!
//! A callback is a hint, not a fact. The door verifies it and durably stores "this record may need work";
//! everything else is read fresh from ConnectWise. The queue is keyed by record, so ten callbacks for one
//! invoice are one row, and two workers never hold one record.
//!
//! A worker holds a lease on one record for one step: *post* makes the document in Xero, *journal* the cost of its
//! goods where the rules want it, *mark* makes the batch in ConnectWise, *unpost* takes all of it back. It reads facts;
//! a pure function turns facts and rules into a plan; the shell carries the plan out; a pure function turns the
//! outcome into a settlement; the store journals it, with all that was said to both systems. That is also the record's
//! history. Facts in, plan out, settlement down. No module calls back up.
//!
//! # The flow
//!
//! Each stage takes what the stage before it gave. Read from top to bottom:
//!
//! | Stage | Function | In | Out | Pure |
//! |---|---|---|---|---|
//! | peek | [`KeyUrl::peek`] | raw bytes, allowed hosts | [`KeyUrl`] | yes |
//! | key | [`ConnectWise::signing_key`] | [`KeyUrl`] | [`SigningKey`] | no |
//! | verify | [`verify`] | raw bytes, signature, key | [`Verified`] | yes |
//! | parse | [`Callback::parse`] | [`Verified`] | [`Callback`] | yes |
//! | accept | [`Store::accept`] | [`RecordKey`], [`Trigger`] | [`Accepted`] | no |
//! | lease | [`Store::lease_in`] | a [`Lane`] that is open, the time | [`Lease`] | no |
//! | read | [`ConnectWise::invoice`] and its like | the record's id | [`RecordFacts`] | no |
//! | triage | [`triage`] | [`RecordFacts`], [`Rules`] | skip, hold, or go on | yes |
//! | gather | [`ConnectWise::posting`], [`Xero::organisation`], [`Xero::find`] | [`RecordFacts`] | [`Facts`] | no |
//! | map | [`map`](domain::map::map) | [`Facts`], [`Rules`] | [`Document`] or [`HoldReason`] | yes |
//! | balance | [`balance`](domain::balance::balance), of all but journals | [`Draft`], ceilings | [`Balanced`] or [`HoldReason`] | yes |
//! | decide | [`plan`](domain::plan::plan) (calls map and balance) | [`Facts`], [`Rules`] | [`Plan`] | yes |
//! | arm | [`Store::arm`] | [`Lease`], intent and body | [`Armed`] | no |
//! | post | [`Xero::create`] | the armed request | [`Created`] | no |
//! | settle | [`settle`], [`Store::settle`] | [`Outcome`]; [`Lease`], [`Settlement`] | [`Settlement`]; nothing | yes; no |
//! | mark | [`ConnectWise::mark`], after [`after_post`] | [`RecordFacts`], batch name | [`Marked`] | no |
//! | carry payments | [`weigh`](domain::payments::weigh) | an invoice and its payments in both systems | one change, or none | yes |
//! | look again | [`after_post`], [`verdict`](domain::edit::verdict) | a posted record as it is now | nothing, mark, update, or hold | yes |
//! | unpost | [`Step::Unpost`](domain::delivery::Step), [`Undo`](domain::undo::Undo) | a posted record | its document void, its batch deleted | no |
//! | sweep | [`sweep`](pipeline::sweep), [`compare`](domain::sweep::compare) | the unposted lists, what the store knows | triggers | only the second |
//! | simulate | [`simulate`](pipeline::simulate) | a record, a month, or all that is unposted | [`Simulation`](domain::simulation::Simulation) | no, and it writes nothing |
//! | compare names | [`map_check`](pipeline::map_check), then [`check`](domain::mapcheck::check) | the set-up of both systems, [`Rules`] | [`MapCheck`](domain::mapcheck::MapCheck) | only the second |
//! | state | [`reconcile`](pipeline::reconcile), then [`sections`](domain::statement::sections) | a month of both systems | [`Statement`](domain::statement::Statement) | only the second |
//! | alert | [`standing`](pipeline::standing), then [`Told::due`](domain::alert::Told::due) | the store, both clients | a message to a channel, or none | only the second |
//! | review | [`Store::records`], [`Store::resolve`] | [`Filter`]; [`Decision`] | [`Record`] | no |
//!
//! The door is in [`http`], the steps are in [`pipeline`], and [`app`] puts them together.
//!
//! # The modules
//!
//! - [`alerts`]: tells people what stands, by e-mail and webhooks.
//! - [`app`]: the only place that names concrete types; from configuration to parts, run, reload, shut down.
//! - [`cli`]: the commands; most of them ask the running service over HTTP.
//! - [`clock`]: time as a value, so that tests own it.
//! - [`config`]: one TOML file and the environment become a checked configuration, or a list of all faults.
//! - [`connectwise`]: the client of ConnectWise: signing keys, facts of records of every kind, the batch, and payments.
//! - [`domain`]: the pure core: every decision, and no async, no IO, no clock, no log.
//! - [`http`]: the outer surface: the door, the API of operators, the page, health and metrics.
//! - [`pipeline`]: the shell: it leases a record, does one step and settles it.
//! - [`remote`]: what both clients share: one way to send, one error, one way to try again.
//! - [`simulator`]: both systems on real ports with faults on demand, for the demo and the tests.
//! - [`store`]: the journal, which is the truth, and its index.
//! - [`telemetry`]: logs and metrics.
//! - [`vault`]: refresh tokens, encrypted at rest.
//! - [`xero`]: the client of Xero: tokens, budget, contacts, settings, documents, look-ups and payments.
//!
//! A module uses only modules further down: `cli`; `app`; `http`; `alerts`; `pipeline` and `vault`; `telemetry`; then
//! `config`, `connectwise`, `xero` and `store`; then `remote`, `domain` and `clock`. The simulator uses `clock`
//! alone, so that it cannot agree with the service by accident.
//!
//! # The invariants
//!
//! - **One document per record.** The intent (key, hash of the body) is durable before Xero is called: only
//!   [`Store::arm`] makes an [`Armed`]. After an unknown outcome the same bytes go out under the same key while
//!   Xero remembers it; later the document is looked up, and adopted if equal or held if different. A record that
//!   was closed before [`Store::trusted_since`] is always looked up first, and so is every bill and journal of a
//!   record, because Xero would take a second one: they carry the record's [`mark`](domain::facts::mark).
//! - **Durable before acknowledged.** A 2xx to ConnectWise means that the journal entry was synced. A failed write
//!   or sync is never repeated: it poisons the store, the door answers 429, and the process ends.
//! - **The journal is the truth.** The index is a fold of it by the functions of [`domain::delivery`], and is rebuilt
//!   when it is missing, behind or broken. Even the journal may be lost: look-ups keep the books right.
//! - **The history cannot be changed quietly.** Entries are a hash chain over callbacks, decisions with their operator,
//!   rules, and the hashes of all exchanges; [`store::audit`] finds any change, given a head that was noted elsewhere.
//! - **Nothing vanishes.** Every record ends in a state that a bookkeeper can read, with a stable code. A log line
//!   is never the only trace.
//! - **Money is exact.** Decimals with checked arithmetic; JSON numbers never pass through floating point; only
//!   [`balance`](domain::balance::balance) makes a [`Balanced`], whose total is ConnectWise's.
//! - **Companies are apart.** Each has its own clients, budget, rest, pauses and places for steps, so neither a
//!   backlog nor an outage of one slows another. A step sees one set of [`Parts`] from beginning to end, whatever is
//!   reloaded meanwhile.
//! - **Every failure says who acts next.** [`Failure`]: time, a person, or whoever mends the company as a whole. Only
//!   failures that may be the record's own count towards a hold; an outage never does.
//!
//! # The words
//!
//! | Word | Meaning |
//! |---|---|
//! | record | One thing in ConnectWise that may be posted, named by connection, kind and id: [`RecordKey`], [`Record`]. |
//! | kind | Which sort of record it is, such as invoice or purchase: [`RecordKind`](domain::record::RecordKind). |
//! | party | Whom a record is about: a client, a vendor or a member: [`Party`](domain::facts::Party). |
//! | callback | ConnectWise's message that a record changed: [`Callback`]. |
//! | payments | What was paid on one sales invoice in Xero, a record of its own: [`Subject`](domain::payments::Subject). |
//! | link | A payment in ConnectWise and one in Xero that are the same: [`Link`](domain::payments::Link). |
//! | sweep | Both systems' lists are compared with the store, at intervals or when asked: [`SweepResult`](domain::sweep::SweepResult). |
//! | miss | A closed record that no callback told of, found by a sweep: [`Found`](domain::sweep::Found). |
//! | trigger | Why a record is looked at: [`Trigger`]. |
//! | lease | The right to work on a record until a time: [`Lease`]. |
//! | lane | Records that are worked on, or wait, for the same reasons: [`Lane`]. |
//! | rest | Nothing can be posted to a company until a time; it ends by itself: [`Rest`]. |
//! | pause | An operator lets nothing be posted to a company, all or one kind; only an operator ends it: [`Pause`]. |
//! | reload | The configuration is read anew, and the [`Parts`] are exchanged at once: [`Live::exchange`]. |
//! | step | What is to be done about a record: post, journal, mark or unpost: [`Step`]. |
//! | content | What ConnectWise said of a record when it was posted, by fields: [`Content`](domain::content::Content). |
//! | facts | All that a decision may depend on, read from both systems: [`Facts`]. |
//! | rules | The bookkeeper's choices for a company: [`Rules`]. |
//! | plan | The one thing to do, and what was noticed: [`Plan`]. |
//! | document | What a record becomes in Xero, such as an invoice, a bill or a journal: [`DocumentKind`], [`Posted`]. |
//! | hold | Stops a record until a person has acted: [`HoldReason`], [`HoldCode`]. |
//! | skip | Nothing has to be posted: [`SkipReason`]. |
//! | statement | A month of one company, both systems next to each other: [`Statement`](domain::statement::Statement). |
//! | warning | The record was posted, and a person should look once: [`Warning`]. |
//! | intent | A request that is about to be sent, made durable first: [`Intent`]. |
//! | exchange | One request and its answer, as the history keeps it: [`Exchange`](domain::exchange::Exchange). |
//! | head | Number and hash of the last entry of the history: [`Head`](store::Head). |
//! | settlement | What happens after a step, as it is journalled: [`Settlement`]. |
//! | company | One Xero organisation: [`CompanyId`]. What ConnectWise calls a company is a *client* here. |
//! | connection | One ConnectWise system: [`ConnectionId`]. |
//! | alert | Something that stands and that somebody should know of: [`Alert`](domain::alert::Alert). |
//! | channel | Who is told of alerts, and by what: [`Alerts`](alerts::Alerts). |
//! | bulk | One decision about many records, carried out record by record: [`Kept`](domain::bulk::Kept). |
//! | batch | What marks a record as posted in ConnectWise, one for each: [`batch::name`]. |
//!
//! [`Accepted`]: domain::delivery::Accepted
//! [`Armed`]: store::Armed
//! [`Balanced`]: domain::balance::Balanced
//! [`Callback`]: domain::callback::Callback
//! [`Callback::parse`]: domain::callback::Callback::parse
//! [`CompanyId`]: domain::record::CompanyId
//! [`ConnectWise::invoice`]: connectwise::ConnectWise::invoice
//! [`ConnectWise::mark`]: connectwise::ConnectWise::mark
//! [`ConnectWise::posting`]: connectwise::ConnectWise::posting
//! [`ConnectWise::signing_key`]: connectwise::ConnectWise::signing_key
//! [`ConnectionId`]: domain::record::ConnectionId
//! [`Created`]: xero::Created
//! [`Decision`]: domain::delivery::Decision
//! [`DocumentKind`]: domain::draft::DocumentKind
//! [`Document`]: domain::document::Document
//! [`Draft`]: domain::draft::Draft
//! [`Facts`]: domain::facts::Facts
//! [`Failure`]: domain::settle::Failure
//! [`Filter`]: store::Filter
//! [`HoldCode`]: domain::hold::HoldCode
//! [`HoldReason`]: domain::hold::HoldReason
//! [`Intent`]: domain::delivery::Intent
//! [`KeyUrl`]: domain::callback::KeyUrl
//! [`KeyUrl::peek`]: domain::callback::KeyUrl::peek
//! [`Lane`]: store::Lane
//! [`Lease`]: store::Lease
//! [`Live::exchange`]: pipeline::Live::exchange
//! [`Marked`]: connectwise::Marked
//! [`Outcome`]: domain::settle::Outcome
//! [`Parts`]: pipeline::Parts
//! [`Pause`]: store::Pause
//! [`Plan`]: domain::plan::Plan
//! [`Posted`]: domain::delivery::Posted
//! [`Record`]: domain::delivery::Record
//! [`RecordFacts`]: domain::facts::RecordFacts
//! [`RecordKey`]: domain::record::RecordKey
//! [`Rest`]: store::Rest
//! [`Rules`]: domain::rules::Rules
//! [`Settlement`]: domain::settle::Settlement
//! [`SigningKey`]: domain::signature::SigningKey
//! [`SkipReason`]: domain::hold::SkipReason
//! [`Step`]: domain::delivery::Step
//! [`Store::accept`]: store::Store::accept
//! [`Store::arm`]: store::Store::arm
//! [`Store::lease_in`]: store::Store::lease_in
//! [`Store::records`]: store::Store::records
//! [`Store::resolve`]: store::Store::resolve
//! [`Store::settle`]: store::Store::settle
//! [`Store::trusted_since`]: store::Store::trusted_since
//! [`Trigger`]: domain::delivery::Trigger
//! [`Verified`]: domain::signature::Verified
//! [`Warning`]: domain::warning::Warning
//! [`Xero::create`]: xero::Xero::create
//! [`Xero::find`]: xero::Xero::find
//! [`Xero::organisation`]: xero::Xero::organisation
//! [`after_post`]: domain::plan::after_post
//! [`batch::name`]: domain::batch::name
//! [`settle`]: domain::settle::settle
//! [`triage`]: domain::plan::triage
//! [`verify`]: domain::signature::verify

pub mod alerts;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connectwise;
pub mod domain;
pub mod http;
pub mod pipeline;
pub mod remote;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod vault;
pub mod xero;
