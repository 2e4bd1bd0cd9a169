//! Uploads in parts, as they lie in the state folder: `<id>/upload.json` and a file for each part.
//!
//! Invariant: what is known of a part (number, MD5, CRC-32) stands in the name of its file, so one rename replaces it
//! whole, and an upload survives the process.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use time::OffsetDateTime;
use uuid::Uuid;

use super::disk::{Disk, is_absent};
use super::error::OpError;
use super::incoming::Received;
use super::record::{Headers, PartRecord, Record, Stamp, write_atomically};

/// S3's least size for all parts but the last.
const MIN_PART: u64 = 5 << 20;

/// An upload that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    #[serde(skip)]
    pub(super) id: String,
    pub(super) key: String,
    pub(super) headers: Headers,
    /// The checksum that the client announced, if any; a CRC-32 is kept in any case.
    pub(super) algorithm: Option<String>,
    /// Whether the client asked for a checksum of its parts' checksums.
    pub(super) composite: bool,
    /// When it was begun, seconds since 1970.
    pub(super) begun: i64,
}

/// A part that was uploaded.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) crc32: u32,
    pub(super) modified: SystemTime,
    path: PathBuf,
}

/// A part as the client names it to complete the upload.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) number: i32,
    pub(super) etag: String,
    pub(super) crc32: Option<String>,
}

impl Disk {
    /// Begins an upload and gives it an id. Blocks, as do all below.
    pub(super) fn begin(&self, mut upload: Upload) -> Result<Upload, OpError> {
        // Refused now rather than after gigabytes.
        drop(self.temp_for(&upload.key)?);
        upload.id = Uuid::new_v4().simple().to_string();
        upload.begun = OffsetDateTime::now_utc().unix_timestamp();
        let path = self.uploads.join(&upload.id).join("upload.json");
        let save = || write_atomically(&self.temp, &path, &serde_json::to_vec(&upload)?);
        save().map_err(OpError::io("begin the upload"))?;
        Ok(upload)
    }

    /// The upload of this id, if it is one for this key.
    pub(super) fn upload(&self, id: &str, key: &str) -> Result<Upload, OpError> {
        // The id becomes a path: nothing but what was given out may.
        let known = id.len() == 32 && Uuid::try_parse(id).is_ok();
        let upload = if known { self.read_upload(id)? } else { None };
        upload
            .filter(|upload| upload.key == key)
            .ok_or(OpError::NoSuchUpload)
    }

    fn read_upload(&self, id: &str) -> Result<Option<Upload>, OpError> {
        let bytes = match fs::read(self.uploads.join(id).join("upload.json")) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(OpError::io("read the upload")(error)),
        };
        let upload: Upload = serde_json::from_slice(&bytes)
            .map_err(|error| OpError::io("read the upload")(error.into()))?;
        Ok(Some(Upload {
            id: id.to_owned(),
            ..upload
        }))
    }

    /// All uploads, in the order of their keys and then of their beginning.
    pub(super) fn all_uploads(&self) -> Result<Vec<Upload>, OpError> {
        let mut uploads = Vec::new();
        for entry in fs::read_dir(&self.uploads).map_err(OpError::io("list the uploads"))? {
            let entry = entry.map_err(OpError::io("list the uploads"))?;
            if let Some(id) = entry.file_name().to_str()
                && let Some(upload) = self.read_upload(id)?
            {
                uploads.push(upload);
            }
        }
        uploads.sort_by(|one, other| {
            (&one.key, one.begun, &one.id).cmp(&(&other.key, other.begun, &other.id))
        });
        Ok(uploads)
    }

    /// A file to be filled with a part.
    pub(super) fn temp_for_part(&self) -> Result<NamedTempFile, OpError> {
        NamedTempFile::new_in(&self.temp).map_err(OpError::io("make a temporary file"))
    }

    /// Puts a part in its place, and an older one of that number away.
    pub(super) fn keep_part(
        &self,
        upload: &Upload,
        number: i32,
        received: Received,
    ) -> Result<(), OpError> {
        let _lock = self.lock(&upload.id)?;
        let folder = self.uploads.join(&upload.id);
        let name = format!(
            "{number:05}-{}-{:08x}",
            hex::encode(received.md5),
            received.crc32
        );
        match received.temp.persist(folder.join(&name)) {
            Ok(_) => {}
            Err(failed) if is_absent(&failed.error) => return Err(OpError::NoSuchUpload),
            Err(failed) => return Err(OpError::io("keep the part")(failed.error)),
        }
        for part in self.parts(upload)? {
            if part.number == number && part.path != folder.join(&name) {
                fs::remove_file(&part.path).map_err(OpError::io("replace the part"))?;
            }
        }
        Ok(())
    }

    /// The parts of an upload, in the order of their numbers.
    pub(super) fn parts(&self, upload: &Upload) -> Result<Vec<Part>, OpError> {
        let entries = match fs::read_dir(self.uploads.join(&upload.id)) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Err(OpError::NoSuchUpload),
            Err(error) => return Err(OpError::io("list the parts")(error)),
        };
        let mut parts = Vec::new();
        for entry in entries {
            let entry = entry.map_err(OpError::io("list the parts"))?;
            let Some((number, md5, crc32)) = entry.file_name().to_str().and_then(read_name) else {
                continue;
            };
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(OpError::io("list the parts")(error)),
            };
            let modified = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            parts.push(Part {
                number,
                size: meta.len(),
                md5,
                crc32,
                modified,
                path: entry.path(),
            });
        }
        parts.sort_by_key(|part| (part.number, part.modified));
        Ok(parts)
    }

    /// Joins the named parts in one file, ready to become the object.
    pub(super) fn join_parts(
        &self,
        upload: &Upload,
        named: &[Named],
    ) -> Result<(NamedTempFile, Record), OpError> {
        let kept = self.parts(upload)?;
        let chosen = choose(&kept, named)?;
        let mut temp = self.temp_for(&upload.key)?;
        let mut etag = Md5::new();
        let mut whole = crc32fast::Hasher::new();
        let mut of_parts = crc32fast::Hasher::new();
        let mut size = 0;
        for part in &chosen {
            let join = |temp: &mut NamedTempFile| -> io::Result<u64> {
                // Between two files the system copies, or only shares the blocks.
                io::copy(&mut File::open(&part.path)?, temp.as_file_mut())
            };
            match join(&mut temp) {
                Ok(copied) if copied == part.size => size += copied,
                Ok(_) => {
                    return Err(OpError::InvalidPart {
                        number: part.number,
                    });
                }
                Err(error) if is_absent(&error) => return Err(OpError::NoSuchUpload),
                Err(error) => return Err(OpError::io("join the parts")(error)),
            }
            etag.update(part.md5);
            whole.combine(&crc32fast::Hasher::new_with_initial_len(
                part.crc32, part.size,
            ));
            of_parts.update(&part.crc32.to_be_bytes());
        }
        let crc32 = if upload.composite {
            of_parts.finalize()
        } else {
            whole.finalize()
        };
        let record = Record {
            key: upload.key.clone(),
            stamp: Stamp {
                size,
                modified_ns: 0,
                inode: 0,
            },
            etag: Some(format!("{}-{}", hex::encode(etag.finalize()), chosen.len())),
            crc32: Some(crc32),
            composite: upload.composite,
            parts: chosen
                .iter()
                .map(|part| PartRecord {
                    number: part.number,
                    size: part.size,
                    crc32: part.crc32,
                })
                .collect(),
            headers: upload.headers.clone(),
        };
        Ok((temp, record))
    }

    /// Forgets an upload and its parts.
    pub(super) fn end(&self, upload: &Upload) -> Result<(), OpError> {
        let _lock = self.lock(&upload.id)?;
        match fs::remove_dir_all(self.uploads.join(&upload.id)) {
            Err(error) if !is_absent(&error) => Err(OpError::io("remove the upload")(error)),
            _ => Ok(()),
        }
    }
}

/// The parts that are named, if they may be joined.
fn choose<'a>(kept: &'a [Part], named: &[Named]) -> Result<Vec<&'a Part>, OpError> {
    if named.is_empty() {
        return Err(OpError::NoParts);
    }
    if named
        .windows(2)
        .any(|pair| pair[0].number >= pair[1].number)
    {
        return Err(OpError::InvalidPartOrder);
    }
    let mut chosen: Vec<&Part> = Vec::with_capacity(named.len());
    for (at, name) in named.iter().enumerate() {
        let fits = |part: &&Part| {
            let crc32 = super::incoming::crc32_text(part.crc32);
            part.number == name.number
                && hex::encode(part.md5) == name.etag
                && name.crc32.as_ref().is_none_or(|claim| *claim == crc32)
        };
        let part = kept.iter().find(fits).ok_or(OpError::InvalidPart {
            number: name.number,
        })?;
        if part.size < MIN_PART && at + 1 < named.len() {
            return Err(OpError::PartTooSmall {
                number: part.number,
                size: part.size,
            });
        }
        chosen.push(part);
    }
    Ok(chosen)
}

fn read_name(name: &str) -> Option<(i32, [u8; 16], u32)> {
    let mut fields = name.split('-');
    let number = fields.next()?.parse().ok()?;
    let mut md5 = [0; 16];
    hex::decode_to_slice(fields.next()?, &mut md5).ok()?;
    let crc32 = u32::from_str_radix(fields.next()?, 16).ok()?;
    fields.next().is_none().then_some((number, md5, crc32))
}
