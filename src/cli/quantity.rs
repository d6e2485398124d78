//! Numbers as people read them.

/// `1.50 KiB`
pub(crate) fn bytes(count: u64) -> String {
    scaled(count as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// `2.10 M`; `–` for none.
pub(crate) fn operations(count: u64) -> String {
    if count == 0 { "–".into() } else { scaled(count as f64, 1000.0, &["", "k", "M", "G", "T"]).trim_end().into() }
}

/// `12.3 µs`
pub(crate) fn seconds(time: f64) -> String {
    if time == 0.0 { "0".into() } else { scaled(time * 1e9, 1000.0, &["ns", "µs", "ms", "s"]) }
}

/// `83 %`; `–` where it is none.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or("–".into(), |share| {
        if share < 0.095 { format!("{:.1} %", 100.0 * share) } else { format!("{:.0} %", 100.0 * share) }
    })
}

/// A count a second in billions: of bytes GB/s, of operations GFLOP/s.
pub(crate) fn billions(rate: f64) -> String {
    digits(rate / 1e9)
}

/// What part of a time its floor is; `None` where no time passed.
pub(crate) fn share(floor: f64, time: f64) -> Option<f64> {
    let share = floor / time;
    (share.is_finite() && share > 0.0).then_some(share)
}

/// Text cut to so many characters, an ellipsis in place of what is left out.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (value, 0);
    while value >= 0.9995 * step && unit + 1 < units.len() {
        (value, unit) = (value / step, unit + 1);
    }
    let number = if unit == 0 && value.fract() == 0.0 { format!("{value}") } else { digits(value) };
    format!("{number} {}", units[unit])
}

/// Three digits.
fn digits(value: f64) -> String {
    let places = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!([0, 1023, 1024, 1536, 3 << 30].map(bytes), ["0 B", "1023 B", "1.00 KiB", "1.50 KiB", "3.00 GiB"]);
        assert_eq!([0, 7, 2_097_152, 999_999].map(operations), ["–", "7", "2.10 M", "1.00 M"]);
        assert_eq!(
            [0.0, 1.5e-9, 12.34e-6, 0.0999, 75.0].map(seconds),
            ["0", "1.50 ns", "12.3 µs", "99.9 ms", "75.0 s"]
        );
        assert_eq!([Some(0.834), Some(0.0123), None].map(percent), ["83 %", "1.2 %", "–"]);
        assert_eq!(billions(21.34e9), "21.3");
    }

    #[test]
    fn shares_of_no_time_are_none() {
        assert_eq!(share(1.0, 2.0), Some(0.5));
        assert_eq!([share(1.0, 0.0), share(0.0, 1.0), share(0.0, 0.0)], [None; 3]);
    }

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!([cut("[64, 128]", 9), cut("[64, 128]", 5)], ["[64, 128]", "[64,…"]);
    }
}
