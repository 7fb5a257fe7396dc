//! Renders a template with its data as PDF.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Timelike, Utc};
use quittance_domain::language::Language;
use quittance_wording::words;
use serde_json::{Map, Value, json};
use typst::diag::{FileError, FileResult, SourceDiagnostic};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_kit::fonts::{FontStore, embedded};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use crate::Seller;

/// The layout that all templates import.
const LAYOUT: (&str, &str) = ("/layout.typ", include_str!("../templates/layout.typ"));
const MARK: (&str, &[u8]) = ("/mark.svg", include_bytes!("../templates/mark.svg"));
const DATA_PATH: &str = "/data.json";

/// Replaces characters that no font has: PDF/A forbids the empty boxes that would be printed otherwise.
const STAND_IN: &str = "?";

/// A document cannot be rendered: the template is invalid, or a font is missing.
#[derive(Debug, thiserror::Error)]
#[error("{number} cannot be typeset: {reason}")]
pub struct PressError {
    number: String,
    reason: String,
}

/// A path of a template that Typst does not accept.
#[derive(Debug, thiserror::Error)]
#[error("template path {path}: {reason}")]
pub struct PathError {
    path: String,
    reason: String,
}

/// A document's template and its translations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Template {
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
    /// The section of the translations that it uses in addition to `document`.
    pub(crate) section: &'static str,
}

impl PressError {
    pub(crate) fn new(number: &str, reason: impl ToString) -> Self {
        Self { number: number.to_owned(), reason: reason.to_string() }
    }
}

/// The data that every document has.
pub(crate) struct Imprint<'a> {
    pub(crate) seller: &'a Seller,
    pub(crate) language: Language,
    /// The document's id in the file's metadata: unique, so that it also serves as the file's identity.
    pub(crate) number: &'a str,
    /// When the reported event happened.
    pub(crate) at: DateTime<Utc>,
}

/// Fonts and standard library, loaded once per function instance.
#[derive(Clone)]
pub struct Press {
    library: Arc<LazyHash<Library>>,
    fonts: Arc<FontStore>,
    layout: Source,
    mark: (FileId, Bytes),
    data_id: FileId,
}

impl fmt::Debug for Press {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Press").finish_non_exhaustive()
    }
}

impl Press {
    /// Loads the fonts and what the templates share.
    ///
    /// # Errors
    /// [`PathError`] if a template has an invalid path, which no build has.
    pub fn new() -> Result<Self, PathError> {
        let mut fonts = FontStore::new();
        fonts.extend(embedded());
        Ok(Self {
            library: Arc::new(LazyHash::new(Library::default())),
            fonts: Arc::new(fonts),
            layout: Source::new(file_id(LAYOUT.0)?, LAYOUT.1.to_owned()),
            mark: (file_id(MARK.0)?, Bytes::new(MARK.1)),
            data_id: file_id(DATA_PATH)?,
        })
    }

    /// Renders a document. The same data gives the same bytes.
    pub(crate) fn set(&self, template: Template, imprint: &Imprint<'_>, data: Value) -> Result<Vec<u8>, PressError> {
        let fail = |reason: String| PressError::new(imprint.number, reason);
        let mut data = with_imprint(template, imprint, data);
        self.stand_in(&mut data);
        let data = serde_json::to_vec(&data).map_err(|error| fail(error.to_string()))?;
        let main =
            Source::new(file_id(template.path).map_err(|error| fail(error.to_string()))?, template.text.to_owned());
        let page = TypstWorld { press: self, main, data: Bytes::new(data) };
        let document = typst::compile::<PagedDocument>(&page).output.map_err(|errors| fail(joined(&errors)))?;
        let options = PdfOptions {
            ident: Smart::Custom(imprint.number.to_owned()),
            creator: Smart::Custom(Some("Quittance".to_owned())),
            timestamp: datetime(imprint.at).map(Timestamp::new_utc),
            standards: PdfStandards::new(&[PdfStandard::A_2b]).map_err(|error| fail(error.message().to_string()))?,
            ..PdfOptions::default()
        };
        let pdf = typst_pdf::pdf(&document, &options).map_err(|errors| fail(joined(&errors)));
        // Typst caches layouts for reuse. No document is rendered twice, and an instance that rendered thousands would
        // run out of memory.
        comemo::evict(0);
        pdf
    }

    /// Replaces characters that no font has.
    fn stand_in(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.chars().any(|letter| !self.prints(letter)) => {
                *text = text.chars().fold(String::new(), |mut printed, letter| {
                    if self.prints(letter) {
                        printed.push(letter)
                    } else {
                        printed.push_str(STAND_IN)
                    }
                    printed
                });
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.stand_in(value)),
            Value::Object(members) => members.values_mut().for_each(|value| self.stand_in(value)),
            _ => {}
        }
    }

    fn prints(&self, letter: char) -> bool {
        let book = self.fonts.book();
        let code = u32::from(letter);
        letter.is_ascii() || (0..).map_while(|index| book.info(index)).any(|info| info.coverage.contains(code))
    }
}

fn file_id(path: &str) -> Result<FileId, PathError> {
    let path =
        VirtualPath::new(path).map_err(|error| PathError { path: path.to_owned(), reason: format!("{error:?}") })?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

/// Adds the data that every template needs.
fn with_imprint(template: Template, imprint: &Imprint<'_>, data: Value) -> Value {
    let spoken = words(imprint.language);
    let section =
        |name: &str| spoken.section(name).map(|(key, text)| (key.to_owned(), text.into())).collect::<Map<_, _>>();
    let title = spoken.section(template.section).find(|(key, _)| *key == "title").map_or("", |(_, text)| text);
    let mut whole = json!({
        "language": spoken.code(),
        "words": {"document": section("document"), template.section: section(template.section)},
        "seller": imprint.seller,
        "number": imprint.number,
        "title": format!("{title} {}", imprint.number),
        "footer": imprint.seller.footer(),
    });
    if let (Some(whole), Value::Object(own)) = (whole.as_object_mut(), data) {
        whole.extend(own);
    }
    whole
}

fn joined(errors: &[SourceDiagnostic]) -> String {
    errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join("; ")
}

fn datetime(at: DateTime<Utc>) -> Option<Datetime> {
    let part = |value: u32| u8::try_from(value).ok();
    Datetime::from_ymd_hms(
        at.year(),
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
    )
}

/// The environment in which Typst renders a document: its template, shared files and data; no clock, no other files.
struct TypstWorld<'a> {
    press: &'a Press,
    main: Source,
    data: Bytes,
}

impl World for TypstWorld<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.press.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        self.press.fonts.book()
    }

    fn main(&self) -> FileId {
        self.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        let sources = [&self.main, &self.press.layout];
        sources.into_iter().find(|source| source.id() == id).cloned().ok_or(FileError::AccessDenied)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let (mark_id, mark) = &self.press.mark;
        if id == self.press.data_id {
            Ok(self.data.clone())
        } else if id == *mark_id {
            Ok(mark.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.press.fonts.font(index)
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}
