//! What the commands decide without a connection.

use chrono::NaiveDate;
use pipeline::plan::{Change, Item, Named, Plan, Remark, StageOutlook, Superseded};
use pipeline::sse::{Event, Reader};
use pipeline::stages::{Holds, StagesFile, Then};
use pipeline::verdict::{Course, Goal, MaxFailed, Verdict, judge};
use pipeline::{Artifact, Exit, ServerAddress, markdown};

fn course(state: &str) -> Course {
    let has_ended = !["SCHEDULED", "IN_PROGRESS", "ROLLING_BACK", "NEW"].contains(&state);
    Course { state: state.into(), has_ended, total: 1_000, ..Course::default() }
}

#[test]
fn a_wait_ends_by_the_state_of_the_release() {
    let none = MaxFailed::default();
    let verdicts = [
        ("SCHEDULED", Verdict::GoesOn, Verdict::GoesOn),
        ("IN_PROGRESS", Verdict::GoesOn, Verdict::GoesOn),
        ("SUCCEEDED", Verdict::Reached, Verdict::Missed),
        ("CANCELED", Verdict::Missed, Verdict::Missed),
        ("SUPERSEDED", Verdict::Missed, Verdict::Missed),
        ("ROLLING_BACK", Verdict::Missed, Verdict::GoesOn),
        ("ROLLED_BACK", Verdict::Missed, Verdict::Reached),
        // A state of a later server.
        ("NEW", Verdict::GoesOn, Verdict::GoesOn),
        ("NEW_AND_ENDED", Verdict::Missed, Verdict::Missed),
    ];
    for (state, released, rolled_back) in verdicts {
        assert_eq!(judge(&course(state), Goal::Released, none), released, "{state}");
        assert_eq!(judge(&course(state), Goal::RolledBack, none), rolled_back, "{state}");
    }
    let halted = Course { is_halted: true, ..course("IN_PROGRESS") };
    assert_eq!(judge(&halted, Goal::Released, none), Verdict::Halted);
    let allowed = MaxFailed::parse("0.5%").expect("a percentage");
    for (failed, offered, state, verdict) in [
        (0, 0, "PARTIALLY_SUCCEEDED", Verdict::Missed),
        (0, 0, "FAILED", Verdict::Missed),
        (5, 0, "PARTIALLY_SUCCEEDED", Verdict::Reached),
        (6, 0, "PARTIALLY_SUCCEEDED", Verdict::TooManyFailed),
        (1_000, 0, "FAILED", Verdict::TooManyFailed),
        (5, 1, "IN_PROGRESS", Verdict::GoesOn),
        (6, 1, "IN_PROGRESS", Verdict::TooManyFailed),
        // A retry comes to what has failed.
        (6, 0, "IN_PROGRESS", Verdict::GoesOn),
    ] {
        let course = Course { failed, offered, ..course(state) };
        assert_eq!(judge(&course, Goal::Released, allowed), verdict, "{failed} {offered} {state}");
    }
}

#[test]
fn a_percentage_has_at_most_two_decimals() {
    let allows = |text: &str, failed, total| MaxFailed::parse(text).expect("a percentage").allows(failed, total);
    assert!(allows("0%", 0, 0) && allows("0%", 0, 10) && !allows("0%", 1, 1_000_000));
    assert!(allows("0.05 %", 5, 10_000) && !allows("0.05%", 6, 10_000));
    assert!(allows("100%", 10, 10) && allows("100.00%", i64::MAX, i64::MAX));
    for wrong in ["", "%", "1", "-1%", "100.01%", "101%", "1.234%", "1.%", ".5%", "1e1%", "1 000%", "half"] {
        assert!(MaxFailed::parse(wrong).is_err(), "{wrong}");
    }
}

fn plan() -> Plan {
    let item = |name: &str, version: &str| Item { name: name.into(), version: version.into() };
    Plan {
        format: Plan::format(),
        server: "https://packs.example.com".into(),
        pack: Named { id: "pack_1".into(), key: None, name: "Orders".into() },
        content_token: "token".into(),
        next_number: 3,
        from_number: Some(2),
        on: NaiveDate::from_ymd_opt(2027, 1, 15),
        stages: StagesFile::default(),
        content: vec![item("Import", "1.1"), item("Export", "1")],
        added: vec![item("Export", "1")],
        removed: vec![item("Old | @all #1 <b>", "7")],
        changed: vec![Change { name: "Import".into(), from: "1.2".into(), to: "1.1".into(), is_downgrade: true }],
        unchanged_count: 4,
        will_move_count: 1,
        will_skip: Vec::new(),
        supersedes: None,
        stage_outlooks: vec![StageOutlook { name: "Pilots".into(), date: "2027-01-08".into(), will_move_count: 2 }],
        warnings: vec![Remark { code: "LABEL_GOES_BACK".into(), message: "A label\ngoes back.".into() }],
        refusals: Vec::new(),
    }
}

#[test]
fn a_preview_ends_by_what_would_be_refused() {
    let with = |codes: &[&str]| {
        let refusals = codes.iter().map(|code| Remark { code: (*code).into(), message: "No.".into() }).collect();
        Plan { refusals, ..plan() }.exit()
    };
    assert_eq!(with(&[]), Exit::Changes);
    assert_eq!(with(&["NOTHING_TO_RELEASE"]), Exit::Done);
    assert_eq!(with(&["EMPTY_PACK"]), Exit::Refused);
    assert_eq!(with(&["NOTHING_TO_RELEASE", "TIME_ZONE_REQUIRED"]), Exit::Refused);
    let statuses =
        [Exit::Done, Exit::Failed, Exit::Changes, Exit::Refused, Exit::NotSucceeded, Exit::StillRunning, Exit::Halted];
    assert_eq!(statuses.map(Exit::status), [0, 1, 2, 3, 4, 5, 6], "pipelines rely on them");
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let written = serde_json::to_string(&plan()).expect("JSON");
    assert_eq!(Plan::parse(&written), Ok(plan()));
    let newer = written.replace("\"format\":1", "\"format\":2");
    assert!(Plan::parse(&newer).is_err_and(|why| why.contains("preview again")));
    let former = written.replace("\"supersedes\":null,", "");
    assert!(former != written && Plan::parse(&former) == Ok(plan()), "a file of a version that didn't tell it");
    assert_eq!(plan().usual_notes(), "This version holds:\n\n- Import 1.1\n- Export 1\n");
}

#[test]
fn a_comment_says_which_scheduled_release_would_be_superseded() {
    let superseded = Superseded {
        id: "rel_a_b".into(),
        number: 2,
        date: Some("2027-01-31".into()),
        time_zone: Some("Europe/Berlin".into()),
    };
    let plan = Plan { supersedes: Some(superseded), ..plan() };
    let text = markdown::of_plan(&plan);
    let sentence = "\n**It would supersede the release rel\\_a\\_b of version 2, which is scheduled for 2027-01-31 \
        \\(Europe/Berlin\\)**: that one would never be rolled out.\n";
    assert!(text.contains(sentence), "{text}");
    let refusals = vec![Remark { code: "NOTHING_TO_RELEASE".into(), message: "No.".into() }];
    assert!(!markdown::of_plan(&Plan { refusals, ..plan.clone() }).contains("supersede"), "nothing would be released");
    assert_eq!(Plan::parse(&serde_json::to_string(&plan).expect("JSON")), Ok(plan));
}

#[test]
fn names_in_a_comment_are_no_markup() {
    let text = markdown::of_plan(&plan());
    let expected = "### Release of Orders\n\nIt would move 1 installation from version 2 to version 3 on 2027-01-15.\n\n\
        | Component | Before | After |\n|---|---|---|\n| Import | 1.2 | 1.1 (an older version) |\n| Export | | 1 |\n\
        | Old \\| \\@&#8203;all \\#&#8203;1 &lt;b\\> | 7 | **taken away** |\n\nUnchanged: 4.\n\n\
        | Stage | Opens on | Moves |\n|---|---|---|\n| Pilots | 2027-01-08 | 2 installations |\n\n\
        **Warnings**\n\n- `LABEL_GOES_BACK`: A label goes back.\n";
    assert_eq!(text, expected);
    let named = |name: &str| {
        let change = Change { name: name.into(), from: "1".into(), to: "2".into(), is_downgrade: false };
        markdown::of_plan(&Plan { changed: vec![change], ..plan() })
    };
    // What a service sees that looks for mentions and links in the text without its markup.
    let seen = |name: &str| {
        let text = named(name).replace("&#8203;", "\u{200b}").replace("&amp;", "&").replace("&lt;", "<");
        text.replace('\\', "")
    };
    for (name, read_as_more) in [
        ("@octocat", "@octocat"),
        ("@acme/admins", "@acme"),
        ("me@example.com", "@example"),
        ("@-x", "@-"),
        ("Fixes #12", "#12"),
        ("northwind/orders#12", "#12"),
        ("Fixes GH-12", "GH-12"),
        ("gh-12", "gh-12"),
        ("https://example.com/a", "https://"),
        ("HTTP://example.com", "HTTP://"),
        ("www.example.com", "www."),
        ("WwW.example.com", "WwW."),
        ("&#64;octocat", "@octocat"),
        ("group&12", "&12"),
    ] {
        assert!(!seen(name).contains(read_as_more), "{name}: {}", named(name));
        let shown: String = seen(name).chars().filter(|c| *c != '\u{200b}').collect();
        assert!(shown.contains(name), "{name} is shown as it is: {shown}");
    }
    let refused = Plan { refusals: vec![Remark { code: "EMPTY_PACK".into(), message: "Add one.".into() }], ..plan() };
    assert!(markdown::of_plan(&refused).contains("would be refused.**\n\n- `EMPTY_PACK`: Add one.\n"));
}

#[test]
fn r54_a_file_of_stages_is_read_strictly() {
    let text = "cohort-of = \"rel_1\"\n[[stage]]\nname = \"A\"\ndays-before = 3\npercent = 10\n[halt]\npercent = 2\n";
    let file = StagesFile::parse(text).expect("a file");
    let halt = file.halt.clone().expect("a rule");
    assert_eq!((halt.at_least, halt.then, halt.watch_hours), (20, Then::Pause, 24));
    let last = NaiveDate::from_ymd_opt(2027, 3, 1);
    assert_eq!(file.stages[0].date(last).expect("a date").to_string(), "2027-02-26");
    assert_eq!(file.stages[0].holds(), Ok(Holds::Percent(10.0)));
    assert!(file.stages[0].date(None).is_err_and(|why| why.contains("--on")));
    for (wrong, part) in [
        ("[[stage]]\nname = \"A\"\npercent = 1\n", "`on` or `days-before`"),
        ("[[stage]]\nname = \"A\"\non = \"2027-01-01\"\ndays-before = 1\npercent = 1\n", "`on` or `days-before`"),
        ("[[stage]]\nname = \"A\"\non = \"2027-01-01\"\n", "`groups` or `percent`"),
        ("[[stage]]\nname = \"A\"\non = \"2027-01-01\"\npercent = 1\ngroups = []\n", "`groups` or `percent`"),
        ("[[stages]]\n", "stages"),
        ("[halt]\nthen = \"stop\"\npercent = 1\n", "stop"),
    ] {
        let why = StagesFile::parse(wrong).expect_err(wrong);
        assert!(why.contains(part), "{wrong}: {why}");
    }
}

#[test]
fn events_are_read_whatever_the_pieces_in_which_they_come() {
    let text = ":\n\nid: c1\nevent: next\ndata: {\"a\":\ndata:1}\n\nevent: next\r\ndata: 2\r\n\r\nevent: none\n\nevent: complete\ndata:\n\nevent: cut";
    let event = |kind: &str, data: &str| Event { kind: kind.into(), data: data.into() };
    let expected = [event("next", "{\"a\":\n1}"), event("next", "2"), event("complete", "")];
    for size in 1..=text.len() {
        let mut reader = Reader::default();
        let read: Vec<_> = text.as_bytes().chunks(size).flat_map(|piece| reader.take(piece)).collect();
        assert_eq!(read, expected, "pieces of {size}");
    }
}

#[test]
fn addresses_and_artifacts_are_checked() {
    let shown = |text: &str| ServerAddress::parse(text).expect(text).to_string();
    assert_eq!(shown("https://packs.example.com"), "https://packs.example.com");
    assert_eq!(shown(" https://packs.example.com:8443/a/graphql/ "), "https://packs.example.com:8443/a");
    assert_eq!(
        ServerAddress::parse("https://packs.example.com:8443/a").expect("an address").audience(),
        "packs.example.com:8443"
    );
    for wrong in ["packs.example.com", "https://", "ftp://a", "https://a?b", "https://user@a", "https://a#b", ""] {
        assert!(ServerAddress::parse(wrong).is_err(), "{wrong}");
    }
    for (text, is_open) in
        [("http://packs", true), ("http://127.0.0.1:1", false), ("http://[::1]", false), ("https://packs", false)]
    {
        assert_eq!(ServerAddress::parse(text).expect(text).is_open(), is_open, "{text}");
    }
    let digest = "A".repeat(64);
    let artifact = Artifact::parse(&format!("oci://a?b=sha256:c=sha256:{digest}")).expect("an artifact");
    assert_eq!((artifact.uri.as_str(), artifact.digest), ("oci://a?b=sha256:c", format!("sha256:{}", "a".repeat(64))));
    for wrong in [
        "",
        "a",
        &format!("=sha256:{digest}"),
        "a=sha256:ff",
        &format!("a=sha512:{digest}"),
        &format!("a=sha256:{}", "g".repeat(64)),
    ] {
        assert!(Artifact::parse(wrong).is_err(), "{wrong}");
    }
}
