//! Who may have what a link stands for: its passphrase, and how often it was downloaded.
//!
//! Everything below `/d/` passes here, so that no handler can forget to ask. The passphrase comes as the password of
//! HTTP Basic (RFC 7617) with any user name, which browsers ask for and every download program can send.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use axum::Extension;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, StatusCode, header};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::Problem;
use super::links::Links;
use super::range;
use super::record::Details;
use super::routes::App;
use super::socket::ResetFlag;
use super::taken::watched;
use super::tries::Tries;
use crate::manifest::Open;
use crate::manifest::issue::unix;
use crate::manifest::passphrase::PassphraseHash;

/// Passphrases that are hashed at once. Each takes 19 MiB.
const HASHED_AT_ONCE: usize = 2;

/// How long parts of an archive are still answered once its downloads are used up, in seconds: a download may have
/// begun before, and what is sent in parts ends with any of them.
const GRACE: i64 = 60 * 60;

/// What a server knows of passphrases.
#[derive(Clone, Debug)]
pub struct Passphrases {
    tries: Arc<Mutex<Tries>>,
    places: Arc<Semaphore>,
}

impl Default for Passphrases {
    fn default() -> Passphrases {
        Passphrases {
            tries: Arc::default(),
            places: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
        }
    }
}

/// Lets a request for something of a link pass, or says why not; and counts what was downloaded whole.
pub async fn guard(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(connection): Extension<ResetFlag>,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let parameter = |wanted: &str| {
        let mut all = parameters.iter();
        all.find_map(|(name, value)| (name == wanted).then_some(value))
    };
    let token = parameter("link").unwrap_or_default();
    let headers = request.headers().clone();
    let checked = async {
        let links = app.links()?;
        let grant = links.grant(token, &details)?;
        let open = links.open(grant, &details).await?;
        pass(links, &open, &headers).await?;
        Ok((links, open))
    };
    let (links, open) = match checked.await {
        Ok(passed) => passed,
        Err(problem) => return Problem::into_response(problem),
    };
    let is_counted = open.frozen.header().max_downloads.is_some()
        && request.method() == Method::GET
        && parameter("filename").is_some();
    let response = next.run(request).await;
    if !is_counted || !has_last_byte(&response) {
        return response;
    }
    let (downloads, id) = (links.downloads.clone(), open.id);
    watched(response, connection, move || downloads.count(id))
}

/// Whether a request may pass.
///
/// # Errors
/// 401 `passphrase-needed` and `wrong-passphrase`, 429 `passphrase-throttled`, 410 `downloads-used-up`.
async fn pass(links: &Links, open: &Open, headers: &HeaderMap) -> Result<(), Problem> {
    let header = open.frozen.header();
    if let Some(hash) = &header.passphrase {
        let given = password(headers).ok_or_else(Problem::passphrase_required)?;
        links.passphrases.check(open.id, hash, given).await?;
    }
    let Some(most) = header.max_downloads else {
        return Ok(());
    };
    let Some(since) = links.downloads.used_up_since(open.id, most).await? else {
        return Ok(());
    };
    let now = i64::try_from(unix(SystemTime::now())).unwrap_or(i64::MAX);
    if is_later_part(headers) && now.saturating_sub(since) < GRACE {
        return Ok(());
    }
    Err(Problem::downloads_used_up(most))
}

impl Passphrases {
    async fn check(&self, id: Uuid, hash: &PassphraseHash, given: String) -> Result<(), Problem> {
        let fingerprint = {
            let mut tries = self.lock();
            let fingerprint = tries.fingerprint(id, hash, &given);
            if tries.is_right(&fingerprint) {
                return Ok(());
            }
            tries
                .take(id, Instant::now())
                .map_err(Problem::too_many_tries)?;
            fingerprint
        };
        let hash = hash.clone();
        // Nobody closes the semaphore. Who waits here holds a try, so a crowd of wrong ones stays small.
        let _place = self.places.acquire().await;
        let hashed = tokio::task::spawn_blocking(move || hash.is_of(&given)).await;
        let mut tries = self.lock();
        if hashed.unwrap_or(false) {
            tries.give_back(id);
            tries.note_right(fingerprint);
            Ok(())
        } else {
            Err(Problem::wrong_passphrase())
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tries> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The password of HTTP Basic. More than one Authorization header is none.
fn password(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, encoded) = one.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(password.to_owned())
}

/// Whether a range beyond the first byte is asked for.
fn is_later_part(headers: &HeaderMap) -> bool {
    matches!(range::asked(headers, u64::MAX), range::Asked::Part(part) if part.start > 0)
}

/// Whether an answer carries the archive's last byte.
fn has_last_byte(response: &Response) -> bool {
    match response.status() {
        StatusCode::OK => true,
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get(header::CONTENT_RANGE);
            let range = range
                .and_then(|range| range.to_str().ok())
                .unwrap_or_default();
            let numbers = range.strip_prefix("bytes ").and_then(|range| {
                let (part, length) = range.split_once('/')?;
                let (_, last) = part.split_once('-')?;
                Some((last.parse::<u64>().ok()?, length.parse::<u64>().ok()?))
            });
            numbers.is_some_and(|(last, length)| last + 1 == length)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn headers(all: &[&str]) -> HeaderMap {
        let pairs = all
            .iter()
            .map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn the_password_of_any_user_is_taken() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let of = |value: &str| password(&headers(&[value]));
        assert_eq!(of(&basic("x:pass:word ü")).as_deref(), Some("pass:word ü"));
        assert_eq!(of(&basic(":p")).as_deref(), Some("p"));
        assert_eq!(
            of(&basic("x:").replace("Basic", "bAsIc")).as_deref(),
            Some("")
        );
        for other in ["Bearer abc", "Basic", "Basic !", &basic("no colon")] {
            assert_eq!(of(other), None, "{other}");
        }
        let two = [basic("x:p"), basic("x:q")];
        assert_eq!(password(&headers(&[&two[0], &two[1]])), None);
        assert_eq!(password(&HeaderMap::new()), None);
    }

    #[test]
    fn the_last_byte_is_known_by_the_range() {
        let has = |status: u16, range: Option<&str>| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let range = range.map(|range| (header::CONTENT_RANGE, range.parse().unwrap()));
            response.headers_mut().extend(range);
            has_last_byte(&response)
        };
        assert!(has(200, None));
        assert!(has(206, Some("bytes 5-9/10")));
        assert!(!has(206, Some("bytes 0-8/10")));
        assert!(!has(206, None));
        assert!(!has(304, None));
    }

    #[test]
    fn only_what_begins_later_is_a_part_of_an_earlier_download() {
        let part = |range: &str| {
            let headers = [(header::RANGE, range.parse().unwrap())];
            is_later_part(&headers.into_iter().collect())
        };
        assert!(part("bytes=1-"));
        assert!(part("bytes=100-200"));
        assert!(!part("bytes=0-"));
        assert!(!part("bytes=0-0"));
        assert!(!part("bytes=1-2,4-5"));
        assert!(!is_later_part(&HeaderMap::new()));
    }
}
