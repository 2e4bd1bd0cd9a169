//! Real clients resume a link's archive after cuts, on another replica too.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::links::{create, replica_of};
use crate::support::server::Server;
use crate::support::synthetic::faults::{Gate, Mishap, Rule};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::tools::tool;

const MIB: u64 = 1 << 20;

/// Objects of both forms, of which the store claims some checksums.
fn objects() -> Vec<SyntheticObject> {
    let small = (0..20).map(|n| SyntheticObject::new(format!("a/{n}.pdf"), 30_000 + n));
    let described = (0..3).map(|n| SyntheticObject::new(format!("b/{n}.pdf"), 3 * MIB + n));
    let known = (0..3).map(|n| {
        SyntheticObject::new(format!("c/{n}.pdf"), 2 * MIB + n).checksum(Checksum::FullObject)
    });
    small.chain(described).chain(known).collect()
}

async fn run(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.unwrap().unwrap()
}

/// Downloads in two goes: the first server is killed when it has come to a place in an object, another goes on.
async fn resumed(program: &str, arguments: fn(&Path, &str) -> Vec<String>) {
    let Some(program) = tool(program) else { return };
    let store = Synthetic::start(objects(), Options::default()).await;
    let first = Server::over(&store.endpoint());
    let link = create(&first, &json!({})).await;
    let reference = replica_of(&first, &store).get(&link.path).await.body;
    assert_eq!(reference.len() as u64, link.bytes);
    let folder = tempfile::tempdir().unwrap();
    for (round, (key, at)) in [
        ("b/0.pdf", 5),
        ("b/1.pdf", 2 * MIB),
        ("c/2.pdf", 2 * MIB),
        ("a/7.pdf", 1000),
    ]
    .into_iter()
    .enumerate()
    {
        let file = folder.path().join(format!("{round}.zip"));
        let gate = Gate::new();
        store
            .faults()
            .add(Rule::body(key, at, Mishap::Hold(gate.clone())).times(1));
        let doomed = replica_of(&first, &store);
        let mut command = Command::new(&program);
        command.args(arguments(&file, &format!("{}{}", doomed.url, link.path)));
        let cut = tokio::spawn(run(command));
        gate.reached(1).await;
        drop(doomed);
        let output = cut.await.unwrap();
        assert!(
            !output.status.success(),
            "a cut must not go unnoticed: {output:?}"
        );
        let had = fs::metadata(&file).map_or(0, |file| file.len());
        assert!(had < link.bytes);
        store.faults().clear();

        let second = replica_of(&first, &store);
        let mut command = Command::new(&program);
        command.args(arguments(&file, &format!("{}{}", second.url, link.path)));
        let output = run(command).await;
        assert!(output.status.success(), "{output:?}");
        assert!(fs::read(&file).unwrap() == reference, "{key} at {at}");
        let partial = second.log().iter().any(|line| line["status"] == 206);
        assert!(partial || had == 0, "it went on where it was cut off");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wget_resumes_on_another_replica() {
    resumed("wget", |file, url| {
        let file = file.to_str().unwrap();
        ["-q", "-c", "--tries=1", "-O", file, url]
            .map(str::to_owned)
            .to_vec()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_resumes_on_another_replica() {
    resumed("curl", |file, url| {
        let file = file.to_str().unwrap();
        ["-sSf", "-C", "-", "-o", file, url]
            .map(str::to_owned)
            .to_vec()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_downloads_a_cold_link_in_eight_ranges() {
    let Some(aria2) = tool("aria2c") else { return };
    let store = Synthetic::start(objects(), Options::default()).await;
    let server = Server::over(&store.endpoint());
    let link = create(&server, &json!({})).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(aria2);
    command
        .args([
            "-q",
            "--no-conf",
            "-x8",
            "-s8",
            "-k1M",
            "-o",
            "out.zip",
            "-d",
        ])
        .arg(folder.path())
        .arg(&link.zip_url);
    let output = run(command).await;
    assert!(output.status.success(), "{output:?}");
    let ranges = server
        .log()
        .iter()
        .filter(|line| line["status"] == 206)
        .count();
    assert!(ranges >= 7, "{ranges}");
    let whole = server.get(&link.path).await.body;
    assert!(fs::read(folder.path().join("out.zip")).unwrap() == whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn wget_names_the_file_by_its_url() {
    let Some(wget) = tool("wget") else { return };
    let server = Server::local();
    server.drop_in("Berichte & mehr/a.pdf", "x");
    let link = create(&server, &json!({"prefix": "Berichte & mehr/"})).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(wget);
    command
        .args(["-q", &link.zip_url])
        .current_dir(folder.path());
    assert!(run(command).await.status.success());
    assert!(folder.path().join("Berichte & mehr.zip").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn presigned_lists_work_in_the_programs_they_are_for() {
    let server = Server::local();
    server.drop_in("r/a.pdf", "first");
    server.drop_in("r/b/ü x.pdf", "second");
    let link = create(&server, &json!({"prefix": "r/"})).await;
    let page = link.answer["page_url"].as_str().unwrap();
    let lists: [(&str, &str, &[&str]); 3] = [
        ("wget", "urls", &["-q", "--content-disposition", "-i"]),
        ("aria2c", "aria2", &["-q", "--no-conf", "-i"]),
        ("curl", "curl", &["-sSf", "-K"]),
    ];
    for (program, style, arguments) in lists {
        let Some(program) = tool(program) else {
            continue;
        };
        let target = format!(
            "/d{}/manifest.jsonl?as={style}",
            page.rsplit_once("/d").unwrap().1
        );
        let list = server.get(&target).await;
        assert_eq!(list.status, 200);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("list"), &list.body).unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("list")
            .current_dir(folder.path());
        let output = run(command).await;
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fs::read(folder.path().join("a.pdf")).unwrap(), b"first");
        let second = if style == "urls" {
            "ü x.pdf"
        } else {
            "b/ü x.pdf"
        };
        // wget writes the name as the header has it, by its own rules for characters.
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        if style != "urls" {
            assert_eq!(
                fs::read(folder.path().join(second)).unwrap(),
                b"second",
                "{names:?}"
            );
        }
        assert_eq!(names.len(), 3, "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_makes_folders_whichever_file_comes_first() {
    let Some(curl) = tool("curl") else { return };
    // No client would ask for the first one under its name: it is left out.
    let objects = ["./a.pdf", "b/c.pdf"].map(|key| SyntheticObject::new(key, 20));
    let store = Synthetic::start(objects.to_vec(), Options::default()).await;
    let server = Server::over(&store.endpoint());
    let link = create(&server, &json!({"prefix": ""})).await;
    let page = link.answer["page_url"].as_str().unwrap();
    let (_, page) = page.rsplit_once("/d").unwrap();
    let list = server
        .get(&format!("/d{page}/manifest.jsonl?as=curl"))
        .await;
    assert_eq!(list.status, 200);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("list"), &list.body).unwrap();
    let mut command = Command::new(curl);
    command
        .args(["-sSf", "-K", "list"])
        .current_dir(folder.path());
    let output = run(command).await;
    assert!(output.status.success(), "{output:?}");
    let came = fs::read(folder.path().join("b/c.pdf")).unwrap();
    assert_eq!(came.len(), 20);
}
