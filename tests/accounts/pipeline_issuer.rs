//! An issuer of pipelines' JWTs for tests: it serves its discovery document and its keys on loopback.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::accounts::jwt_issuer::{SigningKey, key_set};
use crate::support::{AUDIENCE, Setup, TestApp, pipelines};

pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";
pub(crate) const KEYS: &str = "/keys";

/// What the issuer does when it is asked for a path.
#[derive(Clone)]
pub(crate) enum Answer {
    Raw(String),
    /// It says nothing, and keeps the connection.
    Silence,
    /// It closes the connection.
    Down,
    /// A document that doesn't end.
    Endless,
}

impl Answer {
    pub(crate) fn json(document: &Value) -> Self {
        let body = document.to_string();
        Self::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"))
    }
}

pub(crate) struct PipelineIssuer {
    pub(crate) url: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl PipelineIssuer {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (answers, asked) = (Arc::<Mutex<HashMap<String, Answer>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let task = tokio::spawn({
            let (answers, asked) = (answers.clone(), asked.clone());
            async move {
                while let Ok((mut socket, _)) = listener.accept().await {
                    let (answers, asked) = (answers.clone(), asked.clone());
                    tokio::spawn(async move {
                        let mut head = Vec::new();
                        while !head.ends_with(b"\r\n\r\n") {
                            let Ok(byte) = socket.read_u8().await else { return };
                            head.push(byte);
                        }
                        let head = String::from_utf8(head).expect("text");
                        let path = head.split(' ').nth(1).expect("a path").to_owned();
                        asked.lock().expect("unpoisoned").push(path.clone());
                        let answer = answers.lock().expect("unpoisoned").get(&path).cloned();
                        match answer {
                            Some(Answer::Raw(text)) => _ = socket.write_all(text.as_bytes()).await,
                            Some(Answer::Silence) => std::future::pending().await,
                            Some(Answer::Endless) => {
                                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"keys\": [").await;
                                while socket.write_all(&[b' '; 65_536]).await.is_ok() {}
                            }
                            Some(Answer::Down) => {}
                            None => _ = socket.write_all(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n").await,
                        }
                    });
                }
            }
        });
        let this = Self { url, answers, asked, task };
        this.answer(DISCOVERY, Answer::json(&this.discovery()));
        this.give(keys);
        this
    }

    /// The discovery document.
    pub(crate) fn discovery(&self) -> Value {
        json!({ "issuer": self.url, "jwks_uri": format!("{}{KEYS}", self.url) })
    }

    pub(crate) fn give(&self, keys: &[&SigningKey]) {
        self.answer(KEYS, Answer::json(&key_set(keys)));
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().expect("unpoisoned").insert(path.to_owned(), answer);
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.asked.lock().expect("unpoisoned").iter().filter(|asked| *asked == path).count()
    }

    /// An app whose accounts may trust this issuer.
    pub(crate) async fn app(&self) -> TestApp {
        TestApp::with(Setup { pipelines: Some(pipelines(&[&self.url])), ..Setup::default() }).await
    }

    /// The claims of a JWT that is valid for ten minutes, of a workflow of the repository acme/orders.
    pub(crate) fn claims(&self, app: &TestApp) -> Value {
        let now = app.now().timestamp();
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "repo:acme/orders:ref:refs/heads/main",
            "iat": now, "nbf": now, "exp": now + 600, "jti": "0d6a",
            "repository": "acme/orders", "ref": "refs/heads/main", "environment": "production",
            "run_attempt": 1, "protected": true, "groups": ["acme", "orders"],
        })
    }
}

impl Drop for PipelineIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
