//! DOS times and extended timestamps, by example.

use super::super::time::{DosTime, ExtendedTimestamp};

/// Year, month, day, hour, minute, second.
fn dos(unix: i64) -> [u16; 6] {
    let DosTime { time, date } = DosTime::from_unix(unix);
    [
        1980 + (date >> 9),
        date >> 5 & 15,
        date & 31,
        time >> 11,
        time >> 5 & 63,
        (time & 31) * 2,
    ]
}

#[test]
fn dos_times_round_down() {
    assert_eq!(dos(1_709_213_878), [2024, 2, 29, 13, 37, 58]);
    assert_eq!(dos(1_709_213_879), [2024, 2, 29, 13, 37, 58]);
    assert_eq!(dos(1_709_213_880), [2024, 2, 29, 13, 38, 0]);
    assert_eq!(dos(946_684_799), [1999, 12, 31, 23, 59, 58]);
}

#[test]
fn dos_times_know_leap_days() {
    assert_eq!(dos(951_868_799), [2000, 2, 29, 23, 59, 58]);
    assert_eq!(dos(4_107_499_201), [2100, 2, 28, 12, 0, 0]);
    assert_eq!(dos(4_107_542_400), [2100, 3, 1, 0, 0, 0]);
}

#[test]
fn dos_times_are_clamped() {
    for early in [i64::MIN, -1, 0, 315_532_799, 315_532_800] {
        assert_eq!(dos(early), [1980, 1, 1, 0, 0, 0], "{early}");
    }
    for late in [4_354_819_198, 4_354_819_199, 4_354_819_200, i64::MAX] {
        assert_eq!(dos(late), [2107, 12, 31, 23, 59, 58], "{late}");
    }
}

#[test]
fn every_day_follows_the_one_before() {
    let mut before = dos(315_532_800);
    for day in 1..46_751 {
        let now = dos(315_532_800 + day * 86_400);
        let [year, month, last, ..] = before;
        let expected = match now {
            [y, m, d, ..] if d > 1 => [y, m, d - 1],
            [y, 1, ..] => [y - 1, 12, 31],
            [y, m, ..] => {
                let leap = y % 4 == 0 && y != 2100;
                let february = if leap { 29 } else { 28 };
                [
                    y,
                    m - 1,
                    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30][m as usize - 2],
                ]
            }
        };
        assert_eq!([year, month, last], expected);
        before = now;
    }
    assert_eq!(before[..3], [2107, 12, 31]);
}

#[test]
fn timestamps_are_clamped_to_32_bits() {
    let seconds = |unix| {
        let mut field = Vec::new();
        ExtendedTimestamp::from_unix(unix).put(&mut field);
        assert_eq!(field[..5], [0x55, 0x54, 5, 0, 1]);
        i32::from_le_bytes(field[5..].try_into().unwrap())
    };
    assert_eq!(seconds(0), 0);
    assert_eq!(seconds(-1), -1);
    assert_eq!(seconds(2_147_483_647), i32::MAX);
    assert_eq!(seconds(2_147_483_648), i32::MAX);
    assert_eq!(seconds(i64::MAX), i32::MAX);
    assert_eq!(seconds(i64::MIN), i32::MIN);
}
