//! How much of what was written still waits in the kernel for its first journey.
//!
//! A slow line may be busy for long with what the last write left behind, which looks like a server that does not answer.
//! Linux does not tell how much that is without an unsafe call, but it tells whether it is below a mark that can be moved.

use std::net::TcpStream;

/// What the kernel may hold. The less, the more often a worker is woken: on loopback 128 KiB cost a third of the CPU,
/// this a twentieth.
const LIMIT: u32 = 1 << 20;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use super::LIMIT;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use socket2::SockRef;
    use std::io;
    use std::net::TcpStream;

    pub(super) fn limit(stream: &TcpStream) -> io::Result<()> {
        SockRef::from(stream).set_tcp_notsent_lowat(LIMIT)
    }

    pub(super) fn measure(stream: &TcpStream) -> io::Result<u32> {
        let measured = search(stream);
        limit(stream)?;
        measured
    }

    /// Moves the mark until it is known between which two values the socket becomes writable.
    fn search(stream: &TcpStream) -> io::Result<u32> {
        let (mut below, mut above) = (0, 2 * LIMIT);
        while above - below > 1 {
            let mark = below + (above - below) / 2;
            SockRef::from(stream).set_tcp_notsent_lowat(mark)?;
            match is_writable(stream)? {
                true => above = mark,
                false => below = mark,
            }
        }
        // A socket is writable when less than half of the mark is unsent.
        Ok(below / 2)
    }

    fn is_writable(stream: &TcpStream) -> io::Result<bool> {
        let mut polled = [PollFd::new(stream, PollFlags::OUT)];
        let now = Timespec::default();
        Ok(poll(&mut polled, Some(&now))? > 0)
    }
}

/// Elsewhere the send buffer itself is bounded, and what is in it is not known.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::LIMIT;
    use socket2::SockRef;
    use std::io;
    use std::net::TcpStream;

    pub(super) fn limit(stream: &TcpStream) -> io::Result<()> {
        let bytes = usize::try_from(LIMIT).unwrap_or(usize::MAX);
        SockRef::from(stream).set_send_buffer_size(bytes)
    }

    pub(super) fn measure(_stream: &TcpStream) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Bounds what the kernel holds.
pub(super) fn limit(stream: &TcpStream) {
    // Without it a stall is only noticed later.
    if let Err(error) = system::limit(stream) {
        log::trace!(target: "oss_upload::request", "bounding unsent bytes: {error}");
    }
}

/// How many bytes have not been sent once; `None` where that cannot be known. Not for the hot path.
pub(super) fn measure(stream: &TcpStream) -> Option<u32> {
    system::measure(stream).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn what_a_peer_does_not_read_is_known_and_shrinks_when_it_does() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        socket2::SockRef::from(&listener)
            .set_recv_buffer_size(16 << 10)
            .expect("set");
        let mut client = TcpStream::connect(address).expect("connected");
        let (mut server, _) = listener.accept().expect("accepted");
        limit(&client);
        assert_eq!(measure(&client), Some(0));

        let written = 256 << 10;
        client
            .write_all(&vec![1; written])
            .expect("it fits into the buffers");
        let unsent = measure(&client).expect("known");
        assert!((100 << 10..written as u32).contains(&unsent), "{unsent}");

        let mut read = vec![0; written / 2];
        server.read_exact(&mut read).expect("half of it");
        let left = measure(&client).expect("known");
        assert!(left < unsent, "{left} of {unsent}");
        server.read_exact(&mut read).expect("the rest");
        assert_eq!(measure(&client), Some(0));
    }
}
