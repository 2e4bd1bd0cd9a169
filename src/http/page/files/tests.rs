//! Folders, pages and searches over layouts of names.

use super::*;
use crate::archive::{Entry, Namer};

fn layout<S: AsRef<str>>(keys: impl IntoIterator<Item = S>) -> Layout {
    let mut keys: Vec<String> = keys
        .into_iter()
        .map(|key| key.as_ref().to_owned())
        .collect();
    keys.sort_unstable();
    let mut namer = Namer::new("");
    let mut layout = Layout::new();
    for key in keys {
        layout.push(Entry {
            name: namer.name(&key),
            size: 10,
            modified: 0,
            crc32: None,
        });
    }
    layout
}

fn names(items: &[Item]) -> Vec<String> {
    let name = |item: &Item| match item {
        Item::File(file) => file.name.clone(),
        Item::Folder(folder) => match &folder.items {
            Some(items) => format!("{}/[{}]", folder.name, names(items).join(" ")),
            None => format!("{}/ {}", folder.name, folder.files),
        },
    };
    items.iter().map(name).collect()
}

#[test]
fn small_folders_stand_open_on_the_page() {
    let layout = layout(["a.pdf", "b/c.pdf", "b/d/e.pdf", "b/d/f.pdf", "z.pdf"]);
    let view = folder(&layout, "", 1);
    assert_eq!(
        names(&view.items),
        ["a.pdf", "b/[c.pdf d/[e.pdf f.pdf]]", "z.pdf"]
    );
    assert_eq!((view.page, view.pages, view.total), (1, 1, 3));
    let Item::Folder(b) = &view.items[1] else {
        panic!("a folder")
    };
    assert_eq!((b.files, b.bytes, b.path.as_str()), (3, 30, "b/"));
    let below = folder(&layout, "b/d/", 1);
    assert_eq!(names(&below.items), ["e.pdf", "f.pdf"]);
    let Item::File(file) = &below.items[1] else {
        panic!("a file")
    };
    assert_eq!(file.index, 3);
    assert!(exists(&layout, "b/d/") && !exists(&layout, "d/"));
}

#[test]
fn a_page_is_bounded_however_many_files_there_are() {
    let keys =
        (0..1000).flat_map(|folder| (0..50).map(move |file| format!("{folder:04}/{file:03}")));
    let layout = layout(keys.chain((0..250).map(|file| format!("z{file:03}"))));
    let first = folder(&layout, "", 1);
    assert_eq!(
        (first.items.len(), first.pages, first.total),
        (PAGE, 13, 1250)
    );
    let inside: u64 = first
        .items
        .iter()
        .map(|item| match item {
            Item::Folder(folder) if folder.items.is_some() => folder.files,
            _ => 0,
        })
        .sum();
    assert_eq!(inside, INSIDE);
    let last = folder(&layout, "", 13);
    assert_eq!(names(&last.items)[49], "z249");
    assert_eq!(folder(&layout, "", 99), last);
    assert_eq!(folder(&layout, "", 0), first);
    // A folder that the page before the asked one began is not shown again.
    let mut seen: Vec<String> = Vec::new();
    for page in 1..=13 {
        seen.extend(
            folder(&layout, "", page)
                .items
                .iter()
                .map(|item| match item {
                    Item::File(file) => file.name.clone(),
                    Item::Folder(folder) => folder.name.clone(),
                }),
        );
    }
    assert_eq!(seen.len(), 1250);
    seen.dedup();
    assert_eq!(seen.len(), 1250);
}

#[test]
fn a_large_folder_has_pages_of_its_own() {
    let layout = layout(
        (0..301)
            .map(|file| format!("big/{file}"))
            .chain(["small/a".to_owned()]),
    );
    assert_eq!(
        names(&folder(&layout, "", 1).items),
        ["big/ 301", "small/[a]"]
    );
    assert_eq!(folder(&layout, "big/", 4).items.len(), 1);
}

#[test]
fn folders_that_only_their_names_bring_together_are_one() {
    // The first and the last have one name.
    let layout = layout(["aa:/1", "aa;/1", "aa_/2"]);
    assert_eq!(
        names(&folder(&layout, "", 1).items),
        ["aa_/[1 2]", "aa;/[1]"]
    );
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}x", "d/".repeat(300));
    let view = folder(&layout([&deep]), "", 1);
    let text = names(&view.items).join("");
    assert_eq!(text.matches('[').count(), DEPTH);
}

#[test]
fn searches_need_no_case_no_accents_and_no_order() {
    let layout = layout([
        "2025/Relatório.pdf",
        "2025/other.pdf",
        "2026/RELATÓRIO final.pdf",
        "x",
    ]);
    let found = |words: &str| names(&search(&layout, words, 1).items);
    assert_eq!(
        found("relatorio"),
        ["2025/Relatório.pdf", "2026/RELATÓRIO final.pdf"]
    );
    assert_eq!(found("FINAL 2026"), ["2026/RELATÓRIO final.pdf"]);
    assert_eq!(found("relatório 2025"), ["2025/Relatório.pdf"]);
    assert!(found("nothing").is_empty());
    assert_eq!(search(&layout, "nothing", 3).pages, 1);
}

#[test]
fn searches_have_pages() {
    let layout = layout((0..250).map(|file| format!("a{file:03}")));
    let view = search(&layout, "a", 3);
    assert_eq!(
        (view.items.len(), view.page, view.pages, view.total),
        (50, 3, 3, 250)
    );
    assert_eq!(names(&view.items)[0], "a200");
}
