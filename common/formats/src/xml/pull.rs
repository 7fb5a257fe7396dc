//! The parser: tags, texts and ends, checked for well-formedness.

use std::io::Read;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use crate::error::{ReadError, broken, quote};
use crate::limits::{XML_ATTRIBUTES_MAX, XML_DEPTH_MAX};
use crate::stream::Stream;
use crate::xml::Encoding;
use crate::xml::source::Source;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A start tag: the name without its prefix, the attributes as written.
    Start { name: String, attributes: Vec<(String, String)> },
    /// Characters, with references resolved.
    Text(String),
    /// The end of the innermost open element.
    End,
    /// The end of the file.
    Eof,
}

pub(crate) struct Pull<R> {
    reader: quick_xml::Reader<Source<R>>,
    buffer: Vec<u8>,
    /// Names of the open elements, with their prefixes.
    open: Vec<String>,
    has_root: bool,
    line: u64,
}

impl<R: Read> Pull<R> {
    /// Starts at the position of `stream`, within the open elements `open`.
    pub(crate) fn new(stream: Stream<R>, encoding: Encoding, line: u64, open: Vec<String>) -> Self {
        let mut reader = quick_xml::Reader::from_reader(Source::new(stream, encoding, line));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        // Names are checked here: after a resume the parser does not know which elements are open.
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        Self { reader, buffer: Vec::new(), has_root: !open.is_empty(), open, line }
    }

    /// Line at which the last token starts.
    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    /// The offset of the next token, its line, and the open elements.
    pub(crate) fn position(&mut self) -> (u64, u64, Vec<String>) {
        let open = self.open.clone();
        let source = self.reader.get_mut();
        (source.offset(), source.line(), open)
    }

    /// The offset of the next token.
    pub(crate) fn offset(&mut self) -> u64 {
        self.reader.get_mut().offset()
    }

    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The next token. Comments and processing instructions are skipped.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn next(&mut self) -> Result<Token, ReadError> {
        loop {
            self.buffer.clear();
            let source = self.reader.get_mut();
            source.next_token();
            self.line = source.line();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return self.refuse(&error),
            };
            let token = match event {
                Event::Start(tag) => start(&tag, &mut self.open, &mut self.has_root, self.line)?,
                Event::End(tag) => match self.open.pop() {
                    Some(name) if name == tag.name().as_ref() => Token::End,
                    Some(name) => return broken(self.line, format!("`{}` is not closed", quote(&name))),
                    None => return broken(self.line, "a tag is closed that is not open"),
                },
                Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Token::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(reference) => Token::Text(resolved(&reference, self.line)?),
                Event::DocType(_) => {
                    return broken(self.line, "a document type (DOCTYPE) is not accepted; leave it out");
                }
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => continue,
                Event::Eof if self.open.is_empty() && self.has_root => return Ok(Token::Eof),
                Event::Eof => return broken(self.line, "the file ends in the middle; it may be cut off"),
            };
            match &token {
                Token::Text(text) if self.open.is_empty() && !text.trim().is_empty() => {
                    return broken(self.line, "there is text outside of the root element");
                }
                _ => return Ok(token),
            }
        }
    }

    fn refuse(&mut self, error: &quick_xml::Error) -> Result<Token, ReadError> {
        let source = self.reader.get_mut();
        let line = source.line();
        if let Some(reason) = source.refusal.take() {
            return broken(line, reason);
        }
        match error {
            quick_xml::Error::Io(error) => Err(ReadError::Io(std::io::Error::new(error.kind(), error.to_string()))),
            quick_xml::Error::Encoding(_) => broken(line, "the file is not in the encoding that it declares (UTF-8)"),
            // Without the parser's error text, which may repeat the input.
            quick_xml::Error::IllFormed(_) => broken(line, "the XML is not well-formed"),
            _ => broken(line, "the XML is not well-formed; the file may be cut off"),
        }
    }
}

fn start(tag: &BytesStart<'_>, open: &mut Vec<String>, has_root: &mut bool, line: u64) -> Result<Token, ReadError> {
    if open.is_empty() && *has_root {
        return broken(line, "there is a second root element");
    }
    if open.len() >= XML_DEPTH_MAX {
        return broken(line, format!("elements nest deeper than {XML_DEPTH_MAX}"));
    }
    let mut attributes = Vec::new();
    // Repeated names are checked below: the parser compares each with each.
    for attribute in tag.attributes().with_checks(false) {
        if attributes.len() == XML_ATTRIBUTES_MAX {
            return broken(line, format!("an element has more than {XML_ATTRIBUTES_MAX} attributes"));
        }
        let Ok(attribute) = attribute else { return broken(line, "an attribute is not well-formed") };
        let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) else {
            return broken(line, "an attribute has an entity that is not predefined");
        };
        let name = attribute.key.as_ref().to_owned();
        if attributes.iter().any(|(other, _)| *other == name) {
            return broken(line, format!("the attribute `{}` occurs twice in one element", quote(&name)));
        }
        attributes.push((name, value.into_owned()));
    }
    *has_root = true;
    open.push(tag.name().as_ref().to_owned());
    Ok(Token::Start { name: tag.local_name().as_ref().to_owned(), attributes })
}

fn resolved(reference: &quick_xml::events::BytesRef<'_>, line: u64) -> Result<String, ReadError> {
    if let Ok(Some(letter)) = reference.resolve_char_ref() {
        return Ok(letter.to_string());
    }
    let name: &str = reference;
    match name {
        "amp" => Ok("&".to_owned()),
        "lt" => Ok("<".to_owned()),
        "gt" => Ok(">".to_owned()),
        "quot" => Ok("\"".to_owned()),
        "apos" => Ok("'".to_owned()),
        _ => broken(line, format!("the entity `{}` is not one of the five predefined ones", quote(name))),
    }
}
