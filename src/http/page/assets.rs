//! The stylesheet, the script and the icon of the pages. The name of each holds a hash of its content, so that it can be
//! kept for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header;
use sha2::{Digest, Sha256};

use crate::http::Problem;

/// What the paths of these files begin with.
const FOLDER: &str = "/assets/";

/// The stylesheet of all pages.
pub static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("css", "text/css; charset=utf-8", include_str!("sheaf.css")));

/// The script of all pages: comfort only.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "js",
        "text/javascript; charset=utf-8",
        include_str!("sheaf.js"),
    )
});

/// The script of the owner's page.
pub static OWNER: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "js",
        "text/javascript; charset=utf-8",
        include_str!("owner.js"),
    )
});

/// The icon of all pages.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("svg", "image/svg+xml", include_str!("sheaf.svg")));

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Where it is on this server.
    pub path: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(extension: &str, content_type: &'static str, content: &'static str) -> Asset {
        let hash = hex::encode(&Sha256::digest(content)[..8]);
        Asset {
            path: format!("{FOLDER}sheaf-{hash}.{extension}"),
            content_type,
            content,
        }
    }
}

/// Answers with one of them.
///
/// # Errors
/// 404 for any other name.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/assets/{name}",
        operation_id = "asset",
        tag = "operations",
        summary = "Stylesheet, scripts and icon of the pages, named by their content",
        params(("name" = String, Path, description = "The name that a page gives.")),
        responses((
            status = 200,
            description = "The file, to be kept for good.",
            content((String = "text/css"), (String = "text/javascript"), (String = "image/svg+xml")),
        )),
        security(()),
        extensions(("x-problems" = json!(["FOUND"]))),
    )
)]
pub async fn show(Path(name): Path<String>) -> Result<Response, Problem> {
    let path = format!("{FOLDER}{name}");
    let asset = [&STYLE, &SCRIPT, &OWNER, &ICON]
        .into_iter()
        .find(|asset| asset.path == path)
        .ok_or_else(|| Problem::not_found(&path))?;
    let headers = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.content).into_response())
}
