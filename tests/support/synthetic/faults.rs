//! The fault table: which request goes wrong, how, and how often.
//!
//! Rules are tried in the order they were added; the first that applies decides, and is used up by one. Offsets are
//! offsets in the *object*, not in one answer: a fault strikes whichever request covers its byte, so that a test need
//! not know how an object is cut into pieces.

use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use super::requests::{Operation, Request};

/// What happens instead of the true answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error answer.
    Answer(Failure),
    /// 200 with this document as its body.
    Instead(String),
    /// The true answer, this much later.
    Delay(Duration),
    /// 200 with the whole object, whatever range was asked for, and without saying how long it is.
    Unranged,
    /// The true answer, up to a byte of its body.
    Body {
        /// The offset in the object (for a listing: in the XML).
        at: u64,
        /// What happens there.
        mishap: Mishap,
    },
}

/// What happens to a body at its offset. The bytes before it have left the server in every case.
#[derive(Clone, Debug)]
pub enum Mishap {
    /// The connection is reset (RST).
    Reset,
    /// The connection is closed in good order (FIN), short of the promised length.
    Close,
    /// Nothing more comes, and the connection stays open.
    Stall,
    /// Nothing more comes until the test opens the gate.
    Hold(Gate),
    /// The body ends here, and `Content-Length` says so: short of what was asked for, but consistent.
    Shorten,
    /// One bit of the byte is wrong.
    Flip,
}

/// An S3 error answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub status: u16,
    /// The `Code` element.
    pub code: &'static str,
    /// The `Message` element.
    pub message: &'static str,
    /// The header `x-amz-bucket-region`.
    pub region: Option<&'static str>,
}

impl Failure {
    pub const NO_SUCH_KEY: Failure = Failure::new(404, "NoSuchKey");
    pub const NO_SUCH_VERSION: Failure = Failure::new(404, "NoSuchVersion");
    pub const NO_SUCH_BUCKET: Failure = Failure::new(404, "NoSuchBucket");
    pub const NO_SUCH_UPLOAD: Failure = Failure::new(404, "NoSuchUpload");
    pub const PRECONDITION_FAILED: Failure = Failure::new(412, "PreconditionFailed");
    pub const INVALID_RANGE: Failure = Failure::new(416, "InvalidRange");
    pub const INVALID_OBJECT_STATE: Failure = Failure::new(403, "InvalidObjectState");
    pub const ACCESS_DENIED: Failure = Failure::new(403, "AccessDenied");
    pub const INVALID_REQUEST: Failure = Failure::new(400, "InvalidRequest");
    pub const INTERNAL_ERROR: Failure = Failure::new(500, "InternalError");
    pub const SLOW_DOWN: Failure = Failure::new(503, "SlowDown");
    pub const SERVICE_UNAVAILABLE: Failure = Failure::new(503, "ServiceUnavailable");
    pub const INVALID_ACCESS_KEY_ID: Failure = Failure::new(403, "InvalidAccessKeyId");
    pub const SIGNATURE_DOES_NOT_MATCH: Failure = Failure::new(403, "SignatureDoesNotMatch");
    pub const EXPIRED_TOKEN: Failure = Failure::new(400, "ExpiredToken");
    /// The bucket is asked for at the endpoint of another region than its own.
    pub const PERMANENT_REDIRECT: Failure = Failure {
        region: Some("eu-west-1"),
        ..Failure::new(301, "PermanentRedirect")
    };
    /// The request is signed for another region than the bucket's.
    pub const SIGNED_FOR_ANOTHER_REGION: Failure = Failure {
        message: "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        ..Failure::new(400, "AuthorizationHeaderMalformed")
    };
    /// The Authorization header has no access key.
    pub const SIGNED_BY_NOBODY: Failure = Failure {
        message: "The authorization header is malformed; a non-empty Access Key (AKID) must be provided in the credential.",
        ..Failure::new(400, "AuthorizationHeaderMalformed")
    };

    const fn new(status: u16, code: &'static str) -> Self {
        Failure {
            status,
            code,
            message: code,
            region: None,
        }
    }
}

/// Which requests a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// GETs of this key.
    Get(String),
    /// HEADs of this key.
    Head(String),
    /// The n-th page of a listing, counted from 1.
    ListPage(usize),
    /// Every request of a kind.
    Every(Operation),
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Rule {
    target: Target,
    fault: Fault,
    skip: u32,
    times: u32,
}

impl Rule {
    /// `fault` for every request that `target` names.
    pub fn new(target: Target, fault: Fault) -> Self {
        Rule {
            target,
            fault,
            skip: 0,
            times: u32::MAX,
        }
    }

    /// `mishap` at byte `at` of the object `key`, whenever that byte is read.
    pub fn body(key: &str, at: u64, mishap: Mishap) -> Self {
        Rule::new(Target::Get(key.to_owned()), Fault::Body { at, mishap })
    }

    /// `failure` for every GET of `key`.
    pub fn get(key: &str, failure: Failure) -> Self {
        Rule::new(Target::Get(key.to_owned()), Fault::Answer(failure))
    }

    /// Strikes `times` times only; after that the rule is spent.
    pub fn times(self, times: u32) -> Self {
        Rule { times, ..self }
    }

    /// Lets the first `skip` requests through that it would have struck.
    pub fn skip(self, skip: u32) -> Self {
        Rule { skip, ..self }
    }

    fn applies(&self, request: &Request, body: &Range<u64>) -> bool {
        let targeted = match &self.target {
            Target::Get(key) => request.operation == Operation::GetObject && request.key == *key,
            Target::Head(key) => request.operation == Operation::HeadObject && request.key == *key,
            Target::ListPage(page) => {
                request.operation == Operation::List && request.page() == *page
            }
            Target::Every(operation) => request.operation == *operation,
        };
        targeted && !matches!(&self.fault, Fault::Body { at, .. } if !body.contains(at))
    }
}

/// The table. Rules may be added while the server answers.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    /// Adds a rule behind the others.
    pub fn add(&self, rule: Rule) {
        self.0.lock().unwrap().push(rule);
    }

    /// Forgets every rule.
    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// Whether every rule has struck as often as it was to.
    pub fn are_spent(&self) -> bool {
        self.0.lock().unwrap().iter().all(|rule| rule.times == 0)
    }

    /// What shall happen to `request`, whose true answer has the bytes `body` of the object.
    pub(super) fn strike(&self, request: &Request, body: &Range<u64>) -> Option<Fault> {
        let mut rules = self.0.lock().unwrap();
        for rule in rules
            .iter_mut()
            .filter(|rule| rule.times > 0 && rule.applies(request, body))
        {
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            return Some(rule.fault.clone());
        }
        None
    }
}

/// Holds a body until the test lets it go on, and tells the test that it got there. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
    reached: Arc<watch::Sender<u32>>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Gate {
            open: Arc::new(watch::Sender::new(false)),
            reached: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Lets through everything that waits, and all that comes later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until `bodies` bodies have come to the gate.
    pub async fn reached(&self, bodies: u32) {
        let _ = self
            .reached
            .subscribe()
            .wait_for(|reached| *reached >= bodies)
            .await;
    }

    /// Waits for the gate to open.
    pub fn pass(&self) -> impl Future<Output = ()> + Send + 'static {
        self.reached.send_modify(|reached| *reached += 1);
        let (gate, mut open) = (self.clone(), self.open.subscribe());
        async move {
            let _ = open.wait_for(|open| *open).await;
            drop(gate);
        }
    }
}
