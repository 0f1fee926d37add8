//! Runs the story of `examples/operations` against the demo's world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Request, Variables};
use futures_util::StreamExt as _;
use packwright::demo;
use packwright::service::Settings;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// How long to wait for an item before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A step of the story. A text that begins with `$` represents a value that an earlier step kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// A description for people.
    pub(crate) why: String,
    /// The example, such as `query.viewer`.
    pub(crate) run: String,
    /// The token that sends it.
    #[serde(rename = "as")]
    pub(crate) sender: String,
    #[serde(default)]
    variables: Map<String, Value>,
    /// The values of the answer to keep: name → path.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// The values that the answer must have: path → value.
    #[serde(default)]
    shows: BTreeMap<String, Value>,
    /// The expected code of a refusal.
    refused: Option<String>,
    /// The expected code of a GraphQL error.
    fails: Option<String>,
    /// For a subscription: the values of an item that must come before the story ends.
    #[serde(rename = "hears")]
    expected_items: Option<BTreeMap<String, Value>>,
}

/// A subscription that runs until the story ends.
struct Listener {
    step: String,
    expected_items: BTreeMap<String, Value>,
    items: UnboundedReceiver<Value>,
}

/// The demo, and the values that the story has kept.
pub(crate) struct Demo {
    demo: Arc<demo::Demo>,
    kept: BTreeMap<String, Value>,
    listeners: Vec<Listener>,
}

/// The kind of account of a step's token.
pub(crate) fn kind_of(sender: &str) -> &'static str {
    match sender {
        demo::PUBLISHER_ADMIN | demo::PUBLISHER_SUPPORT | "$build" => "publisher",
        _ => "managed account",
    }
}

impl Demo {
    pub(crate) async fn build(settings: Settings) -> Self {
        let demo =
            demo::Demo::build(demo::DemoOptions { settings, ..Default::default() }).await.expect("the demo's world");
        Self { demo, kept: BTreeMap::new(), listeners: Vec::new() }
    }

    /// A complete answer.
    pub(crate) async fn ask(&self, token: Option<&str>, document: &str, variables: Value) -> Value {
        let request = Request::new(document).variables(Variables::from_json(variables));
        serde_json::to_value(self.demo.world().app.execute(token, request).await).expect("an answer is JSON")
    }

    /// Sends an example as the other kind of account, which must be refused.
    pub(crate) async fn refuses_others(&self, step: &Step, document: &str, senders: &[&str]) {
        let stranger = match senders {
            ["publisher"] => demo::ACME_ADMIN,
            ["managed account"] => demo::PUBLISHER_ADMIN,
            _ => return,
        };
        let answer = match step.expected_items {
            None => self.ask(Some(stranger), document, self.variables(step)).await,
            Some(_) => self.listen(stranger, step, document).await.recv().await.expect("a refusal"),
        };
        assert_eq!(answer.pointer("/errors/0/extensions/code"), Some(&json!("FORBIDDEN")), "{}: {answer:#}", step.run);
    }

    /// Runs a step, checks its answer, and keeps the values that later steps need.
    pub(crate) async fn run(&mut self, step: &Step, document: &str) {
        let sender = self.filled(&json!(step.sender));
        let sender = sender.as_str().expect("a token");
        if let Some(expected_items) = &step.expected_items {
            let expected_items =
                expected_items.iter().map(|(path, value)| (path.clone(), self.filled(value))).collect();
            let items = self.listen(sender, step, document).await;
            return self.listeners.push(Listener { step: step.run.clone(), expected_items, items });
        }
        let answer = self.ask(Some(sender), document, self.variables(step)).await;
        let context = || format!("{} ({}) was answered {answer:#}", step.run, step.why);
        let failure = answer.pointer("/errors/0/extensions/code").and_then(Value::as_str);
        assert_eq!(failure, step.fails.as_deref(), "{}", context());
        if failure.is_some() {
            return;
        }
        let data = &answer["data"];
        let payload = data.as_object().and_then(|fields| fields.values().next()).expect("one field");
        if step.run.starts_with("mutation.") {
            let code = payload.pointer("/errors/0/code").and_then(Value::as_str);
            assert_eq!(code, step.refused.as_deref(), "{}", context());
        }
        for (path, expected) in &step.shows {
            assert_eq!(find(data, path), Some(&self.filled(expected)), "at {path}: {}", context());
        }
        for (name, path) in &step.keep {
            let found = find(data, path).filter(|value| !value.is_null());
            let found = found.unwrap_or_else(|| panic!("nothing at {path}: {}", context())).clone();
            self.kept.insert(name.clone(), found);
        }
    }

    /// Waits until each subscription got its expected item.
    pub(crate) async fn has_received_all(&mut self) {
        for mut listener in std::mem::take(&mut self.listeners) {
            let mut seen = Vec::new();
            loop {
                let next = tokio::time::timeout(TIME_LIMIT, listener.items.recv()).await;
                let Ok(Some(item)) = next else { panic!("{} has heard only {seen:#?}", listener.step) };
                assert!(item.get("errors").is_none(), "{} has heard {item:#}", listener.step);
                if listener.expected_items.iter().all(|(path, value)| find(&item["data"], path) == Some(value)) {
                    break;
                }
                seen.push(item);
            }
        }
    }

    /// Opens a subscription and collects its items.
    async fn listen(&self, sender: &str, step: &Step, document: &str) -> UnboundedReceiver<Value> {
        let request = Request::new(document).variables(Variables::from_json(self.variables(step)));
        let mut stream = self.demo.world().app.execute_stream(Some(sender), request).await.expect("the token is good");
        let (gather, items) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(item) = stream.next().await {
                let item = serde_json::to_value(item).expect("an item is JSON");
                if gather.send(item).is_err() {
                    break;
                }
            }
        });
        items
    }

    fn variables(&self, step: &Step) -> Value {
        self.filled(&Value::Object(step.variables.clone()))
    }

    /// Replaces each `$name` in a value by the value kept under that name.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(name) => self.kept.get(name).unwrap_or_else(|| panic!("nothing was kept as {name}")).clone(),
                None => value.clone(),
            },
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, item)| (key.clone(), self.filled(item))).collect(),
            _ => value.clone(),
        }
    }
}

/// The value at a path. The parts of a path are field names. In a list or a connection, a part is an element's index,
/// its name, or the name of an object in it: `integrationPacks/Product data hub/id`.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(value, |value, part| match value.get(part) {
        Some(field) => Some(field),
        None => {
            let items = value.get("edges").unwrap_or(value).as_array()?;
            let mut nodes = items.iter().map(|item| item.get("node").unwrap_or(item));
            match part.parse::<usize>() {
                Ok(index) => nodes.nth(index),
                Err(_) => nodes.find(|node| is_named(node, part)),
            }
        }
    })
}

/// Whether an object, or an object in one of its fields, has this name.
fn is_named(value: &Value, name: &str) -> bool {
    let own = |value: &Value| value.get("name").is_some_and(|own| own == name);
    let of = |value: &Value| value.as_object().is_some_and(|fields| fields.values().any(own));
    own(value) || of(value) || value.as_object().is_some_and(|fields| fields.values().any(of))
}
