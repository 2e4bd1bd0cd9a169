//! New connections to stores: names and addresses, TLS, and the proxies that the environment names.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tower::ServiceExt;

use super::place::Place;
use super::wire::{Connection, Duplex};

type BoxError = Box<dyn Error + Send + Sync>;

/// Opens connections.
#[derive(Clone)]
pub(in crate::store) struct Dialer {
    http: HttpConnector,
    proxies: Arc<Matcher>,
    /// Further root certificates (PEM), beside the system's.
    ca_file: Option<PathBuf>,
    /// Not made before somebody asks for a place that has TLS: the system's certificates are many.
    tls: Arc<OnceLock<ClientConfig>>,
}

impl Dialer {
    /// A dialer that trusts the system's certificates and those of `ca_file`, and heeds the environment's proxies.
    pub(in crate::store) fn new(ca_file: Option<&Path>) -> Dialer {
        let mut http = HttpConnector::new();
        // The scheme decides over TLS, not over whether there is a connection.
        http.enforce_http(false);
        http.set_nodelay(true);
        Dialer {
            http,
            proxies: Arc::new(Matcher::from_env()),
            ca_file: ca_file.map(Path::to_owned),
            tls: Arc::default(),
        }
    }

    /// Opens a connection.
    pub(super) async fn dial(&self, place: &Place) -> Result<Connection, BoxError> {
        let to = &place.origin;
        let is_https = to.scheme() == Some(&Scheme::HTTPS);
        match (self.proxies.intercept(to), is_https) {
            (None, false) => {
                let stream = self.http.clone().oneshot(to.clone()).await?;
                Ok(direct(stream.into_inner()))
            }
            (None, true) => {
                let connector = HttpsConnector::from((self.http.clone(), self.tls()?));
                let stream = connector.oneshot(to.clone()).await?;
                Ok(direct(TokioIo::new(stream)))
            }
            (Some(proxy), false) => self.forwarded(&proxy).await,
            (Some(proxy), true) => self.tunnelled(&proxy, to).await,
        }
    }

    /// A connection to a proxy, which forwards requests one by one.
    async fn forwarded(&self, proxy: &Intercept) -> Result<Connection, BoxError> {
        let uri = proxy.uri().clone();
        let stream = self.to_proxy(uri.scheme())?.oneshot(uri).await?;
        let authorization = proxy.basic_auth().and_then(|value| value.to_str().ok());
        let line = authorization.map(|value| format!("proxy-authorization: {value}\r\n"));
        Ok(Connection {
            stream: Box::new(TokioIo::new(stream)),
            forwarded: Some(line.unwrap_or_default()),
        })
    }

    /// A connection through a proxy, which sees nothing of what is said.
    async fn tunnelled(&self, proxy: &Intercept, to: &Uri) -> Result<Connection, BoxError> {
        let uri = proxy.uri().clone();
        let mut tunnel = Tunnel::new(uri.clone(), self.to_proxy(uri.scheme())?);
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let connector = HttpsConnector::from((tunnel, self.tls()?));
        let stream = connector.oneshot(to.clone()).await?;
        Ok(direct(TokioIo::new(stream)))
    }

    fn to_proxy(&self, scheme: Option<&Scheme>) -> Result<HttpsConnector<HttpConnector>, BoxError> {
        let tls = if scheme == Some(&Scheme::HTTPS) {
            self.tls()?
        } else {
            // Never used.
            configured(RootCertStore::empty())?
        };
        Ok(HttpsConnector::from((self.http.clone(), tls)))
    }

    fn tls(&self) -> Result<ClientConfig, BoxError> {
        if let Some(config) = self.tls.get() {
            return Ok(config.clone());
        }
        let config = configured(trusted(self.ca_file.as_deref())?)?;
        Ok(self.tls.get_or_init(|| config).clone())
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

fn direct(stream: impl Duplex + 'static) -> Connection {
    Connection {
        stream: Box::new(stream),
        forwarded: None,
    }
}

fn configured(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The system's root certificates, and those of a file.
fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore, BoxError> {
    let mut roots = RootCertStore::empty();
    // Some systems have a broken one among many; without any, the first connection says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        for certificate in CertificateDer::pem_file_iter(file)? {
            roots.add(certificate?)?;
        }
    }
    Ok(roots)
}
