//! Takes the body of an upload: into a temporary file, hashed on the way, and checked against every digest that the
//! client sent, before or after the body.
//!
//! Invariant: what [`receive`] yields has the announced length and digests; of anything else nothing stays behind.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use md5::{Digest, Md5};
use s3s::TrailingHeaders;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::StreamingBlob;
use tempfile::NamedTempFile;

use super::blocking;
use super::error::OpError;

/// How much of a body is gathered for one trip to a blocking thread, in bytes.
const BATCH: usize = 1 << 20;

/// A file that was received whole, or copied.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) temp: NamedTempFile,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) crc32: u32,
}

/// What a request says of its body.
#[derive(Debug, Default)]
pub(super) struct Claims {
    length: Option<u64>,
    md5: Option<String>,
    /// Digests by header name, in base64.
    digests: Vec<(&'static str, String)>,
    /// Names of digests that follow the body.
    announced: Vec<String>,
    trailers: Option<TrailingHeaders>,
}

const CRC32: &str = "x-amz-checksum-crc32";
const CRC32C: &str = "x-amz-checksum-crc32c";
const CRC64NVME: &str = "x-amz-checksum-crc64nvme";
const SHA1: &str = "x-amz-checksum-sha1";
const SHA256: &str = "x-amz-checksum-sha256";
const DIGESTS: [&str; 5] = [CRC32, CRC32C, CRC64NVME, SHA1, SHA256];

impl Claims {
    /// Reads the claims of a request with a body.
    pub(super) fn of(
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
    ) -> Result<Claims, OpError> {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let length =
            match text("x-amz-decoded-content-length").or_else(|| text(CONTENT_LENGTH.as_str())) {
                Some(digits) => Some(digits.parse().map_err(|_| OpError::InvalidArgument {
                    name: "Content-Length",
                })?),
                None => None,
            };
        let announced = text("x-amz-trailer").unwrap_or_default();
        Ok(Claims {
            length,
            md5: text("content-md5"),
            digests: DIGESTS
                .into_iter()
                .filter_map(|name| Some((name, text(name)?)))
                .collect(),
            announced: announced
                .split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .collect(),
            trailers,
        })
    }

    fn wants(&self, name: &str) -> bool {
        self.digests.iter().any(|(given, _)| *given == name)
            || self.announced.iter().any(|given| given == name)
    }

    fn hasher(&self) -> ChecksumHasher {
        // CRC-32 is missing here: every body gets one anyhow.
        ChecksumHasher {
            crc32: None,
            crc32c: self.wants(CRC32C).then(Crc32c::new),
            sha1: self.wants(SHA1).then(Sha1::new),
            sha256: self.wants(SHA256).then(Sha256::new),
            crc64nvme: self.wants(CRC64NVME).then(Crc64Nvme::new),
        }
    }

    fn check(mut self, sink: Sink) -> Result<Received, OpError> {
        if let Some(expected) = self.length
            && expected != sink.size
        {
            return Err(OpError::IncompleteBody {
                expected,
                actual: sink.size,
            });
        }
        let trailing = self
            .trailers
            .take()
            .and_then(|trailers| trailers.take())
            .unwrap_or_default();
        for name in std::mem::take(&mut self.announced) {
            let Some(name) = DIGESTS.into_iter().find(|known| **known == *name) else {
                continue;
            };
            let value = trailing.get(name).and_then(|value| value.to_str().ok());
            let value = value.ok_or_else(|| OpError::MissingTrailer {
                name: name.to_owned(),
            })?;
            self.digests.push((name, value.to_owned()));
        }
        let md5: [u8; 16] = sink.md5.finalize().into();
        if self.md5.is_some_and(|claim| claim != STANDARD.encode(md5)) {
            return Err(OpError::BadDigest {
                algorithm: "Content-MD5",
            });
        }
        let crc32 = sink.crc32.finalize();
        let sums = sink.claimed.finalize();
        for (name, claim) in self.digests {
            let actual = match name {
                CRC32 => Some(crc32_text(crc32)),
                CRC32C => sums.checksum_crc32c.clone(),
                CRC64NVME => sums.checksum_crc64nvme.clone(),
                SHA1 => sums.checksum_sha1.clone(),
                _ => sums.checksum_sha256.clone(),
            };
            if actual != Some(claim) {
                return Err(OpError::BadDigest { algorithm: name });
            }
        }
        Ok(Received {
            temp: sink.temp,
            size: sink.size,
            md5,
            crc32,
        })
    }
}

/// S3's spelling of a CRC-32: base64 of the big-endian bytes.
pub(super) fn crc32_text(crc32: u32) -> String {
    STANDARD.encode(crc32.to_be_bytes())
}

struct Sink {
    temp: NamedTempFile,
    size: u64,
    md5: Md5,
    crc32: crc32fast::Hasher,
    claimed: ChecksumHasher,
}

impl Sink {
    fn new(temp: NamedTempFile, claimed: ChecksumHasher) -> Sink {
        Sink {
            temp,
            size: 0,
            md5: Md5::new(),
            crc32: crc32fast::Hasher::new(),
            claimed,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), OpError> {
        self.md5.update(bytes);
        self.crc32.update(bytes);
        self.claimed.update(bytes);
        self.size += bytes.len() as u64;
        self.temp
            .write_all(bytes)
            .map_err(OpError::io("write the object"))
    }
}

/// Receives a body into `temp`.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    claims: Claims,
    temp: NamedTempFile,
) -> Result<Received, OpError> {
    let mut sink = Sink::new(temp, claims.hasher());
    let mut body = body;
    loop {
        let mut batch: Vec<Bytes> = Vec::new();
        let mut gathered = 0;
        let mut ended = true;
        while let Some(stream) = &mut body {
            let Some(bytes) = stream.next().await else {
                break;
            };
            let bytes = bytes.map_err(|source| OpError::BrokenBody { source })?;
            gathered += bytes.len();
            batch.push(bytes);
            if gathered >= BATCH {
                ended = false;
                break;
            }
        }
        if ended {
            return blocking(move || {
                batch.iter().try_for_each(|bytes| sink.write(bytes))?;
                claims.check(sink)
            })
            .await;
        }
        sink = blocking(move || {
            batch.iter().try_for_each(|bytes| sink.write(bytes))?;
            Ok(sink)
        })
        .await?;
    }
}

/// Copies from a reader into `temp`, hashing. Blocks.
pub(super) fn copy(mut from: impl Read, temp: NamedTempFile) -> Result<Received, OpError> {
    let mut sink = Sink::new(temp, ChecksumHasher::default());
    let mut buffer = vec![0; BATCH];
    loop {
        let read = from
            .read(&mut buffer)
            .map_err(OpError::io("read the source"))?;
        if read == 0 {
            return Claims::default().check(sink);
        }
        sink.write(&buffer[..read])?;
    }
}
