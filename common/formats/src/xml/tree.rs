//! A small part of a file, held as a whole.

use std::io::Read;

use crate::error::{ReadError, broken, quote};
use crate::limits::{XML_ELEMENTS_MAX, XML_PART_BYTES_MAX};
use crate::xml::{Pull, Token};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Element {
    /// Without its prefix.
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    /// Its own characters, without those of its children.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
    /// Line of its start tag.
    pub(crate) line: u64,
}

impl Element {
    /// Reads up to the end of the element whose start was just pulled.
    ///
    /// # Errors
    /// [`ReadError`]; the part is limited in size.
    pub(crate) fn read<R: Read>(
        pull: &mut Pull<R>,
        name: String,
        attributes: Vec<(String, String)>,
    ) -> Result<Self, ReadError> {
        let first = pull.offset();
        let mut count = 0_usize;
        let mut above: Vec<Self> = Vec::new();
        let mut element = Self { name, attributes, line: pull.line(), ..Self::default() };
        loop {
            match pull.next()? {
                Token::Start { name, attributes } => {
                    let child = Self { name, attributes, line: pull.line(), ..Self::default() };
                    above.push(std::mem::replace(&mut element, child));
                    count = count.saturating_add(1);
                }
                Token::Text(text) if element.text.is_empty() => element.text = text,
                Token::Text(text) => element.text.push_str(&text),
                Token::End => match above.pop() {
                    None => return Ok(element),
                    Some(mut parent) => {
                        std::mem::swap(&mut parent, &mut element);
                        element.children.push(parent);
                    }
                },
                Token::Eof => return broken(pull.line(), "the file ends in the middle; it may be cut off"),
            }
            if count > XML_ELEMENTS_MAX || pull.offset().saturating_sub(first) > XML_PART_BYTES_MAX {
                let name = above.first().map_or(&element.name, |top| &top.name);
                return broken(
                    pull.line(),
                    format!(
                        "`{}` has more than {XML_ELEMENTS_MAX} elements or {XML_PART_BYTES_MAX} bytes",
                        quote(name)
                    ),
                );
            }
        }
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at the end of a path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text at the end of a path of names.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(|element| element.text.trim()).filter(|text| !text.is_empty())
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
