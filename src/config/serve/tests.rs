//! Who may come in, and what is refused before a socket is opened.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    serve: ServeArgs,
}

fn check(arguments: &[&str], variables: &[(&str, &str)]) -> Result<ServeConfig, ConfigError> {
    let program = Program::parse_from([&["sheaf"], arguments].concat());
    let get = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    program.serve.check(Environment::new(&get))
}

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn without_keys_only_loopback_is_listened_on() {
    for address in ["127.0.0.1:0", "[::1]:8080", "127.8.8.8:1"] {
        assert!(check(&["--listen", address], &[]).is_ok(), "{address}");
    }
    for address in [
        "0.0.0.0:8080",
        "[::]:8080",
        "192.0.2.1:80",
        "[::ffff:192.0.2.1]:80",
    ] {
        let error = check(&["--listen", address], &[]).unwrap_err();
        assert!(
            matches!(error, ConfigError::Open { .. }),
            "{address}: {error}"
        );
        assert!(check(&["--listen", address, "--allow-anonymous"], &[]).is_ok());
        assert!(check(&["--listen", address], &[("SHEAF_API_KEYS", KEY)]).is_ok());
        assert!(check(&["--listen", address], &[("SHEAF_API_KEYS", "")]).is_err());
    }
    assert!(matches!(
        check(&["--listen", "8080"], &[]),
        Err(ConfigError::Listen { .. })
    ));
}

#[test]
fn keys_come_from_the_environment_or_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = file("keys", &format!("{KEY}\n"));
    let empty = file("empty", "\n");
    assert!(
        !check(&[], &[("SHEAF_API_KEYS_FILE", &keys)])
            .unwrap()
            .api_keys
            .is_empty()
    );
    assert!(check(&[], &[]).unwrap().api_keys.is_empty());
    let error = |variables: &[(&str, &str)]| check(&[], variables).unwrap_err();
    assert!(matches!(
        error(&[("SHEAF_API_KEYS_FILE", &empty)]),
        ConfigError::NoKeys { .. }
    ));
    assert!(matches!(
        error(&[("SHEAF_API_KEYS_FILE", "/no/such/file")]),
        ConfigError::SecretFile { .. }
    ));
    assert!(matches!(
        error(&[("SHEAF_API_KEYS_FILE", &keys), ("SHEAF_API_KEYS", KEY)]),
        ConfigError::SecretTwice { .. }
    ));
    let short = error(&[("SHEAF_API_KEYS", "hunter2")]);
    assert!(matches!(
        short,
        ConfigError::ApiKeys {
            variable: "SHEAF_API_KEYS",
            ..
        }
    ));
    assert!(
        !short.to_string().contains("hunter2"),
        "an error never shows a key"
    );
}

#[test]
fn defaults_and_bounds() {
    let config = check(&[], &[]).unwrap();
    assert_eq!(config.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.expires_in, Duration::from_secs(900));
    assert_eq!(config.queue_max, 5000);
    assert_eq!(config.memory_budget, 256 << 20);
    assert_eq!(
        check(&["--memory-budget", "8MiB"], &[])
            .unwrap()
            .memory_budget,
        8 << 20
    );
    assert!(matches!(
        check(&["--memory-budget", "4194303"], &[]),
        Err(ConfigError::MemoryBudget(_))
    ));
    assert_eq!(config.limits.max_connections, 1024);
    assert_eq!(config.limits.header_timeout, Duration::from_secs(10));
    assert_eq!(config.limits.drain, Duration::from_secs(30));
    assert!(config.bucket.is_none() && config.public_url.is_none());
    assert_eq!(
        check(&["--expires-in", "7d"], &[]).unwrap().expires_in,
        presign::LONGEST
    );
    for life in ["0", "8d"] {
        let error = check(&["--expires-in", life], &[]).unwrap_err();
        assert!(matches!(error, ConfigError::Expiry(_)));
    }
    let long = "p".repeat(1025);
    assert!(matches!(
        check(&["--bucket", "abc", "--prefix", &long], &[]),
        Err(ConfigError::Prefix(_))
    ));
    assert!(matches!(
        check(&["--bucket", "a/b"], &[]),
        Err(ConfigError::Bucket(_))
    ));
}

#[test]
fn a_folder_is_the_bucket_named_local() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let local = |more: &[&str]| {
        check(
            &[&["--local", path, "--state-dir", path], more].concat(),
            &[],
        )
    };
    assert_eq!(local(&[]).unwrap().bucket.unwrap().as_str(), "local");
    assert!(matches!(
        local(&["--bucket", "other"]),
        Err(ConfigError::OtherBucket(_))
    ));
    assert!(local(&["--public-url", "https://files.example.org"]).is_ok());
    assert!(matches!(
        local(&["--public-url", "https://example.org/files"]),
        Err(ConfigError::PublicPath { .. })
    ));
    assert!(check(&["--public-url", "https://example.org/files"], &[]).is_ok());
}
