//! What receivers do to a server: they are slow, endless, or lead elsewhere (R63, R65).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use packwright::domain::webhooks::{AllowedNetworks, Attempted, Destination, RetryAfter, WebhookFailure};
use packwright::outbound::{Outbound, OutboundOptions, Request, Resolve as _, SystemResolver};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::program::kill::until;

/// The limit of an attempt that is answered: so long that a busy machine doesn't reach it.
const AMPLE: Duration = Duration::from_secs(30);

fn outbound(limit: Duration) -> Outbound {
    let options = OutboundOptions {
        allowed: AllowedNetworks::new(vec!["127.0.0.0/8".parse().unwrap()]),
        limit,
        refusal_after: Duration::from_millis(50),
        ..OutboundOptions::default()
    };
    Outbound::new(options).unwrap()
}

/// A receiver on loopback that reads a request and then does as it is told. Returns the port, and how many bytes it has
/// written.
async fn receiver<F>(answer: impl Fn(TcpStream, Arc<AtomicUsize>) -> F + Send + 'static) -> (u16, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4_096];
            let _ = socket.read(&mut head).await;
            tokio::spawn(answer(socket, counted.clone()));
        }
    });
    (port, count)
}

async fn post_to(port: u16) -> (Attempted, Duration) {
    post_within(AMPLE, port).await
}

async fn post_within(limit: Duration, port: u16) -> (Attempted, Duration) {
    let destination = Destination::parse(&format!("http://127.0.0.1:{port}/hook?x=1")).unwrap();
    let request = Request { headers: vec![("webhook-id", "evt_1".into())], body: Bytes::from_static(b"{}") };
    let sent = outbound(limit).post(&destination, request).await;
    (sent.attempted, sent.took)
}

/// Answers with these bytes and closes.
async fn answered(text: &'static str) -> (Attempted, Duration) {
    let (port, _) = receiver(move |mut socket, _| async move {
        let _ = socket.write_all(text.as_bytes()).await;
    })
    .await;
    post_to(port).await
}

#[tokio::test]
async fn r63_any_2xx_is_a_success_and_nothing_else() {
    for (text, status, taken) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, true),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, true),
        ("HTTP/1.1 299 Fine\r\ncontent-length: 0\r\n\r\n", 299, true),
        ("HTTP/1.0 202 Accepted\r\n\r\nstarted", 202, true),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, true),
        ("HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n", 301, false),
        ("HTTP/1.1 307 Temporary\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n", 307, false),
        ("HTTP/1.1 308 Permanent\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", 308, false),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, false),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", 410, false),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", 500, false),
    ] {
        let (attempted, _) = answered(text).await;
        let failure = (!taken).then_some(WebhookFailure::Status);
        assert_eq!((attempted.status, attempted.failure), (Some(status), failure), "{text}");
    }
}

#[tokio::test]
async fn r63_retry_after_is_read() {
    let (attempted, _) = answered("HTTP/1.1 503 Busy\r\nretry-after: 77\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(attempted.retry_after, Some(RetryAfter::In(chrono::Duration::seconds(77))));
}

#[tokio::test]
async fn r63_no_answer_and_nonsense_are_failures_of_the_connection() {
    for text in ["", "nonsense\r\n\r\n", "HTTP/1.1 200", "HTTP/1.1 abc OK\r\n\r\n"] {
        let (attempted, _) = answered(text).await;
        assert_eq!((attempted.status, attempted.failure), (None, Some(WebhookFailure::Connection)), "{text}");
    }
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert_eq!(post_to(unused).await.0.failure, Some(WebhookFailure::Connection));
}

#[tokio::test]
async fn r63_an_answer_that_does_not_come_or_drips_is_given_up_in_time() {
    let (silent, _) = receiver(|socket, _| async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(socket);
    })
    .await;
    let (drips_head, _) = receiver(|mut socket, _| async move {
        for byte in b"HTTP/1.1 200 OK\r\nx-slow: 1".iter().cycle().take(300) {
            let _ = socket.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    for port in [silent, drips_head] {
        let (attempted, took) = post_within(Duration::from_millis(700), port).await;
        assert_eq!(attempted.failure, Some(WebhookFailure::Timeout));
        // They would go on for half a minute.
        assert!((Duration::from_millis(600)..Duration::from_secs(10)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn r63_the_status_decides_however_slowly_the_body_comes() {
    for (head, failure) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n", None),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 5000\r\n\r\n", Some(WebhookFailure::Status)),
    ] {
        let (drips, _) = receiver(move |mut socket, _| async move {
            let _ = socket.write_all(head.as_bytes()).await;
            for _ in 0..300 {
                let _ = socket.write_all(b"x").await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        // Also when the attempt's time ends before the body was read for long enough.
        for limit in [AMPLE, Duration::from_millis(700)] {
            let (attempted, took) = post_within(limit, drips).await;
            assert_eq!(attempted.failure, failure, "{limit:?}");
            assert!(attempted.status.is_some());
            // It would go on for half a minute.
            assert!(took < Duration::from_secs(10), "{took:?}");
        }
    }
}

#[tokio::test]
async fn r65_an_endless_answer_is_read_up_to_64_kilobytes() {
    let (endless, _) = receiver(|mut socket, written| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let chunk = [b"400\r\n".as_slice(), &[b'x'; 1_024], b"\r\n"].concat();
        while socket.write_all(&chunk).await.is_ok() {
            written.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let (attempted, _) = post_to(endless).await;
    assert_eq!((attempted.status, attempted.failure), (Some(200), None));
    let (long_head, _) = receiver(|mut socket, _| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while socket.write_all(b"x-more: and more and more and more\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(post_to(long_head).await.0.status, None);
}

#[tokio::test]
async fn r61_https_needs_a_certificate_that_is_trusted() {
    let (port, _) = receiver(|mut socket, _| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let destination = Destination::parse(&format!("https://127.0.0.1:{port}/")).unwrap();
    let sent = outbound(AMPLE).post(&destination, Request { headers: Vec::new(), body: Bytes::new() }).await;
    assert_eq!((sent.attempted.status, sent.attempted.failure), (None, Some(WebhookFailure::Connection)));
}

#[tokio::test]
async fn r66_names_whose_look_up_is_slow_keep_no_other_name_waiting() {
    let resolver = Arc::new(SystemResolver::with(|host| {
        if host.starts_with("slow") {
            std::thread::sleep(Duration::from_secs(3));
        }
        Ok(vec!["93.184.215.14".parse().unwrap()])
    }));
    let all_slow = || {
        let names = (0..100).map(|number| format!("slow-{}.example.com", number % 40));
        let resolver = resolver.clone();
        let look_ups = names.map(move |name| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.resolve(&name).await.unwrap().len() })
        });
        look_ups.collect::<Vec<_>>()
    };
    // Their first look-ups show that they are slow.
    for look_up in all_slow() {
        assert_eq!(look_up.await.unwrap(), 1);
    }
    let again = all_slow();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for name in ["quick.example.com", "another.example.com", "quick.example.com"] {
        let began = Instant::now();
        assert_eq!(resolver.resolve(name).await.unwrap().len(), 1);
        assert!(began.elapsed() < Duration::from_millis(2_500), "{name}: {:?}", began.elapsed());
    }
    for look_up in again {
        assert_eq!(look_up.await.unwrap(), 1, "a slow name is found all the same");
    }
}

#[tokio::test]
async fn r66_new_names_that_answer_nothing_keep_no_known_name_waiting() {
    let began = Arc::new(AtomicUsize::new(0));
    let resolver = Arc::new(SystemResolver::with({
        let began = began.clone();
        move |host| {
            if host.starts_with("slow") {
                began.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_secs(3));
            }
            Ok(vec!["93.184.215.14".parse().unwrap()])
        }
    }));
    resolver.resolve("known.example.com").await.unwrap();
    // Nobody knows yet that these are slow.
    let look_ups: Vec<_> = (0..100)
        .map(|number| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.resolve(&format!("slow-{number}.example.com")).await.map(drop) })
        })
        .collect();
    until("the slow look-ups", async || began.load(Ordering::SeqCst) >= 48).await;
    let at = Instant::now();
    resolver.resolve("known.example.com").await.unwrap();
    assert!(at.elapsed() < Duration::from_millis(2_500), "{:?}", at.elapsed());
    look_ups.iter().for_each(tokio::task::JoinHandle::abort);
}
