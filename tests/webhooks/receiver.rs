//! A receiver of webhooks, and servers that deliver to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use packwright::app::App;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use packwright::domain::accounts::Actor;
use packwright::domain::log::{Audience, EventData, EventKind, NewEvent};
use packwright::store::log::journal::{Addition, append};

use crate::support::rows::publisher_id;
use crate::support::{At, TestApp, uuid_of};

/// How long a test waits for something that a correct server does soon.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A request that was received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> String {
        let prefix = format!("{name}: ");
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&prefix));
        line.map(|line| line[prefix.len()..].to_owned()).unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }

    pub(crate) fn id(&self) -> String {
        self.header("webhook-id")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a payload is JSON")
    }

    /// The text of `data`.
    pub(crate) fn data(&self) -> &str {
        let (_, data) = self.body.split_once(r#","data":"#).expect("a payload has data");
        data.strip_suffix('}').expect("data comes last")
    }
}

/// What a receiver answers to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    Headers(u16, &'static str),
    /// A success after this time.
    After(Duration),
    /// Nothing, ever.
    Silence,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    replies: VecDeque<Reply>,
    otherwise: Option<Reply>,
    open: usize,
    most_open: usize,
}

/// A receiver on loopback. It takes everything unless it is told otherwise.
#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
    came: Arc<Notify>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let this = Self { port, state: Arc::default(), came: Arc::default() };
        let receiver = this.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(receiver.clone().serve(socket));
            }
        });
        this
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    async fn serve(self, mut socket: TcpStream) {
        let Some(received) = read(&mut socket).await else { return };
        let reply = {
            let mut state = self.state();
            state.received.push(received);
            state.open += 1;
            state.most_open = state.most_open.max(state.open);
            let otherwise = state.otherwise.clone();
            state.replies.pop_front().or(otherwise).unwrap_or(Reply::Status(204))
        };
        self.came.notify_waiters();
        let (status, more) = match reply {
            Reply::Status(status) => (status, ""),
            Reply::Headers(status, more) => (status, more),
            Reply::After(time) => {
                tokio::time::sleep(time).await;
                (204, "")
            }
            Reply::Silence => {
                let mut rest = [0; 16];
                // Ends when the sender gives up.
                let _ = socket.read(&mut rest).await;
                self.state().open -= 1;
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status} X\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
        let _ = socket.write_all(answer.as_bytes()).await;
        self.state().open -= 1;
    }

    /// Answers the next requests so.
    pub(crate) fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state().replies.extend(replies);
    }

    /// Answers so from now on, after the replies that are set.
    pub(crate) fn otherwise(&self, reply: Reply) {
        self.state().otherwise = Some(reply);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// The most requests that were open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.state().most_open
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.received().iter().map(Received::id).collect()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let all = async {
            loop {
                let came = self.came.notified();
                let received = self.received();
                if received.len() >= count {
                    return received;
                }
                let _ = tokio::time::timeout(Duration::from_millis(200), came).await;
            }
        };
        let waited = tokio::time::timeout(TIME_LIMIT, all).await;
        waited.unwrap_or_else(|_| panic!("{} of {count} came: {:#?}", self.received().len(), self.received()))
    }
}

async fn read(socket: &mut TcpStream) -> Option<Received> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let read = socket.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8(bytes.clone()).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(Received { head: head.into(), body: body.into() });
        }
    }
}

/// A server's dispatcher that runs.
pub(crate) struct Dispatching {
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Dispatching {
    pub(crate) fn of(app: &App) -> Self {
        let (end, ending) = watch::channel(false);
        Self { end, task: tokio::spawn(app.webhooks.clone().run(ending)) }
    }

    /// Ends it as a server that is killed.
    pub(crate) fn kill(self) {
        self.task.abort();
    }

    /// Ends it as a server that is told to end.
    pub(crate) async fn end(self) {
        self.end.send_replace(true);
        tokio::time::timeout(TIME_LIMIT, self.task).await.expect("the dispatcher ends").expect("it ends well");
    }
}

pub(crate) const ENDPOINT: &str = "id name url state disabledReason document filter { kinds pack { id } } lastDeliveredCursor waitingCount nextAttemptAt createdAt createdBy { name } formerSecretUntil";

impl TestApp {
    /// Makes an endpoint: its ID and its secret.
    pub(crate) async fn endpoint(&self, token: &str, url: &str, more: Value) -> (String, String) {
        let mut input = json!({ "name": format!("To {url}"), "url": url });
        for (field, value) in more.as_object().into_iter().flatten() {
            input[field] = value.clone();
        }
        let made = self.ok(token, "createWebhookEndpoint", input, "endpoint { id } secret").await;
        (made.text("/endpoint/id"), made.text("/secret"))
    }

    pub(crate) async fn read_endpoint(&self, token: &str, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ node(id: $id) {{ ... on WebhookEndpoint {{ {ENDPOINT} }} }} }}");
        self.gql(token, &query, json!({ "id": id })).await.at("/node").clone()
    }

    /// The attempts of an endpoint, newest first.
    pub(crate) async fn deliveries(&self, token: &str, id: &str) -> Vec<Value> {
        let query = "query($id: ID!) { node(id: $id) { ... on WebhookEndpoint { deliveries(first: 100) { edges { node { eventId kind attempt at milliseconds status failure } } } } } }";
        self.gql(token, query, json!({ "id": id })).await.nodes("/node/deliveries")
    }

    /// Waits until the endpoint is in this state.
    pub(crate) async fn until_state(&self, token: &str, id: &str, state: &str) -> Value {
        let waiting = async {
            loop {
                let endpoint = self.read_endpoint(token, id).await;
                if endpoint.text("/state") == state {
                    return endpoint;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        tokio::time::timeout(TIME_LIMIT, waiting).await.unwrap_or_else(|_| panic!("the endpoint is never {state}"))
    }

    /// The IDs of all events that an account sees after a cursor, with a filter.
    pub(crate) async fn event_ids(&self, token: &str, after: &str, filter: Value) -> Vec<String> {
        let query = "query($after: String, $filter: EventFilter) { events(first: 100, after: $after, filter: $filter) { edges { node { id } } } }";
        let read = self.gql(token, query, json!({ "after": after, "filter": filter })).await;
        read.texts("/events", "/id")
    }

    /// Changes nothing but the log: each call is one event that the publisher hears.
    pub(crate) async fn happen(&self, group: &str, pack: &str, times: usize) {
        for _ in 0..times {
            self.share(pack, &[group]).await;
            self.unshare(pack, &[group]).await;
        }
    }
}

/// Makes an endpoint of a token's account, and the event that it was disabled.
pub(crate) async fn insert_event_of_a_disabled_endpoint(app: &TestApp, token: &str) {
    let name = format!("Endpoint of {token}");
    let (id, _) = app.endpoint(token, "https://93.184.215.14/", json!({ "name": name })).await;
    let account = "{ viewer { account { id __typename } } }";
    let account = app.gql(token, account, json!(null)).await;
    let own = uuid_of(&account.text("/viewer/account/id"));
    let is_publisher = account.text("/viewer/account/__typename") == "PublisherAccount";
    let publisher = publisher_id(app).await;
    let services = &app.app.services;
    let event = NewEvent {
        id: services.ids.next(),
        kind: EventKind::WebhookDisabled,
        audience: if is_publisher { Audience::Publisher } else { Audience::Account },
        publisher_id: publisher.into(),
        account_id: (!is_publisher).then_some(own.into()),
        pack_id: None,
        pack_name: String::new(),
        occurred_at: app.now(),
        actor: Actor::scheduler(),
        actor_account_name: None,
        release_id: None,
        installation_id: None,
        update_state: None,
        component_version_id: None,
        group_id: None,
        data: EventData { webhook: Some(uuid_of(&id).into()), ..EventData::default() },
    };
    let tx = services.db.begin().await.expect("a transaction");
    append(&tx, vec![Addition::Event(event)]).await.expect("the event is written");
    tx.commit().await.expect("committed");
}
