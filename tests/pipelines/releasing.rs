//! `packwright preview`, `packwright release` and `packwright rollback`.

use serde_json::json;

use super::{COMMIT, RUN, World};
use crate::support::At as _;

/// Another run of the same commit.
fn next_run() -> Vec<(&'static str, &'static str)> {
    RUN.iter().map(|(name, value)| if *name == "GITHUB_RUN_ID" { (*name, "7002") } else { (*name, *value) }).collect()
}

#[tokio::test]
async fn r34_a_preview_says_by_its_status_whether_there_is_something_to_release() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.json");
    let file = file.to_str().expect("a path");
    let nothing = world.run(&["preview", "orders"], &[]).await;
    assert_eq!((nothing.status, nothing.printed.as_str()), (0, ""), "{nothing:?}");
    assert!(nothing.words.contains("nothing to release"), "{nothing:?}");
    world.package("1.1.0").await;
    let changes = world.run(&["preview", "orders", "--out", file], &[]).await;
    assert_eq!((changes.status, changes.printed.as_str()), (2, "~ Import orders 1.0.0 -> 1.1.0\n"), "{changes:?}");
    assert!(changes.words.contains("Version 2 of Orders would move 1 installations"), "{changes:?}");
    let plan: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).expect("a plan")).expect("JSON");
    assert_eq!(plan.at("/changed/0/to"), &json!("1.1.0"));
    assert!(plan.text("/contentToken").len() > 10);
    assert_eq!(world.run(&["preview", &world.pack, "--json"], &[]).await.json(), plan, "by its id");
    let comment = world.run(&["preview", "orders", "--markdown"], &[]).await;
    assert_eq!(comment.status, 2);
    for part in ["### Release of Orders\n", "| Import orders | 1.0.0 | 1.1.0 |", "`NO_SUPPORT_CONTACT`"] {
        assert!(comment.printed.contains(part), "{part}: {comment:?}");
    }
    let refused = world.run(&["preview", "orders", "--on", "2026-11-22"], &[]).await;
    assert!(refused.status == 3 && refused.words.contains("RELEASE_DATE_NOT_IN_FUTURE"), "{refused:?}");
    assert_eq!(world.releases().await.len(), 1, "a preview releases nothing");
}

#[tokio::test]
async fn a_run_releases_once_and_a_pack_without_changes_isn_t_released() {
    let world = World::new().await;
    world.package("1.1.0").await;
    let made = world.run(&["release", "orders", "--json"], RUN).await;
    assert_eq!(made.status, 0, "{made:?}");
    let release = made.json().text("/release/id");
    let kept = world.app.read_release(&release, "notes source { commit ref repositoryUrl buildUrl }").await;
    assert_eq!(kept.text("/source/buildUrl"), "https://github.com/northwind/orders/actions/runs/7001");
    assert_eq!(kept.text("/notes"), "This version holds:\n\n- Import orders 1.1.0\n", "nothing of the repository");
    let again = world.run(&["release", "orders", "--json"], RUN).await;
    assert_eq!(again.json().text("/release/id"), release, "{again:?}");
    world.app.tick().await;
    let other = world.run(&["release", "orders", "--json"], &next_run()).await;
    assert_eq!((other.status, &other.json()["release"]), (0, &json!(null)), "{other:?}");
    // What came after it is left to the next run.
    world.app.tick().await;
    world.package("1.2.0").await;
    let late = world.run(&["release", "orders", "--json"], RUN).await;
    assert_eq!(late.json().text("/release/id"), release, "{late:?}");
    assert!(late.words.contains("left to the next run"), "{late:?}");
    assert_eq!(world.releases().await.len(), 2);
    assert_eq!(world.run(&["release", "orders"], &next_run()).await.status, 0);
    assert_eq!(world.releases().await.len(), 3);
    // Where no run is known, a commit makes a release for each content.
    world.app.tick().await;
    for label in ["1.3.0", "1.4.0"] {
        world.package(label).await;
        assert_eq!(world.run(&["release", "orders"], COMMIT).await.status, 0);
        assert_eq!(world.run(&["release", "orders"], COMMIT).await.status, 0);
        world.app.tick().await;
    }
    assert_eq!(world.releases().await.len(), 5);
}

#[tokio::test]
async fn r34_a_plan_is_released_as_it_was_seen_or_not_at_all() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.json");
    let file = file.to_str().expect("a path");
    world.package("1.1.0").await;
    assert_eq!(world.run(&["preview", "orders", "--on", "2027-01-15", "--out", file], &[]).await.status, 2);
    let other_date = world.run(&["release", "orders", "--plan", file, "--on", "2027-01-16"], RUN).await;
    assert!(other_date.status == 1 && other_date.words.contains("another date"), "{other_date:?}");
    world.package("1.2.0").await;
    let outdated = world.run(&["release", "orders", "--plan", file, "--json"], RUN).await;
    assert_eq!((outdated.status, outdated.json().text("/error/code")), (3, "CONTENT_CHANGED".to_owned()));
    assert!(outdated.words.contains("packwright preview"), "{outdated:?}");
    assert_eq!(world.run(&["preview", "orders", "--on", "2027-01-15", "--out", file], &[]).await.status, 2);
    let made = world.run(&["release", "orders", "--plan", file, "--json"], RUN).await;
    assert_eq!(made.status, 0, "{made:?}");
    let release = made.json();
    assert_eq!(
        (release.text("/release/state"), release.text("/release/window/date")),
        ("SCHEDULED".into(), "2027-01-15".into())
    );
    assert_eq!(
        world.run(&["release", "orders", "--plan", file, "--json"], RUN).await.json()["release"]["id"],
        release["release"]["id"]
    );
    let pending = world.run(&["release", "orders", "--plan", file, "--json"], &next_run()).await;
    assert_eq!((pending.status, pending.json().text("/error/code")), (3, "RELEASE_ALREADY_PENDING".to_owned()));
    for (name, text, part) in [
        ("none.json", None, "No such file"),
        ("text.json", Some("{}"), "packwright preview --out"),
        ("other.json", Some(r#"{"format": 99}"#), "packwright preview --out"),
    ] {
        let path = folder.path().join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).expect("written");
        }
        let told = world.run(&["release", "orders", "--plan", path.to_str().expect("a path")], RUN).await;
        assert!(told.status == 1 && told.words.contains(part), "{told:?}");
    }
}

#[tokio::test]
async fn a_release_takes_components_away_only_with_a_flag_of_its_own() {
    let world = World::new().await;
    let (other, _) = world.app.packaged("Export invoices").await;
    world.app.add(&world.pack, &[&other]).await;
    world.app.remove(&world.pack, &world.component).await;
    let shown = world.run(&["preview", "orders"], &[]).await;
    assert_eq!(shown.printed, "+ Export invoices 1.0\n- Import orders 1.0.0\n", "{shown:?}");
    let refused = world.run(&["release", "orders", "--json"], RUN).await;
    assert_eq!((refused.status, refused.json().text("/error/code")), (3, "REMOVALS_NOT_ALLOWED".to_owned()));
    assert!(refused.words.contains("Import orders") && refused.words.contains("--allow-removals"), "{refused:?}");
    assert_eq!(world.releases().await.len(), 1);
    assert_eq!(world.run(&["release", "orders", "--allow-removals"], RUN).await.status, 0);
    assert_eq!(world.releases().await.len(), 2);
}

#[tokio::test]
async fn a_plan_takes_no_components_away_that_it_does_not_show() {
    let world = World::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.json");
    let file = file.to_str().expect("a path");
    let (other, _) = world.app.packaged("Export invoices").await;
    world.app.add(&world.pack, &[&other]).await;
    world.app.release_now(&world.pack).await;
    world.app.remove(&world.pack, &other).await;
    let without = world.app.release_now(&world.pack).await;
    world.app.tick().await;
    world.package("1.1.0").await;
    let shown = world.run(&["preview", "orders", "--out", file], &[]).await;
    assert_eq!(shown.printed, "~ Import orders 1.0.0 -> 1.1.0\n", "{shown:?}");
    // The version with both components is in force again, and the plan's content is the same.
    world.app.roll_back(&without).await;
    world.app.tick().await;
    let refused = world.run(&["release", "orders", "--plan", file, "--json"], RUN).await;
    assert_eq!((refused.status, refused.json().text("/error/code")), (3, "REMOVALS_NOT_ALLOWED".to_owned()));
    let allowed = world.run(&["release", "orders", "--plan", file, "--allow-removals"], RUN).await;
    assert_eq!(allowed.status, 0, "{allowed:?}");
}

#[tokio::test]
async fn a_release_that_was_rolled_back_is_no_success_of_the_run_that_comes_again() {
    let world = World::new().await;
    world.package("1.1.0").await;
    assert_eq!(world.run(&["release", "orders"], RUN).await.status, 0);
    world.app.tick().await;
    let again = world.run(&["release", "orders"], RUN).await;
    assert_eq!(again.status, 0, "{again:?}");
    world.app.roll_back(&world.releases().await[0]).await;
    world.app.tick().await;
    let again = world.run(&["release", "orders"], RUN).await;
    assert!(again.status == 4 && again.printed.contains("ROLLED_BACK"), "{again:?}");
}

#[tokio::test]
async fn r54_stages_and_a_halt_rule_come_from_a_file() {
    let world = World::new().await;
    let group = world.app.group("Pilots", &[&world.acme]).await;
    let input = json!({ "groupId": group, "name": "Pilots", "key": "pilots" });
    world.app.ok(&world.app.publisher, "updateAccountGroup", input, "accountGroup { id }").await;
    world.package("1.1.0").await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let text = "[[stage]]\nname = \"Pilots\"\ndays-before = 7\ngroups = [\"pilots\"]\n\n[[stage]]\nname = \"Half\"\n\
                on = \"2027-01-12\"\npercent = 50\n\n[halt]\npercent = 1.5\nat-least = 3\nthen = \"roll-back\"\n";
    std::fs::write(path("stages.toml"), text).expect("written");
    let (stages, plan) = (path("stages.toml"), path("plan.json"));
    let shown = ["preview", "orders", "--on", "2027-01-15", "--stages", &stages, "--out", &plan, "--markdown"];
    let shown = world.run(&shown, &[]).await;
    assert!(shown.status == 2 && shown.printed.contains("| Pilots | 2027-01-08 | 1 installation |"), "{shown:?}");
    let made = world.run(&["release", "orders", "--plan", &plan, "--json"], RUN).await;
    assert_eq!(made.status, 0, "{made:?}");
    let selection = "stages { name window { date } } haltWhen { percent atLeast then watchHours }";
    let kept = world.app.read_release(&made.json().text("/release/id"), selection).await;
    let named: Vec<_> =
        kept["stages"].as_array().expect("stages").iter().map(|stage| stage.text("/window/date")).collect();
    assert_eq!(named, ["2027-01-08", "2027-01-12", "2027-01-15"]);
    assert_eq!(kept["haltWhen"], json!({ "percent": 1.5, "atLeast": 3, "then": "ROLL_BACK", "watchHours": 24 }));
    std::fs::write(path("wrong.toml"), "[[stage]]\nname = \"A\"\ngroups = [\"none\"]\non = \"2027-01-12\"\n")
        .expect("written");
    let wrong = world.run(&["preview", "orders", "--on", "2027-01-15", "--stages", &path("wrong.toml")], &[]).await;
    assert!(wrong.status == 1 && wrong.words.contains("account group"), "{wrong:?}");
}

#[tokio::test]
async fn r59_a_rollback_says_first_how_many_it_moves() {
    let world = World::new().await;
    world.package("1.1.0").await;
    let made = world.run(&["release", "orders", "--json"], RUN).await;
    let release = made.json().text("/release/id");
    world.app.tick().await;
    assert_eq!(world.installed().await, 2);
    let asked = world.run(&["rollback", &release, "--reason", "Wrong totals."], &[]).await;
    assert!(asked.status == 3 && asked.words.contains("--at-most 1"), "{asked:?}");
    assert_eq!(world.installed().await, 2);
    let few = world.run(&["rollback", &release, "--reason", "Wrong totals.", "--at-most", "0", "--json"], &[]).await;
    assert_eq!((few.status, few.json().text("/error/code")), (3, "MORE_INSTALLATIONS".to_owned()));
    let rolled = ["rollback", &release, "--reason", "Wrong totals.", "--at-most", "1", "--json"];
    let done = world.run(&rolled, &[]).await;
    assert_eq!(done.status, 0, "{done:?}");
    world.app.tick().await;
    assert_eq!(world.installed().await, 1);
    assert_eq!(world.run(&rolled, &[]).await.status, 0, "again");
    let watched = world.run(&["watch", &release], &[]).await;
    assert!(watched.status == 4 && watched.printed.contains("ROLLED_BACK"), "{watched:?}");
}
