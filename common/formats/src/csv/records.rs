//! Parses the records of a CSV file strictly (RFC 4180): doubtful input is refused, never skipped.

use std::io::{BufRead, Read};

use deserr::Deserr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{ReadError, broken};
use crate::limits::{COLUMNS_MAX, RECORD_BYTES_MAX, RECORD_LINES_MAX};
use crate::stream::Stream;

/// The character encoding of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Deserr, ToSchema)]
pub enum CsvEncoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// Windows-1252, and therefore ISO-8859-1.
    Windows1252,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvRecord {
    /// The line of its start, from 1.
    pub(super) line: u64,
    /// Without surrounding white space.
    pub(super) fields: Vec<String>,
}

pub(super) struct Records<R> {
    pub(super) stream: Stream<R>,
    /// The next line's number.
    pub(super) line: u64,
    encoding: CsvEncoding,
    delimiter: char,
}

impl<R: Read> Records<R> {
    pub(super) const fn new(stream: Stream<R>, line: u64, encoding: CsvEncoding, delimiter: char) -> Self {
        Self { stream, line, encoding, delimiter }
    }

    /// The next record; lines without text are skipped.
    pub(super) fn next(&mut self) -> Result<Option<CsvRecord>, ReadError> {
        loop {
            let first = self.line;
            let Some(mut text) = self.next_line(RECORD_BYTES_MAX)? else { return Ok(None) };
            let fields = loop {
                match split(&text, self.delimiter) {
                    Ok(fields) => break fields,
                    Err(Unsplit::Open) if self.line.saturating_sub(first) >= RECORD_LINES_MAX => {
                        let why = format!("a record has more than {RECORD_LINES_MAX} lines; is a quote not closed?");
                        return broken(first, why);
                    }
                    Err(Unsplit::Open) => {
                        let room = RECORD_BYTES_MAX.saturating_sub(text.len());
                        let Some(more) = self.next_line(room)? else {
                            return broken(first, "a quote is opened but not closed up to the end of the file");
                        };
                        text.push_str(&more);
                    }
                    Err(Unsplit::Wrong(why)) => return broken(first, why),
                }
            };
            if fields.iter().any(|field| !field.is_empty()) {
                return Ok(Some(CsvRecord { line: first, fields }));
            }
        }
    }

    pub(super) fn pass_lines(&mut self, count: u64) -> Result<(), ReadError> {
        for _ in 0..count {
            self.next_line(RECORD_BYTES_MAX)?;
        }
        Ok(())
    }

    /// A line with its line ending.
    fn next_line(&mut self, bytes_max: usize) -> Result<Option<String>, ReadError> {
        let mut bytes = Vec::new();
        (&mut self.stream).take((bytes_max as u64).saturating_add(1)).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() > bytes_max {
            let why = format!("a record has more than {RECORD_BYTES_MAX} bytes; is a quote not closed?");
            return broken(self.line, why);
        }
        let text = match decode(bytes, self.encoding) {
            Ok(text) => text,
            Err(why) => return broken(self.line, why),
        };
        if text.strip_suffix("\r\n").unwrap_or(&text).contains('\r') {
            // Lines are identified by their number, which counts line feeds.
            return broken(self.line, "lines end with a carriage return alone; save the file with LF or CRLF");
        }
        self.line = self.line.saturating_add(1);
        Ok(Some(text))
    }
}

/// A line that is not in the encoding of the lines before it.
#[derive(Debug, thiserror::Error)]
#[error("the line is not UTF-8, unlike those before it; save the file as UTF-8, or set its encoding")]
pub(super) struct NotUtf8;

pub(super) fn decode(bytes: Vec<u8>, encoding: CsvEncoding) -> Result<String, NotUtf8> {
    match encoding {
        CsvEncoding::Utf8 => String::from_utf8(bytes).map_err(|_| NotUtf8),
        CsvEncoding::Windows1252 => Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes).0.into_owned()),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsplit {
    /// A quote is open at the end.
    Open,
    Wrong(String),
}

pub(super) fn split(text: &str, delimiter: char) -> Result<Vec<String>, Unsplit> {
    let mut fields = Vec::new();
    let mut letters = text.trim_end_matches(['\r', '\n']).chars().peekable();
    loop {
        if fields.len() == COLUMNS_MAX {
            return Err(Unsplit::Wrong(format!("a record has more than {COLUMNS_MAX} fields")));
        }
        let mut field = String::new();
        let is_blank = |letter: &char| (*letter == ' ' || *letter == '\u{a0}') && *letter != delimiter;
        while letters.next_if(is_blank).is_some() {}
        let is_quoted = letters.next_if_eq(&'"').is_some();
        if is_quoted {
            loop {
                match letters.next() {
                    Some('"') if letters.next_if_eq(&'"').is_some() => field.push('"'),
                    Some('"') => break,
                    Some(letter) => field.push(letter),
                    // The field continues on the next line.
                    None => return Err(Unsplit::Open),
                }
            }
            while letters.next_if(is_blank).is_some() {}
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != delimiter) {
                if letter == '"' {
                    let why = "a quote occurs within a field; put the field in quotes and double the quotes in it";
                    return Err(Unsplit::Wrong(why.to_owned()));
                }
                field.push(letter);
            }
        }
        fields.push(field.trim().to_owned());
        match letters.next() {
            None => return Ok(fields),
            Some(letter) if letter == delimiter => {}
            Some(_) => return Err(Unsplit::Wrong("text follows a closing quote".to_owned())),
        }
    }
}
