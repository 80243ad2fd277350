//! The buffers of a connection. A request's head waits before its body, so that the two leave in one write, and in one
//! packet where they fit into it.

use super::exchange;
use std::ops::Range;
use ureq::unversioned::transport::{Buffers, LazyBuffers};

/// Room for the head that waits, so that the first piece of the body need not be shorter than the others. A longer head
/// takes the rest from that piece.
const HEAD_ROOM: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct HeadFirst {
    input: LazyBuffers,
    /// Empty until it is needed.
    output: Vec<u8>,
    /// What is written at once, at most, not counting a head.
    piece: usize,
    /// The length of the head that waits at the begin of the output.
    waiting: usize,
}

impl HeadFirst {
    pub(super) fn new(input: usize, piece: usize) -> HeadFirst {
        HeadFirst {
            // It does not know that its output is not used.
            input: LazyBuffers::new(input, 1),
            output: vec![],
            piece,
            waiting: 0,
        }
    }

    /// What is to be written now that so many bytes were put into the output; nothing when they are a head that waits
    /// for its body.
    pub(super) fn take(&mut self, amount: usize) -> &[u8] {
        let end = self.waiting + amount;
        self.waiting = match exchange::current().takes_head() {
            true => end,
            false => 0,
        };
        match self.waiting {
            0 => &self.output[..end],
            _ => &[],
        }
    }

    /// Where the next bytes go.
    fn room(&mut self) -> Range<usize> {
        if self.output.is_empty() {
            self.output.resize(self.piece + HEAD_ROOM, 0);
        }
        self.waiting..(self.waiting + self.piece).min(self.output.len())
    }
}

impl Buffers for HeadFirst {
    fn output(&mut self) -> &mut [u8] {
        let room = self.room();
        &mut self.output[room]
    }

    fn input(&self) -> &[u8] {
        self.input.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.input.input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.input.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.input.input_consume(amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let room = self.room();
        let (tmp, _) = self.input.tmp_and_output();
        (tmp, &mut self.output[room])
    }

    fn can_use_input(&self) -> bool {
        self.input.can_use_input()
    }
}
