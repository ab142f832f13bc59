//! TLS from certificate files, by rustls with the aws-lc-rs provider; read again when the files change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// A certificate chain and its key, from two PEM files.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// Words that name the file and what is wrong with it.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, String> {
        let current = read(certificate, key)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(Arc::new(current)),
        })
    }

    /// Reads both files again. New sockets get the new certificate; those that are open are not touched.
    ///
    /// # Errors
    /// As [`Tls::load`]; then the old certificate stays.
    pub fn reload(&self) -> Result<(), String> {
        let fresh = read(&self.certificate, &self.key)?;
        *self.current.write() = Arc::new(fresh);
        Ok(())
    }

    /// What takes the next socket's handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read()))
    }

    /// Reloads when `hangup` says so, or when a file has changed (looked at once a minute), for ever. `hangup` is asked
    /// for a new signal after each one.
    pub async fn keep_fresh<F: Future<Output = ()>>(&self, mut hangup: impl FnMut() -> F) {
        let mut seen = self.changed_at();
        loop {
            let asked = tokio::select! {
                () = hangup() => true,
                () = tokio::time::sleep(LOOK_AGAIN) => false,
            };
            let changed_at = self.changed_at();
            if !asked && changed_at == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    seen = changed_at;
                    tracing::info!("the TLS certificate was read again");
                }
                // Tried again in a minute: the two files may just be in the middle of being replaced.
                Err(words) => tracing::error!("the old TLS certificate stays: {words}"),
            }
        }
    }

    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key]
            .map(|path| fs::metadata(path).and_then(|about| about.modified()).ok())
    }
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, String> {
    let text = |path: &Path| {
        fs::read(path)
            .map_err(|error: io::Error| format!("cannot read {}: {error}", path.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{} is no PEM file: {error}", certificate.display()))?;
    if chain.is_empty() {
        return Err(format!(
            "there is no certificate in {}",
            certificate.display()
        ));
    }
    let key_der = PrivateKeyDer::from_pem_slice(&text(key)?)
        .map_err(|error| format!("there is no private key in {}: {error}", key.display()))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|error| {
            format!(
                "certificate {} with key {}: {error}",
                certificate.display(),
                key.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
