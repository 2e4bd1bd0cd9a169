//! New connections to stores and other servers: names and addresses, TLS, and the proxies that the environment names.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::ServiceExt;

use super::ConnectError;

/// How long a connection waits for its next request. Stores and what stands in front of them close theirs after a minute
/// or so.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// Whatever kept a connection from opening.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Opens connections. Clones share what is known of TLS.
#[derive(Clone)]
pub(super) struct Dialer {
    http: HttpConnector,
    proxies: Arc<Matcher>,
    /// Trusted beside the system's.
    roots: Arc<RootCertStore>,
    /// Not made before somebody asks for a place that has TLS: the system's certificates are many.
    tls: Arc<OnceLock<ClientConfig>>,
}

/// A connection to a server, or to a proxy in front of it.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Duplex>,
    /// It ends at a proxy that wants to be told where requests go, and perhaps who asks.
    pub(super) forwarded: Option<Forwarded>,
}

/// What a proxy that forwards requests wants with each of them.
pub(super) struct Forwarded {
    /// The field Proxy-Authorization (RFC 9110, section 11.7.2).
    pub(super) authorization: Option<HeaderValue>,
}

/// A way to the server and back.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// Nothing came in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum TimedOut {
    /// There is no connection yet.
    #[error("no connection within {} s", .0.as_secs_f32())]
    Connection(Duration),
    /// There is no answer yet.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Answer(Duration),
}

impl Dialer {
    /// A dialer that trusts the system's certificates and those of `ca_file` (PEM), and heeds the environment's proxies.
    ///
    /// # Errors
    /// [`ConnectError`] where the file cannot be read, or holds no certificate that can be a root.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Dialer, ConnectError> {
        let roots = ca_file.map_or(Ok(RootCertStore::empty()), |path| {
            roots_of(path).map_err(|reason| ConnectError::CaFile {
                path: path.to_owned(),
                reason,
            })
        });
        Ok(Dialer {
            proxies: Arc::new(Matcher::from_env()),
            roots: Arc::new(roots?),
            ..Dialer::direct()
        })
    }

    /// A dialer for what is at hand: it heeds no proxies, and trusts the system's certificates.
    pub(super) fn direct() -> Dialer {
        let mut http = HttpConnector::new();
        // The scheme decides over TLS, not over whether there is a connection.
        http.enforce_http(false);
        http.set_nodelay(true);
        Dialer {
            http,
            proxies: Arc::new(Matcher::builder().build()),
            roots: Arc::new(RootCertStore::empty()),
            tls: Arc::default(),
        }
    }

    /// Opens a connection to where this URI leads.
    pub(super) async fn dial(&self, to: &Uri, within: Duration) -> Result<Connection, BoxError> {
        tokio::time::timeout(within, self.connect(to))
            .await
            .map_err(|_| TimedOut::Connection(within))?
    }

    /// What a request to this URI must have for the proxy that forwards it, where one does.
    pub(super) fn forwarded(&self, to: &Uri) -> Option<Forwarded> {
        let is_tunnelled = to.scheme() == Some(&Scheme::HTTPS);
        let proxy = self.proxies.intercept(to).filter(|_| !is_tunnelled)?;
        Some(Forwarded::by(&proxy))
    }

    async fn connect(&self, to: &Uri) -> Result<Connection, BoxError> {
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
            (Some(proxy), false) => {
                let uri = proxy.uri().clone();
                let stream = self.to_proxy(uri.scheme())?.oneshot(uri).await?;
                Ok(Connection {
                    stream: Box::new(TokioIo::new(stream)),
                    forwarded: Some(Forwarded::by(&proxy)),
                })
            }
            (Some(proxy), true) => self.tunnelled(&proxy, to).await,
        }
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
        let mut roots = RootCertStore::clone(&self.roots);
        // Some systems have a broken one among many; without any, the first connection says so.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = configured(roots)?;
        Ok(self.tls.get_or_init(|| config).clone())
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("further_roots", &self.roots.len())
            .finish_non_exhaustive()
    }
}

impl Forwarded {
    fn by(proxy: &Intercept) -> Forwarded {
        Forwarded {
            authorization: proxy.basic_auth().cloned(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
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

/// The certificates of a file that can be roots, or what is wrong with it. Such files are often the whole system's, and have
/// a broken one among many.
fn roots_of(file: &Path) -> Result<RootCertStore, String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.map_err(|error| error.to_string())?);
    if roots.is_empty() {
        return Err("it holds no certificate that can be a root".to_owned());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_broken_certificate_among_others_is_left_out() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let sound = made.cert.pem();
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("roots.pem");
        std::fs::write(&file, format!("{BROKEN}{sound}{BROKEN}")).unwrap();
        assert_eq!(roots_of(&file).unwrap().len(), 1);
        std::fs::write(&file, BROKEN).unwrap();
        let reason = roots_of(&file).unwrap_err();
        assert_eq!(reason, "it holds no certificate that can be a root");
    }
}
