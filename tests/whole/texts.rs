//! Checks of names, texts and web addresses (section 10): characters, lengths, refused texts.

use packwright::domain::text::{Name, TextFault, address, key, label, label_key, prose};
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
fn r10_a_name_holds_nothing_that_turns_a_line_around_or_ends_it_and_no_noncharacter() {
    let bidi = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
    for refused in
        bidi.chars().chain(['\u{2028}', '\u{2029}', '\u{fdd0}', '\u{fdef}', '\u{fffe}', '\u{ffff}', '\u{10ffff}'])
    {
        for name in [format!("a{refused}b"), format!("{refused}a"), format!("a{refused}"), refused.to_string()] {
            assert_eq!(Name::parse(&name), Err(TextFault::ControlCharacter), "{name:?}");
            assert_eq!(label(&name, 64), Err(TextFault::ControlCharacter), "{name:?}");
        }
    }
}

#[test]
fn r10_a_name_needs_a_character_that_can_be_seen() {
    for unseen in [
        "\u{200b}",
        "\u{200c}\u{200d}",
        "\u{2060}",
        "\u{feff}",
        "\u{ad}",
        "\u{115f}",
        "\u{1160}",
        "\u{3164}",
        "\u{ffa0}",
        "\u{fe0f}",
        "\u{180e}",
        "\u{34f}",
        "\u{e0041}\u{e007f}",
        "\u{2800}",
        "\u{301}",
        "\u{20dd}",
        " \u{200b} ",
        "\u{2800}\u{a0}",
        "\u{fffc}",
        "\u{1d173}",
        "\u{fff9}",
    ] {
        assert_eq!(Name::parse(unseen), Err(TextFault::Empty), "{unseen:?}");
        assert_eq!(label(unseen, 64), Err(TextFault::Empty), "{unseen:?}");
    }
    for seen in ["a", ".", "٣", "😀", "क", "\u{e000}", "\u{200b}a", "の"] {
        assert!(Name::parse(seen).is_ok(), "{seen:?}");
    }
}

#[test]
fn r10_the_joiners_of_emoji_and_persian_are_kept() {
    for name in
        ["👩\u{200d}💻 tools", "می\u{200c}خواهم", "❤\u{fe0f}", "🏴\u{e0067}\u{e0062}\u{e007f}", "क\u{94d}\u{200d}ष"]
    {
        assert_eq!(Name::parse(name).unwrap().as_str(), name);
        assert_eq!(label(name, 64).unwrap(), name);
    }
}

#[test]
fn r10_names_are_one_name_whatever_the_case_of_any_script() {
    for (a, b) in [
        ("ΟΔΟΣ", "οδος"),
        ("ΟΔΟΣ", "οδοσ"),
        ("Straße", "STRASSE"),
        ("Straße", "strasse"),
        ("ẞ", "ss"),
        ("µ", "Μ"),
        ("µ", "μ"),
        ("ſ", "S"),
        ("ÄPFEL", "äpfel"),
        ("Cafe\u{301}", "CAF\u{c9}"),
        ("ﬁn", "FIN"),
        ("ŉ", "ʼN"),
        ("\u{212a}", "k"),
        ("Å", "\u{212b}"),
        ("ᾳ", "ΑΙ"),
        ("α\u{345}\u{301}", "\u{1fb4}"),
        ("Ꭰ", "ꭰ"),
        ("𐐀", "𐐨"),
        ("ϐ", "β"),
        ("İ", "i\u{307}"),
        (" x ", "X"),
        ("ΐ", "\u{1fd3}"),
        ("Ǆ", "ǆ"),
        ("ǅ", "ǆ"),
    ] {
        assert_eq!(key(a), key(b), "{a:?} and {b:?}");
    }
    for (a, b) in [("a", "b"), ("a", "ä"), ("ı", "i"), ("o", "ο"), ("1", "¹"), ("a b", "ab")] {
        assert_ne!(key(a), key(b), "{a:?} and {b:?}");
    }
    assert_eq!(Name::parse(" Orders").unwrap().key(), "orders");
}

#[test]
fn r10_invisible_characters_do_not_count() {
    for hidden in [
        "\u{200b}",
        "\u{200d}",
        "\u{2060}",
        "\u{feff}",
        "\u{ad}",
        "\u{fe0f}",
        "\u{34f}",
        "\u{3164}",
        "\u{e0041}",
        " \u{200b}",
    ] {
        for name in [format!("Orders{hidden}"), format!("{hidden} Orders")] {
            assert_eq!(key(&name), "orders", "{name:?}");
            assert_eq!(label_key(&name), "Orders", "{name:?}");
        }
    }
    assert_eq!(key("e\u{34f}\u{301}"), key("\u{e9}"), "composed after it is left out");
    assert_ne!(label_key("1.0-rc"), label_key("1.0-RC"), "a label's case counts");
}

#[test]
fn r10_the_key_of_a_key_is_the_key_whatever_the_character() {
    for c in '\0'..=char::MAX {
        for text in [c.to_string(), format!("a{c}\u{301}"), format!("{c}\u{345}\u{308}")] {
            let once = key(&text);
            assert_eq!(key(&once), once, "{text:?}");
        }
    }
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
        "https:ok.example",
        "https:/ok.example",
        "https:///ok.example",
        "https:////ok.example",
        "https:\\\\ok.example",
        "https://ok.example\\@evil.example",
        "https://good.example@evil.example/",
        "https://user:secret@ok.example/",
        "https://@ok.example/",
        "https://ok.example/\"onclick=",
        "https://ok.example/'x'",
        "https://ok.example/<b>",
        "https://ok.example/`x`",
        "https://ok.example/a b",
        "https://ok.ex ample/",
        "https://%00.example",
    ] {
        assert_eq!(address(bad), Err(TextFault::Empty), "{bad:?}");
    }
    for (raw, written) in [
        ("https://example.com", "https://example.com"),
        (" https://example.com/a?b=c#d ", "https://example.com/a?b=c#d"),
        ("HTTPS://EXAMPLE.com:443/../a/./b", "https://example.com/a/b"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("https://example.com/@user", "https://example.com/@user"),
        ("https://example.com?next=https://a@b", "https://example.com/?next=https://a@b"),
    ] {
        assert_eq!(address(raw).as_deref(), Ok(written), "{raw:?}");
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
    fn r10_an_accepted_name_is_accepted_unchanged_again(raw in "\\PC{0,300}") {
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

    #[test]
    fn r17_an_accepted_address_is_accepted_unchanged_again(raw in "(https?:|HTTPS:)?[/\\\\]{0,3}[a-z@:.%ä]{0,12}[/?#]?\\PC{0,12}") {
        if let Ok(accepted) = address(&raw) {
            prop_assert_eq!(address(&accepted), Ok(accepted.clone()));
            prop_assert!(!accepted.contains(['"', '\'', '<', '>', '\\', ' ']), "{}", accepted);
            prop_assert!(url::Url::parse(&accepted).unwrap().username().is_empty());
        }
    }
}
