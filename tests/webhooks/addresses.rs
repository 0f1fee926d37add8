//! Nothing inside is reached, however its address is spelled (R65).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use hyper::body::Bytes;
use packwright::domain::webhooks::{AllowedNetworks, Destination, WebhookFailure, is_global};
use packwright::outbound::{NotAllowed, Outbound, OutboundOptions, Request, Resolve};
use tokio::net::TcpListener;

/// Hosts that lead inside, or nowhere. `{port}` is a port on which somebody listens at every local address.
const REFUSED: &[&str] = &[
    // Loopback, in every spelling.
    "https://127.0.0.1:{port}/",
    "https://127.0.0.2:{port}/",
    "https://127.255.255.254:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://2130706433:{port}/",
    "https://017700000001:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0x0.0x0.0x1:{port}/",
    "https://0x7f.1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://0177.0.0.01:{port}/",
    "https://127.0.0x0.1:{port}/",
    "https://0X7F.0.0.1:{port}/",
    "https://%31%32%37.0.0.1:{port}/",
    "https://127%2e0%2e0%2e1:{port}/",
    "https://１２７.０.０.１:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://127。0。0。1:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://ｌｏｃａｌｈｏｓｔ:{port}/",
    "https://localhost.localdomain:{port}/",
    "https://foo.localhost:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/",
    // IPv4 inside IPv6.
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[0:0:0:0:0:ffff:7f00:0001]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[::7f00:1]:{port}/",
    "https://[::ffff:0:127.0.0.1]:{port}/",
    "https://[::ffff:10.0.0.1]:{port}/",
    "https://[::ffff:169.254.169.254]:{port}/",
    "https://[::ffff:192.168.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[64:ff9b::10.0.0.1]:{port}/",
    "https://[64:ff9b::169.254.169.254]:{port}/",
    "https://[64:ff9b:1::1]:{port}/",
    "https://[64:ff9b:1::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2002:7f00:1::1]:{port}/",
    "https://[2002:a00:1::1]:{port}/",
    "https://[2002:a9fe:a9fe::]:{port}/",
    "https://[2002:c0a8:1::1]:{port}/",
    "https://[2001:0:7f00:1::1]:{port}/",
    "https://[2001::1]:{port}/",
    // Unspecified, private, shared, link-local.
    "https://0.0.0.0:{port}/",
    "https://0:{port}/",
    "https://0.1.2.3:{port}/",
    "https://[::]:{port}/",
    "https://10.0.0.1:{port}/",
    "https://10.255.255.255:{port}/",
    "https://012.0.0.1:{port}/",
    "https://167772161:{port}/",
    "https://100.64.0.1:{port}/",
    "https://100.127.255.255:{port}/",
    "https://169.254.0.1:{port}/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.170.2:{port}/",
    "https://172.16.0.1:{port}/",
    "https://172.31.255.255:{port}/",
    "https://192.168.0.1:{port}/",
    "https://192.168.255.255:{port}/",
    "https://3232235777:{port}/",
    "https://[fe80::1]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://[fe80::1%lo]:{port}/",
    "https://[::1%25lo]:{port}/",
    "https://[febf::1]:{port}/",
    "https://[fec0::1]:{port}/",
    "https://[fc00::1]:{port}/",
    "https://[fd00::1]:{port}/",
    "https://[fd00:ec2::254]:{port}/",
    "https://[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:{port}/",
    // Reserved, documentation, benchmarks, multicast, broadcast.
    "https://192.0.0.1:{port}/",
    "https://192.0.0.192:{port}/",
    "https://192.0.2.1:{port}/",
    "https://192.88.99.1:{port}/",
    "https://198.18.0.1:{port}/",
    "https://198.19.255.255:{port}/",
    "https://198.51.100.1:{port}/",
    "https://203.0.113.1:{port}/",
    "https://224.0.0.1:{port}/",
    "https://239.255.255.250:{port}/",
    "https://240.0.0.1:{port}/",
    "https://255.255.255.255:{port}/",
    "https://[ff02::1]:{port}/",
    "https://[ff0e::1]:{port}/",
    "https://[2001:db8::1]:{port}/",
    "https://[2001:2::1]:{port}/",
    "https://[2001:10::1]:{port}/",
    "https://[2001:20::1]:{port}/",
    "https://[3fff::1]:{port}/",
    "https://[100::1]:{port}/",
    "https://[5f00::1]:{port}/",
    "https://[4000::1]:{port}/",
    // Names.
    "https://inside.test:{port}/",
    "https://both.test:{port}/",
    "https://both-six.test:{port}/",
    "https://mapped.test:{port}/",
    "https://translated.test:{port}/",
    "https://metadata.test/",
    "https://nobody.test:{port}/",
    "https://silent.test:{port}/",
    "https://inside.test.:{port}/",
    "https://ınside.test:{port}/",
    // Other schemes, ports and parts.
    "http://127.0.0.1:{port}/",
    "http://8.8.8.8:{port}/",
    "http://global.test/",
    "https://global.test:0/",
    "https://user@global.test/",
    "https://user:password@global.test/",
    "https://@global.test/",
    "https://127.0.0.1:{port}@global.test/",
    "https://global.test@127.0.0.1:{port}/",
    "https://global.test#@127.0.0.1:{port}/",
    "https://global.test/#part",
    "https://global.test\\@127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "https:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "https://",
    "https://:{port}/",
    "https://[]:{port}/",
    "https://[::1:{port}/",
    "https://999.1.1.1:{port}/",
    "https://1.2.3.4.5:{port}/",
    "https://256.256.256.256/",
    "https://exa mple.test/",
    "https://xn--/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "unix:/var/run/docker.sock",
    "javascript:alert(1)",
    "",
];

/// Names, and where they lead.
struct Names;

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        async move {
            let found: &[&str] = match host.trim_end_matches('.') {
                "inside.test" | "localhost" | "foo.localhost" | "localhost.localdomain" => &["127.0.0.1"],
                "both.test" => &["93.184.215.14", "127.0.0.1"],
                "both-six.test" => &["93.184.215.14", "::1"],
                "mapped.test" => &["::ffff:127.0.0.1"],
                "translated.test" => &["64:ff9b::7f00:1"],
                "metadata.test" => &["169.254.169.254"],
                "silent.test" => std::future::pending().await,
                "global.test" => &["93.184.215.14"],
                _ => return Err(std::io::Error::other("no such name")),
            };
            Ok(found.iter().map(|ip| ip.parse().unwrap()).collect())
        }
        .boxed()
    }
}

/// Listens at all local addresses, and counts connections.
async fn listener() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("[::]:0").await;
    let listener = match listener {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("0.0.0.0:0").await.unwrap(),
    };
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

fn outbound(resolver: impl Resolve + 'static, allowed: &[&str]) -> Outbound {
    let allowed = AllowedNetworks::new(allowed.iter().map(|network| network.parse().unwrap()).collect());
    let options = OutboundOptions {
        allowed,
        resolver: Arc::new(resolver),
        limit: Duration::from_secs(2),
        refusal_after: Duration::from_millis(300),
        ..OutboundOptions::default()
    };
    Outbound::new(options).unwrap()
}

fn request() -> Request {
    Request { headers: Vec::new(), body: Bytes::from_static(b"{}") }
}

#[tokio::test]
async fn r65_nothing_inside_is_reached_and_one_answer_is_for_all() {
    assert!(REFUSED.len() >= 100, "{}", REFUSED.len());
    let (port, connections) = listener().await;
    // The listener is there: this is what a connection would look like.
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(connections.swap(0, Ordering::SeqCst), 1);
    let outbound = outbound(Names, &[]);
    let mut all = Vec::new();
    for text in REFUSED {
        let text = text.replace("{port}", &port.to_string());
        let Some(destination) = Destination::parse(&text) else { continue };
        let outbound = &outbound;
        all.push(async move {
            let began = tokio::time::Instant::now();
            assert_eq!(outbound.check(&destination).await, Err(NotAllowed), "{text}");
            let checked = began.elapsed();
            let sent = outbound.post(&destination, request()).await;
            (text, checked, sent)
        });
    }
    assert!(all.len() >= 80, "only {} could be read as an address", all.len());
    for (text, checked, sent) in join_all(all).await {
        assert!(checked >= Duration::from_millis(300), "{text} was refused after {checked:?}");
        assert_eq!(sent.attempted.failure, Some(WebhookFailure::Connection), "{text}");
        assert_eq!((sent.attempted.status, sent.took), (None, Duration::from_millis(300)), "{text}");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(connections.load(Ordering::SeqCst), 0, "somebody connected");
}

/// A name that leads to an allowed address when it is asked for the first time, and inside from then on.
struct Rebound(Arc<AtomicUsize>);

impl Resolve for Rebound {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let outside = self.0.fetch_add(1, Ordering::SeqCst) == 0;
        let ip: IpAddr = if outside { "127.0.0.2" } else { "127.0.0.1" }.parse().unwrap();
        async move { Ok(vec![ip]) }.boxed()
    }
}

#[tokio::test]
async fn r65_a_name_that_is_bound_anew_leads_nowhere_else() {
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let outbound = outbound(Rebound(asked.clone()), &["127.0.0.2/32"]);
    let destination = Destination::parse(&format!("http://rebound.test:{port}/")).unwrap();
    // The attempt asks once, and connects to what it was told then, where nobody listens.
    let sent = outbound.post(&destination, request()).await;
    assert_eq!(sent.attempted.failure, Some(WebhookFailure::Connection));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let came = tokio::time::timeout(Duration::from_millis(300), inside.accept()).await;
    assert!(came.is_err(), "somebody connected inside");
}

#[tokio::test]
async fn r65_an_allowed_network_is_let_in_with_http_and_no_other() {
    let names = || outbound(Names, &["127.0.0.0/8"]);
    let may = async |text: &str| names().check(&Destination::parse(text).unwrap()).await.is_ok();
    assert!(may("http://127.0.0.1:9/").await);
    assert!(may("https://127.0.0.1:9/").await);
    assert!(may("http://inside.test/").await);
    assert!(may("http://[::ffff:127.0.0.1]/").await);
    assert!(!may("http://[::1]/").await);
    assert!(!may("http://10.0.0.1/").await);
    assert!(!may("http://both.test/").await, "http to a global address");
    assert!(may("https://both.test/").await);
    assert!(!may("http://global.test/").await);
}

#[test]
fn r65_global_addresses_are_let_in() {
    let global = [
        "8.8.8.8",
        "1.1.1.1",
        "93.184.215.14",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:4860:4860::8888",
        "2001:200::1",
        "64:ff9b::808:808",
        "::ffff:8.8.8.8",
        "2002:808:808::1",
        "2400::1",
    ];
    for text in global {
        assert!(is_global(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn r61_an_address_is_https_without_user_and_fragment_of_2000_characters() {
    let long = |length: usize| format!("https://global.test/{}", "x".repeat(length - 20));
    assert!(Destination::parse(&long(2_000)).is_some());
    assert!(Destination::parse(&long(2_001)).is_none());
    for fine in ["https://global.test", "https://global.test/a?b=c", "https://global.test:8443/x", "https://[2a00::1]/"]
    {
        assert!(Destination::parse(fine).is_some_and(|destination| destination.is_https()), "{fine}");
    }
}
