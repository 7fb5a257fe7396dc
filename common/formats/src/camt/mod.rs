//! camt.052, camt.053 and camt.054 (ISO 20022, Bank-to-Customer Cash Management), versions 1 to 13.

mod batch;
mod detail;
mod entry;
mod kind;
mod statement;
mod values;

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::batch::CamtBatch;
pub use self::kind::CamtKind;
use self::statement::Open;
use crate::error::{FilePosition, ReadError, broken, quote};
use crate::item::FileItem;
use crate::movement::{BookingStatus, Movement};
use crate::stream::Stream;
use crate::text::named;
use crate::xml::{Element, Encoding, Pull, Token};

/// The state needed to continue between two entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    encoding: Encoding,
    kind: CamtKind,
    /// Names of the open elements.
    open: Vec<String>,
    message_id: Option<String>,
    statements: u64,
    statement: Option<Open>,
}

/// The position to continue from: at the start of an entry, or between entries.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    offset: u64,
    line: u64,
    open: Vec<String>,
    /// Movements of the entry that were already returned.
    given: u32,
}

/// Reads a message entry by entry.
pub(crate) struct Camt<R> {
    pull: Pull<R>,
    encoding: Encoding,
    kind: CamtKind,
    message_id: Option<String>,
    statements: u64,
    statement: Option<Open>,
    /// The entry whose movements are being returned.
    batch: Option<CamtBatch>,
    ready: VecDeque<Movement>,
    mark: Mark,
    /// Movements of the next entry that were returned before the pause.
    skip: u32,
}

impl<R: Read> Camt<R> {
    /// Opens a message at its first byte.
    pub(crate) fn open(mut stream: Stream<R>) -> Result<Self, ReadError> {
        let (encoding, mark_bytes) = crate::xml::encoding(stream.sample()?).or_else(|reason| broken(1, reason))?;
        stream.skip(mark_bytes)?;
        let mut pull = Pull::new(stream, encoding, 1, Vec::new());
        let kind = loop {
            match pull.next()? {
                Token::Start { name, attributes } => {
                    break CamtKind::of_root(&name, &attributes).or_else(|reason| broken(pull.line(), reason))?;
                }
                Token::Text(_) | Token::End => {}
                Token::Eof => return broken(pull.line(), "the file has no root element"),
            }
        };
        let mark = Mark { offset: 0, line: 1, open: Vec::new(), given: 0 };
        let (message_id, statements, statement, batch, ready) = (None, 0, None, None, VecDeque::new());
        let mut camt = Self { pull, encoding, kind, message_id, statements, statement, batch, ready, mark, skip: 0 };
        camt.set_mark();
        Ok(camt)
    }

    /// Continues from where [`Self::pause`] was called.
    pub(crate) fn resume(stream: Stream<R>, line: u64, skip: u32, state: State) -> Self {
        let mark = Mark { offset: stream.offset(), line, open: state.open.clone(), given: 0 };
        Self {
            pull: Pull::new(stream, state.encoding, line, state.open),
            encoding: state.encoding,
            kind: state.kind,
            message_id: state.message_id,
            statements: state.statements,
            statement: state.statement,
            batch: None,
            ready: VecDeque::new(),
            mark,
            skip,
        }
    }

    pub(crate) const fn kind(&self) -> CamtKind {
        self.kind
    }

    /// The position and state to continue from: offset, line, movements to skip, and the rest.
    pub(crate) fn pause(&self) -> (u64, u64, u32, State) {
        let state = State {
            encoding: self.encoding,
            kind: self.kind,
            open: self.mark.open.clone(),
            message_id: self.message_id.clone(),
            statements: self.statements,
            statement: self.statement.clone(),
        };
        (self.mark.offset, self.mark.line, self.mark.given.saturating_add(self.skip), state)
    }

    fn set_mark(&mut self) {
        let (offset, line, open) = self.pull.position();
        self.mark.offset = offset;
        self.mark.line = line;
        if self.mark.open != open {
            self.mark.open = open;
        }
        self.mark.given = 0;
    }

    /// The next movement or the end of a statement.
    pub(crate) fn next(&mut self) -> Result<Option<FileItem>, ReadError> {
        loop {
            if let Some(movement) = self.ready.pop_front() {
                self.mark.given = self.mark.given.saturating_add(1);
                if self.skip > 0 {
                    self.skip = self.skip.saturating_sub(1);
                    continue;
                }
                return Ok(Some(FileItem::Movement(Box::new(movement))));
            }
            if self.batch.is_some() {
                self.go_on_with_entry()?;
                continue;
            }
            match self.pull.next()? {
                Token::Start { name, attributes } => self.start(name, attributes)?,
                Token::Text(_) => {}
                Token::End if self.pull.depth() == 2 && self.statement.is_some() => {
                    let summary = self.finish_statement();
                    self.set_mark();
                    return Ok(summary);
                }
                Token::End => self.set_mark(),
                Token::Eof if self.statements == 0 => {
                    return broken(self.pull.line(), format!("the message has no {}", self.kind.statement_name()));
                }
                Token::Eof => return Ok(None),
            }
        }
    }

    fn start(&mut self, name: String, attributes: Vec<(String, String)>) -> Result<(), ReadError> {
        match (self.pull.depth(), name.as_str(), &mut self.statement) {
            (2, name, _) if self.kind.is_message(name) => {}
            (2, name, _) => {
                let wanted = self.kind.message_name();
                return broken(self.pull.line(), format!("`{}` stands where `{wanted}` should", quote(name)));
            }
            (3, "GrpHdr", _) => {
                let header = Element::read(&mut self.pull, name, attributes)?;
                self.message_id = header.text_at(&["MsgId"]).and_then(named);
            }
            (3, name, _) if name == self.kind.statement_name() => {
                self.statements = self.statements.saturating_add(1);
                self.statement = Some(Open::new(self.statements, self.message_id.clone()));
            }
            (4, "Ntry", Some(open)) => {
                open.settle();
                let mut place = open.place(self.pull.line());
                place.entry = open.tally.totals.entries.saturating_add(1);
                self.batch = Some(CamtBatch::new(place));
                return Ok(());
            }
            (4, "SplmtryData", _) | (3, ..) => self.pass_over()?,
            (_, _, Some(open)) => open.take(&Element::read(&mut self.pull, name, attributes)?)?,
            (_, _, None) => self.pass_over()?,
        }
        self.set_mark();
        Ok(())
    }

    /// Skips an element whose content is irrelevant, without holding it.
    fn pass_over(&mut self) -> Result<(), ReadError> {
        let outside = self.pull.depth().saturating_sub(1);
        while self.pull.depth() > outside {
            self.pull.next()?;
        }
        Ok(())
    }

    fn go_on_with_entry(&mut self) -> Result<(), ReadError> {
        let (Some(batch), Some(open)) = (&mut self.batch, &mut self.statement) else { return Ok(()) };
        if !batch.is_over() {
            return batch.read_on(&mut self.pull, &open.statement, &mut self.ready);
        }
        // Only now, so that a pause within the entry has the statement as it was before the entry.
        if let Some(entry) = &batch.entry {
            if entry.status == BookingStatus::Booked {
                open.tally.book(&entry.amount, entry.direction).or_else(|why| broken(entry.place.line, why))?;
            }
            open.tally.totals.entries = entry.place.entry;
            open.tally.totals.movements = open.tally.totals.movements.saturating_add(u64::from(self.mark.given));
            if let Some(what) = &batch.contradiction {
                open.tally.contradiction(&entry.place, what);
            }
        }
        self.batch = None;
        self.set_mark();
        Ok(())
    }

    fn finish_statement(&mut self) -> Option<FileItem> {
        let mut open = self.statement.take()?;
        open.settle();
        let place = open.place(self.pull.line());
        open.compare(&place);
        Some(FileItem::StatementEnd(Box::new(open.tally.finish(Arc::clone(&open.statement), place, false))))
    }
}

impl Open {
    fn place(&self, line: u64) -> FilePosition {
        FilePosition { line, statement: self.statement.ordinal, ..FilePosition::default() }
    }
}

#[cfg(test)]
mod tests;
