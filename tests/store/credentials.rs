//! A password that is not in the address, and a connection that a private authority's certificate protects.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::starts::{run, text_of};
use crate::support::{Ask, Postgres, Program, give_to_nobody};

/// With characters that an address would have to encode.
const PASSWORD: &str = "ge:heim @/%25+#?";
const PASSWORDS_ALONE: &str = "host all all 127.0.0.1/32 scram-sha-256\n";
const TLS_ALONE: &str = "hostssl all all 127.0.0.1/32 trust\n";

async fn is_ready(program: &Program) -> bool {
    program.send(Ask::new("GET", "/readyz")).await.status == 200
}

/// A server that asks for a password.
async fn guarded() -> Option<Postgres> {
    let postgres = Postgres::start().await?;
    postgres.run(&format!("ALTER ROLE postgres PASSWORD '{PASSWORD}'")).await;
    postgres.admit(PASSWORDS_ALONE).await;
    Some(postgres)
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

#[tokio::test]
async fn a_password_may_come_from_a_file() {
    let Some(postgres) = guarded().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (url, right) = (postgres.url(), file(folder.path(), "right", &format!("{PASSWORD}\n")));
    let right = right.to_str().expect("a name");
    let refused = run(&["migrate", "up", "--database-url", &url]).await;
    assert!(!refused.status.success(), "{}", text_of(&refused));
    let program = Program::serve(&url, &["--database-password-file", right]).await;
    assert!(is_ready(&program).await);
    let by_variable = [("PACKWRIGHT_DATABASE_PASSWORD_FILE", right)];
    assert!(is_ready(&Program::start_with(&["--database-url", &url], &by_variable).await).await);
    let wrong = file(folder.path(), "wrong", "another");
    let refused =
        run(&["migrate", "up", "--database-url", &url, "--database-password-file", wrong.to_str().expect("a name")])
            .await;
    let text = text_of(&refused);
    assert!(!refused.status.success() && text.contains("refuses the password") && !text.contains("another"), "{text}");
    let shown = run(&["check-config", "--database-url", &url, "--database-password-file", right]).await;
    let text = text_of(&shown);
    assert!(shown.status.success() && text.contains(right) && !text.contains("heim"), "{text}");
}

#[tokio::test]
async fn a_password_may_come_from_postgresqls_password_file() {
    let Some(postgres) = guarded().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let escaped = PASSWORD.replace(':', "\\:");
    let passwords = file(folder.path(), "pgpass", &format!("127.0.0.1:*:*:postgres:{escaped}\n"));
    give_to_nobody(&passwords, 0o600);
    let variables = [("PGPASSFILE", passwords.to_str().expect("a name"))];
    assert!(is_ready(&Program::start_with(&["--database-url", &postgres.url()], &variables).await).await);
}

#[tokio::test]
async fn a_password_file_that_cannot_be_used_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, empty) = (file(folder.path(), "good", "geheim"), file(folder.path(), "empty", "\n"));
    let (lines, none) = (file(folder.path(), "lines", "geheim\ntwo\n"), folder.path().join("none"));
    for (url, file, says) in [
        ("postgres://u@127.0.0.1/d", &none, "can't be read"),
        ("postgres://u@127.0.0.1/d", &empty, "in one line"),
        ("postgres://u@127.0.0.1/d", &lines, "in one line"),
        ("postgres://u:geheim@127.0.0.1/d", &good, "leave one of them out"),
        ("postgres://u@127.0.0.1/d?password=geheim", &good, "leave one of them out"),
        ("sqlite://a.db", &good, "has no password"),
    ] {
        let file = file.to_str().expect("a name");
        let refused = run(&["check-config", "--database-url", url, "--database-password-file", file]).await;
        let text = text_of(&refused);
        assert!(!refused.status.success() && text.contains(says) && !text.contains("geheim"), "{url}: {text}");
    }
    let refused = run(&["check-config", "--demo", "--database-password-file", good.to_str().expect("a name")]).await;
    assert!(!refused.status.success() && text_of(&refused).contains("demo"), "{}", text_of(&refused));
}

/// Runs openssl in a folder; whether it is installed. It must be where all tests must run.
fn openssl(folder: &Path, arguments: &str) -> bool {
    let ran = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let Ok(output) = ran else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "openssl is needed and is not here");
        eprintln!("SKIPPED: there is no openssl here, so no certificate is made");
        return false;
    };
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

#[tokio::test]
async fn a_private_authority_protects_the_connection() {
    let Some(postgres) = Postgres::start().await else { return };
    let folder = postgres.folder().join("data");
    let of_authority = |name: &str| {
        format!("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem")
    };
    if !openssl(&folder, &of_authority("authority")) {
        return;
    }
    openssl(&folder, &of_authority("another"));
    openssl(&folder, "req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr");
    file(&folder, "names", "subjectAltName=IP:127.0.0.1\n");
    openssl(
        &folder,
        "x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 -extfile names -out server.crt",
    );
    give_to_nobody(&folder.join("server.key"), 0o600);
    give_to_nobody(&folder.join("server.crt"), 0o644);
    postgres.run("ALTER SYSTEM SET ssl = on").await;
    postgres.admit(TLS_ALONE).await;
    let url = |authority: &str| {
        let file = folder.join(format!("{authority}.pem"));
        format!("{}?sslmode=verify-full&sslrootcert={}", postgres.url(), file.display())
    };
    let plain = run(&["migrate", "up", "--database-url", &format!("{}?sslmode=disable", postgres.url())]).await;
    assert!(!plain.status.success(), "{}", text_of(&plain));
    assert!(is_ready(&Program::serve(&url("authority"), &[]).await).await);
    let refused = run(&["migrate", "up", "--database-url", &url("another")]).await;
    let text = text_of(&refused);
    assert!(
        !refused.status.success() && text.contains("No encrypted connection") && text.contains("sslrootcert"),
        "{text}"
    );
}
