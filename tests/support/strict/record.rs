//! Fields of records, in order, and what is said of those that are wrong.

use std::error::Error;

use bytes::{Buf, Bytes};

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The transfer broke.
    #[error("it broke off after {at} bytes")]
    Broken {
        at: u64,
        source: Box<dyn Error + Send + Sync>,
    },
    /// The bytes ended within a record, or a record within a field.
    #[error("byte {at}: it ended early")]
    Short { at: u64 },
    /// A field has another value than what was read before, or the rules, allow.
    #[error("byte {at}: {what} is {actual:#x}, not {expected:#x}")]
    Wrong {
        at: u64,
        what: &'static str,
        expected: u64,
        actual: u64,
    },
    /// A name is not UTF-8, or not the one of the local header.
    #[error("byte {at}: not the name of an entry: {name:?}")]
    Name { at: u64, name: Bytes },
}

/// The fields that both headers have in the same order, from the flags to the lengths.
pub(super) struct Common {
    pub(super) flags: u64,
    pub(super) time: u64,
    pub(super) date: u64,
    pub(super) crc32: u64,
    pub(super) compressed: u64,
    pub(super) uncompressed: u64,
    pub(super) name_len: u64,
    pub(super) extra_len: u64,
}

/// Bytes of the archive that stand at `at`.
pub(super) struct Record {
    pub(super) at: u64,
    pub(super) fields: Bytes,
}

impl Record {
    /// The next field, of so many bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64, Refused> {
        if self.fields.len() < bytes {
            return Err(Refused::Short { at: self.at });
        }
        Ok(self.fields.get_uint_le(bytes))
    }

    /// The next field, of so many bytes, which must be `expected`.
    pub(super) fn expect(
        &mut self,
        what: &'static str,
        bytes: usize,
        expected: u64,
    ) -> Result<(), Refused> {
        same(self.at, what, expected, self.number(bytes)?)
    }

    pub(super) fn common(&mut self) -> Result<Common, Refused> {
        let flags = self.number(2)?;
        self.expect("the method", 2, 0)?;
        Ok(Common {
            flags,
            time: self.number(2)?,
            date: self.number(2)?,
            crc32: self.number(4)?,
            compressed: self.number(4)?,
            uncompressed: self.number(4)?,
            name_len: self.number(2)?,
            extra_len: self.number(2)?,
        })
    }

    /// The values of Zip64 (4.5.3) and the extended timestamp; nothing else may be there, and in this order.
    pub(super) fn parse(mut self) -> Result<(Vec<u64>, i64), Refused> {
        let mut zip64 = Vec::new();
        let mut tag = self.number(2)?;
        if tag == 0x0001 {
            let len = self.number(2)?;
            same(self.at, "the rest of the Zip64 field", 0, len % 8)?;
            for _ in 0..len / 8 {
                zip64.push(self.number(8)?);
            }
            tag = self.number(2)?;
        }
        same(self.at, "the tag of an extra field", 0x5455, tag)?;
        self.expect("the length of the timestamp", 2, 5)?;
        self.expect("the flags of the timestamp", 1, 1)?;
        let seconds = self.number(4)? as u32;
        same(self.at, "more extra fields", 0, self.fields.len() as u64)?;
        Ok((zip64, i64::from(seconds as i32)))
    }
}

/// Refuses what is not `expected`.
pub(super) fn same(at: u64, what: &'static str, expected: u64, actual: u64) -> Result<(), Refused> {
    if expected == actual {
        return Ok(());
    }
    Err(Refused::Wrong {
        at,
        what,
        expected,
        actual,
    })
}
