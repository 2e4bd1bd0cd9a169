//! The sidecar of a stored manifest, as bytes.

use bytes::Bytes;

/// The first bytes of a sidecar; the last of them is the version of the format.
pub(super) const MAGIC: [u8; 8] = *b"sheafc\0\x01";

/// Magic, number of rows (8 bytes), a bit for each row, 4 bytes for each row that is known, a CRC-32 of all that; all
/// numbers little-endian.
pub(super) fn encode(count: usize, known: impl Fn(usize) -> Option<u32>) -> Bytes {
    let (mut bits, mut crc32s) = (vec![0; count.div_ceil(64) * 8], Vec::new());
    for index in 0..count {
        if let Some(crc32) = known(index) {
            bits[index / 8] |= 1 << (index % 8);
            crc32s.extend_from_slice(&crc32.to_le_bytes());
        }
    }
    let mut out = Vec::with_capacity(MAGIC.len() + 8 + bits.len() + crc32s.len() + 4);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&(count as u64).to_le_bytes());
    out.extend_from_slice(&bits);
    out.extend_from_slice(&crc32s);
    let crc32 = crc32fast::hash(&out);
    out.extend_from_slice(&crc32.to_le_bytes());
    out.into()
}

/// The rows that a sidecar of `count` rows knows; `None` where it is none.
pub(super) fn decode(sidecar: &[u8], count: usize) -> Option<Vec<(usize, u32)>> {
    let (body, crc32) = sidecar.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc32) {
        return None;
    }
    let rest = body.strip_prefix(&MAGIC)?;
    let (declared, rest) = rest.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*declared) != count as u64 {
        return None;
    }
    let (bits, crc32s) = rest.split_at_checked(count.div_ceil(64) * 8)?;
    let known = |index: &usize| bits[index / 8] >> (index % 8) & 1 == 1;
    let rows: Vec<usize> = (0..count).filter(known).collect();
    let (crc32s, []) = crc32s.as_chunks::<4>() else {
        return None;
    };
    let values = crc32s.iter().map(|bytes| u32::from_le_bytes(*bytes));
    (rows.len() == crc32s.len()).then(|| rows.into_iter().zip(values).collect())
}
