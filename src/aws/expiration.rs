//! Dates as programs and servers write them who give credentials: what botocore takes, by way of
//! `dateutil`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time that a text means, to the second. One without a zone is taken for UTC. What holds for ever
/// holds to [`END`].
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let seconds = match text.starts_with(|c: char| c.is_ascii_digit()) {
        true => iso(text),
        false => httpdate::parse_http_date(text).ok().and_then(since_epoch).or_else(|| mail(text)),
    };
    Some(UNIX_EPOCH + Duration::from_secs(seconds?.try_into().ok()?).min(END))
}

/// The year 9000, since 1970. Others panic where a year, in some zone or after some hours, has five digits.
pub(super) const END: Duration = Duration::from_secs(221_845_392_000);

fn since_epoch(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// `2026-11-21T18:30:05.123+01:00` and its kin: without some of the punctuation, with a space, with
/// the zone's name.
fn iso(text: &str) -> Option<i64> {
    let mut rest = Rest(text);
    let year = rest.number(4)?;
    let is_extended = rest.skip("-");
    let month = rest.number(2)?;
    if rest.skip("-") != is_extended {
        return None;
    }
    let day = rest.number(2)?;
    let days = days(year, month, day)?;
    if rest.0.is_empty() {
        return Some(days * DAY);
    }
    if !rest.skip("T") && !rest.skip("t") && !rest.skip(" ") {
        return None;
    }
    let time = rest.time()?;
    Some(days * DAY + time - zone(rest.0.trim())?)
}

/// `Sat, 21 Nov 2026 18:30:05 +0100`: as HTTP has it, with any zone.
fn mail(text: &str) -> Option<i64> {
    let (_, date) = text.split_once(',')?;
    let mut words = date.split_whitespace();
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64 + 1;
    let year = words.next()?.parse().ok()?;
    let time = Rest(words.next()?).time()?;
    Some(days(year, month, day)? * DAY + time - zone(words.next().unwrap_or_default())?)
}

struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// That many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        self.0 = rest;
        number.parse().ok().filter(|_| is_number)
    }

    fn skip(&mut self, mark: &str) -> bool {
        let rest = self.0.strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Seconds since midnight.
    fn time(&mut self) -> Option<i64> {
        let hours = self.number(2)?;
        let is_extended = self.skip(":");
        let minutes = self.number(2)?;
        let has_seconds = match is_extended {
            true => self.skip(":"),
            false => self.0.starts_with(|c: char| c.is_ascii_digit()),
        };
        let seconds = if has_seconds { self.number(2)? } else { 0 };
        if has_seconds && (self.skip(".") || self.skip(",")) {
            self.0 = self.0.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        let is_time = hours < 24 && minutes < 60 && seconds < 60;
        is_time.then_some(hours * 3600 + minutes * 60 + seconds)
    }
}

/// How far a zone is from UTC, in seconds.
fn zone(text: &str) -> Option<i64> {
    let (sign, digits) = match text {
        "" | "Z" | "z" | "UTC" | "GMT" => return Some(0),
        _ => text.split_at_checked(1)?,
    };
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let mut rest = Rest(digits);
    let hours = rest.number(2)?;
    rest.skip(":");
    let minutes = if rest.0.is_empty() { 0 } else { rest.number(2)? };
    (rest.0.is_empty() && hours < 24 && minutes < 60)
        .then_some(sign * (hours * 3600 + minutes * 60))
}

/// Since 1970.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || !(1..=9999).contains(&year) {
        return None;
    }
    // The year begins in March, so that the day that comes and goes is its last.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leaps = year / 4 - year / 100 + year / 400;
    Some(year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - TO_1970)
}

/// In seconds.
const DAY: i64 = 24 * 60 * 60;
/// From the first of March of the year 0.
const TO_1970: i64 = 719_468;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_a_date_mean_it() {
        // `datetime.fromisoformat("2099-06-25T17:15:10+00:00").timestamp()`
        let time = UNIX_EPOCH + Duration::from_secs(4_086_090_910);
        for text in [
            "2099-06-25T17:15:10Z",
            "2099-06-25T17:15:10UTC",
            "2099-06-25T17:15:10 UTC",
            "2099-06-25T17:15:10GMT",
            "2099-06-25T17:15:10+00:00",
            "2099-06-25T17:15:10+0000",
            "2099-06-25T17:15:10-00",
            "2099-06-25T12:15:10-05:00",
            "2099-06-26T02:45:10.5+09:30",
            "2099-06-25T17:15:10.123456Z",
            "2099-06-25T17:15:10.123456789Z",
            "2099-06-25 17:15:10+00:00",
            "2099-06-25 17:15:10",
            "20990625T171510Z",
            " 2099-06-25T17:15:10Z\n",
            "Thu, 25 Jun 2099 17:15:10 GMT",
            "Thu, 25 Jun 2099 19:15:10 +0200",
        ] {
            assert_eq!(parse(text), Some(time), "{text}");
        }
        assert_eq!(parse("2000-02-29"), Some(UNIX_EPOCH + Duration::from_secs(951_782_400)));
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(UNIX_EPOCH));
        assert_eq!(parse("9999-12-31T23:59:59-23:00"), Some(UNIX_EPOCH + END));
        assert_eq!(parse("2026-03-01T00:00"), parse("2026-02-28T23:00-01:00"));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "never",
            "2099",
            "2099-06",
            "2099-02-30T00:00:00Z",
            "2099-06-25T25:00:00Z",
            "2099-06-25T17:15:10X",
            "2099-06-25T17:15:10+5",
            "2099-0625T000000Z",
            "1969-01-01T00:00:00Z",
            "2099-06-25T1é:15:10Z",
            "Thu, 25 Foo 2099 17:15:10 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
