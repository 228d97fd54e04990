//! Windows of time: a part of each day, week, month or year, in a time zone. Pure.
//!
//! All settings of a window must hold, and one item of each list. A time that wraps over midnight belongs to the day on which it
//! begins. Civil time decides: what is skipped in spring is in no window, and what comes twice in autumn is in it twice.

use std::collections::HashMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// A window as it is written.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Times of the day, such as `09:00-18:00`.
    pub times: Vec<String>,
    /// Such as `mon-fri`.
    pub weekdays: Vec<String>,
    /// Days of the month.
    pub days: Vec<String>,
    /// Months.
    pub months: Vec<String>,
    /// Years.
    pub years: Vec<String>,
    /// Days that are workdays or not, whatever their weekday says.
    pub workdays: Option<HashMap<Date, bool>>,
}

/// How far [`Window::next_change`] looks.
const LOOK_DAYS: i64 = 800;

/// A window, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    zone: TimeZone,
    /// From the first up to the second, which is not in it. Empty: the whole day.
    times: Vec<(Minute, Minute)>,
    /// From Monday on. Empty: every day.
    weekdays: Vec<(i8, i8)>,
    /// Days of the month; a negative one counts from the end.
    days: Vec<(i8, i8)>,
    months: Vec<(i8, i8)>,
    years: Vec<(i16, i16)>,
    /// Only workdays: Monday to Friday, but these days are what is said of them.
    workdays: Option<HashMap<Date, bool>>,
}

/// Minutes since midnight; 1440 is the end of the day.
type Minute = i16;

const DAY: Minute = 24 * 60;

impl Window {
    /// Compiles it.
    ///
    /// # Errors
    /// Each item that is not valid: its setting, the item, and what is expected.
    pub fn compile(spec: &Spec, zone: TimeZone) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let window = Self {
            zone,
            times: read("times", &spec.times, time_range, &mut wrong),
            weekdays: read("weekdays", &spec.weekdays, weekdays, &mut wrong),
            days: read("days", &spec.days, days, &mut wrong),
            months: read("months", &spec.months, months, &mut wrong),
            years: read("years", &spec.years, years, &mut wrong),
            workdays: spec.workdays.clone(),
        };
        if wrong.is_empty() {
            Ok(window)
        } else {
            Err(wrong)
        }
    }

    /// Whether this time is in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.clone());
        let minute = minute_of(local.time());
        let today = self.has_day(local.date());
        if self.times.is_empty() {
            return today;
        }
        let yesterday = || local.date().yesterday().is_ok_and(|day| self.has_day(day));
        self.times.iter().any(|(from, to)| {
            if from < to {
                today && (*from..*to).contains(&minute)
            } else {
                today && minute >= *from || minute < *to && yesterday()
            }
        })
    }

    fn has_day(&self, date: Date) -> bool {
        let within = |ranges: &[(i8, i8)], number: i8| {
            ranges.is_empty() || ranges.iter().any(|range| wraps(*range, number))
        };
        let last = date.days_in_month();
        let day = self.days.is_empty()
            || self.days.iter().any(|range| {
                clamped(*range, last).is_some_and(|(from, to)| (from..=to).contains(&date.day()))
            });
        let year = self.years.is_empty()
            || self
                .years
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&date.year()));
        let works = |days: &HashMap<Date, bool>| {
            let said = days.get(&date).copied();
            said.unwrap_or_else(|| date.weekday().to_monday_zero_offset() < 5)
        };
        within(&self.weekdays, date.weekday().to_monday_zero_offset())
            && within(&self.months, date.month())
            && day
            && year
            && self.workdays.as_ref().is_none_or(works)
    }

    /// The first time after this one at which it begins or ends. None: not within about two years.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let now = self.holds(after);
        let begin = after.to_zoned(self.zone.clone());
        let mut shifts = self.zone.following(after);
        let mut shift = shifts.next().map(|shift| shift.timestamp());
        for offset in 0..LOOK_DAYS {
            let day = begin.date().checked_add(offset.days()).ok()?;
            let end = instant(&self.zone, day.tomorrow().ok()?, 0)?;
            let mut times: Vec<Timestamp> = self.edges(day).filter(|at| *at > after).collect();
            while let Some(at) = shift.filter(|at| *at < end) {
                times.push(at);
                shift = shifts.next().map(|shift| shift.timestamp());
            }
            times.sort_unstable();
            if let Some(at) = times.into_iter().find(|at| self.holds(*at) != now) {
                return Some(at);
            }
        }
        None
    }

    /// The times of a day at which something can change.
    fn edges(&self, day: Date) -> impl Iterator<Item = Timestamp> {
        let minutes = self.times.iter().flat_map(|(from, to)| [*from, *to]);
        let minutes = minutes.chain([0]).filter(|minute| *minute < DAY);
        minutes.flat_map(move |minute| instants(&self.zone, day, minute))
    }
}

fn minute_of(time: Time) -> Minute {
    i16::from(time.hour()) * 60 + i16::from(time.minute())
}

/// Both instants of a civil time that comes twice.
fn instants(zone: &TimeZone, day: Date, minute: Minute) -> Vec<Timestamp> {
    let civil = day.at(0, 0, 0, 0).checked_add(i64::from(minute).minutes());
    let Ok(civil) = civil else {
        return Vec::new();
    };
    let ambiguous = zone.to_ambiguous_zoned(civil);
    let both = [ambiguous.clone().earlier(), ambiguous.later()];
    let both = both.into_iter().filter_map(Result::ok);
    both.map(|zoned: Zoned| zoned.timestamp()).collect()
}

fn instant(zone: &TimeZone, day: Date, minute: Minute) -> Option<Timestamp> {
    instants(zone, day, minute).into_iter().min()
}

/// Whether a number is in a range that can wrap, such as Friday to Monday.
fn wraps((from, to): (i8, i8), number: i8) -> bool {
    if from <= to {
        (from..=to).contains(&number)
    } else {
        number >= from || number <= to
    }
}

/// The days of a range in a month with this last day, as Alertmanager counts. None: the month has none of them.
fn clamped((from, to): (i8, i8), last: i8) -> Option<(i8, i8)> {
    let absolute = |day: i8| if day < 0 { last + day + 1 } else { day };
    let (from, to) = (absolute(from), absolute(to).min(last));
    (from <= last && to >= 1).then_some((from.max(1), to))
}

/// An item that is not valid: its setting, the item, and what is expected.
pub type Wrong = (&'static str, String, &'static str);

type Item<T> = fn(&str) -> Result<T, &'static str>;

fn read<T>(
    setting: &'static str,
    items: &[String],
    item: Item<T>,
    wrong: &mut Vec<Wrong>,
) -> Vec<T> {
    let mut all = Vec::with_capacity(items.len());
    for text in items {
        match item(text) {
            Ok(read) => all.push(read),
            Err(expected) => wrong.push((setting, text.clone(), expected)),
        }
    }
    all
}

fn time_range(text: &str) -> Result<(Minute, Minute), &'static str> {
    let expected = "two times such as \"09:00-18:00\", up to 24:00";
    let (from, to) = text.split_once('-').ok_or(expected)?;
    let from = minute(from.trim()).ok_or(expected)?;
    let to = minute(to.trim()).ok_or(expected)?;
    if from == to || from == DAY {
        return Err("two different times such as \"22:00-06:00\"");
    }
    Ok((from, to))
}

fn minute(text: &str) -> Option<Minute> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (Minute, Minute) = (hour.parse().ok()?, minute.parse().ok()?);
    let sum = hour * 60 + minute;
    (minute < 60 && sum <= DAY).then_some(sum)
}

/// Two words or numbers with this sign between them, or one.
fn pair(text: &str, sign: char) -> (&str, &str) {
    let (from, to) = text.split_once(sign).unwrap_or((text, text));
    (from.trim(), to.trim())
}

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The number of a word from 0, whole or its first three letters.
fn word(text: &str, words: &[&str]) -> Option<i8> {
    let text = text.to_lowercase();
    let place = words
        .iter()
        .position(|word| *word == text || text.len() == 3 && word.starts_with(&text))?;
    i8::try_from(place).ok()
}

fn weekdays(text: &str) -> Result<(i8, i8), &'static str> {
    let expected = "a weekday or two, such as \"sun\" or \"mon-fri\"";
    let (from, to) = pair(text, '-');
    let from = word(from, &WEEKDAYS).ok_or(expected)?;
    Ok((from, word(to, &WEEKDAYS).ok_or(expected)?))
}

fn months(text: &str) -> Result<(i8, i8), &'static str> {
    let expected = "a month or two, such as \"dec\", \"12\" or \"may-august\"";
    let number = |text: &str| {
        let number = text.parse().ok().filter(|number| (1..=12).contains(number));
        number.or_else(|| word(text, &MONTHS).map(|place| place + 1))
    };
    let (from, to) = pair(text, '-');
    Ok((number(from).ok_or(expected)?, number(to).ok_or(expected)?))
}

fn days(text: &str) -> Result<(i8, i8), &'static str> {
    let expected =
        "a day of the month or two, such as \"1\", \"1:15\" or \"-3:-1\" for the last three";
    let number = |text: &str| {
        let number: Option<i8> = text.parse().ok();
        number.filter(|day| *day != 0 && (-31..=31).contains(day))
    };
    let (from, to) = pair(text, ':');
    let range = (number(from).ok_or(expected)?, number(to).ok_or(expected)?);
    if (range.0 < 0) == (range.1 < 0) && range.0 > range.1 || range.0 < 0 && range.1 > 0 {
        return Err(expected);
    }
    Ok(range)
}

fn years(text: &str) -> Result<(i16, i16), &'static str> {
    let expected = "a year or two, such as \"2026\" or \"2026-2028\"";
    let number = |text: &str| {
        let year: Option<i16> = text.parse().ok();
        year.filter(|year| (1970..=9999).contains(year))
    };
    let (from, to) = pair(text, '-');
    let range = (number(from).ok_or(expected)?, number(to).ok_or(expected)?);
    if range.0 > range.1 {
        return Err(expected);
    }
    Ok(range)
}
