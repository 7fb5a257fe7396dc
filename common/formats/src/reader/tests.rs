use super::*;
use crate::{Broken, Movement, StatementSummary};

/// Reads a whole file.
pub(crate) fn read_all(file: &[u8]) -> Result<(Vec<Movement>, Vec<StatementSummary>), Broken> {
    let mut reader = StatementReader::open(file, &CsvOptions::default()).map_err(|error| error.broken().unwrap())?;
    let (mut movements, mut ends) = (Vec::new(), Vec::new());
    loop {
        match reader.next_item().map_err(|error| error.broken().unwrap())? {
            Some(Item::Movement(movement)) => movements.push(*movement),
            Some(Item::StatementEnd(end)) => ends.push(*end),
            None => return Ok((movements, ends)),
        }
    }
}

/// Reads a whole file, going on from a new checkpoint after each item.
pub(crate) fn read_with_pauses(file: &[u8]) -> Result<(Vec<Movement>, Vec<StatementSummary>), Broken> {
    let mut reader = StatementReader::open(file, &CsvOptions::default()).map_err(|error| error.broken().unwrap())?;
    let (mut movements, mut ends) = (Vec::new(), Vec::new());
    loop {
        let kept = serde_json::to_string(&reader.checkpoint()).unwrap();
        reader = StatementReader::resume(file, serde_json::from_str(&kept).unwrap()).unwrap();
        match reader.next_item().map_err(|error| error.broken().unwrap())? {
            Some(Item::Movement(movement)) => movements.push(*movement),
            Some(Item::StatementEnd(end)) => ends.push(*end),
            None => return Ok((movements, ends)),
        }
    }
}
