//! Which option goes before which, and what is refused.

use super::*;

fn check(args: StoreArgs, variables: &[(&str, &str)]) -> Result<StoreConfig, ConfigError> {
    let get = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    args.check(Environment::new(&get))
}

#[test]
fn endpoints_have_an_order() {
    let with_flag = StoreArgs {
        endpoint_url: Some("http://flag:1".to_owned()),
        ..StoreArgs::default()
    };
    let both = [
        ("AWS_ENDPOINT_URL", "http://all:1"),
        ("AWS_ENDPOINT_URL_S3", "http://s3:1"),
    ];
    let endpoint =
        |args, variables: &[(&str, &str)]| check(args, variables).unwrap().options.endpoint;
    assert_eq!(endpoint(with_flag, &both).as_deref(), Some("http://flag:1"));
    assert_eq!(
        endpoint(StoreArgs::default(), &both).as_deref(),
        Some("http://s3:1")
    );
    assert_eq!(
        endpoint(StoreArgs::default(), &both[..1]).as_deref(),
        Some("http://all:1")
    );
    let ignored = [both[0], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
    assert_eq!(endpoint(StoreArgs::default(), &ignored), None);
    assert_eq!(
        endpoint(StoreArgs::default(), &[("AWS_ENDPOINT_URL", "")]),
        None
    );
}

#[test]
fn endpoints_are_urls() {
    for text in [
        "localhost:9000",
        "ftp://x",
        "http://",
        "http://u:p@x",
        "http://x?y",
    ] {
        let args = StoreArgs {
            endpoint_url: Some(text.to_owned()),
            ..StoreArgs::default()
        };
        let error = check(args, &[]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("--endpoint-url (S3_ENDPOINT_URL): "),
            "{text}"
        );
    }
}

#[test]
fn addressing_styles() {
    let style = |path_style, virtual_hosted, addressing_style| {
        let args = StoreArgs {
            path_style,
            virtual_hosted,
            addressing_style,
            ..StoreArgs::default()
        };
        check(args, &[]).unwrap().options.path_style
    };
    assert_eq!(style(false, false, AddressingStyle::Auto), None);
    assert_eq!(style(false, false, AddressingStyle::Path), Some(true));
    assert_eq!(style(false, false, AddressingStyle::Virtual), Some(false));
    assert_eq!(
        style(true, false, AddressingStyle::Virtual),
        Some(true),
        "the flag goes first"
    );
    assert_eq!(style(false, true, AddressingStyle::Path), Some(false));
}

#[test]
fn every_folder_has_its_own_state() {
    let base = tempfile::tempdir().unwrap();
    let state_of = |name: &str, variables: &[(&str, &str)]| {
        let dir = base.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let args = StoreArgs {
            local: Some(dir.join("..").join(name)),
            endpoint_url: Some("not looked at".to_owned()),
            ..StoreArgs::default()
        };
        match check(args, variables).unwrap().place {
            Place::Local {
                dir: canonical,
                state_dir,
            } => {
                assert_eq!(canonical, dir.canonicalize().unwrap());
                state_dir
            }
            Place::Remote => panic!("--local was given"),
        }
    };
    let home = [("HOME", "/h"), ("XDG_STATE_HOME", "not/absolute")];
    let a = state_of("a", &home);
    assert!(a.starts_with("/h/.local/state/sheaf/local"));
    assert_eq!(a, state_of("a", &home));
    assert_ne!(a, state_of("b", &home));
    assert!(state_of("a", &[("XDG_STATE_HOME", "/s")]).starts_with("/s/sheaf/local"));
}

#[test]
fn folders_must_be_folders() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for dir in [file.path().to_owned(), file.path().join("missing")] {
        let args = StoreArgs {
            local: Some(dir),
            ..StoreArgs::default()
        };
        assert!(matches!(check(args, &[]), Err(ConfigError::Folder { .. })));
    }
    let args = StoreArgs {
        local: Some(std::env::temp_dir()),
        ..StoreArgs::default()
    };
    assert!(matches!(check(args, &[]), Err(ConfigError::NoStateDir)));
}

#[test]
fn no_time_at_all_is_refused() {
    assert!(positive("0").is_err());
    assert_eq!(positive("1m"), Ok(Period::from_secs(60)));
}
