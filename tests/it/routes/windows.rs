//! Windows of time: the table "Time" of the design (W1 to W5, W9), and when they begin and end.

use campanile_language::window::{Spec, Window};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn window(zone: &str, change: impl FnOnce(&mut Spec)) -> Window {
    let mut spec = Spec::default();
    change(&mut spec);
    Window::compile(&spec, TimeZone::get(zone).unwrap()).unwrap()
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

#[track_caller]
fn holds(window: &Window, inside: &[&str], outside: &[&str]) {
    for time in inside {
        assert!(window.holds(at(time)), "{time} is in it");
    }
    for time in outside {
        assert!(!window.holds(at(time)), "{time} is not in it");
    }
}

#[test]
fn w1_the_first_time_is_in_it_and_the_second_is_not() {
    let hours = window("UTC", |spec| spec.times = texts(&["09:00-17:00"]));
    holds(
        &hours,
        &["2026-03-02T09:00:00Z", "2026-03-02T16:59:59Z"],
        &["2026-03-02T08:59:59Z", "2026-03-02T17:00:00Z"],
    );
    let rest = window("UTC", |spec| spec.times = texts(&["17:00-24:00"]));
    holds(&rest, &["2026-03-02T23:59:59Z"], &["2026-03-03T00:00:00Z"]);
}

#[test]
fn w2_w3_it_is_open_by_the_clock_of_its_zone() {
    let hours = window("Australia/Sydney", |spec| {
        spec.weekdays = texts(&["mon-fri"]);
        spec.times = texts(&["09:00-17:00"]);
    });
    holds(
        &hours,
        &["2021-04-06T13:00:00+10:00"],
        &["2021-04-06T13:00:00Z"],
    );
    let november = window("Australia/Sydney", |spec| {
        spec.weekdays = texts(&["mon-fri"]);
        spec.times = texts(&["09:00-17:00"]);
        spec.months = texts(&["nov"]);
    });
    holds(
        &november,
        &["2021-10-31T22:00:00Z"],
        &["2021-10-31T21:00:00Z"],
    );
}

#[test]
fn w4_days_count_from_the_end_and_are_clamped_to_the_month() {
    let last = |days: &str, zone: &str| window(zone, |spec| spec.days = texts(&[days]));
    holds(
        &last("-3:-1", "UTC"),
        &["2020-02-29T12:00:00Z"],
        &["2020-01-27T12:00:00Z"],
    );
    holds(
        &last("-1", "America/New_York"),
        &["2021-03-31T12:00:00Z"],
        &["2021-03-30T12:00:00Z"],
    );
    holds(
        &last("1:31", "UTC"),
        &["2021-02-01T00:00:00Z", "2021-02-28T23:59:59Z"],
        &[],
    );
    holds(
        &last("31", "UTC"),
        &["2021-05-31T00:00:00Z"],
        &["2021-06-30T00:00:00Z"],
    );
}

#[test]
fn w5_times_and_weekdays_wrap() {
    let night = window("UTC", |spec| {
        spec.times = texts(&["22:00-06:00"]);
        spec.weekdays = texts(&["fri-mon"]);
    });
    // 2026-03-02 is a Monday. The night belongs to the day on which it begins.
    holds(
        &night,
        &[
            "2026-03-02T22:00:00Z",
            "2026-03-03T05:59:00Z",
            "2026-03-06T23:00:00Z",
        ],
        &[
            "2026-03-03T06:00:00Z",
            "2026-03-03T22:00:00Z",
            "2026-03-06T05:00:00Z",
        ],
    );
}

#[test]
fn w9_a_skipped_hour_is_never_open_and_a_repeated_one_twice() {
    let hour = window("Europe/Berlin", |spec| spec.times = texts(&["02:30-02:45"]));
    holds(
        &hour,
        &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
        &[
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:30:00Z",
            "2026-10-25T02:30:00Z",
        ],
    );
    assert_eq!(
        hour.next_change(at("2026-03-28T12:00:00Z")),
        Some(at("2026-03-30T00:30:00Z"))
    );
}

#[test]
fn the_next_change_is_the_first_minute_that_differs() {
    let zones = [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Shanghai",
    ];
    for zone in zones {
        let windows = [
            window(zone, |spec| {
                spec.times = texts(&["22:00-06:00", "02:15-02:45"]);
            }),
            window(zone, |spec| spec.weekdays = texts(&["sun"])),
            window(zone, |spec| {
                spec.times = texts(&["01:30-03:00"]);
                spec.weekdays = texts(&["sat-mon"]);
            }),
        ];
        for start in [
            "2026-03-06T00:00:00Z",
            "2026-03-27T00:00:00Z",
            "2026-04-03T00:00:00Z",
            "2026-10-23T00:00:00Z",
            "2026-10-31T00:00:00Z",
        ] {
            for window in &windows {
                agrees(window, at(start), zone);
            }
        }
    }
    let never = window("UTC", |spec| spec.years = texts(&["1999"]));
    assert_eq!(never.next_change(at("2026-01-01T00:00:00Z")), None);
    let always = window("UTC", |spec| spec.times = texts(&["00:00-24:00"]));
    assert_eq!(always.next_change(at("2026-01-01T00:00:00Z")), None);
}

/// Three days, minute by minute.
fn agrees(window: &Window, start: Timestamp, zone: &str) {
    let minute = |number: i64| start + SignedDuration::from_mins(number);
    let mut expected = None;
    for number in (0..3 * 24 * 60).rev() {
        let (now, next) = (minute(number), minute(number + 1));
        if window.holds(now) != window.holds(next) {
            expected = Some(next);
        }
        // Each change, and some minutes of each hour: all of them would take 20 s.
        let looks = number % 13 == 0 || expected == Some(next);
        if let Some(expected) = expected.filter(|_| looks) {
            assert_eq!(window.next_change(now), Some(expected), "{zone} {now}");
        }
    }
}

#[test]
fn what_is_not_a_time_a_day_or_a_month_is_refused() {
    let spec = Spec {
        times: texts(&["9-17", "09:00-09:00", "24:00-25:00", "08:00-18:00"]),
        weekdays: texts(&["someday", "mon-fri"]),
        days: texts(&["0", "32", "5:1", "-1:3", "1:-1"]),
        months: texts(&["13", "dec-feb"]),
        years: texts(&["26", "2028-2026"]),
        workdays: None,
    };
    let wrong = Window::compile(&spec, TimeZone::UTC).unwrap_err();
    let wrong: Vec<String> = wrong.into_iter().map(|(_, item, _)| item).collect();
    assert_eq!(
        wrong,
        [
            "9-17",
            "09:00-09:00",
            "24:00-25:00",
            "someday",
            "0",
            "32",
            "5:1",
            "-1:3",
            "13",
            "26",
            "2028-2026"
        ]
    );
}
