//! W3C Trace Context, read and written.

use packwright::traces::Context;
use proptest::prelude::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_context_is_read_and_written() {
    let read = Context::parse(PARENT, Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")).expect("the standard's example");
    assert_eq!(read.to_string(), PARENT);
    assert!(read.is_recorded());
    assert_eq!(read.state(), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
    let later = PARENT.replacen("00", "cc", 1) + "-what-comes-later";
    assert_eq!(Context::parse(&later, None).map(|read| read.to_string()).as_deref(), Some(PARENT));
    let flags = PARENT.replace("-01", "-fe");
    assert!(!Context::parse(&flags, None).expect("unknown flags don't matter").is_recorded());
}

#[test]
fn what_is_no_context_is_none() {
    let zeros = "0".repeat(32);
    for wrong in [
        "",
        "00",
        "no context at all",
        &PARENT.to_uppercase(),
        &PARENT.replacen("00", "ff", 1),
        &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
        &PARENT.replace("00f067aa0ba902b7", &zeros[..16]),
        &PARENT.replace('-', "_"),
        &format!("{PARENT}-more"),
        &PARENT[..54],
        &PARENT.replace("4bf", "+bf"),
        &PARENT.replace("4bf92", "é92a"),
    ] {
        assert_eq!(Context::parse(wrong, None), None, "{wrong}");
    }
    let many = vec!["a=1"; 33].join(",");
    for wrong in ["", ",", "no equals sign", "Upper=1", "a=\u{7f}", &format!("a={}", "x".repeat(600)), &many] {
        assert_eq!(Context::parse(PARENT, Some(wrong)).expect("the parent counts").state(), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic_and_what_is_read_is_written_the_same(text in ".{0,70}", state in ".{0,40}") {
        if let Some(read) = Context::parse(&text, Some(&state)) {
            prop_assert_eq!(Context::parse(&read.to_string(), read.state()), Some(read));
        }
    }

    #[test]
    fn every_context_comes_back(trace in 1_u128.., span in 1_u64.., flags: u8) {
        let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
        let read = Context::parse(&text, None).expect("a context");
        prop_assert_eq!(read.is_recorded(), flags % 2 == 1);
        prop_assert_eq!(&read.to_string()[..53], &text[..53]);
    }
}
