//! SIGHUP without TLS: a service goes on, and a server whose terminal is closed stops in good order.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::client;
use crate::support::process::Started;
use crate::support::server::{Server, sheaf};
use crate::support::tools::tool;
use crate::support::wait::eventually;

/// Runs its arguments at a terminal of their own, which is closed when this ends. Tests may run where the signal is ignored,
/// as below `nohup`, and what is ignored stays so in every program that is started.
const TERMINAL: &str = "import pty, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
pty.spawn(sys.argv[1:])";

/// The outer shell ends with its terminal, whereupon the system tells all that run in the foreground. The inner one stays to
/// say how the server ended.
const SHELL: &str = r#"(trap '' HUP; "$0" serve --local bucket 2>log; echo $? >ended.new; mv ended.new ended); exit"#;

#[tokio::test]
async fn a_service_goes_on_and_says_that_there_is_nothing_to_read() {
    let mut server = Server::local();
    server.signal("HUP");
    let told = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message == "SIGHUP: without TLS there is nothing to read again"
    };
    server.logged(told).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    server.signal("TERM");
    assert_eq!(server.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_server_whose_terminal_is_closed_stops_in_good_order() {
    let Some(python) = tool("python3") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("bucket")).unwrap();
    let program = sheaf(home.path());
    let variables = program.get_envs();
    let mut terminal = Command::new(python);
    terminal
        .args(["-c", TERMINAL, "sh", "-c", SHELL])
        .arg(program.get_program())
        .current_dir(home.path())
        .env_clear()
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .env("SHEAF_LISTEN", "127.0.0.1:0");
    let mut terminal = Started::new(&mut terminal).unwrap();
    let line: Value = serde_json::from_str(&terminal.line).unwrap();
    let url = format!("{}/healthz", line["listening"].as_str().unwrap());
    let answer = client::fetch("GET", &url, &[]).await.unwrap();
    assert_eq!(answer.status, 200);
    terminal.child().kill().unwrap();
    let ended = home.path().join("ended");
    let code = eventually("the end of the server", || fs::read_to_string(&ended).ok()).await;
    let said = fs::read_to_string(home.path().join("log")).unwrap();
    assert_eq!(code, "0\n", "{said}");
    assert!(said.contains("draining"), "{said}");
}
