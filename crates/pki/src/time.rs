//! Points in time as X.509 knows them: whole seconds, UTC.

use std::fmt;
use std::str::FromStr;

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds; negative before that.
///
/// Displays and parses as RFC 3339. A parsed fraction of a second is floored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

/// Seconds in a day of X.509 (no leap seconds).
pub const DAY: i64 = 86_400;

impl UnixTime {
    /// 9999-12-31T23:59:59Z, the last time that GeneralizedTime can hold (RFC 5280 4.1.2.5).
    pub const MAX: Self = Self(253_402_300_799);
    /// 0000-01-01T00:00:00Z, the first time that GeneralizedTime can hold.
    pub const MIN: Self = Self(-62_167_219_200);

    /// The time `seconds` after the start of 1970.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the start of 1970.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The time `seconds` later (earlier when negative), held within what an `i64` can say.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The time `days` days of 86,400 seconds later.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(DAY)))
    }

    /// The time of a proleptic Gregorian date and a time of day; `None` if there is no such date
    /// or time (month 13, 30 February, 24:00, a leap second).
    pub const fn from_civil(civil: Civil) -> Option<Self> {
        let Civil { year, month, day, hour, minute, second } = civil;
        if month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Days from civil, counted from 1 March so that the leap day is a year's last.
        let y = year as i64 - (month <= 2) as i64;
        let era = y.div_euclid(400);
        let year_of_era = y.rem_euclid(400);
        let month_from_march = (month as i64 + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        Some(Self(days * DAY + hour as i64 * 3600 + minute as i64 * 60 + second as i64))
    }

    /// The date and time of day in UTC. Years outside -32768 to 32767 do not occur: the value is
    /// held within them.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "each value is reduced to its calendar range first"
    )]
    pub const fn civil(self) -> Civil {
        let days = self.0.div_euclid(DAY);
        let of_day = self.0.rem_euclid(DAY);
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + (month <= 2) as i64;
        let year = if year > i16::MAX as i64 {
            i16::MAX
        } else if year < i16::MIN as i64 {
            i16::MIN
        } else {
            year as i16
        };
        Civil {
            year,
            month: month as u8,
            day: (doy - (153 * mp + 2) / 5 + 1) as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        }
    }
}

/// A date of the proleptic Gregorian calendar and a time of day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Astronomical year: 0 is 1 BC.
    pub year: i16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

const fn days_in_month(year: i16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The text is not an RFC 3339 date and time with an offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 time such as 2026-11-23T08:00:00Z")]
pub struct ParseTimeError(String);

impl FromStr for UnixTime {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        parse_rfc3339(text.as_bytes()).ok_or_else(|| ParseTimeError(text.to_owned()))
    }
}

/// RFC 3339 5.6: `date "T" time [fraction] ("Z" / offset)`; a leap second is its second's end.
fn parse_rfc3339(text: &[u8]) -> Option<UnixTime> {
    let number = |range: std::ops::Range<usize>| -> Option<u16> {
        text.get(range)?.iter().try_fold(0, |n: u16, digit| {
            digit.is_ascii_digit().then(|| n * 10 + u16::from(digit - b'0'))
        })
    };
    let two = |at: usize| number(at..at + 2).and_then(|n| u8::try_from(n).ok());
    let is = |at: usize, allowed: &[u8]| text.get(at).is_some_and(|c| allowed.contains(c));
    let punctuation = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    if !punctuation {
        return None;
    }
    let second = two(17)?;
    let civil = Civil {
        year: i16::try_from(number(0..4)?).ok()?,
        month: two(5)?,
        day: two(8)?,
        hour: two(11)?,
        minute: two(14)?,
        second: if second == 60 { 59 } else { second },
    };
    let time = UnixTime::from_civil(civil)?;
    let mut at = 19;
    if is(at, b".") {
        let digits = text[at + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        at += 1 + digits;
    }
    match text.get(at)? {
        b'Z' | b'z' if text.len() == at + 1 => Some(time),
        sign @ (b'+' | b'-') if text.len() == at + 6 && is(at + 3, b":") => {
            let (hours, minutes) = (two(at + 1)?, two(at + 4)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = i64::from(hours) * 3600 + i64::from(minutes) * 60;
            let time = time.plus_seconds(if *sign == b'+' { -offset } else { offset });
            (UnixTime::MIN..=UnixTime::MAX).contains(&time).then_some(time)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_dates() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-23T00:00:00Z", 1_795_392_000),
            ("9999-12-31T23:59:59Z", UnixTime::MAX.seconds()),
            ("0000-01-01T00:00:00Z", UnixTime::MIN.seconds()),
        ] {
            assert_eq!(text.parse::<UnixTime>().unwrap().seconds(), seconds, "{text}");
            assert_eq!(UnixTime::from_seconds(seconds).to_string(), text);
        }
    }

    #[test]
    fn fractions_are_floored_and_offsets_applied() {
        let parse = |text: &str| text.parse::<UnixTime>().unwrap().seconds();
        assert_eq!(parse("1970-01-01T00:00:00.9Z"), 0);
        assert_eq!(parse("1969-12-31T23:59:59.9Z"), -1);
        assert_eq!(parse("1970-01-01T02:00:00+02:00"), 0);
        assert!("1970-01-01".parse::<UnixTime>().is_err());
        assert!("yesterday".parse::<UnixTime>().is_err());
    }

    proptest! {
        #[test]
        fn civil_and_seconds_are_inverse(s in UnixTime::MIN.seconds()..=UnixTime::MAX.seconds()) {
            let time = UnixTime::from_seconds(s);
            prop_assert_eq!(UnixTime::from_civil(time.civil()), Some(time));
        }
    }

    #[test]
    fn dates_that_do_not_exist() {
        let civil = Civil { year: 2025, month: 2, day: 28, hour: 0, minute: 0, second: 0 };
        assert!(UnixTime::from_civil(civil).is_some());
        assert!(UnixTime::from_civil(Civil { day: 29, ..civil }).is_none());
        assert!(UnixTime::from_civil(Civil { month: 13, ..civil }).is_none());
        assert!(UnixTime::from_civil(Civil { hour: 24, ..civil }).is_none());
        assert!(UnixTime::from_civil(Civil { second: 60, ..civil }).is_none());
    }
}
