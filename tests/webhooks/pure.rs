//! The decisions about retries, and signatures.

use chrono::Duration;
use packwright::domain::accounts::Actor;
use packwright::domain::log::Position;
use packwright::domain::webhooks::{
    Attempted, DisabledReason, Endpoint, EndpointFilter, Next, RetryAfter, WebhookFailure, WebhookRefusal,
    WebhookState, after_attempt, payload_type, rests,
};
use packwright::signing::signatures;
use proptest::prelude::*;

use crate::support::instant;

const NOW: &str = "2026-11-22T09:00:00Z";

fn failed(status: Option<u16>) -> Attempted {
    let failure = if status.is_some() { WebhookFailure::Status } else { WebhookFailure::Timeout };
    Attempted { status, failure: Some(failure), retry_after: None }
}

#[test]
fn r63_the_pauses_are_those_of_the_rule() {
    let now = instant(NOW);
    let seconds = [5, 30, 120, 600, 1_800, 3_600, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (index, seconds) in seconds.into_iter().enumerate() {
        let attempt = u32::try_from(index).unwrap() + 1;
        for (dice, permille) in [(0.0, 1_000), (-1.0, 800), (1.0, 1_200), (7.0, 1_200)] {
            let expected = now + Duration::milliseconds(seconds * permille);
            assert_eq!(
                after_attempt(failed(Some(500)), attempt, now, now, dice),
                Next::TryAgain(expected),
                "{attempt} {dice}"
            );
        }
    }
    let since = now - Duration::days(4);
    assert_eq!(after_attempt(failed(None), 13, since, now, 0.0), Next::Disable(DisabledReason::AttemptsExhausted));
    assert_eq!(
        after_attempt(failed(None), u32::MAX, since, now, 0.0),
        Next::Disable(DisabledReason::AttemptsExhausted)
    );
}

#[test]
fn r63_gone_disables_at_once_and_success_goes_on() {
    let now = instant(NOW);
    assert_eq!(after_attempt(failed(Some(410)), 1, now, now, 0.0), Next::Disable(DisabledReason::Gone));
    let taken = Attempted { status: Some(204), failure: None, retry_after: Some(RetryAfter::In(Duration::hours(1))) };
    assert_eq!(after_attempt(taken, 5, now, now, 0.0), Next::GoOn);
}

#[test]
fn r63_retry_after_is_kept_to_and_is_at_most_a_day() {
    let now = instant(NOW);
    let cases = [
        ("7", 7),
        ("0", 1),
        (" 3600 ", 3_600),
        ("999999999999999999999999", 86_400),
        ("86401", 86_400),
        ("Sun, 22 Nov 2026 09:01:00 GMT", 60),
        ("Sun, 22 Nov 2020 09:01:00 GMT", 1),
        ("Sun, 22 Nov 2037 09:01:00 GMT", 86_400),
    ];
    for (text, seconds) in cases {
        let attempted = Attempted { retry_after: RetryAfter::parse(text), ..failed(Some(503)) };
        let expected = Next::TryAgain(now + Duration::seconds(seconds));
        assert_eq!(after_attempt(attempted, 1, now, now, 1.0), expected, "{text}");
        // After four days the thirteenth attempt is the last one, whatever the receiver asks for.
        let since = now - Duration::days(4);
        assert_eq!(after_attempt(attempted, 13, since, now, 1.0), Next::Disable(DisabledReason::AttemptsExhausted));
    }
    for text in ["", "soon", "-1", "1.5", "Sun, 22 Nov", "+7"] {
        assert_eq!(RetryAfter::parse(text), None, "{text}");
    }
}

#[test]
fn r63_a_clock_that_was_ahead_makes_no_event_rest_for_days() {
    let now = instant(NOW);
    let hours = Duration::hours;
    assert!(rests(Some(now - hours(1)), now + hours(28), now));
    assert!(rests(None, now + hours(1), now));
    assert!(!rests(Some(now - hours(1)), now, now), "its time has come");
    assert!(!rests(Some(now - hours(1)), now + hours(29), now), "no pause is that long");
    assert!(!rests(Some(now + hours(1)), now + hours(2), now), "it failed in the future");
}

#[test]
fn r62_the_type_is_the_kind_with_dots() {
    assert_eq!(payload_type("RELEASE_STARTED"), "release.started");
    assert_eq!(payload_type("NEWER_SHAREABLE_PACKAGED"), "newer.shareable.packaged");
}

/// The example of Standard Webhooks' own documentation.
#[test]
fn r62_a_signature_is_that_of_standard_webhooks() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = br#"{"test": 2432232314}"#;
    let signed = signatures([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let two = signatures([secret, "whsec_AAAA"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
    assert_eq!(two.split(' ').count(), 2);
    assert!(two.starts_with(&signed));
    assert_eq!(signatures(["whsec_!"], "a", 1, body), "");
}

proptest! {
    #[test]
    fn r63_a_pause_varies_by_a_fifth_at_most(attempt in 1_u32..13, dice in -1.0_f64..1.0) {
        let now = instant(NOW);
        let Next::TryAgain(plain) = after_attempt(failed(None), attempt, now, now, 0.0) else { panic!("a pause") };
        let Next::TryAgain(varied) = after_attempt(failed(None), attempt, now, now, dice) else { panic!("a pause") };
        let (plain, varied) = ((plain - now).num_milliseconds(), (varied - now).num_milliseconds());
        prop_assert!((varied - plain).abs() * 5 <= plain + 5, "{plain} {varied}");
    }

    #[test]
    fn r63_whatever_a_receiver_asks_for_it_is_tried_as_long_as_the_pauses_last(
        asked in prop::collection::vec((prop::option::of(0_i64..100_000), -1.0_f64..1.0), 40),
        quick in prop::bool::ANY,
    ) {
        let began = instant(NOW);
        let (mut now, mut attempts) = (began, 0);
        for (seconds, dice) in asked {
            attempts += 1;
            let seconds = if quick { Some(1) } else { seconds };
            let retry_after = seconds.map(|seconds| RetryAfter::In(Duration::seconds(seconds)));
            match after_attempt(Attempted { retry_after, ..failed(Some(503)) }, attempts, began, now, dice) {
                Next::TryAgain(at) => {
                    prop_assert!(at - now >= Duration::seconds(1), "{at} {now}");
                    if let Some(seconds) = seconds {
                        prop_assert!(at - now >= Duration::seconds(seconds.min(86_400)), "not before");
                    }
                    now = at;
                }
                Next::Disable(reason) => {
                    prop_assert_eq!(reason, DisabledReason::AttemptsExhausted);
                    prop_assert!(attempts >= 13);
                    // Four fifths of the pauses' sum.
                    prop_assert!(now - began >= Duration::seconds(276_155 * 4 / 5), "{attempts} in {}", now - began);
                    return Ok(());
                }
                Next::GoOn => prop_assert!(false, "a failure"),
            }
        }
        prop_assert!(false, "tried without end: {attempts}");
    }
}

fn endpoint(state: WebhookState) -> Endpoint {
    let disabled_reason = (state == WebhookState::Disabled).then_some(DisabledReason::Gone);
    Endpoint {
        id: uuid::Uuid::from_u128(1).into(),
        account_id: uuid::Uuid::from_u128(2).into(),
        name: "Hooks".into(),
        url: "https://example.com/".into(),
        filter: EndpointFilter::default(),
        document: None,
        state,
        disabled_reason,
        place: Position { sequence: 7, event: uuid::Uuid::from_u128(3).into() },
        delivered: None,
        failed_attempts: 4,
        failing_since: Some(instant(NOW)),
        next_attempt_at: Some(instant(NOW)),
        former_secret_until: None,
        created_at: instant(NOW),
        created_by: Actor::scheduler(),
        revision: 9,
        place_revision: 1,
    }
}

#[test]
fn r63_an_endpoint_that_is_sent_events_is_paused_and_any_other_one_resumed() {
    use WebhookState::{Active, Disabled, Failing, Paused};
    for (state, pauses, resumes) in
        [(Active, true, false), (Failing, true, true), (Paused, false, true), (Disabled, false, true)]
    {
        let before = endpoint(state);
        for (is_allowed, refusal, after) in
            [(pauses, WebhookRefusal::AlreadyPaused, Paused), (resumes, WebhookRefusal::NotPaused, Active)]
        {
            let mut changed = before.clone();
            let result = if after == Paused { changed.pause() } else { changed.resume() };
            if is_allowed {
                assert_eq!(result, Ok(()), "{state:?}");
                let expected = Endpoint {
                    state: after,
                    disabled_reason: None,
                    failed_attempts: 0,
                    failing_since: None,
                    next_attempt_at: None,
                    revision: 10,
                    ..before.clone()
                };
                assert_eq!(changed, expected, "it has all of its attempts, and keeps its place");
            } else {
                assert_eq!((result, &changed), (Err(refusal), &before), "{state:?}");
            }
        }
        let mut given_up = before.clone();
        given_up.disable(DisabledReason::AttemptsExhausted);
        let reason = Some(DisabledReason::AttemptsExhausted);
        let expected =
            Endpoint { state: Disabled, disabled_reason: reason, next_attempt_at: None, revision: 10, ..before };
        assert_eq!(given_up, expected);
    }
}
