//! A connection under TLS.
//!
//! ureq's own connector takes its certificates by a setting that knows either Mozilla's roots or others, panics on a key
//! that does not fit, hides failed writes until the next one and makes a system call for each record of 16 KiB.

use crate::transport::buffers::HeadFirst;
use crate::transport::exchange;
use crate::transport::socket::Wire;
use rustls::client::{ClientConfig, ClientConnection};
use rustls::pki_types::ServerName;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::Instant;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport, time,
};

pub(in crate::transport) struct Secure(pub(in crate::transport) Arc<ClientConfig>);

impl<In: Transport> Connector<Wire<In>> for Secure {
    type Out = Either<Wire<In>, Secured<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<Wire<In>>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(below) = chained else {
            return Ok(None);
        };
        if !details.needs_tls() || below.is_tls() {
            return Ok(Some(Either::A(below)));
        }
        let secured = Secured::by_handshake(&self.0, details, below);
        if secured.is_err() {
            exchange::current().handshake_failed.set(true);
        }
        secured.map(|secured| Some(Either::B(secured)))
    }
}

/// The configuration holds a private key.
impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure").finish_non_exhaustive()
    }
}

pub(in crate::transport) struct Secured<T: Transport> {
    tls: ClientConnection,
    below: Below<T>,
    buffers: HeadFirst,
}

impl<T: Transport> Secured<T> {
    fn by_handshake(
        config: &Arc<ClientConfig>,
        details: &ConnectionDetails<'_>,
        wire: Wire<T>,
    ) -> Result<Secured<T>, ureq::Error> {
        let host = crate::endpoint::without_brackets(details.uri.host().unwrap_or_default());
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| ureq::Error::Tls("no certificate can be for such a host"))?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(broken)?;
        let mut below = Below::new(wire, details.timeout);
        tls.complete_io(&mut below)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => closed("in the middle of the TLS handshake"),
                _ => error.into(),
            })?;
        // All that is written at once is encrypted at once, and goes by one system call.
        tls.set_buffer_limit(None);
        let config = details.config;
        let buffers = HeadFirst::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Secured {
            tls,
            below,
            buffers,
        })
    }

    /// Sends what is encrypted.
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.below)?;
        }
        Ok(())
    }
}

impl<T: Transport> Transport for Secured<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.below.grant(timeout);
        self.tls.writer().write_all(self.buffers.take(amount))?;
        self.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.below.grant(timeout);
        loop {
            match self.tls.reader().read(self.buffers.input_append_buf()) {
                Ok(n) => {
                    self.buffers.input_appended(n);
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(closed("without a word"));
                }
                Err(error) => return Err(error.into()),
            }
            self.tls.read_tls(&mut self.below)?;
            let state = self.tls.process_new_packets().map_err(broken)?;
            // Tickets, a good-bye, or half a record, which may trickle for ever: not an answer yet.
            if state.plaintext_bytes_to_read() == 0 {
                let current = exchange::current();
                current.answered.set(false);
                current.give_way()?;
            }
            self.flush()?;
        }
    }

    fn is_open(&mut self) -> bool {
        self.below.wire.is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl<T: Transport> fmt::Debug for Secured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured")
            .field("below", &self.below.wire)
            .finish_non_exhaustive()
    }
}

/// As handshakes report it too.
fn broken(error: rustls::Error) -> ureq::Error {
    io::Error::new(io::ErrorKind::InvalidData, error).into()
}

fn closed(how: &str) -> ureq::Error {
    let what = format!("the server closed the connection {how}");
    io::Error::new(io::ErrorKind::UnexpectedEof, what).into()
}

/// The connection beneath, as rustls wants it.
struct Below<T: Transport> {
    wire: Wire<T>,
    timeout: NextTimeout,
    granted: Instant,
}

impl<T: Transport> Below<T> {
    fn new(wire: Wire<T>, timeout: NextTimeout) -> Below<T> {
        Below {
            wire,
            timeout,
            granted: Instant::now(),
        }
    }

    /// For all reads and writes until the next grant together.
    fn grant(&mut self, timeout: NextTimeout) {
        self.timeout = timeout;
        self.granted = Instant::now();
    }

    fn left(&self) -> NextTimeout {
        let after = match self.timeout.after {
            time::Duration::NotHappening => time::Duration::NotHappening,
            time::Duration::Exact(after) => {
                time::Duration::Exact(after.saturating_sub(self.granted.elapsed()))
            }
        };
        NextTimeout {
            after,
            ..self.timeout
        }
    }
}

impl<T: Transport> Read for Below<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.wire.buffers().can_use_input() {
            let left = self.left();
            let awaited = self.wire.await_input(left);
            awaited.map_err(ureq::Error::into_io)?;
        }
        let buffers = self.wire.buffers();
        let n = buffer.len().min(buffers.input().len());
        buffer[..n].copy_from_slice(&buffers.input()[..n]);
        buffers.input_consume(n);
        Ok(n)
    }
}

impl<T: Transport> Write for Below<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// All records that fit, by one system call.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let left = self.left();
        let sent = self.wire.transmit_slices(slices, left);
        sent.map_err(ureq::Error::into_io)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
