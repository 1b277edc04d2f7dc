//! Categories, dates, and what stands in for missing values.

use mlci_model::{Column, Kind, NoValue, Unseen, Value};
use mlci_train::{
    ColumnOptions, Digest, ReadError, ReadOptions, Table, TrainError, TrainOptions, ndarray::array, read_csv, train,
};
use proptest::prelude::*;

use crate::{Drops, declare, drop_missing, read, refused};

fn category() -> ColumnOptions {
    ColumnOptions { kind: Some(Kind::Category), ..ColumnOptions::default() }
}

fn levels(names: &[&str]) -> ColumnOptions {
    ColumnOptions { levels: names.iter().map(ToString::to_string).collect(), ..ColumnOptions::default() }
}

fn feature(table: &Table, position: usize) -> &Column {
    &table.schema().features[position]
}

const COLOURS: &str = "colour,y\nred,1\ngreen,2\n red ,3\nblue,4\n";

#[test]
fn levels_of_the_data_by_the_bytes_of_their_names() {
    let table = read(COLOURS, declare("colour", category())).unwrap();
    assert_eq!(feature(&table, 0).levels, ["blue", "green", "red"]);
    assert_eq!(feature(&table, 0).kind, Kind::Category);
    assert_eq!(table.features(), array![[2.0], [1.0], [2.0], [0.0]]);

    let based = ColumnOptions { base: Some("red".into()), ..category() };
    let table = read(COLOURS, declare("colour", based)).unwrap();
    assert_eq!(feature(&table, 0).levels, ["red", "blue", "green"]);
    assert_eq!(table.features(), array![[0.0], [2.0], [0.0], [1.0]]);

    let no_such = ColumnOptions { base: Some("pink".into()), ..category() };
    refused(COLOURS, declare("colour", no_such), &["`base` is \"pink\"", "`blue`, `green`, `red`"]);
}

#[test]
fn declared_levels() {
    let table = read(COLOURS, declare("colour", levels(&["red", "blue", "green", "pink"]))).unwrap();
    assert_eq!(feature(&table, 0).levels, ["red", "blue", "green", "pink"]);
    assert_eq!(table.features(), array![[0.0], [2.0], [0.0], [1.0]]);

    let says =
        ["line 3, column `colour`: `green` is none of `[data.columns.\"colour\"] levels`", "`unseen = \"base\"`"];
    refused(COLOURS, declare("colour", levels(&["red", "blue"])), &says);
    refused(COLOURS, declare("colour", levels(&["red", "blue", "gren"])), &["did you mean `gren`?"]);

    let lenient = ColumnOptions { unseen: Unseen::Base, ..levels(&["red", "blue"]) };
    let table = read(COLOURS, declare("colour", lenient)).unwrap();
    assert_eq!(table.features(), array![[0.0], [0.0], [0.0], [1.0]]);
    assert_eq!((feature(&table, 0).unseen, table.report().columns[0].unseen), (Unseen::Base, 1));
}

/// A level that is written like a marker of a missing value is a level once it is declared.
#[test]
fn a_level_may_look_missing() {
    let csv = "region,y\nNA,1\nEU,2\n,3\n";
    refused(csv, declare("region", category()), &["2 problems", "line 2, column `region`: `NA` is a missing value"]);
    let says = ["1 problem", "line 4, column `region`: an empty cell is a missing value"];
    refused(csv, declare("region", levels(&["EU", "NA"])), &says);
    let csv = "region,y\nNA,yes\nNA,NA\nEU,yes\n";
    let table = read(csv, |options| {
        declare("region", levels(&["EU", "NA"]))(options);
        declare("y", levels(&["NA", "yes"]))(options);
    });
    assert_eq!(table.unwrap().target(), array![1.0, 0.0, 1.0]);
}

#[test]
fn declarations_that_make_no_sense() {
    let no = |name: &str, options: ColumnOptions, says: &str| {
        let error = refused(COLOURS, declare(name, options), &["`[data.columns.", says]);
        assert!(error.is_configuration(), "{error:?}");
    };
    let float = || ColumnOptions { kind: Some(Kind::Float), ..ColumnOptions::default() };
    let date = || ColumnOptions { kind: Some(Kind::Date), ..ColumnOptions::default() };
    no("colour", levels(&["a", "a"]), "`levels` has \"a\" twice");
    no("colour", levels(&["a", ""]), "is empty");
    no("colour", levels(&["a "]), "white space");
    no("colour", ColumnOptions { base: Some("b".into()), ..levels(&["a", "b"]) }, "the first of `levels`");
    no("colour", ColumnOptions { min: Some(1.0.into()), ..category() }, "a category has `levels`, and no `min`");
    no("colour", ColumnOptions { fill: Some("x".into()), ..levels(&["a"]) }, "which is none of `levels`");
    no("colour", ColumnOptions { fill: Some("x".into()), ..category() }, "`fill` is \"x\", which no row has");
    no("colour", ColumnOptions { base: Some("b".into()), ..ColumnOptions::default() }, "`kind = \"category\"`");
    no("colour", ColumnOptions { unseen: Unseen::Base, ..float() }, "`kind = \"category\"`");
    no("colour", ColumnOptions { fill: Some("x".into()), ..float() }, "`fill` is the text \"x\"");
    no("colour", ColumnOptions { fill: Some(f64::NAN.into()), ..float() }, "not a finite number");
    no(
        "colour",
        ColumnOptions { fill: Some(9.0.into()), max: Some(1.0.into()), ..float() },
        "is not allowed (at most 1)",
    );
    let integer = ColumnOptions { kind: Some(Kind::Integer), ..ColumnOptions::default() };
    no("colour", ColumnOptions { fill: Some(0.5.into()), ..integer }, "not a whole number");
    no("colour", ColumnOptions { min: Some(1.0.into()), ..date() }, "a date is a text");
    no("colour", ColumnOptions { min: Some("1.2.2024".into()), ..date() }, "which is no date");
    no("colour", ColumnOptions { allowed: vec![1.0], ..date() }, "no `allowed`");
    no("colour", ColumnOptions { allowed: vec![f64::NAN], ..float() }, "`allowed` has NaN");
    no("colour", ColumnOptions { max_missing: Some(5.0), ..float() }, "a share of the rows");
    no("y", ColumnOptions { fill: Some(0.0.into()), ..float() }, "a target that is missing cannot be filled in");
}

#[test]
fn an_identifier_is_no_category() {
    let csv: String =
        std::iter::once("who,y\n".to_owned()).chain((0..5000).map(|row| format!("p{row},{row}\n"))).collect();
    let error = refused(&csv, declare("who", category()), &["more than 1000 levels", "`[data] id = \"who\"`"]);
    assert!(matches!(error, ReadError::TooManyLevels { .. }));
}

#[test]
fn text_columns_are_told_their_kind() {
    let csv = "colour,day,y\nred,2024-01-01,1\nblue,2024-01-02,2\n";
    let says = [
        "`[data.columns.\"colour\"] kind = \"category\"`",
        "`[data.columns.\"day\"] kind = \"date\"`",
        "`[data] exclude = [\"colour\", \"day\"]`",
    ];
    refused(csv, |_| {}, &says);
    refused(
        "a,y\n1,good\n2,bad\n",
        |_| {},
        &["to tell two classes apart", "`[data.columns.\"y\"] kind = \"category\"`"],
    );
}

#[test]
fn a_target_with_two_levels_makes_classes() {
    let csv = "a,y\n1,yes\n2,no\n3,yes\n";
    let table = read(csv, declare("y", category())).unwrap();
    assert_eq!(table.schema().target.levels, ["no", "yes"]);
    assert_eq!(table.target(), array![1.0, 0.0, 1.0]);
    let three = "a,y\n1,yes\n2,no\n3,maybe\n";
    let error = refused(three, declare("y", category()), &["3 classes (`maybe`, `no`, `yes`)"]);
    assert!(matches!(error, ReadError::Classes { .. }));
    refused("a,y\n1,yes\n2,yes\n", declare("y", category()), &["`y` is `yes` in all rows"]);
}

#[test]
fn dates_are_days() {
    let date = || ColumnOptions { kind: Some(Kind::Date), ..ColumnOptions::default() };
    let csv = "day,y\n1970-01-02,1\n1970-01-03T12:00:00Z,2\n1970-01-01 06:00,3\n";
    let table = read(csv, declare("day", date())).unwrap();
    assert_eq!(table.features(), array![[1.0], [2.5], [0.25]]);
    let column = feature(&table, 0);
    assert_eq!((column.kind, column.shown(column.range.max)), (Kind::Date, Value::from("1970-01-03T12:00:00Z")));
    let says = ["line 2, column `day`: `02.01.1970` is no date: write it as 2024-02-29"];
    refused("day,y\n02.01.1970,1\n1970-01-03,2\n", declare("day", date()), &says);
    let bounded = ColumnOptions { min: Some("1970-01-02".into()), ..date() };
    let says = ["line 4, column `day`: `1970-01-01 06:00` is outside", "(at least 1970-01-02)"];
    refused(csv, declare("day", bounded), &says);
}

#[test]
fn missing_values_are_filled_in() {
    let csv = "a,colour,day,y\n1,red,1970-01-02,1\n,,NA,2\n3,blue,1970-01-04,3\n";
    let fill = |options: &mut ReadOptions| {
        let with = |kind, fill: Value| ColumnOptions { kind, fill: Some(fill), ..ColumnOptions::default() };
        options.columns.insert("a".into(), with(None, 0.5.into()));
        options.columns.insert("colour".into(), with(Some(Kind::Category), "none".into()));
        options.columns.insert("day".into(), with(Some(Kind::Date), "1970-01-01".into()));
    };
    for drops in [false, true] {
        let set = |options: &mut ReadOptions| {
            fill(options);
            if drops {
                drop_missing(options);
            }
        };
        let table = read(csv, set).unwrap();
        assert_eq!(table.features(), array![[1.0, 2.0, 1.0], [0.5, 1.0, 0.0], [3.0, 0.0, 3.0]]);
        assert_eq!(feature(&table, 1).levels, ["blue", "none", "red"]);
        let fills: Vec<Option<f64>> = table.schema().features.iter().map(|column| column.fill).collect();
        assert_eq!(fills, [Some(0.5), Some(1.0), Some(0.0)]);
        // Whole numbers with a fill that is none are numbers like others.
        assert_eq!(feature(&table, 0).kind, Kind::Float);
        let report = table.report();
        assert!(report.columns[..3].iter().all(|column| (column.missing, column.filled) == (1, 1)), "{report:?}");
    }
    // What no row has can still be the base level.
    let lenient = ColumnOptions { fill: Some("x".into()), unseen: Unseen::Base, ..category() };
    assert_eq!(feature(&read(COLOURS, declare("colour", lenient)).unwrap(), 0).fill, Some(0.0));
    // The target is never filled in, and what is not finite is not missing.
    refused("a,y\n1,\n2,1\n", fill_a, &["line 2, column `y`: an empty cell is a missing value"]);
    refused("a,y\ninf,1\n2,1\n", fill_a, &["line 2, column `a`: `inf` is not a finite number"]);
}

fn fill_a(options: &mut ReadOptions) {
    declare("a", ColumnOptions { fill: Some(0.0.into()), ..ColumnOptions::default() })(options);
}

/// `y` is 1, 3 or 10 by colour, plus 2·a and a little.
fn coloured(rows: u32, extra: &str) -> String {
    let mut csv = String::from("colour,a,y\n");
    for row in 0..rows {
        let (colour, of) = [("red", 1.0), ("green", 3.0), ("blue", 10.0)][row as usize % 3];
        let a = f64::from(row * row % 31);
        csv += &format!("{colour},{a},{}\n", of + 2.0 * a + f64::from(row % 5) / 16.0);
    }
    csv + extra
}

fn try_train(csv: &str, options: ColumnOptions, seed: u64) -> Result<mlci_train::Trained, TrainError> {
    let table = read(csv, declare("colour", options)).unwrap();
    let options = TrainOptions { seed, folds: None, ..TrainOptions::default() };
    train(&table, &options, &"demo".parse().unwrap(), Digest::of(b"data"), Digest::of(b"config"))
}

#[test]
fn a_model_learns_levels() {
    let trained = try_train(&coloured(300, ""), category(), 0).unwrap();
    let weights = trained.model.parts().estimator.linear().unwrap();
    // Of the little on top, the mean is 1/8 whatever the colour.
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 0.05, "{found} {expected}");
    near(weights.intercept, 10.0 + 0.125);
    near(weights.coefficients[0], 3.0 - 10.0);
    near(weights.coefficients[1], 1.0 - 10.0);
    near(weights.coefficients[2], 2.0);
    assert!(trained.test.metrics.rmse < 0.2, "{:?}", trained.test.metrics);
    // A level is a bin, so that drift of each is seen.
    let parts = trained.model.parts();
    assert_eq!(parts.profiles[0].edges, [0.0, 1.0]);
    // Trained again: the same bytes.
    let again = try_train(&coloured(300, ""), category(), 0).unwrap();
    assert_eq!(again.model.encode().unwrap(), trained.model.encode().unwrap());
}

/// A level seen once: in training it has its own weight; held out, nothing is known of it, and the error says what to do.
#[test]
fn a_level_seen_once() {
    let csv = coloured(300, "pink,1,50\n");
    let (mut held_out, mut learned) = (0, 0);
    for seed in 0..20 {
        match try_train(&csv, category(), seed) {
            Ok(trained) => {
                learned += 1;
                let prediction = trained.model.predict_row(&[2.0, 1.0]).unwrap();
                assert!((prediction - 50.0).abs() < 1e-6, "{prediction}");
            }
            Err(TrainError::Levels { levels, .. }) => {
                held_out += 1;
                assert_eq!(levels, ["pink"]);
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(held_out > 0 && learned > 0, "{held_out} {learned}");
    let seed = (0..20).find(|seed| try_train(&csv, category(), *seed).is_err()).unwrap();
    let error = try_train(&csv, category(), seed).unwrap_err().to_string();
    let fix = "count such rows as the base level, `blue`: `[data.columns.\"colour\"] unseen = \"base\"`";
    assert!(error.contains("no training row has `pink` of `colour`") && error.contains(fix), "{error}");
    // What it says helps.
    assert!(try_train(&csv, ColumnOptions { unseen: Unseen::Base, ..category() }, seed).is_ok());
    // Not where it is the base level that nothing is known of.
    let based = ColumnOptions { unseen: Unseen::Base, base: Some("pink".into()), ..category() };
    let error = try_train(&csv, based, seed).unwrap_err().to_string();
    assert!(error.contains("name a base level that has some, `[data.columns.\"colour\"] base = \"blue\"`"), "{error}");
}

#[test]
fn a_category_with_one_level_explains_nothing() {
    let csv = coloured(60, "").replace("green", "red").replace("blue", "red");
    let error = try_train(&csv, category(), 0).unwrap_err().to_string();
    assert!(error.contains("`colour` is `red` in all") && error.contains("exclude = [\"colour\"]"), "{error}");
}

/// A champion with other levels in another order gets the levels that it means, or is told that it cannot.
#[test]
fn another_model_gets_its_own_positions() {
    let table = read(COLOURS, declare("colour", category())).unwrap();
    let schema = |column: Column| {
        let mut schema = table.schema().clone();
        schema.features = vec![column];
        schema
    };
    let of =
        |names: &[&str], unseen| Column::category("colour", names.iter().map(ToString::to_string).collect(), unseen);
    let strict = schema(of(&["red", "green", "blue"], Unseen::Refuse));
    assert_eq!(table.matrix_for(&strict).unwrap(), array![[0.0], [1.0], [0.0], [2.0]]);
    let lenient = schema(of(&["green", "red"], Unseen::Base));
    assert_eq!(table.matrix_for(&lenient).unwrap(), array![[1.0], [0.0], [1.0], [0.0]]);
    let unable = table.matrix_for(&schema(of(&["green", "red"], Unseen::Refuse))).unwrap_err();
    assert_eq!(unable.unusable, ["colour"]);
    let number = Column::observed("colour", Kind::Float, None, &[1.0]).unwrap();
    assert_eq!(table.matrix_for(&schema(number)).unwrap_err().unusable, ["colour"]);
}

/// More rows than a chunk has, with levels that come late: as if one thread had read them at once.
#[test]
fn chunks_change_nothing() {
    let names = ["m", "c", "x", "a"];
    let rows: Vec<usize> = (0..100_000).map(|row| [0, row / 30_000 % 4, row * 7 / 1000 % 4][row % 3]).collect();
    let csv: String = std::iter::once("colour,y\n".to_owned())
        .chain(rows.iter().enumerate().map(|(row, level)| format!("{},{row}\n", names[*level])))
        .collect();
    let mut options = ReadOptions::new("y");
    declare("colour", category())(&mut options);
    let table = read_csv(csv.as_bytes(), &options).unwrap();
    assert_eq!(feature(&table, 0).levels, ["a", "c", "m", "x"]);
    let expected: Vec<f64> = rows.iter().map(|level| [2.0, 1.0, 3.0, 0.0][*level]).collect();
    assert_eq!(table.features().column(0).to_vec(), expected);
    assert_eq!(table.report().columns[0].levels.iter().map(|level| level.count).sum::<u64>(), 100_000);
}

fn any_column() -> impl Strategy<Value = ColumnOptions> {
    let kinds = [None, Some(Kind::Float), Some(Kind::Integer), Some(Kind::Category), Some(Kind::Date)];
    let fills = [None, Some(Value::from(1.0)), Some(Value::from("a")), Some(Value::from("2024-01-01"))];
    (0..5_usize, 0..4_usize, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        move |(kind, fill, declared, lenient, unique)| ColumnOptions {
            kind: kinds[kind],
            fill: fills[fill].clone(),
            levels: if declared { vec!["a".into(), "NA".into()] } else { Vec::new() },
            unseen: if lenient { Unseen::Base } else { Unseen::Refuse },
            unique,
            ..ColumnOptions::default()
        },
    )
}

proptest! {
    /// Whatever is declared: a table or an error, the same in drops; and what the schema freezes reads a cell as training
    /// did.
    #[test]
    fn serving_reads_as_training_did(
        cells in proptest::collection::vec("a|b|NA| a |1|2\\.50|1e3|inf||2024-02-29|1970-01-01T06:00Z|9007199254740993", 1..12),
        column in any_column(),
    ) {
        let csv: String = std::iter::once("x,y\n".to_owned())
            .chain(cells.iter().enumerate().map(|(row, cell)| format!("{cell},{row}\n")))
            .collect();
        let mut options = ReadOptions::new("y");
        drop_missing(&mut options);
        declare("x", column)(&mut options);
        match (read_csv(csv.as_bytes(), &options), read_csv(Drops(csv.as_bytes()), &options)) {
            (Ok(table), Ok(drops)) => {
                prop_assert_eq!(table.features(), drops.features());
                prop_assert_eq!(table.schema(), drops.schema());
                let column = feature(&table, 0);
                let mut kept = 0..table.rows();
                for cell in &cells {
                    match column.value_of(cell) {
                        Ok(value) => {
                            let row = kept.next().unwrap_or(usize::MAX);
                            prop_assert_eq!(table.features().get((row, 0)).copied(), Some(value), "{}", cell);
                            let shown = column.shown(value).to_string();
                            prop_assert_eq!(column.value_of(&shown), Ok(value), "{}", shown);
                        }
                        Err(NoValue::Missing | NoValue::NotFinite) => {}
                        Err(other) => prop_assert!(false, "{cell}: {other:?}"),
                    }
                }
                prop_assert_eq!(kept.next(), None);
            }
            (Err(whole), Err(drops)) => prop_assert_eq!(whole.to_string(), drops.to_string()),
            (whole, drops) => prop_assert!(false, "in one piece {whole:?}, in drops {drops:?}"),
        }
    }
}
