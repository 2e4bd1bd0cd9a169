//! An entry at its offset: everything that the lengths and the fields of its records follow from.

use super::entry::Form;
use super::record::{CentralHeader, Descriptor, LocalHeader};
use super::zip64;

/// An entry and where it stands in its archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    /// Its path, which came from an [`EntryName`](super::EntryName).
    pub(super) name: &'a str,
    /// The length of its data in bytes.
    pub(super) size: u64,
    /// Unix seconds.
    pub(super) modified: i64,
    /// What the row claims.
    pub(super) crc32: Option<u32>,
    /// Where its local header starts, from the start of the archive.
    pub(super) offset: u64,
    /// How many bytes its data has deflated; `None` where it is stored.
    pub(super) deflated: Option<u64>,
}

impl Placed<'_> {
    pub(super) fn form(&self) -> Form {
        match self.deflated {
            Some(_) => Form::Deflated,
            None => Form::of(self.size, self.crc32),
        }
    }

    /// The length of its data as it stands in the archive: the compressed size.
    pub(super) fn data_len(&self) -> u64 {
        self.deflated.unwrap_or(self.size)
    }

    /// Does the local header have Zip64?
    pub(super) fn is_zip64(&self) -> bool {
        zip64::in_local_header(self.form(), self.size, self.offset)
    }

    /// The general purpose bit flag of both headers (4.4.4).
    pub(super) fn flags(&self) -> u16 {
        const DESCRIPTOR: u16 = 1 << 3;
        const UTF_8: u16 = 1 << 11;
        let descriptor = match self.form() {
            Form::Known => 0,
            Form::Described | Form::Deflated => DESCRIPTOR,
        };
        descriptor | if self.name.is_ascii() { 0 } else { UTF_8 }
    }

    /// The length of the name, which an [`EntryName`](super::EntryName) keeps below 2¹⁶.
    pub(super) fn name_len(&self) -> u16 {
        self.name.len() as u16
    }

    /// Where the data starts.
    pub(super) fn data_offset(&self) -> u64 {
        self.offset.saturating_add(LocalHeader::len(self))
    }

    /// Where the data ends, and the descriptor starts if there is one.
    pub(super) fn data_end(&self) -> u64 {
        self.data_offset().saturating_add(self.data_len())
    }

    /// Where the next entry starts, or the central directory.
    pub(super) fn end(&self) -> u64 {
        let descriptor = match self.form() {
            Form::Known => 0,
            Form::Described | Form::Deflated => Descriptor::len(self),
        };
        self.data_end().saturating_add(descriptor)
    }

    /// The length of the central header.
    pub(super) fn central_len(&self) -> u64 {
        CentralHeader::len(self)
    }
}
