//! A trace in words: a line for each frame, and the sums.

use super::{
    conversation::{Conversation, Half, Meaning},
    traced::Line,
};
use crate::{cli::args::Way, wire::foreign_text::one_line};

/// A line of at most 80 columns, unless others have said more; `None` for what is only drawn.
pub(super) fn line(line: &Line, meaning: Meaning) -> Option<String> {
    let t = line.t;
    let Some(way) = line.way() else {
        let left_out = line.left_out.map(|lines| format!("{lines} lines are left out here"));
        let words = left_out.or_else(|| line.note.as_deref().map(one_line))?;
        return Some(format!("{t:>9.4}  --  {words}"));
    };
    let arrow = match way {
        Way::Out => "->",
        Way::In => "<-",
    };
    let kind = one_line(&line.kind);
    let number = match line.acknowledges {
        Some(number) => format!("#{number}"),
        None if line.is_data() => format!("#{}", line.sequence),
        None => String::new(),
    };
    let rest = match meaning {
        Meaning::Acknowledged { after: Some(after), times: 0 | 1 } => {
            format!("after {after:.1} ms")
        }
        Meaning::Acknowledged { after: Some(after), times } => {
            format!("{after:.1} ms after the last of {times}")
        }
        Meaning::Acknowledged { after: None, .. } => "of what is not here".to_owned(),
        Meaning::Sent { times } => {
            let again = match times {
                1 => String::new(),
                times => format!(", copy {times}"),
            };
            format!("{}{again}", content(line))
        }
        Meaning::Alone => content(line),
    };
    let told = format!("{t:>9.4}  {arrow}  {kind:<18}  {number:<6} {rest}");
    Some(told.trim_end().to_owned())
}

/// What is in a frame.
fn content(line: &Line) -> String {
    let what = match line.payload_type {
        0 => "",
        1 => "output",
        2 => "error",
        3 => "size",
        4 => "parameter",
        5 => "handshake request",
        6 => "handshake response",
        7 => "handshake complete",
        8 => "challenge",
        9 => "challenge's answer",
        10 => "flag",
        11 => "standard error",
        12 => "exit code",
        _ => "unknown payload",
    };
    let flags = match (line.is_data(), line.flags) {
        (true, 1) => ", SYN",
        (true, 2) => ", FIN",
        (true, 3) => ", SYN, FIN",
        _ => "",
    };
    let bytes = line.bytes;
    match what {
        "" => format!("{bytes} B{flags}"),
        what => format!("{what}, {bytes} B{flags}"),
    }
}

/// The sums of a session.
pub(super) fn sums(session: &str, conversation: &Conversation) -> Vec<String> {
    let Conversation { out, inward, window } = conversation;
    let mut lines = vec![format!("session {}", one_line(session))];
    lines.push(half("->", out, "sent again"));
    lines.push(half("<-", inward, "came again"));
    if let Some([shortest, median, longest]) = percentiles(&out.round_trips) {
        let window = window / 1024;
        lines.push(format!(
            "  round trip {median:.1} ms ({shortest:.1} to {longest:.1}), window up to {window} KiB"
        ));
    }
    lines
}

fn half(arrow: &str, half: &Half, again: &str) -> String {
    let Half { frames, bytes, again: repeats, .. } = half;
    let kib = *bytes as f64 / 1024.0;
    let open = half.unacknowledged();
    format!(
        "  {arrow}  {frames} frames, {kib:.1} KiB of data, {repeats} {again}, {open} not acknowledged"
    )
}

/// The least, the middle and the greatest.
fn percentiles(values: &[f64]) -> Option<[f64; 3]> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    Some([*values.first()?, values[values.len() / 2], *values.last()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_a_line_each() {
        for (json, expected) in [
            (
                r#"{"t":0.131273,"direction":"in","kind":"output_stream_data","sequence":12,"payload_type":1,"bytes":1024}"#,
                "   0.1313  <-  output_stream_data  #12    output, 1024 B",
            ),
            (
                r#"{"t":1,"direction":"in","kind":"output_stream_data","flags":1,"payload_type":5,"bytes":1}"#,
                "   1.0000  <-  output_stream_data  #0     handshake request, 1 B, SYN",
            ),
            (
                r#"{"t":12.5,"direction":"out","kind":"acknowledge","acknowledges":3,"bytes":175}"#,
                "  12.5000  ->  acknowledge         #3     of what is not here",
            ),
            (
                r#"{"t":3600.1,"direction":"in","kind":"channel_closed","bytes":7}"#,
                "3600.1000  <-  channel_closed             7 B",
            ),
            (r#"{"t":2,"note":"resumed"}"#, "   2.0000  --  resumed"),
            (r#"{"left_out":7}"#, "   0.0000  --  7 lines are left out here"),
        ] {
            let read: Line = serde_json::from_str(json).unwrap();
            let meaning = Conversation::default().take(&read);
            assert_eq!(line(&read, meaning).as_deref(), Some(expected));
        }
        let path: Line = serde_json::from_str(r#"{"t":2,"window":7}"#).unwrap();
        assert_eq!(line(&path, Meaning::Alone), None);
    }

    #[test]
    fn what_others_have_written_into_a_trace_rules_no_terminal() {
        let forged = r#"{"t":0,"direction":"in","kind":"\u001b[2Jx\ny"}"#;
        let read: Line = serde_json::from_str(forged).unwrap();
        let told = line(&read, Meaning::Alone).unwrap();
        assert!(!told.contains(['\u{1b}', '\n']), "{told}");
    }
}
