//! Links are granted as signed, and no other way.

use proptest::prelude::*;

use super::*;

const OLD: &str = "old:000102030405060708090a0b0c0d0e0f";
const NEW: &str = "n:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

fn ring(list: &str) -> KeyRing {
    KeyRing::parse(list).unwrap()
}

fn id() -> Uuid {
    Uuid::from_u128(0x0b6f_0d0e_52a3_4a5f_9d3e_0a3c_1f2b_4d5e)
}

#[test]
fn a_link_lives_until_its_end() {
    let ring = ring(NEW);
    let token = ring.sign(id(), 1000);
    let grant = Grant {
        id: id(),
        expires: 1000,
    };
    assert_eq!(ring.verify(&token, 999), Ok(grant));
    assert_eq!(ring.verify(&token, 1000), Err(InvalidLink::Expired(grant)));
    assert!(token.len() <= 52, "{token}");
}

#[test]
fn the_form_of_a_token_never_changes() {
    // Links that people hold must outlive every change of this program. Made with another implementation of HMAC.
    let token = "AQtvDQ5So0pfnT4KPB8rTV4AAAAD6G7uwmzrsizZ48G_NJtgZSEW";
    assert_eq!(ring(NEW).sign(id(), 1000), token);
}

#[test]
fn keys_rotate_by_their_ids() {
    let (old, new) = (ring(OLD), ring(NEW));
    let both = ring(&format!("{NEW},\n {OLD} "));
    let by_old = old.sign(id(), 1000);
    assert!(both.verify(&by_old, 0).is_ok());
    assert_eq!(
        both.sign(id(), 1000),
        new.sign(id(), 1000),
        "the first signs"
    );
    assert_eq!(new.verify(&by_old, 0), Err(InvalidLink::Forged));
    // The same id over another key.
    let other = ring("old:ffffffffffffffffffffffffffffffff");
    assert_eq!(other.verify(&by_old, 0), Err(InvalidLink::Forged));
}

#[test]
fn nobody_learns_from_a_forged_link_that_it_has_expired() {
    let mut token = ring(NEW).sign(id(), 1000);
    token.replace_range(..2, "AA");
    assert_eq!(ring(NEW).verify(&token, 5000), Err(InvalidLink::Forged));
}

#[test]
fn key_rings_are_checked_when_they_are_read() {
    let error = |list: &str| KeyRing::parse(list).unwrap_err();
    assert_eq!(error(" ,\n"), InvalidKeyRing::Empty);
    assert_eq!(error("abc"), InvalidKeyRing::Form { number: 1 });
    assert_eq!(
        error(&format!("{OLD},x:zz")),
        InvalidKeyRing::Form { number: 2 }
    );
    for id in ["", "a b", "ü", "seventeen-letters"] {
        assert_eq!(
            error(&format!("{id}:{}", "00".repeat(16))),
            InvalidKeyRing::Id { number: 1 },
            "{id}"
        );
    }
    assert_eq!(
        error(&format!("a:{}", "00".repeat(15))),
        InvalidKeyRing::Short {
            number: 1,
            length: 15
        }
    );
    assert_eq!(
        error(&format!("{OLD},{OLD}")),
        InvalidKeyRing::Repeated { number: 2 }
    );
    assert_eq!(format!("{:?}", ring(OLD)), "KeyRing(old)");
}

#[test]
fn new_keys_differ_and_are_taken() {
    let (a, b) = (KeyRing::generate(), KeyRing::generate());
    assert_ne!(a, b);
    let token = ring(&a).sign(id(), 10);
    assert!(ring(&a).verify(&token, 0).is_ok());
    assert!(ring(&b).verify(&token, 0).is_err());
}

#[test]
fn logs_have_no_tokens() {
    assert_eq!(without_token("/d/SECRET"), "/d/-");
    assert_eq!(without_token("/d/SECRET/a/b.zip"), "/d/-/a/b.zip");
    assert_eq!(without_token("/v1/zip"), "/v1/zip");
}

proptest! {
    #[test]
    fn what_is_signed_is_granted(id: u128, expires in 1..LAST_SECOND, key in "[a-zA-Z0-9_-]{1,16}:([0-9a-f]{2}){16,40}") {
        let ring = ring(&key);
        let grant = Grant { id: Uuid::from_u128(id), expires };
        prop_assert_eq!(ring.verify(&ring.sign(grant.id, expires), expires - 1), Ok(grant));
    }

    #[test]
    fn every_change_is_noticed(at: prop::sample::Index, with in "[A-Za-z0-9_=-]") {
        let ring = ring(NEW);
        let token = ring.sign(id(), 1000);
        let mut changed = token.clone();
        let at = at.index(token.len());
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != token);
        prop_assert_eq!(ring.verify(&changed, 0), Err(InvalidLink::Forged));
    }

    #[test]
    fn cut_and_lengthened_tokens_are_forged(keep in 0..52_usize, more in "[A-Za-z0-9_=-]{0,9}") {
        let ring = ring(NEW);
        let token = ring.sign(id(), 1000);
        let changed = format!("{}{more}", &token[..keep.min(token.len())]);
        prop_assume!(changed != token);
        prop_assert_eq!(ring.verify(&changed, 0), Err(InvalidLink::Forged));
    }

    #[test]
    fn anything_may_come(token in any::<String>()) {
        prop_assert_eq!(ring(NEW).verify(&token, 0), Err(InvalidLink::Forged));
    }
}
