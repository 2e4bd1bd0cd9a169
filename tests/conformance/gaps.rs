//! Which store lacks what, and what sheaf does about it.
//!
//! The table is kept honest from both sides: a behaviour that fails and does not stand here fails the suite, and so does
//! one that stands here and holds. What sheaf does about a gap is tested too, on the very store where it matters.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::answer;
use crate::behaviour::packaging;
use crate::target::Target;

/// A store, as far as gaps are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Embedded,
    Garage,
    Ministack,
    Minio,
}

/// One line of the table: a store, a behaviour that it lacks, and what sheaf does about it.
#[derive(Clone, Copy, Debug)]
pub struct Gap(pub Kind, pub &'static str, pub Answer);

/// What sheaf does about a gap.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It does without: no request of sheaf's has this header or parameter
    /// ([`NOT_EVERYWHERE`](crate::support::synthetic::requests::NOT_EVERYWHERE)).
    DoesWithout(&'static str),
    /// It has the store copy only parts of objects whose CRC-32 it knows beforehand.
    CopiesWhatIsKnown,
    /// Its listings begin behind keys below the prefix only.
    StartsBelowThePrefix,
    /// It hashes what it reads, and writes the CRC-32 behind the bytes where it must.
    HashesItself,
    /// It sends bodies in one piece, however large the object.
    SendsWholeBodies,
    /// It tells the owner that access is denied: what the store says.
    TellsDenial,
    /// It tells the owner that the store will not have this key, in the store's words.
    TellsRefusalOf(&'static str),
    /// It archives what the listing shows, after these keys were written; `{}` stands for the prefix.
    ArchivesWhatIsListed(&'static [&'static str]),
    /// Its presigned URLs are checked all the same.
    SignsUrls,
}

use Answer::*;
use Kind::*;

/// Every known gap.
pub static GAPS: &[Gap] = &[
    // It takes start-after for the place to begin at, and stops at once because that is not below the prefix.
    Gap(
        Garage,
        "starts_after_a_key_before_the_prefix",
        StartsBelowThePrefix,
    ),
    // Its listings say nothing about checksums, although heads do.
    Gap(Garage, "crc32_is_announced_in_listings", HashesItself),
    // It does not know the call and answers with the object itself.
    Gap(Garage, "part_checksums_are_told", DoesWithout("attributes")),
    Gap(
        Garage,
        "if_none_match_keeps_an_object",
        DoesWithout("if-none-match"),
    ),
    Gap(Garage, "a_streamed_body_is_taken", SendsWholeBodies),
    Gap(Garage, "copied_parts_tell_their_crc32", CopiesWhatIsKnown),
    // Both are AccessDenied.
    Gap(Garage, "a_wrong_secret_is_refused", TellsDenial),
    Gap(Garage, "an_unknown_key_is_refused", TellsDenial),
    // It strips the slash.
    Gap(
        Garage,
        "a_leading_slash",
        ArchivesWhatIsListed(&["/{}a.pdf"]),
    ),
    Gap(Ministack, "crc32_is_announced_in_listings", HashesItself),
    // Sizes only.
    Gap(
        Ministack,
        "part_checksums_are_told",
        DoesWithout("attributes"),
    ),
    // It compares the CRC-32 of the whole with that of the parts' checksums.
    Gap(
        Ministack,
        "whole_object_crc32_of_parts_is_kept",
        DoesWithout("x-amz-checksum-type"),
    ),
    Gap(
        Ministack,
        "copied_parts_tell_their_crc32",
        CopiesWhatIsKnown,
    ),
    // It checks the signatures of URLs only.
    Gap(Ministack, "a_wrong_secret_is_refused", SignsUrls),
    Gap(Minio, "crc32_is_announced_in_listings", HashesItself),
    // It lists the uploads of one key only.
    Gap(
        Minio,
        "uploads_are_listed_by_prefix",
        DoesWithout("uploads of the bucket"),
    ),
    // It wants a checksum of each part where the upload was begun with CRC32, and does not compute those of copies.
    Gap(Minio, "copied_parts_tell_their_crc32", CopiesWhatIsKnown),
    // Keys are paths in its folders.
    Gap(Minio, "dot_segments", TellsRefusalOf("a/../b.pdf")),
    Gap(Minio, "empty_segments", TellsRefusalOf("a//b.pdf")),
    Gap(Minio, "backslashes", TellsRefusalOf("..\\a.pdf")),
    Gap(Minio, "long_keys", TellsRefusalOf(LONG_SEGMENT)),
    Gap(
        Minio,
        "a_leading_slash",
        ArchivesWhatIsListed(&["/{}a.pdf"]),
    ),
    // It takes the key below, and never shows it.
    Gap(
        Minio,
        "a_key_beside_its_folder",
        ArchivesWhatIsListed(&["{}a.pdf", "{}a.pdf/b.pdf"]),
    ),
];

/// One byte more than a file's name may have.
const LONG_SEGMENT: &str = match str::from_utf8(&[b's'; 256]) {
    Ok(text) => text,
    Err(_) => unreachable!(),
};

/// The known gap of a store, if there is one.
pub fn of(store: Kind, behaviour: &str) -> Option<&'static Gap> {
    GAPS.iter()
        .find(|Gap(of, lacking, _)| *of == store && *lacking == behaviour)
}

impl Answer {
    /// Panics where sheaf does otherwise on this store.
    pub fn check(self, target: Target) -> BoxFuture<'static, ()> {
        async move {
            match self {
                DoesWithout(what) => answer::does_without(what).await,
                CopiesWhatIsKnown => {
                    packaging::an_archive_is_copied_within_the_store(&target).await;
                }
                StartsBelowThePrefix => answer::starts_below_the_prefix().await,
                HashesItself => answer::hashes_itself(&target).await,
                SendsWholeBodies => answer::sends_whole_bodies(&target).await,
                TellsDenial => answer::tells_denial(&target).await,
                TellsRefusalOf(name) => answer::tells_refusal_of(&target, name).await,
                ArchivesWhatIsListed(keys) => answer::archives_what_is_listed(&target, keys).await,
                SignsUrls => answer::signs_urls(&target).await,
            }
        }
        .boxed()
    }
}
