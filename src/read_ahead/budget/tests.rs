use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::super::ledger::FIRST;
use super::*;

/// Bytes that lie ready until they give way.
#[derive(Debug)]
struct Ready {
    reservation: Mutex<Option<Reservation>>,
    touched: Mutex<Instant>,
    gone: AtomicBool,
}

impl GivesWay for Ready {
    fn give_way(&self, since: Instant) -> Option<Instant> {
        let touched = *self.touched.lock().unwrap();
        if touched > since {
            return Some(touched);
        }
        self.gone.store(true, Ordering::SeqCst);
        self.reservation.lock().unwrap().take();
        None
    }
}

fn ready(share: &Share, bytes: usize) -> (Arc<Ready>, IdleMark) {
    let ready = Arc::new(Ready {
        reservation: Mutex::new(Some(share.try_take(bytes).unwrap())),
        touched: Mutex::new(Instant::now()),
        gone: AtomicBool::new(false),
    });
    let weak: Weak<Ready> = Arc::downgrade(&ready);
    let mark = share.idle(weak);
    (ready, mark)
}

#[test]
fn a_reservation_lives_as_long_as_its_bytes() {
    let budget = MemoryBudget::new(8 * FIRST);
    let share = budget.admit().unwrap();
    let mut reservation = share.try_take(3 * FIRST).unwrap();
    let bytes = reservation.split(FIRST).cover(Bytes::from(vec![7; FIRST]));
    let part = bytes.slice(10..20);
    drop((reservation, bytes));
    assert_eq!(share.used(), FIRST, "a part of the bytes is still there");
    drop(share);
    assert_eq!((budget.held(), budget.downloads()), (FIRST, 1));
    assert_eq!(part[..], [7; 10]);
    drop(part);
    assert_eq!((budget.held(), budget.downloads()), (0, 0));
}

#[test]
fn nobody_is_let_in_without_a_first_reservation() {
    let budget = MemoryBudget::new(2 * FIRST + 1);
    let _first = budget.admit().unwrap();
    let second = budget.admit().unwrap();
    let refused = budget.admit().unwrap_err();
    assert_eq!((refused.downloads, refused.total), (2, 2 * FIRST + 1));
    drop(second);
    assert!(budget.admit().is_ok());
}

#[tokio::test(start_paused = true)]
async fn bytes_that_nobody_takes_give_way() {
    let budget = MemoryBudget::new(16 * FIRST);
    let (slow, fast) = (budget.admit().unwrap(), budget.admit().unwrap());
    let (first, _mark) = ready(&slow, 2 * FIRST);
    let (second, _mark) = ready(&slow, 2 * FIRST);
    let _own = fast.try_take(5 * FIRST).unwrap();
    assert!(fast.try_take(1).is_none(), "they have not lain long enough");
    tokio::time::advance(PATIENCE).await;
    *first.touched.lock().unwrap() = Instant::now();
    let _more = fast.try_take(2 * FIRST).unwrap();
    assert!(!first.gone.load(Ordering::SeqCst), "its client does read");
    assert!(second.gone.load(Ordering::SeqCst));
    assert_eq!(slow.used(), 2 * FIRST);
    tokio::time::advance(PATIENCE).await;
    assert!(fast.try_take(FIRST).is_some());
    assert!(first.gone.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn those_who_came_in_later_do_not_keep_the_quick_one_small() {
    let budget = MemoryBudget::new(32 * FIRST);
    let slow = budget.admit().unwrap();
    let lying: Vec<_> = (0..7).map(|_| ready(&slow, 2 * FIRST)).collect();
    let _others: Vec<Share> = (0..8).map(|_| budget.admit().unwrap()).collect();
    let fast = budget.admit().unwrap();
    assert_eq!(
        budget.held(),
        23 * FIRST,
        "more than shares grow within: 10 first ones, and half of the rest"
    );
    tokio::time::advance(PATIENCE).await;
    assert!(fast.try_take(2 * FIRST).is_some());
    let gone = lying
        .iter()
        .filter(|(ready, _)| ready.gone.load(Ordering::SeqCst));
    assert_eq!(gone.count(), 2, "as many as it takes, and no more");
}

#[tokio::test(start_paused = true)]
async fn a_first_reservation_never_gives_way() {
    let budget = MemoryBudget::new(9 * FIRST);
    let (slow, fast) = (budget.admit().unwrap(), budget.admit().unwrap());
    let _other = budget.admit().unwrap();
    let (own, _mark) = ready(&slow, FIRST);
    let _all = fast.try_take(4 * FIRST).unwrap();
    tokio::time::advance(PATIENCE).await;
    assert!(fast.try_take(1).is_none());
    assert!(!own.gone.load(Ordering::SeqCst));
}

#[test]
fn what_was_read_ahead_gives_way_at_once_to_who_comes_in() {
    let budget = MemoryBudget::new(4 * FIRST);
    let first = budget.admit().unwrap();
    let (ahead, _mark) = ready(&first, 2 * FIRST);
    let _others = (budget.admit().unwrap(), budget.admit().unwrap());
    assert!(!ahead.gone.load(Ordering::SeqCst));
    let _last = budget.admit().unwrap();
    assert!(ahead.gone.load(Ordering::SeqCst));
    assert!(budget.admit().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_gives_way_to_records() {
    let budget = MemoryBudget::new(8 * FIRST);
    let (first, second) = (budget.admit().unwrap(), budget.admit().unwrap());
    let (ahead, _mark) = ready(&first, 3 * FIRST);
    tokio::time::advance(PAUSE).await;
    second.record(4 * FIRST);
    assert_eq!(budget.held(), 8 * FIRST);
    assert!(!ahead.gone.load(Ordering::SeqCst), "it just fits");
    second.record(4 * FIRST + 1);
    assert!(ahead.gone.load(Ordering::SeqCst));
    assert_eq!(budget.held(), 6 * FIRST + 1);
}

#[tokio::test]
async fn who_waits_is_woken_by_its_own_bytes() {
    let budget = MemoryBudget::new(4 * FIRST);
    let share = budget.admit().unwrap();
    let all = share.try_take(2 * FIRST).unwrap();
    let waiting = tokio::spawn({
        let share = share.clone();
        async move { share.cover(Bytes::from(vec![1; FIRST])).await.len() }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(all);
    assert_eq!(waiting.await.unwrap(), FIRST);
}

#[test]
fn threads_leave_nothing_behind() {
    let budget = MemoryBudget::new(64 * FIRST);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let budget = budget.clone();
            scope.spawn(move || {
                for round in 0..500 {
                    let share = budget.admit().unwrap();
                    let taken: Vec<_> = (0..4)
                        .filter_map(|n| share.try_take((thread + 1) * (n + round) * 1000))
                        .collect();
                    share.record(round);
                    drop(share);
                    let still: usize = taken.iter().map(Reservation::bytes).sum();
                    assert!(budget.held() >= still);
                    drop(taken);
                }
            });
        }
    });
    assert_eq!((budget.held(), budget.downloads()), (0, 0));
}
