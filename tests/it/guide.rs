//! The pages for whoever runs sheaf, held against the code: what they name is there, and what is there they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::problem::kinds;
use crate::support::server::Server;
use crate::support::tools::tool;

const RUNBOOK: &str = include_str!("../../src/guide/runbook.md");
const THREATS: &str = include_str!("../../src/guide/threats.md");
const UNIT: &str = include_str!("../../src/guide/sheaf.service");

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// What stands in backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of the tables below a heading, as cells.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let (_, section) = page.split_once(heading).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| row.split('|').map(str::trim).collect())
        .skip(1)
        .collect()
}

/// The first cells of a table, without their backticks.
fn named(heading: &str) -> BTreeSet<String> {
    let rows = rows(RUNBOOK, heading);
    let names = rows.iter().map(|row| row[0].trim_matches('`').to_owned());
    names.collect()
}

#[test]
fn the_runbook_has_every_metric_and_no_other() {
    let code = include_str!("../../src/measure.rs");
    let counted: BTreeSet<String> = code
        .split('"')
        .filter(|text| text.starts_with("sheaf_") && !text.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect();
    assert!(counted.len() > 10);
    assert_eq!(named("## Metrics\n"), counted);
    // What an alert asks for is counted; a histogram has further names.
    for name in RUNBOOK.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let name = name.strip_suffix("_bucket").unwrap_or(name);
        if name.starts_with("sheaf_") {
            assert!(named("## Metrics\n").contains(name), "{name}");
        }
    }
}

#[test]
fn the_runbook_has_every_problem_and_no_other() {
    let problems: BTreeSet<String> = kinds().into_iter().collect();
    assert_eq!(named("## Problems\n"), problems);
    for row in rows(RUNBOOK, "## Problems\n") {
        let name = row[0].trim_matches('`');
        let kind = sheaf::http::problem::kinds::of(name).expect("a kind");
        assert_eq!(row[1], kind.status.to_string(), "{name}");
    }
    assert_eq!(
        named("## Exit codes\n").into_iter().collect::<String>(),
        "012"
    );
}

#[test]
fn alerts_are_rules_that_prometheus_takes() {
    let Some(promtool) = tool("promtool") else {
        return;
    };
    let (_, rules) = RUNBOOK.split_once("```yaml\n").expect("rules");
    let rules = rules.split("```").next().unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).unwrap();
    let checked = Command::new(promtool)
        .args(["check", "rules"])
        .arg(file)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let folder = source().join("src/guide");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let page = fs::read_to_string(&path).unwrap();
        for link in page.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => fs::read_to_string(folder.join(file))
                    .unwrap_or_else(|error| panic!("{link}: {error}")),
            };
            let mut headings = target.lines().filter(|line| line.starts_with('#'));
            let is_there = heading.is_empty() || headings.any(|line| anchor(line) == heading);
            assert!(is_there, "{}: {link}", path.display());
        }
    }
}

/// What leads to a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches(['#', ' ']).to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().replace(' ', "-")
}

/// All of the sources and tests.
fn code() -> String {
    let (mut code, mut open) = (
        String::new(),
        vec![source().join("src"), source().join("tests")],
    );
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    code
}

#[test]
fn what_stops_an_attack_is_there_and_tested() {
    let code = code();
    let rows = rows(THREATS, "## Doors, and what stands in them");
    let tables = rows.iter().filter(|row| row.len() >= 3);
    let mut tests = 0;
    for test in tables.flat_map(|row| quoted(row[2])) {
        let name = test.rsplit("::").next().unwrap_or_default();
        let is_there =
            code.contains(&format!("fn {name}(")) || code.contains(&format!("mod {name}"));
        assert!(is_there, "no test {test}");
        tests += 1;
    }
    assert!(tests > 30, "{tests}");
}

/// The settings of the unit's variables, with these folders in place of its own.
fn variables(state: &Path, credentials: &Path) -> Vec<(String, String)> {
    let lines = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    let settings = lines.map(|line| line.split_once('=').expect("a value"));
    settings
        .map(|(name, value)| {
            let value = value
                .replace("%S", state.to_str().expect("text"))
                .replace("%d", credentials.to_str().expect("text"));
            (name.to_owned(), value)
        })
        .collect()
}

#[test]
fn a_server_starts_as_the_unit_has_it() {
    let help = Command::new(env!("CARGO_BIN_EXE_sheaf"))
        .args(["serve", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let readme = fs::read_to_string(source().join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    for (name, text) in [
        ("api-keys", "a-key-that-is-long-enough\n"),
        ("link-keys", "first:000102030405060708090a0b0c0d0e0f\n"),
        (
            "aws",
            "[default]\naws_access_key_id = a\naws_secret_access_key = b\n",
        ),
    ] {
        assert!(UNIT.contains(&format!("LoadCredential={name}:/etc/sheaf/{name}")));
        fs::write(credentials.join(name), text).unwrap();
    }
    let command_line = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words = command_line.expect("a command").split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/sheaf"));
    assert_eq!(words.next(), Some("serve"));
    let arguments: Vec<&str> = words.collect();
    let set = variables(folder.path(), &credentials);
    for (name, _) in &set {
        let known = help.contains(name.as_str()) || readme.contains(name.as_str());
        assert!(known || name == "AWS_SHARED_CREDENTIALS_FILE", "{name}");
    }
    let server = Server::with(|command, _| {
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .args(&arguments)
            .envs(set)
            .env("SHEAF_LISTEN", "127.0.0.1:0")
            .env("SHEAF_ADMIN_LISTEN", "127.0.0.1:0");
    });
    assert!(server.url.starts_with("http://127.0.0.1:"));
    assert!(folder.path().join("sheaf/jobs.sqlite").exists());
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let Some(analyze) = tool("systemd-analyze") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("sheaf.service");
    // It asks whether the program is there.
    let text = UNIT.replace("/usr/local/bin/sheaf", env!("CARGO_BIN_EXE_sheaf"));
    fs::write(&unit, text).unwrap();
    let verified = Command::new(&analyze)
        .arg("verify")
        .arg(&unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.is_empty(), "{said}");
    // Of 10, where 10 is a service that may do everything.
    let looked = Command::new(&analyze)
        .args(["security", "--offline=true", "--threshold=20"])
        .arg(&unit)
        .output()
        .unwrap();
    assert!(looked.status.success(), "{looked:?}");
}
