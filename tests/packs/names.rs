//! Names and labels in the API: case and invisible characters don't make a difference (R6, R10).

use serde_json::{Value, json};

use crate::support::{At as _, TestApp};

/// Characters that names can't have.
const UNFIT: [&str; 6] = ["\u{202e}", "\u{2066}", "\u{200f}", "\u{2028}", "\u{2029}", "\u{fdd0}"];

fn pack(name: &str) -> Value {
    json!({ "name": name, "installationType": "SINGLE" })
}

#[tokio::test]
async fn r10_names_differ_neither_by_case_nor_by_invisible_characters() {
    let app = TestApp::new().await;
    app.ok(&app.publisher, "createIntegrationPack", pack("ΟΔΟΣ"), "").await;
    app.ok(&app.publisher, "createAccountGroup", json!({ "name": "Straße" }), "").await;
    app.ok(&app.publisher, "createManagedAccount", json!({ "name": "µ-Werke" }), "").await;
    for name in ["οδος", "οδοσ", "Οδός\u{200b}".replace('ό', "ο").as_str(), "\u{feff}ΟΔΟΣ", "ΟΔ\u{ad}ΟΣ"]
    {
        let refusal = app.refused(&app.publisher, "createIntegrationPack", pack(name)).await;
        assert_eq!(refusal.code, "NAME_TAKEN", "{name:?}");
    }
    for name in ["STRASSE", "strasse", "STRA\u{1e9e}E", "Stra\u{200d}ße"] {
        let refusal = app.refused(&app.publisher, "createAccountGroup", json!({ "name": name })).await;
        assert_eq!(refusal.code, "NAME_TAKEN", "{name:?}");
    }
    for name in ["Μ-ΒERKE".replace('Β', "W").as_str(), "μ-werke", "µ-Werke\u{2060}"] {
        let refusal = app.refused(&app.publisher, "createManagedAccount", json!({ "name": name })).await;
        assert_eq!(refusal.code, "NAME_TAKEN", "{name:?}");
    }
}

#[tokio::test]
async fn r43_override_names_differ_neither_by_case_nor_by_invisible_characters() {
    let app = TestApp::new().await;
    let pack = app.multi_pack_with("Orders", &["Import"]).await;
    app.release_now(&pack.id).await;
    let acme = app.managed("Acme").await;
    app.share_with_all(&pack.id).await;
    let available = app.available(&acme, "Orders").await;
    let input = |name: &str| json!({ "packId": available, "overrideName": name });
    app.ok(&acme.token, "installPack", input("ΟΔΟΣ"), "").await;
    for name in ["οδος", "\u{200b}Οδοσ"] {
        assert_eq!(app.refused(&acme.token, "installPack", input(name)).await.code, "OVERRIDE_NAME_TAKEN", "{name:?}");
    }
}

#[tokio::test]
async fn r10_a_search_finds_names_whatever_their_case() {
    let app = TestApp::new().await;
    app.ok(&app.publisher, "createIntegrationPack", pack("Η ΟΔΟΣ"), "").await;
    app.ok(&app.publisher, "createAccountGroup", json!({ "name": "Große Straße" }), "").await;
    app.ok(&app.publisher, "createManagedAccount", json!({ "name": "\u{212a}elvin ﬁnance" }), "").await;
    let component = app.component("ſtation").await;
    app.package_with(&component, json!({ "version": "ΟΔΟΣ-\u{200b}1" })).await;
    let found = |field: &'static str, search: &'static str| {
        let query = format!("query($s: String!) {{ {field}(filter: {{ search: $s }}) {{ totalCount }} }}");
        let app = &app;
        async move { app.gql(&app.publisher, &query, json!({ "s": search })).await.int(&format!("/{field}/totalCount")) }
    };
    for (field, search) in [
        ("integrationPacks", "οδος"),
        ("integrationPacks", "οδο\u{200b}σ"),
        ("accountGroups", "STRASSE"),
        ("accountGroups", "GROẞE"),
        ("managedAccounts", "kelvin FINANCE"),
        ("components", "STATION"),
        ("packagedComponents", "station"),
        ("packagedComponents", "οδος-1"),
    ] {
        assert_eq!(found(field, search).await, 1, "{field}: {search:?}");
    }
    assert_eq!(found("integrationPacks", "οδός").await, 0, "an accent counts");
}

#[tokio::test]
async fn r10_a_name_needs_a_character_that_can_be_seen() {
    let app = TestApp::new().await;
    for name in ["\u{200b}", " \u{2060} ", "\u{2800}", "\u{3164}\u{ad}"] {
        for (mutation, input) in [
            ("createIntegrationPack", pack(name)),
            ("createAccountGroup", json!({ "name": name })),
            ("createManagedAccount", json!({ "name": name })),
            ("createComponent", json!({ "name": name, "type": "PROCESS" })),
            ("createApiToken", json!({ "name": name, "role": "SUPPORT" })),
        ] {
            assert_eq!(app.refused(&app.publisher, mutation, input).await.code, "NAME_REQUIRED", "{mutation} {name:?}");
        }
    }
}

#[tokio::test]
async fn r10_bidirectional_controls_and_line_ends_are_bad_input_in_names_and_labels() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    for unfit in UNFIT {
        let name = format!("Ord{unfit}ers");
        let setting = json!([{ "name": name, "extensible": true }]);
        let package = |more: Value| {
            let mut package = json!({ "componentId": component });
            package.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "packages": [package] })
        };
        for (mutation, input) in [
            ("createIntegrationPack", pack(&name)),
            ("createAccountGroup", json!({ "name": name })),
            ("createManagedAccount", json!({ "name": name })),
            ("createComponent", json!({ "name": name, "type": "PROCESS" })),
            ("createApiToken", json!({ "name": name, "role": "SUPPORT" })),
            ("createPackagedComponents", package(json!({ "version": name }))),
            ("createPackagedComponents", package(json!({ "extensibility": setting }))),
        ] {
            assert_eq!(app.denied(&app.publisher, mutation, input).await, "BAD_USER_INPUT", "{mutation} {name:?}");
        }
    }
}

#[tokio::test]
async fn r10_the_joiners_of_emoji_and_persian_are_kept() {
    let app = TestApp::new().await;
    for name in ["👩\u{200d}💻", "می\u{200c}خواهم", "❤\u{fe0f}"] {
        let made = app.ok(&app.publisher, "createIntegrationPack", pack(name), "integrationPack { name }").await;
        assert_eq!(made.text("/integrationPack/name"), name);
    }
}

#[tokio::test]
async fn r06_labels_differ_by_case_and_not_by_invisible_characters() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let first = app.package_with(&component, json!({ "version": "1.0\u{200b}" })).await;
    let input = |labels: &[&str]| {
        let packages: Vec<_> = labels.iter().map(|l| json!({ "componentId": component, "version": l })).collect();
        json!({ "packages": packages })
    };
    for label in ["1.0", "1\u{2060}.0", "\u{feff}1.0", "1.0 \u{200d}"] {
        let refusal = app.refused(&app.publisher, "createPackagedComponents", input(&[label])).await;
        assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("VERSION_LABEL_TAKEN", "packages.0.version"));
        assert_eq!(refusal.errors[0].text("/takenBy/id"), first.id, "{label:?}");
    }
    let within = app.refused(&app.publisher, "createPackagedComponents", input(&["2.0", "2.0\u{200b}"])).await;
    assert_eq!((within.code.as_str(), within.field.as_str()), ("VERSION_LABEL_TAKEN", "packages.1.version"));
    app.ok(&app.publisher, "createPackagedComponents", input(&["5.0-rc", "5.0-RC"]), "").await;
    let next = json!({ "packages": [{ "componentId": component }] });
    let next = app.ok(&app.publisher, "createPackagedComponents", next, "packagedComponents { version }").await;
    assert_eq!(
        next.text("/packagedComponents/0/version"),
        "2.0",
        "`1.0` with a character that can't be seen is numeric"
    );
}

#[tokio::test]
async fn r06_labels_are_counted_on_however_many_digits_they_have() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    let next = || async {
        let input = json!({ "packages": [{ "componentId": component }] });
        let made = app.ok(&app.publisher, "createPackagedComponents", input, "packagedComponents { version }").await;
        made.text("/packagedComponents/0/version")
    };
    for (given, counted) in [
        ("9223372036854775807", "9223372036854775808.0"),
        ("18446744073709551615.7", "18446744073709551616.0"),
        ("99999999999999999999999999999999999999.1", "100000000000000000000000000000000000000.0"),
    ] {
        app.package_with(&component, json!({ "version": given })).await;
        assert_eq!(next().await, counted, "after {given}");
    }
    assert_eq!(next().await, "100000000000000000000000000000000000001.0");
}

#[tokio::test]
async fn r06_a_next_label_of_more_than_64_characters_must_be_given() {
    let app = TestApp::new().await;
    let component = app.component("Import").await;
    app.package_with(&component, json!({ "version": "9".repeat(62) })).await;
    let without = json!({ "packages": [{ "componentId": component, "version": "x" }, { "componentId": component }] });
    let refusal = app.refused(&app.publisher, "createPackagedComponents", without).await;
    assert_eq!((refusal.code.as_str(), refusal.field.as_str()), ("VERSION_LABEL_REQUIRED", "packages.1.version"));
    let package = app.package_with(&component, json!({ "version": "next" })).await;
    assert_eq!(package.version, "next", "with a label it goes on");
}
