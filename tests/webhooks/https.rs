//! Delivery over HTTPS (R61, R63): to a receiver whose certificate bears its name and is signed by an authority that the
//! server trusts, and to no other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use packwright::domain::webhooks::{AllowedNetworks, Attempted, Destination, WebhookFailure};
use packwright::outbound::{Authority, Outbound, OutboundOptions, Request, Resolve, authorities};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::program::starts::{run, text_of};
use crate::support::{At as _, Setup, TestApp};

/// The name that all receivers are called by.
const NAME: &str = "hooks.example.com";

/// An authority that signs certificates.
type Signer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Signer {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A receiver's certificate and its key.
struct Certificate {
    der: CertificateDer<'static>,
    key: KeyPair,
}

impl Certificate {
    /// For these hosts, valid from one year to another one.
    fn of(hosts: &[&str], (from, to): (i32, i32), by: &Signer) -> Self {
        let params = Self::params(hosts, (from, to));
        let key = KeyPair::generate().unwrap();
        Self { der: params.signed_by(&key, by).unwrap().into(), key }
    }

    /// Signed by itself.
    fn of_nobody(hosts: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { der: Self::params(hosts, NOW).self_signed(&key).unwrap().into(), key }
    }

    fn params(hosts: &[&str], (from, to): (i32, i32)) -> CertificateParams {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        params
    }
}

/// A time that has begun and doesn't end soon.
const NOW: (i32, i32) = (2000, 3000);

/// A receiver behind TLS.
struct Receiver {
    port: u16,
    /// What came through TLS.
    received: Arc<Mutex<Vec<u8>>>,
}

impl Receiver {
    async fn with(certificate: Certificate) -> Self {
        let key = PrivatePkcs8KeyDer::from(certificate.key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self { port: listener.local_addr().unwrap().port(), received: Arc::default() };
        let received = this.received.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, received) = (acceptor.clone(), received.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let mut buffer = vec![0; 4_096];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        received.lock().unwrap().extend_from_slice(&buffer[..read]);
                        if received.lock().unwrap().ends_with(b"}") {
                            break;
                        }
                    }
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        this
    }

    fn received(&self) -> String {
        String::from_utf8(self.received.lock().unwrap().clone()).expect("text")
    }
}

/// Leads each name to this computer.
struct Here;

impl Resolve for Here {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) }.boxed()
    }
}

fn options(trusted: &[&Signer]) -> OutboundOptions {
    OutboundOptions {
        allowed: AllowedNetworks::new(vec!["127.0.0.0/8".parse().unwrap()]),
        resolver: Arc::new(Here),
        authorities: trusted.iter().map(|signer| signer.der().clone()).collect(),
        limit: Duration::from_secs(5),
        ..OutboundOptions::default()
    }
}

async fn post(host: &str, port: u16, trusted: &[&Signer]) -> Attempted {
    let destination = Destination::parse(&format!("https://{host}:{port}/hook")).unwrap();
    let request = Request { headers: vec![("webhook-id", "evt_1".into())], body: "{}".into() };
    Outbound::new(options(trusted)).unwrap().post(&destination, request).await.attempted
}

#[tokio::test]
async fn r61_an_event_is_sent_over_https_to_a_receiver_with_a_good_certificate() {
    let (signer, another) = (authority("Inside"), authority("Another"));
    for hosts in [&[NAME][..], &["*.example.com"], &["other.example.com", NAME]] {
        let receiver = Receiver::with(Certificate::of(hosts, NOW, &signer)).await;
        let attempted = post(NAME, receiver.port, &[&another, &signer]).await;
        assert_eq!((attempted.status, attempted.failure), (Some(204), None), "{hosts:?}");
        let received = receiver.received();
        assert!(received.starts_with("POST /hook HTTP/1.1\r\n") && received.ends_with("\r\n\r\n{}"), "{received}");
        assert!(received.contains(&format!("host: {NAME}:{}\r\n", receiver.port)), "{received}");
    }
    let by_address = Receiver::with(Certificate::of(&["127.0.0.1"], NOW, &signer)).await;
    assert_eq!(post("127.0.0.1", by_address.port, &[&signer]).await.status, Some(204));
}

#[tokio::test]
async fn r61_nothing_is_sent_to_a_receiver_whose_certificate_does_not_fit() {
    let (signer, another) = (authority("Inside"), authority("Another"));
    let cases = [
        ("of another authority", NAME, Certificate::of(&[NAME], NOW, &another)),
        ("of nobody", NAME, Certificate::of_nobody(&[NAME])),
        ("of another name", NAME, Certificate::of(&["hooks.example.org"], NOW, &signer)),
        ("of the name above", NAME, Certificate::of(&["example.com"], NOW, &signer)),
        ("of names two below", "a.hooks.example.com", Certificate::of(&["*.example.com"], NOW, &signer)),
        ("of no name", NAME, Certificate::of(&[], NOW, &signer)),
        ("of the name, for an address", "127.0.0.1", Certificate::of(&[NAME], NOW, &signer)),
        ("of the address, for a name", NAME, Certificate::of(&["127.0.0.1"], NOW, &signer)),
        ("that has expired", NAME, Certificate::of(&[NAME], (2000, 2020), &signer)),
        ("that isn't valid yet", NAME, Certificate::of(&[NAME], (2900, 3000), &signer)),
    ];
    for (what, host, certificate) in cases {
        let receiver = Receiver::with(certificate).await;
        let attempted = post(host, receiver.port, &[&signer]).await;
        assert_eq!((attempted.status, attempted.failure), (None, Some(WebhookFailure::Connection)), "{what}");
        assert_eq!(receiver.received(), "", "{what}");
    }
    // Without the setting, the authority inside is a stranger.
    let receiver = Receiver::with(Certificate::of(&[NAME], NOW, &signer)).await;
    let attempted = post(NAME, receiver.port, &[]).await;
    assert_eq!((attempted.failure, receiver.received().as_str()), (Some(WebhookFailure::Connection), ""));
}

#[tokio::test]
async fn r63_a_receiver_that_does_not_begin_tls_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let saw = saw.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4_096];
                while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                    saw.lock().unwrap().extend_from_slice(&buffer[..read]);
                }
            });
        }
    });
    let destination = Destination::parse(&format!("https://{NAME}:{port}/hook")).unwrap();
    let quick = OutboundOptions { limit: Duration::from_millis(500), ..options(&[]) };
    let request = Request { headers: vec![("webhook-id", "evt_1".into())], body: "{\"is\":\"inside\"}".into() };
    let sent = Outbound::new(quick).unwrap().post(&destination, request).await;
    assert_eq!((sent.attempted.status, sent.attempted.failure), (None, Some(WebhookFailure::Timeout)));
    let seen = String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    assert!(seen.contains(NAME) && !seen.contains("evt_1") && !seen.contains("inside"), "the name alone: {seen}");
}

#[tokio::test]
async fn r65_the_api_tells_a_bad_certificate_like_any_connection_that_could_not_be_made() {
    let signer = authority("Inside");
    let outbound = options(&[&signer]);
    let app = TestApp::with(Setup { outbound, ..Setup::default() }).await;
    let good = Receiver::with(Certificate::of(&[NAME], NOW, &signer)).await;
    let bad = Receiver::with(Certificate::of(&[NAME], (2000, 2020), &signer)).await;
    for (receiver, status, failure) in [(&good, json!(204), json!(null)), (&bad, json!(null), json!("CONNECTION"))] {
        let url = format!("https://{NAME}:{}/hook", receiver.port);
        let (id, _) = app.endpoint(&app.publisher, &url, json!({})).await;
        let input = json!({ "endpointId": id });
        let sent = app.ok(&app.publisher, "sendTestEvent", input, "delivery { status failure }").await;
        assert_eq!((sent.at("/delivery/status"), sent.at("/delivery/failure")), (&status, &failure));
    }
    assert!(good.received().contains("webhook.test"));
    assert_eq!(bad.received(), "");
}

/// A certificate as a file has it.
fn pem(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[tokio::test]
async fn the_file_of_authorities_is_read_at_the_start_and_a_bad_one_is_refused() {
    let (one, two) = (authority("One"), authority("Two"));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let both = format!("# Of the company\n{}{}", pem(one.der()), pem(two.der()));
    let good = file("good.pem", &both);
    let read: Vec<Authority> = authorities(&good).unwrap();
    assert_eq!(read, [one.der().clone(), two.der().clone()]);
    let nonsense = pem(&CertificateDer::from(vec![1, 2, 3]));
    for (path, why) in [
        (file("empty.pem", ""), "has no certificate"),
        (file("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "has no certificate"),
        (file("cut.pem", &both[..both.len() - 40]), "no file of certificates in PEM"),
        (file("nonsense.pem", &nonsense), "can't be used"),
        (folder.path().join("absent.pem"), "No such file"),
    ] {
        let said = text_of(&run(&["check-config", "--webhook-ca", path.to_str().unwrap()]).await);
        assert!(said.contains("--webhook-ca") && said.contains(why), "{said}");
    }
    assert!(run(&["check-config", "--webhook-ca", good.to_str().unwrap()]).await.status.success());
}
