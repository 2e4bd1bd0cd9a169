//! What happens in a run that writes, as it follows from a seed.

use std::time::Duration;

use bytes::Bytes;

use crate::chaos::plan::{Must, Planned, content};
use crate::support::random::Random;
use crate::support::stores::Software;
use crate::support::synthetic::faults::Gate;
use crate::support::wire::{Ask, Harm, What, Which};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Bytes that are written over and over in a large object.
const BLOCK: u64 = MIB;

/// Keys of a manifest that takes more than one part.
const MANY: usize = 1900;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An archive, at the target that is asked for or among sheaf's own objects.
    Package { own: bool, copies: bool, full: bool },
    /// A presigned manifest.
    Manifest,
}

/// Who writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `sheaf package`, `sheaf manifest`.
    Command,
    /// A server that is asked to: `POST /v1/jobs`, `POST /v1/manifests`.
    Server,
}

/// What happens when a request of the plan's [`Moment`] is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The process is killed, and whoever asked asks again.
    Kill,
    /// The process is stopped by SIGTERM, and whoever asked asks again.
    Stop,
    /// Whoever asked does not want it any more.
    CallOff,
    /// The store is killed and started again.
    RestartStore,
    /// Another object takes the place of one.
    Replace,
    /// An object goes.
    Delete,
    /// A file in the store's folder loses its second half.
    Truncate,
}

/// The request that an event waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The answer has come to this byte of an object.
    Read(String, u64),
    /// It has not been passed on.
    Asked(Ask),
    /// The store has done it, and nobody knows.
    Done(Ask),
}

/// A whole run.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub kind: Kind,
    pub by: By,
    /// The store beneath, where it runs; our own elsewhere.
    pub software: Option<Software>,
    pub objects: Vec<Planned>,
    pub harms: Vec<Harm>,
    pub event: Option<(Event, Moment)>,
    /// The object that an event changes.
    pub victim: usize,
    pub must: Must,
}

impl Plan {
    /// One in which nothing happens, over a store of ours.
    pub fn quiet(kind: Kind, by: By, objects: Vec<Planned>) -> Plan {
        Plan {
            seed: 0,
            kind,
            by,
            software: None,
            objects,
            harms: Vec::new(),
            event: None,
            victim: 0,
            must: Must::Succeed,
        }
    }

    /// The same plan for the same seed.
    pub fn new(seed: u64) -> Plan {
        let mut random = Random::new(seed ^ 0xF01D);
        let kind = match random.one_in(3) {
            true => Kind::Manifest,
            false => Kind::Package {
                own: random.one_in(4),
                copies: random.one_in(3),
                full: random.one_in(4),
            },
        };
        let many = kind == Kind::Manifest && random.one_in(4);
        let objects = match many {
            true => many_objects(),
            false => objects(&mut random, kind),
        };
        let by = random.of(&[By::Command, By::Server]);
        let mut plan = Plan {
            seed,
            victim: random.below(objects.len() as u64) as usize,
            ..Plan::quiet(kind, by, objects)
        };
        for _ in 0..random.below(4) {
            plan.disturb(&mut random);
        }
        match random.below(6) {
            0..=2 => plan.happen(&mut random),
            3 => plan.spoil(&mut random),
            _ => {}
        }
        if !plan.needs_our_own_store() {
            plan.software = random.of(&[None, Some(Software::Garage), Some(Software::Minio)]);
        }
        if matches!(plan.kind, Kind::Package { copies: true, .. }) && plan.must == Must::Succeed {
            // Not every store copies, and not every plan has what can be copied.
            plan.must = Must::Either;
        }
        plan
    }

    /// No other is killed or has a folder; many objects are written into one; and no other tells each object's checksum,
    /// without which a bit that flips on its way is the object's own.
    fn needs_our_own_store(&self) -> bool {
        let event = self.event.as_ref().map(|(event, _)| *event);
        let mut harms = self.harms.iter();
        self.is_many()
            || matches!(event, Some(Event::RestartStore | Event::Truncate))
            || harms.any(|harm| matches!(harm.what, What::Flip(_)))
    }

    /// Whether there are so many objects that they are written as files.
    pub fn is_many(&self) -> bool {
        self.objects.len() == MANY
    }

    /// Harm that sheaf mends.
    fn disturb(&mut self, random: &mut Random) {
        let ask = self.some_ask(random);
        let reads = matches!(self.kind, Kind::Package { .. }) && random.one_in(2);
        // What is refused three times is given up.
        let so_far = |which: &Which| self.harms.iter().filter(|h| h.which == *which).count();
        let harm = if reads {
            let Some((key, size)) = self.some_object(random) else {
                return;
            };
            let at = random.below(size);
            let what = match random.below(6) {
                0 => What::Reset(at),
                1 => What::Close(at),
                2 => What::Stall(at),
                3 => What::Trickle(at, Duration::from_millis(random.below(5))),
                4 => What::Delay(Duration::from_millis(random.below(500))),
                _ => What::Answer(503, "SlowDown"),
            };
            (Which::Get(key), what)
        } else if random.one_in(6) {
            (Which::List, What::Answer(503, "SlowDown"))
        } else {
            let body = matches!(ask, Ask::Part | Ask::Put);
            let at = random.below(MIB);
            let what = match random.below(7) {
                0 => What::Delay(Duration::from_millis(random.below(500))),
                1 => What::Refuse,
                2 | 3 => What::Lose,
                4 if body => What::Cut(at),
                // A package is read back. Other bodies carry a checksum, and a store that refuses one has the last word.
                5 if ask == Ask::Part && self.kind != Kind::Manifest => What::Garble(at),
                _ => What::Answer(random.of(&[500, 503]), "InternalError"),
            };
            (Which::Of(ask), what)
        };
        let (which, what) = harm;
        if so_far(&which) < 2 {
            self.harms.push(Harm {
                which,
                what,
                times: 1,
            });
        }
    }

    /// Something happens to a process or to an object.
    fn happen(&mut self, random: &mut Random) {
        let events: &[Event] = match self.is_many() {
            // A listing of several pages is of no single moment.
            true => &[
                Event::Kill,
                Event::Stop,
                Event::CallOff,
                Event::RestartStore,
            ],
            false => &[
                Event::Kill,
                Event::Kill,
                Event::Stop,
                Event::CallOff,
                Event::RestartStore,
                Event::Replace,
                Event::Delete,
                Event::Truncate,
            ],
        };
        let event = random.of(events);
        let ask = self.some_ask(random);
        let reads = matches!(self.kind, Kind::Package { .. }) && random.one_in(2);
        let moment = match (reads, self.some_object(random)) {
            (true, Some((key, size))) => Moment::Read(key, random.below(size)),
            _ if random.one_in(2) => Moment::Asked(ask),
            _ => Moment::Done(ask),
        };
        self.event = Some((event, moment));
        self.must = match event {
            Event::Kill | Event::Stop | Event::RestartStore => self.must,
            _ => Must::Either,
        };
    }

    /// Harm that nothing mends.
    fn spoil(&mut self, random: &mut Random) {
        let package = matches!(self.kind, Kind::Package { .. });
        let ask = match (package, self.is_many()) {
            (true, _) => random.of(&[Ask::Begin, Ask::Part, Ask::Complete]),
            (false, true) => random.of(&[Ask::Begin, Ask::Part, Ask::Complete]),
            (false, false) => Ask::Put,
        };
        let (which, what) = match (package, self.some_object(random)) {
            (true, Some((key, size))) if random.one_in(2) => {
                let what = match random.below(3) {
                    0 => What::Answer(403, "AccessDenied"),
                    1 => What::Flip(random.below(size)),
                    _ => What::Answer(404, "NoSuchKey"),
                };
                (Which::Get(key), what)
            }
            (true, _) if random.one_in(3) => (
                Which::Get(".zip".to_owned()),
                What::Answer(403, "AccessDenied"),
            ),
            (false, _) if random.one_in(3) => (Which::List, What::Answer(403, "AccessDenied")),
            _ => (Which::Of(ask), What::Answer(403, "AccessDenied")),
        };
        // What the store copies is not read.
        let copies = matches!(self.kind, Kind::Package { copies: true, .. });
        let may_be_copied = matches!(&which, Which::Get(end) if copies && end != ".zip");
        self.harms.push(Harm {
            which,
            what,
            times: u32::MAX,
        });
        self.must = match may_be_copied {
            true => Must::Either,
            false => Must::Fail,
        };
    }

    /// A request that is needed in any case, or nearly.
    fn some_ask(&self, random: &mut Random) -> Ask {
        match (self.kind, self.is_many()) {
            (Kind::Package { .. }, _) => random.of(&[
                Ask::Begin,
                Ask::Part,
                Ask::Part,
                Ask::Parts,
                Ask::Complete,
                Ask::Complete,
                Ask::Put,
                Ask::Delete,
                Ask::Head,
            ]),
            (Kind::Manifest, true) => random.of(&[Ask::Begin, Ask::Part, Ask::Complete]),
            (Kind::Manifest, false) => Ask::Put,
        }
    }

    fn some_object(&self, random: &mut Random) -> Option<(String, u64)> {
        let object = random.of(&self.objects);
        let size = object.content.len() as u64;
        (size > 0).then_some((object.key, size))
    }
}

/// The harm by which a moment is waited for.
impl Moment {
    pub fn held(&self, gate: &Gate) -> Harm {
        let (which, what) = match self {
            Moment::Read(key, at) => (Which::Get(key.clone()), What::Hold(*at, gate.clone())),
            Moment::Asked(ask) => (Which::Of(*ask), What::Wait(gate.clone())),
            Moment::Done(ask) => (Which::Of(*ask), What::Keep(gate.clone())),
        };
        let times = 1;
        Harm { which, what, times }
    }
}

/// Few objects; of those of a package some are so large that it has several parts.
fn objects(random: &mut Random, kind: Kind) -> Vec<Planned> {
    let count = 2 + random.below(6);
    let large = match kind {
        Kind::Package { .. } => random.below(3),
        Kind::Manifest => 0,
    };
    (0..count)
        .map(|n| {
            let size = match random.below(4) {
                _ if n < large => 10 * MIB + random.below(4 * MIB),
                0 => 0,
                1 => MIB + random.below(2 * MIB),
                _ => 1 + random.below(80 * KIB),
            };
            Planned {
                key: format!("{}/{n:02}.pdf", random.of(&["a", "b", "c"])),
                content: large_content(random.below(u64::from(u32::MAX)), size),
            }
        })
        .collect()
}

/// As [`content`], but that the blocks of a large object differ in their first bytes only.
fn large_content(seed: u64, size: u64) -> Bytes {
    if size <= 2 * BLOCK {
        return content(seed, size);
    }
    let block = content(seed, BLOCK);
    let blocks = (0..size.div_ceil(BLOCK)).flat_map(|n| {
        let mut block = block.to_vec();
        block[..8].copy_from_slice(&n.to_le_bytes());
        block
    });
    blocks.take(size as usize).collect()
}

/// Objects whose keys are so long that their lines have more than 4 kB each.
pub fn many_objects() -> Vec<Planned> {
    let folders = format!("{}/", "報".repeat(80)).repeat(3);
    let name = "書".repeat(75);
    (0..MANY)
        .map(|n| Planned {
            key: format!("{folders}{name}{n:04}.pdf"),
            content: Bytes::from(format!("content {n:04}")),
        })
        .collect()
}
