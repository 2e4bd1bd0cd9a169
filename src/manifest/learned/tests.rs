//! What is learned is known, and nothing else.

use proptest::prelude::*;

use super::sidecar::MAGIC;
use super::*;

#[test]
fn what_is_learned_is_known() {
    let learned = Learned::new(100);
    assert_eq!(learned.get(99), None);
    learned.learn(99, 7).unwrap();
    learned.learn(99, 7).unwrap();
    assert_eq!((learned.get(99), learned.get(98)), (Some(7), None));
    assert_eq!(learned.learn(99, 8), Err(Unsteady { again: false }));
    assert_eq!(learned.get(99), None, "neither is to be trusted");
    assert_eq!(learned.missing([98, 99]), 2);
    learned.learn(99, 8).unwrap();
    assert_eq!(learned.learn(99, 9), Err(Unsteady { again: true }));
}

#[test]
fn one_scan_at_a_time() {
    let learned = Learned::new(10);
    learned.learn(2, 0).unwrap();
    assert!(!learned.want([2]), "it is known");
    assert!(learned.want([1, 2, 3]));
    assert!(!learned.want([5]), "somebody is at it");
    learned.learn(3, 0).unwrap();
    assert_eq!(learned.next_wanted(), Some(1));
    assert_eq!(learned.next_wanted(), Some(5), "3 was learned meanwhile");
    assert!(!learned.want([1, 7]), "1 is being hashed");
    assert!(!learned.stop(), "7 came in the last moment");
    assert_eq!(learned.next_wanted(), Some(7));
    assert_eq!(learned.next_wanted(), None);
    for (row, crc32) in [(1, 11), (5, 55), (7, 77)] {
        assert_eq!(learned.hashing(), Some(row));
        learned.hashed(crc32).unwrap();
        assert_eq!(learned.get(row), Some(crc32));
    }
    assert!(learned.stop());
    assert!(learned.want([8]));
}

fn store_error(kind: StoreErrorKind) -> HashError {
    let bucket = crate::store::Bucket::new("bucket").unwrap();
    HashError::Store(StoreError::new("GetObject", &bucket, None, kind))
}

#[test]
fn a_row_that_cannot_be_hashed_is_told_of_and_others_go_on() {
    let learned = Learned::new(10);
    assert!(learned.want([1, 2, 3, 4]));
    for row in [1, 2, 3] {
        assert_eq!(learned.next_wanted(), Some(row));
    }
    learned.hashed(11).unwrap();
    learned.fail(store_error(StoreErrorKind::NoSuchKey));
    let failed = [1, 2, 3, 4].map(|row| learned.failure(row).is_some());
    assert_eq!(failed, [false, true, false, false]);
    assert!(!learned.stop());
    assert_eq!(learned.next_wanted(), Some(3), "it was under way too");
    // A store that does not answer does so for all.
    learned.fail(store_error(StoreErrorKind::Throttled));
    assert!([2, 3, 4].iter().all(|row| learned.failure(*row).is_some()));
    assert!(learned.stop());
    assert!(learned.want([2]), "whoever asks again has it tried again");
    assert!(learned.failure(2).is_none());
}

#[tokio::test(start_paused = true)]
async fn nobody_hashes_for_who_has_gone() {
    let learned = Learned::new(10);
    assert!(learned.want([1, 2, 3]));
    tokio::time::advance(INTEREST * 2).await;
    let waits = learned.interest();
    assert_eq!(learned.next_wanted(), Some(1), "somebody waits");
    drop(waits);
    assert_eq!(learned.next_wanted(), Some(2), "who may come back");
    tokio::time::advance(INTEREST * 2).await;
    assert_eq!(learned.next_wanted(), None);
}

#[test]
fn what_proved_wrong_does_not_come_back_from_the_sidecar() {
    let learned = Learned::new(70);
    learned.learn(1, 11).unwrap();
    learned.learn(2, 22).unwrap();
    let stale = learned.sidecar().unwrap();
    assert!(learned.learn(1, 12).is_err());
    assert!(learned.has_news(), "the stored one says something wrong");
    assert!(learned.load(&stale));
    assert_eq!(learned.get(1), None);
    let mended = Learned::new(70);
    assert!(mended.load(&learned.sidecar().unwrap()));
    assert_eq!((mended.get(1), mended.get(2)), (None, Some(22)));
}

#[test]
fn a_sidecar_is_written_when_there_is_more_to_say() {
    let learned = Learned::new(70);
    assert_eq!(learned.sidecar(), None);
    learned.learn(1, 11).unwrap();
    learned.learn(69, 22).unwrap();
    let sidecar = learned.sidecar().unwrap();
    assert_eq!(learned.sidecar(), None, "it says nothing new");
    learned.not_stored();
    assert_eq!(learned.sidecar(), Some(sidecar.clone()));

    let other = Learned::new(70);
    other.learn(5, 33).unwrap();
    assert!(other.load(&sidecar));
    assert_eq!(
        [1, 5, 69, 2].map(|row| other.get(row)),
        [Some(11), Some(33), Some(22), None]
    );
    assert!(other.sidecar().is_some(), "5 is not stored yet");
    assert!(!Learned::new(71).load(&sidecar), "of another manifest");
}

proptest! {
    #[test]
    fn hostile_sidecars_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0..200_usize, sealed: bool) {
        if sealed {
            let mut file = [MAGIC.as_slice(), &(count as u64).to_le_bytes(), &bytes].concat();
            file.extend_from_slice(&crc32fast::hash(&file).to_le_bytes());
            bytes = file;
        }
        let learned = Learned::new(count);
        learned.load(&bytes);
        prop_assert_eq!(learned.get(count), None);
    }
}
