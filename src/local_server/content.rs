//! The bytes of parts and objects: in memory, in a file, or thrown away.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Enough to make the number of system calls unimportant.
pub(super) const BUFFER: usize = 256 * 1024;

/// Stored bytes. Cloning shares them.
#[derive(Clone)]
pub(super) enum Content {
    /// An object keeps the buffers of its parts: completing copies nothing.
    Memory(Arc<[Arc<Vec<u8>>]>),
    Temporary(Arc<TemporaryFile>),
    File(PathBuf),
    Discarded,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An object may have gigabytes.
        f.write_str("Content(..)")
    }
}

impl Content {
    pub(super) fn memory(bytes: Vec<u8>) -> Content {
        Content::Memory(Arc::new([Arc::new(bytes)]))
    }

    /// Content laid end to end. `into` names the file when the pieces are files.
    pub(super) fn join(pieces: &[Content], into: &dyn Fn() -> PathBuf) -> io::Result<Content> {
        if pieces
            .iter()
            .any(|piece| matches!(piece, Content::Discarded))
        {
            return Ok(Content::Discarded);
        }
        let mut buffers = vec![];
        for piece in pieces {
            let Content::Memory(more) = piece else {
                return Content::copy_to_file(pieces, into());
            };
            buffers.extend(more.iter().cloned());
        }
        Ok(Content::Memory(buffers.into()))
    }

    /// Ready to be read. A file is opened now, so replacing the object later does no harm.
    pub(super) fn open(&self) -> io::Result<Reader> {
        Ok(match self {
            Content::Memory(buffers) => Reader::Memory(Arc::clone(buffers)),
            Content::Temporary(file) => Reader::File(File::open(&file.0)?),
            Content::File(path) => Reader::File(File::open(path)?),
            Content::Discarded => {
                let message = "the server was started with `discard_bodies`";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
        })
    }

    /// Content laid end to end in a new temporary file.
    pub(super) fn copy_to_file(pieces: &[Content], path: PathBuf) -> io::Result<Content> {
        let temporary = Arc::new(TemporaryFile(path));
        let mut whole = File::create_new(&temporary.0)?;
        for piece in pieces {
            match piece.open()? {
                // Within the kernel where the system can do that.
                Reader::File(mut file) => drop(io::copy(&mut file, &mut whole)?),
                Reader::Memory(buffers) => {
                    for buffer in &*buffers {
                        whole.write_all(buffer)?;
                    }
                }
            }
        }
        Ok(Content::Temporary(temporary))
    }

    /// Moves a temporary file to where it stays. Other content stays as it is.
    pub(super) fn settle(self, path: &Path) -> io::Result<Content> {
        match self {
            Content::Temporary(file) => {
                fs::rename(&file.0, path)?;
                Ok(Content::File(path.to_owned()))
            }
            other => Ok(other),
        }
    }
}

/// A file that goes when nobody needs it any more. After a rename there is nothing left to remove.
#[derive(Debug)]
pub(super) struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Takes the bytes of a body as they come in.
#[derive(Debug)]
pub(super) enum Writer {
    Memory(Vec<u8>),
    File(File, TemporaryFile),
    Discard,
}

impl Writer {
    /// Memory for a body of this length, as far as one believes a length that a client announces.
    pub(super) fn memory(len: Option<u64>) -> Writer {
        const BELIEVED: u64 = 64 << 20;
        let capacity = len.unwrap_or(0).min(BELIEVED);
        Writer::Memory(Vec::with_capacity(
            usize::try_from(capacity).unwrap_or_default(),
        ))
    }

    pub(super) fn file(path: PathBuf) -> io::Result<Writer> {
        let file = File::create_new(&path)?;
        Ok(Writer::File(file, TemporaryFile(path)))
    }

    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Writer::Memory(buffer) => buffer.extend_from_slice(piece),
            Writer::File(file, _) => file.write_all(piece)?,
            Writer::Discard => {}
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Content {
        match self {
            Writer::Memory(buffer) => Content::memory(buffer),
            Writer::File(_, temporary) => Content::Temporary(Arc::new(temporary)),
            Writer::Discard => Content::Discarded,
        }
    }
}

/// Stored bytes that are being read.
#[derive(Debug)]
pub(super) enum Reader {
    Memory(Arc<[Arc<Vec<u8>>]>),
    File(File),
}

impl Reader {
    /// Hands out the bytes of the range, piece by piece.
    pub(super) fn each_piece(
        self,
        range: Range<u64>,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Reader::Memory(buffers) => {
                let mut start = 0_u64;
                for buffer in &*buffers {
                    let end = start + buffer.len() as u64;
                    let from = range.start.clamp(start, end) - start;
                    let to = range.end.clamp(start, end) - start;
                    if from < to {
                        take(&buffer[from as usize..to as usize])?;
                    }
                    start = end;
                }
                Ok(())
            }
            Reader::File(mut file) => {
                file.seek(SeekFrom::Start(range.start))?;
                let mut rest = file.take(range.end - range.start);
                let mut buffer = vec![0; BUFFER];
                loop {
                    match rest.read(&mut buffer)? {
                        0 if rest.limit() > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                        0 => return Ok(()),
                        n => take(&buffer[..n])?,
                    }
                }
            }
        }
    }
}
