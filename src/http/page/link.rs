//! `GET /d/{link}`: the page of a link.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded;

use super::amounts::{moment, shown, size};
use super::files::{self, File, Folder, Item, View};
use super::language::Language;
use super::texts::Texts;
use super::{below, document};
use crate::http::Problem;
use crate::http::jobs::packaged;
use crate::http::record::Details;
use crate::http::routes::App;
use crate::manifest::Open;
use crate::manifest::issue::{at, segment, unix};
use crate::manifest::jsonl::has_dot_segment;
use crate::store::parts::joined;

/// Names beyond so many are looked at on a thread where nobody waits.
const MANY: usize = 20_000;

/// Files from which on there is a search field.
const SEARCHED: usize = 6;

/// The longest search, in bytes.
const LONGEST_SEARCH: usize = 200;

/// What the reader wants to see of the link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    folder: String,
    search: String,
    page: usize,
}

/// Answers with the page of a link. Parameters that are not known are ignored: mail programs add their own.
///
/// # Errors
/// 403 and 410 for links that are of no use; 404 for a folder that the link does not have; else as the store says.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/d/{link}",
        operation_id = "linkPage",
        tag = "recipients",
        summary = "The page of a link, for people",
        description = "In English or Portuguese by `Accept-Language`. Parameters that are not known are ignored.",
        params(
            ("link" = String, Path, description = "The token of the link: a credential."),
            ("folder" = Option<String>, Query, description = "The folder that is shown, from the top of the archive; all of it where absent."),
            ("q" = Option<String>, Query, description = "Only files whose path has all of these words, without regard to case and accents."),
            ("page" = Option<u64>, Query, minimum = 1, description = "Which page of them, from 1 on."),
        ),
        responses((status = 200, description = "The page. It works without its script, and loads nothing from elsewhere.", content_type = "text/html", body = String)),
        security((), ("passphrase" = [])),
        extensions(("x-problems" = json!(["LINK", "FOUND", "STORE"]))),
    )
)]
pub async fn show(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let links = app.links()?;
    let grant = links.grant(&token, &details)?;
    let open = links.open(grant, &details).await?;
    let asked = Asked::parse(query.as_deref().unwrap_or_default());
    let base = app.base_url(&headers);
    let language = Language::of(&headers);
    let view = view(&open, &asked)
        .await
        .ok_or_else(Problem::no_such_folder)?;
    let packaged = packaged::of(&app, &open).await.is_some();
    let page = Page {
        texts: Texts(language),
        language,
        below: below(base.as_deref().unwrap_or_default()),
        base,
        token,
        open: &open,
        asked,
        view,
        packaged,
        ends: grant.expires,
        now: unix(SystemTime::now()),
    };
    let title = shown(&open.frozen.header().filename);
    Ok(document::answer(
        StatusCode::OK,
        language,
        &page.below,
        &title,
        page.body(),
    ))
}

async fn view(open: &Arc<Open>, asked: &Asked) -> Option<View> {
    let many = open.frozen.layout().entries() > MANY;
    let (open, asked) = (open.clone(), asked.clone());
    let look = move || asked.view(&open);
    match many {
        true => joined(tokio::task::spawn_blocking(look).await),
        false => look(),
    }
}

impl Asked {
    fn parse(query: &str) -> Asked {
        let mut asked = Asked::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "folder" => asked.folder = value.into_owned(),
                "q" => asked.search = cut(value.trim(), LONGEST_SEARCH).to_owned(),
                "page" => asked.page = value.parse().unwrap_or(1),
                _ => {}
            }
        }
        if !asked.folder.is_empty() && !asked.folder.ends_with('/') {
            asked.folder.push('/');
        }
        asked
    }

    /// What is to be shown; `None` for a folder that is not there.
    fn view(&self, open: &Open) -> Option<View> {
        let layout = open.frozen.layout();
        if !self.search.is_empty() {
            return Some(files::search(layout, &self.search, self.page));
        }
        let is_there = self.folder.is_empty() || files::exists(layout, &self.folder);
        is_there.then(|| files::folder(layout, &self.folder, self.page))
    }

    /// The query that asks for this again.
    fn query(&self, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("folder", &self.folder), ("q", &self.search)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        query.finish()
    }
}

struct Page<'a> {
    texts: Texts,
    language: Language,
    /// What URLs of this server begin with, if that is known.
    base: Option<String>,
    below: String,
    token: String,
    open: &'a Open,
    asked: Asked,
    view: View,
    /// Whether the archive stands in a bucket as well.
    packaged: bool,
    ends: u64,
    now: u64,
}

impl Page<'_> {
    fn body(&self) -> Markup {
        let texts = self.texts;
        html! {
            a.skip href="#files" { (texts.skip()) }
            main {
                (self.head())
                (self.list())
                @if let Some(base) = &self.base { (self.programs(base)) }
            }
        }
    }

    /// The way to this link, or to what is below it.
    fn href(&self, rest: &str) -> String {
        format!("{}/d/{}{rest}", self.below, self.token)
    }

    fn zip(&self) -> String {
        format!("/{}", segment(&self.open.frozen.header().filename))
    }

    fn head(&self) -> Markup {
        let texts = self.texts;
        let header = self.open.frozen.header();
        let total = size(header.archive_len, self.language);
        let ends = at(self.ends);
        html! {
            header.hero {
                h1 { bdi { (shown(&header.filename)) } }
                p.facts {
                    (texts.files(header.count as u64)) " · " (total)
                }
                p.download {
                    a.button href=(self.href(&self.zip())) {
                        (texts.download_all()) " " small { (texts.as_one_zip()) }
                    }
                }
                p.fine { (texts.resumable()) }
                @if self.packaged {
                    p.fine #packaged {
                        a href=(self.href("/packaged")) rel="noreferrer" { (texts.packaged()) }
                        ": " (texts.packaged_hint()) "."
                    }
                }
                p.fine {
                    (texts.works_until()) " "
                    time #ends datetime=(ends.format(&Rfc3339).unwrap_or_default()) data-ended=(texts.has_ended()) {
                        (moment(ends, self.language))
                    }
                    " (" span #left { (texts.left(self.ends.saturating_sub(self.now))) } ")."
                }
            }
        }
    }

    fn list(&self) -> Markup {
        let texts = self.texts;
        let searches = !self.asked.search.is_empty();
        html! {
            section #files aria-labelledby="files-heading" tabindex="-1" {
                div.bar {
                    h2 #files-heading { (texts.files_heading()) }
                    @if self.open.frozen.header().count >= SEARCHED || searches {
                        form #search role="search" method="get" action=(self.href("")) {
                            input type="search" name="q" value=(self.asked.search) maxlength=(LONGEST_SEARCH)
                                aria-label=(texts.search_label()) placeholder=(texts.search_label())
                                autocomplete="off" spellcheck="false";
                            button type="submit" { (texts.search()) }
                        }
                    }
                }
                div #list {
                    p #found role="status" {
                        @if searches { (texts.found(self.view.total as u64)) }
                    }
                    @if searches || !self.asked.folder.is_empty() { (self.way()) }
                    @if self.view.items.is_empty() {
                        p.empty { (texts.nothing_found()) }
                    } @else {
                        (self.items(&self.view.items))
                    }
                    @if self.view.pages > 1 { (self.pages()) }
                }
            }
        }
    }

    /// The way from the top to the folder that is shown.
    fn way(&self) -> Markup {
        let texts = self.texts;
        let folder = match self.asked.search.is_empty() {
            true => self.asked.folder.trim_end_matches('/'),
            false => "",
        };
        let steps: Vec<(&str, &str)> = folder
            .split_inclusive('/')
            .scan(0, |end, step| {
                *end += step.len();
                Some((step.trim_end_matches('/'), &folder[..*end]))
            })
            .collect();
        html! {
            nav.way aria-label=(texts.path()) {
                ol {
                    li { a href=(self.href("")) { (texts.all_files()) } }
                    @for (index, (name, path)) in steps.iter().enumerate() {
                        @if index + 1 == steps.len() {
                            li aria-current="page" { bdi { (shown(name)) } }
                        } @else {
                            li { a href=(self.folder_href(path)) { bdi { (shown(name)) } } }
                        }
                    }
                }
            }
        }
    }

    fn folder_href(&self, path: &str) -> String {
        let asked = Asked {
            folder: path.to_owned(),
            ..Asked::default()
        };
        self.href(&format!("?{}", asked.query(1)))
    }

    fn items(&self, items: &[Item]) -> Markup {
        html! {
            ul.items {
                @for item in items {
                    @match item {
                        Item::File(file) => (self.file(file)),
                        Item::Folder(folder) => (self.folder(folder, items.len() == 1)),
                    }
                }
            }
        }
    }

    fn file(&self, file: &File) -> Markup {
        let key = self.open.frozen.row(file.index).map(|row| row.key);
        let named = html! { bdi { (shown(&file.name)) } };
        html! {
            li.file {
                @if key.is_some_and(|key| has_dot_segment(&key)) {
                    // Browsers would ask for another object.
                    span.name { (named) " " small { (self.texts.only_in_archive()) } }
                } @else {
                    a.name href=(self.href(&format!("/files/{}", file.index))) rel="noreferrer" { (named) }
                }
                span.size { (size(file.size, self.language)) }
            }
        }
    }

    fn folder(&self, folder: &Folder, alone: bool) -> Markup {
        let name = html! { span.name { bdi { (shown(&folder.name)) } } };
        let facts = html! {
            span.size { (self.texts.files(folder.files)) " · " (size(folder.bytes, self.language)) }
        };
        html! {
            @match &folder.items {
                Some(items) => li.folder {
                    details open[alone] {
                        summary { (name) " " (facts) }
                        (self.items(items))
                    }
                },
                None => li.folder { a.large href=(self.folder_href(&folder.path)) { (name) " " (facts) } },
            }
        }
    }

    fn pages(&self) -> Markup {
        let texts = self.texts;
        let (page, pages) = (self.view.page, self.view.pages);
        let to = |page| self.href(&format!("?{}#files", self.asked.query(page)));
        html! {
            nav.pages aria-label=(texts.pages()) {
                @if page > 1 { a rel="prev" href=(to(page - 1)) { (texts.previous()) } } @else { span {} }
                span aria-current="page" { (texts.page(page, pages)) }
                @if page < pages { a rel="next" href=(to(page + 1)) { (texts.next()) } } @else { span {} }
            }
        }
    }

    /// Lines to paste into a terminal. A URL of ours has no character that means something to a shell.
    fn programs(&self, base: &str) -> Markup {
        let texts = self.texts;
        let page = format!("{base}/d/{}", self.token);
        let zip = format!("{page}{}", self.zip());
        // Any user name will do; wget and curl ask for the passphrase themselves.
        let (wget, curl, aria2) = match self.open.frozen.header().passphrase {
            Some(_) => (
                " --user=x --ask-password",
                " -u x",
                format!(" --http-user=x --http-passwd='{}'", texts.passphrase()),
            ),
            None => ("", "", String::new()),
        };
        let lines = [
            ("wget", format!("wget -c{wget} '{zip}'")),
            ("curl", format!("curl -fLO -C -{curl} '{zip}'")),
            ("aria2", format!("aria2c -x8 -s8{aria2} '{zip}'")),
            (
                texts.each_file(),
                format!("curl -fsS{curl} '{page}/manifest.jsonl?as=aria2' | aria2c -i -"),
            ),
            (texts.manifest(), format!("{page}/manifest.jsonl")),
        ];
        html! {
            details.programs {
                summary { (texts.for_programs()) }
                p.fine { (texts.for_programs_hint()) }
                dl {
                    @for (name, line) in lines {
                        dt { (name) }
                        dd {
                            code { (line) }
                            button.copy type="button" hidden data-done=(texts.copied())
                                aria-label={ (texts.copy()) ": " (name) } { (texts.copy()) }
                        }
                    }
                }
            }
        }
    }
}

/// The start of a text, at most so many bytes of it.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests;
