//! A TCP connection that notices silence and gives way when it is told to stop.
//!
//! ureq's own socket knows one timeout for each read or write. Here the socket wakes up at every beat: it looks
//! whether the upload was stopped, and gives up when nothing moved for too long. A slow peer that takes a few bytes at
//! each beat is never cut off.

use super::exchange;
use socket2::SockRef;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, RustlsConnector,
    Transport,
};

/// How often a blocked read or write looks around.
const BEAT: Duration = Duration::from_millis(200);

/// What the kernel may hold of the bytes that have not even been sent once. Without a bound it takes megabytes, and a
/// slow line would still be busy with them long after the last write, looking like a server that does not answer.
/// The less it may hold, the more often a worker is woken: on loopback 128 KiB cost a third of the CPU, this a
/// twentieth.
const UNSENT: u32 = 1 << 20;

/// The same once the line has been seen to be slow, where wake-ups are few anyway.
const UNSENT_SLOW: u32 = 64 << 10;

/// A connection used so recently needs no look whether it is still open; if it is not, the request is repeated.
const SURELY_OPEN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct SocketConnector;

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy's connection, already made.
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let stream = connect_to_any(details)?;
        exchange::current().note_connected();
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(BEAT))?;
        stream.set_write_timeout(Some(BEAT))?;
        limit_unsent(&stream, UNSENT);
        let config = details.config;
        Ok(Some(Either::B(Socket {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            used: Instant::now(),
            slow: false,
            broken: false,
        })))
    }
}

/// Tries the addresses in turn; each may use an equal share of the time that is left.
fn connect_to_any(details: &ConnectionDetails<'_>) -> Result<TcpStream, ureq::Error> {
    let end = Instant::now().checked_add(*details.timeout.after);
    let mut last = ureq::Error::HostNotFound;
    let n = details.addrs.len();
    for (i, address) in details.addrs.iter().enumerate() {
        let share = end.map(|end| {
            let left = end.saturating_duration_since(Instant::now());
            left / u32::try_from(n - i).unwrap_or(u32::MAX)
        });
        let tried = match share {
            Some(share) => {
                TcpStream::connect_timeout(address, share.max(Duration::from_millis(10)))
            }
            None => TcpStream::connect(address),
        };
        match tried {
            Ok(stream) => return Ok(stream),
            Err(error) if is_timeout(&error) => {
                last = ureq::Error::Timeout(ureq::Timeout::Connect);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_unsent(stream: &TcpStream, bytes: u32) {
    // Without it a stall is only noticed later.
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(bytes) {
        log::trace!("TCP_NOTSENT_LOWAT: {error}");
    }
}

/// Elsewhere the send buffer itself is bounded, which holds what is on its way as well.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_unsent(stream: &TcpStream, bytes: u32) {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if let Err(error) = SockRef::from(stream).set_send_buffer_size(bytes) {
        log::trace!("SO_SNDBUF: {error}");
    }
}

/// TLS by rustls, which tells a handshake's failure from a later one.
#[derive(Debug, Default)]
pub(super) struct Handshake(RustlsConnector);

impl<In: Transport> Connector<In> for Handshake {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let secured = self.0.connect(details, chained);
        if secured.is_err() {
            exchange::current().note_handshake_failed();
        }
        secured
    }
}

pub(super) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
    used: Instant,
    /// A write has waited for a whole beat.
    slow: bool,
    /// Nothing more can be sent over it.
    broken: bool,
}

impl Socket {
    /// Waits at a beat: goes on, or ends because of a stop, of silence, or of the deadline of a handshake.
    fn wait(
        started: Instant,
        silence: Duration,
        timeout: &NextTimeout,
        doing: &str,
    ) -> Result<(), ureq::Error> {
        let current = exchange::current();
        if current.is_stopped() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped").into());
        }
        let waited = started.elapsed();
        if waited >= *timeout.after {
            return Err(ureq::Error::Timeout(timeout.reason));
        }
        if waited >= silence {
            let what = format!("{doing} for {} s", waited.as_secs_f32().round());
            return Err(io::Error::new(io::ErrorKind::TimedOut, what).into());
        }
        Ok(())
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.broken {
            return Ok(());
        }
        let current = exchange::current();
        current.note_sending();
        let mut left = &self.buffers.output()[..amount];
        let mut moved = Instant::now();
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(n) => {
                    left = &left[n..];
                    if !left.is_empty() {
                        moved = Instant::now();
                    }
                }
                Err(error) if is_timeout(&error) => {
                    let silence = current.write_silence();
                    Socket::wait(moved, silence, &timeout, "the server took no byte")?;
                    if !self.slow {
                        self.slow = true;
                        limit_unsent(&self.stream, UNSENT_SLOW);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_gone(&error) => {
                    // It may have answered before it went: the answer decides, see `Paced`.
                    self.broken = true;
                    current.note_peer_is_gone();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let current = exchange::current();
        let silence = current.read_silence();
        let started = Instant::now();
        loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(n) => {
                    self.buffers.input_appended(n);
                    self.used = Instant::now();
                    if n > 0 {
                        current.note_answered();
                    }
                    return Ok(n > 0);
                }
                Err(error) if is_timeout(&error) => {
                    Socket::wait(started, silence, &timeout, "no answer came")?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        !self.broken && (self.used.elapsed() < SURELY_OPEN || is_quiet(&self.stream))
    }
}

/// Whether the peer neither closed the connection nor sent anything that nobody asked for.
fn is_quiet(stream: &TcpStream) -> bool {
    let look = || {
        stream.set_nonblocking(true)?;
        let seen = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        seen
    };
    look().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// What a blocking call reports at a beat: `WouldBlock` on Unix, `TimedOut` on Windows.
fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset
    )
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("peer", &self.stream.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
