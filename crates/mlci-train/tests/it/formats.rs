//! Compression, comments, encodings, and what is no CSV.

use std::io::{Read, Write as _};

use flate2::write::GzEncoder;
use mlci_train::{
    Compression, Digest, ReadError, ReadOptions, Table, TrainOptions, read_csv, read_csv_file, read_header, train,
};
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::{Drops, exclude, plane, read, refused};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A frame that decoders skip.
fn skippable(length: usize) -> Vec<u8> {
    [&b"\x5e\x2a\x4d\x18"[..], &(length as u32).to_le_bytes(), &vec![7; length]].concat()
}

fn options() -> ReadOptions {
    ReadOptions::new("y")
}

#[track_caller]
fn same(found: &Table, expected: &Table) {
    assert_eq!(found.features(), expected.features());
    assert_eq!(found.target(), expected.target());
    assert_eq!(found.report(), expected.report());
    assert!((0..expected.rows()).all(|row| found.row_hash(row) == expected.row_hash(row)));
}

/// Whatever the compression: the same rows and, but for the digest of the data, the same model; the digest is that of
/// the file.
#[test]
fn compressed_data() {
    let csv = plane(20_000);
    let (first, second) = csv.as_bytes().split_at(csv.len() / 3);
    let plain = read_csv(csv.as_bytes(), &options()).unwrap();
    let model = |table: &Table| {
        let options = TrainOptions { folds: None, ..TrainOptions::default() };
        train(table, &options, &"demo".parse().unwrap(), Digest::of(b""), Digest::of(b"")).unwrap().model
    };
    let expected = model(&plain).encode().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    for packed in [
        gzip(csv.as_bytes()),
        [gzip(first), gzip(b""), gzip(second)].concat(),
        zstd(csv.as_bytes()),
        [skippable(3), zstd(first), skippable(0), zstd(second), skippable(100_000)].concat(),
    ] {
        same(&read_csv(&*packed, &options()).unwrap(), &plain);
        same(&read_csv(Drops(&packed), &options()).unwrap(), &plain);
        std::fs::write(&path, &packed).unwrap();
        let (table, digest) = read_csv_file(&path, &options()).unwrap();
        assert_eq!(digest, Digest::of(&packed));
        assert_eq!(model(&table).encode().unwrap(), expected);
        assert_eq!(read_header(&path, b',').unwrap(), ["a", "b", "y"]);
    }
    assert!(matches!(read_csv(&*gzip(b""), &options()), Err(ReadError::Empty)));
    assert!(matches!(read_csv(&*skippable(5), &options()), Err(ReadError::Empty)));
}

#[test]
fn compressed_data_that_is_damaged() {
    let csv = plane(2000);
    for (format, packed) in [(Compression::Gzip, gzip(csv.as_bytes())), (Compression::Zstd, zstd(csv.as_bytes()))] {
        let damaged = |bytes: &[u8]| {
            let error = read_csv(bytes, &options()).unwrap_err();
            assert!(matches!(&error, ReadError::Damaged { format: found, .. } if *found == format), "{error:?}");
            assert!(error.to_string().contains(&format!("compressed by {format}, and damaged or cut off")), "{error}");
        };
        for length in [7, packed.len() / 2, packed.len() - 5, packed.len() - 1] {
            damaged(&packed[..length]);
        }
        // The checksum.
        let mut other = packed.clone();
        *other.iter_mut().nth_back(if format == Compression::Gzip { 6 } else { 1 }).unwrap() ^= 1;
        damaged(&other);
        damaged(&[&packed[..], b"rest"].concat());
    }
    // More than the window that is given is not taken: 2 GiB here.
    let window = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
    assert!(matches!(read_csv(&window[..], &options()), Err(ReadError::Damaged { .. })));
}

/// What fails is the disk, not the compression.
#[test]
fn a_reader_that_fails_is_not_damaged_data() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("broken"))
        }
    }
    for packed in [gzip(plane(2000).as_bytes()), zstd(plane(2000).as_bytes())] {
        let error = read_csv(packed[..packed.len() / 2].chain(Broken), &options()).unwrap_err();
        assert!(matches!(&error, ReadError::Io(_)), "{error:?}");
    }
}

#[test]
fn lines_that_are_comments() {
    let hash = |options: &mut ReadOptions| options.comment = Some(b'#');
    let csv = "# made by hand\r\n#\"\r\na,note,y\r\n1,\"x\r\n# no comment\",2\r\n#3,4,5\r\n6,#7,oops\r\n";
    let with = |options: &mut ReadOptions| (hash(options), exclude(&["note"])(options)).1;
    refused(csv, with, &["1 problem", "line 7, column `y`: `oops`"]);
    let table = read(csv.replace("oops", "8"), with).unwrap();
    assert_eq!(table.features().column(0).to_vec(), [1.0, 6.0]);
    assert_eq!((table.line(0), table.line(1)), (Some(4), Some(7)));
    // Without the key a comment is a row like others.
    refused("a,y\n#1,2\n3,4\n", |_| {}, &["line 2, column `a`: `#1` is not a number"]);
    assert!(matches!(refused("# a\n", hash, &[]), ReadError::Empty));
    for comment in [b'"', b'\n', b',', 0xe4] {
        let error = refused("a,y\n1,2\n", |options| options.comment = Some(comment), &["cannot begin comments"]);
        assert!(error.is_configuration());
    }
}

#[test]
fn other_encodings_are_named() {
    let utf16: Vec<u8> = "\u{feff}a,y\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = "a,y\n1,2\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf32: Vec<u8> = "a,y\n1,2\n".chars().flat_map(|character| u32::from(character).to_le_bytes()).collect();
    for bytes in [&utf16[..], &utf16[2..], &big] {
        refused(bytes, |_| {}, &["the data is UTF-16", "iconv -f UTF-16 -t UTF-8"]);
    }
    refused(&utf32, |_| {}, &["the data is UTF-32"]);
    let says = ["line 3: not valid UTF-8", "Latin-1 or Windows-1252", "iconv -f WINDOWS-1252 -t UTF-8"];
    refused(b"a,name,y\n1,x,2\n1,M\xfcller,2\n", exclude(&["name"]), &says);
    refused(b"M\xfcller,y\n1,2\n", |_| {}, &["the header is not valid UTF-8", "Latin-1 or Windows-1252"]);
}

#[test]
fn files_that_are_no_csv() {
    for (magic, says) in [
        (&b"PK\x03\x04\x14\0\0\0"[..], "an .xlsx file"),
        (b"BZh91AY&SY", "compressed by bzip2"),
        (b"\xfd7zXZ\0\0\x04", "compressed by xz"),
        (b"SQLite format 3\0", "a SQLite database"),
        (b"PAR1\x15\x04", "Parquet"),
    ] {
        let error = refused(magic, |_| {}, &["the data is", says]);
        assert!(matches!(error, ReadError::NotText { .. }));
    }
    // A column may be called like that.
    assert!(read("PAR,y\n1,2\n", |_| {}).is_ok());
}

#[test]
fn thousands_of_columns() {
    let columns = 5000;
    let header: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let mut csv = format!("{},y\n", header.join(","));
    for row in 0..40 {
        let cells: Vec<String> = (0..columns).map(|column| format!("{}", row * columns + column)).collect();
        csv += &format!("{},{row}\n", cells.join(","));
    }
    let table = read(&csv, |_| {}).unwrap();
    assert_eq!(table.features().dim(), (40, 5000));
    assert_eq!(table.features()[[39, 4999]], 199_999.0);
    let error = refused(csv.replace("199999", "x"), |_| {}, &["line 41, column `c4999`: `x`"]);
    assert!(error.to_string().len() < 300, "{error}");
}

/// A quote that is never closed would have all that follows in memory.
#[test]
fn a_row_without_end() {
    let endless = |begin: &'static str| read_csv(begin.as_bytes().chain(std::io::repeat(b'x')), &options());
    let error = endless("a,y\n1,2\n\n3,\"").unwrap_err();
    assert!(matches!(error, ReadError::LongRow { line: 4 }), "{error:?}");
    assert!(error.to_string().contains("longer than 64 MiB: look for a quote"), "{error}");
    assert!(matches!(endless("a").unwrap_err(), ReadError::LongRow { line: 1 }));
    let error = endless("a,y\n1,2\n").unwrap_err();
    assert!(matches!(error, ReadError::LongRow { line: 3 }), "{error:?}");
    // Likewise of a few bytes that become many.
    let bomb = gzip(&[b"a,y\n", vec![b'1'; 70 << 20].as_slice()].concat());
    assert!(matches!(read_csv(&*bomb, &options()), Err(ReadError::LongRow { line: 2 })));
}

proptest! {
    /// Any bytes behind the magic numbers give a table or an error.
    #[test]
    fn any_compressed_bytes_are_survived(gzip: bool, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let magic: &[u8] = if gzip { b"\x1f\x8b\x08" } else { b"\x28\xb5\x2f\xfd" };
        let _ = read_csv(&*[magic, &bytes].concat(), &options());
    }

    /// As do real ones with a byte changed.
    #[test]
    fn any_changed_byte_is_survived(zst: bool, at: prop::sample::Index, xor in 1_u8..) {
        let mut bytes = if zst { zstd(plane(50).as_bytes()) } else { gzip(plane(50).as_bytes()) };
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        let _ = read_csv(&*bytes, &options());
    }

    /// A comment is passed over wherever it stands, and lines are counted as before.
    #[test]
    fn comments_change_nothing(text in "(\"[a\"\n]{0,3}\"|[1#,\n]){0,40}", drops: bool) {
        let mut with = options();
        with.comment = Some(b'#');
        // The csv crate takes a comment without a line end for a record.
        let csv = format!("a,y\n{text}\n");
        let found = if drops { read_csv(Drops(csv.as_bytes()), &with) } else { read_csv(csv.as_bytes(), &with) };
        // The csv crate's own reading of comments.
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).has_headers(false).from_reader(csv.as_bytes());
        let records = reader.byte_records().map(Result::unwrap).count() as u64 - 1;
        match found {
            Ok(table) => prop_assert_eq!(table.report().rows_read, records),
            Err(ReadError::NoRows) => prop_assert_eq!(records, 0),
            Err(_) => {}
        }
    }
}
