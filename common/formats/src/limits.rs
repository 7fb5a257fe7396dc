//! How large things may be. Whatever a stranger uploads, no reader holds more than one entry in memory.

/// The longest piece of XML between two places where the reader may pause (a tag, a text, a comment), in bytes. The texts of
/// ISO 20022 have at most 500 characters, only the envelope of supplementary data has no bound.
pub const XML_TOKEN_BYTES_MAX: usize = 256 * 1024;

/// How deep elements may nest. The messages of ISO 20022 reach about 20.
pub const XML_DEPTH_MAX: usize = 64;

/// The most attributes of an element. The messages of ISO 20022 have one, besides the root's namespaces.
pub const XML_ATTRIBUTES_MAX: usize = 32;

/// The longest XML of a part that is held at once: a balance, an entry without its details, a detail; in bytes, and with
/// [`XML_ELEMENTS_MAX`]. Real ones have a few kilobytes.
pub const XML_PART_BYTES_MAX: u64 = 1024 * 1024;

/// The most elements of a part that is held at once. An element costs some 150 bytes of memory, however short its XML is.
pub const XML_ELEMENTS_MAX: usize = 20_000;

/// Details of a batch booking are held until the entry ends, to see whether they add up to it, up to this many bytes of
/// XML; beyond that they are given one by one.
pub const BATCH_BYTES_HELD_MAX: u64 = 1024 * 1024;

/// The most details of a batch booking: the rulebooks of SEPA and the German banks' DFÜ agreement bound a batch far below.
pub const BATCH_DETAILS_MAX: u32 = 100_000;

/// The most values of one kind in a movement (references, documents, charges); further ones are left out.
pub const VALUES_MAX: usize = 100;

/// The longest reference, name or account that is kept, in characters: ISO 20022 has at most 140 (`Max140Text`), version 8
/// and later a few with 350.
pub const TEXT_LENGTH_MAX: usize = 350;

/// The longest remittance text that is kept, in characters: enough for several structured and unstructured blocks of 140.
pub const REMITTANCE_LENGTH_MAX: usize = 4000;

/// The longest line of MT940 in bytes. SWIFT has 65 characters, but some banks write a whole field into one line.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The longest field of MT940 in bytes. SWIFT has 6 lines of 65 characters.
pub const FIELD_BYTES_MAX: usize = 64 * 1024;

/// The longest record of a CSV file in bytes.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The most lines of a record of a CSV file: texts in quotes may have several.
pub const RECORD_LINES_MAX: u64 = 50;

/// The most columns of a CSV file. Banks have up to about 40.
pub const COLUMNS_MAX: usize = 200;

/// How far into a CSV file its header is looked for, in lines: banks write up to about 15 lines above it.
pub const PREAMBLE_LINES_MAX: usize = 30;

/// How much of a file is looked at to tell its format and, for CSV, its dialect, in bytes.
pub const SAMPLE_BYTES: usize = 64 * 1024;

/// The most files in an archive.
pub const ARCHIVE_MEMBERS_MAX: usize = 1000;

/// The most that all files of an archive hold together, in bytes.
pub const ARCHIVE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// How many times its packed size a file in an archive may have, beyond [`ARCHIVE_RATIO_FREE_BYTES`]. XML packs 10 to 50
/// times; deflate reaches about 1000, which only a bomb does.
pub const ARCHIVE_RATIO_MAX: u64 = 250;

/// The size up to which no ratio is asked for, in bytes.
pub const ARCHIVE_RATIO_FREE_BYTES: u64 = 1024 * 1024;

/// The largest JSON file of payment confirmations, in bytes: it is read at once.
pub const JSON_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// The most payments in a file of confirmations.
pub const CONFIRMATIONS_MAX: u64 = 10_000;

/// The most that an error repeats of the input, in characters.
pub const SHOWN_LENGTH_MAX: usize = 40;
