//! Prediction, loading and reading, on the sample's data: `cargo bench --package mlci-benches`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion's macros write the functions; the inputs are the repository's own"
)]

use std::{hint::black_box, path::Path};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mlci_core::Digest;
use mlci_model::Model;
use mlci_train::{ReadOptions, TrainOptions, read_csv, read_csv_file, train};

fn data() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/winequality-red.csv")
}

fn model() -> Model {
    let (table, digest) = read_csv_file(&data(), &ReadOptions::new("quality")).unwrap();
    train(&table, &TrainOptions::default(), &"wine".parse().unwrap(), digest, Digest::of(b"")).unwrap().model
}

fn benches(c: &mut Criterion) {
    let model = model();
    let row = model.parts().golden[0].row.clone();
    c.bench_function("predict/1x11", |b| b.iter(|| model.predict_row(black_box(&row)).unwrap()));

    let rows: Vec<f64> = row.iter().copied().cycle().take(11 * 1000).collect();
    let mut out = vec![0.0; 1000];
    let mut group = c.benchmark_group("predict");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000x11", |b| b.iter(|| model.predict_into(black_box(&rows), &mut out).unwrap()));
    group.finish();

    let bytes = model.encode().unwrap();
    c.bench_function("decode/wine", |b| b.iter(|| Model::decode(black_box(&bytes)).unwrap()));

    let text = std::fs::read(data()).unwrap();
    let mut group = c.benchmark_group("read_csv");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let options = ReadOptions::new("quality");
    group.bench_function("wine", |b| {
        b.iter_batched(|| text.as_slice(), |text| read_csv(black_box(text), &options).unwrap(), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
