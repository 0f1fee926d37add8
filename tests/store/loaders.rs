//! Cases in which the loaders must help the dataloader crate.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use packwright::graphql::batch::Batch;

/// When the resolver that drives a batch is dropped, because a sibling failed or the client left, the other waiting
/// resolvers still get their answers.
#[tokio::test]
async fn a_batch_whose_driver_is_dropped_is_read_again() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = reads.clone();
    let batch = Arc::new(Batch::new(move |keys: Vec<u32>| {
        let is_first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if is_first {
                pending::<()>().await;
            }
            Ok(keys.into_iter().map(|key| (key, key * 2)).collect::<HashMap<_, _>>())
        }
    }));
    let ask = |key| {
        let batch = batch.clone();
        tokio::spawn(async move { batch.one(key).await })
    };
    let (driver, waiting) = (ask(1), ask(2));
    while reads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    driver.abort();
    assert_eq!(waiting.await.unwrap().unwrap(), Some(4));
    assert_eq!(reads.load(Ordering::SeqCst), 2);
}

/// All keys that are requested in one step are read at once, and unknown keys get `None`.
#[tokio::test]
async fn keys_requested_in_one_step_are_read_together() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = reads.clone();
    let batch = Batch::new(move |keys: Vec<u32>| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { Ok(keys.into_iter().filter(|key| *key > 0).map(|key| (key, key * 2)).collect::<HashMap<_, _>>()) }
    });
    assert_eq!(batch.many([3, 0, 1, 3]).await.unwrap(), [6, 2, 6]);
    assert_eq!(batch.one(0).await.unwrap(), None);
    assert!(batch.must(0).await.is_err());
    assert_eq!(reads.load(Ordering::SeqCst), 1);
}
