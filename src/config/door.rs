//! What is let in beside API keys: buckets, origins, proxies; and what it is talked to in.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use url::Url;

use super::{BucketArgs, ConfigError, Switch};
use crate::http::{DoorConfig, Origins, Tls, TrustedProxies};
use crate::store::Bucket;

/// Raw options of the door.
#[derive(Args, Clone, Debug, Default)]
pub struct DoorArgs {
    /// The buckets.
    #[command(flatten)]
    pub buckets: BucketArgs,

    /// An origin whose pages may call the API and read answers: `https://portal.example.org` [default: none]
    #[arg(
        long,
        value_name = "ORIGIN",
        value_delimiter = ',',
        env = "SHEAF_CORS_ORIGINS",
        hide_env_values = true
    )]
    pub cors_origin: Vec<String>,

    /// A proxy, or a network of them, whose X-Forwarded-For is believed: `10.0.0.0/8` [default: none]
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        env = "SHEAF_TRUSTED_PROXIES",
        hide_env_values = true
    )]
    pub trusted_proxy: Vec<String>,

    /// Leave the addresses of clients out of the log
    #[arg(long, env = "SHEAF_NO_LOG_ADDRESSES", hide_env_values = true, value_parser = Switch)]
    pub no_log_addresses: bool,

    /// Speak TLS, with this certificate and those behind it (PEM) [default: none, in clear]
    ///
    /// HTTP/2 and HTTP/1.1, over TLS 1.3 or 1.2. Both files are read again on SIGHUP; files that cannot be used leave the
    /// certificate as it is. --admin-listen stays in clear.
    #[arg(
        long,
        value_name = "FILE",
        env = "SHEAF_TLS_CERT",
        hide_env_values = true
    )]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM, without a passphrase)
    #[arg(
        long,
        value_name = "FILE",
        env = "SHEAF_TLS_KEY",
        hide_env_values = true
    )]
    pub tls_key: Option<PathBuf>,
}

impl DoorArgs {
    /// Checks the options.
    ///
    /// # Errors
    /// [`ConfigError`] says which option is wrong.
    pub fn check(&self, default_bucket: Option<&Bucket>) -> Result<DoorConfig, ConfigError> {
        let allowed_buckets = self.buckets.check()?;
        if let Some(bucket) = default_bucket.filter(|name| allowed_buckets.check(name).is_err()) {
            return Err(ConfigError::DefaultBucket(bucket.clone()));
        }
        let origins = self.cors_origin.iter().map(|text| origin(text));
        let networks = self.trusted_proxy.iter().map(|text| network(text));
        Ok(DoorConfig {
            allowed_buckets,
            origins: Origins::new(origins.collect::<Result<_, _>>()?),
            proxies: TrustedProxies::new(networks.collect::<Result<_, _>>()?),
            log_addresses: !self.no_log_addresses,
            tls: self.tls()?,
        })
    }

    fn tls(&self) -> Result<Option<Tls>, ConfigError> {
        let files = match (self.tls_cert.clone(), self.tls_key.clone()) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::HalfTls {
                    missing: "--tls-key",
                });
            }
            (None, Some(_)) => {
                return Err(ConfigError::HalfTls {
                    missing: "--tls-cert",
                });
            }
        };
        let tls = files.map(|(certificate, key)| Tls::open(certificate, key));
        tls.transpose().map_err(ConfigError::Tls)
    }
}

/// An origin as browsers send it: no path, no default port, nothing in capitals. There is no `*`.
fn origin(text: &str) -> Result<String, ConfigError> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    let origin = url.map(|url| url.origin().ascii_serialization());
    origin
        .filter(|origin| origin == text)
        .ok_or_else(|| ConfigError::Origin(text.to_owned()))
}

fn network(text: &str) -> Result<IpNet, ConfigError> {
    let address = text.parse::<IpAddr>().ok().map(IpNet::from);
    address
        .or_else(|| text.parse().ok())
        .ok_or_else(|| ConfigError::Proxy(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for good in ["https://a.example", "http://localhost:3000"] {
            assert_eq!(origin(good).unwrap(), good);
        }
        for bad in [
            "*",
            "null",
            "a.example",
            "https://a.example/",
            "https://a.example:443",
            "https://A.example",
            "ftp://a",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        assert!(
            network("10.0.0.0/8").is_ok()
                && network("192.0.2.1").is_ok()
                && network("fd00::/8").is_ok()
        );
        assert!(network("10.0.0.0/99").is_err() && network("proxy.example").is_err());
    }

    #[test]
    fn the_default_bucket_must_be_allowed() {
        let args = DoorArgs {
            buckets: BucketArgs {
                allow_bucket: vec!["one".to_owned()],
            },
            ..DoorArgs::default()
        };
        assert!(args.check(Some(&Bucket::new("one").unwrap())).is_ok());
        assert!(args.check(Some(&Bucket::new("two").unwrap())).is_err());
    }
}
