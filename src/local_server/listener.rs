//! Listening, connections and their threads, and how all of it ends without a hang.

use super::connection::Connection;
use super::session::Session;
use super::shared::Shared;
use crate::lock::lock;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A listening socket with everything that came in by it.
#[derive(Debug)]
pub(super) struct Listening {
    address: SocketAddr,
    session: Arc<Session>,
    open: Arc<Mutex<Vec<Open>>>,
    accepting: JoinHandle<()>,
}

/// A connection and its thread. The thread alone owns the socket: closing it must mean closing it.
#[derive(Debug)]
struct Open {
    stream: Weak<TcpStream>,
    thread: JoinHandle<()>,
}

impl Listening {
    /// Listens on a socket that is [bound](bind).
    pub(super) fn start(shared: &Arc<Shared>, socket: Socket) -> io::Result<Listening> {
        socket.listen(1024)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        let session = Arc::new(Session::default());
        let open = Arc::new(Mutex::new(vec![]));
        let door = Door {
            shared: Arc::clone(shared),
            session: Arc::clone(&session),
            open: Arc::clone(&open),
        };
        let accepting = thread::Builder::new()
            .name("oss-local-server".to_owned())
            .spawn(move || door.accept_all(&listener))?;
        Ok(Listening {
            address,
            session,
            open,
            accepting,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops listening, ends all connections and waits for their threads.
    pub(super) fn stop(self) {
        self.session.stop();
        // Accepting blocks; a connection of our own wakes it. If none can be made, others are waiting in the
        // queue and wake it too.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        let _ = self.accepting.join();
        let open = std::mem::take(&mut *lock(&self.open));
        for stream in open.iter().filter_map(|open| open.stream.upgrade()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        for open in open {
            // A hook of a fault may be what stops the server: its thread cannot wait for itself.
            if open.thread.thread().id() != thread::current().id() {
                let _ = open.thread.join();
            }
        }
    }
}

/// Takes a port. As long as nobody listens on it, connections are refused.
pub(super) fn bind(port: u16, receive_buffer: Option<usize>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Coming back to a port whose old connections still linger. Elsewhere the option means something worse. Who takes
    // any port must not have it yet, or might get one that is kept by a server that is away.
    #[cfg(unix)]
    socket.set_reuse_address(port != 0)?;
    // Connections inherit it, and it bounds the window that is offered to the client from the start.
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    Ok(socket)
}

/// What the accepting thread needs.
#[derive(Debug)]
struct Door {
    shared: Arc<Shared>,
    session: Arc<Session>,
    open: Arc<Mutex<Vec<Open>>>,
}

impl Door {
    fn accept_all(self, listener: &TcpListener) {
        loop {
            let accepted = listener.accept();
            if self.session.is_stopped() {
                return;
            }
            let begun = accepted.and_then(|(stream, _)| self.begin(stream));
            if let Err(error) = begun {
                // Out of descriptors or threads, most likely: others must end first.
                log::warn!(target: "oss_upload::local_server", "a connection could not be accepted: {error}");
                let _ = self.session.pause(Duration::from_millis(10));
            }
        }
    }

    fn begin(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        let weak = Arc::downgrade(&stream);
        let number = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        let (shared, session) = (Arc::clone(&self.shared), Arc::clone(&self.session));
        let thread = thread::Builder::new()
            .name(format!("oss-local-server-{number}"))
            .spawn(move || Connection::new(shared, session, stream, number).serve())?;
        let mut open = lock(&self.open);
        open.retain(|open| !open.thread.is_finished());
        open.push(Open {
            stream: weak,
            thread,
        });
        Ok(())
    }
}
