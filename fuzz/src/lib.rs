//! What is fuzzed: one function for each place where bytes of strangers come in. Each takes any bytes at all, and panics
//! where a promise is broken.
//!
//! `cargo +nightly fuzz run TARGET` runs one of them. The corpora are replayed by the project's own tests, which include
//! this file, so that what was found once stays found.

mod parrot;
mod served;

use std::collections::HashSet;
use std::io::Write;

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use sheaf::archive::Namer;
use sheaf::http::Limits;
use sheaf::http::conditional::Validators;
use sheaf::http::jobs::request::JobRequest;
use sheaf::http::json::Bounds;
use sheaf::http::links::request::Asked;
use sheaf::http::range::{self, asked};
use sheaf::link::{KeyRing, without_token};
use sheaf::manifest::list::ListReader;
use sheaf::manifest::selection::Selection;
use sheaf::manifest::stored::Frozen;
use sheaf::store::Bucket;
use sheaf::verify::{Source, check};
use tokio::runtime::Builder;

pub use parrot::{answer, read};
pub use served::request;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 12] = [
    ("range", range),
    ("conditional", conditional),
    ("link", link),
    ("selection", selection),
    ("names", names),
    ("stored", stored),
    ("verify", verify),
    ("request", request),
    ("answer", answer),
    ("read", read),
    ("body", body),
    ("lines", lines),
];

/// A Range header, behind eight bytes of length: what is asked for is there.
pub fn range(data: &[u8]) {
    let Some((length, value)) = data.split_first_chunk::<8>() else {
        return;
    };
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let length = u64::from_le_bytes(*length);
    let headers = HeaderMap::from_iter([(http::header::RANGE, value)]);
    if let range::Asked::Part(part) = asked(&headers, length) {
        assert!(part.start < part.end && part.end <= length, "{part:?}");
    }
}

/// Lines of headers, `name:value`.
pub fn conditional(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    for modified in [i64::MIN, -1, 0, 1_700_000_000, i64::MAX] {
        let validators = Validators {
            etag: "\"0123456789abcdef\"".to_owned(),
            modified,
        };
        validators.decide(&headers);
        validators.last_modified();
    }
}

/// A token: nobody but the holder of a key makes one.
pub fn link(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let keys = KeyRing::parse("k:00112233445566778899aabbccddeeff").expect("a key");
    without_token(&text);
    // It might be one: the fuzzer knows the key's every use from the code. Then it says the same when signed again.
    if let Ok(grant) = keys.verify(&text, 0) {
        assert_eq!(keys.sign(grant.id, grant.expires), text);
    }
    let _ = KeyRing::parse(&text);
}

/// A prefix, a pattern and keys, in lines.
pub fn selection(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let prefix = lines.next().unwrap_or_default();
    let pattern = lines.next().unwrap_or_default().to_owned();
    let bucket = Bucket::new("bucket").expect("a name");
    let Ok(selection) = Selection::new(bucket, prefix, &[pattern]) else {
        return;
    };
    let selection = selection.apart_from(".sheaf/");
    for key in lines {
        let object = sheaf::store::Object {
            key: key.into(),
            size: 1,
            ..parrot::object()
        };
        if selection.takes(&object) {
            assert!(key.starts_with(prefix), "{key:?}");
            assert!(!sheaf::manifest::selection::is_own(key, ".sheaf/"));
        }
    }
}

/// A prefix and keys, in lines: every name is new, and leads nowhere but down.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let mut namer = Namer::new(lines.next().unwrap_or_default());
    let mut taken = HashSet::new();
    for key in lines {
        let name = namer.name(key);
        let name = name.as_str();
        assert!(taken.insert(name.to_lowercase()), "{name:?} comes twice");
        assert!(!name.starts_with('/') && !name.contains('\\'), "{name:?}");
        for segment in name.split('/') {
            assert!(!["", ".", ".."].contains(&segment), "{name:?}");
            assert!(segment.len() <= 255, "{name:?}");
            assert!(!segment.chars().any(char::is_control), "{name:?}");
        }
    }
}

/// A manifest of somebody else, behind the length of the chunks that it comes in: wherever it is cut, it says the same.
pub fn lines(data: &[u8]) {
    let Some((&length, manifest)) = data.split_first() else {
        return;
    };
    let read = |length: usize| {
        let mut reader = ListReader::default();
        for chunk in manifest.chunks(length) {
            reader.feed(chunk)?;
        }
        reader.finish()
    };
    assert_eq!(
        read(manifest.len().max(1)),
        read(usize::from(length).max(1))
    );
}

/// The body of a request in JSON: it is understood, or the client is told that it is its fault.
pub fn body(data: &[u8]) {
    let json = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)]);
    let bounds = Bounds::of(&Limits::default());
    let link = Asked::read(None, &headers, Body::from(data.to_vec()), bounds);
    let job = JobRequest::read(&headers, Body::from(data.to_vec()), bounds);
    let refusals = [
        link.now_or_never().expect("all is there").err(),
        job.now_or_never().expect("all is there").err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        assert!(refusal.status().is_client_error(), "{refusal:?}");
    }
}

/// A stored manifest as anybody may have written it who can write to the bucket: as it is, and once more with a checksum
/// that is right, or nothing would be seen of what lies behind that.
pub fn stored(data: &[u8]) {
    frozen(Bytes::copy_from_slice(data));
    if let Some((content, _)) = data.split_last_chunk::<4>() {
        let checksum = crc32fast::hash(content).to_le_bytes();
        frozen([content, &checksum].concat().into());
    }
}

fn frozen(file: Bytes) {
    let Ok(frozen) = Frozen::open(file) else {
        return;
    };
    let layout = frozen.layout();
    assert_eq!(frozen.rows(0).count(), layout.entries());
    let covered: u64 = layout
        .segments(0..layout.len())
        .map(|segment| segment.len)
        .sum();
    assert_eq!(covered, layout.len());
}

/// An archive: whatever it is, the report says so, and reading it ends.
pub fn verify(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("a file");
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let source = Source::file(file.path()).await.expect("a file");
        let report = check(source, "fuzzed", &mut |_| {}).await.expect("a file");
        assert!(!report.is_ok() || report.length == data.len() as u64);
    });
}
