//! TLS as a client: whom to trust, who weir is, and certificates that change while weir runs.

use crate::http::settings::{Secret, TlsSettings, TlsVersion};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_rustls::rustls;

/// TLS settings, and what was last made of them.
#[derive(Debug, Default)]
pub struct TlsClient {
    settings: TlsSettings,
    built: Mutex<Option<(Material, Arc<ClientConfig>)>>,
}

/// What the files of the settings hold.
#[derive(Clone, Default, Eq, PartialEq)]
struct Material {
    ca: Option<String>,
    identity: Option<(String, String)>,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Material(…)")
    }
}

impl TlsClient {
    /// TLS by these settings; files are read when first needed.
    pub fn new(settings: TlsSettings) -> Self {
        Self { settings, built: Mutex::default() }
    }

    /// The name the other side has to have, where it is not the URL's host.
    pub fn server_name(&self) -> Option<&str> {
        self.settings.server_name.as_deref()
    }

    /// What a new connection uses. Files are read again, so that a certificate that was renewed is
    /// used without a restart.
    ///
    /// # Errors
    ///
    /// A file cannot be read or does not hold what it should.
    pub async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let material = self.read().await?;
        let mut built = self.built.lock().await;
        if let Some((known, config)) = &*built
            && *known == material
        {
            return Ok(Arc::clone(config));
        }
        let roots = match &material.ca {
            Some(pem) => read_roots(pem)?,
            None if self.settings.insecure_skip_verify => RootCertStore::empty(),
            None => system_roots().await?,
        };
        let config = Arc::new(self.build(&material, roots)?);
        *built = Some((material, Arc::clone(&config)));
        Ok(config)
    }

    async fn read(&self) -> Result<Material, String> {
        let mut material = Material::default();
        if let Some(ca) = &self.settings.ca {
            material.ca = Some(ca.read().await?);
        }
        if let Some((cert, key)) = &self.settings.identity {
            material.identity = Some((cert.read().await?, key.read().await?));
        }
        Ok(material)
    }

    fn build(&self, material: &Material, roots: RootCertStore) -> Result<ClientConfig, String> {
        let TlsSettings { insecure_skip_verify, min_version, max_version, identity, .. } =
            &self.settings;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = [
            (TlsVersion::Tls13, &rustls::version::TLS13),
            (TlsVersion::Tls12, &rustls::version::TLS12),
        ];
        let is_wanted = |version: TlsVersion| {
            min_version.is_none_or(|min| version >= min)
                && max_version.is_none_or(|max| version <= max)
        };
        let versions: Vec<_> =
            versions.into_iter().filter(|(v, _)| is_wanted(*v)).map(|(_, v)| v).collect();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|e| e.to_string())?;
        let builder = if *insecure_skip_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
        } else {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_webpki_verifier(verifier.map_err(|e| e.to_string())?)
        };
        let mut config = match (&material.identity, identity) {
            (Some((cert, key)), Some((cert_at, key_at))) => {
                let chain = read_certificates(cert).map_err(|e| at(cert_at, &e))?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|e| at(key_at, &e.to_string()))?;
                builder.with_client_auth_cert(chain, key).map_err(|e| e.to_string())?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn at(secret: &Secret, message: &str) -> String {
    match secret {
        Secret::File(path) => format!("{:?}: {message}", path.display()),
        Secret::Inline(_) => message.to_owned(),
    }
}

pub(super) fn read_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates = read.map_err(|e| format!("not a PEM certificate: {e}"))?;
    if certificates.is_empty() {
        return Err("there is no PEM certificate in it".to_owned());
    }
    Ok(certificates)
}

pub(super) fn read_roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(pem).map_err(|e| format!("the CA: {e}"))? {
        roots.add(certificate).map_err(|e| format!("the CA: {e}"))?;
    }
    Ok(roots)
}

/// Read the certificates of the system; files, so off the worker thread.
pub(super) async fn system_roots() -> Result<RootCertStore, String> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|e| e.to_string())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("no trusted certificates are installed on this system".to_owned());
    }
    Ok(roots)
}

/// `insecure_skip_verify`: any certificate will do, as long as the other side has its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
