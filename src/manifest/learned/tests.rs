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
    assert_eq!(learned.learn(99, 8), Err(Unsteady));
    assert_eq!(learned.get(99), None, "neither is to be trusted");
    assert_eq!(learned.missing(&[98, 99]), 2);
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
    assert!(!learned.want([1, 7]));
    assert!(!learned.stop(), "7 came in the last moment");
    assert_eq!(learned.next_wanted(), Some(7));
    assert_eq!(learned.next_wanted(), None);
    assert!(learned.stop());
    assert!(learned.want([8]));
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
