//! The least that a server on axum can do for a question: it reads the body and returns bytes that never change.
//!
//! `bare ADDRESS FILE CONTENT-TYPE`

use std::error::Error;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(address), Some(file), Some(content_type)) = (args.next(), args.next(), args.next()) else {
        return Err("bare ADDRESS FILE CONTENT-TYPE".into());
    };
    let answer = Bytes::from(std::fs::read(file)?);
    let content_type: &'static str = content_type.leak();
    let handler = move |_asked: Bytes| {
        let answer = answer.clone();
        async move { ([(CONTENT_TYPE, content_type)], answer) }
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, Router::new().route("/graphql", post(handler))).await?;
    Ok(())
}
