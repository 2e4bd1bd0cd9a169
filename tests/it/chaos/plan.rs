//! What happens in a run, as it follows from a seed.

use std::time::Duration;

use bytes::Bytes;

use crate::support::clients::Client;
use crate::support::random::Random;
use crate::support::stores::Software;
use crate::support::wire::{Harm, What, Which};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How the archive is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Live,
    Frozen,
}

/// What happens while the first answer that covers a byte of an object stands still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// sheaf is killed, and another replica takes its place.
    KillServer,
    /// The store is killed and started again.
    RestartStore,
    /// Another object takes the place of one.
    Replace,
    /// An object goes.
    Delete,
    /// A file in the store's folder loses its second half.
    Truncate,
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Must {
    /// The client ends with success.
    Succeed,
    /// The client reports a failure.
    Fail,
    /// Either is right.
    Either,
}

impl Must {
    /// What is wrong with an end.
    pub fn broken_by(self, success: bool) -> Option<&'static str> {
        match self {
            Must::Succeed if !success => Some("it failed, and all that happened can be mended"),
            Must::Fail if success => Some("it succeeded, and that cannot be"),
            _ => None,
        }
    }
}

/// An object of the bucket.
#[derive(Clone, Debug)]
pub struct Planned {
    pub key: String,
    pub content: Bytes,
}

/// A whole run.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    /// The store beneath, where it runs; our own elsewhere.
    pub software: Option<Software>,
    pub kind: Kind,
    pub client: Client,
    pub nginx: bool,
    pub objects: Vec<Planned>,
    /// Between sheaf and its store.
    pub store_side: Vec<Harm>,
    /// Between the client, or its nginx, and sheaf.
    pub client_side: Vec<Harm>,
    /// It happens when this byte of this object comes from the store.
    pub event: Option<(Event, usize, u64)>,
    /// The object that an event changes.
    pub victim: usize,
    pub must: Must,
}

impl Plan {
    /// The same plan for the same seed.
    pub fn new(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let kind = random.of(&[Kind::Live, Kind::Frozen]);
        let clients = match kind {
            Kind::Live => &Client::LIVE[..],
            Kind::Frozen => &Client::FROZEN[..],
        };
        let objects = objects(&mut random);
        let client = random.of(clients);
        // A length that falls short is nothing to `urlopen`: only a reset tells it, and nginx passes none on.
        let nginx = random.one_in(4) && !(kind == Kind::Frozen && client == Client::Urlopen);
        let mut plan = Plan {
            seed,
            software: None,
            kind,
            client,
            nginx,
            victim: random.below(objects.len() as u64) as usize,
            objects,
            store_side: Vec::new(),
            client_side: Vec::new(),
            event: None,
            must: Must::Succeed,
        };
        for _ in 0..random.below(4) {
            plan.break_a_read(&mut random);
        }
        if random.one_in(3) {
            plan.break_the_client(&mut random);
        }
        match random.below(6) {
            0 | 1 => plan.happen(&mut random),
            2 => plan.spoil(&mut random),
            _ => {}
        }
        if !plan.needs_our_own_store() {
            plan.software = random.of(&[None, Some(Software::Garage), Some(Software::Minio)]);
        }
        plan
    }

    /// No other is killed, has a folder, or tells each object's checksum, without which a bit that flips on its way is the
    /// object's own.
    fn needs_our_own_store(&self) -> bool {
        let event = self.event.map(|(event, ..)| event);
        let mut harms = self.store_side.iter();
        matches!(event, Some(Event::RestartStore | Event::Truncate))
            || harms.any(|harm| matches!(harm.what, What::Flip(_)))
    }

    /// Harm that sheaf mends.
    fn break_a_read(&mut self, random: &mut Random) {
        let Some((key, size)) = self.some_object(random) else {
            return;
        };
        let at = random.below(size);
        let what = match random.below(8) {
            0 | 1 => What::Reset(at),
            2 | 3 => What::Close(at),
            4 => What::Stall(at),
            5 => What::Trickle(at, Duration::from_millis(random.below(5))),
            6 => What::Delay(Duration::from_millis(random.below(500))),
            _ => What::Answer(503, random.of(&["SlowDown", "ServiceUnavailable"])),
        };
        let expired = self
            .store_side
            .iter()
            .any(|harm| matches!(harm.what, What::Answer(400, _)));
        let what = match what {
            // New credentials are asked for once in a while only.
            What::Answer(..) if !expired && random.one_in(3) => What::Answer(400, "ExpiredToken"),
            what => what,
        };
        let listings = self.store_side.iter().filter(|h| h.which == Which::List);
        let which = match random.below(8) {
            // A listing that is refused three times is given up.
            0 if listings.count() < 2 => Which::List,
            _ => Which::Get(key),
        };
        let what = match (which == Which::List, what) {
            // A listing is asked for again by the SDK only where it has not begun.
            (true, What::Delay(delay)) => What::Delay(delay),
            (true, _) => What::Answer(503, "SlowDown"),
            (false, what) => what,
        };
        let times = 1;
        self.store_side.push(Harm { which, what, times });
    }

    /// Harm on the client's side, which only the client can mend.
    fn break_the_client(&mut self, random: &mut Random) {
        let size: u64 = self.objects.iter().map(|o| o.content.len() as u64).sum();
        let at = random.below(size);
        let what = match random.below(4) {
            0 => What::Trickle(at, Duration::from_millis(random.below(5))),
            1 => What::Delay(Duration::from_millis(random.below(300))),
            3 if self.client != Client::Urlopen => What::Close(at),
            _ => What::Reset(at),
        };
        let breaks = matches!(what, What::Reset(_) | What::Close(_));
        self.client_side.push(Harm {
            which: Which::Get("zip".to_owned()),
            what,
            times: 1,
        });
        if breaks {
            self.must = match (self.kind, self.client.goes_on()) {
                (Kind::Frozen, true) => Must::Succeed,
                // Where it begins anew, it may get all the same.
                _ if self.client.begins_anew() => Must::Either,
                // nginx sees the break, and passes it on.
                _ => Must::Fail,
            };
        }
    }

    /// Something happens to a process or to an object.
    fn happen(&mut self, random: &mut Random) {
        let events = [
            Event::KillServer,
            Event::RestartStore,
            Event::Replace,
            Event::Delete,
            Event::Truncate,
        ];
        let event = random.of(&events);
        let at = random.below(self.objects.len() as u64) as usize;
        let size = self.objects[at].content.len() as u64;
        if size == 0 {
            return;
        }
        self.event = Some((event, at, random.below(size)));
        self.must = match event {
            Event::RestartStore => self.must,
            // How far the client had come by then, and what had been read already, is a matter of timing.
            // To wget, the 502 of an nginx is a last word.
            Event::KillServer
                if self.kind == Kind::Frozen
                    && self.client.goes_on()
                    && !(self.nginx && self.client == Client::Wget) =>
            {
                self.must
            }
            _ => Must::Either,
        };
    }

    /// Harm that nothing mends.
    fn spoil(&mut self, random: &mut Random) {
        let Some((key, size)) = self.some_object(random) else {
            return;
        };
        let at = random.below(size);
        let what = match random.below(5) {
            0 => What::Answer(403, "AccessDenied"),
            1 => What::Answer(400, "ExpiredToken"),
            3 => What::Answer(403, "RequestTimeTooSkewed"),
            2 => What::Flip(at),
            _ => What::Answer(404, "NoSuchKey"),
        };
        self.store_side.push(Harm {
            which: Which::Get(key),
            what,
            times: u32::MAX,
        });
        self.must = Must::Fail;
    }

    fn some_object(&self, random: &mut Random) -> Option<(String, u64)> {
        let object = random.of(&self.objects);
        let size = object.content.len() as u64;
        (size > 0).then_some((object.key, size))
    }
}

/// Few large objects among small ones, and an empty one.
fn objects(random: &mut Random) -> Vec<Planned> {
    let count = 4 + random.below(10);
    (0..count)
        .map(|n| {
            let size = match random.below(6) {
                0 => 0,
                1 => MIB + random.below(3 * MIB),
                2 => MIB,
                _ => 1 + random.below(80 * KIB),
            };
            Planned {
                key: format!("{}/{n:02}.pdf", random.of(&["a", "b", "c"])),
                content: content(random.below(u64::from(u32::MAX)), size),
            }
        })
        .collect()
}

/// Bytes that differ from one seed to the next, and from one place to the next.
pub fn content(seed: u64, size: u64) -> Bytes {
    let mut random = Random::new(seed);
    let words = (0..size.div_ceil(8)).flat_map(|_| random.below(u64::MAX).to_le_bytes());
    words.take(size as usize).collect()
}
