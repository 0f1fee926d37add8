//! Opens many subscriptions over WebSockets, each with a token of its own, and says when they heard something.
//!
//! `listen HOST:PORT TOKENS DOCUMENTS [--at-once N]`
//!
//! TOKENS has a token a line, and there is a connection for each. DOCUMENTS has a subscription a line, as the payload
//! of `subscribe`; the connections take them in turn. The commands come on the standard input, a line each, and each is
//! answered by a line of JSON: `heard` tells how many items came since the last `heard`, and when they came, in
//! microseconds since 1970; `end` ends. The first line says that all are open. One thread, and little memory for each:
//! on a machine of two cores the client must leave the processor to the server.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Default)]
struct Heard {
    open: Cell<usize>,
    failed: Cell<usize>,
    bytes: Cell<usize>,
    micros: RefCell<Vec<u64>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tokio::task::LocalSet::new().run_until(listen()).await
}

async fn listen() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, tokens, documents, rest @ ..] = args.as_slice() else { return Err("too few arguments".into()) };
    let at_once = match rest {
        [name, value] if name == "--at-once" => value.parse()?,
        _ => 32,
    };
    let (tokens, documents) = (std::fs::read_to_string(tokens)?, std::fs::read_to_string(documents)?);
    let documents: Vec<&str> = documents.lines().collect();
    let heard = Rc::new(Heard::default());
    let begun = Instant::now();
    let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(at_once));
    let mut count = 0;
    for (number, token) in tokens.lines().enumerate() {
        let turn = turns.clone().acquire_owned().await?;
        let (address, token, heard) = (address.clone(), token.to_owned(), heard.clone());
        let document = documents[number % documents.len()].to_owned();
        count += 1;
        tokio::task::spawn_local(async move {
            let opened = open(&address, &token, &document, number).await;
            drop(turn);
            let ended = match opened {
                Ok(stream) => {
                    heard.open.set(heard.open.get() + 1);
                    hear(stream, &heard).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                heard.failed.set(heard.failed.get() + 1);
                if heard.failed.get() < 5 {
                    eprintln!("connection {number}: {error}");
                }
            }
        });
    }
    while heard.open.get() + heard.failed.get() < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{{\"open\": {}, \"failed\": {}, \"seconds\": {:.3}}}", heard.open.get(), heard.failed.get(), begun.elapsed().as_secs_f64());
    // A thread reads the commands, because the runtime can't wait for the standard input.
    let (sender, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() || line.is_ok_and(|line| sender.send(line).is_err()) {
                return;
            }
        }
    });
    while let Some(command) = commands.recv().await {
        if command == "end" {
            break;
        }
        let mut micros = heard.micros.take();
        micros.sort_unstable();
        let at = |part: f64| {
            let place = (micros.len() as f64 * part) as usize;
            micros.get(place.min(micros.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        println!(
            "{{\"items\": {}, \"failed\": {}, \"bytes\": {}, \"first\": {}, \"p50\": {}, \"p99\": {}, \"last\": {}}}",
            micros.len(),
            heard.failed.get(),
            heard.bytes.take(),
            at(0.0),
            at(0.5),
            at(0.99),
            at(1.0),
        );
    }
    Ok(())
}

/// A connection with its subscription.
async fn open(address: &str, token: &str, document: &str, number: usize) -> Result<TcpStream> {
    // One client address has some 28,000 ports; the loopback network has many addresses.
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(format!("127.0.{}.{}:0", 1 + number / 20_000, 1 + number / 900 % 200).parse()?)?;
    let mut stream = socket.connect(address.parse()?).await?;
    stream.set_nodelay(true)?;
    let upgrade = format!(
        "GET /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&head).lines().next().unwrap_or("nothing").into());
    }
    let init = format!(r#"{{"type":"connection_init","payload":{{"Authorization":"Bearer {token}"}}}}"#);
    stream.write_all(&frame(1, init.as_bytes())).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut text = vec![0; usize::from(length[1])];
    stream.read_exact(&mut text).await?;
    if !text.windows(14).any(|part| part == b"connection_ack") {
        return Err(format!("no acknowledgement: {}", String::from_utf8_lossy(&text)).into());
    }
    let subscribe = format!(r#"{{"id":"1","type":"subscribe","payload":{document}}}"#);
    stream.write_all(&frame(1, subscribe.as_bytes())).await?;
    Ok(stream)
}

/// A frame of a client, with a mask of zeros.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

async fn hear(mut stream: TcpStream, heard: &Heard) -> Result<()> {
    let mut left: Vec<u8> = Vec::new();
    loop {
        stream.readable().await?;
        // On the stack, so that a waiting connection keeps no buffer.
        let read = {
            let mut buffer = [0; 16 << 10];
            match stream.try_read(&mut buffer) {
                Ok(0) => return Err("closed".into()),
                Ok(count) => left.extend(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            left.len()
        };
        let mut at = 0;
        while let Some((kind, begin, end)) = next_frame(&left[at..read]) {
            let payload = &left[at + begin..at + end];
            match kind {
                1 if payload.windows(13).take(64).any(|part| part == br#""type":"next""#) => {
                    if payload.windows(9).any(|part| part == br#""errors":"#) {
                        return Err(String::from_utf8_lossy(payload).into());
                    }
                    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
                    heard.micros.borrow_mut().push(now);
                    heard.bytes.set(heard.bytes.get() + payload.len());
                }
                1 if payload.windows(6).any(|part| part == br#""ping""#) => {
                    stream.write_all(&frame(1, br#"{"type":"pong"}"#)).await?;
                }
                1 => return Err(String::from_utf8_lossy(payload).into()),
                8 => return Err(format!("closed: {}", String::from_utf8_lossy(payload)).into()),
                9 => stream.write_all(&frame(10, payload)).await?,
                _ => {}
            }
            at += end;
        }
        left.drain(..at);
        if left.is_empty() {
            left = Vec::new();
        }
    }
}

/// The kind of the first frame, and where its payload begins and ends; `None` before it is complete.
fn next_frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (begin, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= begin + length).then_some((first & 0x0f, begin, begin + length))
}
