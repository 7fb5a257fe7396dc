//! The bytes of a file with their offset, and a lookahead.

use std::io::{self, BufRead, Read};

use crate::limits::SAMPLE_BYTES;

/// A reader that tracks its offset and can peek at the next [`SAMPLE_BYTES`].
pub(crate) struct Stream<R> {
    source: R,
    window: Vec<u8>,
    start: usize,
    offset: u64,
}

impl<R: Read> Stream<R> {
    /// A stream whose next byte is at the file's offset `offset`, from 0.
    pub(crate) const fn new(source: R, offset: u64) -> Self {
        Self { source, window: Vec::new(), start: 0, offset }
    }

    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes without consuming them: [`SAMPLE_BYTES`], or the rest of the file if that is less.
    pub(crate) fn sample(&mut self) -> io::Result<&[u8]> {
        while self.rest().len() < SAMPLE_BYTES && self.fill()? > 0 {}
        let length = self.rest().len().min(SAMPLE_BYTES);
        Ok(self.rest().get(..length).unwrap_or_default())
    }

    pub(crate) fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(self.fill_buf()?.len());
            if step == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was"));
            }
            self.consume(step);
            count = count.saturating_sub(step as u64);
        }
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.window.get(self.start..).unwrap_or_default()
    }

    /// Reads more bytes into the buffer.
    fn fill(&mut self) -> io::Result<usize> {
        self.window.drain(..self.start);
        self.start = 0;
        let length = self.window.len();
        self.window.resize(length.saturating_add(SAMPLE_BYTES), 0);
        let read = loop {
            match self.source.read(self.window.get_mut(length..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.window.truncate(length.saturating_add(*read.as_ref().unwrap_or(&0)));
        read
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Stream<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty() {
            self.fill()?;
        }
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.start = self.start.saturating_add(amount).min(self.window.len());
        self.offset = self.offset.saturating_add(amount as u64);
    }
}
