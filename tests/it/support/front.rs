//! What stands in front of a server: a listener that serves each connection on a thread of its own.

use socket2::SockRef;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is under way here is unknown to the client: it is little, so that a slow server looks slow, and one that stopped
/// reading like that.
pub(crate) const SMALL: usize = 16 << 10;

/// Listens until it is dropped, and breaks its connections then.
pub(crate) struct Front {
    address: SocketAddr,
    open: Arc<Open>,
}

/// The connections of a front, to which those it makes itself may be added.
#[derive(Default)]
pub(crate) struct Open {
    is_over: AtomicBool,
    taken: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

impl Open {
    /// Connects to what stands behind, until the front ends.
    pub(crate) fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_send_buffer_size(SMALL)?;
        self.add(&stream)?;
        Ok(stream)
    }

    fn add(&self, stream: &TcpStream) -> io::Result<()> {
        let mut streams = self.streams.lock().expect("no panic");
        streams.push(stream.try_clone()?);
        Ok(())
    }

    pub(crate) fn break_all(&self) {
        for stream in self.streams.lock().expect("no panic").drain(..) {
            // It may have been closed long ago.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Front {
    /// An error of `serve` is the end of that connection only.
    pub(crate) fn new(
        serve: impl Fn(TcpStream, &Open) -> io::Result<()> + Send + Sync + 'static,
    ) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let small = SockRef::from(&listener).set_recv_buffer_size(SMALL);
        small.expect("set");
        let address = listener.local_addr().expect("bound");
        let (open, serve) = (Arc::new(Open::default()), Arc::new(serve));
        let of_front = Arc::clone(&open);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if of_front.is_over.load(SeqCst) {
                    return;
                }
                of_front.taken.fetch_add(1, SeqCst);
                let (open, serve) = (Arc::clone(&of_front), Arc::clone(&serve));
                thread::spawn(move || {
                    open.add(&stream)
                        .and_then(|()| serve(stream.try_clone()?, &open))
                        .ok();
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Front { address, open }
    }

    /// Takes connections and answers nothing. Says when a client has begun to speak.
    pub(crate) fn mute() -> (Front, Receiver<()>) {
        let (tell, told) = mpsc::channel();
        let front = Front::new(move |mut stream, _| {
            stream.read_exact(&mut [0; 5])?;
            let _ = tell.send(());
            stream.read_to_end(&mut vec![]).map(drop)
        });
        (front, told)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn taken(&self) -> usize {
        self.open.taken.load(SeqCst)
    }

    /// As when the process dies, and another takes its place at once.
    pub(crate) fn break_all(&self) {
        self.open.break_all();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.open.is_over.store(true, SeqCst);
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
        self.open.break_all();
    }
}
