//! `GET /` in a browser: the frame of the owner's page, which its script fills.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use maud::{Markup, html};

use crate::http::page::assets::OWNER;
use crate::http::page::document;
use crate::http::page::language::Language;
use crate::http::page::texts::Texts;
use crate::http::routes::App;

/// Lives that links can be given here, in days.
const LIVES: [u32; 5] = [1, 7, 30, 90, 365];

/// Answers with the page. It holds nothing of any bucket.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    let texts = Texts(language);
    let public_url = app.config.public_url.as_ref();
    let below = crate::http::page::below(public_url.map_or("", |url| url.as_str()));
    document::answer(
        StatusCode::OK,
        language,
        &below,
        texts.owner_title(),
        body(texts, &below),
    )
}

fn body(texts: Texts, below: &str) -> Markup {
    html! {
        main #owner data-below=(below) {
            header.top { h1 { (texts.owner_title()) } p.fine { (texts.owner_hint()) } }
            noscript { p.card { (texts.needs_script()) } }
            form #door.card hidden {
                label for="key" { (texts.key()) }
                div.row {
                    input #key type="password" autocomplete="off" required;
                    button.button.small type="submit" { (texts.enter()) }
                }
                p #refused role="alert" data-wrong=(texts.wrong_key()) {}
            }
            p #problem.card role="alert" hidden {}
            section #choose.card hidden aria-labelledby="choose-heading" {
                h2 #choose-heading { (texts.choose()) }
                label for="bucket" { (texts.bucket()) }
                div.row {
                    input #bucket list="buckets" autocomplete="off" spellcheck="false";
                    datalist #buckets {}
                    button #go type="button" { (texts.open()) }
                }
                nav.way aria-label=(texts.path()) { ol #way {} }
                ul #folder.items tabindex="0" aria-labelledby="choose-heading" {}
                button #more type="button" hidden { (texts.more()) }
            }
            form #share.card hidden aria-labelledby="share-heading" {
                h2 #share-heading { (texts.share()) }
                p.selected { code #selected {} }
                div.fields {
                    div {
                        label for="include" { (texts.patterns()) }
                        input #include value="*.pdf" autocomplete="off" spellcheck="false" aria-describedby="include-hint";
                        p #include-hint.fine { (texts.patterns_hint()) }
                    }
                    div {
                        label for="filename" { (texts.filename()) }
                        input #filename autocomplete="off" placeholder="reports.zip";
                    }
                    div {
                        label for="life" { (texts.life()) }
                        select #life {
                            @for days in LIVES {
                                option value=(days * 86_400) selected[days == 7] { (texts.days(days)) }
                            }
                        }
                    }
                }
                p #count role="status" data-counting=(texts.counting()) data-one=(texts.files(1)) data-many=(texts.files_heading().to_lowercase()) {}
                div.row {
                    button #link.button.small type="submit" { (texts.make_link()) }
                    button #manifest type="button" { (texts.make_manifest()) }
                    button #package type="button" { (texts.make_job()) }
                }
                div #made hidden {
                    p role="status" { (texts.made()) }
                    div.line { code #url {} button.copy type="button" hidden data-done=(texts.copied()) { (texts.copy()) } }
                }
            }
            section #jobs.card hidden aria-labelledby="jobs-heading" {
                h2 #jobs-heading { (texts.jobs()) }
                ul #working.items data-none=(texts.no_jobs()) data-queued=(texts.job_queued())
                    data-running=(texts.job_running()) data-cancelling=(texts.job_cancelling())
                    data-done=(texts.job_done()) data-failed=(texts.job_failed()) data-cancelled=(texts.job_cancelled()) {}
                template #known-job {
                    li.link {
                        div.name { a.url {} " " span.fine.what {} }
                        div.fine { strong.state {} " " span.facts {} }
                        div.row { progress hidden aria-label=(texts.job_progress()) {} button.cancel type="button" hidden { (texts.cancel()) } }
                    }
                }
            }
            section #links.card hidden aria-labelledby="links-heading" {
                div.bar { h2 #links-heading { (texts.links()) } button #again type="button" { (texts.refresh()) } }
                p.fine { (texts.downloads_hint()) }
                ul #known.items data-none=(texts.no_links()) {}
                template #known-link {
                    li.link {
                        div.name { a.url {} " " span.fine.what {} }
                        div.fine { span.facts {} }
                        div.fine { (texts.ends()) " " span.ends {} " · " strong.downloads data-one=(texts.one_download()) data-many=(texts.downloads()) {} " " span.last {} }
                        div.row {
                            code.visually-hidden {}
                            button.copy type="button" hidden data-done=(texts.copied()) { (texts.copy()) }
                            button.revoke type="button" data-sure=(texts.really()) { (texts.revoke()) }
                        }
                    }
                }
            }
        }
        script defer src={ (below) (OWNER.path) } {}
    }
}
