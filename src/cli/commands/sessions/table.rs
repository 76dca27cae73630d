//! Sessions in columns.

use std::time::SystemTime;

use anstyle::AnsiColor;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr;

use crate::cli::{
    columns::{Columns, GAP, Yielding},
    cut::cut,
    output::{GOOD, WARNING},
    times::{clock, length},
};
use crate::client::SessionRecord;

/// How they are shown.
pub(super) struct Table {
    /// There are others' among them.
    pub(super) with_owners: bool,
    pub(super) now: SystemTime,
    /// Where the user is.
    pub(super) zone: TimeZone,
}

impl Table {
    /// Lines no wider than the terminal, if there is one. Ids stay whole, and a column that has nothing
    /// to say is not there.
    pub(super) fn of(&self, sessions: &[SessionRecord], width: Option<usize>) -> String {
        let mut rows = vec![HEADER.map(str::to_owned).to_vec()];
        rows.extend(sessions.iter().map(|session| self.row(session)));
        let mut others = 0;
        for column in 0..HEADER.len() {
            if rows.iter().skip(1).all(|row| row[column].is_empty()) {
                rows[0][column].clear();
            } else if column != REASON {
                let widest = rows.iter().map(|row| row[column].width()).max();
                others += widest.unwrap_or_default() + GAP;
            }
        }
        // A long one leaves the others their room.
        if let Some(width) = width {
            let most = width.saturating_sub(others).max(SHORT_REASON);
            rows.iter_mut().for_each(|row| row[REASON] = cut(&row[REASON], most));
        }
        let painted = |row, column, cell: String| {
            let style = match &*cell {
                _ if row == 0 => AnsiColor::BrightBlack.on_default(),
                _ if column != STATE => return cell,
                "Connected" => GOOD,
                "Connecting" | "Disconnected" | "Failed" => WARNING,
                _ => return cell,
            };
            format!("{style}{cell}{style:#}")
        };
        Columns::new(rows).lines(width, YIELDING, painted).join("\n")
    }

    fn row(&self, session: &SessionRecord) -> Vec<String> {
        let owner = if self.with_owners { short_owner(&session.owner) } else { "" };
        let ago = |ended| format!("{} ago", length(self.since(ended)));
        vec![
            session.id.clone(),
            session.target.clone(),
            kind(&session.document).to_owned(),
            self.started(session),
            session.ended.map(ago).unwrap_or_default(),
            session.status.clone(),
            owner.to_owned(),
            session.reason.clone().unwrap_or_default(),
        ]
    }

    /// When it was started, and how long it has been there, or was.
    pub(super) fn started(&self, session: &SessionRecord) -> String {
        let Some(started) = session.started else { return "-".to_owned() };
        let at = clock(started, self.now, self.zone.clone());
        let lasted = match session.ended {
            Some(ended) => ended.duration_since(started).unwrap_or_default(),
            None if session.is_over() => return at,
            None => self.since(started),
        };
        format!("{at}, for {}", length(lasted))
    }

    fn since(&self, time: SystemTime) -> std::time::Duration {
        self.now.duration_since(time).unwrap_or_default()
    }
}

/// `user/alice`, `assumed-role/operator/alice`: an ARN without what all of the account's begin with.
pub(super) fn short_owner(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// What sessions of AWS's own documents are for, in words of ours; another document's name.
fn kind(document: &str) -> &str {
    match document {
        "" => "-",
        "SSM-SessionManagerRunShell" => "shell",
        "AWS-StartSSHSession" => "ssh",
        "AWS-StartNonInteractiveCommand" | "AWS-StartInteractiveCommand" => "exec",
        "AWS-StartPortForwardingSession"
        | "AWS-StartPortForwardingSessionToRemoteHost"
        | "AWS-StartPortForwardingSessionToSocket" => "forward",
        other => other,
    }
}

const HEADER: [&str; 8] =
    ["SESSION", "TARGET", "KIND", "STARTED", "ENDED", "STATE", "OWNER", "REASON"];
const STATE: usize = 5;
const REASON: usize = 7;
/// The session's and the node's ids stay, and whose it is, which is what all are listed for.
const YIELDING: Yielding =
    Yielding { third: None, leaving: &[5, 2, 4, 3, 6], shortened: REASON, last: None };
/// Of a reason, where there is not room for everything.
const SHORT_REASON: usize = 18;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn session(started_before: u64, reason: &str) -> SessionRecord {
        SessionRecord {
            id: "alice-0123456789abcdef0".to_owned(),
            target: "i-0123456789abcdef0".to_owned(),
            document: "AWS-StartPortForwardingSession".to_owned(),
            owner: "arn:aws:iam::123456789012:user/alice".to_owned(),
            status: "Connected".to_owned(),
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            started: Some(now() - Duration::from_secs(started_before)),
            ..SessionRecord::default()
        }
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(951_782_400)
    }

    fn shown(sessions: &[SessionRecord], with_owners: bool, width: Option<usize>) -> Vec<String> {
        let table = Table { with_owners, now: now(), zone: TimeZone::fixed(jiff::tz::offset(9)) };
        let text = anstream::adapter::strip_str(&table.of(sessions, width)).to_string();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_that_say_nothing_are_not_there() {
        assert_eq!(
            shown(&[session(720, "")], false, Some(80)),
            [
                "SESSION                  TARGET               KIND     STARTED         STATE",
                "alice-0123456789abcdef0  i-0123456789abcdef0  forward  08:48, for 12m  Connected",
            ]
        );
        let mut over = session(90_000, "");
        over.ended = Some(now() - Duration::from_secs(7_200));
        over.status = "Terminated".to_owned();
        let lines = shown(&[over], false, None);
        assert!(lines[0].ends_with("STARTED               ENDED   STATE"), "{lines:?}");
        assert!(lines[1].ends_with("02-28 08:00, for 23h  2h ago  Terminated"), "{lines:?}");
    }

    #[test]
    fn nothing_is_cut_in_a_pipe() {
        let reason = "\u{bc30}\u{d3ec} ".repeat(40);
        let line = &shown(&[session(720, &reason)], true, None)[1];
        assert!(line.contains("user/alice") && line.ends_with(reason.trim()), "{line}");
    }

    #[test]
    fn a_terminal_has_whole_ids_and_a_part_of_the_reason() {
        let sessions = [session(720, &"\u{bc30}\u{d3ec} ".repeat(40)), session(30, "deploy")];
        for (width, header) in [
            (140, "SESSION TARGET KIND STARTED STATE OWNER REASON"),
            (102, "SESSION TARGET KIND STARTED OWNER REASON"),
            (80, "SESSION TARGET OWNER REASON"),
            (60, "SESSION TARGET REASON"),
        ] {
            let lines = shown(&sessions, true, Some(width));
            let words: Vec<_> = lines[0].split_whitespace().collect();
            assert_eq!(words.join(" "), header, "{lines:#?}");
            for line in &lines {
                assert!(line.width() <= width, "{line}");
            }
            assert!(lines[1].starts_with("alice-0123456789abcdef0  i-0123456789abcdef0  "));
            assert!(lines[1].ends_with('\u{2026}'), "{lines:#?}");
        }
    }
}
