//! An `https` endpoint: certificates, good and bad, and a server that takes TLS off before the local server.

use super::front::{Front, Open, SMALL};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_pem: String,
}

/// A certificate with its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    pub(crate) chain_pem: String,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {} of the tests", COUNT.fetch_add(1, SeqCst));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("signed");
        Authority {
            root: root.der().clone(),
            root_pem: root.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn root_pem(&self) -> String {
        self.root_pem.clone()
    }

    /// Signs for these names, with what `change` makes of it.
    pub(crate) fn certify(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Identity::new(&certificate, key)
    }

    /// What the server of this machine shows.
    pub(crate) fn for_this_machine(&self) -> Identity {
        self.certify(&["localhost", "127.0.0.1"], |_| {})
    }

    pub(crate) fn for_a_client(&self) -> Identity {
        self.certify(&["a client"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }
}

impl Identity {
    fn new(certificate: &rcgen::Certificate, key: KeyPair) -> Identity {
        Identity {
            certificate: certificate.der().clone(),
            chain_pem: certificate.pem(),
            key,
        }
    }

    /// Signed by itself, for this machine.
    pub(crate) fn self_signed() -> Identity {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        Identity::new(&certificate, key)
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

/// What happens to an answer on its way, once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tamper {
    /// The connection ends in the middle of its record.
    Truncate,
    /// A byte of its record is another.
    Flip,
    /// The connection ends instead, without the good-bye of TLS.
    Withhold,
}

/// Takes TLS off, and hands on to another server.
pub(crate) struct TlsServer {
    front: Front,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Bytes that still may come from clients before a connection is broken, once.
    cut_after: Mutex<Option<u64>>,
    /// Answers before the one that is tampered with.
    tamper: Mutex<Option<(u32, Tamper)>>,
}

impl TlsServer {
    pub(crate) fn before(address: SocketAddr, identity: &Identity) -> TlsServer {
        TlsServer::with(address, identity, None)
    }

    /// Clients must show a certificate of this authority.
    pub(crate) fn demanding(
        address: SocketAddr,
        identity: &Identity,
        clients: &Authority,
    ) -> TlsServer {
        TlsServer::with(address, identity, Some(clients))
    }

    fn with(address: SocketAddr, identity: &Identity, clients: Option<&Authority>) -> TlsServer {
        let config = Arc::new(config(identity, clients));
        let faults = Arc::new(Faults::default());
        let of_front = Arc::clone(&faults);
        let front = Front::new(move |client, open| {
            let tls = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            serve(client, tls, address, open, &of_front)
        });
        TlsServer { front, faults }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.front.address()
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.address().port())
    }

    pub(crate) fn connections(&self) -> usize {
        self.front.taken()
    }

    /// Breaks all connections.
    pub(crate) fn die(&self) {
        self.front.break_all();
    }

    /// Breaks one connection after so many bytes of requests.
    pub(crate) fn cut_after(&self, bytes: u64) {
        *self.faults.cut_after.lock().expect("no panic") = Some(bytes);
    }

    /// Tampers with the answer after so many.
    pub(crate) fn tamper_after(&self, answers: u32, tamper: Tamper) {
        *self.faults.tamper.lock().expect("no panic") = Some((answers, tamper));
    }

    /// Whether what was to go wrong did.
    pub(crate) fn is_spent(&self) -> bool {
        let faults = &self.faults;
        let cut_after = faults.cut_after.lock().expect("no panic");
        cut_after.is_none() && faults.tamper.lock().expect("no panic").is_none()
    }
}

fn config(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().expect("TLS");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.root.clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
    let chain = vec![identity.certificate.clone()];
    builder
        .with_single_cert(chain, key)
        .expect("they belong together")
}

/// The two ways share the connection, each on its thread; none holds it while it waits for bytes.
struct Shared {
    tls: Mutex<ServerConnection>,
    client: TcpStream,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ServerConnection> {
        self.tls.lock().expect("no panic")
    }

    /// What stands in some of these bytes, which are taken off.
    fn decrypt(&self, bytes: &mut &[u8]) -> io::Result<Vec<u8>> {
        let mut tls = self.lock();
        if !bytes.is_empty() {
            tls.read_tls(bytes)?;
        }
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        tls.reader().read_exact(&mut plain)?;
        Ok(plain)
    }

    /// What is encrypted, in one piece.
    fn encrypted(tls: &mut ServerConnection) -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        while tls.wants_write() {
            tls.write_tls(&mut bytes)?;
        }
        Ok(bytes)
    }
}

fn serve(
    mut client: TcpStream,
    mut tls: ServerConnection,
    address: SocketAddr,
    open: &Open,
    faults: &Arc<Faults>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    tls.complete_io(&mut client)?;
    let server = open.connect(address)?;
    let shared = Arc::new(Shared {
        tls: Mutex::new(tls),
        client,
    });
    let back = thread::spawn({
        let (shared, server, faults) =
            (Arc::clone(&shared), server.try_clone()?, Arc::clone(faults));
        move || {
            if hand_back(&shared, server, &faults).is_err() {
                let _ = shared.client.shutdown(Shutdown::Both);
            }
        }
    });
    let handed_on = hand_on(&shared, &server, faults);
    // The client has gone: no answer is for anybody.
    let _ = server.shutdown(Shutdown::Both);
    back.join().expect("no panic");
    handed_on
}

/// From the client to the server, until the client ends.
fn hand_on(shared: &Shared, mut server: &TcpStream, faults: &Faults) -> io::Result<()> {
    let mut buffer = vec![0; SMALL];
    // A request may have come with the last of the handshake.
    let early = shared.decrypt(&mut &[][..])?;
    let mut is_heard = server.write_all(&early).is_ok();
    loop {
        let n = (&shared.client).read(&mut buffer)?;
        if n == 0 || is_cut(faults, n as u64) {
            return Ok(());
        }
        let mut bytes = &buffer[..n];
        while !bytes.is_empty() {
            let plain = shared.decrypt(&mut bytes)?;
            // A server that has gone may have answered: what else the client says is taken for nothing.
            is_heard = is_heard && server.write_all(&plain).is_ok();
        }
    }
}

fn is_cut(faults: &Faults, n: u64) -> bool {
    let mut cut_after = faults.cut_after.lock().expect("no panic");
    match &mut *cut_after {
        None => false,
        Some(left) if *left < n => {
            *cut_after = None;
            true
        }
        Some(left) => {
            *left -= n;
            false
        }
    }
}

/// From the server to the client, until the server ends.
fn hand_back(shared: &Shared, mut server: TcpStream, faults: &Faults) -> io::Result<()> {
    let mut buffer = vec![0; SMALL];
    loop {
        let n = server.read(&mut buffer)?;
        let tamper = match n {
            0 => None,
            _ => due(faults),
        };
        let mut tls = shared.lock();
        match n {
            0 => tls.send_close_notify(),
            _ => tls.writer().write_all(&buffer[..n])?,
        }
        let mut bytes = Shared::encrypted(&mut tls)?;
        let middle = bytes.len() / 2;
        match tamper {
            None => {}
            Some(Tamper::Flip) => bytes[middle] ^= 1,
            Some(Tamper::Truncate) => bytes.truncate(middle),
            Some(Tamper::Withhold) => bytes.clear(),
        }
        (&shared.client).write_all(&bytes)?;
        if n == 0 || matches!(tamper, Some(Tamper::Truncate | Tamper::Withhold)) {
            return shared.client.shutdown(Shutdown::Write);
        }
    }
}

fn due(faults: &Faults) -> Option<Tamper> {
    let mut tamper = faults.tamper.lock().expect("no panic");
    match &mut *tamper {
        Some((0, _)) => tamper.take().map(|(_, tamper)| tamper),
        Some((answers, _)) => {
            *answers -= 1;
            None
        }
        None => None,
    }
}
