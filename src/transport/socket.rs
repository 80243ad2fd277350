//! A TCP connection that notices silence and gives way when it is told to stop.
//!
//! ureq's own socket knows one timeout for each read or write. Here the socket wakes up at every beat: it looks
//! whether the upload was stopped, and gives up when nothing moved for too long: no byte into the kernel, none out of it, none
//! back. A slow line that takes a few bytes at each beat is never cut off.

use super::{exchange, unsent};
use crate::aside::{Left, aside};
use crate::stop::Stop;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

/// How often a blocked read or write looks around, at least.
const LONGEST_BEAT: Duration = Duration::from_millis(200);

/// And at most.
const SHORTEST_BEAT: Duration = Duration::from_millis(10);

/// Beats in the time of silence that is put up with.
const BEATS: u32 = 8;

/// A connection used so recently needs no look whether it is still open; if it is not, the request is repeated, and
/// for so long all others are looked at.
pub(super) const SURELY_OPEN: Duration = Duration::from_secs(1);

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
        let current = exchange::current();
        let stream = connect_to_any(details, current.stop())?;
        current.connected.set(true);
        let beat = (current.write_silence() / BEATS).clamp(SHORTEST_BEAT, LONGEST_BEAT);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(beat))?;
        stream.set_write_timeout(Some(beat))?;
        unsent::limit(&stream);
        let config = details.config;
        Ok(Some(Either::B(Socket {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            used: Instant::now(),
            broken: false,
        })))
    }
}

/// Tries the addresses in turn; each may use an equal share of the time that is left.
fn connect_to_any(
    details: &ConnectionDetails<'_>,
    stop: &Arc<Stop>,
) -> Result<TcpStream, ureq::Error> {
    let end = Instant::now().checked_add(*details.timeout.after);
    let mut last = ureq::Error::HostNotFound;
    let n = details.addrs.len();
    for (i, address) in details.addrs.iter().enumerate() {
        let share = end.map(|end| {
            let left = end.saturating_duration_since(Instant::now());
            (left / u32::try_from(n - i).unwrap_or(u32::MAX)).max(SHORTEST_BEAT)
        });
        match connect(*address, share, stop) {
            Ok(stream) => return Ok(stream),
            Err(error) if is_timeout(&error) => {
                last = ureq::Error::Timeout(ureq::Timeout::Connect);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// The system offers no way to end a connect early, so that a stop leaves it to itself.
fn connect(
    address: SocketAddr,
    within: Option<Duration>,
    stop: &Arc<Stop>,
) -> io::Result<TcpStream> {
    let connect = move || match within {
        Some(within) => TcpStream::connect_timeout(&address, within),
        None => TcpStream::connect(address),
    };
    match aside("oss-upload-connect", stop, Duration::MAX, connect) {
        Ok(connected) => connected,
        Err(Left::NoThread(error)) => Err(error),
        Err(left) => Err(io::Error::other(format!("{left:?}"))),
    }
}

pub(super) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
    used: Instant,
    /// Nothing more can be sent over it.
    broken: bool,
}

/// Since when nothing has moved.
#[derive(Debug)]
struct Quiet {
    since: Instant,
    unsent: Option<u32>,
}

impl Quiet {
    fn now() -> Quiet {
        Quiet {
            since: Instant::now(),
            unsent: None,
        }
    }

    /// Looks around at a beat: goes on, or ends because of a stop, of silence, or of the deadline of a handshake.
    fn beat(
        &mut self,
        stream: &TcpStream,
        silence: Duration,
        timeout: &NextTimeout,
        doing: &str,
    ) -> Result<(), ureq::Error> {
        exchange::current().give_way()?;
        if self.since.elapsed() >= *timeout.after {
            return Err(ureq::Error::Timeout(timeout.reason));
        }
        let unsent = unsent::measure(stream);
        let less = |before| unsent.is_some_and(|unsent| unsent < before);
        if self.unsent.is_some_and(less) {
            self.since = Instant::now();
        }
        self.unsent = unsent;
        if self.since.elapsed() >= silence {
            let what = format!("{doing} for {} ms", silence.as_millis());
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
        current.answered.set(false);
        let mut left = &self.buffers.output()[..amount];
        let mut quiet = Quiet::now();
        while !left.is_empty() {
            // Not at a beat only: a slow line may take some bytes before each of them.
            current.give_way()?;
            match self.stream.write(left) {
                Ok(n) => {
                    left = &left[n..];
                    if !left.is_empty() {
                        quiet = Quiet::now();
                    }
                }
                Err(error) if is_timeout(&error) => {
                    let silence = current.write_silence();
                    quiet.beat(&self.stream, silence, &timeout, "the server took no byte")?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_gone(&error) => {
                    // It may have answered before it went: the answer decides, see `Paced`.
                    self.broken = true;
                    current.peer_is_gone.set(true);
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
        let mut quiet = Quiet::now();
        // What is left of an answer may trickle for ever, a byte before each beat. One that comes whole is taken.
        if current.answered.get() {
            current.give_way()?;
        }
        loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(n) => {
                    self.buffers.input_appended(n);
                    self.used = Instant::now();
                    if n > 0 {
                        current.answered.set(true);
                    }
                    return Ok(n > 0);
                }
                Err(error) if is_timeout(&error) => {
                    quiet.beat(&self.stream, silence, &timeout, "no answer came")?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        let surely = self.used.elapsed() < SURELY_OPEN && !exchange::current().is_wary;
        !self.broken && (surely || is_quiet(&self.stream))
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
