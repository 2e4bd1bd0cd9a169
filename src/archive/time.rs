//! Modification times: the DOS date and time of the headers (4.4.6) and the extended timestamp (0x5455).
//!
//! Both come from Unix seconds in UTC, and every instant has one of each.

use bytes::BufMut;

/// 1980-01-01T00:00:00Z, the first instant of DOS.
const DOS_MIN: i64 = 315_532_800;
/// 2107-12-31T23:59:59Z, the last.
const DOS_MAX: i64 = 4_354_819_199;

/// A date and a time as DOS packs them: in UTC, in steps of two seconds, from 1980 to 2107 (4.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DosTime {
    /// Hour, minute and half the second in 5, 6 and 5 bits.
    pub(super) time: u16,
    /// Years since 1980, month and day in 7, 4 and 5 bits.
    pub(super) date: u16,
}

impl DosTime {
    /// The last DOS time that is not after this instant, or the first or last there is.
    pub(super) fn from_unix(seconds: i64) -> Self {
        let seconds = seconds.clamp(DOS_MIN, DOS_MAX);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        // Clamped as they are, all of these fit their bits.
        Self {
            time: (hour << 11 | minute << 5 | (second / 2)) as u16,
            date: ((year - 1980) << 9 | month << 5 | day) as u16,
        }
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Counts in years that begin in March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days + 719_468; // from 0000-03-01
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let day_of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// The extra field "extended timestamp" (Info-ZIP, named in 4.6.1) with the modification time only.
///
/// It is the same in the local and the central header.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExtendedTimestamp {
    /// Unix seconds, clamped to what the field can hold.
    seconds: i32,
}

impl ExtendedTimestamp {
    /// The tag of the extra field.
    const TAG: u16 = 0x5455;
    /// Its length with tag and size.
    pub(super) const LEN: u16 = 9;
    /// The flag for "modification time is present".
    const MODIFIED: u8 = 1;

    pub(super) fn from_unix(seconds: i64) -> Self {
        let seconds = seconds.clamp(i32::MIN.into(), i32::MAX.into());
        Self {
            seconds: seconds as i32,
        }
    }

    pub(super) fn put(self, out: &mut impl BufMut) {
        out.put_u16_le(Self::TAG);
        out.put_u16_le(Self::LEN - 4);
        out.put_u8(Self::MODIFIED);
        out.put_i32_le(self.seconds);
    }
}
