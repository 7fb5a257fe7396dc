//! Lines and fields of MT940.

use std::io::{BufRead, Read};

use crate::error::{ReadError, broken};
use crate::limits::{FIELD_BYTES_MAX, LINE_BYTES_MAX};
use crate::stream::Stream;

/// A field with its tag, or the end of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// `61`, `60F`; empty for the end of a message.
    pub(super) tag: String,
    /// Its lines, the first one without the tag.
    pub(super) lines: Vec<String>,
    /// Line of the file, from 1.
    pub(super) line: u64,
    /// Bytes of the file before it.
    pub(super) offset: u64,
}

impl Field {
    pub(super) fn first(&self) -> &str {
        self.lines.first().map_or("", |line| line.trim())
    }
}

/// The non-ASCII bytes seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Seen {
    pub(super) utf8: bool,
    pub(super) windows_1252: bool,
}

struct Line {
    text: String,
    number: u64,
    offset: u64,
}

/// Reads fields, looking one line and one field ahead.
pub(super) struct Mt940Fields<R> {
    stream: Stream<R>,
    /// The number of the last line that was read.
    number: u64,
    line: Option<Line>,
    field: Option<Field>,
    pub(super) seen: Seen,
}

impl<R: Read> Mt940Fields<R> {
    pub(super) const fn new(stream: Stream<R>, line: u64, seen: Seen) -> Self {
        Self { stream, number: line.saturating_sub(1), line: None, field: None, seen }
    }

    /// The offset of the next field, and its line.
    pub(super) fn position(&self) -> (u64, u64) {
        let line = self.line.as_ref().map(|line| (line.offset, line.number));
        let field = self.field.as_ref().map(|field| (field.offset, field.line));
        field.or(line).unwrap_or((self.stream.offset(), self.number.saturating_add(1)))
    }

    /// The next field, without consuming it.
    pub(super) fn peek(&mut self) -> Result<Option<&Field>, ReadError> {
        if self.field.is_none() {
            self.field = self.read_field()?;
        }
        Ok(self.field.as_ref())
    }

    pub(super) fn take(&mut self) -> Result<Option<Field>, ReadError> {
        self.peek()?;
        Ok(self.field.take())
    }

    fn read_field(&mut self) -> Result<Option<Field>, ReadError> {
        let mut field: Option<Field> = None;
        let mut bytes = 0_usize;
        while let Some(line) = self.peek_line()? {
            match (split(&line.text), &mut field) {
                (Some(_), Some(_)) => break,
                (Some((tag, text)), None) => {
                    bytes = text.len();
                    let (number, offset) = (line.number, line.offset);
                    field = Some(Field { tag: tag.to_owned(), lines: vec![text.to_owned()], line: number, offset });
                }
                // Lines before the first field are the bank's header.
                (None, None) => {}
                (None, Some(field)) => {
                    bytes = bytes.saturating_add(line.text.len());
                    if bytes > FIELD_BYTES_MAX {
                        return broken(line.number, format!("a field has more than {FIELD_BYTES_MAX} bytes"));
                    }
                    // The bank's headers and trailers follow the end of a message.
                    if !field.tag.is_empty() && !line.text.trim().is_empty() {
                        field.lines.push(line.text.clone());
                    }
                }
            }
            self.line = None;
        }
        Ok(field)
    }

    fn peek_line(&mut self) -> Result<Option<&Line>, ReadError> {
        if self.line.is_none() {
            self.line = self.read_line()?;
        }
        Ok(self.line.as_ref())
    }

    fn read_line(&mut self) -> Result<Option<Line>, ReadError> {
        let offset = self.stream.offset();
        let mut bytes = Vec::new();
        let limit = LINE_BYTES_MAX as u64;
        (&mut self.stream).take(limit.saturating_add(1)).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number = self.number.saturating_add(1);
        if bytes.len() > LINE_BYTES_MAX {
            return broken(self.number, format!("a line has more than {LINE_BYTES_MAX} bytes"));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => {
                self.seen.utf8 |= !text.is_ascii();
                text
            }
            Err(error) => {
                self.seen.windows_1252 = true;
                encoding_rs::WINDOWS_1252.decode_without_bom_handling(error.as_bytes()).0.into_owned()
            }
        };
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        Ok(Some(Line { text, number: self.number, offset }))
    }
}

/// The tag of a line and the text after it; the tag is empty for the end of a message.
fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(|letter: char| letter.is_control() || letter == '\u{feff}');
    // The blocks of a SWIFT message: {1:…}{2:…}{4: before the fields, -} after them.
    let line = match line.strip_prefix('{').and_then(|_| line.split_once("{4:")) {
        Some((_, "")) => return Some(("", "")),
        Some((_, text)) => text,
        None if line.starts_with("{1:") => return Some(("", "")),
        None => line,
    };
    let bare = line.trim_end_matches(|letter: char| letter.is_control() || letter.is_whitespace());
    // A single hyphen; some banks write more after it. A text that starts with a hyphen continues with a space or
    // letters.
    if bare == "-" || bare.starts_with("-}") || (bare.len() > 1 && bare.strip_prefix('-').is_some_and(is_end_mark)) {
        return Some(("", ""));
    }
    let (tag, text) = line.strip_prefix(':')?.split_once(':')?;
    TAGS.contains(&tag).then_some((tag, text))
}

/// The tags of MT940 and MT942. Any other text between colons at the start of a line belongs to the field before it, as
/// in `:15:30 o'clock`.
const TAGS: [&str; 26] = [
    "13", "13D", "20", "21", "25", "25P", "28", "28C", "34", "34F", "60", "60F", "60M", "61", "62", "62F", "62M", "64",
    "65", "86", "90", "90C", "90D", "NS", "12", "23",
];

/// What ING and others write after the hyphen.
fn is_end_mark(rest: &str) -> bool {
    rest == "XXX"
}
