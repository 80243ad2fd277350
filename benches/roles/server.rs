//! The server's process: the local server, which throws bodies away, and TLS before it where that is asked for.

use crate::cost::cpu;
use crate::role::{Seen, Server};
use oss_upload::local_server::{Fault, LocalServer, Operation};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const BUFFER: usize = 256 << 10;

/// Serves until the parent goes, and tells what it saw for every line that it is sent.
pub(crate) fn serve(settings: &Server) -> io::Result<()> {
    let server = LocalServer::builder()
        .discard_bodies(true)
        .allow_anonymous(true)
        .start()?;
    if settings.latency_ms > 0 {
        let _ = server.fault(Fault::latency(Duration::from_millis(settings.latency_ms)));
    }
    if let Some(bandwidth) = settings.bandwidth {
        let _ = server.fault(Fault::bandwidth(bandwidth));
    }
    if let Some(part) = settings.refused_part {
        // Every other time: an upload that is gone on with is then done.
        let _ = server.fault(Fault::deny().part(part).every(2).nth(1));
    }
    let (endpoint, root) = match settings.with_tls {
        false => (server.endpoint(), None),
        true => before(server.port())?,
    };
    tell(&(endpoint, root))?;
    for line in io::stdin().lock().lines() {
        line?;
        tell(&seen(&server)?)?;
        server.forget_requests();
    }
    Ok(())
}

fn tell(what: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    out.flush()
}

fn seen(server: &LocalServer) -> io::Result<Seen> {
    let requests = server.requests();
    let connections: BTreeSet<_> = requests.iter().map(|r| r.connection).collect();
    Ok(Seen {
        connections: connections.len(),
        requests: requests.len(),
        parts: server.count(Operation::UploadPart),
        list_parts: server.count(Operation::ListParts),
        cpu: cpu()?.as_secs_f64(),
    })
}

/// TLS for this machine before a port of it: the endpoint, and whom to trust.
fn before(port: u16) -> io::Result<(String, Option<String>)> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let names = vec!["127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    let chain = vec![certificate.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let config = Arc::new(config.map_err(io::Error::other)?);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let endpoint = format!("https://{}", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let config = Arc::clone(&config);
            // A connection that breaks is the client's to complain of.
            thread::spawn(move || secured(client, port, config));
        }
    });
    Ok((endpoint, Some(certificate.pem())))
}

/// Hands on what a client sends, and back what is answered.
fn secured(client: TcpStream, port: u16, config: Arc<ServerConfig>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let server = TcpStream::connect(("127.0.0.1", port))?;
    server.set_nodelay(true)?;
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let tls = Mutex::new(tls);
    thread::scope(|scope| {
        scope.spawn(|| answers(&server, &client, &tls));
        let done = requests(&client, &server, &tls);
        let _ = server.shutdown(Shutdown::Both);
        done
    })
}

fn requests(
    mut client: &TcpStream,
    mut server: &TcpStream,
    tls: &Mutex<ServerConnection>,
) -> io::Result<()> {
    let (mut sealed, mut plain) = (vec![0; BUFFER], vec![0; BUFFER]);
    loop {
        let n = client.read(&mut sealed)?;
        if n == 0 {
            return Ok(());
        }
        let mut left = &sealed[..n];
        while !left.is_empty() {
            let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
            tls.read_tls(&mut left)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            while tls.wants_write() {
                tls.write_tls(&mut client)?;
            }
            let read = tls.reader().read(&mut plain);
            drop(tls);
            match read {
                Ok(n) => server.write_all(&plain[..n])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn answers(
    mut server: &TcpStream,
    mut client: &TcpStream,
    tls: &Mutex<ServerConnection>,
) -> io::Result<()> {
    let mut plain = vec![0; BUFFER];
    loop {
        let n = server.read(&mut plain)?;
        if n == 0 {
            return Ok(());
        }
        let mut tls = tls.lock().unwrap_or_else(PoisonError::into_inner);
        tls.writer().write_all(&plain[..n])?;
        while tls.wants_write() {
            tls.write_tls(&mut client)?;
        }
    }
}
