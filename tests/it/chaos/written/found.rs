//! What runs have found, each as a test of its own.

use bytes::Bytes;

use super::plan::{By, Event, Kind, Moment, Plan, many_objects};
use super::play;
use crate::chaos::place::Shared;
use crate::chaos::plan::{Must, Planned};
use crate::support::wire::{Ask, Harm, What, Which};

const PACKAGE: Kind = Kind::Package {
    own: false,
    copies: false,
    full: false,
};

const COPIED: Kind = Kind::Package {
    own: false,
    copies: true,
    full: false,
};

fn one_large_object() -> Vec<Planned> {
    vec![Planned {
        key: "large.pdf".to_owned(),
        content: Bytes::from(vec![7; 13 << 20]),
    }]
}

fn few_objects() -> Vec<Planned> {
    let object = |n: u8| Planned {
        key: format!("{n}.pdf"),
        content: Bytes::from(vec![n; 70_000]),
    };
    (0..3).map(object).collect()
}

fn harm(which: Which, what: What, times: u32) -> Vec<Harm> {
    vec![Harm { which, what, times }]
}

async fn holds(plan: Plan) {
    if let Err(why) = play(&plan, &Shared::default()).await {
        panic!("{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_that_cannot_be_read_back_is_not_left() {
    for by in [By::Command, By::Server] {
        let denied = What::Answer(403, "AccessDenied");
        holds(Plan {
            harms: harm(Which::Get(".zip".to_owned()), denied, u32::MAX),
            must: Must::Fail,
            ..Plan::quiet(PACKAGE, by, few_objects())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_leaves_no_upload_and_is_no_failure() {
    for (ask, times) in [
        (Ask::Begin, 1),
        (Ask::Begin, 2),
        (Ask::Part, 1),
        (Ask::Complete, 3),
    ] {
        holds(Plan {
            harms: harm(Which::Of(ask), What::Lose, times),
            ..Plan::quiet(Kind::Manifest, By::Server, many_objects())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_whose_answer_is_lost_each_time_stands_and_is_told() {
    for by in [By::Command, By::Server] {
        holds(Plan {
            harms: harm(Which::Of(Ask::Put), What::Lose, 3),
            ..Plan::quiet(Kind::Manifest, by, few_objects())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_away_at_the_last_moment_takes_the_manifest_along() {
    for by in [By::Command, By::Server] {
        for (objects, ask) in [(few_objects(), Ask::Put), (many_objects(), Ask::Complete)] {
            for moment in [Moment::Asked(ask), Moment::Done(ask)] {
                holds(Plan {
                    event: Some((Event::CallOff, moment)),
                    must: Must::Either,
                    ..Plan::quiet(Kind::Manifest, by, objects.clone())
                })
                .await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_off_while_it_is_found_out_what_a_store_copies_leaves_nothing() {
    for by in [By::Command, By::Server] {
        holds(Plan {
            event: Some((Event::CallOff, Moment::Done(Ask::Complete))),
            must: Must::Either,
            ..Plan::quiet(COPIED, by, one_large_object())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_interrupted_when_all_is_done_says_so() {
    holds(Plan {
        event: Some((Event::CallOff, Moment::Asked(Ask::Delete))),
        ..Plan::quiet(PACKAGE, By::Command, few_objects())
    })
    .await;
}
