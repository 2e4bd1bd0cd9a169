//! One object as a client sees it: its headers, its conditions (RFC 9110, section 13), its ranges.

use std::fs::File;
use std::ops::Range as Span;
use std::path::Path;
use std::sync::Arc;

use s3s::dto::{
    ChecksumType, ETagCondition, GetObjectInput, HeadObjectInput, PartNumber, Range, Timestamp,
};
use time::OffsetDateTime;

use super::blocking;
use super::disk::Disk;
use super::error::OpError;
use super::incoming::crc32_text;
use super::record::{Record, Stamp};

/// How often an object is opened anew because it was replaced that moment.
const TRIES: u32 = 100;

/// An object that was opened for reading.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) stamp: Stamp,
    pub(super) record: Option<Record>,
    pub(super) etag: String,
}

/// Opens an object and reads its record.
pub(super) async fn open(disk: &Arc<Disk>, key: &str) -> Result<Opened, OpError> {
    let (disk, key) = (Arc::clone(disk), key.to_owned());
    blocking(move || open_blocking(&disk, &key)).await
}

/// As [`open`], on a blocking thread.
pub(super) fn open_blocking(disk: &Disk, key: &str) -> Result<Opened, OpError> {
    let mut tries = 0;
    loop {
        let (file, stamp) = disk.open(key)?;
        let record = disk.sidecars.load(key, &stamp);
        // A writer that came between put the record away with the file that was opened.
        let outdated = record.is_none() && disk.find(key)?.is_none_or(|found| found.stamp != stamp);
        tries += 1;
        if outdated && tries < TRIES {
            continue;
        }
        let etag = record.as_ref().map_or_else(|| stamp.etag(), Record::etag);
        return Ok(Opened {
            file,
            stamp,
            record,
            etag,
        });
    }
}

impl Opened {
    /// The type that was recorded, else the one that the extension tells.
    pub(super) fn content_type(&self, key: &str) -> String {
        let recorded = self
            .record
            .as_ref()
            .and_then(|record| record.headers.content_type.clone());
        recorded.unwrap_or_else(|| type_by_extension(key).to_owned())
    }

    /// The CRC-32 and its type as S3 spells them, where it is known.
    pub(super) fn checksum(&self) -> Option<(String, ChecksumType)> {
        let record = self.record.as_ref()?;
        Some(checksum_text(
            record.crc32?,
            record.composite.then_some(record.parts.len()),
        ))
    }

    /// The bytes that a request asks for: `None` is the whole object.
    pub(super) fn span(&self, wanted: &Wanted) -> Result<Option<Span<u64>>, OpError> {
        let size = self.stamp.size;
        if let Some(range) = &wanted.range {
            return range
                .check(size)
                .map(Some)
                .map_err(|_| OpError::RangeNotSatisfiable { size });
        }
        let Some(number) = wanted.part_number else {
            return Ok(None);
        };
        let parts = self.record.as_ref().map_or(&[][..], |record| &record.parts);
        let mut start = 0;
        for part in parts {
            if part.number == number {
                return Ok(Some(start..start + part.size));
            }
            start += part.size;
        }
        if parts.is_empty() && number == 1 {
            Ok(None)
        } else {
            Err(OpError::RangeNotSatisfiable { size })
        }
    }
}

/// S3's spelling of a checksum: that of `parts` parts has their number behind it.
pub(super) fn checksum_text(crc32: u32, parts: Option<usize>) -> (String, ChecksumType) {
    match parts {
        Some(parts) => (
            format!("{}-{parts}", crc32_text(crc32)),
            ChecksumType::from_static(ChecksumType::COMPOSITE),
        ),
        None => (
            crc32_text(crc32),
            ChecksumType::from_static(ChecksumType::FULL_OBJECT),
        ),
    }
}

/// What a GET or HEAD asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) key: String,
    pub(super) range: Option<Range>,
    pub(super) part_number: Option<PartNumber>,
    /// Whether the checksum is wanted.
    pub(super) checksum: bool,
    pub(super) version: Option<String>,
    pub(super) conditions: Conditions,
}

impl From<GetObjectInput> for Wanted {
    fn from(input: GetObjectInput) -> Wanted {
        Wanted {
            key: input.key,
            range: input.range,
            part_number: input.part_number,
            checksum: input.checksum_mode.is_some(),
            version: input.version_id,
            conditions: Conditions {
                if_match: input.if_match,
                if_none_match: input.if_none_match,
                if_modified_since: input.if_modified_since,
                if_unmodified_since: input.if_unmodified_since,
            },
        }
    }
}

impl From<HeadObjectInput> for Wanted {
    fn from(input: HeadObjectInput) -> Wanted {
        Wanted {
            key: input.key,
            range: input.range,
            part_number: input.part_number,
            checksum: input.checksum_mode.is_some(),
            version: input.version_id,
            conditions: Conditions {
                if_match: input.if_match,
                if_none_match: input.if_none_match,
                if_modified_since: input.if_modified_since,
                if_unmodified_since: input.if_unmodified_since,
            },
        }
    }
}

/// The conditions of a request.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

/// What the conditions come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    NotModified,
}

impl Conditions {
    /// Evaluates the conditions in the order of RFC 9110, section 13.2.2.
    pub(super) fn check(&self, etag: &str, modified: OffsetDateTime) -> Result<Verdict, OpError> {
        let holds = |condition: &ETagCondition| {
            condition
                .as_etag()
                .is_none_or(|wanted| wanted.value() == etag)
        };
        let later_than = |time: &Timestamp| modified > OffsetDateTime::from(time.clone());
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(wanted), _) if !holds(wanted) => {
                return Err(OpError::PreconditionFailed { header: "If-Match" });
            }
            (None, Some(time)) if later_than(time) => {
                return Err(OpError::PreconditionFailed {
                    header: "If-Unmodified-Since",
                });
            }
            _ => {}
        }
        let unmodified = match (&self.if_none_match, &self.if_modified_since) {
            (Some(known), _) => holds(known),
            (None, Some(time)) => !later_than(time),
            (None, None) => false,
        };
        Ok(if unmodified {
            Verdict::NotModified
        } else {
            Verdict::Proceed
        })
    }

    /// The same for the source of a copy, where nothing is "not modified".
    pub(super) fn check_source(&self, opened: &Opened) -> Result<(), OpError> {
        match self.check(&opened.etag, opened.stamp.modified())? {
            Verdict::Proceed => Ok(()),
            Verdict::NotModified => Err(OpError::PreconditionFailed {
                header: "x-amz-copy-source-if-…",
            }),
        }
    }
}

/// The media type of a file by its extension.
fn type_by_extension(key: &str) -> &'static str {
    let extension = Path::new(key)
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "json" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "txt" => "text/plain; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        _ => "application/octet-stream",
    }
}
