//! Dates, spans and counts as people read them.

use rustmq_pki::time::{DAY, UnixTime};

/// The date of a time, as RFC 3339 full-date.
pub(crate) fn day(time: UnixTime) -> String {
    let civil = time.civil();
    format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)
}

/// `2026-11-23 to 2027-11-23 (365 days)`.
pub(crate) fn date_span(from: UnixTime, to: UnixTime) -> String {
    let days = ((to.seconds() - from.seconds() + DAY / 2) / DAY).unsigned_abs();
    let span = if days >= 730 && days.is_multiple_of(365) {
        count(days / 365, "year")
    } else {
        count(days, "day")
    };
    format!("{} to {} ({span})", day(from), day(to))
}

/// What is left until `end`: `10 y left`, `43 d left`, `5 h left`, or `expired`.
pub(crate) fn time_left(now: UnixTime, end: UnixTime) -> String {
    let seconds = end.seconds() - now.seconds();
    // To the nearest: a certificate of ten years that was issued a minute ago has ten years left.
    let days = (seconds + DAY / 2) / DAY;
    match seconds {
        ..0 => "expired".to_owned(),
        _ if days >= 2 * 365 => format!("{} y left", (days + 182) / 365),
        _ if days >= 2 => format!("{days} d left"),
        _ if seconds >= 2 * 3600 => format!("{} h left", seconds / 3600),
        _ => format!("{} min left", seconds / 60),
    }
}

/// `1 certificate`, `1,204 certificates`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// Digits in groups of three.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixTime {
        text.parse().unwrap()
    }

    #[test]
    fn spans() {
        let start = at("2026-11-23T08:00:00Z");
        assert_eq!(date_span(start, start.plus_days(365)), "2026-11-23 to 2027-11-23 (365 days)");
        assert_eq!(date_span(start, start.plus_days(3650)), "2026-11-23 to 2036-11-20 (10 years)");
        let backdated = start.plus_seconds(-300);
        assert_eq!(date_span(backdated, start.plus_days(1)), "2026-11-23 to 2026-11-24 (1 day)");
    }

    #[test]
    fn what_is_left() {
        let now = at("2026-11-23T08:00:00Z");
        assert_eq!(time_left(now, now.plus_days(3649)), "10 y left");
        assert_eq!(time_left(now, now.plus_days(43)), "43 d left");
        assert_eq!(time_left(now, now.plus_seconds(3 * 3600)), "3 h left");
        assert_eq!(time_left(now, now.plus_seconds(90)), "1 min left");
        assert_eq!(time_left(now, now.plus_seconds(-1)), "expired");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(1, "certificate"), "1 certificate");
        assert_eq!(count(0, "certificate"), "0 certificates");
        assert_eq!(count(1_204, "certificate"), "1,204 certificates");
        assert_eq!(count(1_000_000, "row"), "1,000,000 rows");
    }
}
