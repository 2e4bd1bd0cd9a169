//! A PDF of plain text: the smallest that readers accept without complaint. Pure.
//!
//! Source: ISO 32000-1, 7.5 (file structure), 7.7 (document structure), 9.6.2.2 (the standard fonts, which need not be
//! embedded).

use std::fmt::Write;

/// A4 in points.
const PAGE: &str = "[0 0 595 842]";

/// Lines on a page of body text.
pub const LINES: usize = 48;

/// Writes a PDF with one page for every text. The first line of a text is its heading; anything but ASCII becomes `?`,
/// since the standard fonts have no more.
pub fn pdf(pages: &[String]) -> Vec<u8> {
    // Objects 1 to 3 are the catalogue, the page tree and the font; then come a page and its content, in turn.
    let kids: String = (0..pages.len()).fold(String::new(), |mut kids, page| {
        let _ = write!(kids, "{} 0 R ", 4 + 2 * page);
        kids
    });
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Count {} /Kids [{}] >>",
            pages.len(),
            kids.trim_end()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (page, text) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox {PAGE} /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * page
        ));
        let content = content(text);
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    file(&objects)
}

/// Joins numbered objects into a file, with the table of their offsets behind them.
fn file(objects: &[String]) -> Vec<u8> {
    // The second line tells transfer programs that the file is binary.
    let mut bytes = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut table = String::from("0000000000 65535 f \n");
    for (index, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", bytes.len());
        bytes.extend_from_slice(format!("{} 0 obj\n{object}\nendobj\n", index + 1).as_bytes());
    }
    let start = bytes.len();
    let count = objects.len() + 1;
    let end = format!(
        "xref\n0 {count}\n{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    bytes.extend_from_slice(end.as_bytes());
    bytes
}

/// The drawing operators of a page: a heading, then lines of body text.
fn content(text: &str) -> String {
    let mut lines = text.lines().map(escaped);
    let heading = lines.next().unwrap_or_default();
    let mut content =
        format!("BT\n/F1 20 Tf\n60 770 Td\n({heading}) Tj\n/F1 10 Tf\n14 TL\n0 -24 Td\n");
    for line in lines.take(LINES) {
        let _ = writeln!(content, "({line}) '");
    }
    content.push_str("ET");
    content
}

fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '(' | ')' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            _ => text.push('?'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the file's own table, as a reader does.
    fn check(bytes: &[u8]) -> usize {
        let text = String::from_utf8_lossy(bytes);
        assert!(text.starts_with("%PDF-1.4\n") && text.ends_with("%%EOF\n"));
        let start: usize = text
            .rsplit("startxref\n")
            .next()
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let table = std::str::from_utf8(&bytes[start..]).unwrap();
        let mut lines = table.lines();
        assert_eq!(lines.next(), Some("xref"));
        let count: usize = lines
            .next()
            .unwrap()
            .strip_prefix("0 ")
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(lines.next(), Some("0000000000 65535 f "));
        for number in 1..count {
            let line = lines.next().unwrap();
            assert_eq!(line.len(), 19, "with its newline an entry has 20 bytes");
            let offset: usize = line[..10].parse().unwrap();
            let object = &bytes[offset..];
            assert!(
                object.starts_with(format!("{number} 0 obj\n").as_bytes()),
                "object {number}"
            );
            let object = String::from_utf8_lossy(object);
            if let Some((head, rest)) = object
                .split("endobj")
                .next()
                .unwrap()
                .split_once("\nstream\n")
            {
                let length = head.rsplit("/Length ").next().unwrap();
                let length: usize = length.strip_suffix(" >>").unwrap().parse().unwrap();
                assert_eq!(&rest[length..], "\nendstream\n");
            }
        }
        assert_eq!(lines.next(), Some("trailer"));
        count
    }

    #[test]
    fn offsets_and_lengths_are_right() {
        assert_eq!(check(&pdf(&["One page".to_owned()])), 6);
        let pages: Vec<String> = (0..20)
            .map(|page| format!("Page {page}\nline\nline"))
            .collect();
        assert_eq!(check(&pdf(&pages)), 44);
    }

    #[test]
    fn text_cannot_break_out_of_its_string() {
        let bytes = pdf(&["a) Tj (b\\ ü\nnext".to_owned()]);
        check(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("(a\\) Tj \\(b\\\\ ?) Tj"));
        assert!(text.contains("(next) '"));
    }
}
