use std::fs;
use std::path::PathBuf;

use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

use super::*;

fn made(name: &str) -> (String, String) {
    let Made { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

struct Files {
    _folder: tempfile::TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn with((certificate, key): (String, String)) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
            _folder: folder,
        };
        files.write(&certificate, &key);
        files
    }

    fn write(&self, certificate: &str, key: &str) {
        fs::write(&self.certificate, certificate).unwrap();
        fs::write(&self.key, key).unwrap();
    }

    fn open(&self) -> Result<Tls, TlsError> {
        Tls::open(self.certificate.clone(), self.key.clone())
    }
}

fn shown(tls: &Tls) -> Vec<u8> {
    tls.shown.pair.read().unwrap().cert[0].to_vec()
}

#[test]
fn files_that_are_of_no_use_say_why() {
    let (certificate, key) = made("a.example");
    let (_, other) = made("b.example");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (certificate, key, says) in [
        (certificate.as_str(), other.as_str(), "does not belong to"),
        (&certificate, &encrypted, "an encrypted key"),
        (&certificate, &certificate, "key.pem holds no private key"),
        (&key, &key, "cert.pem holds no certificate"),
        ("", &key, "cert.pem holds no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAA",
            &key,
            "cert.pem holds no certificate",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &key,
            "cannot be used",
        ),
    ] {
        let files = Files::with((certificate.to_owned(), key.to_owned()));
        let error = files.open().unwrap_err().to_string();
        assert!(error.contains(says), "{error}: {says}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
    let files = Files::with((certificate, key));
    fs::remove_file(&files.key).unwrap();
    let error = files.open().unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("key.pem: "));
}

#[test]
fn what_cannot_be_read_again_leaves_what_was() {
    let files = Files::with(made("a.example"));
    let tls = files.open().unwrap();
    let first = shown(&tls);
    let (certificate, key) = made("b.example");
    files.write(&certificate, &made("c.example").1);
    assert!(tls.reload().is_err());
    assert_eq!(shown(&tls), first);
    files.write(&certificate, &key);
    tls.reload().unwrap();
    assert_ne!(shown(&tls), first);
    assert_eq!(shown(&tls.clone()), shown(&tls));
}

#[test]
fn a_key_is_never_shown_in_text() {
    let tls = Files::with(made("a.example")).open().unwrap();
    let text = format!("{tls:?}");
    assert!(text.contains("cert.pem") && text.len() < 300, "{text}");
}
