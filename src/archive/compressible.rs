//! Which objects are worth to be deflated, by what their keys end in.
//!
//! Pure, so that the same rows give the same archive: nothing is tried out on an object's bytes.

/// How the data of an archive's entries stand in it (4.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// As they are
    #[default]
    Store,
    /// Text is deflated on its way, by the ending of its key; everything else stands as it is
    Deflate,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 2] = [Method::Store, Method::Deflate];

    /// As requests have it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Store => "store",
            Method::Deflate => "deflate",
        }
    }

    /// Whether an object of this key and size is deflated. One without bytes would become longer.
    pub fn deflates(self, key: &str, size: u64) -> bool {
        self == Method::Deflate && size > 0 && is_text(key)
    }
}

/// Endings of text, and of the few formats beside it that nobody compresses; sorted.
///
/// Office documents since 2007, PDFs, pictures, films and archives are compressed already.
const ENDINGS: [&str; 85] = [
    "asc",
    "bat",
    "bib",
    "bmp",
    "c",
    "cc",
    "cfg",
    "conf",
    "cpp",
    "cs",
    "css",
    "csv",
    "dbf",
    "diff",
    "doc",
    "dtd",
    "dxf",
    "eml",
    "eps",
    "geojson",
    "go",
    "gpx",
    "h",
    "hpp",
    "htm",
    "html",
    "ics",
    "ini",
    "ipynb",
    "java",
    "jrxml",
    "js",
    "json",
    "jsonl",
    "kml",
    "kt",
    "ldif",
    "log",
    "lua",
    "markdown",
    "mbox",
    "md",
    "mjs",
    "msg",
    "ndjson",
    "ofx",
    "patch",
    "php",
    "pl",
    "po",
    "ppt",
    "properties",
    "ps",
    "py",
    "qif",
    "r",
    "rb",
    "rs",
    "rst",
    "rtf",
    "sgml",
    "sh",
    "sql",
    "srt",
    "svg",
    "swift",
    "tcl",
    "tex",
    "text",
    "toml",
    "ts",
    "tsv",
    "txt",
    "vcf",
    "vtt",
    "wsdl",
    "xbrl",
    "xhtml",
    "xls",
    "xml",
    "xsd",
    "xsl",
    "xslt",
    "yaml",
    "yml",
];

/// Whether what a key ends in, without regard to case, says that the object is text or the like.
fn is_text(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    name.rsplit_once('.').is_some_and(|(_, ending)| {
        ENDINGS
            .binary_search(&ending.to_ascii_lowercase().as_str())
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_deflated_and_what_is_compressed_is_not() {
        for key in [
            "a.txt",
            "d.e/B.CSV",
            "x.tar.Json",
            ".xml",
            "ü.svg",
            "a.HTML",
        ] {
            assert!(is_text(key), "{key}");
        }
        for key in [
            "a.pdf", "a.zip", "a.docx", "a.txt.gz", "txt", "a.", "a.txt/", "d.txt/a", "a.ſvg", "",
        ] {
            assert!(!is_text(key), "{key}");
        }
    }

    #[test]
    fn endings_are_found() {
        assert!(ENDINGS.is_sorted());
        assert!(ENDINGS.iter().all(|ending| is_text(&format!("a.{ending}"))));
    }

    #[test]
    fn nothing_is_deflated_unasked_or_without_bytes() {
        assert!(Method::Deflate.deflates("a.txt", 1));
        assert!(!Method::Deflate.deflates("a.txt", 0));
        assert!(!Method::Deflate.deflates("a.pdf", 1));
        assert!(!Method::default().deflates("a.txt", 1));
    }
}
