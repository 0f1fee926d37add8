//! Catching up with a release that has a halt rule (R45, R46, R58).

use packwright::domain::installations::FailureCode;
use serde_json::{Value, json};

use crate::installations::outcomes::report;
use crate::releases::halting::{installed, release};
use crate::support::{At, Managed, TestApp, immediately};

const OF_GLOBEX: usize = 12;

/// Acme has a pack four times, Globex twelve times, and Globex may not be moved. A release with a halt rule, which may be
/// judged from four updates on, has moved Acme's, and is watched.
struct World {
    app: TestApp,
    globex: Managed,
    of_globex: Vec<String>,
    release: String,
    hinder: Hinder,
    group: String,
}

/// Why an account isn't moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hinder {
    Suspended,
    WithoutGrant,
}

impl World {
    async fn begin(hinder: Hinder, rule: Value) -> Self {
        let app = TestApp::new().await;
        let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
        let world = installed(&app, &acme, "Orders", 4).await;
        let mut of_globex = Vec::new();
        for index in 0..OF_GLOBEX {
            of_globex.push(app.install_as(&globex, "Orders", &format!("Orders of Globex {index}")).await);
        }
        let [first, group] = [app.group("Gold", &[&acme]).await, app.group("Silver", &[&globex]).await];
        app.share(&world.pack.id, &[&first, &group]).await;
        app.unshare(&world.pack.id, &[&app.all_accounts().await]).await;
        match hinder {
            Hinder::Suspended => app.suspend(&globex).await,
            Hinder::WithoutGrant => app.leave(&group, &globex).await,
        }
        app.tick().await;
        let release = release(&app, immediately(&world.pack.id), rule).await;
        app.tick().await;
        assert_eq!(app.release_state(&release).await, "SUCCEEDED");
        Self { app, globex, of_globex, release, hinder, group }
    }

    /// Lets Globex be moved again. The call does the first batch.
    async fn come_back(&self) {
        let Self { app, globex, group, .. } = self;
        match self.hinder {
            Hinder::Suspended => app.reactivate(globex).await,
            Hinder::WithoutGrant => app.join(group, globex).await,
        }
    }

    /// How many installations of Globex have a version.
    async fn with_version(&self, number: i64) -> usize {
        let mut count = 0;
        for installation in &self.of_globex {
            count += usize::from(self.app.installed_number(&self.globex, installation).await == number);
        }
        count
    }
}

fn rule(then: &str) -> Value {
    json!({ "percent": 10, "atLeast": 4, "then": then })
}

#[tokio::test]
async fn r58_a_catch_up_moves_no_more_than_a_batch_before_it_is_judged() {
    for hinder in [Hinder::Suspended, Hinder::WithoutGrant] {
        let world = World::begin(hinder, rule("ROLL_BACK")).await;
        let app = &world.app;
        world.come_back().await;
        assert_eq!(world.with_version(2).await, 4, "{hinder:?}: as many as were executed before");
        let update = app.update_of(&world.release, &world.of_globex[0]).await.text("/id");
        report(app, &world.globex, &update, "BROKEN", "").await;
        app.tick().await;
        assert_eq!(app.release_state(&world.release).await, "ROLLED_BACK");
        assert_eq!(world.with_version(1).await, OF_GLOBEX);
        for installation in &world.of_globex[4..] {
            assert_eq!(app.mover.attempts(installation), 0, "it was never moved");
        }
    }
}

#[tokio::test]
async fn r46_a_catch_up_in_parts_comes_to_all() {
    for hinder in [Hinder::Suspended, Hinder::WithoutGrant] {
        for rule in [rule("PAUSE"), Value::Null] {
            let world = World::begin(hinder, rule.clone()).await;
            // As many as a part has fail, and don't hold up the others.
            for installation in &world.of_globex[..4] {
                world.app.mover.fail(installation, 2, FailureCode::Temporary);
            }
            world.come_back().await;
            if rule.is_null() {
                assert_eq!(world.with_version(2).await, OF_GLOBEX - 4, "without a rule they are moved at once");
            }
            world.app.tick().await;
            assert_eq!(world.with_version(2).await, OF_GLOBEX - 4, "{hinder:?}");
            world.app.live_until("2026-11-22T10:00:00Z").await;
            assert_eq!(world.with_version(2).await, OF_GLOBEX, "{hinder:?}");
            assert_eq!(world.app.number("SELECT COUNT(*) AS n FROM task").await, 0);
        }
    }
}

#[tokio::test]
async fn r46_after_the_watch_a_catch_up_is_not_in_parts() {
    let world = World::begin(Hinder::Suspended, rule("PAUSE")).await;
    world.app.clock_only("2026-11-24T09:00:00Z");
    world.come_back().await;
    assert_eq!(world.with_version(2).await, OF_GLOBEX);
}

/// A pack is shared again with a group of six accounts. Each of them that isn't moved at first has a catch-up to come.
#[tokio::test]
async fn r45_accounts_that_get_their_grant_back_together_come_in_parts() {
    let app = TestApp::new().await;
    let accounts = app.managed_accounts(["A", "B", "C", "D", "E", "F", "G", "H"]).await;
    let gold = app.group("Gold", &accounts.each_ref()).await;
    let silver = app.group("Silver", &[&accounts[0], &accounts[1]]).await;
    let world = app.installed_pack_in("Orders", &gold, &accounts.each_ref()).await;
    app.share(&world.pack.id, &[&silver]).await;
    app.unshare(&world.pack.id, &[&gold]).await;
    app.tick().await;
    app.package_newer(&world.pack).await;
    let release = release(&app, immediately(&world.pack.id), json!({ "percent": 10, "atLeast": 2 })).await;
    assert_eq!(app.release_state(&release).await, "SUCCEEDED");
    app.share(&world.pack.id, &[&gold]).await;
    assert_eq!(app.progress(&release).await.int("/applied"), 4, "two at first, and as many in the call");
    assert_eq!(app.number("SELECT COUNT(*) AS n FROM task WHERE kind = 'CATCH_UP'").await, 4);
    app.tick().await;
    assert_eq!(app.progress(&release).await.int("/applied"), 8);
    assert_eq!(app.number("SELECT COUNT(*) AS n FROM task").await, 0);
    for (account, installation) in accounts.iter().zip(&world.installations) {
        assert_eq!(app.installed_number(account, installation).await, 2);
        assert_eq!(app.mover.attempts(installation), 1);
    }
}
