//! A download that stands still in its middle until the test lets it go on: two large objects, the first of which is
//! held by a gate in the store.

use bytes::Bytes;

use super::server::Server;
use super::synthetic::faults::{Gate, Mishap, Rule};
use super::synthetic::object::SyntheticObject;
use super::synthetic::{Options, Synthetic};

/// The object that is held.
pub const FIRST: &str = "first.pdf";

/// The object behind it.
pub const SECOND: &str = "second.pdf";

/// Of each of them, in bytes: from the middle of the first, the second is out of reach of what is read ahead.
pub const SIZE: u64 = 16 << 20;

/// Where the first one is held: so much is read ahead at once, also for a client that does not read.
pub const MIDDLE: u64 = 3 << 16;

/// The memory budget: one download has half of it.
const BUDGET: [&str; 2] = ["--memory-budget", "4MiB"];

/// The path of the archive that holds both.
pub const PATH: &str = "/v1/zip?filename=both.zip";

/// The name under which downloaders save it.
pub const NAME: &str = "both.zip";

/// A store with both objects, and a server over it.
#[derive(Debug)]
pub struct Halfway {
    pub store: Synthetic,
    pub server: Server,
    /// The archive, whole.
    pub whole: Bytes,
}

impl Halfway {
    /// Starts both, and downloads the archive once.
    pub async fn start() -> Halfway {
        Halfway::start_with(&[]).await
    }

    /// Starts both, the server with these arguments.
    pub async fn start_with(arguments: &[&str]) -> Halfway {
        let objects = [FIRST, SECOND].map(|key| SyntheticObject::new(key, SIZE));
        let store = Synthetic::start(objects, Options::default()).await;
        let arguments = [&BUDGET[..], arguments].concat();
        let server = Server::over_with(&store.endpoint(), &arguments);
        let answer = server.get(PATH).await;
        assert_eq!(answer.status, 200);
        Halfway {
            store,
            server,
            whole: answer.body,
        }
    }

    /// The archive's URL.
    pub fn url(&self) -> String {
        format!("{}{PATH}", self.server.url)
    }

    /// Puts both objects back, and holds the next `downloads` at byte `at` of the first.
    pub fn hold(&self, at: u64, downloads: u32) -> Gate {
        for key in [FIRST, SECOND] {
            self.store.put(SyntheticObject::new(key, SIZE));
        }
        self.store.faults().clear();
        let gate = Gate::new();
        let rule = Rule::body(FIRST, at, Mishap::Hold(gate.clone()));
        self.store.faults().add(rule.times(downloads));
        gate
    }

    /// Waits until a download is in the middle, then takes the second object away and lets the download go on.
    pub async fn lose_the_second(&self, gate: &Gate) {
        gate.reached(1).await;
        self.store.remove(SECOND);
        gate.open();
    }
}
