//! An archive of more than 4 GiB, most of it a hole in a file.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::archive::{Entry, Layout, Namer};
use crate::verify::{Report, Source, check};

/// Files of zeros: one that needs Zip64 for its size, and some behind it that need it for their offset.
const SIZES: [(&str, u64); 4] = [
    ("a.bin", 10),
    ("b.bin", (4 << 30) + 5),
    ("c.bin", (1 << 20) + 7),
    ("d.bin", 3),
];

/// The CRC-32 of so many zeros.
fn crc32_of_zeros(len: u64) -> u32 {
    let mut piece = crc32fast::Hasher::new();
    piece.update(&vec![0; 1 << 20]);
    let mut all = crc32fast::Hasher::new();
    for _ in 0..len >> 20 {
        all.combine(&piece);
    }
    all.update(&vec![0; (len & 0xF_FFFF) as usize]);
    all.finalize()
}

fn write(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut layout = Layout::new();
    let mut namer = Namer::new("");
    let mut crc32s = Vec::new();
    for (key, size) in SIZES {
        let index = layout.push(Entry {
            name: namer.name(key),
            size,
            modified: 0,
            crc32: None,
        });
        crc32s.push(crc32_of_zeros(size));
        file.write_all(&layout.local_header(index, crc32s[index]))
            .unwrap();
        file.seek(SeekFrom::Current(size as i64)).unwrap();
        file.write_all(&layout.descriptor(index, crc32s[index]).unwrap_or_default())
            .unwrap();
    }
    for frame in layout.directory(&crc32s) {
        file.write_all(&frame).unwrap();
    }
}

async fn verify(path: &Path) -> Report {
    let source = Source::file(path).await.unwrap();
    check(source, "large", &mut |_| {}).await.unwrap()
}

#[tokio::test]
async fn beyond_4_gib_every_form_of_zip64_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.zip");
    write(&path);
    let report = verify(&path).await;
    assert_eq!(report.fault, None);
    assert!(report.zip64);
    assert_eq!((report.entries, report.descriptors), (4, 2));
    assert_eq!(
        report.bytes,
        SIZES.iter().map(|(_, size)| size).sum::<u64>()
    );
}
