//! Limits. Whatever is uploaded, no reader holds more than one entry in memory.

/// The longest piece of XML between two positions where the reader can be suspended (a tag, a text, a comment), in
/// bytes. Texts in ISO 20022 have at most 500 characters; only the envelope of supplementary data is unbounded.
pub const XML_TOKEN_BYTES_MAX: usize = 256 * 1024;

/// The maximum nesting depth of elements. ISO 20022 messages reach about 20.
pub const XML_DEPTH_MAX: usize = 64;

/// The maximum number of attributes of an element. ISO 20022 messages have one, besides the root's namespaces.
pub const XML_ATTRIBUTES_MAX: usize = 32;

/// The largest XML of a part that is held as a whole (a balance, an entry without its details, a detail), in bytes;
/// together with [`XML_ELEMENTS_MAX`]. Real ones have a few kilobytes.
pub const XML_PART_BYTES_MAX: u64 = 1024 * 1024;

/// The maximum number of elements of a part that is held as a whole. An element takes some 150 bytes of memory, however
/// short its XML is.
pub const XML_ELEMENTS_MAX: usize = 20_000;

/// Details of a batch booking are held until the entry ends, to check whether they add up to it, up to this many bytes
/// of XML; beyond that they are returned one by one.
pub const BATCH_BYTES_HELD_MAX: u64 = 1024 * 1024;

/// The maximum number of details of a batch booking: the SEPA rulebooks and the German banks' DFÜ agreement limit
/// batches far below.
pub const BATCH_DETAILS_MAX: u32 = 100_000;

/// The maximum number of values of one kind in a movement (references, documents, charges); further ones are left out.
pub const VALUES_MAX: usize = 100;

/// The longest reference, name or account that is stored, in characters: ISO 20022 has at most 140 (`Max140Text`),
/// version 8 and later a few with 350.
pub const TEXT_LENGTH_MAX: usize = 350;

/// The longest remittance text that is stored, in characters: enough for several structured and unstructured blocks of
/// 140.
pub const REMITTANCE_LENGTH_MAX: usize = 4000;

/// The longest line of MT940 in bytes. SWIFT allows 65 characters, but some banks write a whole field in one line.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The longest field of MT940 in bytes. SWIFT allows 6 lines of 65 characters.
pub const FIELD_BYTES_MAX: usize = 64 * 1024;

/// The longest record of a CSV file in bytes.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// The maximum number of lines of a CSV record: quoted texts may have several.
pub const RECORD_LINES_MAX: u64 = 50;

/// The maximum number of columns of a CSV file. Banks have up to about 40.
pub const COLUMNS_MAX: usize = 200;

/// The number of lines in which the header of a CSV file is searched for: banks write up to about 15 lines above it.
pub const PREAMBLE_LINES_MAX: usize = 30;

/// The number of bytes examined to detect a file's format and, for CSV, its dialect.
pub const SAMPLE_BYTES: usize = 64 * 1024;

/// The maximum number of files in an archive.
pub const ARCHIVE_MEMBERS_MAX: usize = 1000;

/// The maximum total size of the files in an archive, in bytes.
pub const ARCHIVE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// The maximum compression ratio of a file in an archive, beyond [`ARCHIVE_RATIO_FREE_BYTES`]. XML compresses 10 to 50
/// times; deflate reaches about 1000, which only a zip bomb does.
pub const ARCHIVE_RATIO_MAX: u64 = 250;

/// The size up to which the ratio is not checked, in bytes.
pub const ARCHIVE_RATIO_FREE_BYTES: u64 = 1024 * 1024;

/// The largest JSON file of payment confirmations, in bytes: it is read as a whole.
pub const JSON_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// The maximum number of payments in a file of confirmations.
pub const CONFIRMATIONS_MAX: u64 = 10_000;

/// The maximum number of characters of the input that an error repeats.
pub const SHOWN_LENGTH_MAX: usize = 40;
