//! Presigned URLs a second on one core: a signer of many against the SDK, in the same run. The URLs are compared.

use std::env;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail, ensure};
use sheaf::store::presign::Subject;
use sheaf::store::{Bucket, Identity, Store, StoreOptions};

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use support::sdk;

/// How many times as many the signer must sign.
const FASTER: f64 = 10.0;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    let urls = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 500_000,
        ["--quick"] => 50_000,
        _ => bail!("the only option is --quick"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(urls))
}

async fn run(urls: usize) -> Result<()> {
    let options = StoreOptions {
        region: Some("eu-central-1".to_owned()),
        identity: Identity::Keys(sdk::credentials("AKIDEXAMPLE", "secret")),
        ..StoreOptions::default()
    };
    let store = Store::connect(&options).await?;
    let bucket = Bucket::new("my-bucket")?;
    let (now, life) = (SystemTime::now(), Duration::from_secs(900));
    let key = |n: usize| format!("reports/2025/{:03}/report {n:07}.pdf", n / 1000);
    let disposition = "attachment; filename=\"report.pdf\"";

    let few = urls / 20;
    let start = Instant::now();
    let mut theirs = Vec::with_capacity(few);
    for n in 0..few {
        let name = Some(disposition.to_owned());
        theirs.push(
            store
                .presign_get(&bucket, &key(n), None, now, life, name)
                .await?,
        );
    }
    let sdk = few as f64 / start.elapsed().as_secs_f64();

    let start = Instant::now();
    let signer = store.signer(&bucket, now, life).await?;
    let mut bytes = 0;
    for n in 0..urls {
        let url = signer
            .url(&Subject {
                key: &key(n),
                version: None,
                disposition: Some(disposition),
            })
            .await?;
        bytes += url.len();
        ensure!(
            theirs.get(n).is_none_or(|theirs| *theirs == url),
            "{url} is not the SDK's"
        );
    }
    let ours = urls as f64 / start.elapsed().as_secs_f64();
    println!(
        "presigned URLs a second on one core, of {} bytes",
        bytes / urls
    );
    println!("  SDK    {sdk:9.0}");
    println!("  signer {ours:9.0}   {:.1} times as many", ours / sdk);
    ensure!(ours >= FASTER * sdk, "less than {FASTER} times as many");
    Ok(())
}
