//! Asks a server the same kind of question again and again and says how long the answers took, as JSON.
//!
//! `drive HOST:PORT PATH QUESTIONS --connections N --seconds S [--rate R] [--header 'Name: value']... [--seed N]`
//!
//! QUESTIONS is a file with one body a line; each connection takes lines by chance. A thread a connection that waits
//! for its answer, nothing else: on a machine of two cores the client must leave the processor to the server. With
//! --rate the questions of all connections come at that many a second, and a latency counts from the instant at
//! which its question was due.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Every how manieth answer is searched for errors: a search of all would take time from the servers.
const SEARCHED: u64 = 16;

struct Plan {
    address: String,
    /// Whole requests, ready to be sent.
    requests: Vec<Vec<u8>>,
    connections: u64,
    seconds: f64,
    rate: Option<f64>,
    seed: u64,
}

#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    bytes: u64,
    failed: u64,
    example: Option<String>,
}

fn main() -> Result<()> {
    let plan = plan()?;
    let begun = Instant::now();
    let seen: Vec<Result<Seen>> = std::thread::scope(|scope| {
        let asking = |number| {
            let plan = &plan;
            scope.spawn(move || ask(plan, number, begun))
        };
        let threads: Vec<_> = (0..plan.connections).map(asking).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let took = begun.elapsed().as_secs_f64();
    let mut all = Seen::default();
    for one in seen {
        let one = one?;
        all.micros.extend(one.micros);
        all.bytes += one.bytes;
        all.failed += one.failed;
        all.example = all.example.or(one.example);
    }
    if let Some(example) = &all.example {
        eprintln!("{example}");
    }
    all.micros.sort_unstable();
    let at = |part: f64| {
        let index = (all.micros.len() as f64 * part) as usize;
        f64::from(all.micros.get(index.min(all.micros.len().saturating_sub(1))).copied().unwrap_or(0)) / 1e3
    };
    println!(
        "{{\"answers\": {}, \"seconds\": {took:.3}, \"rate\": {:.2}, \"p50\": {:.3}, \"p99\": {:.3}, \"max\": {:.3}, \"bytes\": {}, \"failed\": {}}}",
        all.micros.len(),
        all.micros.len() as f64 / took,
        at(0.5),
        at(0.99),
        at(1.0),
        all.bytes / (all.micros.len() as u64).max(1),
        all.failed,
    );
    Ok(())
}

fn plan() -> Result<Plan> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("too few arguments");
    let (address, path, questions) = (next()?, next()?, next()?);
    let mut plan = Plan { address, requests: Vec::new(), connections: 8, seconds: 5.0, rate: None, seed: 1 };
    let mut headers = String::new();
    while let Some(option) = args.next() {
        let value = args.next().ok_or("an option without a value")?;
        match option.as_str() {
            "--connections" => plan.connections = value.parse()?,
            "--seconds" => plan.seconds = value.parse()?,
            "--rate" => plan.rate = Some(value.parse()?),
            "--seed" => plan.seed = value.parse()?,
            "--header" => headers += &format!("{value}\r\n"),
            other => return Err(format!("an option that there isn't: {other}").into()),
        }
    }
    for question in std::fs::read_to_string(questions)?.lines() {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/graphql-response+json, application/json;q=0.9\r\n{headers}Content-Length: {}\r\n\r\n",
            plan.address,
            question.len()
        );
        plan.requests.push([head.as_bytes(), question.as_bytes()].concat());
    }
    if plan.requests.is_empty() { Err("no questions".into()) } else { Ok(plan) }
}

/// What one connection does until the time is over.
fn ask(plan: &Plan, number: u64, begun: Instant) -> Result<Seen> {
    let stream = TcpStream::connect(&plan.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream.try_clone()?);
    let mut stream = stream;
    let end = begun + Duration::from_secs_f64(plan.seconds);
    let mut chance = plan.seed.wrapping_mul(1_000_003).wrapping_add(number);
    let mut seen = Seen::default();
    let mut body = Vec::new();
    for turn in 0_u64.. {
        let due = match plan.rate {
            Some(rate) => {
                let due = begun + Duration::from_secs_f64((turn * plan.connections + number) as f64 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                due
            }
            None => Instant::now(),
        };
        if due >= end {
            break;
        }
        let request = &plan.requests[(mix(&mut chance) % plan.requests.len() as u64) as usize];
        stream.write_all(request)?;
        let status = answer(&mut reader, &mut body)?;
        let micros = due.elapsed().as_micros();
        seen.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
        seen.bytes += body.len() as u64;
        let searched = turn % SEARCHED == 0;
        if status != 200 || (searched && body.windows(9).any(|part| part == b"\"errors\":")) {
            seen.failed += 1;
            if seen.example.is_none() {
                let text = String::from_utf8_lossy(&body);
                seen.example = Some(format!("{status}: {}", text.chars().take(2_000).collect::<String>()));
            }
        }
    }
    Ok(seen)
}

/// SplitMix64.
fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Reads one answer; gives its status.
fn answer(reader: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Result<u16> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).ok_or_else(|| format!("no status: {line:?}"))?.parse()?;
    let (mut length, mut chunked) = (None, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<usize>()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    body.clear();
    if !chunked {
        body.resize(length.ok_or("an answer without a length")?, 0);
        reader.read_exact(body)?;
        return Ok(status);
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim_end().split(';').next().unwrap_or(""), 16)?;
        let begin = body.len();
        body.resize(begin + size + 2, 0);
        reader.read_exact(&mut body[begin..])?;
        body.truncate(begin + size);
        if size == 0 {
            return Ok(status);
        }
    }
}
