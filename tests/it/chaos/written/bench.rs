//! The parts of a run that writes: a store, a pass-through before it, whoever writes, and what happens meanwhile.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;
use tempfile::TempDir;

use super::maker::{Made, Maker};
use super::plan::{Event, Kind, Plan};
use crate::chaos::bench::holds;
use crate::chaos::place::{Place, Shared};
use crate::chaos::plan::content;
use crate::support::synthetic::faults::Gate;
use crate::support::wire::Wire;

/// Everything that runs.
pub struct Bench {
    pub place: Place,
    pub to_store: Wire,
    pub maker: Maker,
    /// The states that the bucket has had.
    pub states: Vec<State>,
    _home: TempDir,
}

/// A state of the bucket.
pub struct State {
    /// Its archive, as its link has it; that of a manifest's is not asked for.
    pub archive: Option<Bytes>,
    /// The size and the entity tag of each object.
    pub rows: BTreeMap<String, (u64, String)>,
}

impl Bench {
    /// A bucket with the plan's objects, everything running, and the harms in place.
    pub async fn set_up(plan: &Plan, shared: &Shared) -> Bench {
        let home = tempfile::tempdir().expect("a temporary folder");
        let name = format!("written-{}", plan.seed);
        let place = Place::new(shared, plan.software, home.path(), &name).await;
        let to_store = Wire::start(place.endpoint()).await;
        for object in &plan.objects {
            match place.folders() {
                Some((folder, _)) if plan.is_many() => {
                    let path = folder.join(&object.key);
                    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                    fs::write(path, &object.content).expect("a file");
                }
                _ => place.put(&object.key, object.content.clone()).await,
            }
        }
        let maker = Maker::new(plan, &to_store, &place, home.path());
        let mut bench = Bench {
            place,
            to_store,
            maker,
            states: Vec::new(),
            _home: home,
        };
        bench.look(plan).await;
        if let Some(archive) = &bench.states[0].archive {
            holds(archive, &plan.objects);
        }
        for harm in &plan.harms {
            bench.to_store.add(harm.clone());
        }
        bench
    }

    /// Remembers what state the bucket is in.
    async fn look(&mut self, plan: &Plan) {
        let archive = match plan.kind {
            Kind::Package { .. } => self.place.archive(true).await,
            Kind::Manifest => None,
        };
        let mut rows = BTreeMap::new();
        let pages = self.place.s3.list_objects_v2().bucket(&self.place.bucket);
        let mut pages = pages.into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page.expect("a page").contents() {
                let (key, etag) = (object.key().expect("a key"), object.e_tag());
                let size = u64::try_from(object.size().expect("a size")).expect("a size");
                if key.ends_with(".pdf") {
                    let etag = etag.expect("an entity tag").to_owned();
                    rows.insert(key.to_owned(), (size, etag));
                }
            }
        }
        self.states.push(State { archive, rows });
    }

    /// Has it made, and lets happen meanwhile what is to happen.
    pub async fn make(&mut self, plan: &Plan) -> Made {
        let Some((event, moment)) = &plan.event else {
            return self.maker.make().await;
        };
        let gate = Gate::new();
        self.to_store.add(moment.held(&gate));
        let event = *event;
        let of_the_store = !matches!(event, Event::Kill | Event::Stop | Event::CallOff);
        let made = {
            let making = self.maker.make();
            tokio::pin!(making);
            tokio::select! {
                made = &mut making => return made,
                () = gate.reached(1) => {}
            }
            if of_the_store {
                happen(event, plan, &mut self.place, &self.to_store).await;
                gate.open();
                Some(making.await)
            } else {
                None
            }
        };
        if let Some(made) = made {
            self.look(plan).await;
            return made;
        }
        match event {
            Event::Kill => {
                self.maker.kill().await;
                gate.open();
                self.maker.make().await
            }
            Event::Stop => {
                let told = self.maker.stop(|| gate.open()).await;
                match told {
                    Some(made) if made.success => made,
                    _ => self.maker.make().await,
                }
            }
            _ => self.maker.call_off(|| gate.open()).await,
        }
    }

    /// What all sheafs of the run have said.
    pub fn said(&self) -> String {
        self.maker.said()
    }

    /// Gives back what others use too.
    pub async fn clear(self) {
        drop(self.maker);
        self.place.clear().await;
    }
}

/// Something happens to the store or to an object of it.
async fn happen(event: Event, plan: &Plan, place: &mut Place, to_store: &Wire) {
    let victim = &plan.objects[plan.victim];
    match event {
        Event::RestartStore => {
            place.restart();
            to_store.redirect(place.endpoint());
        }
        Event::Replace => {
            let other = content(plan.seed ^ 0xFFFF, victim.content.len() as u64);
            place.put(&victim.key, other).await;
        }
        Event::Delete => place.delete(&victim.key).await,
        Event::Truncate => place.truncate(&victim.key, victim.content.len() as u64 / 2),
        Event::Kill | Event::Stop | Event::CallOff => {}
    }
}
