//! Names, texts and addresses (section 10): what is a character, what is too long, what is refused.

use packwright::domain::text::{Name, TextFault, address, key, label, prose};
use proptest::prelude::*;

#[test]
fn r10_a_name_is_trimmed_and_composed() {
    assert_eq!(Name::parse("  Orders \u{a0}").unwrap().as_str(), "Orders");
    assert_eq!(Name::parse("Cafe\u{301}").unwrap().as_str(), "Caf\u{e9}", "NFC");
}

#[test]
fn r10_a_name_has_1_to_255_characters_of_unicode() {
    assert_eq!(Name::parse(""), Err(TextFault::Empty));
    assert_eq!(Name::parse(" \u{2003}\u{a0} "), Err(TextFault::Empty));
    assert!(Name::parse(&"😀".repeat(255)).is_ok(), "characters are counted, not bytes");
    assert_eq!(Name::parse(&"a".repeat(256)), Err(TextFault::TooLong));
    assert!(Name::parse(&format!("  {}  ", "a".repeat(255))).is_ok(), "after trimming");
    assert!(Name::parse(&"e\u{301}".repeat(255)).is_ok(), "after composing");
}

#[test]
fn r10_a_name_holds_no_control_characters() {
    for control in ['\0', '\n', '\t', '\r', '\u{7f}', '\u{85}', '\u{1b}'] {
        assert_eq!(Name::parse(&format!("a{control}b")), Err(TextFault::ControlCharacter), "{control:?}");
        assert_eq!(
            Name::parse(&format!("{}{control}", "a".repeat(300))),
            Err(TextFault::ControlCharacter),
            "before the length"
        );
    }
}

#[test]
fn r10_names_differ_by_more_than_case_and_spelling() {
    assert_ne!(key("Straße"), key("STRASSE"), "lower case, no folding");
    assert_eq!(key("ÄPFEL"), key("äpfel"));
    assert_eq!(key("Cafe\u{301}"), key("CAF\u{c9}"));
    assert_eq!(key(" x "), key("X"));
    assert_ne!(key("a"), key("b"));
    assert_eq!(Name::parse(" Orders").unwrap().key(), "orders");
}

#[test]
fn r33_prose_keeps_its_lines_and_spaces() {
    assert_eq!(prose(" # Notes\r\n\n\tline ", 100).unwrap(), " # Notes\r\n\n\tline ");
    assert_eq!(prose("", 10).unwrap(), "");
    assert_eq!(prose("a\0b", 10), Err(TextFault::ControlCharacter));
    assert_eq!(prose(&"ü".repeat(11), 10), Err(TextFault::TooLong));
    assert!(prose(&"u\u{308}".repeat(10), 10).is_ok(), "after composing");
}

#[test]
fn r06_a_label_is_one_line_of_1_to_64_characters() {
    assert_eq!(label(" 1.0 ", 64).unwrap(), "1.0");
    assert!(label(&"x".repeat(64), 64).is_ok());
    assert_eq!(label(&"x".repeat(65), 64), Err(TextFault::TooLong));
    assert_eq!(label(" ", 64), Err(TextFault::Empty));
    assert_eq!(label("1\n0", 64), Err(TextFault::ControlCharacter));
}

#[test]
fn r17_an_address_is_absolute_and_of_the_web() {
    for good in
        ["https://example.com", "http://example.com/a?b=c#d", "https://xn--bcher-kva.example/", "HTTPS://EXAMPLE.COM"]
    {
        assert!(address(good).is_ok(), "{good:?}");
    }
    for bad in [
        "",
        "example.com",
        "/guide",
        "ftp://example.com",
        "javascript:alert(1)",
        "mailto:a@example.com",
        "https://",
        "data:text/html,x",
        "file:///x",
    ] {
        assert_eq!(address(bad), Err(TextFault::Empty), "{bad:?}");
    }
    assert_eq!(address("https://example.com/\n"), Err(TextFault::ControlCharacter));
    let long = format!("https://example.com/{}", "a".repeat(2_000 - 20));
    assert_eq!(long.len(), 2_000);
    assert!(address(&long).is_ok());
    assert_eq!(address(&format!("{long}a")), Err(TextFault::TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r10_a_name_taken_is_taken_unchanged_the_second_time(raw in "\\PC{0,300}") {
        if let Ok(name) = Name::parse(&raw) {
            prop_assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
            prop_assert!((1..=255).contains(&name.as_str().chars().count()));
            prop_assert_eq!(key(&name.key()), name.key(), "the key of a key");
        }
    }

    #[test]
    fn r33_no_text_makes_it_panic(raw in any::<String>()) {
        let _ = (Name::parse(&raw), prose(&raw, 10), address(&raw), key(&raw));
    }
}
