//! `packwright whoami` and `packwright package`.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{COMMIT, RUN, World, run};
use crate::support::At as _;

const DIGEST: &str = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

#[tokio::test]
async fn whoami_tells_the_account_and_the_role() {
    let world = World::new().await;
    let told = world.run(&["whoami"], &[]).await;
    assert_eq!((told.status, told.words.as_str()), (0, ""), "{told:?}");
    for part in ["Northwind (publisher, ", "Europe/Berlin", "ADMINISTRATOR", "INTEGRATION_PACK", &world.url()] {
        assert!(told.printed.contains(part), "{part}: {told:?}");
    }
    let told = world.run(&["whoami", "--json", "--token", &world.acme.token], &[]).await;
    assert_eq!(told.json().text("/account/name"), "Acme", "an option counts more than a variable");
    assert_eq!(told.json().text("/server/url"), world.url());
    // A file with the token, and the address with its path.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{}\n", world.app.publisher)).expect("written");
    let path = file.path().to_string_lossy();
    let address = format!("{}/graphql", world.url());
    let told = run(&["whoami", "--server", &address], &[("PACKWRIGHT_TOKEN_FILE", &path)]).await;
    assert!(told.status == 0 && told.printed.contains("Northwind"), "{told:?}");
}

/// A server of another kind: it answers each connection with the same text.
async fn stranger(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut asked = [0; 8192];
            let _ = socket.read(&mut asked).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    let world = World::new().await;
    let page = stranger("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>").await;
    let moved =
        stranger("HTTP/1.1 301 Moved\r\nlocation: https://packs.example.com/\r\ncontent-length: 0\r\n\r\n").await;
    let cases: [(&[&str], &str, &[&str]); 8] = [
        (&["whoami", "--token", "no-such-token"], "UNAUTHENTICATED", &["PACKWRIGHT_TOKEN", "--audience"]),
        (&["whoami", "--token", "a b"], "", &["give the whole token"]),
        (&["whoami", "--server", "ftp://packs.example.com"], "", &["https://packs.example.com"]),
        (&["whoami", "--server", &page], "", &["isn't Packwright", "--server"]),
        (&["whoami", "--server", &moved], "", &["https://packs.example.com/", "give that address"]),
        (&["whoami", "--server", "http://127.0.0.1:9"], "", &["can't be reached", "--server", "runs"]),
        (&["package", "--component", "none", "--label", "1"], "NOT_FOUND", &["none", "whoami"]),
        (&["whoami", "--ca-file", "/dev/null"], "", &["/dev/null", "--ca-file"]),
    ];
    for (arguments, code, parts) in cases {
        let told = world.run(arguments, &[]).await;
        assert_eq!((told.status, told.printed.as_str()), (1, ""), "{arguments:?}: {told:?}");
        assert!(told.words.contains(code), "{arguments:?}: {told:?}");
        parts.iter().for_each(|part| assert!(told.words.contains(part), "{part}: {told:?}"));
    }
    // Programs read the code.
    let told = world.run(&["whoami", "--json", "--token", "no-such-token"], &[]).await;
    assert_eq!(told.json().text("/error/code"), "UNAUTHENTICATED");
    // A managed account packages nothing.
    let arguments = ["package", "--component", "orders/import", "--label", "2", "--token", &world.acme.token];
    let told = world.run(&arguments, COMMIT).await;
    assert_eq!(told.status, 1, "{told:?}");
    let without = run(&["whoami", "--server", &world.url()], &[]).await;
    assert!(without.status == 1 && without.words.contains("id-token: write"), "{without:?}");
    // No usage error looks like a preview with changes.
    for arguments in
        [&["preview"][..], &["preview", "orders", "--on", "tomorrow"], &["release", "orders", "--wait", "9"]]
    {
        let told = world.run(arguments, &[]).await;
        assert_eq!(told.status, 1, "{arguments:?}: {told:?}");
    }
    assert_eq!(run(&["preview", "--help"], &[]).await.status, 0);
}

#[tokio::test]
async fn r68_a_package_is_made_once_and_knows_its_run() {
    let world = World::new().await;
    let artifact = format!("https://files.example.com/orders.zip?v=1={DIGEST}");
    let arguments = [
        "package",
        "--component",
        "orders/import",
        "--label",
        "1.4.0",
        "--shareable",
        "--notes",
        "Faster.",
        "--json",
        "--artifact",
        &artifact,
    ];
    let made = world.run(&arguments, RUN).await;
    assert_eq!(made.status, 0, "{made:?}");
    let package = made.json();
    assert_eq!(package["wasThere"], json!(false));
    assert_eq!(
        package.at("/packagedComponent/source"),
        &json!({
            "commit": "0f3a5c", "ref": "main", "repositoryUrl": "https://github.com/northwind/orders",
            "buildUrl": "https://github.com/northwind/orders/actions/runs/7001",
        })
    );
    assert_eq!(
        package.at("/packagedComponent/artifacts"),
        &json!([
            { "uri": "https://files.example.com/orders.zip?v=1", "digest": DIGEST },
        ])
    );
    // The same run again, and another run of the same commit.
    let again = world.run(&arguments, RUN).await;
    assert_eq!(again.json()["packagedComponent"]["id"], package["packagedComponent"]["id"]);
    let other_run: Vec<_> = RUN
        .iter()
        .map(|(name, value)| if *name == "GITHUB_RUN_ID" { (*name, "7002") } else { (*name, *value) })
        .collect();
    let other = world.run(&arguments, &other_run).await;
    assert_eq!(other.json()["packagedComponent"]["id"], package["packagedComponent"]["id"], "{other:?}");
    assert_eq!(other.json()["wasThere"], json!(true));
    assert!(other.words.contains("nothing has changed"), "{other:?}");
    assert_eq!(world.labels().await, ["1.4.0", "1.0.0"]);
    // A label stands for one commit, one flag and the same bytes.
    let mut commit = arguments.to_vec();
    commit.extend(["--commit", "beef"]);
    let mut flag = arguments.to_vec();
    flag.retain(|word| *word != "--shareable");
    let other_bytes = artifact.replace("2c26", "2c27");
    let bytes = [&arguments[..9], &["--artifact", &other_bytes]].concat();
    for wrong in [commit, flag, bytes] {
        let refused = world.run(&wrong, &other_run).await;
        assert_eq!(refused.status, 3, "{wrong:?}: {refused:?}");
        assert_eq!(refused.json().text("/error/code"), "VERSION_LABEL_TAKEN");
        assert!(refused.words.contains("another --label"), "{refused:?}");
    }
    assert_eq!(world.labels().await, ["1.4.0", "1.0.0"]);
}

#[tokio::test]
async fn a_package_can_be_made_without_a_run_and_without_a_commit() {
    let world = World::new().await;
    let arguments = ["package", "--component", &world.component, "--label", "2.0.0"];
    let made = world.run(&arguments, &[]).await;
    assert!(made.status == 0 && made.printed.contains(" 2.0.0\n"), "by its id: {made:?}");
    // Nobody knows whether it would be the same.
    assert_eq!(world.run(&arguments, &[]).await.status, 3);
    let with = |label: &'static str| ["package", "--component", "orders/import", "--label", label];
    assert_eq!(world.run(&with("3.0.0"), COMMIT).await.status, 0);
    assert_eq!(world.run(&with("3.0.0"), COMMIT).await.status, 0);
    assert_eq!(world.labels().await, ["3.0.0", "2.0.0", "1.0.0"]);
    let named = [&with("4.0.0")[..], &["--request-id", "mine"]].concat();
    assert_eq!(world.run(&named, &[]).await.status, 0);
    assert_eq!(world.run(&named, &[]).await.status, 0);
    let reused = world.run(&[&with("5.0.0")[..], &["--request-id", "mine", "--json"]].concat(), &[]).await;
    assert_eq!(reused.json().text("/error/code"), "CLIENT_REQUEST_ID_REUSED");
}
