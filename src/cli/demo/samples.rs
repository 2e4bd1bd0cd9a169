//! The demo's files: small PDFs whose names are as trying as those of real ones.

use std::fs;
use std::io;
use std::path::Path;

use super::pdf::{LINES, pdf};
use crate::cli::CliError;

/// Pages of the annual report: some 3 MB, so that it takes several reads.
const MANY_PAGES: usize = 900;

/// Files by name, and how many pages each has. Nothing at all is a file too.
const SAMPLES: [(&str, usize); 14] = [
    ("reports/2024/Q1.pdf", 1),
    ("reports/2024/Q2.pdf", 2),
    ("reports/2024/Q3.pdf", 1),
    ("reports/2024/Q4.pdf", 3),
    ("reports/2024/empty.pdf", 0),
    ("reports/2025/Annual report 2025 (final).pdf", MANY_PAGES),
    ("reports/2025/Müller & Söhne – Übersicht.pdf", 1),
    ("reports/2025/100% #1 + more?.pdf", 1),
    ("reports/2025/年次報告書.pdf", 1),
    ("reports/Report.pdf", 1),
    // The same name to Windows and macOS; the archive renames one.
    ("reports/report.PDF", 2),
    ("reports/contracts/2025/07/signed/contract-0042.pdf", 2),
    // Beside the prefix and beside the pattern: not in the demo's archive.
    ("letters/hello.pdf", 1),
    ("reports/notes.txt", 1),
];

/// Writes the samples that are not there yet, and says how many of them the demo's archive holds.
///
/// # Errors
/// [`CliError::File`] names the file.
pub fn write(dir: &Path) -> Result<usize, CliError> {
    for (name, pages) in SAMPLES {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(CliError::file("create", folder))?;
        }
        match fs::File::create_new(&path) {
            Ok(mut file) => io::Write::write_all(&mut file, &content(name, pages)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(CliError::file("write to", &path))?;
    }
    let selected =
        |name: &str| name.starts_with("reports/") && name.to_lowercase().ends_with(".pdf");
    Ok(SAMPLES.iter().filter(|(name, _)| selected(name)).count())
}

fn content(name: &str, pages: usize) -> Vec<u8> {
    let title = name.rsplit('/').next().unwrap_or(name);
    if pages == 0 {
        return Vec::new();
    }
    if !name.to_lowercase().ends_with(".pdf") {
        return b"Not a PDF, so not in the archive unless include=* asks for everything.\n"
            .to_vec();
    }
    let texts: Vec<String> = (1..=pages)
        .map(|page| page_text(title, page, pages))
        .collect();
    pdf(&texts)
}

fn page_text(title: &str, page: usize, pages: usize) -> String {
    let mut text = format!("{title}\nPage {page} of {pages}\n\n");
    // A single page says what it is for; more of them are there for their size.
    let lines = if pages == 1 { 1 } else { LINES - 2 };
    for line in 1..=lines {
        let figure = (page * 7919 + line * 104_729) % 100_000;
        text.push_str(&format!(
            "{line:>2}.  A sample made by sheaf demo; the figure of this line is {figure:>6}.\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_once() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(write(dir.path()).unwrap(), 12);
        let annual = dir.path().join(SAMPLES[5].0);
        let size = fs::metadata(&annual).unwrap().len();
        assert!((2_000_000..10_000_000).contains(&size), "{size}");
        assert_eq!(
            fs::metadata(dir.path().join("reports/2024/empty.pdf"))
                .unwrap()
                .len(),
            0
        );
        fs::write(&annual, "changed").unwrap();
        write(dir.path()).unwrap();
        assert_eq!(
            fs::read(&annual).unwrap(),
            b"changed",
            "what is there stays"
        );
    }
}
