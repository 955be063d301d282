//! TLS as a server: the certificate to show, and which clients' certificates to take.
//!
//! | `client_auth_type` | a certificate has to come | it has to be of an authority |
//! |---|---|---|
//! | `NoClientCert` | not asked for | |
//! | `RequestClientCert` | no | no |
//! | `RequireAnyClientCert` | yes | no |
//! | `VerifyClientCertIfGiven` | no | yes |
//! | `RequireAndVerifyClientCert` | yes | yes |
//!
//! With `client_allowed_sans` a certificate has to come in any case, and has to have one of those
//! names. Whoever sends a certificate proves to have its key, always.

use crate::http::settings::Secret;
use crate::http::settings::TlsVersion;
use crate::http::tls::read_certificates;
use crate::http::tls::read_roots;
use crate::http::tls::system_roots;
use crate::http::web::place;
use rustls::CertificateError;
use rustls::DigitallySignedStruct;
use rustls::DistinguishedName;
use rustls::OtherError;
use rustls::ServerConfig;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::verify_tls12_signature;
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerified;
use rustls::server::danger::ClientCertVerifier;
use std::fmt;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::sync::Arc;
use tokio_rustls::rustls;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The cipher suites Go knows, and which of them are spoken here.
///
/// Those of TLS 1.3 are always spoken, as in Go.
pub const CIPHER_SUITES: [(&str, bool); 13] = [
    ("TLS_AES_128_GCM_SHA256", true),
    ("TLS_AES_256_GCM_SHA384", true),
    ("TLS_CHACHA20_POLY1305_SHA256", true),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", false),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", false),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", false),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", false),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", true),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", true),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", true),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", true),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", true),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", true),
];

/// The curves exporter-toolkit knows, what rustls calls them, if it speaks them.
pub const CURVES: [(&str, Option<&str>); 4] = [
    ("CurveP256", Some("secp256r1")),
    ("CurveP384", Some("secp384r1")),
    ("CurveP521", None),
    ("X25519", Some("X25519")),
];

/// What is asked of clients.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAuth {
    /// Nothing.
    #[default]
    None,
    /// A certificate, if they have one.
    Request,
    /// A certificate.
    RequireAny,
    /// If they have one, a certificate of an authority.
    VerifyIfGiven,
    /// A certificate of an authority.
    RequireAndVerify,
}

/// TLS as a server. PEM everywhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerTls {
    /// Certificate chain and key.
    pub identity: (Secret, Secret),
    /// The authorities of clients, in place of the system's.
    pub client_ca: Option<Secret>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// The names one of which a client has to have; `None`: any.
    pub client_allowed_sans: Option<Vec<String>>,
    /// The oldest version to speak.
    pub min_version: TlsVersion,
    /// The newest version to speak.
    pub max_version: TlsVersion,
    /// Names out of [`CIPHER_SUITES`] for TLS 1.2; none: all.
    pub cipher_suites: Vec<&'static str>,
    /// Names out of [`CURVES`], the best first; none: all.
    pub curves: Vec<&'static str>,
    /// Whether the order of suites here counts more than the client's.
    pub prefers_own_order: bool,
}

impl ServerTls {
    /// Whether a client's certificate is taken only if an authority has signed it.
    pub fn verifies_clients(&self) -> bool {
        matches!(self.client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify)
    }
}

/// What the files of the settings hold. `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct Material {
    certificate: String,
    key: String,
    client_ca: Option<String>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material(…)")
    }
}

impl Material {
    /// Read it.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub async fn read(tls: &ServerTls) -> Result<Self, String> {
        let (certificate, key) = &tls.identity;
        Ok(Self {
            certificate: certificate.read().await?,
            key: key.read().await?,
            client_ca: match &tls.client_ca {
                Some(ca) => Some(ca.read().await?),
                None => None,
            },
        })
    }
}

/// Make what a connection needs.
///
/// # Errors
///
/// The files do not hold what they should, or no version, suite or curve is left to speak.
pub(super) async fn build(tls: &ServerTls, material: &Material) -> Result<ServerConfig, String> {
    let provider = Arc::new(provider(tls)?);
    let wanted = [
        (TlsVersion::Tls13, &rustls::version::TLS13),
        (TlsVersion::Tls12, &rustls::version::TLS12),
    ];
    let has_suite = |version: &&'static rustls::SupportedProtocolVersion| {
        let mut suites = provider.cipher_suites.iter();
        suites.any(|suite| suite.version().version == version.version)
    };
    let range = tls.min_version..=tls.max_version;
    let versions = wanted.into_iter().filter(|(version, _)| range.contains(version));
    let versions: Vec<_> = versions.map(|(_, version)| version).filter(has_suite).collect();
    if versions.is_empty() {
        return Err("of the cipher_suites none is spoken by the versions allowed".to_owned());
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|e| e.to_string())?;
    let builder = match client_verifier(tls, material, &provider).await? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let (certificate_at, key_at) = &tls.identity;
    let chain = read_certificates(&material.certificate)
        .map_err(|e| format!("the certificate, {}: {e}", place(certificate_at)))?;
    let key = PrivateKeyDer::from_pem_slice(material.key.as_bytes())
        .map_err(|e| format!("the key, {}: {e}", place(key_at)))?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|e| format!("certificate and key, {}: {e}", place(key_at)))?;
    config.ignore_client_order = tls.prefers_own_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The suites and curves to speak.
fn provider(tls: &ServerTls) -> Result<CryptoProvider, String> {
    let mut provider = rustls::crypto::ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        provider.cipher_suites.retain(|suite| {
            suite.tls13().is_some() || {
                let name = format!("{:?}", suite.suite());
                tls.cipher_suites.contains(&name.as_str())
            }
        });
    }
    if !tls.curves.is_empty() {
        let named = tls.curves.iter().filter_map(|curve| {
            let (_, name) = CURVES.iter().find(|(known, _)| known == curve)?;
            let mut groups = provider.kx_groups.iter();
            groups.find(|group| Some(&*format!("{:?}", group.name())) == *name).copied()
        });
        provider.kx_groups = named.collect();
        if provider.kx_groups.is_empty() {
            return Err("of the curve_preferences none is spoken".to_owned());
        }
    }
    Ok(provider)
}

async fn client_verifier(
    tls: &ServerTls,
    material: &Material,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let is_required = match tls.client_auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Request | ClientAuth::VerifyIfGiven => tls.client_allowed_sans.is_some(),
        ClientAuth::RequireAny | ClientAuth::RequireAndVerify => true,
    };
    let authority = match tls.client_auth {
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {
            let roots = match &material.client_ca {
                Some(pem) => read_roots(pem).map_err(|e| format!("client_ca: {e}"))?,
                None => system_roots().await?,
            };
            let provider = Arc::clone(provider);
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            Some(builder.build().map_err(|e| format!("client_ca: {e}"))?)
        }
        _ => None,
    };
    let allowed_names = tls.client_allowed_sans.clone();
    let provider = Arc::clone(provider);
    Ok(Some(Arc::new(Clients { authority, is_required, allowed_names, provider })))
}

/// Which certificates of clients to take.
#[derive(Debug)]
struct Clients {
    /// Whether one is of an authority, if it has to be.
    authority: Option<Arc<dyn ClientCertVerifier>>,
    is_required: bool,
    allowed_names: Option<Vec<String>>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.as_ref().map_or(&[], |authority| authority.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if let Some(authority) = &self.authority {
            authority.verify_client_cert(certificate, intermediates, now)?;
        }
        if let Some(allowed) = &self.allowed_names
            && !names_of(certificate).iter().any(|name| allowed.contains(name))
        {
            let refused = OtherError(Arc::new(NameNotAllowed));
            return Err(CertificateError::Other(refused).into());
        }
        Ok(ClientCertVerified::assertion())
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

/// A client's certificate has none of `client_allowed_sans`.
#[derive(Debug, thiserror::Error)]
#[error("the client's certificate has none of the names in client_allowed_sans")]
struct NameNotAllowed;

/// The alternative names of a certificate: host names, mail and IP addresses, URIs. One that
/// cannot be read has none.
pub(in crate::http) fn names_of(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(read) = Certificate::from_der(certificate) else { return Vec::new() };
    let names = read.tbs_certificate().get_extension::<SubjectAltName>();
    let Ok(Some((_, SubjectAltName(names)))) = names else { return Vec::new() };
    names.iter().filter_map(text_of).collect()
}

fn text_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name)
        | GeneralName::Rfc822Name(name)
        | GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let v6 = || <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            v4.or_else(|_| v6()).ok()
        }
        _ => None,
    }
}
