//! Listed objects that wait for their turn, in the memory that they need.
//!
//! An [`Object`] takes some 200 bytes, half of them its own fields and the slack of two allocations. A download that is
//! slower than its listing keeps hundreds of them, and there may be a thousand such downloads.

use crate::store::Object;

/// Objects in their order, to be taken from the front. Their texts lie in one allocation.
#[derive(Debug, Default)]
pub struct Packed {
    texts: Box<str>,
    rows: std::vec::IntoIter<Packing>,
    /// Where the texts of the next object begin.
    at: usize,
}

/// What an object has beside its texts, and where these end.
#[derive(Debug)]
struct Packing {
    key: usize,
    etag: usize,
    version_id: Option<usize>,
    size: u64,
    modified: i64,
    has_crc32: bool,
    has_part_crc32s: bool,
    may_be_archived: bool,
    archived: bool,
}

impl Packed {
    /// Packs objects.
    pub fn new(objects: Vec<Object>) -> Packed {
        let version = |object: &Object| object.version_id.as_ref().map_or(0, String::len);
        let length = |object: &Object| object.key.len() + object.etag.len() + version(object);
        let mut texts = String::with_capacity(objects.iter().map(length).sum());
        let mut rows = Vec::with_capacity(objects.len());
        for object in objects {
            let mut end = |text: &str| {
                texts.push_str(text);
                texts.len()
            };
            rows.push(Packing {
                key: end(&object.key),
                etag: end(&object.etag),
                version_id: object.version_id.as_deref().map(end),
                size: object.size,
                modified: object.modified,
                has_crc32: object.has_crc32,
                has_part_crc32s: object.has_part_crc32s,
                may_be_archived: object.may_be_archived,
                archived: object.archived,
            });
        }
        Packed {
            texts: texts.into_boxed_str(),
            rows: rows.into_iter(),
            at: 0,
        }
    }

    /// The next object, as it was packed.
    pub fn pop(&mut self) -> Option<Object> {
        let row = self.rows.next()?;
        let mut upto = |end: usize| {
            let text = self.texts[self.at..end].to_owned();
            self.at = end;
            text
        };
        Some(Object {
            key: upto(row.key),
            etag: upto(row.etag),
            version_id: row.version_id.map(upto),
            size: row.size,
            modified: row.modified,
            has_crc32: row.has_crc32,
            has_part_crc32s: row.has_part_crc32s,
            may_be_archived: row.may_be_archived,
            archived: row.archived,
        })
    }

    /// Whether all were taken.
    pub fn is_empty(&self) -> bool {
        self.rows.as_slice().is_empty()
    }

    /// The bytes on the heap: those of the objects that are left, and all texts.
    pub fn heap_bytes(&self) -> usize {
        self.texts.len() + size_of_val(self.rows.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(n: u64, version_id: Option<String>) -> Object {
        Object {
            key: format!("reports/2026/{n}-ü.pdf"),
            size: n << 33,
            etag: format!("\"{n:032x}\""),
            modified: 1_700_000_000 - n as i64,
            has_crc32: n.is_multiple_of(2),
            has_part_crc32s: n.is_multiple_of(3),
            version_id,
            may_be_archived: n.is_multiple_of(5),
            archived: n.is_multiple_of(7),
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let version = |n: u64| (!n.is_multiple_of(2)).then(|| "v".repeat(n as usize % 4));
        let objects: Vec<Object> = (0..50).map(|n| object(n, version(n))).collect();
        let mut packed = Packed::new(objects.clone());
        let unpacked: Vec<Object> = std::iter::from_fn(|| packed.pop()).collect();
        assert_eq!(unpacked, objects);
        assert!(packed.is_empty());
    }

    #[test]
    fn a_row_takes_little_beside_its_texts() {
        let packed = Packed::new((0..1000).map(|n| object(n, None)).collect());
        let texts: usize = (0..1000)
            .map(|n| object(n, None))
            .map(|object| object.key.len() + object.etag.len())
            .sum();
        let each = (packed.heap_bytes() - texts) / 1000;
        assert!(each <= 56, "{each} bytes");
    }
}
