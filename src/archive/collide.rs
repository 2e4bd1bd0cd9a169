//! What makes names unique: no two entries of an archive may meet when it is extracted.
//!
//! The invariant: a path that was given out as a file is never given out again, neither as a file nor as a folder,
//! and a path that was given out as a folder never becomes a file. Equal means equal to the least discerning of
//! file systems, see [`fold`](super::fold).

use std::collections::{HashMap, HashSet};

use super::fold::Folded;
use super::name::{EntryName, numbered, write_safe_path};

/// Gives each key of one selection its name in the archive.
///
/// The names are unique even where case and Unicode normalisation are not told apart, and no file is called like a
/// folder. The name of a key depends only on that key and the keys before it: a later key never changes an earlier
/// name. Whichever of two colliding names comes second gets the first free ` (2)`, ` (3)` … before its extension.
///
/// Kept for each name and each folder are 8 bytes in a hash table, some 10 to 21 with what the table leaves free.
/// Case folding and normalisation follow the Unicode tables of the `unicase` and `unicode-normalization` crates;
/// Unicode promises that these never change for a character once it is assigned.
#[derive(Debug)]
pub struct Namer {
    /// What all keys begin with and no name does; ends in `/` or is empty.
    cut: Box<str>,
    /// Every path given out; those of folders end in `/`.
    // These tables are only asked about single paths, so their order, which is random, never shows.
    taken: HashSet<Folded>,
    /// The number of a folder that had to give way to a file, by the path it should have had.
    moved: HashMap<Folded, u64>,
    /// The next number to try, by the path with the first number of as many digits.
    next: HashMap<Folded, u64>,
    /// The safe path of the key at hand.
    safe: String,
    /// The name of the key at hand, as far as it is found.
    path: String,
    /// The folder that the last key's name is in. Keys come folder by folder, so most stay there.
    last: Folder,
}

/// A folder, under the name that keys have for it and under its own.
#[derive(Debug)]
struct Folder {
    /// Its path as keys have it, safe, ending in `/` unless it is empty.
    safe: String,
    /// The length of its path in the last name given out.
    len: usize,
    hash: Folded,
}

impl Namer {
    /// Begins with the keys of a selection by `prefix`, of which names lose everything up to its last `/`.
    ///
    /// So that with the prefix `2024/inv` the key `2024/invoices/1.pdf` is called `invoices/1.pdf`.
    pub fn new(prefix: &str) -> Self {
        let cut = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]);
        Self {
            cut: cut.into(),
            taken: HashSet::new(),
            moved: HashMap::new(),
            next: HashMap::new(),
            safe: String::new(),
            path: String::new(),
            last: Folder {
                safe: String::new(),
                len: 0,
                hash: Folded::ROOT,
            },
        }
    }

    /// Names the next key. Every key has a name, and a key that comes twice gets two.
    pub fn name(&mut self, key: &str) -> EntryName {
        let key = key.strip_prefix(&*self.cut).unwrap_or(key);
        let mut safe = std::mem::take(&mut self.safe);
        write_safe_path(key, &mut safe);
        let (folders, file) = safe.split_at(safe.rfind('/').map_or(0, |slash| slash + 1));
        if folders == self.last.safe {
            self.path.truncate(self.last.len);
        } else {
            self.path.clear();
            self.last.hash = folders
                .split_terminator('/')
                .fold(Folded::ROOT, |parent, folder| self.enter(parent, folder));
            self.last.len = self.path.len();
            self.last.safe.clear();
            self.last.safe.push_str(folders);
        }
        self.place(self.last.hash, file);
        self.safe = safe;
        EntryName::new(&self.path)
    }

    /// The bytes that are kept on the heap, for a memory budget to count.
    pub fn heap_bytes(&self) -> usize {
        // hashbrown: a byte of control for each slot, and seven of eight slots can be filled.
        fn table(capacity: usize, slot: usize) -> usize {
            capacity * 8 / 7 * (slot + 1)
        }
        let paths = size_of::<Folded>();
        let numbers = size_of::<(Folded, u64)>();
        table(self.taken.capacity(), paths)
            + table(self.moved.capacity() + self.next.capacity(), numbers)
            + self.cut.len()
            + self.safe.capacity()
            + self.path.capacity()
            + self.last.safe.capacity()
    }

    /// Goes from one folder into another that belongs to it, under another name if that one is a file's.
    fn enter(&mut self, parent: Folded, segment: &str) -> Folded {
        let path = parent.file(segment);
        if !self.taken.contains(&path) {
            self.path.push_str(segment);
            return self.open(path);
        }
        if let Some(number) = self.moved.get(&path) {
            let name = numbered(segment, *number);
            let moved = parent.file(&name);
            // Names that match can still be cut to different lengths, so this one may yet meet a file.
            if !self.taken.contains(&moved) {
                self.path.push_str(&name);
                return self.open(moved);
            }
        }
        let (number, moved) = self.number(parent, segment);
        self.moved.insert(path, number);
        self.open(moved)
    }

    /// Notes the folder whose name was just written.
    fn open(&mut self, path: Folded) -> Folded {
        self.path.push('/');
        let folder = path.folder();
        self.taken.insert(folder);
        folder
    }

    /// Gives a file its name.
    fn place(&mut self, folder: Folded, segment: &str) {
        let mut path = folder.file(segment);
        if self.is_free(path) {
            self.path.push_str(segment);
        } else {
            (_, path) = self.number(folder, segment);
        }
        self.taken.insert(path);
    }

    /// Is there neither a file nor a folder with this path?
    fn is_free(&self, path: Folded) -> bool {
        !self.taken.contains(&path) && !self.taken.contains(&path.folder())
    }

    /// Writes the name with its first free number.
    ///
    /// Paths are never given back, so what was taken once needs no second look: the next number is remembered. But
    /// where a long stem is cut, the cut depends on the digits of the number, and many names can meet that did not
    /// before; hence a next number for each cut.
    fn number(&mut self, folder: Folded, segment: &str) -> (u64, Folded) {
        let (mut first, mut end) = (2_u64, 10_u64);
        loop {
            let cut = folder.file(&numbered(segment, first));
            let mut number = self.next.get(&cut).copied().unwrap_or(first);
            while number < end {
                let name = numbered(segment, number);
                let path = folder.file(&name);
                number += 1;
                if self.is_free(path) {
                    self.next.insert(cut, number);
                    self.path.push_str(&name);
                    return (number - 1, path);
                }
            }
            self.next.insert(cut, end);
            (first, end) = (end, end.saturating_mul(10));
        }
    }
}
