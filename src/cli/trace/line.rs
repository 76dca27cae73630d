//! The lines of a trace.

use std::{fmt, time::Duration};

use serde_json::{Map, Value, json};
use tracing::{
    Event,
    field::{Field, Visit},
};

use crate::{
    cli::times,
    net::{FRAMES, PATHS, PAYLOADS},
    wire::foreign_text::one_line,
};

/// The first line of a file.
pub(super) fn head(has_payloads: bool) -> String {
    let program = format!("ssmport {}", env!("CARGO_PKG_VERSION"));
    let began = times::utc(times::now());
    line(&json!({"trace": 1, "program": program, "began": began, "payloads": has_payloads}))
}

/// So many lines are not there.
pub(super) fn left_out(lines: u64) -> String {
    line(&json!({"left_out": lines}))
}

/// What an event tells: a frame, the path, or in words what became of a connection.
pub(super) fn of(event: &Event<'_>, time: Duration) -> String {
    let seconds = (time.as_secs_f64() * 1e6).round() / 1e6;
    let mut fields = Fields(Map::from_iter([("t".to_owned(), json!(seconds))]));
    event.record(&mut fields);
    if !matches!(event.metadata().target(), FRAMES | PATHS | PAYLOADS) {
        let words = fields.0.remove("message").unwrap_or_default();
        fields.0.insert("note".to_owned(), words);
    }
    line(&Value::Object(fields.0))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// An event's fields, by name.
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // Micro-units are finer than anything here is measured.
        self.set(field, json!((value * 1e3).round() / 1e3));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, json!(value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        self.set(field, json!(hex));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, json!(one_line(&format!("{value:?}"))));
    }
}
