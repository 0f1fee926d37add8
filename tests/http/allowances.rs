//! Rate limits: each token is charged by cost, its allowance refills evenly, and headers and answers show it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use packwright::http::{Allowances, EngineOptions, GraphqlRequest, Phase};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::{Ask, At as _, Reply, Server, Setup, TestApp};

/// Costs 10, the least that is charged.
const CHEAP: &str = "{ viewer { account { id } } }";
/// Costs 1 + 5 × 4.
const PAGE: &str = "{ integrationPacks(first: 5) { edges { node { id } } } }";

fn allowances(per_minute: u64) -> Allowances {
    Allowances::new(NonZeroU64::new(per_minute).expect("not 0"))
}

async fn app(per_minute: u64) -> TestApp {
    let engine = EngineOptions { cost_per_minute: NonZeroU64::new(per_minute), ..EngineOptions::default() };
    TestApp::with(Setup { engine, ..Setup::default() }).await
}

#[test]
fn a_bucket_fills_up_evenly_and_is_each_tokens_own() {
    let (allowances, now) = (allowances(600), Instant::now());
    let (token, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let left = allowances.charge(token, 590, now).expect("as much as a minute has");
    assert_eq!((left.limit, left.remaining, left.reset_seconds, left.retry_after_seconds), (600, 10, 59, None));
    // A request that costs nothing is charged all the same.
    assert_eq!(allowances.charge(token, 0, now).expect("the last of it").remaining, 0);
    let refused = allowances.charge(token, 25, now).expect_err("empty");
    assert_eq!((refused.remaining, refused.retry_after_seconds, refused.reset_seconds), (0, Some(3), 60));
    assert_eq!(allowances.charge(other, 25, now).expect("another's").remaining, 575);
    // A refused request costs nothing. After the time that the refusal says, the same request is served.
    assert!(allowances.charge(token, 25, now + Duration::from_millis(2_400)).is_err());
    assert_eq!(allowances.charge(token, 25, now + Duration::from_secs(3)).expect("enough by now").remaining, 5);
    // The allowance never exceeds that of a minute.
    let late = allowances.charge(token, 10, now + Duration::from_secs(3_600)).expect("full");
    assert_eq!(late.remaining, 590);
}

#[test]
fn a_request_that_costs_more_than_a_minutes_allowance_waits_for_a_full_bucket() {
    let (allowances, now, token) = (allowances(100), Instant::now(), Uuid::from_u128(1));
    assert_eq!(allowances.charge(token, 5_000, now).expect("full").remaining, 0);
    assert_eq!(allowances.charge(token, 5_000, now).expect_err("empty").retry_after_seconds, Some(60));
    assert!(allowances.charge(token, 5_000, now + Duration::from_secs(60)).is_ok());
}

#[test]
fn a_second_execution_is_charged_even_if_the_bucket_gets_into_debt() {
    let (allowances, now, token) = (allowances(600), Instant::now(), Uuid::from_u128(1));
    assert_eq!(allowances.charge(token, 400, now).expect("full").remaining, 200);
    let left = allowances.charge_again(token, 400, now);
    assert_eq!((left.remaining, left.reset_seconds, left.retry_after_seconds), (0, 80, None));
    assert_eq!(allowances.charge(token, 100, now).expect_err("in debt").retry_after_seconds, Some(30));
    assert!(allowances.charge(token, 100, now + Duration::from_secs(30)).is_ok());
}

fn number(reply: &Reply, header: &str) -> u64 {
    reply.header(header).unwrap_or_else(|| panic!("no {header}")).parse().expect("a number")
}

#[tokio::test]
async fn each_answer_has_the_remaining_allowance_and_429_has_retry_after() {
    let app = app(45).await;
    let acme = app.managed("Acme").await;
    let server = Server::start(&app).await;
    let before = number(&server.send(&Ask::query(CHEAP).token(&acme.token)).await, "x-ratelimit-remaining");
    assert_eq!(before, 35, "another token has a bucket of its own");
    // The loop uses up the publisher's allowance, part of which the setup has spent.
    let reply = loop {
        let reply = server.send(&Ask::query(PAGE).token(&app.publisher)).await;
        if reply.status != 200 {
            break reply;
        }
        assert_eq!(number(&reply, "x-ratelimit-limit"), 45);
        let cost = reply.json().at("/extensions/cost").clone();
        assert_eq!((cost.at("/requested"), cost.at("/perMinute")), (&json!(21), &json!(45)));
        assert_eq!(cost.at("/remaining"), number(&reply, "x-ratelimit-remaining"));
        assert_eq!(cost.at("/resetSeconds"), number(&reply, "x-ratelimit-reset"));
        assert!(reply.header("retry-after").is_none());
    };
    assert_eq!((reply.status, reply.code().as_str()), (429, "RATE_LIMITED"));
    assert!((1..=28).contains(&number(&reply, "retry-after")));
    assert!(number(&reply, "x-ratelimit-remaining") < 21);
    let error = reply.json().at("/errors/0").clone();
    assert_eq!((error.at("/extensions/requested"), error.at("/extensions/limit")), (&json!(21), &json!(45)));
    assert_eq!(error.at("/extensions/retryAfterSeconds"), number(&reply, "retry-after"));
    assert!(error.text("/message").contains("45") && error.text("/message").contains("21"), "{error}");
    assert!(reply.json().get("data").is_none());
    // In every media type, and over every transport.
    let page_request = Ask::query(PAGE).token(&app.publisher);
    assert_eq!(server.send(&page_request.clone().accept("application/graphql-response+json")).await.status, 429);
    assert_eq!(server.send(&Ask::get(&[("query", PAGE)]).token(&app.publisher)).await.status, 429);
    let events = server.send(&page_request.to("/graphql/stream").accept("text/event-stream")).await;
    assert!(events.text().contains("RATE_LIMITED"), "{}", events.text());
    let request = GraphqlRequest { query: Some(PAGE.into()), ..GraphqlRequest::default() };
    let mut stream = app.app.execute_stream(Some(&app.publisher), request).await.expect("let in");
    assert_eq!(stream.next().await.map(|answer| answer.phase), Some(Phase::Limited));
    // Other callers are still served.
    assert_eq!(server.send(&Ask::query(CHEAP).token(&acme.token)).await.status, 200);
    assert_eq!(server.send(&Ask::query("{ __typename }")).await.status, 200);
}

#[tokio::test]
async fn nothing_is_counted_where_there_is_no_limit() {
    let app = app(0).await;
    let server = Server::start(&app).await;
    for _ in 0..20 {
        let reply = server.send(&Ask::query(PAGE).token(&app.publisher)).await;
        assert_eq!((reply.status, reply.header("x-ratelimit-limit")), (200, None));
        assert!(reply.json().at("/extensions/cost").get("remaining").is_none());
    }
}

/// The same document reads once or several times, as `$more` says.
const CHANGEABLE: &str = "query($more: Boolean!) { integrationPacks(first: 100) { edges { node { id
    versions(first: 2) @include(if: $more) { edges { node { id } } } } } } }";

fn changeable(more: bool, token: &str) -> Ask {
    Ask::post(&json!({ "query": CHANGEABLE, "variables": { "more": more } })).token(token)
}

/// Sends requests at the same time. Returns how often the server has executed them, by the statements for a page of
/// packs, and what they cost each. Fails unless the token was charged for each execution.
async fn executions(app: &TestApp, server: &Server, requests: usize) -> usize {
    let pages = Arc::new(AtomicUsize::new(0));
    let seen = pages.clone();
    app.after_statements(move |sql| {
        if sql.contains("integration_pack") && sql.contains("ORDER BY") {
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    let began = Instant::now();
    let before = number(&server.send(&Ask::query(CHEAP).token(&app.publisher)).await, "x-ratelimit-remaining");
    let asks: Vec<_> = (0..requests).map(|_| changeable(true, &app.publisher)).collect();
    let replies = futures_util::future::join_all(asks.iter().map(|ask| server.send(ask))).await;
    let after = replies.iter().map(|reply| number(reply, "x-ratelimit-remaining")).min().expect("a reply");
    let executions = pages.load(Ordering::Relaxed);
    let cost = u64::try_from(replies[0].json().int("/extensions/cost/requested")).expect("a cost");
    let refilled = PER_MINUTE * u64::try_from(began.elapsed().as_millis()).expect("a short time") / 60_000 + 1;
    let (charged, expected) = (before - after, cost * executions as u64);
    assert!(
        (expected.saturating_sub(refilled)..=expected).contains(&charged),
        "{executions} executions for {cost} each were charged as {charged}"
    );
    executions
}

const PER_MINUTE: u64 = 60_000;

/// After executions that read once, a server tries to answer a document without a transaction. When it must execute the
/// document once more, this is charged too.
#[tokio::test]
async fn each_execution_of_a_document_is_charged() {
    let app = app(PER_MINUTE).await;
    let orders = app.pack_with("Orders", &["Import"]).await;
    app.release_now(&orders.id).await;
    let server = Server::start(&app).await;
    let read_once = async || {
        for _ in 0..8 {
            assert_eq!(server.send(&changeable(false, &app.publisher)).await.status, 200);
        }
    };
    read_once().await;
    assert_eq!(executions(&app, &server, 1).await, 2, "the server expected a single read");
    assert_eq!(executions(&app, &server, 1).await, 1, "it learned");
    // Several begin before the first one tells that it reads more than once.
    read_once().await;
    assert!(executions(&app, &server, 5).await > 6);
    assert_eq!(executions(&app, &server, 1).await, 1);
}
