use super::*;
use crate::{BrokenFile, Movement, StatementSummary};

pub(crate) fn read_all(file: &[u8]) -> Result<(Vec<Movement>, Vec<StatementSummary>), BrokenFile> {
    let mut reader = StatementReader::open(file, &CsvOptions::default()).map_err(|error| error.broken().unwrap())?;
    let (mut movements, mut ends) = (Vec::new(), Vec::new());
    loop {
        match reader.next_item().map_err(|error| error.broken().unwrap())? {
            Some(FileItem::Movement(movement)) => movements.push(*movement),
            Some(FileItem::StatementEnd(end)) => ends.push(*end),
            None => return Ok((movements, ends)),
        }
    }
}

/// Reads a whole file, resuming from a new checkpoint after each item.
pub(crate) fn read_with_pauses(file: &[u8]) -> Result<(Vec<Movement>, Vec<StatementSummary>), BrokenFile> {
    let mut reader = StatementReader::open(file, &CsvOptions::default()).map_err(|error| error.broken().unwrap())?;
    let (mut movements, mut ends) = (Vec::new(), Vec::new());
    loop {
        let kept = serde_json::to_string(&reader.checkpoint()).unwrap();
        reader = StatementReader::resume(file, serde_json::from_str(&kept).unwrap()).unwrap();
        match reader.next_item().map_err(|error| error.broken().unwrap())? {
            Some(FileItem::Movement(movement)) => movements.push(*movement),
            Some(FileItem::StatementEnd(end)) => ends.push(*end),
            None => return Ok((movements, ends)),
        }
    }
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    const CAMT: &str = "<?xml version=\"1.0\"?><Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\">\
        <BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr><Stmt><Id>S</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id>\
        </Acct><Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">1</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>\
        <Ntry><Amt Ccy=\"EUR\">3.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><NtryDtls><TxDtls><Refs>\
        <EndToEndId>E-1</EndToEndId></Refs><Amt Ccy=\"EUR\">1.00</Amt></TxDtls><TxDtls><Amt Ccy=\"EUR\">2.00</Amt><RmtInf>\
        <Ustrd>a &amp; <![CDATA[b]]></Ustrd></RmtInf></TxDtls></NtryDtls></Ntry><Ntry><Amt Ccy=\"EUR\">1</Amt>\
        <CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts></Ntry></Stmt></BkToCstmrStmt></Document>";
    const MT940: &str = ":20:A\n:25:1\n:28C:1/1\n:60F:C261101EUR0,\n:61:2611021103C7,NTRFREF//B\nmore\n:86:166?00X?20EREF+E\n\
        ?21SVWZ+text?32Ann\n:61:261102D3,NTRFNONREF\n:86:/EREF/E-2/NAME/Bo/REMI/x\n:62F:C261102EUR4,\n-\n:20:B\n:60F:C261102EUR4,\n:62F:C261102EUR4,\n-\n";
    const CSV: &str = "Date;Amount;Currency;Description\n2026-11-02;1,50;EUR;\"a;\nb\"\n2026-11-03;-2,50;EUR;=1\n";

    /// Both ways of reading give the same result: the same items, or the same refusal.
    fn same_with_pauses(file: &[u8]) {
        assert_eq!(read_with_pauses(file), read_all(file));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(file in prop::collection::vec(any::<u8>(), 0..400)) {
            same_with_pauses(&file);
        }

        #[test]
        fn a_spoiled_file_is_read_the_same_with_pauses(
            which in 0..3_usize,
            spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4),
        ) {
            let mut file = [CAMT, MT940, CSV][which].as_bytes().to_vec();
            for (place, byte, how) in spoils {
                let place = place.index(file.len());
                match how {
                    0 => file[place] = byte,
                    1 => file.insert(place, byte),
                    _ => drop(file.remove(place)),
                }
            }
            same_with_pauses(&file);
        }
    }

    #[test]
    fn the_files_that_are_spoiled_are_right_themselves() {
        for (file, movements) in [(CAMT, 3), (MT940, 2), (CSV, 2)] {
            assert_eq!(read_all(file.as_bytes()).unwrap().0.len(), movements);
            same_with_pauses(file.as_bytes());
        }
    }

    #[test]
    fn a_file_that_is_cut_off_is_never_taken_for_whole() {
        for end in 1..CAMT.len() {
            assert!(read_all(&CAMT.as_bytes()[..end]).is_err(), "{end}");
        }
        let whole = MT940.find("-\n").unwrap();
        for end in MT940.find(":61:").unwrap()..whole {
            let is_sound =
                read_all(&MT940.as_bytes()[..end]).is_ok_and(|(_, ends)| ends.iter().all(StatementSummary::is_sound));
            assert!(!is_sound || end >= whole - 2, "{end}");
        }
    }
}
