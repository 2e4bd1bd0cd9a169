//! The extra fields of a header (4.5): that they fill their room exactly, and what Zip64 among them says.

use super::fault::{FaultKind, Header};
use super::record::{SATURATED_32, u16_at, u32_at, u64_at};

/// The most fields in one header. Writers have three or four; a reader may keep a hundred bytes of each.
const MOST_FIELDS: usize = 16;

/// 4.5.3 Zip64 extended information.
const ZIP64: u16 = 0x0001;
/// 4.6.9 Info-ZIP Unicode path.
const UNICODE_PATH: u16 = 0x7075;

/// The extra fields that matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra<'a> {
    zip64: Option<&'a [u8]>,
    unicode_path: Option<&'a [u8]>,
}

/// The sizes and the offset of an entry, wherever its header has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) compressed: u64,
    pub(super) uncompressed: u64,
    pub(super) offset: u64,
    /// Some of it came from the Zip64 field.
    pub(super) zip64: bool,
}

impl<'a> Extra<'a> {
    /// Takes the fields apart.
    pub(super) fn parse(mut rest: &'a [u8], header: Header) -> Result<Self, FaultKind> {
        let bad = |what| FaultKind::BadExtraField { header, what };
        let mut extra = Extra::default();
        let mut fields = 0;
        while !rest.is_empty() {
            fields += 1;
            if fields > MOST_FIELDS {
                return Err(bad("there are more than 16"));
            }
            let Some((head, after)) = rest.split_at_checked(4) else {
                return Err(bad("up to 3 bytes are left over"));
            };
            let Some((data, after)) = after.split_at_checked(u16_at(head, 2).into()) else {
                return Err(bad("it is longer than its room"));
            };
            let place = match u16_at(head, 0) {
                ZIP64 => Some(&mut extra.zip64),
                UNICODE_PATH => Some(&mut extra.unicode_path),
                _ => None,
            };
            if place.is_some_and(|place| place.replace(data).is_some()) {
                return Err(bad("it is there twice"));
            }
            rest = after;
        }
        Ok(extra)
    }

    /// Does a Unicode path field name the entry otherwise than its header? Some readers go by the one, some by the
    /// other.
    pub(super) fn renames(&self, name: &[u8]) -> bool {
        self.unicode_path.is_some_and(|path| {
            // Version, CRC-32 of the name in the header, name.
            path.len() < 5
                || path[0] != 1
                || u32_at(path, 1) != crc32fast::hash(name)
                || &path[5..] != name
        })
    }

    /// Sizes and offset of a central header. Its Zip64 field must hold exactly the values whose fields are saturated.
    pub(super) fn central_extent(
        &self,
        compressed: u32,
        uncompressed: u32,
        offset: u32,
    ) -> Result<Extent, FaultKind> {
        // The order of 4.5.3.
        self.extent(Header::Central, [uncompressed, compressed, offset])
            .map(|[uncompressed, compressed, offset]| Extent {
                compressed,
                uncompressed,
                offset,
                zip64: self.zip64.is_some(),
            })
    }

    /// Sizes of a local header: both are in the Zip64 field or none (4.5.3). The offset is 0.
    pub(super) fn local_extent(
        &self,
        compressed: u32,
        uncompressed: u32,
    ) -> Result<Extent, FaultKind> {
        if (compressed == SATURATED_32) != (uncompressed == SATURATED_32) {
            return Err(FaultKind::Zip64Entry {
                header: Header::Local,
                what: "one size is there and one is not",
            });
        }
        self.extent(Header::Local, [uncompressed, compressed])
            .map(|[uncompressed, compressed]| Extent {
                compressed,
                uncompressed,
                offset: 0,
                zip64: self.zip64.is_some(),
            })
    }

    fn extent<const N: usize>(
        &self,
        header: Header,
        fields: [u32; N],
    ) -> Result<[u64; N], FaultKind> {
        let wrong = |what| FaultKind::Zip64Entry { header, what };
        let saturated = fields
            .iter()
            .filter(|field| **field == SATURATED_32)
            .count();
        match self.zip64 {
            None if saturated > 0 => {
                return Err(wrong("a field is saturated, but there is no Zip64 field"));
            }
            Some(_) if saturated == 0 => {
                return Err(wrong("there is a Zip64 field, but nothing is saturated"));
            }
            Some(data) if data.len() != 8 * saturated => {
                return Err(wrong(
                    "it does not hold exactly the values whose fields are saturated",
                ));
            }
            _ => {}
        }
        let mut values = self.zip64.unwrap_or_default().chunks_exact(8);
        Ok(fields.map(|field| match field {
            SATURATED_32 => values
                .next()
                .map_or(u64::from(field), |value| u64_at(value, 0)),
            field => field.into(),
        }))
    }
}
