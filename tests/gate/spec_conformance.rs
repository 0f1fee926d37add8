//! Behavior of async-graphql that some versions got wrong and this program relies on. An upgrade that breaks it fails
//! here.

use async_graphql::{EmptyMutation, EmptySubscription, Error, Object, Result, Schema};
use serde_json::{Value, json};

struct Query;

/// Has its index in a list.
struct Thing(usize);

/// Lets other fields of the selection resolve first, `turns` times.
async fn after(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

#[Object]
impl Query {
    async fn slow(&self) -> i32 {
        after(50).await;
        1
    }

    async fn quick(&self) -> i32 {
        2
    }

    async fn thing(&self) -> Thing {
        Thing(0)
    }

    async fn nullable_thing(&self) -> Option<Thing> {
        Some(Thing(0))
    }

    async fn things(&self) -> Vec<Option<Thing>> {
        vec![Some(Thing(0)), None, Some(Thing(2))]
    }

    async fn sure_things(&self) -> Option<Vec<Thing>> {
        Some(vec![Thing(0), Thing(1)])
    }

    async fn nullable_failing(&self) -> Option<Result<i32>> {
        Some(Err(Error::new("it failed")))
    }
}

#[Object]
impl Thing {
    async fn slow(&self) -> i32 {
        after(20).await;
        1
    }

    async fn quick(&self) -> i32 {
        2
    }

    async fn failing(&self) -> Result<i32> {
        Err(Error::new("it failed"))
    }

    async fn failing_when(&self, index: usize) -> Result<i32> {
        if self.0 == index { Err(Error::new("it failed here")) } else { Ok(1) }
    }

    async fn inner(&self) -> Thing {
        Thing(0)
    }

    async fn nullable_inner(&self) -> Option<Thing> {
        Some(Thing(0))
    }

    async fn nullable_failing(&self) -> Option<Result<i32>> {
        Some(Err(Error::new("it failed")))
    }
}

/// The answer as text, because the order of its keys matters.
async fn text(query: &str) -> String {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    serde_json::to_string(&schema.execute(query).await).unwrap()
}

async fn answer(query: &str) -> Value {
    serde_json::from_str(&text(query).await).unwrap()
}

async fn data(query: &str) -> Value {
    answer(query).await["data"].clone()
}

#[tokio::test]
async fn keys_come_in_the_order_of_the_document() {
    assert_eq!(text("{ slow quick }").await, r#"{"data":{"slow":1,"quick":2}}"#);
    assert_eq!(text("{ quick slow }").await, r#"{"data":{"quick":2,"slow":1}}"#);
    assert_eq!(text("{ thing { slow quick } quick }").await, r#"{"data":{"thing":{"slow":1,"quick":2},"quick":2}}"#);
    assert_eq!(text("{ z: slow a: quick m: slow }").await, r#"{"data":{"z":1,"a":2,"m":1}}"#);
}

#[tokio::test]
async fn fragments_keep_the_order_and_merge_what_is_the_same() {
    let query = "{ ...A quick ... { slow } } fragment A on Query { slow thing { slow } }";
    assert_eq!(text(query).await, r#"{"data":{"slow":1,"thing":{"slow":1},"quick":2}}"#);
    let merged = "{ thing { slow } quick thing { quick } }";
    assert_eq!(text(merged).await, r#"{"data":{"thing":{"slow":1,"quick":2},"quick":2}}"#);
}

#[tokio::test]
async fn a_failed_non_null_field_nulls_its_parent() {
    assert_eq!(data("{ quick nullableThing { quick failing } }").await, json!({ "quick": 2, "nullableThing": null }));
    assert_eq!(
        data("{ quick nullableThing { inner { failing } } }").await,
        json!({ "quick": 2, "nullableThing": null })
    );
    let inner = data("{ nullableThing { quick nullableInner { failing } } }").await;
    assert_eq!(inner, json!({ "nullableThing": { "quick": 2, "nullableInner": null } }));
}

#[tokio::test]
async fn it_goes_up_to_the_whole_answer_when_nothing_can_be_null() {
    let whole = answer("{ quick thing { failing } }").await;
    assert_eq!(whole["data"], json!(null));
    assert_eq!(whole["errors"][0]["path"], json!(["thing", "failing"]));
    assert_eq!(whole["errors"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_element_that_can_be_null_takes_the_fall() {
    assert_eq!(
        data("{ things { failingWhen(index: 0) } }").await,
        json!({ "things": [null, null, { "failingWhen": 1 }] })
    );
    assert_eq!(data("{ things { quick } }").await, json!({ "things": [{ "quick": 2 }, null, { "quick": 2 }] }));
}

#[tokio::test]
async fn an_element_that_can_not_be_null_takes_its_list_along() {
    assert_eq!(data("{ quick sureThings { failingWhen(index: 1) } }").await, json!({ "quick": 2, "sureThings": null }));
}

#[tokio::test]
async fn a_failed_nullable_field_is_null() {
    let whole = answer("{ quick nullableFailing thing { quick nullableFailing } }").await;
    assert_eq!(
        whole["data"],
        json!({ "quick": 2, "nullableFailing": null, "thing": { "quick": 2, "nullableFailing": null } })
    );
    let paths: Vec<_> = whole["errors"].as_array().unwrap().iter().map(|error| error["path"].clone()).collect();
    assert!(
        paths.contains(&json!(["nullableFailing"])) && paths.contains(&json!(["thing", "nullableFailing"])),
        "{paths:?}"
    );
}

#[tokio::test]
async fn no_null_is_where_the_type_forbids_it() {
    for query in ["{ thing { quick failing } }", "{ thing { inner { failing } } }", "{ things { inner { failing } } }"]
    {
        let whole = answer(query).await;
        assert!(!contains_key(&whole["data"], "failing"), "{query}: {whole}");
        assert!(!whole["data"].to_string().contains("\"inner\":null"), "{query}: {whole}");
    }
}

fn contains_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key(key) || fields.values().any(|value| contains_key(value, key)),
        Value::Array(items) => items.iter().any(|value| contains_key(value, key)),
        _ => false,
    }
}
