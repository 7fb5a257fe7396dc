use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::*;

/// A file to compress.
struct Packing<'a> {
    name: &'a str,
    content: Vec<u8>,
    method: u16,
    flags: u16,
    mode: u32,
    crc: Option<u32>,
}

fn file<'a>(name: &'a str, content: &str) -> Packing<'a> {
    Packing { name, content: content.as_bytes().to_vec(), method: 8, flags: 0, mode: 0o100_644, crc: None }
}

/// An archive according to APPNOTE 4.3.
fn archive(files: &[Packing<'_>]) -> Vec<u8> {
    let (mut all, mut directory) = (Vec::new(), Vec::new());
    for file in files {
        let packed = if file.method == 8 {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&file.content).unwrap();
            encoder.finish().unwrap()
        } else {
            file.content.clone()
        };
        let crc = file.crc.unwrap_or_else(|| crc32fast::hash(&file.content));
        let mut common = Vec::new();
        for value in [20, file.flags, file.method, 0, 0] {
            common.extend(u16::to_le_bytes(value));
        }
        for value in [crc, packed.len() as u32, file.content.len() as u32] {
            common.extend(value.to_le_bytes());
        }
        common.extend((file.name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        let offset = all.len() as u32;
        all.extend(b"PK\x03\x04");
        all.extend(&common);
        all.extend(file.name.as_bytes());
        all.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((file.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(file.name.as_bytes());
    }
    let (start, length, count) = (all.len() as u32, directory.len() as u32, files.len() as u16);
    all.extend(directory);
    all.extend(b"PK\x05\x06\0\0\0\0");
    all.extend(count.to_le_bytes());
    all.extend(count.to_le_bytes());
    all.extend(length.to_le_bytes());
    all.extend(start.to_le_bytes());
    all.extend([0, 0]);
    all
}

const CSV: &str = "Date;Amount;Currency\n2026-11-02;1,50;EUR\n2026-11-03;2,50;EUR\n";
const MT940: &str = ":20:A\n:25:1\n:60F:C261101EUR0,\n:61:261102C7,NTRFNONREF\n:62F:C261102EUR7,\n-\n";

fn read(upload: &[u8]) -> Result<Vec<FileItem>, ReadError> {
    let mut reader = StatementUpload::open(Cursor::new(upload), &CsvOptions::default())?;
    let mut items = Vec::new();
    while let Some(item) = reader.next_item()? {
        items.push(item);
    }
    Ok(items)
}

fn read_with_pauses(upload: &[u8]) -> Vec<FileItem> {
    let mut reader = StatementUpload::open(Cursor::new(upload), &CsvOptions::default()).unwrap();
    let mut items = Vec::new();
    loop {
        let kept = serde_json::to_string(&reader.checkpoint()).unwrap();
        reader = StatementUpload::resume(Cursor::new(upload), serde_json::from_str(&kept).unwrap()).unwrap();
        match reader.next_item().unwrap() {
            Some(item) => items.push(item),
            None => return items,
        }
    }
}

#[test]
fn all_files_of_an_archive_are_read_in_its_order() {
    let mut folder = file("b/", "");
    folder.method = 0;
    let upload = archive(&[
        folder,
        file("__MACOSX/x", "x"),
        file("b/.DS_Store", "x"),
        file("b/two.csv", CSV),
        file("a.sta", MT940),
    ]);
    let items = read(&upload).unwrap();
    assert_eq!(read_with_pauses(&upload), items);
    let named: Vec<String> = items
        .iter()
        .filter_map(|item| if let FileItem::Movement(movement) = item { Some(movement) } else { None })
        .map(|movement| format!("{} {} {}", movement.number, movement.place, movement.amount))
        .collect();
    assert_eq!(
        named,
        [
            "1 b/two.csv, line 2, statement 1, entry 1 1.50 EUR",
            "2 b/two.csv, line 3, statement 1, entry 2 2.50 EUR",
            "3 a.sta, line 4, statement 1, entry 1 7 EUR",
        ]
    );
    assert_eq!(read(CSV.as_bytes()).unwrap().len(), 3, "a file without an archive is read too");
}

#[test]
fn archives_that_are_no_honest_ones_are_refused() {
    let with = |change: fn(&mut Packing<'_>)| {
        let mut packing = file("a.csv", CSV);
        change(&mut packing);
        read(&archive(&[packing])).unwrap_err().to_string()
    };
    assert!(with(|file| file.flags = 1).contains("encrypted"));
    assert!(with(|file| file.mode = 0o120_777).contains("link"));
    assert!(with(|file| file.method = 12).contains("deflate"));
    assert!(with(|file| file.crc = Some(7)).contains("checksum"));
    for name in ["../a.csv", "/a.csv", "a/../../b.csv", "..\\a.csv", "C:\\a.csv", "a\u{1}.csv"] {
        assert!(read(&archive(&[file(name, CSV)])).unwrap_err().to_string().contains("leads out"), "{name}");
    }
    assert!(read(&archive(&[file("a.zip", CSV)])).unwrap_err().to_string().contains("archive itself"));
    let inner = archive(&[file("a.csv", CSV)]);
    let mut nested = file("a.csv", "");
    nested.content = inner;
    assert!(read(&archive(&[nested])).is_err());
    assert!(read(&archive(&[file("a.csv", CSV), file("a.csv", CSV)])).unwrap_err().to_string().contains("twice"));
    assert!(read(&archive(&[])).unwrap_err().to_string().contains("no file"));
    let names: Vec<String> = (0..1001).map(|at| format!("{at}.csv")).collect();
    let many: Vec<Packing<'_>> = names.iter().map(|name| file(name, CSV)).collect();
    assert!(read(&archive(&many)).unwrap_err().to_string().contains("1000"));
    let upload = archive(&[file("a.csv", CSV)]);
    assert!(read(&upload[..upload.len() - 30]).unwrap_err().to_string().contains("directory"));
}

#[test]
fn a_bomb_is_refused_by_what_it_unpacks_to_not_by_what_it_says() {
    let bomb = format!("Date;Amount;Currency\n2026-11-02;1,50;EUR\n{}", "2026-11-02;1,50;EUR\n".repeat(200_000));
    let refused = read(&archive(&[file("a.csv", &bomb)])).unwrap_err().to_string();
    assert!(refused.contains("far more"), "{refused}");
    let many = format!("Date;Amount;Currency\n{}", "2026-11-02;1,50;EUR\n".repeat(5_000));
    assert_eq!(read(&archive(&[file("a.csv", &many)])).unwrap().len(), 5_001, "below 1 MiB no ratio is asked for");
}

#[test]
fn confirmations_are_read_from_an_archive_too() {
    let csv = "transaction_id,invoice_number,amount,currency,paid_on\nt-1,INV-1,100.00,EUR,2026-11-02\n";
    let upload = archive(&[file("a.csv", csv), file("b.csv", csv)]);
    let mut reader = ConfirmationUpload::open(Cursor::new(upload), &CsvOptions::default()).unwrap();
    let mut numbers = Vec::new();
    while let Some(confirmation) = reader.next_confirmation().unwrap() {
        numbers.push(confirmation.number);
    }
    assert_eq!(numbers, [1, 2]);
}
