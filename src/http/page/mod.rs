//! Pages for people: `GET /d/{link}`, and problems as browsers show them.
//!
//! Every page works without a script, loads nothing from elsewhere, and says what it says in the reader's language.
//! Whatever comes from a bucket is escaped by the templates (maud), which know no other way.
//!
//! | file | owns |
//! |---|---|
//! | [`link`] | the page of a link |
//! | [`files`] | which of its files are shown |
//! | [`refusal`] | problems as pages |
//! | [`document`] | the frame of every page |
//! | [`assets`] | stylesheet, script, icon |
//! | [`texts`], [`refusals`], [`language`], [`amounts`] | what pages say, and how |

pub mod amounts;
pub mod assets;
pub mod document;
pub mod files;
pub mod language;
pub mod link;
pub mod refusal;
pub mod refusals;
pub mod texts;

pub use link::show;
pub use refusal::Reader;

/// The path of a base URL: links of a page work under whatever name it was reached.
pub fn below(base: &str) -> String {
    let url = url::Url::parse(base).ok();
    url.map(|url| url.path().trim_end_matches('/').to_owned())
        .unwrap_or_default()
}
