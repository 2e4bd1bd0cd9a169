//! A store in memory whose delays, chunks and breaks follow from a seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::read_ahead::{Before, Item, ReadBody, Reads};
use crate::store::{Bucket, Object, StoreError, StoreErrorKind};

/// Numbers that follow from a seed (xorshift).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// How the store behaves.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Before every answer.
    pub latency: Duration,
    /// Added at random before answers and chunks.
    pub jitter: Duration,
    /// The longest chunk.
    pub chunk: u64,
    /// How many reads of each object break: before the answer, or at some byte. Every one, where it is the
    /// largest number that there is.
    pub breaks: u32,
}

impl Behaviour {
    /// Without surprises.
    pub fn calm(latency: Duration) -> Behaviour {
        Behaviour {
            latency,
            jitter: Duration::ZERO,
            chunk: 65_536,
            breaks: 0,
        }
    }
}

#[derive(Debug)]
struct Shelf {
    content: Bytes,
    stored: Option<u32>,
    breaks: u32,
    gets: usize,
}

/// The store. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Script(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    behaviour: Behaviour,
    objects: Mutex<BTreeMap<String, Shelf>>,
    random: Mutex<Random>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    bytes: AtomicUsize,
    heads: AtomicUsize,
}

impl Script {
    pub fn new(behaviour: Behaviour, seed: u64) -> Script {
        Script(Arc::new(Inner {
            behaviour,
            objects: Mutex::default(),
            random: Mutex::new(Random::new(seed)),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            heads: AtomicUsize::new(0),
        }))
    }

    /// Puts an object there and returns it as an item, whole.
    pub fn item(&self, key: &str, size: usize, before: Before) -> Item<String> {
        self.put(key, size);
        let object = Object {
            key: key.to_owned(),
            size: size as u64,
            etag: format!("\"{key}\""),
            modified: 0,
            has_crc32: before.stored,
            has_part_crc32s: false,
            version_id: None,
            may_be_archived: false,
            archived: false,
        };
        Item {
            range: 0..object.size,
            object,
            before,
            tag: key.to_owned(),
        }
    }

    /// Puts `size` bytes there that follow from the key.
    pub fn put(&self, key: &str, size: usize) {
        let mut random = Random::new(u64::from(crc32fast::hash(key.as_bytes())));
        let mut content = Vec::with_capacity(size + 8);
        while content.len() < size {
            content.extend_from_slice(&random.below(u64::MAX).to_le_bytes());
        }
        content.truncate(size);
        self.replace(key, content);
    }

    /// Puts these bytes there.
    pub fn replace(&self, key: &str, content: Vec<u8>) {
        let shelf = Shelf {
            stored: Some(crc32fast::hash(&content)),
            content: content.into(),
            breaks: self.0.behaviour.breaks,
            gets: 0,
        };
        self.0.objects.lock().unwrap().insert(key.to_owned(), shelf);
    }

    pub fn remove(&self, key: &str) {
        self.0.objects.lock().unwrap().remove(key);
    }

    pub fn content(&self, key: &str) -> Bytes {
        self.0.objects.lock().unwrap()[key].content.clone()
    }

    /// GETs of one object so far.
    pub fn gets(&self, key: &str) -> usize {
        self.0.objects.lock().unwrap()[key].gets
    }

    /// HEADs so far.
    pub fn heads(&self) -> usize {
        self.0.heads.load(Ordering::SeqCst)
    }

    /// Reads under way.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// The most reads that ever were under way at once.
    pub fn most_open(&self) -> usize {
        self.0.most_open.load(Ordering::SeqCst)
    }

    /// Bytes sent so far.
    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::SeqCst)
    }

    fn random(&self, end: u64) -> u64 {
        self.0.random.lock().unwrap().below(end.max(1))
    }

    async fn wait(&self, least: Duration) {
        let jitter = self.0.behaviour.jitter.as_micros() as u64;
        let wait = least + Duration::from_micros(self.random(jitter + 1));
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

fn failure(key: &str, kind: StoreErrorKind) -> StoreError {
    StoreError::new(
        "GetObject",
        &Bucket::new("script").unwrap(),
        Some(key),
        kind,
    )
}

/// A read under way.
#[derive(Debug)]
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
pub struct Body {
    script: Script,
    key: String,
    rest: Bytes,
    /// How many bytes come before the break.
    breaks_after: Option<usize>,
    stored: Option<u32>,
    _open: Open,
}

impl Reads for Script {
    type Body = Body;

    async fn get(
        &self,
        object: &Object,
        range: Range<u64>,
        checksum: bool,
    ) -> Result<Body, StoreError> {
        let open = self.0.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_open.fetch_max(open, Ordering::SeqCst);
        let open = Open(self.0.clone());
        self.wait(self.0.behaviour.latency).await;
        let length = (range.end - range.start) as usize;
        let mut draw = self.random(3);
        let at = self.random(length as u64) as usize;
        let mut objects = self.0.objects.lock().unwrap();
        let shelf = objects
            .get_mut(&object.key)
            .ok_or_else(|| failure(&object.key, StoreErrorKind::NoSuchKey))?;
        shelf.gets += 1;
        if shelf.breaks > u32::MAX / 2 {
            draw = 0;
        }
        let mut breaks_after = None;
        if shelf.breaks > 0 && draw < 2 {
            shelf.breaks -= 1;
            if draw == 0 {
                return Err(failure(&object.key, StoreErrorKind::Throttled));
            }
            breaks_after = Some(at);
        }
        let whole = range == (0..object.size);
        assert!(!checksum || whole, "a ranged read has no checksum");
        Ok(Body {
            script: self.clone(),
            key: object.key.clone(),
            rest: shelf
                .content
                .slice(range.start as usize..range.end as usize),
            breaks_after,
            stored: shelf.stored.filter(|_| checksum),
            _open: open,
        })
    }

    async fn stored_crc32(&self, object: &Object) -> Result<Option<u32>, StoreError> {
        self.0.heads.fetch_add(1, Ordering::SeqCst);
        self.wait(self.0.behaviour.latency).await;
        Ok(self.0.objects.lock().unwrap()[&object.key].stored)
    }
}

impl ReadBody for Body {
    fn crc32(&self) -> Option<u32> {
        self.stored
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.script.wait(Duration::ZERO).await;
        let longest = self.script.0.behaviour.chunk.min(self.rest.len() as u64);
        let mut length = self.script.random(longest) as usize + 1;
        if let Some(left) = &mut self.breaks_after {
            if *left == 0 {
                let kind = StoreErrorKind::Body {
                    received: 0,
                    expected: 0,
                    reason: "a break".to_owned(),
                };
                return Err(failure(&self.key, kind));
            }
            length = length.min(*left);
            *left -= length;
        }
        self.script.0.bytes.fetch_add(length, Ordering::SeqCst);
        Ok(Some(self.rest.split_to(length)))
    }
}
