//! `packwright whoami`: shows the account and the role of the token.

use serde_json::{Value, json};

use crate::operations::{Whoami, whoami};
use crate::{Api, Exit, Failure, Report};

/// Asks the server for the account and the role of the token.
///
/// # Errors
/// When the server doesn't accept the token, or can't be reached.
pub async fn whoami(api: &mut Api) -> Result<Report, Failure> {
    let found = api.ask::<Whoami>(whoami::Variables {}).await?;
    let viewer = serde_json::to_value(&found.viewer).unwrap_or_default();
    let server = json!({ "url": api.server().to_string(), "version": found.server_info.version });
    let text = |pointer: &str| viewer.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
    let kind = match text("/account/__typename").as_str() {
        "PublisherAccount" => "publisher",
        _ => "managed account",
    };
    let privileges: Vec<_> = viewer["privileges"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let lines = vec![
        format!("server      {} (version {})", api.server(), found.server_info.version),
        format!("account     {} ({kind}, {})", text("/account/name"), text("/account/id")),
        format!("time zone   {}", text("/account/timeZone")),
        format!("token       {} (until {})", text("/token/name"), text("/token/expiresAt")),
        format!("role        {}", text("/role")),
        format!("privileges  {}", privileges.join(", ")),
    ];
    let mut data = viewer.clone();
    data["server"] = server;
    Ok(Report { data, lines, words: None, exit: Exit::Done })
}
