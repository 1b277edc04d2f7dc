use std::{
    cell::Cell,
    io::{self, Read},
};

use mlci_model::{Kind, Value};
use mlci_train::{
    Accumulator, Algorithm, BLOCK_ROWS, Block, ColumnOptions, Digest, FitError, Gathered, LinearOptions, Moments,
    ReadError, ReadOptions, Statistic as _, TrainError, TrainOptions, Trained, folds, gather, gather_file, read_csv,
    split, train,
};

use crate::{Drops, plane};

fn model(gathered: &Gathered) -> Result<Trained, TrainError> {
    gathered.train(&"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config"))
}

fn from(csv: &str, read: &ReadOptions, options: &TrainOptions) -> Result<Gathered, ReadError> {
    gather(|| Ok(csv.as_bytes()), read, options).map(|(gathered, _)| gathered)
}

/// Of a table and of bytes, in whatever pieces these come: the same report, the same rows held out, the same model.
#[test]
fn a_pass_is_as_good_as_a_table() {
    let noted = plane(5000).lines().enumerate().fold(String::new(), |csv, (line, row)| {
        csv + row
            + &if line == 0 { ",note,id,more\n".into() } else { format!(",\"two\nlines\",r{line},{}\n", line % 7) }
    });
    let marked = format!("\u{feff}{}", noted.replace('\n', "\r\n"));
    let mut read = ReadOptions::new("y");
    read.exclude = vec!["note".into(), "more".into()];
    read.id = Some("id".into());
    let options = TrainOptions::default();

    let table = read_csv(noted.as_bytes(), &read).unwrap();
    let expected =
        train(&table, &options, &"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.csv");
    std::fs::write(&path, &marked).unwrap();
    let (file, digest) = gather_file(&path, &read, &options).unwrap();
    assert_eq!(digest, Digest::of(marked.as_bytes()));
    let drops = gather(|| Ok(Drops(marked.as_bytes())), &read, &options).unwrap().0;
    for gathered in [file, drops, from(&noted, &read, &options).unwrap(), Gathered::of(&table, &options)] {
        assert_eq!(gathered.report(), table.report());
        assert_eq!(gathered.schema(), table.schema());
        let held_out = gathered.held_out();
        for (row, of_table) in split(&table, 0, 0.2).test.into_iter().enumerate() {
            assert_eq!(held_out.line(row), table.line(of_table));
            assert_eq!(held_out.id(row), table.id(of_table));
            assert_eq!(held_out.features().row(row), table.features().row(of_table));
        }
        let found = model(&gathered).unwrap();
        assert_eq!(found.model.encode().unwrap(), expected.model.encode().unwrap());
        assert_eq!((&found.test, &found.training), (&expected.test, &expected.training));
        assert_eq!(found.cross_validation, expected.cross_validation);
    }
}

/// The statistics behind it are those of `Accumulator`, fold by fold.
#[test]
fn sums_are_those_of_the_accumulator() {
    let csv = plane(9000);
    let table = read_csv(csv.as_bytes(), &ReadOptions::new("y")).unwrap();
    let options = TrainOptions { folds: Some(2), ..TrainOptions::default() };
    let rows = split(&table, 0, 0.2).train;
    let parts = folds(&table, &rows, 0, 2).into_iter().map(|fold| {
        let mut sums = Accumulator::<Moments>::new(2);
        assert!(fold.len() > 3 * BLOCK_ROWS);
        for row in fold {
            let values = [table.features()[[row, 0]], table.features()[[row, 1]], table.target()[row]];
            sums.push(Block::new(&values, 2).unwrap()).unwrap();
        }
        sums.finish().unwrap()
    });
    let all = parts.reduce(|mut all, part| {
        all.merge(&part).unwrap();
        all
    });
    let expected = all.unwrap().solve(&["a", "b"], &LinearOptions::default()).unwrap();
    assert_eq!(model(&from(&csv, &ReadOptions::new("y"), &options).unwrap()).unwrap().fit, Some(expected));
}

/// 20 features and a target of 200,000 rows, half of them held out: more than is kept.
fn many() -> String {
    let names: Vec<String> = (0..20).map(|column| format!("x{column}")).collect();
    let mut csv = names.join(",") + ",y\n";
    let mut state = 1_u64;
    for _ in 0..200_000 {
        let mut sum = 0;
        for column in 0..20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = state >> 54;
            sum += (column + 1) * value;
            csv += &format!("{value},");
        }
        csv += &format!("{}\n", sum + (state >> 33) % 64);
    }
    csv
}

#[test]
fn beyond_what_is_kept_rows_are_left_out_and_counted() {
    let csv = many();
    let options = TrainOptions { test_fraction: 0.6, ..TrainOptions::default() };
    let read = ReadOptions::new("y");
    let gathered = from(&csv, &read, &options).unwrap();
    let table = read_csv(csv.as_bytes(), &read).unwrap();
    let split = split(&table, 0, 0.6);
    let rows = gathered.rows();
    assert_eq!(rows.train, split.train.len() as u64);
    assert!((74_000..=(1 << 21) / 21).contains(&rows.test), "{rows:?}");
    assert_eq!((rows.all(), rows.test + rows.left_out), (200_000, split.test.len() as u64));
    assert_eq!(gathered.held_out().rows() as u64, rows.test);
    let lines: Vec<u64> = split.test.iter().filter_map(|row| table.line(*row)).collect();
    let kept: Vec<u64> = (0..gathered.held_out().rows()).filter_map(|row| gathered.held_out().line(row)).collect();
    assert!(kept.is_sorted() && kept.iter().all(|line| lines.binary_search(line).is_ok()));

    // Exact but for rounding, and but for deciles and counts, which are of a sample.
    assert_eq!(gathered.schema(), table.schema());
    for (place, (found, expected)) in gathered.report().columns.iter().zip(&table.report().columns).enumerate() {
        assert_eq!(found.distinct, expected.distinct);
        let (found, expected) = (found.profile.as_ref().unwrap(), expected.profile.as_ref().unwrap());
        assert_eq!((found.count, found.min, found.max), (expected.count, expected.min, expected.max));
        assert!((found.mean / expected.mean - 1.0).abs() < 1e-12);
        assert!((found.standard_deviation / expected.standard_deviation - 1.0).abs() < 1e-12);
        assert_eq!(found.counts.iter().sum::<u64>(), found.count);
        // Of 50,000 values a decile's rank has a standard deviation of at most 0.0022: five of them.
        let values = if place < 20 { table.features().column(place).to_vec() } else { table.target().to_vec() };
        assert_eq!(found.edges.len(), 9);
        for (edge, tenth) in found.edges.iter().zip(1..) {
            let below = values.iter().filter(|value| *value <= edge).count() as f64 / values.len() as f64;
            assert!((below - f64::from(tenth) / 10.0).abs() < 0.012, "{below} instead of {tenth} tenths");
        }
    }
    let found = model(&gathered).unwrap();
    let all = train(&table, &options, &"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config")).unwrap();
    assert_eq!(found.model.encode().unwrap(), all.model.encode().unwrap());
    assert_eq!(found.test, all.test);
    assert!(found.training.rows < 50_000 && found.model.parts().profiles[0].count == rows.train);
    // Noise that is uniform on 64 whole numbers: a standard deviation of √((64² - 1)/12) = 18.47.
    assert!((found.test.metrics.rmse / 18.47 - 1.0).abs() < 0.01, "{:?}", found.test.metrics);
    assert!((found.training.rmse / 18.47 - 1.0).abs() < 0.02, "{:?}", found.training);
    let interval = found.test.intervals[&mlci_train::Metric::Rmse];
    assert!(interval.low < found.test.metrics.rmse && found.test.metrics.rmse < interval.high);
}

/// `c` is nearly, or wholly, the sum of `a` and `b`.
fn nearly(apart: f64) -> String {
    let rows = plane(300);
    let add = |(line, row): (usize, &str)| {
        let fields: Vec<f64> = row.split(',').filter_map(|field| field.parse().ok()).collect();
        match fields.as_slice() {
            [a, b, y] => format!("{},{a},{b},{y}\n", a + b + apart * (line as f64).sin()),
            _ => format!("c,{row}\n"),
        }
    };
    rows.lines().enumerate().map(add).collect()
}

#[test]
fn nearly_dependent_columns_take_a_second_pass() {
    let count = |csv: &str| {
        let opened = Cell::new(0);
        let open = || {
            opened.set(opened.get() + 1);
            Ok(csv.as_bytes())
        };
        let gathered = gather(open, &ReadOptions::new("y"), &TrainOptions::default()).unwrap().0;
        (opened.get(), gathered)
    };
    let (opened, gathered) = count(&plane(300));
    assert!(opened == 1 && model(&gathered).is_ok());
    let csv = nearly(1e-4);
    let (opened, gathered) = count(&csv);
    assert_eq!(opened, 2);
    let found = model(&gathered).unwrap();
    assert!(found.test.metrics.rmse < 0.12, "{:?}", found.test.metrics);
    assert_eq!(found.cross_validation.unwrap().folds.len(), 5);
    let table = Gathered::of(&read_csv(csv.as_bytes(), &ReadOptions::new("y")).unwrap(), &TrainOptions::default());
    assert_eq!(model(&table).unwrap().model.encode().unwrap(), found.model.encode().unwrap());

    let (opened, gathered) = count(&nearly(0.0));
    assert_eq!(opened, 2);
    match model(&gathered).unwrap_err() {
        TrainError::Fit { source: source @ FitError::Dependent { .. }, .. } => {
            assert!(source.to_string().contains("`b` = `c` - `a`"), "{source}");
        }
        other => panic!("{other:?}"),
    }
}

/// Residuals of a billionth of the target are lost in sums of products, and with them all that is said of errors.
#[test]
fn residuals_that_are_nearly_nothing_take_a_second_pass() {
    let csv = (0..2000_u32).fold(String::from("a,b,y\n"), |csv, row| {
        let (a, b) = (f64::from(row % 17), f64::from(row * row % 23));
        csv + &format!("{a},{b},{}\n", 3.0 * a - b + 1e-6 * f64::from(row * 7 % 11 + 1))
    });
    let opened = Cell::new(0);
    let open = || {
        opened.set(opened.get() + 1);
        Ok(csv.as_bytes())
    };
    let (gathered, _) = gather(open, &ReadOptions::new("y"), &TrainOptions::default()).unwrap();
    assert_eq!(opened.get(), 2);
    let fit = model(&gathered).unwrap().fit.unwrap();
    let test = fit.inference.unwrap().coefficients[0];
    // The noise has a standard deviation of 3.2e-6, and `a` one of 4.9: their ratio by the root of the rows.
    assert!((1e-8..3e-8).contains(&test.standard_error), "{test:?}");
    assert!((test.estimate - 3.0).abs() < 5.0 * test.standard_error, "{test:?}");
}

#[test]
fn data_that_changes_between_two_passes_is_refused() {
    let texts = [nearly(1e-4), nearly(1e-5)];
    let opened = Cell::new(0);
    let open = || {
        opened.set(opened.get() + 1);
        Ok(texts[opened.get() - 1].as_bytes())
    };
    let error = gather(open, &ReadOptions::new("y"), &TrainOptions::default()).err().unwrap();
    assert!(
        matches!(&error, ReadError::Io(error) if error.to_string().contains("not the same the second time")),
        "{error:?}"
    );
}

/// Fails after so many bytes.
struct Breaks<'a>(&'a [u8]);

impl Read for Breaks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the wire was cut")),
            read => Ok(read),
        }
    }
}

#[test]
fn errors_are_those_of_reading() {
    let read = ReadOptions::new("y");
    let options = TrainOptions::default();
    let cut = plane(30_000);
    let error = gather(|| Ok(Breaks(cut.as_bytes())), &read, &options).err().unwrap();
    assert!(matches!(&error, ReadError::Io(error) if error.to_string() == "the wire was cut"), "{error:?}");
    for csv in ["", "a,y\n", "a,y\n1\n", "a,y\n1,x\n", "a,y\n,1\n", "a,b\n1,2\n", "a,y\n1,\"2\n"] {
        let expected = read_csv(csv.as_bytes(), &read).unwrap_err().to_string();
        assert_eq!(from(csv, &read, &options).err().unwrap().to_string(), expected);
    }
    let late = plane(40_000) + "7,,9\n8,9,x\n";
    let expected = read_csv(late.as_bytes(), &read).unwrap_err().to_string();
    assert!(expected.contains("line 40002, column `b`"), "{expected}");
    assert_eq!(from(&late, &read, &options).err().unwrap().to_string(), expected);
}

/// Whether rows pass by or are a table, and whatever the algorithm.
#[test]
fn other_algorithms_too() {
    let csv = plane(3000);
    let table = read_csv(csv.as_bytes(), &ReadOptions::new("y")).unwrap();
    for algorithm in [Algorithm::Ridge, Algorithm::Lasso, Algorithm::ElasticNet, Algorithm::Tweedie] {
        let positive = csv.replace(",-", ",");
        let csv = if algorithm == Algorithm::Tweedie { &positive } else { &csv };
        let table = if algorithm == Algorithm::Tweedie {
            read_csv(csv.as_bytes(), &ReadOptions::new("y")).unwrap()
        } else {
            table.clone()
        };
        let options = TrainOptions { algorithm, ..TrainOptions::default() };
        let found = model(&from(csv, &ReadOptions::new("y"), &options).unwrap()).unwrap();
        let expected = model(&Gathered::of(&table, &options)).unwrap();
        assert_eq!(found.model.encode().unwrap(), expected.model.encode().unwrap(), "{algorithm}");
        assert_eq!(found.choice, expected.choice, "{algorithm}");
    }
}

/// A ridge regression has an answer where least squares has none; sums by QR give it.
#[test]
fn a_penalty_decides_between_dependent_columns() {
    let options = TrainOptions { algorithm: Algorithm::Ridge, ..TrainOptions::default() };
    let gathered = from(&nearly(0.0), &ReadOptions::new("y"), &options).unwrap();
    let trained = model(&gathered).unwrap();
    let weights = &trained.model.parts().estimator.linear().unwrap().coefficients;
    assert!(weights.iter().all(|weight| weight.abs() < 3.0), "{weights:?}");
    assert!(trained.choice.unwrap().candidates.iter().all(|candidate| candidate.score.is_some()));
}

/// Levels that are not declared are found by a first pass; the report, the columns and the model are those of a table.
#[test]
fn categories_are_found_before_they_are_summed_up() {
    let mut csv = "colour,a,kind,y\n".to_owned();
    for row in 0..4000 {
        let colour = ["red", "green", "\"blue, dark\"", "grey"][row * 5 % 7 % 4];
        let kind = if row % 5 == 0 { "" } else { ["x", "z"][row % 2] };
        csv += &format!(
            "{colour},{},{kind},{}\n",
            row % 13,
            (row * 5 % 7 % 4) as f64 * 3.0 + (row % 13) as f64 * 0.7 + (row % 11) as f64
        );
    }
    let mut read = ReadOptions::new("y");
    let category = ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() };
    let filled = ColumnOptions { fill: Some(Value::Text("none".into())), ..category.clone() };
    read.columns = [("colour".to_owned(), category), ("kind".to_owned(), filled)].into();
    let opened = Cell::new(0);
    let open = || {
        opened.set(opened.get() + 1);
        Ok(csv.as_bytes())
    };
    let (gathered, _) = gather(open, &read, &TrainOptions::default()).unwrap();
    assert_eq!(opened.get(), 2);
    let table = read_csv(csv.as_bytes(), &read).unwrap();
    assert_eq!(gathered.schema(), table.schema());
    assert_eq!(gathered.report(), table.report());
    let expected = model(&Gathered::of(&table, &TrainOptions::default())).unwrap();
    let found = model(&gathered).unwrap();
    assert_eq!(found.model.encode().unwrap(), expected.model.encode().unwrap());
    let levels = &found.model.schema().features[0].levels;
    assert_eq!(levels, &["blue, dark", "green", "grey", "red"]);
    assert_eq!(found.model.design().width(), 3 + 1 + 2);
}
