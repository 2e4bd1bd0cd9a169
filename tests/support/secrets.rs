//! What no log and no error may hold, looked for wherever a process of ours speaks.
//!
//! A [`Secrets`] knows those of one process: what stands in its environment and its state folder. What tests send as
//! credentials ([`sent`]) is everybody's: it must be nowhere. Beside these, whatever has the form of a presigned URL or of a
//! link's token is a secret.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// What is shorter is in many texts by chance.
const SHORTEST: usize = 8;

/// Parts of presigned URLs that grant something. The credential's name and date alone do not, and the session token is
/// known by its value too.
const PARTS: [&str; 3] = [
    "X-Amz-Signature=",
    "x-amz-signature=",
    "X-Amz-Security-Token=",
];

/// Lengths of a link's token, in characters.
const TOKEN: std::ops::RangeInclusive<usize> = 52..=72;

/// What a token of a link begins with.
const VERSION: u8 = 1;

/// Credentials that tests of this binary sent.
static SENT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Takes note of the credentials of a request: API keys, passphrases.
pub fn sent(headers: &[(&str, &str)], body: &[u8]) {
    let mut found = Vec::new();
    for (name, value) in headers {
        match (name.to_ascii_lowercase().as_str(), value.split_once(' ')) {
            ("authorization", Some((scheme, key))) if scheme.eq_ignore_ascii_case("bearer") => {
                found.push(key.trim().to_owned());
            }
            ("authorization", Some((scheme, pair))) if scheme.eq_ignore_ascii_case("basic") => {
                let pair = STANDARD.decode(pair.trim()).unwrap_or_default();
                let pair = String::from_utf8_lossy(&pair).into_owned();
                found.extend(
                    pair.split_once(':')
                        .map(|(_, password)| password.to_owned()),
                );
            }
            ("sheaf-passphrase", _) => found.push((*value).to_owned()),
            _ => {}
        }
    }
    // Large bodies are lists of keys.
    if body.len() < 1 << 16
        && let Ok(Value::Object(fields)) = serde_json::from_slice(body)
        && let Some(passphrase) = fields.get("passphrase").and_then(Value::as_str)
    {
        found.push(passphrase.to_owned());
    }
    found.retain(|secret| secret.trim().len() >= SHORTEST);
    if !found.is_empty() {
        let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend(found);
    }
}

/// The secrets of one process.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    known: Vec<String>,
    state: Option<PathBuf>,
}

impl Secrets {
    /// Those that a command is given.
    pub fn of(command: &Command) -> Secrets {
        let mut secrets = Secrets::default();
        for (name, value) in command.get_envs() {
            let value = value.unwrap_or_default().to_string_lossy();
            match name.to_str().unwrap_or_default() {
                "SHEAF_API_KEYS" => secrets.keys(&value),
                "SHEAF_API_KEYS_FILE" => secrets.keys(&read(OsStr::new(&*value))),
                "SHEAF_LINK_KEYS" => secrets.pairs(&value),
                "SHEAF_STATE_DIR" => secrets.state = Some(PathBuf::from(&*value)),
                "SHEAF_QUEUE" => secrets.password(&value),
                "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" | "SHEAF_LINK_PASSPHRASE" => {
                    secrets.add(&value);
                }
                _ => {}
            }
        }
        let arguments: Vec<&OsStr> = command.get_args().collect();
        for pair in arguments.windows(2) {
            match pair[0].to_str().unwrap_or_default() {
                "--passphrase-file" => secrets.add(read(pair[1]).trim()),
                "--queue" => secrets.password(&pair[1].to_string_lossy()),
                "--state-dir" => secrets.state = Some(PathBuf::from(pair[1])),
                _ => {}
            }
        }
        secrets
    }

    /// The text may hold none of them.
    ///
    /// # Panics
    /// Where it does, with a bit of what stands around it.
    pub fn are_not_in(&self, text: &str, whose: &str) {
        let mut secrets = self.clone();
        secrets.at_rest();
        let sent = SENT.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = secrets.known.iter().chain(&sent).map(String::as_str);
        let found = known
            .chain(PARTS)
            .filter_map(|secret| Some((text.find(secret)?, secret)))
            .chain(token(text))
            .min();
        if let Some((at, secret)) = found {
            let from = text.floor_char_boundary(at.saturating_sub(200));
            let to = text.ceil_char_boundary((at + secret.len() + 100).min(text.len()));
            panic!("{whose} tells a secret, {secret:?}: …{}…", &text[from..to]);
        }
    }

    /// What it keeps in its state folder, by now.
    fn at_rest(&mut self) {
        let Some(state) = self.state.clone() else {
            return;
        };
        self.pairs(&read(state.join("link-keys").as_os_str()));
        let credentials = read(state.join("embedded/credentials.json").as_os_str());
        let credentials: Value = serde_json::from_str(&credentials).unwrap_or_default();
        self.add(credentials["secret_key"].as_str().unwrap_or_default());
    }

    /// API keys in a list. A line that holds a hash is no secret.
    fn keys(&mut self, list: &str) {
        for key in list.split([',', '\n']) {
            if !key.contains(":sha256:") {
                self.add(key.trim());
            }
        }
    }

    /// Keys with ids: `id:hex,…`.
    fn pairs(&mut self, list: &str) {
        for pair in list.split([',', '\n']) {
            if let Some((_, key)) = pair.trim().split_once(':') {
                self.add(key);
            }
        }
    }

    /// The password of a URL.
    fn password(&mut self, text: &str) {
        let url = url::Url::parse(text).ok();
        if let Some(password) = url.as_ref().and_then(url::Url::password) {
            self.add(password);
        }
    }

    fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.known.push(secret.to_owned());
        }
    }
}

/// The first word that is a link's token, and where it stands.
fn token(text: &str) -> Option<(usize, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| TOKEN.contains(&word.len()))
        .find(|word| {
            URL_SAFE_NO_PAD
                .decode(word)
                .is_ok_and(|bytes| bytes.first() == Some(&VERSION))
        })
        .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

fn read(path: &OsStr) -> String {
    fs::read_to_string(Path::new(path)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let mut command = Command::new("sheaf");
        command
            .args(["worker", "--queue", "postgres://me:a-password@host/db"])
            .env(
                "SHEAF_API_KEYS",
                "portal:sha256:00ff00ff,a-key-in-clear-0123",
            )
            .env("SHEAF_LINK_KEYS", "a:0011223344556677,b:8899aabbccddeeff")
            .env("AWS_SECRET_ACCESS_KEY", "a-secret-access-key");
        command
    }

    fn tells(text: &str) -> bool {
        let secrets = Secrets::of(&command());
        std::panic::catch_unwind(|| secrets.are_not_in(text, "it")).is_err()
    }

    #[test]
    fn secrets_are_found_wherever_they_stand() {
        let link = URL_SAFE_NO_PAD.encode([&[VERSION][..], &[7; 40]].concat());
        for secret in [
            "a-password",
            "a-key-in-clear-0123",
            "0011223344556677",
            "8899aabbccddeeff",
            "a-secret-access-key",
            "GET /local/a.pdf?X-Amz-Signature=00",
            &format!("GET /d/{link}/a.zip"),
            &link,
        ] {
            assert!(
                tells(&format!("{{\"a\":\"b\"}}\n{{\"c\":\"{secret}\"}}\n")),
                "{secret}"
            );
        }
        for harmless in [
            "",
            "portal:sha256:00ff00ff",
            "GET /d/-/a.zip",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "0b6f0d0e-52a3-4a5f-9d3e-0a3c1f2b4d5e",
        ] {
            assert!(!tells(harmless), "{harmless}");
        }
    }

    #[test]
    fn what_was_sent_is_nobodys_to_tell() {
        let basic = STANDARD.encode("me:the passphrase of a test");
        sent(
            &[
                ("authorization", &format!("Basic {basic}")),
                ("Authorization", "Bearer a-key-that-was-sent"),
            ],
            br#"{"passphrase": "another passphrase of a test"}"#,
        );
        for secret in [
            "the passphrase of a test",
            "a-key-that-was-sent",
            "another passphrase of a test",
        ] {
            assert!(tells(secret), "{secret}");
        }
    }
}
