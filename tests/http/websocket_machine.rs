//! The state machine of `graphql-transport-ws`, tested without a socket.

use packwright::http::websocket::machine::{Action, Close, Machine};
use packwright::http::websocket::message::{ClientMessage, ID_MAX};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A machine whose client is authenticated.
fn open(most: usize) -> Machine {
    let mut machine = Machine::new(most);
    assert!(matches!(send(&mut machine, json!({ "type": "connection_init" })), Action::Authenticate(None)));
    machine.authenticated();
    machine
}

fn send(machine: &mut Machine, message: Value) -> Action {
    machine.receive(&message.to_string())
}

fn subscribe(id: &str) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": { "query": "{ __typename }" } })
}

fn closed(action: Action) -> (u16, String) {
    match action {
        Action::Close(Close { code, reason }) => {
            assert!(!reason.is_empty() && reason.len() <= 123, "{reason}");
            (code, reason)
        }
        other => panic!("not closed: {other:?}"),
    }
}

#[test]
fn a_client_sends_connection_init_once() {
    let mut machine = Machine::new(10);
    assert!(machine.awaits_init() && !machine.is_open());
    let payload = json!({ "Authorization": "Bearer x" });
    let action = send(&mut machine, json!({ "type": "connection_init", "payload": payload }));
    assert!(matches!(action, Action::Authenticate(Some(given)) if Value::Object(given.clone()) == payload));
    assert!(!machine.awaits_init() && !machine.is_open(), "it is being looked at");
    assert_eq!(closed(send(&mut machine, json!({ "type": "connection_init" }))).0, 4429);
    let mut machine = open(10);
    let again = closed(send(&mut machine, json!({ "type": "connection_init" })));
    assert_eq!(again, (4429, "Too many initialisation requests".into()));
    assert_eq!(Machine::init_overdue(), Close::new(4408, "Connection initialisation timeout"));
}

#[test]
fn nothing_is_executed_before_a_client_is_let_in() {
    let mut machine = Machine::new(10);
    assert_eq!(closed(send(&mut machine, subscribe("1"))), (4401, "Unauthorized".into()));
    let mut machine = Machine::new(10);
    send(&mut machine, json!({ "type": "connection_init" }));
    assert_eq!(closed(send(&mut machine, subscribe("1"))).0, 4401);
}

#[test]
fn a_ping_is_answered_at_any_time_with_what_it_brought() {
    for mut machine in [Machine::new(1), open(1)] {
        assert!(matches!(send(&mut machine, json!({ "type": "ping" })), Action::Pong(None)));
        assert!(matches!(send(&mut machine, json!({ "type": "ping", "payload": null })), Action::Pong(None)));
        let action = send(&mut machine, json!({ "type": "ping", "payload": { "at": 1 } }));
        assert!(matches!(action, Action::Pong(Some(payload)) if payload["at"] == 1));
        assert!(matches!(send(&mut machine, json!({ "type": "pong" })), Action::Nothing));
        assert!(matches!(send(&mut machine, json!({ "type": "pong", "payload": {} })), Action::Nothing));
    }
}

#[test]
fn an_id_is_one_operation_at_a_time() {
    let mut machine = open(10);
    let Action::Start { id, number, request } = send(&mut machine, subscribe("a")) else { panic!("not started") };
    assert_eq!((id.as_str(), request.query.as_deref()), ("a", Some("{ __typename }")));
    assert!(machine.runs("a", number) && !machine.runs("a", number + 1) && !machine.runs("b", number));
    assert_eq!(closed(send(&mut machine, subscribe("a"))), (4409, "Subscriber for a already exists".into()));
    // After the client completed the operation, its id may be used again, and the old operation's answers are dropped.
    assert!(matches!(send(&mut machine, json!({ "id": "a", "type": "complete" })), Action::Stop(n) if n == number));
    assert!(!machine.runs("a", number));
    let Action::Start { number: second, .. } = send(&mut machine, subscribe("a")) else { panic!("not started") };
    assert!(second != number && machine.runs("a", second) && !machine.runs("a", number));
    // The same after the server ended the operation.
    machine.ended("a");
    assert!(matches!(send(&mut machine, subscribe("a")), Action::Start { .. }));
}

#[test]
fn an_ended_operation_may_be_completed_again() {
    let mut machine = open(10);
    for id in ["never", "a"] {
        assert!(matches!(send(&mut machine, json!({ "id": id, "type": "complete" })), Action::Nothing));
    }
}

#[test]
fn operations_are_bounded() {
    let mut machine = open(3);
    for id in ["a", "b", "c"] {
        assert!(matches!(send(&mut machine, subscribe(id)), Action::Start { .. }));
    }
    assert!(matches!(send(&mut machine, subscribe("d")), Action::Refuse { id, most: 3 } if id == "d"));
    assert!(matches!(send(&mut machine, json!({ "id": "d", "type": "complete" })), Action::Nothing));
    send(&mut machine, json!({ "id": "b", "type": "complete" }));
    assert!(matches!(send(&mut machine, subscribe("d")), Action::Start { .. }));
}

#[test]
fn two_questions_may_stay_unanswered_and_no_third_is_asked() {
    let mut machine = open(1);
    assert_eq!((machine.count_ping(), machine.count_ping()), (Ok(()), Ok(())));
    assert_eq!(machine.count_ping().map_err(|close| close.code), Err(4408));
    machine.received();
    assert_eq!(machine.count_ping(), Ok(()));
}

#[test]
fn an_invalid_message_ends_the_connection() {
    let too_long = json!({ "id": "x".repeat(ID_MAX + 1), "type": "complete" }).to_string();
    let bad = [
        "",
        "nonsense",
        "null",
        "1",
        "[]",
        "\"ping\"",
        "{}",
        "{\"type\":1}",
        "{\"type\":null}",
        "{\"type\":\"\"}",
        "{\"type\":\"start\"}",
        "{\"type\":\"PING\"}",
        "{\"type\":\"connection_terminate\"}",
        "{\"type\":\"connection_ack\"}",
        "{\"type\":\"next\",\"id\":\"1\",\"payload\":{}}",
        "{\"type\":\"error\",\"id\":\"1\",\"payload\":[]}",
        "{\"type\":\"connection_init\",\"payload\":[]}",
        "{\"type\":\"connection_init\",\"payload\":\"x\"}",
        "{\"type\":\"ping\",\"payload\":1}",
        "{\"type\":\"pong\",\"payload\":[]}",
        "{\"type\":\"complete\"}",
        "{\"type\":\"complete\",\"id\":\"\"}",
        "{\"type\":\"complete\",\"id\":1}",
        &too_long,
        "{\"type\":\"subscribe\",\"payload\":{\"query\":\"{a}\"}}",
        "{\"type\":\"subscribe\",\"id\":\"\",\"payload\":{\"query\":\"{a}\"}}",
        "{\"type\":\"subscribe\",\"id\":7,\"payload\":{\"query\":\"{a}\"}}",
        "{\"type\":\"subscribe\",\"id\":\"1\"}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":null}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":[]}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{}}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":1}}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{a}\",\"operationName\":1}}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{a}\",\"variables\":[]}}",
        "{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{\"query\":\"{a}\",\"extensions\":\"x\"}}",
        "{\"type\":\"ping\"} {\"type\":\"ping\"}",
    ];
    for text in bad {
        for mut machine in [Machine::new(10), open(10)] {
            assert_eq!(closed(machine.receive(text)).0, 4400, "{text}");
        }
    }
}

#[test]
fn reasons_fit_into_a_close_frame_and_stay_text() {
    for length in 0..200 {
        let close = Close::new(4400, "ä€🏃".repeat(length));
        assert!(close.reason.len() <= 123);
        for id in ["x".repeat(length + 1), "é".repeat(length + 1), "🏃".repeat(length + 1)] {
            let mut machine = open(10);
            send(&mut machine, subscribe(&id));
            let (code, reason) = closed(send(&mut machine, subscribe(&id)));
            assert_eq!(code, 4409);
            assert!(reason.starts_with("Subscriber for ") && reason.ends_with(" already exists"), "{reason}");
        }
    }
}

/// Texts that are almost valid messages, because random texts fail early.
fn nearly() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!(1.5)),
        Just(json!([])),
        Just(json!({})),
        Just(json!({ "query": "{ a }" })),
        Just(json!({ "query": null, "extensions": { "persistedQuery": 1 } })),
        any::<String>().prop_map(Value::from),
        any::<String>().prop_map(|query| json!({ "query": query, "variables": { "v": query } })),
    ];
    let kind = prop_oneof![
        Just("connection_init".to_owned()),
        Just("subscribe".to_owned()),
        Just("complete".to_owned()),
        Just("ping".to_owned()),
        Just("pong".to_owned()),
        Just("next".to_owned()),
        ".*",
    ];
    (kind, value.clone(), value, prop::bool::ANY).prop_map(|(kind, id, payload, whole)| {
        let text = json!({ "type": kind, "id": id, "payload": payload }).to_string();
        let cut = text.char_indices().map(|(at, _)| at).nth(text.chars().count() / 2).unwrap_or(0);
        if whole { text } else { text[..cut].to_owned() }
    })
}

proptest! {
    #[test]
    fn fuzz_no_text_breaks_the_reader(text in prop_oneof![any::<String>(), nearly()]) {
        let _ = ClientMessage::parse(&text);
    }

    #[test]
    fn fuzz_no_conversation_breaks_the_machine(texts in prop::collection::vec(prop_oneof![
        nearly(),
        (0..5u8).prop_map(|id| subscribe(&id.to_string()).to_string()),
        (0..5u8).prop_map(|id| json!({ "type": "complete", "id": id.to_string() }).to_string()),
        Just(json!({ "type": "connection_init" }).to_string()),
    ], 0..60)) {
        let mut machine = Machine::new(3);
        let mut running = std::collections::BTreeMap::new();
        for text in texts {
            match machine.receive(&text) {
                Action::Nothing | Action::Pong(_) => {}
                Action::Authenticate(_) => machine.authenticated(),
                Action::Start { id, number, .. } => {
                    prop_assert!(machine.runs(&id, number));
                    prop_assert!(running.insert(id, number).is_none());
                    prop_assert!(machine.is_open() && running.len() <= 3);
                }
                Action::Stop(number) => {
                    let before = running.len();
                    running.retain(|_, own| *own != number);
                    prop_assert_eq!(running.len(), before - 1);
                }
                Action::Refuse { id, .. } => prop_assert!(running.len() == 3 && !running.contains_key(&id)),
                Action::Close(close) => {
                    prop_assert!([4400, 4401, 4409, 4429].contains(&close.code));
                    prop_assert!(close.reason.len() <= 123);
                    return Ok(());
                }
            }
        }
    }
}
