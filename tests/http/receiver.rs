//! The demo's receiver of webhooks: a page below GraphiQL that shows what is sent to it.

use std::time::Duration;

use packwright::http::HttpOptions;
use packwright::http::connections::ConnectionOptions;
use packwright::signing::signatures;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{Ask, At as _, Server, TestApp};

const PATH: &str = "/graphiql/receiver";

/// A demo's server, which knows its address.
async fn demo(app: &TestApp) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (end, ending) = watch::channel(false);
    let options = HttpOptions {
        listener: Some(address),
        graphiql: true,
        demo_world: Some("world".into()),
        shutdown: Some(ending.clone()),
        ..HttpOptions::default()
    };
    let router = app.app.router(options);
    let serving = packwright::http::connections::serve(listener, router, ConnectionOptions::default(), ending);
    Server { address, end, task: tokio::spawn(serving) }
}

fn delivery(number: usize) -> Ask {
    Ask::new("POST", PATH)
        .with("webhook-id", &format!("evt_{number}"))
        .with("webhook-timestamp", "1795856400")
        .with("webhook-signature", "v1,bm8=")
        .body(format!("{{\"type\":\"number.{number}\"}}"))
}

/// The page of the receiver, open in a browser.
struct Page {
    socket: TcpStream,
    /// The head and the body of the answer, as far as they have come.
    text: String,
}

impl Page {
    async fn open(server: &Server) -> Self {
        let mut socket = TcpStream::connect(server.address).await.expect("a connection");
        let request = format!("GET {PATH}/deliveries HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
        socket.write_all(request.as_bytes()).await.expect("sent");
        Self { socket, text: String::new() }
    }

    /// Waits for the delivery with this id. Returns all deliveries that the page was sent.
    async fn until(&mut self, last: &str) -> Vec<Value> {
        let reading = async {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let lines = self.text.split('\n').filter_map(|line| line.strip_prefix("data: "));
                let found: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line.trim()).ok()).collect();
                if found.iter().any(|delivery| delivery.text("/id") == last) {
                    assert!(self.text.contains("content-type: text/event-stream"), "{}", self.text);
                    return found;
                }
                let read = self.socket.read(&mut buffer).await.expect("read");
                assert_ne!(read, 0, "the stream ends without {last}: {}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the page is sent it")
    }
}

#[tokio::test]
async fn only_the_demo_has_a_receiver() {
    let app = TestApp::new().await;
    let own = HttpOptions { graphiql: true, ..HttpOptions::default() };
    let own = Server::with(&app, own, ConnectionOptions::default()).await;
    for ask in [Ask::new("GET", PATH), Ask::new("GET", "/graphiql/receiver/deliveries"), delivery(1)] {
        assert!([404, 405].contains(&own.send(&ask).await.status));
    }
    assert!(
        !String::from_utf8_lossy(&own.send(&Ask::new("GET", "/graphiql/settings.json")).await.body)
            .contains("receiver")
    );
    let demo = demo(&app).await;
    let settings = demo.send(&Ask::new("GET", "/graphiql/settings.json")).await.json();
    assert_eq!(settings.text("/receiver"), format!("http://{}{PATH}", demo.address));
    let page = demo.send(&Ask::new("GET", PATH)).await;
    assert_eq!((page.status, page.header("content-type").as_deref()), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    for part in ["receiver.js", "receiver.css", "form.css", "icon.svg"] {
        let text = String::from_utf8(page.body.clone()).expect("text");
        assert!(text.contains(&format!("\"./{part}\"")), "{text}");
        assert_eq!(demo.send(&Ask::new("GET", &format!("/graphiql/{part}"))).await.status, 200, "{part}");
    }
}

#[tokio::test]
async fn the_receiver_shows_what_an_endpoint_is_sent_with_what_the_signature_needs() {
    let app = TestApp::new().await;
    let server = demo(&app).await;
    let url = format!("http://{}{PATH}", server.address);
    let (id, secret) = app.endpoint(&app.publisher, &url, json!({})).await;
    let input = json!({ "endpointId": id });
    let sent = app.ok(&app.publisher, "sendTestEvent", input, "delivery { eventId status failure }").await;
    assert_eq!(sent.at("/delivery/status"), &json!(204), "{sent:#}");
    let event = sent.text("/delivery/eventId");
    let shown = Page::open(&server).await.until(&event).await;
    assert_eq!(shown.len(), 1);
    let (timestamp, body) = (shown[0].text("/timestamp"), shown[0].text("/body"));
    let signed = signatures([secret.as_str()], &event, timestamp.parse().expect("seconds"), body.as_bytes());
    assert_eq!(shown[0].text("/signature"), signed);
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body.text("/type"), "webhook.test");
}

#[tokio::test]
async fn the_receiver_keeps_the_last_hundred_deliveries_and_takes_none_that_is_no_webhook() {
    let app = TestApp::new().await;
    let server = demo(&app).await;
    for number in 0..105 {
        assert_eq!(server.send(&delivery(number)).await.status, 204);
    }
    let mut unsigned = Ask::new("POST", PATH).with("webhook-id", "evt_x").with("webhook-timestamp", "1");
    unsigned = unsigned.body("{}");
    for (ask, status) in [
        (unsigned, 400),
        (delivery(1).body("x".repeat(200_000)), 413),
        (delivery(1).with("host", "evil.example"), 421),
        (Ask::new("PUT", PATH), 405),
    ] {
        assert_eq!(server.send(&ask).await.status, status);
    }
    let mut page = Page::open(&server).await;
    let ids: Vec<_> = page.until("evt_104").await.iter().map(|delivery| delivery.text("/id")).collect();
    let expected: Vec<_> = (5..105).map(|number| format!("evt_{number}")).collect();
    assert_eq!(ids, expected);
    // A delivery that comes while a page is open is shown, too.
    assert_eq!(server.send(&delivery(200)).await.status, 204);
    assert_eq!(page.until("evt_200").await.len(), 101);
}
