//! A certificate authority for tests, which every client of theirs trusts, and connections under TLS.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = "sheaf's test authority";
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
});

/// Files for `--tls-cert` and `--tls-key`, for `localhost` and `127.0.0.1`, and for curl's `--cacert`.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// A new one.
    pub fn new() -> Certificate {
        let certificate = Certificate {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        fs::write(certificate.authority(), AUTHORITY.pem()).expect("a file");
        certificate.renew();
        certificate
    }

    /// Another certificate with another key in the same files. Returns it.
    pub fn renew(&self) -> CertificateDer<'static> {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &AUTHORITY).expect("a certificate");
        fs::write(self.path(), signed.pem()).expect("a file");
        fs::write(self.key(), key.serialize_pem()).expect("a file");
        signed.der().clone()
    }

    /// The file of the certificate.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The file of its key.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The file of the authority.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What tells the server of both.
    pub fn arguments(&self) -> [String; 4] {
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        [
            "--tls-cert".to_owned(),
            text(&self.path()),
            "--tls-key".to_owned(),
            text(&self.key()),
        ]
    }
}

/// Connects to `authority` (`127.0.0.1:PORT`), and asks for `protocol` (`h2`, `http/1.1`).
pub async fn connect(
    authority: &str,
    protocol: &str,
) -> Result<TlsStream<TcpStream>, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(AUTHORITY.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(authority).await?;
    let host = authority.rsplit_once(':').expect("a port").0;
    let name = match host.parse::<IpAddr>() {
        Ok(ip) => ServerName::IpAddress(ip.into()),
        Err(_) => ServerName::try_from(host.to_owned()).expect("a name"),
    };
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}
