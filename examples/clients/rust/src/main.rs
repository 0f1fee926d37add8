//! Asks a demo of Packwright with types that graphql_client and cynic have made:
//!
//!     cargo run -- http://127.0.0.1:8080

mod with_cynic;
mod with_graphql_client;

use std::process::ExitCode;

use serde::Serialize;

/// The Rust types of the schema's scalars, for graphql_client. Types of a crate for dates fit as well, if they read and
/// write RFC 3339.
pub mod scalars {
    pub type Date = String;
    pub type DateTime = String;
    pub type Markdown = String;
    pub type TimeZone = String;
    pub type URI = String;
}

#[cynic::schema("packwright")]
pub mod schema {}

/// A failure, as a sentence.
type Result<T> = std::result::Result<T, String>;

/// A server, with the token of a caller.
pub struct Server {
    address: String,
    token: &'static str,
}

impl Server {
    /// Sends an operation. Returns the text of the answer.
    pub fn ask(&self, operation: &impl Serialize) -> Result<String> {
        let answer = ureq::post(format!("{}/graphql", self.address))
            .header("authorization", format!("Bearer {}", self.token))
            .send_json(operation);
        answer.and_then(|mut answer| answer.body_mut().read_to_string()).map_err(|error| error.to_string())
    }
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080".into());
    let server = Server { address: address.trim_end_matches('/').to_owned(), token: "demo-publisher-admin" };
    println!("{} documents of examples/operations have types", include!(concat!(env!("OUT_DIR"), "/count.rs")));
    match with_graphql_client::run(&server).and_then(|()| with_cynic::run(&server)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The same answer from a later server, which has a role and a type of accounts more.
fn of_a_later_server(answer: &str) -> Result<String> {
    let mut later = answer.to_owned();
    for word in ["ADMINISTRATOR", "PublisherAccount"] {
        let word = format!("\"{word}\"");
        if !later.contains(&word) {
            return Err(format!("no {word} in {answer}"));
        }
        later = later.replace(&word, "\"SOMETHING_NEW\"");
    }
    Ok(later)
}
