//! The settings of traces.

use std::path::PathBuf;

use clap::Args;
use hyper::header::{HeaderName, HeaderValue};
use url::Url;

use crate::traces::{DEFAULT_RATIO, TraceSettings};

/// The path at which a collector takes traces.
const PATH: &str = "v1/traces";

/// The settings of traces.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Traces")]
pub struct TraceArgs {
    /// The address of an OpenTelemetry collector, to which traces are sent as JSON over HTTP (OTLP), such as
    /// http://localhost:4318. /v1/traces is added, unless the address ends with it. Without this option there are no
    /// traces. The variables OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT work as well
    #[arg(long, value_name = "URL", env = "PACKWRIGHT_OTLP_ENDPOINT", value_parser = endpoint)]
    pub otlp_endpoint: Option<Url>,

    /// Headers of each request to the collector, such as a key: NAME=VALUE, with commas between them. In values % and
    /// commas are percent-encoded. The variables OTEL_EXPORTER_OTLP_TRACES_HEADERS and OTEL_EXPORTER_OTLP_HEADERS work
    /// as well, and PACKWRIGHT_OTLP_HEADERS_FILE names a file that holds the headers
    #[arg(long, value_name = "HEADERS", env = "PACKWRIGHT_OTLP_HEADERS", hide_env_values = true)]
    pub otlp_headers: Option<String>,

    /// A file in PEM with the certificates of authorities that are trusted for the collector, beside those of Mozilla's
    /// list. The variables OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE and OTEL_EXPORTER_OTLP_CERTIFICATE work as well
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_OTLP_CA")]
    pub otlp_ca: Option<PathBuf>,

    /// The share of the traces that begin at this server and are recorded, from 0 to 1. An operation whose client sends
    /// a `traceparent` belongs to the client's trace, and is recorded if the client says so. The variables
    /// OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG work as well
    #[arg(long, value_name = "SHARE", env = "PACKWRIGHT_TRACE_RATIO", default_value_t = DEFAULT_RATIO, value_parser = ratio)]
    pub trace_ratio: f64,
}

impl TraceArgs {
    /// Checks that the settings go together.
    pub(super) fn check(&self) -> Result<(), String> {
        self.headers()?;
        if self.otlp_headers.is_some() && self.otlp_endpoint.is_none() {
            return Err("The headers are for a collector: give --otlp-endpoint (PACKWRIGHT_OTLP_ENDPOINT) with them, \
                        or leave --otlp-headers (PACKWRIGHT_OTLP_HEADERS) out."
                .into());
        }
        Ok(())
    }

    /// The settings; `None` if no traces are sent. `variable` reads an environment variable: OpenTelemetry's variables
    /// can add attributes of the server. The error is a sentence that says what to change.
    pub fn settings(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<TraceSettings>, String> {
        let Some(endpoint) = self.otlp_endpoint.clone() else { return Ok(None) };
        let mut resource = pairs(&variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        if let Some(name) = variable("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".into(), name));
        }
        let headers = self.headers()?;
        Ok(Some(TraceSettings { headers, resource, ratio: self.trace_ratio, ..TraceSettings::new(endpoint) }))
    }

    /// The headers. The error doesn't show their values, which are secrets.
    fn headers(&self) -> Result<Vec<(String, String)>, String> {
        let wrong = |why: &str| {
            format!(
                "--otlp-headers (PACKWRIGHT_OTLP_HEADERS): {why}; write NAME=VALUE, with commas between several, such \
                 as x-api-key=SECRET."
            )
        };
        let text = self.otlp_headers.as_deref().unwrap_or_default();
        let mut headers = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| wrong("a part has no ="))?;
            let (name, value) = (name.trim().to_ascii_lowercase(), decoded(value.trim()));
            if HeaderName::try_from(&name).is_err() || RESERVED.contains(&name.as_str()) {
                return Err(wrong("a name isn't a valid header, or the server sets this header itself"));
            }
            if HeaderValue::try_from(&value).is_err() {
                return Err(wrong("a value has characters that headers can't have"));
            }
            headers.push((name, value));
        }
        Ok(headers)
    }

    pub(super) fn describe(&self) -> [(&'static str, String); 4] {
        let names: Vec<_> =
            self.headers().unwrap_or_default().into_iter().map(|(name, _)| format!("{name}=…")).collect();
        [
            ("otlp-endpoint", self.otlp_endpoint.as_ref().map_or_else(String::new, ToString::to_string)),
            ("otlp-headers", names.join(",")),
            ("otlp-ca", self.otlp_ca.as_ref().map_or_else(String::new, |file| file.display().to_string())),
            ("trace-ratio", self.trace_ratio.to_string()),
        ]
    }
}

/// The headers that the exporter sets itself.
const RESERVED: &[&str] = &["host", "content-type", "content-length", "connection", "transfer-encoding", "user-agent"];

/// Parses the address of a collector.
pub fn endpoint(text: &str) -> Result<Url, String> {
    let example = || "write the address of a collector, such as http://localhost:4318".to_owned();
    let mut url = Url::parse(text.trim()).map_err(|_| example())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(example());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address has no password: give it in --otlp-headers (PACKWRIGHT_OTLP_HEADERS)".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("an address ends with its path: {}", example()));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with(&format!("/{PATH}")) {
        url.set_path(&format!("{path}/{PATH}"));
    }
    Ok(url)
}

/// Parses a share.
fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.trim().parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "write a number from 0 to 1, such as 0.1".to_owned())
}

/// The share by OpenTelemetry's name of a sampler and its argument. The error says which names there are.
pub fn ratio_of_sampler(name: &str, argument: Option<&str>) -> Result<String, String> {
    match name.trim() {
        "always_on" | "parentbased_always_on" => Ok("1".into()),
        "always_off" | "parentbased_always_off" => Ok("0".into()),
        "traceidratio" | "parentbased_traceidratio" => ratio(argument.unwrap_or("1")).map(|share| share.to_string()),
        _ => Err("write parentbased_always_on, parentbased_always_off or parentbased_traceidratio".into()),
    }
}

/// Keys and values as OpenTelemetry's variables have them: `key=value,key=value`. What isn't one is left out.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        Some((key.trim().to_owned(), decoded(value.trim()))).filter(|(key, _)| !key.is_empty())
    };
    text.split(',').filter_map(pair).collect()
}

/// A text without its percent-encoding.
fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let byte =
            digit(after.first()).zip(digit(after.get(1))).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
