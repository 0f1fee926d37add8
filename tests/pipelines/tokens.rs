//! The token of a pipeline: no secret is stored.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{RUN, World, run};

/// GitHub Actions as a job sees them: an address that gives a token for the job's secret, the last one again and again.
/// It keeps what it was asked.
pub(super) async fn github(tokens: &[&str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = asked.clone();
    let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut bytes = vec![0; 8192];
            let read = socket.read(&mut bytes).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&bytes[..read]).to_lowercase();
            let token = &tokens[keep.lock().unwrap().len().min(tokens.len() - 1)];
            let (status, body) = if request.contains("authorization: bearer of-the-job") {
                ("200 OK", format!(r#"{{"count": 1, "value": "{token}"}}"#))
            } else {
                ("401 Unauthorized", String::new())
            };
            keep.lock().unwrap().push(request.lines().next().unwrap_or_default().to_owned());
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (format!("http://{address}/token?api-version=2.0"), asked)
}

#[tokio::test]
async fn r70_in_github_actions_the_command_gets_its_token_by_itself() {
    let world = World::new().await;
    let (address, asked) = github(&[&world.app.publisher]).await;
    let url = world.url();
    let mut variables = RUN.to_vec();
    variables.extend([
        ("PACKWRIGHT_SERVER", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", address.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job"),
    ]);
    world.package("1.1.0").await;
    let told = run(&["release", "orders", "--wait", "1m"], &variables).await;
    assert_eq!(told.status, 0, "{told:?}");
    assert_eq!(world.installed().await, 2);
    let of_host = format!(
        "get /token?api-version=2.0&audience={} http/1.1",
        world.server.address.to_string().replace(':', "%3a")
    );
    assert_eq!(asked.lock().unwrap().as_slice(), [of_host], "it is asked for once");
    let told = run(&["whoami", "--audience", "packs"], &variables).await;
    assert!(told.status == 0 && told.printed.contains("Northwind"), "{told:?}");
    assert!(asked.lock().unwrap()[1].contains("&audience=packs "), "{asked:?}");
    // An API token counts more, and GitHub isn't asked.
    let told = run(&["whoami", "--token", &world.acme.token], &variables).await;
    assert!(told.printed.contains("Acme") && asked.lock().unwrap().len() == 2, "{told:?}");
    let mut wrong = variables.clone();
    wrong.retain(|(name, _)| *name != "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    wrong.push(("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-another"));
    let told = run(&["whoami"], &wrong).await;
    assert!(told.status == 1 && told.words.contains("GitHub Actions gave no token"), "{told:?}");
    assert!(!told.words.contains("of-another"), "{told:?}");
}

#[tokio::test]
async fn r70_in_gitlab_the_token_is_in_a_variable() {
    let world = World::new().await;
    let url = world.url();
    let variables = [("PACKWRIGHT_SERVER", url.as_str()), ("PACKWRIGHT_ID_TOKEN", world.app.publisher.as_str())];
    let told = run(&["whoami"], &variables).await;
    assert!(told.status == 0 && told.printed.contains("Northwind"), "{told:?}");
}
