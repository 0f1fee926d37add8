//! The turns of deliveries: who may make an attempt while others are made (R66).

use std::sync::Arc;
use std::time::Duration;

use packwright::domain::id::AccountId;
use packwright::service::webhooks::{DeliveryTurn, DeliveryTurns, Pace};
use tokio::sync::Semaphore;
use tokio::time::timeout;

const COUNT: usize = 64;
/// As many turns as one of 64 has.
const OF_ACCOUNT: usize = COUNT / 8;

fn turns() -> DeliveryTurns {
    DeliveryTurns::new(Arc::new(Semaphore::new(COUNT)), COUNT)
}

fn account(number: u128) -> AccountId {
    uuid::Uuid::from_u128(number).into()
}

/// A receiver that took the last event, but needed longer than a second.
fn late() -> Pace {
    Pace::of(true, Duration::from_millis(1_001))
}

/// A receiver that didn't answer.
fn silent() -> Pace {
    Pace::of(false, Duration::from_secs(15))
}

/// A receiver that took the last event at once.
fn fast() -> Pace {
    Pace::of(true, Duration::from_secs(1))
}

/// Takes a turn, unless it has to wait. The clock of the test stands still, so that nobody waits in fact.
async fn take(turns: &DeliveryTurns, account: AccountId, pace: Pace) -> Option<DeliveryTurn> {
    timeout(Duration::from_millis(1), turns.take(account, pace)).await.ok()
}

/// Takes turns until the next one has to wait.
async fn take_all(turns: &DeliveryTurns, account: AccountId, pace: Pace) -> Vec<DeliveryTurn> {
    let mut taken = Vec::new();
    while let Some(turn) = take(turns, account, pace).await {
        taken.push(turn);
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn r66_a_receiver_that_takes_events_late_waits_for_none_that_does_not_answer() {
    let turns = turns();
    let silent_ones = take_all(&turns, account(1), silent()).await;
    assert_eq!(silent_ones.len(), OF_ACCOUNT / 2);
    let late_ones = take_all(&turns, account(1), late()).await;
    assert_eq!(late_ones.len(), OF_ACCOUNT / 4, "a quarter of the turns is left to them");
    assert_eq!(take_all(&turns, account(1), fast()).await.len(), OF_ACCOUNT / 4, "and a quarter to fast ones");
}

#[tokio::test(start_paused = true)]
async fn r66_late_receivers_of_one_account_wait_for_none_of_another_that_does_not_answer() {
    let turns = turns();
    let mut silent_ones = Vec::new();
    for number in 0..20 {
        silent_ones.extend(take_all(&turns, account(number), silent()).await);
    }
    assert_eq!(silent_ones.len(), COUNT / 2);
    let late_ones = take_all(&turns, account(100), late()).await;
    assert_eq!(late_ones.len(), OF_ACCOUNT / 2);
}

#[tokio::test(start_paused = true)]
async fn r66_late_receivers_leave_turns_to_those_that_are_tried_again_and_to_fast_ones() {
    let turns = turns();
    let mut late_ones = Vec::new();
    for number in 0..20 {
        late_ones.extend(take_all(&turns, account(number), late()).await);
    }
    assert_eq!(late_ones.len(), COUNT / 2);
    assert!(take(&turns, account(100), silent()).await.is_some());
    assert_eq!(take_all(&turns, account(101), fast()).await.len(), OF_ACCOUNT);
    // With all of their turns back, nothing was lost.
    drop(late_ones);
    assert_eq!(take_all(&turns, account(1), late()).await.len(), OF_ACCOUNT / 2);
}
