//! An identity provider for tests: it makes keys, signs JWTs, and serves the public keys.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{Pkcs1v15Sign, PrivateKey, Pss};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A key that signs JWTs, with its id.
pub(crate) struct SigningKey {
    id: String,
    kind: Kind,
}

enum Kind {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(&'static PrivateKey),
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The prefix of a SHA-256 hash in a PKCS #1 v1.5 signature.
const SHA256_PREFIX: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

impl SigningKey {
    pub(crate) fn ed(id: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self { id: id.into(), kind: Kind::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key")) }
    }

    pub(crate) fn ec(id: &str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
        Self { id: id.into(), kind: Kind::Ec(pair) }
    }

    /// The only RSA key of this process, because making one takes a while.
    pub(crate) fn rsa(id: &str) -> Self {
        static KEY: OnceLock<PrivateKey> = OnceLock::new();
        let key = KEY.get_or_init(|| PrivateKey::new(&mut getrandom::SysRng, 2048).expect("a key"));
        Self { id: id.into(), kind: Kind::Rsa(key) }
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        match &self.kind {
            Kind::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": encoded(pair.public_key()) })
            }
            Kind::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (encoded(&point[1..33]), encoded(&point[33..]));
                json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": x, "y": y })
            }
            Kind::Rsa(key) => {
                let (n, e) = (encoded(key.n_bytes()), encoded(key.e_bytes()));
                json!({ "kty": "RSA", "kid": self.id, "use": "sig", "n": n, "e": e })
            }
        }
    }

    /// The default algorithm of the key.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Ed(_) => "EdDSA",
            Kind::Ec(_) => "ES256",
            Kind::Rsa(_) => "RS256",
        }
    }

    /// A JWT with these claims.
    pub(crate) fn jwt(&self, claims: &Value) -> String {
        self.jwt_with(&json!({ "typ": "JWT", "alg": self.algorithm(), "kid": self.id }), claims)
    }

    /// A JWT with this header.
    pub(crate) fn jwt_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = match &self.kind {
            Kind::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            Kind::Ec(pair) => {
                pair.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature").as_ref().to_vec()
            }
            Kind::Rsa(key) => {
                let hash = Sha256::digest(message.as_bytes());
                if header["alg"] == "PS256" {
                    key.sign(Pss::<Sha256>::new(), &hash).expect("a signature")
                } else {
                    let padding = Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
                    key.sign(padding, &hash).expect("a signature")
                }
            }
        };
        format!("{message}.{}", encoded(signature))
    }
}

/// A key set with these public keys.
pub(crate) fn key_set(keys: &[&SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

/// Serves a document over HTTP and counts the requests.
pub(crate) struct KeyServer {
    pub(crate) url: String,
    document: Arc<Mutex<String>>,
    reads: Arc<AtomicUsize>,
    failing: Arc<AtomicBool>,
    /// Locked while answers are held back.
    hold_lock: Arc<tokio::sync::Mutex<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl KeyServer {
    pub(crate) async fn start(document: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/keys?of=us", listener.local_addr().expect("an address"));
        let document = Arc::new(Mutex::new(document.to_string()));
        let (reads, failing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let hold_lock = Arc::<tokio::sync::Mutex<()>>::default();
        let task = tokio::spawn({
            let (document, reads, failing) = (document.clone(), reads.clone(), failing.clone());
            let hold_lock = hold_lock.clone();
            async move {
                loop {
                    let (mut socket, _) = listener.accept().await.expect("a connection");
                    let mut head = vec![socket.read_u8().await.expect("a request")];
                    if head != b"G" {
                        continue; // TLS, that nobody speaks here.
                    }
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(socket.read_u8().await.expect("a request"));
                    }
                    assert!(head.starts_with(b"GET /keys?of=us HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&head));
                    reads.fetch_add(1, Ordering::SeqCst);
                    drop(hold_lock.lock().await);
                    let body = document.lock().expect("unpoisoned").clone();
                    let status = if failing.load(Ordering::SeqCst) { "500 Oh No" } else { "200 OK" };
                    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    let _ = socket.write_all(answer.as_bytes()).await;
                }
            }
        });
        Self { url, document, reads, failing, hold_lock, task }
    }

    pub(crate) fn give(&self, document: &Value) {
        *self.document.lock().expect("unpoisoned") = document.to_string();
    }

    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// Holds answers back until the guard is dropped.
    pub(crate) async fn hold(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.hold_lock.clone().lock_owned().await
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
