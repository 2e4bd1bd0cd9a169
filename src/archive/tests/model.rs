//! What a namer does, said slowly: whole strings instead of hashes, and every number tried each time.

use std::collections::{HashMap, HashSet};

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

use super::super::name::{numbered, write_safe_path};

/// NFC(fold(NFD(path))): equal for paths that a file system may take for the same.
pub(super) fn fold(path: &str) -> String {
    let decomposed: String = path.nfd().collect();
    let folded = UniCase::unicode(decomposed).to_folded_case();
    folded.nfc().collect()
}

/// Names keys of a selection without prefix.
#[derive(Default)]
pub(super) struct Model {
    files: HashSet<String>,
    folders: HashSet<String>,
    moved: HashMap<String, u64>,
}

impl Model {
    pub(super) fn name(&mut self, key: &str) -> String {
        let mut safe = String::new();
        write_safe_path(key, &mut safe);
        let (folders, file) = safe.rsplit_once('/').unwrap_or(("", &safe));
        let mut parent = String::new();
        for segment in folders.split('/').filter(|segment| !segment.is_empty()) {
            let natural = format!("{parent}{segment}");
            let mut path = natural.clone();
            if self.files.contains(&fold(&natural)) {
                let before = self.moved.get(&fold(&natural));
                path = before
                    .map(|number| format!("{parent}{}", numbered(segment, *number)))
                    .filter(|path| !self.files.contains(&fold(path)))
                    .unwrap_or_else(|| {
                        let number = self.first_free(&parent, segment);
                        self.moved.insert(fold(&natural), number);
                        format!("{parent}{}", numbered(segment, number))
                    });
            }
            self.folders.insert(fold(&path));
            parent = format!("{path}/");
        }
        let mut path = format!("{parent}{file}");
        if !self.is_free(&path) {
            let number = self.first_free(&parent, file);
            path = format!("{parent}{}", numbered(file, number));
        }
        self.files.insert(fold(&path));
        path
    }

    fn is_free(&self, path: &str) -> bool {
        let path = fold(path);
        !self.files.contains(&path) && !self.folders.contains(&path)
    }

    fn first_free(&self, parent: &str, segment: &str) -> u64 {
        (2..)
            .find(|&number| self.is_free(&format!("{parent}{}", numbered(segment, number))))
            .expect("numbers do not end")
    }
}
