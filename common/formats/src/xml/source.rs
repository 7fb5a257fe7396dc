//! A file's bytes as UTF-8, counted, and limited to the size of a token.

use std::io::{self, BufRead, Read};

use crate::limits::XML_TOKEN_BYTES_MAX;
use crate::stream::Stream;
use crate::xml::Encoding;

/// The input of an XML parser.
pub(super) struct Source<R> {
    stream: Stream<R>,
    encoding: Encoding,
    /// Decoded text, for single-byte encodings only.
    decoded: String,
    taken: usize,
    /// The bytes consumed since [`Self::next_token`].
    used: usize,
    offset: u64,
    line: u64,
    /// Why the source itself refuses to continue.
    pub(super) refusal: Option<String>,
}

/// The number of bytes decoded at a time.
const CHUNK_BYTES: usize = 8192;

impl<R: Read> Source<R> {
    pub(super) fn new(stream: Stream<R>, encoding: Encoding, line: u64) -> Self {
        let offset = stream.offset();
        Self { stream, encoding, decoded: String::new(), taken: 0, used: 0, offset, line, refusal: None }
    }

    /// The offset of the next character in the file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    pub(super) const fn next_token(&mut self) {
        self.used = 0;
    }

    fn refuse(&mut self, reason: String) -> io::Error {
        self.refusal = Some(reason);
        io::Error::other("refused")
    }

    fn decode(&mut self, table: &'static encoding_rs::Encoding) -> io::Result<()> {
        if self.taken < self.decoded.len() {
            return Ok(());
        }
        let chunk = self.stream.fill_buf()?;
        let chunk = chunk.get(..chunk.len().min(CHUNK_BYTES)).unwrap_or(chunk);
        let length = chunk.len();
        let (text, _) = table.decode_without_bom_handling(chunk);
        self.decoded.clear();
        self.decoded.push_str(&text);
        self.taken = 0;
        self.stream.consume(length);
        Ok(())
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used > XML_TOKEN_BYTES_MAX {
            return Err(self.refuse(format!("a tag, text or comment has more than {XML_TOKEN_BYTES_MAX} bytes")));
        }
        if let Some(table) = self.encoding.table() {
            self.decode(table)?;
            return Ok(self.decoded.as_bytes().get(self.taken..).unwrap_or_default());
        }
        if self.encoding == Encoding::Ascii {
            let is_ascii = self.stream.fill_buf()?.is_ascii();
            if !is_ascii {
                return Err(self.refuse("the file declares US-ASCII but has other characters".to_owned()));
            }
        }
        self.stream.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.used = self.used.saturating_add(amount);
        let count = |bytes: &[u8], wanted: fn(u8) -> bool| bytes.iter().filter(|byte| wanted(**byte)).count() as u64;
        let is_line_end = |byte| byte == b'\n';
        if self.encoding.table().is_some() {
            let end = self.taken.saturating_add(amount);
            let bytes = self.decoded.as_bytes().get(self.taken..end).unwrap_or_default();
            self.line = self.line.saturating_add(count(bytes, is_line_end));
            // One byte of the file became one character: count the characters' first bytes.
            self.offset = self.offset.saturating_add(count(bytes, |byte| byte & 0xc0 != 0x80));
            self.taken = end;
        } else {
            let lines =
                self.stream.fill_buf().map_or(0, |bytes| count(bytes.get(..amount).unwrap_or(bytes), is_line_end));
            self.line = self.line.saturating_add(lines);
            self.stream.consume(amount);
            self.offset = self.offset.saturating_add(amount as u64);
        }
    }
}
