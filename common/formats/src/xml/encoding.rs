//! The character encoding of an XML file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::quote;

/// The supported encodings (XML 1.0, 4.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Encoding {
    Utf8,
    Ascii,
    /// Also ISO-8859-1: files that declare it and contain bytes from 80 to 9F mean Windows-1252 (WHATWG Encoding
    /// Standard, 4.2).
    Windows1252,
    Latin9,
}

impl Encoding {
    /// The table of a single-byte encoding.
    pub(crate) const fn table(self) -> Option<&'static encoding_rs::Encoding> {
        match self {
            Self::Windows1252 => Some(encoding_rs::WINDOWS_1252),
            Self::Latin9 => Some(encoding_rs::ISO_8859_15),
            Self::Utf8 | Self::Ascii => None,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Ascii => "US-ASCII",
            Self::Windows1252 => "ISO-8859-1 or Windows-1252",
            Self::Latin9 => "ISO-8859-15",
        })
    }
}

/// An unsupported encoding.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodingError {
    #[error("the file starts with the mark of UTF-8 but declares {0}")]
    Contradiction(Encoding),
    #[error("the file is UTF-16; save it as UTF-8")]
    Utf16,
    #[error(
        "the encoding `{}` is not read; save the file as UTF-8 (read are UTF-8, US-ASCII, ISO-8859-1, ISO-8859-15 and \
         Windows-1252)",
        quote(.0)
    )]
    Unsupported(String),
}

/// The maximum length of the XML declaration, in bytes.
const DECLARATION_BYTES_MAX: usize = 256;

/// The encoding according to a file's first bytes, and the length of its byte order mark.
///
/// # Errors
/// For unsupported encodings.
pub(crate) fn encoding(sample: &[u8]) -> Result<(Encoding, u64), EncodingError> {
    if let Some(rest) = sample.strip_prefix(b"\xef\xbb\xbf") {
        return match declared(rest)? {
            None | Some(Encoding::Utf8 | Encoding::Ascii) => Ok((Encoding::Utf8, 3)),
            Some(other) => Err(EncodingError::Contradiction(other)),
        };
    }
    let is_utf16 = [&b"\xff\xfe"[..], b"\xfe\xff", b"<\0", b"\0<"].iter().any(|start| sample.starts_with(start));
    if is_utf16 {
        return Err(EncodingError::Utf16);
    }
    Ok((declared(sample)?.unwrap_or(Encoding::Utf8), 0))
}

/// The encoding in the XML declaration.
fn declared(sample: &[u8]) -> Result<Option<Encoding>, EncodingError> {
    let start = sample.get(..sample.len().min(DECLARATION_BYTES_MAX)).unwrap_or_default();
    let start = String::from_utf8_lossy(start);
    let Some(declaration) = start.trim_start().strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) else {
        return Ok(None);
    };
    let Some((_, rest)) = declaration.0.split_once("encoding") else { return Ok(None) };
    let quoted = rest.trim_start().strip_prefix('=').map(str::trim_start).unwrap_or_default();
    let name = quoted.get(1..).and_then(|name| name.split(['"', '\'']).next()).unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" => Ok(Some(Encoding::Utf8)),
        "us-ascii" | "ascii" => Ok(Some(Encoding::Ascii)),
        "iso-8859-1" | "iso8859-1" | "latin1" | "windows-1252" | "cp1252" => Ok(Some(Encoding::Windows1252)),
        "iso-8859-15" | "iso8859-15" | "latin-9" | "latin9" => Ok(Some(Encoding::Latin9)),
        _ => Err(EncodingError::Unsupported(name.to_owned())),
    }
}
