//! What a store can do to us, in terms that a person can act on.
//!
//! The SDK has an error type per operation; here they all become one [`StoreError`]: the operation, the place,
//! and a [`StoreErrorKind`] that decides what to do about it.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::Bucket;

/// A failed operation on the store.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", self.place())]
pub struct StoreError {
    /// The S3 operation, by its name in the S3 API.
    pub operation: &'static str,
    /// The bucket that was asked.
    pub bucket: String,
    /// The key, where the operation has one.
    pub key: Option<String>,
    /// What went wrong.
    #[source]
    pub kind: StoreErrorKind,
}

/// What went wrong, sorted by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreErrorKind {
    /// 404 NoSuchBucket.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// 404 for a key.
    #[error("the object does not exist (any more)")]
    NoSuchKey,
    /// 412, or an answer with another ETag than the one that was asked for.
    #[error("the object was replaced since it was listed")]
    Changed,
    /// 404 NoSuchUpload.
    #[error("the multipart upload does not exist (any more)")]
    NoSuchUpload,
    /// 403 AccessDenied.
    #[error("access denied: the credentials lack {permission}")]
    AccessDenied {
        /// The IAM action that the operation needs.
        permission: &'static str,
    },
    /// 403 InvalidAccessKeyId, SignatureDoesNotMatch, ExpiredToken and their like.
    #[error("the store refuses the credentials ({code}){}", advice(code))]
    BadCredentials {
        /// The store's own error code.
        code: String,
    },
    /// The credentials chain ended without credentials.
    #[error(
        "no usable credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role ({reason})"
    )]
    NoCredentials {
        /// What the chain says.
        reason: String,
    },
    /// 403 InvalidObjectState: in an archive tier, not restored.
    #[error("the object is archived and must be restored before it can be read")]
    Archived,
    /// No answer: refused, no route, no such host, or silent for too long.
    #[error("the store cannot be reached ({reason})")]
    Unreachable {
        /// The innermost cause.
        reason: String,
    },
    /// 503 SlowDown, 429.
    #[error("the store asks to slow down")]
    Throttled,
    /// 301 PermanentRedirect and 400 AuthorizationHeaderMalformed: the bucket lives in another region.
    #[error("the bucket is in another region{}: set --region (AWS_REGION)", region.as_ref().map(|r| format!(" ({r})")).unwrap_or_default())]
    WrongRegion {
        /// The region, where the store names it.
        region: Option<String>,
    },
    /// The body ended early, broke, or stood still.
    #[error("reading the object broke after {received} of {expected} bytes ({reason})")]
    Body {
        /// Bytes that came.
        received: u64,
        /// Bytes that were to come.
        expected: u64,
        /// The innermost cause.
        reason: String,
    },
    /// A listing whose pages go back, repeat a token, or lack a needed field.
    #[error("the store's listing makes no sense: {reason}")]
    BadListing {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Anything else.
    #[error("the store answered {status}{} {message}", code.as_ref().map(|c| format!(" {c}")).unwrap_or_default())]
    Unexpected {
        /// HTTP status, 0 where there was no answer.
        status: u16,
        /// The store's error code.
        code: Option<String>,
        /// The store's words.
        message: String,
    },
}

impl StoreError {
    /// An error of our own finding.
    pub fn new(
        operation: &'static str,
        bucket: &Bucket,
        key: Option<&str>,
        kind: StoreErrorKind,
    ) -> StoreError {
        StoreError {
            operation,
            bucket: bucket.to_string(),
            key: key.map(str::to_owned),
            kind,
        }
    }

    fn place(&self) -> String {
        match &self.key {
            Some(key) => format!(
                "{} of s3://{}/{}",
                self.operation,
                self.bucket,
                key.escape_default()
            ),
            None => format!("{} of s3://{}", self.operation, self.bucket),
        }
    }

    /// Sorts an SDK error.
    pub(super) fn from_sdk<E>(
        operation: &'static str,
        bucket: &Bucket,
        key: Option<&str>,
        error: SdkError<E, HttpResponse>,
    ) -> StoreError
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let kind = sort(operation, key.is_some(), &error);
        StoreError::new(operation, bucket, key, kind)
    }
}

impl StoreErrorKind {
    /// An answer of success that lacks what belongs to it.
    pub(super) fn lacks(what: &str) -> StoreErrorKind {
        StoreErrorKind::Unexpected {
            status: 200,
            code: None,
            message: format!("without {what}"),
        }
    }

    /// Where a request was to change something: may it have done so all the same?
    pub(super) fn may_have_been_done(&self) -> bool {
        match self {
            StoreErrorKind::Throttled => false,
            kind => kind.can_pass(),
        }
    }

    /// May the same request succeed a little later?
    pub fn can_pass(&self) -> bool {
        match self {
            StoreErrorKind::Body { .. }
            | StoreErrorKind::Throttled
            | StoreErrorKind::Unreachable { .. } => true,
            // A connection on which nothing came for a while.
            StoreErrorKind::Unexpected {
                code: Some(code), ..
            } if code == "RequestTimeout" => true,
            StoreErrorKind::Unexpected { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

/// The IAM action behind an operation.
/// Source: [actions for Amazon S3](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html).
fn permission(operation: &str) -> &'static str {
    match operation {
        "ListObjectsV2" | "HeadBucket" => "s3:ListBucket on the bucket",
        "ListObjectVersions" => "s3:ListBucketVersions on the bucket",
        "GetBucketVersioning" => "s3:GetBucketVersioning on the bucket",
        "GetObject" | "HeadObject" | "GetObjectAttributes" => "s3:GetObject on the object",
        "ListMultipartUploads" => "s3:ListBucketMultipartUploads on the bucket",
        "ListParts" => "s3:ListMultipartUploadParts on the object",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload on the object",
        "DeleteObject" => "s3:DeleteObject on the object",
        _ => "s3:PutObject on the object",
    }
}

fn sort<E>(
    operation: &'static str,
    has_key: bool,
    error: &SdkError<E, HttpResponse>,
) -> StoreErrorKind
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    if let Some(reason) = credentials_cause(error) {
        return StoreErrorKind::NoCredentials { reason };
    }
    let Some(response) = error.raw_response() else {
        return match error {
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                StoreErrorKind::Unreachable {
                    reason: innermost(error),
                }
            }
            _ => StoreErrorKind::Unexpected {
                status: 0,
                code: None,
                message: innermost(error),
            },
        };
    };
    let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
    Refusal {
        status: response.status().as_u16(),
        code: meta.and_then(|m| m.code()),
        message: meta.and_then(|m| m.message()).unwrap_or_default(),
        region: response.headers().get("x-amz-bucket-region"),
    }
    .kind(operation, has_key)
}

/// An answer that says no: what of it decides about the kind of error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    /// HTTP status.
    pub(super) status: u16,
    /// The store's error code.
    pub(super) code: Option<&'a str>,
    /// The store's words.
    pub(super) message: &'a str,
    /// The region that a header names.
    pub(super) region: Option<&'a str>,
}

impl Refusal<'_> {
    /// Sorts it.
    pub(super) fn kind(self, operation: &'static str, has_key: bool) -> StoreErrorKind {
        let Refusal {
            status,
            code,
            message,
            region,
        } = self;
        let region = region.or_else(|| expected_region(message));
        let region = region.map(str::to_owned);
        match (status, code) {
            (_, Some("NoSuchBucket")) => StoreErrorKind::NoSuchBucket,
            (_, Some("NoSuchUpload")) => StoreErrorKind::NoSuchUpload,
            (_, Some("InvalidObjectState")) => StoreErrorKind::Archived,
            (
                _,
                Some(
                    code @ ("InvalidAccessKeyId"
                    | "SignatureDoesNotMatch"
                    | "ExpiredToken"
                    | "InvalidToken"
                    | "RequestTimeTooSkewed"
                    | "TokenRefreshRequired"),
                ),
            ) => StoreErrorKind::BadCredentials {
                code: code.to_owned(),
            },
            // The same code stands for a header that names no access key, for one.
            (_, Some(code @ "AuthorizationHeaderMalformed")) if region.is_none() => {
                StoreErrorKind::BadCredentials {
                    code: code.to_owned(),
                }
            }
            (_, Some("AuthorizationHeaderMalformed" | "PermanentRedirect")) | (301 | 307, _) => {
                StoreErrorKind::WrongRegion { region }
            }
            (_, Some("SlowDown" | "SlowDownRead" | "TooManyRequests" | "ThrottlingException"))
            | (503, Some("ServiceUnavailable"))
            | (429, _) => StoreErrorKind::Throttled,
            (412, _) => StoreErrorKind::Changed,
            (403, Some(code @ FOLDER_DENIES)) => StoreErrorKind::Unexpected {
                status,
                code: Some(code.to_owned()),
                message: message.to_owned(),
            },
            (403, _) => StoreErrorKind::AccessDenied {
                permission: permission(operation),
            },
            (404, _) if has_key => StoreErrorKind::NoSuchKey,
            (404, _) => StoreErrorKind::NoSuchBucket,
            (503, None) => StoreErrorKind::Unreachable {
                reason: "503 Service Unavailable".to_owned(),
            },
            _ => StoreErrorKind::Unexpected {
                status,
                code: code.map(str::to_owned),
                message: match code {
                    // The page of a proxy, for one. An answer to HEAD never has a code.
                    None if !operation.starts_with("Head") => {
                        "with something that is not S3's: is this the right endpoint?".to_owned()
                    }
                    _ => message.to_owned(),
                },
            },
        }
    }
}

/// The embedded store's own code where its folder does not let it in. No policy would mend that.
pub(super) const FOLDER_DENIES: &str = "FolderPermissionDenied";

/// What to do about a refusal that does not say so itself.
fn advice(code: &str) -> &'static str {
    match code {
        "RequestTimeTooSkewed" => {
            ": the clocks of this machine and the store differ; set them right"
        }
        "ExpiredToken" | "TokenRefreshRequired" => ": their session has ended; renew it",
        _ => "",
    }
}

/// The region that AuthorizationHeaderMalformed tells: "…the region 'us-east-1' is wrong; expecting 'eu-west-1'".
fn expected_region(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region)
}

/// The text of the innermost source: what the system said, without the layers of wrapping around it.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn credentials_cause(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(this) = cause {
        if this.is::<CredentialsError>() {
            return Some(innermost(this));
        }
        cause = this.source();
    }
    None
}
