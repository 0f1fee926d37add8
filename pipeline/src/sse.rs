//! Reads server-sent events, as the HTML standard defines them.

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type: `next` or `complete`.
    pub kind: String,
    pub data: String,
}

/// Parses a stream of bytes into events. The bytes may come in pieces of any size.
#[derive(Debug, Default)]
pub struct Reader {
    /// The bytes of a line that isn't complete yet.
    begun: Vec<u8>,
    /// Whether the last byte was a carriage return. A line feed after it belongs to the same line end.
    after_return: bool,
    event: Event,
    has_data: bool,
}

impl Reader {
    /// Parses further bytes. Returns the events that they complete.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            let again = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if again => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.begun);
                    events.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                _ => self.begun.push(byte),
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // The standard drops an event without data.
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data += value;
            }
            // Comments and unknown fields are ignored, and so is the id, because the data contain it as the cursor.
            _ => {}
        }
        None
    }
}
