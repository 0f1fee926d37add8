//! The first output of `serve`: the server's addresses and the first steps.

use crate::config::ServeArgs;
use crate::demo;

/// The output as text.
pub(super) fn text(args: &ServeArgs, base: &str, empty: bool) -> String {
    let mut text = format!("Packwright {}\n\n  GraphQL    {base}/graphql\n", env!("CARGO_PKG_VERSION"));
    text += &format!("  WebSocket  {}/graphql (graphql-transport-ws)\n", base.replacen("http", "ws", 1));
    text += &format!("  Events     {base}/graphql/stream (graphql-sse)\n");
    if args.graphiql || args.demo {
        text += &format!("  GraphiQL   {base}/graphiql\n");
    }
    text += &format!("  Health     {base}/livez, {base}/readyz\n");
    if let Some(file) = &args.limits.trusted_documents {
        text += &format!("\nOnly the documents of {} are executed.\n", file.display());
    }
    if args.demo {
        text += "\nThis is the demo: its data is thrown away at the end. GraphiQL's tabs are a tour of it, and links there lead \
                 to two more.\nTokens, for `Authorization: Bearer TOKEN`:\n\n";
        for token in demo::TOKENS {
            text += &format!("  {:<24} {}\n", token.secret, token.name);
        }
    } else if empty {
        text += "\nThe database is empty. Make the first publisher and a token for it:\n\n  \
                 packwright account create \"My company\" --time-zone Europe/Berlin\n  \
                 packwright token create --account \"My company\" --name first --role administrator\n\n\
                 with the same --database-url or --config, if you gave one, and the same variables.\n";
    }
    text + "\n"
}

/// The output as JSON, if the log is JSON.
pub(super) fn json(args: &ServeArgs, base: &str, empty: bool) -> serde_json::Value {
    let mut message = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "graphql": format!("{base}/graphql"),
        "websocket": format!("{}/graphql", base.replacen("http", "ws", 1)),
        "events": format!("{base}/graphql/stream"),
        "livez": format!("{base}/livez"),
        "readyz": format!("{base}/readyz"),
        "databaseIsEmpty": empty && !args.demo,
    });
    if args.graphiql || args.demo {
        message["graphiql"] = format!("{base}/graphiql").into();
    }
    if args.demo {
        message["demoTokens"] = serde_json::json!(demo::TOKENS);
    }
    message
}
