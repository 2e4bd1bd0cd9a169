//! Numbers, sizes, times and names as people read them.

use std::borrow::Cow;

use time::OffsetDateTime;

use super::language::Language;

/// A whole number, its thousands set apart.
pub fn number(number: u64, language: Language) -> String {
    let separator = match language {
        Language::English => ',',
        Language::Portuguese => '.',
    };
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

/// Bytes.
pub fn size(bytes: u64, language: Language) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        let unit = if bytes == 1 { "byte" } else { "bytes" };
        return format!("{bytes}\u{a0}{unit}");
    }
    let mut amount = bytes as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.95 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    let text = format!("{amount:.1}\u{a0}{}", UNITS[unit]);
    match language {
        Language::English => text,
        Language::Portuguese => text.replace('.', ","),
    }
}

/// A moment, in UTC, for readers whose browser does not tell it in their own time.
pub fn moment(at: OffsetDateTime, language: Language) -> String {
    const ENGLISH: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const PORTUGUESE: [&str; 12] = [
        "janeiro",
        "fevereiro",
        "março",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
    ];
    let month = usize::from(u8::from(at.month()) - 1);
    let (day, year) = (at.day(), at.year());
    let date = match language {
        Language::English => format!("{day} {} {year}", ENGLISH[month]),
        Language::Portuguese => format!("{day} de {} de {year}", PORTUGUESE[month]),
    };
    format!("{date}, {:02}:{:02} UTC", at.hour(), at.minute())
}

/// A name that shows as what it is: characters that turn the direction of text around, or take no place, could make
/// `exe.pdf` of `fdp.exe`. Those that join letters and pictures stay.
pub fn shown(name: &str) -> Cow<'_, str> {
    let hides = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
            )
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
    };
    match name.contains(hides) {
        true => Cow::Owned(name.replace(hides, "\u{fffd}")),
        false => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: Language = Language::English;
    const PT: Language = Language::Portuguese;

    #[test]
    fn numbers_have_their_thousands_apart() {
        for (given, english, portuguese) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1000, "1,000", "1.000"),
            (1_234_567, "1,234,567", "1.234.567"),
        ] {
            assert_eq!(number(given, EN), english);
            assert_eq!(number(given, PT), portuguese);
        }
    }

    #[test]
    fn sizes_are_told_as_people_say_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (1_234_567_890, "1.2 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes, EN).replace('\u{a0}', " "), text);
        }
        assert_eq!(size(1_234_567, PT), "1,2\u{a0}MB");
    }

    #[test]
    fn moments_are_told_in_utc() {
        let at = OffsetDateTime::from_unix_timestamp(1_772_546_700).unwrap();
        assert_eq!(moment(at, EN), "3 March 2026, 14:05 UTC");
        assert_eq!(moment(at, PT), "3 de março de 2026, 14:05 UTC");
    }

    #[test]
    fn names_cannot_disguise_themselves() {
        assert_eq!(shown("rechnung\u{202e}fdp.exe"), "rechnung\u{fffd}fdp.exe");
        assert_eq!(
            shown("a\nb\u{2066}c\u{200b}d\u{feff}"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}"
        );
        let harmless = "Übersicht – 報告 👩\u{200d}👧 می\u{200c}خواهم.pdf";
        assert_eq!(shown(harmless), harmless);
    }
}
