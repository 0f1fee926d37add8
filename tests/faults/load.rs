//! Clients of a [`Field`]: publishers that package and release, accounts that apply, install and uninstall, and a
//! reader that follows the event log. Each repeats a call until it is answered.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::faults::client::{Ended, settled};
use crate::faults::field::Field;
use crate::support::{Ask, At as _, Dice, immediately};

/// The codes of refusals that a race explains.
fn is_expected(code: &str) -> bool {
    ["RELEASE_IN_PROGRESS", "NOT_PENDING", "NOT_FOUND", "UPDATE_WITHDRAWN"].contains(&code)
}

/// The clients of a field.
pub(crate) struct Load {
    clients: JoinSet<()>,
    reader: tokio::task::JoinHandle<Vec<String>>,
}

impl Load {
    /// Starts the clients.
    pub(crate) fn start(field: &Arc<Field>, dice: &mut Dice) -> Self {
        let mut clients = JoinSet::new();
        for pack in 0..field.packs.len() {
            clients.spawn(publish(field.clone(), pack, dice.fork()));
        }
        for account in 0..field.accounts.len() {
            clients.spawn(manage(field.clone(), account, dice.fork()));
        }
        Self { clients, reader: tokio::spawn(read(field.clone())) }
    }

    /// Waits until the clients have ended, which do no more once [`Field::is_ending`] says so. The reader goes on until
    /// all work has come to an end, and then returns the ids of the events that it heard.
    pub(crate) async fn end_clients(mut self) -> tokio::task::JoinHandle<Vec<String>> {
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client without a fault");
        }
        self.reader
    }
}

/// Packages something and releases it, again and again.
async fn publish(field: Arc<Field>, pack: usize, mut dice: Dice) {
    let token = field.app.publisher.clone();
    let (id, component) = (field.packs[pack].id.clone(), field.packs[pack].components[0].clone());
    for round in 0.. {
        if field.is_ending() {
            return;
        }
        let label = format!("{} round {round}", field.packs[pack].name);
        let package = json!({ "componentId": component, "shareable": true, "notes": label });
        let input = json!({ "packages": [package], "clientRequestId": label });
        match field.call(&token, "createPackagedComponents", &input, "packagedComponents { id }").await.0 {
            Ended::Done(_) => field.ledger().packages.insert(label.clone()),
            Ended::Refused(code) => panic!("a package was refused: {code}"),
        };
        // Some rounds have a testing period.
        let is_dated = dice.below(5) < 2;
        let mut input = immediately(&id);
        if is_dated {
            input["schedule"] = json!({ "onDate": tomorrow(&field).await });
        }
        (input["notes"], input["clientRequestId"]) = (json!(label), json!(label));
        let release = loop {
            match field.call(&token, "releaseIntegrationPack", &input, "release { id }").await.0 {
                Ended::Done(payload) => break payload.text("/release/id"),
                // The rollout of the last round goes on.
                Ended::Refused(code) if code == "RELEASE_IN_PROGRESS" => {}
                Ended::Refused(code) => panic!("{label} was refused: {code}"),
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        };
        field.ledger().releases.insert(label, release.clone());
        if is_dated {
            tokio::time::sleep(dice.within(Duration::from_millis(400))).await;
            let mutation = *dice.one(&["cancelRelease", "promoteRelease"]);
            let (ended, may_be_done) =
                field.call(&token, mutation, &json!({ "releaseId": release }), "release { id }").await;
            match ended {
                Ended::Done(_) => {}
                // An earlier try was done, and its answer was lost.
                Ended::Refused(code) if may_be_done && is_expected(&code) => {}
                Ended::Refused(code) => panic!("{mutation} was refused: {code}"),
            }
            let mut ledger = field.ledger();
            let list = if mutation == "cancelRelease" { &mut ledger.canceled } else { &mut ledger.promoted };
            list.insert(release);
        }
    }
}

/// Tomorrow in the publisher's time zone, or the day after.
async fn tomorrow(field: &Field) -> String {
    let ask = Ask::query("{ serverInfo { now } }").token(&field.app.publisher);
    let now = loop {
        if let Some(now) = field.answer(&ask).await.body.pointer("/data/serverInfo/now") {
            break crate::support::instant(now.as_str().expect("an instant"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    (now.date_naive() + chrono::Days::new(2)).to_string()
}

/// Applies what is offered, installs and uninstalls, again and again.
async fn manage(field: Arc<Field>, account: usize, mut dice: Dice) {
    let token = field.accounts[account].token.clone();
    let tools = field.app.available(&field.accounts[account], "Tools").await;
    for round in 0.. {
        if field.is_ending() {
            return;
        }
        let name = format!("{account} round {round}");
        let input = json!({ "packId": tools, "overrideName": name, "clientRequestId": name });
        match field.call(&token, "installPack", &input, "installation { id }").await.0 {
            Ended::Done(payload) => {
                field.ledger().installed.insert(name);
                if dice.below(3) > 0 {
                    let id = payload.text("/installation/id");
                    let input = json!({ "installationId": id });
                    let (ended, may_be_done) = field.call(&token, "uninstallPack", &input, "uninstalledId").await;
                    match ended {
                        Ended::Done(_) => {}
                        Ended::Refused(code) if may_be_done && code == "NOT_FOUND" => {}
                        Ended::Refused(code) => panic!("uninstallPack was refused: {code}"),
                    }
                    field.ledger().uninstalled.insert(id);
                }
            }
            Ended::Refused(code) => panic!("installPack was refused: {code}"),
        }
        for _ in 0..4 {
            apply(&field, &token).await;
            tokio::time::sleep(dice.within(Duration::from_millis(60))).await;
        }
    }
}

/// Applies all updates that an account is offered.
async fn apply(field: &Field, token: &str) {
    let ask = Ask::query("{ pendingUpdates(first: 100) { edges { node { id } } } }").token(token);
    let answer = field.answer(&ask).await;
    let Some(offered) = answer.body.pointer("/data/pendingUpdates").filter(|found| found.is_object()) else {
        // The answer is put off, or a fault.
        assert!(settled(&answer, "pendingUpdates").is_none(), "{answer:?}");
        return;
    };
    for update in json!({ "pendingUpdates": offered }).texts("/pendingUpdates", "/id") {
        let input = json!({ "updateId": update });
        match field.call(token, "applyPendingUpdate", &input, "alreadyApplied update { how }").await.0 {
            Ended::Done(payload) => {
                if payload.at("/alreadyApplied") == false {
                    field.ledger().applied.insert(update);
                }
            }
            Ended::Refused(code) => assert!(is_expected(&code), "applyPendingUpdate was refused: {code}"),
        }
    }
}

/// Reads the publisher's event log from a cursor on, over servers that are killed, as a program does that must miss
/// nothing. Returns the ids of the events.
async fn read(field: Arc<Field>) -> Vec<String> {
    let query = "query($after: String) { events(first: 100, after: $after) { edges { cursor node { id } } } }";
    let (mut after, mut heard, mut is_last) = (Value::Null, Vec::new(), false);
    loop {
        // Once more after the end.
        let was_last = std::mem::replace(&mut is_last, field.is_done());
        let ask = Ask::post(&json!({ "query": query, "variables": { "after": after } })).token(&field.app.publisher);
        let answer = field.answer(&ask).await;
        let Some(page) = answer.body.pointer("/data/events/edges").and_then(Value::as_array) else {
            assert!(settled(&answer, "events").is_none(), "{answer:?}");
            continue;
        };
        for edge in page {
            heard.push(edge.text("/node/id"));
            after = edge.at("/cursor").clone();
        }
        if page.is_empty() {
            if was_last {
                return heard;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
