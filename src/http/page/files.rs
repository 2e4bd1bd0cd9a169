//! Which files a page shows: one folder, or what a search finds, some at a time. Pure.
//!
//! Names are looked at one by one where they are, in the layout, and only what is shown is copied. So a page of a link of
//! a million files costs a walk over its names, and memory for a hundred of them.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::archive::Layout;

/// Files and folders of a page.
pub const PAGE: usize = 100;

/// Files that may stand in the folders of a page all together; a folder with more of them has pages of its own.
const INSIDE: u64 = 300;

/// Folders in folders on one page.
const DEPTH: usize = 8;

/// Words of a search that are looked for.
const WORDS: usize = 8;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A file.
    File(File),
    /// A folder.
    Folder(Folder),
}

/// A file of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its row.
    pub index: usize,
    /// Its name below the folder that is shown.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
}

/// A folder of the link, with all that is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its own name.
    pub name: String,
    /// Its path from the top, with `/` at the end.
    pub path: String,
    /// Files below it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is in it, where that is little enough for this page.
    pub items: Option<Vec<Item>>,
    first: usize,
    last: usize,
}

/// A page of items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// What it shows.
    pub items: Vec<Item>,
    /// Its number, from 1 on.
    pub page: usize,
    /// How many pages there are.
    pub pages: usize,
    /// Items on all of them.
    pub total: usize,
}

/// A page of a folder, whose path is empty or ends in `/`. A page beyond the last is the last.
pub fn folder(layout: &Layout, path: &str, page: usize) -> View {
    let mut view = paged(page, |page| {
        children(layout, path, 0..layout.entries(), page)
    });
    let mut room = INSIDE;
    fill(layout, &mut view.items, 1, &mut room);
    view
}

/// A page of the files whose path has all words of `wanted`, without regard to case and accents.
pub fn search(layout: &Layout, wanted: &str, page: usize) -> View {
    let wanted = folded(wanted);
    let words: Vec<&str> = wanted.split_whitespace().take(WORDS).collect();
    paged(page, |page| {
        let mut items = Vec::new();
        let mut total = 0;
        for index in 0..layout.entries() {
            let name = layout.name(index);
            if !has_all(name, &words) {
                continue;
            }
            if total / PAGE + 1 == page {
                let (name, size) = (name.to_owned(), layout.size(index));
                items.push(Item::File(File { index, name, size }));
            }
            total += 1;
        }
        (items, total)
    })
}

/// Whether any file is below this path.
pub fn exists(layout: &Layout, path: &str) -> bool {
    (0..layout.entries()).any(|index| layout.name(index).starts_with(path))
}

fn paged(page: usize, show: impl Fn(usize) -> (Vec<Item>, usize)) -> View {
    let asked = page.max(1);
    let (mut items, total) = show(asked);
    let pages = total.div_ceil(PAGE).max(1);
    let page = asked.min(pages);
    if page < asked {
        items = show(page).0;
    }
    View {
        items,
        page,
        pages,
        total,
    }
}

/// The items of a folder that are on this page, and how many there are on all. Rows outside of `rows` are not looked at.
fn children(
    layout: &Layout,
    path: &str,
    rows: std::ops::Range<usize>,
    page: usize,
) -> (Vec<Item>, usize) {
    let mut shown: Vec<Item> = Vec::new();
    let mut total = 0;
    // The folder that the row before was in, and whether this page shows it.
    let mut before: Option<(&str, bool)> = None;
    for index in rows {
        let Some(below) = layout.name(index).strip_prefix(path) else {
            continue;
        };
        let size = layout.size(index);
        let Some((name, _)) = below.split_once('/') else {
            if total / PAGE + 1 == page {
                let name = below.to_owned();
                shown.push(Item::File(File { index, name, size }));
            }
            total += 1;
            continue;
        };
        let known = match before {
            Some((known, is_shown)) if known == name => Some(is_shown),
            // Names are made of keys, and may come in another order than they.
            _ => find(&mut shown, name).is_some().then_some(true),
        };
        let is_shown = known.unwrap_or_else(|| {
            let is_shown = total / PAGE + 1 == page;
            total += 1;
            if is_shown {
                shown.push(Item::Folder(Folder {
                    name: name.to_owned(),
                    path: format!("{path}{name}/"),
                    files: 0,
                    bytes: 0,
                    items: None,
                    first: index,
                    last: index,
                }));
            }
            is_shown
        });
        before = Some((name, is_shown));
        if let Some(folder) = is_shown.then(|| find(&mut shown, name)).flatten() {
            folder.files += 1;
            folder.bytes = folder.bytes.saturating_add(size);
            folder.last = index;
        }
    }
    (shown, total)
}

/// A folder that is shown; the last is the likeliest.
fn find<'a>(items: &'a mut [Item], name: &str) -> Option<&'a mut Folder> {
    items.iter_mut().rev().find_map(|item| match item {
        Item::Folder(folder) if folder.name == name => Some(folder),
        _ => None,
    })
}

/// Puts the content of folders into them, while there is room for it.
fn fill(layout: &Layout, items: &mut [Item], depth: usize, room: &mut u64) {
    for item in items {
        let Item::Folder(folder) = item else { continue };
        if folder.files > *room || depth > DEPTH {
            continue;
        }
        let rows = folder.first..folder.last + 1;
        let (mut inside, total) = children(layout, &folder.path, rows, 1);
        if total > inside.len() {
            continue;
        }
        *room -= folder.files;
        // What is in its folders has its place already.
        let mut own = folder.files;
        fill(layout, &mut inside, depth + 1, &mut own);
        folder.items = Some(inside);
    }
}

/// Case and accents removed: `relatorio` finds `Relatório`.
fn folded(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

fn has_all(name: &str, words: &[&str]) -> bool {
    let name = match name.is_ascii() {
        true => name.to_ascii_lowercase(),
        false => folded(name),
    };
    words.iter().all(|word| name.contains(word))
}

#[cfg(test)]
mod tests;
