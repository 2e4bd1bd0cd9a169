//! What became of the deeds, by kind.

use std::collections::BTreeMap;
use std::fmt;

use super::deeds::{Deed, Ended};

/// How many of a kind ended how.
#[derive(Debug, Default)]
struct Counts {
    whole: u64,
    left: u64,
    failed: u64,
}

/// All of them. Shown as a table.
#[derive(Debug, Default)]
pub struct Tally {
    kinds: BTreeMap<String, Counts>,
    bytes: u64,
    /// Programs that are not here.
    missing: u64,
    /// Why some failed, and said so.
    reasons: Vec<String>,
}

impl Tally {
    /// Counts one.
    pub fn note(&mut self, deed: Deed, ended: Ended) {
        let counts = self.kinds.entry(deed.name()).or_default();
        match ended {
            Ended::Whole(bytes) => {
                counts.whole += 1;
                self.bytes += bytes;
            }
            Ended::Left => counts.left += 1,
            Ended::Failed(why) => {
                counts.failed += 1;
                self.reasons.push(format!("{}: {why}", deed.name()));
            }
            Ended::NotInstalled => self.missing += 1,
        }
    }

    /// Counts what another has counted.
    pub fn add(&mut self, other: Tally) {
        for (name, counts) in other.kinds {
            let sum = self.kinds.entry(name).or_default();
            sum.whole += counts.whole;
            sum.left += counts.left;
            sum.failed += counts.failed;
        }
        self.bytes += other.bytes;
        self.missing += other.missing;
        self.reasons.extend(other.reasons);
    }

    /// All that ended, in whatever way.
    pub fn done(&self) -> u64 {
        let counts = self.kinds.values();
        counts
            .map(|counts| counts.whole + counts.left + counts.failed)
            .sum()
    }

    /// Those that failed, and said so.
    pub fn failed(&self) -> u64 {
        self.kinds.values().map(|counts| counts.failed).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} whole  left off  failed", "")?;
        for (name, counts) in &self.kinds {
            let Counts {
                whole,
                left,
                failed,
            } = counts;
            writeln!(f, "{name:<28} {whole:>5} {left:>9} {failed:>7}")?;
        }
        write!(
            f,
            "{} altogether, {:.2} GB compared; {} programs that are not installed here",
            self.done(),
            self.bytes as f64 / 1e9,
            self.missing
        )?;
        for reason in self.reasons.iter().take(20) {
            write!(f, "\n  {reason}")?;
        }
        Ok(())
    }
}
