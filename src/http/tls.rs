//! The certificate that this server shows, and its key: read from PEM files, and read again when they change.
//!
//! What is shown is always a whole pair that fits together: files that cannot be used leave the pair before them in place.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// HTTP/2, as clients ask for it in the handshake (RFC 9113 §3.2).
pub const HTTP2: &[u8] = b"h2";

/// HTTP/1, as clients may ask for it (RFC 7301 §6).
const HTTP1: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// What the header of an encrypted key has in it (RFC 7468 §11, and OpenSSL's own form).
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no PEM, or has something else in it.
    #[error("{path} holds no {wanted} in PEM ({source})")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it was to hold.
        wanted: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// Nobody is there to be asked for the key's passphrase.
    #[error(
        "{path} holds an encrypted key: write it without a passphrase (openssl pkey -in KEY -out PLAIN), readable by sheaf alone"
    )]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The pair is of no use.
    #[error("the key in {key} does not belong to the first certificate in {certificate}")]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate or a key of a kind that is not known here.
    #[error("{certificate} with {key} cannot be used: {source}")]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What the library says.
        source: rustls::Error,
    },
}

/// How this server speaks TLS. Clones show the same certificate.
#[derive(Clone)]
pub struct Tls {
    config: Arc<rustls::ServerConfig>,
    shown: Arc<Shown>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

impl Tls {
    /// Reads a certificate, with those that vouch for it behind it, and its key.
    ///
    /// # Errors
    /// [`TlsError`] says which file is of no use, and why.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let pair = read(&certificate, &key, &provider)?;
        let shown = Arc::new(Shown {
            pair: RwLock::new(Arc::new(pair)),
            certificate,
            key,
            provider: provider.clone(),
        });
        // TLS 1.2 and 1.3, forward secrecy and authenticated encryption only: rustls has nothing else.
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| shown.unusable(source))?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        let protocols = [HTTP2].into_iter().chain(HTTP1);
        config.alpn_protocols = protocols.map(<[u8]>::to_vec).collect();
        Ok(Tls {
            config: Arc::new(config),
            shown,
        })
    }

    /// Reads the files again. Connections that are open keep the certificate that they saw.
    ///
    /// # Errors
    /// [`TlsError`]; the pair before stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let shown = &self.shown;
        let pair = read(&shown.certificate, &shown.key, &shown.provider)?;
        *shown.pair.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
        Ok(())
    }

    /// What makes connections of accepted streams.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.config.clone().into()
    }
}

struct Shown {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    pair: RwLock<Arc<CertifiedKey>>,
}

impl Shown {
    fn unusable(&self, source: rustls::Error) -> TlsError {
        TlsError::Unusable {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        }
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let pair = self.pair.read().unwrap_or_else(PoisonError::into_inner);
        Some(pair.clone())
    }
}

fn read(
    certificate: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let text = bytes_of(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = match chain {
        Ok(chain) if chain.is_empty() => Err(pem::Error::NoItemsFound),
        chain => chain,
    };
    let chain = chain.map_err(|source| TlsError::Pem {
        path: certificate.to_owned(),
        wanted: "certificate",
        source,
    })?;
    let text = bytes_of(key)?;
    if text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) {
        return Err(TlsError::Encrypted {
            path: key.to_owned(),
        });
    }
    let private = PrivateKeyDer::from_pem_slice(&text).map_err(|source| TlsError::Pem {
        path: key.to_owned(),
        wanted: "private key",
        source,
    })?;
    CertifiedKey::from_der(chain, private, provider).map_err(|source| {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        match source {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate, key },
            source => TlsError::Unusable {
                certificate,
                key,
                source,
            },
        }
    })
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
