//! Where Zip64 stands (4.3.14, 4.3.15, 4.5.3): exactly where it must, because readers fail on it anywhere else.
//!
//! - A local header has it if the size is 0xFFFFFFFF or more, and also if a data descriptor follows and the header
//!   stands at 0xFFFFFFFF or later: an unzip patched against overlapping entries expects long descriptors there.
//! - Nobody knows how long data will be that is deflated on its way: it has Zip64 if it could become that long.
//! - A central header has it for exactly the fields that are saturated, as .NET insists.
//! - The end of the archive has it if the number of entries or the directory's size or offset is saturated.

use bytes::BufMut;

use super::entry::Form;

/// What a field of 32 bits holds when its value is in the Zip64 extra field instead.
pub(super) const SATURATED_32: u32 = u32::MAX;
/// What a field of 16 bits holds when its value is in the Zip64 end record instead.
pub(super) const SATURATED_16: u16 = u16::MAX;

/// The version of the specification that introduced Zip64, as "version needed" counts it (4.4.3.2).
pub(super) const VERSION: u16 = 45;

/// The tag of the extra field (4.5.3).
const TAG: u16 = 0x0001;
/// The length of an extra field's tag and size (4.5.1).
const HEADER_LEN: u16 = 4;
/// The length of the field in a local header, where both sizes must be present (4.5.3).
pub(super) const LOCAL_LEN: u16 = HEADER_LEN + 16;

/// Does the local header have Zip64, and the descriptor therefore 24 bytes?
pub(super) fn in_local_header(form: Form, size: u64, offset: u64) -> bool {
    match form {
        Form::Known => is_saturated(size),
        Form::Described => is_saturated(size) || is_saturated(offset),
        Form::Deflated => is_saturated(longest_deflated(size)) || is_saturated(offset),
    }
}

/// More than data of this length can have deflated, at whatever level: each literal takes nine bits at the most, or stands in
/// blocks that are stored ([RFC 1951](https://www.rfc-editor.org/rfc/rfc1951), 3.2.4 and 3.2.6).
fn longest_deflated(size: u64) -> u64 {
    size.saturating_add(size / 8).saturating_add(64)
}

/// Does the archive end with the Zip64 end record and its locator?
pub(super) fn at_end(entries: u64, directory_len: u64, directory_offset: u64) -> bool {
    entries >= SATURATED_16.into() || is_saturated(directory_len) || is_saturated(directory_offset)
}

/// Is this value too large for 32 bits, or equal to the mark for that?
pub(super) fn is_saturated(value: u64) -> bool {
    value >= SATURATED_32.into()
}

/// The value in 32 bits, or the mark.
pub(super) fn saturate_32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(SATURATED_32)
}

/// The value in 16 bits, or the mark.
pub(super) fn saturate_16(value: u64) -> u16 {
    u16::try_from(value).unwrap_or(SATURATED_16)
}

/// Writes the extra field of a local header; both sizes are the same there.
pub(super) fn put_local(size: u64, out: &mut impl BufMut) {
    out.put_u16_le(TAG);
    out.put_u16_le(LOCAL_LEN - HEADER_LEN);
    out.put_u64_le(size); // uncompressed
    out.put_u64_le(size); // compressed
}

/// The length of the extra field of a central header; 0 where there is none.
pub(super) fn central_len(size: u64, compressed: u64, offset: u64) -> u16 {
    let values = [size, compressed, offset];
    match values.into_iter().filter(|&v| is_saturated(v)).count() as u16 {
        0 => 0,
        saturated => HEADER_LEN + 8 * saturated,
    }
}

/// Writes the extra field of a central header, if there is one: uncompressed size, compressed size, offset.
pub(super) fn put_central(size: u64, compressed: u64, offset: u64, out: &mut impl BufMut) {
    let len = central_len(size, compressed, offset);
    if len == 0 {
        return;
    }
    out.put_u16_le(TAG);
    out.put_u16_le(len - HEADER_LEN);
    for value in [size, compressed, offset] {
        if is_saturated(value) {
            out.put_u64_le(value);
        }
    }
}
