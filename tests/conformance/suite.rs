//! The table of behaviours, and the run of all of them against one store.

use std::panic;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinError;

use crate::behaviour::{
    checksums, copying, credentials, hostile_keys, listing, multipart, packaging, presigning,
    reading, writing,
};
use crate::gaps;
use crate::target::Target;

/// No behaviour takes longer, on a slow machine either.
const PATIENCE: Duration = Duration::from_secs(60);

/// One thing that sheaf asks of a store. Its function panics where the store does otherwise.
#[derive(Clone, Copy)]
pub struct Behaviour {
    /// The name of its function.
    pub name: &'static str,
    run: fn(Target) -> BoxFuture<'static, ()>,
}

macro_rules! behaviours {
    ($($module:ident: $($name:ident),+;)+) => {
        &[$($(Behaviour {
            name: stringify!($name),
            run: |target| async move { $module::$name(&target).await }.boxed(),
        }),+),+]
    };
}

/// Everything that sheaf asks of a store.
pub const BEHAVIOURS: &[Behaviour] = behaviours! {
    listing: keys_come_in_byte_order, pages_follow_each_other, a_page_has_a_thousand_keys, starts_after_a_key,
        starts_after_a_key_before_the_prefix, starts_anywhere,
        a_prefix_is_taken_literally, keys_are_url_encoded_on_demand, rows_tell_what_heads_tell,
        writes_and_deletions_are_seen_at_once, nothing_below_a_prefix_is_no_error,
        a_missing_bucket_is_told_apart;
    reading: objects_are_read_whole, ranges_are_exact, a_range_beyond_the_end_is_refused, reads_heed_if_match,
        heads_heed_if_match, a_missing_key_is_told_apart, an_empty_object_is_read;
    checksums: crc32_is_kept, crc32_is_told_by_get, crc32_is_announced_in_listings, a_wrong_crc32_is_refused,
        no_untrue_crc32_is_told, composite_crc32_is_marked, part_checksums_are_told,
        whole_object_crc32_of_parts_is_kept;
    writing: an_object_is_replaced, if_none_match_keeps_an_object, the_content_type_is_kept, a_deletion_is_idempotent,
        a_streamed_body_is_taken;
    multipart: parts_become_an_object, parts_may_come_in_any_order, nothing_is_seen_before_completion,
        an_aborted_upload_leaves_nothing, a_part_for_no_upload_is_refused, a_missing_part_is_noticed,
        uploads_are_listed_by_prefix;
    copying: a_part_is_copied_from_a_range, copies_heed_if_match, copied_parts_tell_their_crc32;
    packaging: an_archive_is_streamed_into_the_bucket, an_archive_is_copied_within_the_store, an_upload_is_found_again,
        a_changed_object_is_not_packaged;
    presigning: anybody_may_follow_a_url, the_name_is_in_the_url, ranges_of_a_url_are_exact, a_url_expires,
        a_url_is_for_one_key, a_url_is_for_one_method, a_url_cannot_be_prolonged;
    credentials: strangers_are_refused, a_wrong_secret_is_refused, an_unknown_key_is_refused;
    hostile_keys: spaces_and_signs, control_characters, unicode_forms, dot_segments, empty_segments, a_leading_slash,
        a_key_beside_its_folder, folder_markers, long_keys, backslashes, letter_case, markup;
};

/// Runs every behaviour, one after the other. Panics at the end where one fails that is not a known gap, or a gap is
/// none.
pub async fn run(target: Target) {
    let mut known = Vec::new();
    let mut failures = Vec::new();
    for behaviour in BEHAVIOURS {
        let name = behaviour.name;
        let outcome = attempt((behaviour.run)(target.below(name))).await;
        match (outcome, gaps::of(target.kind, name)) {
            (Ok(()), None) => {}
            (Err(reason), None) => failures.push(format!("{name}: {reason}")),
            (Ok(()), Some(_)) => {
                failures.push(format!("{name}: listed as a gap, but the store has it"));
            }
            (Err(_), Some(gap)) => {
                known.push(gist(&format!("{name}: {:?}", gap.2)));
                let below = target.below(&format!("{name}-answered"));
                if let Err(reason) = attempt(gap.2.check(below)).await {
                    failures.push(format!("{name}, what sheaf does about it: {reason}"));
                }
            }
        }
    }
    let held = BEHAVIOURS.len() - known.len();
    println!(
        "{:?}: {held} of {} behaviours; the gaps, and what sheaf does about them:",
        target.kind,
        BEHAVIOURS.len()
    );
    known.iter().for_each(|gap| println!("  {gap}"));
    assert!(
        failures.is_empty(),
        "{:?}, {} failures:\n{}",
        target.kind,
        failures.len(),
        failures.join("\n")
    );
}

tokio::task_local! {
    /// Where an attempt panicked. Its panics are told by [`run`], and not printed: those of gaps are no news.
    static PLACE: Arc<Mutex<String>>;
}

/// In a task of its own: a panic ends it alone.
async fn attempt(behaviour: BoxFuture<'static, ()>) -> Result<(), String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let noted = PLACE.try_with(|place| {
                let location = info.location().map(ToString::to_string);
                *place.lock().unwrap() = location.unwrap_or_default();
            });
            if noted.is_err() {
                loud(info);
            }
        }));
    });
    let place = Arc::<Mutex<String>>::default();
    let attempt = tokio::spawn(PLACE.scope(place.clone(), behaviour));
    match tokio::time::timeout(PATIENCE, attempt).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("{} ({})", message(error), place.lock().unwrap())),
        Err(_) => Err(format!("no end in {PATIENCE:?}")),
    }
}

/// What went wrong, without the whole answers that the SDK's errors carry.
fn message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "cancelled".to_owned();
    };
    let text = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&str>()
            .map_or_else(|_| "a panic".to_owned(), |text| (*text).to_owned()),
    };
    text.chars().take(400).collect()
}

/// The beginning of a line.
fn gist(line: &str) -> String {
    line.chars().take(120).collect()
}

#[test]
fn gaps_are_of_behaviours_that_there_are() {
    for gap in gaps::GAPS {
        let named = BEHAVIOURS
            .iter()
            .filter(|behaviour| behaviour.name == gap.1);
        assert_eq!(named.count(), 1, "{gap:?}");
        assert!(
            std::ptr::eq(gaps::of(gap.0, gap.1).unwrap(), gap),
            "{gap:?}"
        );
    }
}
