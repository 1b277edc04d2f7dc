//! Any bytes as data, and any bytes as a model file: a result or an error, never a panic, in bounded memory.
//!
//! Inputs are made from real ones by random changes, for `MLCI_FUZZ_SECONDS` a target (2 unless it is set). libFuzzer
//! would be guided by coverage, but needs a nightly compiler; a fuzzer without it still has every format's beginning
//! right, which is what random bytes never have.

#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(
    clippy::print_stderr,
    reason = "how many inputs there were, and where the one at fault is, is what a run is for"
)]

use std::{
    env,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use mlci_model::{Kind, Model, Unseen};
use mlci_train::{ColumnOptions, Digest, MissingPolicy, ReadOptions, TrainOptions, read_bytes, read_csv, train};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore as _, SeedableRng as _},
};

/// Two windows of zstd, and room for the tables; what takes more ends the process.
const MEMORY: u64 = 6 << 30;

/// Texts that mean something somewhere.
const TOKENS: [&[u8]; 24] = [
    b",",
    b"\n",
    b"\r",
    b"\"",
    b"\"\"",
    b";",
    b"#",
    b"NA",
    b"nan",
    b"inf",
    b"1e999",
    b"-0",
    b"9007199254740993",
    b"0.1",
    b"2024-02-29",
    b"2024-02-29T12:00:00Z",
    b"red",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\0",
    b"\xc3\xa4",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"PAR1",
];

struct Source {
    random: Xoshiro256PlusPlus,
}

impl Source {
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random.next_u64() % limit.max(1) as u64).unwrap()
    }

    /// One of the seeds after some changes.
    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let (at, length) = (self.below(bytes.len() + 1), self.below(40));
            let end = (at + length).min(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let again = bytes[at..end].repeat(1 + self.below(20));
                    bytes.splice(at..at, again);
                }
                3 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend(&other[from..]);
                }
                4 | 5 => {
                    let token = TOKENS[self.below(TOKENS.len())];
                    bytes.splice(at..end.min(at + self.below(3)), token.iter().copied());
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes
    }
}

/// Tries inputs made from these seeds for the time given, and names the one at which it goes wrong.
fn fuzz(target: &str, seeds: &[Vec<u8>], mut check: impl FnMut(&mut Source, Vec<u8>)) {
    #[cfg(unix)]
    limit_memory();
    let seconds = env::var("MLCI_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    // A new place to start from each time; a failure leaves its input behind.
    let start = std::time::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_nanos() as u64);
    let mut source = Source { random: Xoshiro256PlusPlus::seed_from_u64(start) };
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0_u64;
    while Instant::now() < end {
        let input = source.input(seeds);
        let kept = input.clone();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&mut source, input))) {
            let path = env::temp_dir().join(format!("mlci-fuzz-{target}"));
            std::fs::write(&path, &kept).unwrap();
            eprintln!("{target}: the input is in {} (start {start}, number {count})", path.display());
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    eprintln!("{target}: {count} inputs in {seconds} s");
    assert!(count > 0);
}

#[cfg(unix)]
fn limit_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::As).maximum;
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY), maximum }).unwrap();
}

fn csv(rows: usize) -> Vec<u8> {
    let mut csv = String::from("# made\na,colour,day,note,y\n");
    for row in 0..rows {
        let colour = ["red", "blue", "\"a \"\"b\"\"\n,c\"", "NA"][row % 4];
        csv += &format!("{}.5,{colour},2024-01-{:02},x{row},{}\n", row * row % 7, row % 28 + 1, row * 3 % 11);
    }
    csv.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn any_bytes_as_data() {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    let plain = csv(30);
    let zstd = compress_to_vec(plain.as_slice(), CompressionLevel::Fastest);
    let mut seeds = vec![plain.clone(), b"a,y\n1,2\n3,4\n".to_vec(), gzip(&plain), zstd];
    let parquet = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parquet/pyarrow.parquet");
    if cfg!(feature = "parquet") {
        seeds.push(std::fs::read(parquet).unwrap());
    }
    fuzz("data", &seeds, |source, bytes| {
        let mut options = ReadOptions::new("y");
        if source.below(2) == 0 {
            options.missing = MissingPolicy::Drop;
        }
        if source.below(2) == 0 {
            options.comment = Some(b'#');
        }
        options.delimiter = [b',', b',', b',', b';'][source.below(4)];
        for name in ["a", "colour", "day", "note", "y"] {
            let kinds = [None, Some(Kind::Category), Some(Kind::Date), Some(Kind::Float), Some(Kind::Integer)];
            let kind = kinds[source.below(kinds.len())];
            let unseen =
                if source.below(2) == 0 && kind == Some(Kind::Category) { Unseen::Base } else { Unseen::Refuse };
            let column = ColumnOptions { kind, unseen, unique: source.below(4) == 0, ..ColumnOptions::default() };
            if source.below(2) == 0 && bytes.windows(name.len()).any(|window| window == name.as_bytes()) {
                options.columns.insert(name.to_owned(), column);
            }
        }
        if let Ok((table, _)) = read_bytes(bytes, &options) {
            let finite = table.features().iter().chain(&table.target()).all(|value| value.is_finite());
            assert!(finite && table.rows() > 0, "a value that is not finite was let in");
        }
    });
}

#[test]
fn any_bytes_as_a_model_file() {
    let mut options = ReadOptions::new("y");
    (options.comment, options.missing) = (Some(b'#'), MissingPolicy::Drop);
    options.exclude = vec!["note".to_owned()];
    for (name, kind) in [("colour", Kind::Category), ("day", Kind::Date)] {
        options.columns.insert(name.to_owned(), ColumnOptions { kind: Some(kind), ..ColumnOptions::default() });
    }
    let table = read_csv(csv(80).as_slice(), &options).unwrap();
    let of = |seed| {
        let options = TrainOptions { seed, folds: None, ..TrainOptions::default() };
        let trained = train(&table, &options, &"demo".parse().unwrap(), Digest::of(b"d"), Digest::of(b"c")).ok()?;
        trained.model.encode().ok()
    };
    let mut seeds: Vec<Vec<u8>> = (0..20).filter_map(of).take(2).collect();
    assert_eq!(seeds.len(), 2);
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/../mlci-model/tests/formats/v1.mlci");
    seeds.push(std::fs::read(old).unwrap());
    let mut decoded = 0_u64;
    fuzz("model", &seeds, |source, mut bytes| {
        // With the length and the digest of what it holds now, or the digest would be all that is ever looked at.
        const HEADER: usize = 52;
        if source.below(4) > 0 && bytes.len() > HEADER {
            let (length, digest) = ((bytes.len() - HEADER) as u64, Digest::of(&bytes[HEADER..]));
            bytes[12..20].copy_from_slice(&length.to_le_bytes());
            bytes[20..HEADER].copy_from_slice(digest.as_bytes());
        }
        if let Ok(model) = Model::decode(&bytes) {
            decoded += 1;
            let row = vec![0.0; model.schema().features.len()];
            if let Ok(prediction) = model.predict_row(&row) {
                assert!(prediction.is_finite());
            }
            let again = Model::decode(&model.encode().unwrap()).unwrap();
            assert_eq!(again, model);
        }
    });
    assert!(decoded > 0, "no input got as far as a model");
}
