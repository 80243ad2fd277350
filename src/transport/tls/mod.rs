//! TLS by rustls: whom to trust, and how to show who one is.

pub(super) mod failure;
pub(super) mod secured;

use rustls::client::{ClientConfig, WantsClientCert};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ConfigBuilder, RootCertStore};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// A bundle of every root that a system trusts has a quarter of it.
const MAX_PEM: u64 = 1 << 20;

/// How an `https` endpoint proves who it is, and how the client does.
///
/// The server's certificate is always verified: its chain, its dates and that it is for the endpoint's host. There is no
/// switch for that. Versions 1.2 and 1.3 are spoken. None of it concerns `http://` endpoints.
///
/// What is given is read and checked when the client is built.
///
/// ```no_run
/// use oss_upload::{Client, Tls};
///
/// # fn main() -> Result<(), oss_upload::Error> {
/// let tls = Tls::new()
///     .root_file("/etc/ssl/private-oss-ca.pem")
///     .client_files("/etc/ssl/client.pem", "/etc/ssl/client.key");
/// let client = Client::builder("https://oss.corp.example").region("cn-private").tls(tls).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Tls {
    trust: Trust,
    roots: Vec<Pem>,
    client: Option<Client>,
}

/// Whose certificates are trusted, beside the roots that are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Mozilla's roots, built into the program: the same everywhere, and as old as the program.
    #[default]
    WebPki,
    /// What the operating system trusts. On Unix other than macOS these are the files that OpenSSL would read, or those
    /// of `SSL_CERT_FILE` and `SSL_CERT_DIR`, read once when the client is built.
    #[cfg(all(feature = "platform-verifier", not(target_os = "android")))]
    Platform,
    /// Nobody else.
    Given,
}

/// PEM, as it was given.
#[derive(Clone)]
enum Pem {
    Bytes(Vec<u8>),
    File(PathBuf),
}

#[derive(Clone)]
struct Client {
    chain: Pem,
    key: Pem,
}

impl Tls {
    /// The default: Mozilla's roots, no client certificate.
    pub fn new() -> Tls {
        Tls::default()
    }

    /// Sets whose certificates are trusted, beside the roots that are given. Default: [`Trust::WebPki`].
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Tls {
        self.trust = trust;
        self
    }

    /// Adds trusted roots: one or more certificates in PEM.
    #[must_use]
    pub fn root_pem(mut self, certificates: impl Into<Vec<u8>>) -> Tls {
        self.roots.push(Pem::Bytes(certificates.into()));
        self
    }

    /// Adds the trusted roots in a file of PEM, up to 1 MiB.
    #[must_use]
    pub fn root_file(mut self, path: impl Into<PathBuf>) -> Tls {
        self.roots.push(Pem::File(path.into()));
        self
    }

    /// Sets the certificate that is shown to a server that asks for one, followed by those between it and the root, and
    /// its private key (PKCS#8, PKCS#1 or SEC1, not encrypted), both in PEM.
    #[must_use]
    pub fn client_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Tls {
        let (chain, key) = (Pem::Bytes(chain.into()), Pem::Bytes(key.into()));
        self.client = Some(Client { chain, key });
        self
    }

    /// The same from files, up to 1 MiB each, which may be the same file.
    #[must_use]
    pub fn client_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Tls {
        let (chain, key) = (Pem::File(chain.into()), Pem::File(key.into()));
        self.client = Some(Client { chain, key });
        self
    }

    /// Whether what was given can be used.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.config().map(drop)
    }

    /// Reads what was given. The error says what is wrong with it.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let installed = CryptoProvider::get_default().cloned();
        let provider = installed.unwrap_or_else(|| Arc::new(ring::default_provider()));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| format!("TLS cannot be set up: {why}"))?;
        let trusting = self.trust_in(builder)?;
        let config = match &self.client {
            None => trusting.with_no_client_auth(),
            Some(client) => {
                let (chain, key) = (client.chain()?, client.key()?);
                let config = trusting.with_client_auth_cert(chain, key);
                config.map_err(|why| match why {
                    rustls::Error::InconsistentKeys(_) => {
                        "the private key does not belong to the client certificate".to_owned()
                    }
                    other => format!("the client certificate and its key cannot be used: {other}"),
                })?
            }
        };
        Ok(Arc::new(config))
    }

    fn trust_in(
        &self,
        builder: ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
    ) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
        let given = self.given_roots()?;
        let mut store = RootCertStore::empty();
        for root in &given {
            let added = store.add(root.clone());
            added.map_err(|why| format!("a root certificate cannot be read: {why}"))?;
        }
        match self.trust {
            Trust::WebPki => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Trust::Given if store.is_empty() => {
                return Err("no root certificate was given, and nobody else is trusted".to_owned());
            }
            Trust::Given => {}
            #[cfg(all(feature = "platform-verifier", not(target_os = "android")))]
            Trust::Platform => return trust_in_platform(builder, given),
        }
        Ok(builder.with_root_certificates(store))
    }

    fn given_roots(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let mut roots = vec![];
        for pem in &self.roots {
            roots.extend(certificates(pem, "the root certificates")?);
        }
        Ok(roots)
    }
}

/// `dangerous` is what rustls calls every verifier of others; this one asks the system.
#[cfg(all(feature = "platform-verifier", not(target_os = "android")))]
fn trust_in_platform(
    builder: ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
    given: Vec<CertificateDer<'static>>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let provider = Arc::clone(builder.crypto_provider());
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(given, provider)
        .map_err(|why| format!("the system's trust store cannot be used: {why}"))?;
    let builder = builder.dangerous();
    Ok(builder.with_custom_certificate_verifier(Arc::new(verifier)))
}

impl Client {
    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        certificates(&self.chain, "the client certificate")
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        let what = "the client's private key";
        let bytes = self.key.read(what)?;
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|why| match why {
            pem::Error::NoItemsFound => {
                format!("{what}: no private key in PEM that is not encrypted is in it")
            }
            other => format!("{what}: {}", unreadable(&other)),
        })
    }
}

fn certificates(pem: &Pem, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = pem.read(what)?;
    let read = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|why| format!("{what}: {}", unreadable(&why)))?;
    match certificates.is_empty() {
        true => Err(format!("{what}: no certificate in PEM is in it")),
        false => Ok(certificates),
    }
}

/// Nothing of the text is repeated: it may be a key.
fn unreadable(why: &pem::Error) -> &'static str {
    match why {
        pem::Error::MissingSectionEnd { .. } => "a section of the PEM has no end",
        pem::Error::IllegalSectionStart { .. } => "a section of the PEM begins with a broken line",
        pem::Error::Base64Decode(_) => "a section of the PEM is not base64",
        _ => "it is not PEM",
    }
}

impl Pem {
    fn read(&self, what: &str) -> Result<Cow<'_, [u8]>, String> {
        let path = match self {
            Pem::Bytes(bytes) => return Ok(Cow::Borrowed(bytes)),
            Pem::File(path) => path,
        };
        let failed = |why: String| format!("{what}: `{}`: {why}", path.display());
        let file = File::open(path).map_err(|why| failed(why.to_string()))?;
        let mut bytes = vec![];
        let read = file.take(MAX_PEM + 1).read_to_end(&mut bytes);
        read.map_err(|why| failed(why.to_string()))?;
        match bytes.len() as u64 > MAX_PEM {
            true => Err(failed(format!("it is longer than {MAX_PEM} bytes"))),
            false => Ok(Cow::Owned(bytes)),
        }
    }
}

/// Neither keys nor certificates are shown.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("trust", &self.trust)
            .field("roots", &self.roots)
            .field("client", &self.client.as_ref().map(|client| &client.chain))
            .finish()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pem::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Pem::File(path) => write!(f, "{}", path.display()),
        }
    }
}
