//! Durations, in the forms that vendors and operators write.

use jiff::SignedDuration;

/// Seconds of `90`, `5m`, `1h2m3s`, `1d`, `250ms`, `00:05:00` or `PT5M`.
#[must_use]
pub fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return number.is_finite().then_some(number);
    }
    if text.contains(':') {
        return clock(text);
    }
    if let Some(days) = text.strip_suffix('d').and_then(|n| n.parse::<f64>().ok()) {
        return Some(days * 86_400.0);
    }
    text.parse::<SignedDuration>().ok().map(|d| d.as_secs_f64())
}

/// `05:00` and `01:05:00`.
fn clock(text: &str) -> Option<f64> {
    text.split(':').try_fold(0.0, |total, part| {
        let part: f64 = part.parse().ok()?;
        Some(total * 60.0 + part)
    })
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_length_of_time_is_read_in_every_form_that_vendors_write() {
        for (text, wanted) in [
            ("90", Some(90.0)),
            ("5m", Some(300.0)),
            ("1h2m", Some(3720.0)),
            ("1h2m3s", Some(3723.0)),
            ("2d", Some(172_800.0)),
            ("250ms", Some(0.25)),
            ("00:05:00", Some(300.0)),
            ("PT5M", Some(300.0)),
            ("soon", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
