//! Every type of problem that there is: its status, and when it is answered. The description of the API is made from this
//! table, and no problem can be made that is not in it (debug builds check).

/// A type of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its stable name: `type` in the answer.
    pub name: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// When it is answered, for the description of the API.
    pub when: &'static str,
}

const fn kind(name: &'static str, status: u16, when: &'static str) -> Kind {
    Kind { name, status, when }
}

/// What any request may be answered with.
pub const ANY: &[Kind] = &[
    kind("malformed-host", 400, "The request does not name one host."),
    kind(
        "https-needed",
        400,
        "The server speaks TLS, and the request came in clear.",
    ),
    kind(
        "url-too-long",
        414,
        "Path and query are longer than the server takes.",
    ),
    kind(
        "too-many-connections",
        429,
        "The client's address has as many connections as it may; Retry-After says when to ask again.",
    ),
    kind(
        "headers-too-large",
        431,
        "There are too many header fields, or they are too large.",
    ),
    kind(
        "server-full",
        503,
        "All connections that the server may have are taken; Retry-After says when to ask again.",
    ),
    kind(
        "stopping",
        503,
        "The server is stopping; Retry-After says when to ask again.",
    ),
];

/// Of routes that need an API key, where the server has some.
pub const KEY: &[Kind] = &[
    kind(
        "unauthorized",
        401,
        "An API key is needed, or is not known.",
    ),
    kind(
        "forbidden-host",
        403,
        "The server has no API keys, and the Host header names another host than its own.",
    ),
    kind(
        "too-many-requests",
        429,
        "The API key asks for more than it may; Retry-After says when to ask again.",
    ),
];

/// Of keys with scopes.
pub const SCOPE: &[Kind] = &[kind(
    "out-of-scope",
    403,
    "The API key is not for all that is asked for.",
)];

/// Of a bucket and a prefix that are named.
pub const SELECTION: &[Kind] = &[
    kind(
        "malformed-selection",
        400,
        "No bucket is named, or bucket, prefix, keys or patterns are malformed.",
    ),
    kind(
        "bucket-not-allowed",
        403,
        "The server does not serve the bucket.",
    ),
    kind("no-such-bucket", 404, "The store has no such bucket."),
];

/// Of a query string.
pub const QUERY: &[Kind] = &[kind(
    "malformed-query",
    400,
    "A parameter is unknown, malformed, or given more than once.",
)];

/// Of a body in JSON.
pub const BODY: &[Kind] = &[
    kind(
        "malformed-body",
        400,
        "The body is not what the schema says.",
    ),
    kind("body-too-deep", 400, "The body's JSON is nested too deep."),
    kind("body-too-slow", 408, "The body took too long to come."),
    kind("body-too-large", 413, "The body is too large."),
    kind("not-json", 415, "The body has another media type."),
];

/// Of whatever asks the store.
pub const STORE: &[Kind] = &[
    kind("store-access-denied", 403, "The store denies access."),
    kind("store-failed", 502, "The store failed."),
    kind(
        "store-credentials",
        502,
        "The store refuses the server's credentials.",
    ),
    kind("wrong-region", 502, "The bucket is in another region."),
    kind(
        "store-unreachable",
        503,
        "The store cannot be reached; Retry-After says when to ask again.",
    ),
    kind(
        "store-throttled",
        503,
        "The store asks to slow down; Retry-After says when to ask again.",
    ),
];

/// Of objects that are listed and read.
pub const OBJECTS: &[Kind] = &[
    kind(
        "archived",
        409,
        "Objects are in an archive tier; `keys` names the first of them.",
    ),
    kind(
        "object-changed",
        409,
        "An object was replaced or deleted meanwhile, or is not what was said of it.",
    ),
    kind(
        "wrong-checksum",
        502,
        "An object does not match its checksum.",
    ),
    kind(
        "overloaded",
        503,
        "There is no memory for one more; Retry-After says when to ask again.",
    ),
];

/// Of a selection that must not be empty.
pub const NOTHING: &[Kind] = &[kind("nothing-selected", 404, "Nothing is selected.")];

/// Of a live archive.
pub const LIVE: &[Kind] = &[kind(
    "not-resumable",
    409,
    "A range above 0 is asked for, and a live archive cannot be resumed.",
)];

/// Of lives and sizes.
pub const BOUNDS: &[Kind] = &[
    kind(
        "invalid-expiry",
        400,
        "The life that is asked for is too short or too long.",
    ),
    kind(
        "manifest-too-large",
        422,
        "The manifest would be too large.",
    ),
];

/// Of manifests that are made.
pub const MANIFEST: &[Kind] = &[kind(
    "manifest-too-slow",
    504,
    "A page of the listing, or all of it, took longer than the server allows.",
)];

/// Of a list of keys.
pub const KEYS: &[Kind] = &[kind(
    "no-such-keys",
    404,
    "Objects are missing; `keys` names the first of them.",
)];

/// Of a server that keeps links.
pub const LINKS: &[Kind] = &[kind(
    "no-state-bucket",
    409,
    "The server has no bucket for links.",
)];

/// Of links that are made.
pub const NAME: &[Kind] = &[kind(
    "no-public-url",
    409,
    "The server does not know its own name.",
)];

/// Of everything below a link.
pub const LINK: &[Kind] = &[
    kind(
        "no-state-bucket",
        409,
        "The server has no bucket for links.",
    ),
    kind("passphrase-needed", 401, "The link asks for a passphrase."),
    kind("wrong-passphrase", 401, "That is not the passphrase."),
    kind(
        "invalid-link",
        403,
        "The token is not valid: cut short, changed, or signed with another key.",
    ),
    kind(
        "bucket-not-allowed",
        403,
        "The server does not serve the bucket.",
    ),
    kind("link-expired", 410, "The link has expired."),
    kind(
        "link-revoked",
        410,
        "The link was taken back, or cleaned up.",
    ),
    kind(
        "link-broken",
        410,
        "An object does not match the checksum that the link was made with; `keys` names it.",
    ),
    kind(
        "downloads-used-up",
        410,
        "The archive was downloaded as often as it may be.",
    ),
    kind(
        "passphrase-throttled",
        429,
        "Wrong passphrases were tried too often; Retry-After says when to try again.",
    ),
    kind(
        "link-unreadable",
        502,
        "What is kept of the link cannot be read.",
    ),
    kind(
        "link-too-large",
        503,
        "What is kept of the link is too large for this server.",
    ),
    kind(
        "overloaded",
        503,
        "There is no memory for one more; Retry-After says when to ask again.",
    ),
];

/// Of conditions and ranges of a link's archive.
pub const RANGE: &[Kind] = &[
    kind(
        "precondition-failed",
        412,
        "The archive is not the one that If-Match or If-Unmodified-Since names.",
    ),
    kind(
        "range-not-satisfiable",
        416,
        "The archive has none of these bytes; Content-Range has its length.",
    ),
    kind(
        "checksums-pending",
        503,
        "Objects are being hashed for this range; `missing` of `needed` are left. Retry-After says when to ask again.",
    ),
];

/// Of paths with a name or a number in them.
pub const FOUND: &[Kind] = &[kind("not-found", 404, "There is no such thing.")];

/// Of what has to do with jobs.
pub const JOBS: &[Kind] = &[
    kind(
        "no-queue",
        409,
        "The server keeps no jobs: neither --queue nor --state-dir is set.",
    ),
    kind(
        "job-unreadable",
        502,
        "Another version of sheaf has entered the job, in a form that is not known here.",
    ),
    kind(
        "queue-unavailable",
        503,
        "The database of the jobs does not answer; Retry-After says when to ask again.",
    ),
];

/// Of one job.
pub const JOB: &[Kind] = &[kind(
    "no-such-job",
    404,
    "The API key has no job of this id.",
)];

/// Of jobs that are entered.
pub const ENTER: &[Kind] = &[
    kind(
        "too-many-jobs",
        429,
        "The API key has as many jobs queued and running as it may.",
    ),
    kind(
        "jobs-too-large",
        429,
        "The jobs of the API key would be larger than they may be.",
    ),
];

/// Of packaged archives.
pub const PACKAGED: &[Kind] = &[kind(
    "not-packaged",
    404,
    "The archive of the link was not packaged, or its downloads are counted.",
)];

/// Of paths that take other methods.
pub const METHOD: &[Kind] = &[kind(
    "method-not-allowed",
    405,
    "The path takes other methods; Allow names them.",
)];

/// Every type, in groups.
pub const ALL: &[&[Kind]] = &[
    ANY, KEY, SCOPE, SELECTION, QUERY, BODY, STORE, OBJECTS, NOTHING, LIVE, BOUNDS, MANIFEST, KEYS,
    LINKS, NAME, LINK, RANGE, FOUND, JOBS, JOB, ENTER, PACKAGED, METHOD,
];

/// The type of this name.
pub fn of(name: &str) -> Option<Kind> {
    ALL.iter()
        .copied()
        .flatten()
        .copied()
        .find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_meaning() {
        for kind in ALL.iter().copied().flatten() {
            assert_eq!(of(kind.name), Some(*kind), "{}", kind.name);
        }
    }
}
