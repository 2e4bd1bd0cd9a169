//! What a process holds, looked at now and then, and drawn when it is over.

use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::task::AbortOnDropHandle;

/// Of the drawings, in characters.
const COLUMNS: usize = 60;
const ROWS: usize = 8;

/// How long what was open may take to close.
const CLOSING: Duration = Duration::from_secs(150);

/// One look.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Bytes.
    resident: u64,
    /// Those of them that are of no file.
    anonymous: u64,
    threads: u64,
    descriptors: u64,
    /// Those of them that are sockets.
    sockets: u64,
    /// Those of them that are the database of jobs, to which a few connections stay open once they were needed.
    database: u64,
}

impl Look {
    /// What must be closed in the end.
    fn open(&self, sockets_too: bool) -> u64 {
        let sockets = if sockets_too { 0 } else { self.sockets };
        self.descriptors - self.database - sockets
    }
}

/// A process that is looked at.
#[derive(Debug)]
pub struct Watch {
    name: &'static str,
    process: u32,
    looks: Arc<Mutex<Vec<Look>>>,
    looking: AbortOnDropHandle<()>,
}

impl Watch {
    /// Looks at once, and then so often.
    pub fn start(name: &'static str, process: u32, every: Duration) -> Result<Watch> {
        let looks = Arc::new(Mutex::new(vec![look(process)?]));
        let into = looks.clone();
        let looking = tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // It ends with the run.
                let Ok(look) = look(process) else { return };
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(look);
            }
        });
        Ok(Watch {
            name,
            process,
            looks,
            looking: AbortOnDropHandle::new(looking),
        })
    }

    /// Looks no more, and fails unless as much is open as in the beginning; of sockets that is asked only with `sockets_too`.
    /// The drawings.
    pub async fn end(&mut self, sockets_too: bool) -> Result<String> {
        self.looking.abort();
        let looks = self
            .looks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let first = looks[0];
        let start = Instant::now();
        let last = loop {
            let last = look(self.process)?;
            let is_back = last.open(sockets_too) <= first.open(sockets_too);
            if is_back || start.elapsed() > CLOSING {
                break last;
            }
            sleep(Duration::from_millis(200)).await;
        };
        let of = |value: fn(&Look) -> f64| looks.iter().map(value).collect::<Vec<f64>>();
        let threads = looks.iter().map(|look| look.threads).max();
        let drawn = [
            format!(
                "{}: resident size in MiB; afterwards {:.1}, of which {:.1} are of no file",
                self.name,
                mib(last.resident),
                mib(last.anonymous)
            ),
            draw(&of(|look| mib(look.resident))),
            format!("{}: of no file, in MiB", self.name),
            draw(&of(|look| mib(look.anonymous))),
            format!(
                "{}: open descriptors; {} before, {} afterwards; threads {} before, {} at the most, {} afterwards",
                self.name,
                first.descriptors,
                last.descriptors,
                first.threads,
                threads.unwrap_or_default(),
                last.threads
            ),
            draw(&of(|look| look.descriptors as f64)),
        ];
        let drawn = drawn.join("\n");
        let (before, now) = (first.open(sockets_too), last.open(sockets_too));
        ensure!(
            now <= before,
            "{drawn}\n{}: {now} are open, and {before} were: {:?}",
            self.name,
            descriptors(self.process)?
        );
        Ok(drawn)
    }
}

/// What was seen last.
impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        // The first look was taken when it began.
        let last = looks[looks.len() - 1];
        write!(
            f,
            "{}: {:.1} MiB resident, {:.1} of no file, {} descriptors, {} threads",
            self.name,
            mib(last.resident),
            mib(last.anonymous),
            last.descriptors,
            last.threads
        )
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn look(process: u32) -> Result<Look> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.with_context(|| format!("no {name}"))
    };
    let open = descriptors(process)?;
    let count = |is: fn(&str) -> bool| open.iter().filter(|to| is(to)).count() as u64;
    Ok(Look {
        resident: number("VmRSS:")? * 1024,
        anonymous: number("RssAnon:")? * 1024,
        threads: number("Threads:")?,
        descriptors: open.len() as u64,
        sockets: count(|to| to.starts_with("socket:")),
        database: count(|to| to.contains("/jobs.sqlite")),
    })
}

/// What each open descriptor leads to.
fn descriptors(process: u32) -> Result<Vec<String>> {
    let open = fs::read_dir(format!("/proc/{process}/fd"))?;
    // One may be closed meanwhile.
    let leads = open
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    Ok(leads.map(|to| to.display().to_string()).collect())
}

/// Values over time, as columns of the largest value that each stands for, from 0 up.
fn draw(values: &[f64]) -> String {
    let columns: Vec<f64> = (0..COLUMNS.min(values.len()))
        .map(|column| {
            let at = |column: usize| column * values.len() / COLUMNS.min(values.len());
            let part = &values[at(column)..at(column + 1)];
            part.iter().copied().fold(0.0, f64::max)
        })
        .collect();
    let most = columns.iter().copied().fold(1.0, f64::max);
    let line = |row: usize| {
        let from = (ROWS - 1 - row) as f64 / ROWS as f64 * most;
        let marks = columns
            .iter()
            .map(|value| if *value > from { '#' } else { ' ' });
        let label = match row {
            0 => format!("{most:.0}"),
            _ => String::new(),
        };
        let line = format!("{label:>6} |{}", marks.collect::<String>());
        line.trim_end().to_owned()
    };
    let mut lines: Vec<String> = (0..ROWS).map(line).collect();
    lines.push(format!("{:>6} +{}", 0, "-".repeat(columns.len())));
    lines.join("\n")
}
