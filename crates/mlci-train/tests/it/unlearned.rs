//! Levels that no training row has, in categories whose base level stands in for what the model does not know.

use mlci_model::{Kind, Model, Unseen, Value};
use mlci_train::{
    Algorithm, ColumnOptions, Digest, Gathered, ReadOptions, TrainError, TrainOptions, Trained, gather, read_csv,
    slices, split,
};

fn train(gathered: &Gathered) -> Result<Trained, TrainError> {
    gathered.train(&"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config"))
}

/// `y` is 1, 3 or 10 by colour, plus 2·a and a little; `b` is nearly `a` or not. Of the rows with `rare` colours, which
/// are each a little different, all are held out by a seed that is given.
fn coloured(rare: &[&str], is_near: bool) -> (String, u64) {
    let mut csv = String::from("colour,a,b,y\n");
    for row in 0..600_u32 {
        let (colour, of) = [("red", 1.0), ("green", 3.0), ("blue", 10.0)][row as usize % 3];
        let a = f64::from(row * row % 31);
        let b = if is_near { a + f64::from(row % 7) / 1e5 } else { f64::from(row % 7) };
        csv += &format!("{colour},{a},{b},{}\n", of + 2.0 * a + f64::from(row % 5) / 16.0);
    }
    for (number, colour) in rare.iter().enumerate() {
        csv += &format!("{colour},{number},2,{}\n", 50 + number);
    }
    let read = ReadOptions { features: Some(vec!["a".into()]), ..ReadOptions::new("y") };
    let table = read_csv(csv.as_bytes(), &read).unwrap();
    let seed = (0..5000).find(|seed| {
        let test = split(&table, *seed, 0.2).test;
        (600..table.rows()).all(|row| test.contains(&row))
    });
    (csv, seed.unwrap())
}

fn lenient(levels: &[&str]) -> ColumnOptions {
    ColumnOptions {
        kind: Some(Kind::Category),
        unseen: Unseen::Base,
        levels: levels.iter().map(ToString::to_string).collect(),
        ..ColumnOptions::default()
    }
}

/// The models are those of data whose levels are declared without the rare ones.
#[track_caller]
fn check(is_near: bool, algorithm: Algorithm) {
    let (csv, seed) = coloured(&["cyan", "pink", "rose"], is_near);
    let options = TrainOptions { algorithm, seed, golden: 1000, ..TrainOptions::default() };
    let of = |column: ColumnOptions| {
        let mut read = ReadOptions::new("y");
        read.columns.insert("colour".into(), column);
        let (gathered, _) = gather(|| Ok(csv.as_bytes()), &read, &options).unwrap();
        let table = read_csv(csv.as_bytes(), &read).unwrap();
        let of_table = Gathered::of(&table, &options);
        let trained = train(&gathered).unwrap();
        assert_eq!(trained.model.encode().unwrap(), train(&of_table).unwrap().model.encode().unwrap());
        assert_eq!((gathered.report(), gathered.schema()), (table.report(), of_table.schema()));
        (gathered, trained)
    };
    let (_, expected) = of(lenient(&["blue", "green", "red"]));
    assert!(expected.unlearned.is_empty());
    let base = ColumnOptions { base: Some("blue".into()), ..lenient(&[]) };
    let declared = lenient(&["blue", "pink", "green", "rose", "red", "cyan", "grey"]);
    for column in [base, declared] {
        let is_declared = !column.levels.is_empty();
        let (gathered, found) = of(column);
        assert_eq!(found.model.schema(), expected.model.schema());
        let [unlearned] = found.unlearned.as_slice() else { panic!("{:?}", found.unlearned) };
        assert!(unlearned.to_string().ends_with(" of `colour`: such rows (3) count as the base level"), "{unlearned}");
        let mut rows: Vec<_> = unlearned.levels.iter().map(|level| (level.level.as_str(), level.count)).collect();
        rows.sort_unstable();
        let known = [("cyan", 1), ("grey", 0), ("pink", 1), ("rose", 1)];
        assert_eq!(rows, known.into_iter().filter(|(_, rows)| is_declared || *rows > 0).collect::<Vec<_>>());
        let near = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-7, "{found} {expected}");
        near(found.test.metrics.rmse, expected.test.metrics.rmse);
        near(found.training.rmse, expected.training.rmse);
        for (found, expected) in found.test.prediction.iter().zip(&expected.test.prediction) {
            near(*found, *expected);
        }
        // Golden rows are rows of the model, also where it does not know their level.
        let golden = &found.model.parts().golden;
        assert!(golden.iter().any(|golden| golden.row == [0.0, 1.0, 2.0]));
        assert!(golden.iter().all(|golden| golden.row[0] <= 2.0));
        assert!(Model::decode(&found.model.encode().unwrap()).is_ok());
        // Their groups are there all the same.
        let groups = &slices(&gathered, &["colour".to_owned()]).unwrap()[0].groups;
        let pink = groups.iter().find(|group| group.name == "pink").unwrap();
        assert_eq!(pink.rows.len(), 1);
    }
}

#[test]
fn count_as_the_base_level() {
    for algorithm in [Algorithm::Ols, Algorithm::Ridge, Algorithm::Lasso, Algorithm::Poisson] {
        check(false, algorithm);
    }
    // Where the data is read again, for sums without products.
    check(true, Algorithm::Ols);
}

#[test]
fn what_stands_in_for_missing_values_may_be_one() {
    let (csv, seed) = coloured(&[""], false);
    let mut read = ReadOptions::new("y");
    let fill = Some(Value::from("none"));
    read.columns.insert("colour".into(), ColumnOptions { fill, base: Some("green".into()), ..lenient(&[]) });
    let options = TrainOptions { seed, ..TrainOptions::default() };
    let (gathered, _) = gather(|| Ok(csv.as_bytes()), &read, &options).unwrap();
    let model = train(&gathered).unwrap().model;
    let column = &model.schema().features[0];
    assert_eq!(
        (column.levels.as_slice(), column.fill),
        (["green", "blue", "red"].map(str::to_owned).as_slice(), Some(0.0))
    );
}

/// A program of one's own is told of all levels, and knows what to do with them.
#[test]
fn nothing_changes_for_an_estimator_that_is_fitted_elsewhere() {
    let (csv, seed) = coloured(&["pink"], false);
    let mut read = ReadOptions::new("y");
    read.columns.insert("colour".into(), lenient(&[]));
    let options = TrainOptions { seed, elsewhere: true, ..TrainOptions::default() };
    let (gathered, _) = gather(|| Ok(csv.as_bytes()), &read, &options).unwrap();
    assert_eq!(gathered.schema().features[0].levels, ["blue", "green", "pink", "red"]);
}
