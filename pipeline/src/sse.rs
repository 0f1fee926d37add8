//! Reads server-sent events, as the HTML standard says.

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its type: `next` or `complete`.
    pub kind: String,
    pub data: String,
}

/// Takes bytes as they come, and makes events of them.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes of a line that hasn't ended.
    begun: Vec<u8>,
    /// The byte before was a carriage return, so a line feed belongs to the same end of a line.
    after_return: bool,
    event: Event,
    has_data: bool,
}

impl Reader {
    /// Takes further bytes. Returns the events that end with them.
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
            // An event without data is none.
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
            // A comment, the id, which is in the data too, and what may come.
            _ => {}
        }
        None
    }
}
