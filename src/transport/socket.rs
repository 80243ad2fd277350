//! A TCP connection that notices silence and gives way when it is told to stop.
//!
//! ureq's own socket knows one timeout for each read or write. Here the socket wakes up at every beat: it looks
//! whether the upload was stopped, and gives up when nothing moved for too long: no byte into the kernel, none out of it, none
//! back. A slow line that takes a few bytes at each beat is never cut off.

use super::buffers::HeadFirst;
use super::{exchange, unsent};
use crate::aside::{Left, aside};
use crate::stop::Stop;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

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
    type Out = Wire<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy's connection, already made.
        if let Some(chained) = chained {
            return Ok(Some(Wire::Through(chained)));
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
        Ok(Some(Wire::Own(Socket {
            line: Line {
                stream,
                broken: false,
            },
            buffers: HeadFirst::new(config.input_buffer_size(), config.output_buffer_size()),
            used: Instant::now(),
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

/// What carries bytes: a socket, or somebody else's connection.
#[derive(Debug)]
pub(super) enum Wire<In> {
    Own(Socket),
    /// Through a proxy.
    Through(In),
}

impl<In: Transport> Wire<In> {
    /// Sends the slices, or a beginning of them, and says how much that was.
    pub(super) fn transmit_slices(
        &mut self,
        slices: &[IoSlice<'_>],
        timeout: NextTimeout,
    ) -> Result<usize, ureq::Error> {
        match self {
            Wire::Own(socket) => {
                let all = slices.iter().map(|slice| slice.len()).sum();
                socket.line.send(&mut slices.to_vec(), &timeout)?;
                Ok(all)
            }
            Wire::Through(other) => {
                let output = other.buffers().output();
                let mut len = 0;
                for slice in slices {
                    let n = slice.len().min(output.len() - len);
                    output[len..len + n].copy_from_slice(&slice[..n]);
                    len += n;
                }
                other.transmit_output(len, timeout)?;
                Ok(len)
            }
        }
    }
}

impl<In: Transport> Transport for Wire<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        match self {
            Wire::Own(socket) => socket.buffers(),
            Wire::Through(other) => other.buffers(),
        }
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        match self {
            Wire::Own(socket) => socket.transmit_output(amount, timeout),
            Wire::Through(other) => other.transmit_output(amount, timeout),
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        match self {
            Wire::Own(socket) => socket.await_input(timeout),
            Wire::Through(other) => other.await_input(timeout),
        }
    }

    fn is_open(&mut self) -> bool {
        match self {
            Wire::Own(socket) => socket.is_open(),
            Wire::Through(other) => other.is_open(),
        }
    }

    fn is_tls(&self) -> bool {
        match self {
            Wire::Own(socket) => socket.is_tls(),
            Wire::Through(other) => other.is_tls(),
        }
    }
}

pub(super) struct Socket {
    line: Line,
    buffers: HeadFirst,
    used: Instant,
}

/// A socket apart from its buffers.
struct Line {
    stream: TcpStream,
    /// Nothing more can be sent over it.
    broken: bool,
}

impl Line {
    /// Sends all of it, unless the peer is gone, which its answer tells.
    fn send(
        &mut self,
        mut left: &mut [IoSlice<'_>],
        timeout: &NextTimeout,
    ) -> Result<(), ureq::Error> {
        if self.broken {
            return Ok(());
        }
        let current = exchange::current();
        current.answered.set(false);
        let mut quiet = Quiet::now();
        while !left.is_empty() {
            // Not at a beat only: a slow line may take some bytes before each of them.
            current.give_way()?;
            match write(&self.stream, left) {
                Ok(n) => {
                    IoSlice::advance_slices(&mut left, n);
                    if !left.is_empty() {
                        quiet = Quiet::now();
                    }
                }
                Err(error) if is_timeout(&error) => {
                    let silence = current.write_silence();
                    quiet.beat(&self.stream, silence, timeout, "the server took no byte")?;
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
}

/// Many slices go by one system call, too, and a peer that is gone raises no signal.
fn write(mut stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [all] => stream.write(all),
        _ => write_vectored(stream, slices),
    }
}

/// std's own raises SIGPIPE where a program has not turned that off.
#[cfg(all(unix, not(target_vendor = "apple")))]
fn write_vectored(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    let nothing = &mut SendAncillaryBuffer::default();
    Ok(sendmsg(stream, slices, nothing, SendFlags::NOSIGNAL)?)
}

#[cfg(not(all(unix, not(target_vendor = "apple"))))]
fn write_vectored(mut stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    stream.write_vectored(slices)
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
        match self.buffers.take(amount) {
            [] => Ok(()),
            bytes => self.line.send(&mut [IoSlice::new(bytes)], &timeout),
        }
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
            match self.line.stream.read(self.buffers.input_append_buf()) {
                Ok(n) => {
                    self.buffers.input_appended(n);
                    self.used = Instant::now();
                    if n > 0 {
                        current.answered.set(true);
                    }
                    return Ok(n > 0);
                }
                Err(error) if is_timeout(&error) => {
                    quiet.beat(&self.line.stream, silence, &timeout, "no answer came")?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        let surely = self.used.elapsed() < SURELY_OPEN && !exchange::current().is_wary;
        !self.line.broken && (surely || is_quiet(&self.line.stream))
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
            .field("peer", &self.line.stream.peer_addr().ok())
            .finish_non_exhaustive()
    }
}
