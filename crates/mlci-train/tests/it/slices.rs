//! Groups of the rows held out.

use mlci_model::{Kind, Unseen};
use mlci_train::{ColumnOptions, Gathered, ReadOptions, SliceError, TrainOptions, gather, read_csv, slices, split};

use crate::{declare, exclude, plane, read};

/// `a` is in steps of 1/8, `b` has 31 values at most, `y` is the target, `k` two values and no feature.
fn csv() -> String {
    let rows = plane(400);
    let rows = rows.lines().enumerate();
    rows.fold(String::new(), |csv, (line, row)| match line {
        0 => csv + "k,note," + row + "\n",
        line => csv + &format!("{},x,", line % 2) + row + "\n",
    })
}

#[test]
fn rows_are_grouped_by_features_and_other_columns() {
    let table = read(csv(), exclude(&["k", "note"])).unwrap();
    let split = split(&table, 0, 0.2);
    let found = slices(&Gathered::of(&table, &TrainOptions::default()), &["k".to_owned(), "b".to_owned()]).unwrap();
    assert_eq!(found.len(), 2);
    for slice in &found {
        let mut rows: Vec<usize> = slice.groups.iter().flat_map(|group| group.rows.iter().copied()).collect();
        rows.sort_unstable();
        assert_eq!(rows, (0..split.test.len()).collect::<Vec<_>>(), "{}", slice.column);
    }
    assert_eq!(found[0].groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["0", "1"]);
    // Row r of the table has k = (r + 1) % 2.
    for (group, k) in found[0].groups.iter().zip([0, 1]) {
        assert!(group.rows.iter().all(|row| (split.test[*row] + 1) % 2 == k), "{group:?}");
    }
    // Tenths of the training rows, named by their ends.
    let tenths = &found[1].groups;
    assert!(tenths.len() > 5 && tenths.len() <= 10, "{tenths:?}");
    assert!(tenths[0].name.starts_with("up to ") && tenths.last().unwrap().name.starts_with("above "), "{tenths:?}");
    let low: f64 = tenths[0].name.trim_start_matches("up to ").parse().unwrap();
    assert!(tenths[0].rows.iter().all(|row| table.features()[[split.test[*row], 1]] <= low));
}

#[test]
fn columns_that_cannot_be_grouped_by() {
    let table = read(csv(), exclude(&["k", "note"])).unwrap();
    let gathered = Gathered::of(&table, &TrainOptions::default());
    let refused = |name: &str| slices(&gathered, &[name.to_owned()]).unwrap_err();
    assert!(refused("notes").to_string().contains("names `notes`, which the data does not have (nearest: `note`)"));
    let error = refused("note");
    assert!(matches!(error, SliceError::Unusable { .. }));
    assert!(error.to_string().contains("`[data.columns.\"note\"] kind = \"category\"`"), "{error}");
}

fn of_kind(kind: Kind) -> ColumnOptions {
    ColumnOptions { kind: Some(kind), ..ColumnOptions::default() }
}

/// By the levels of a category that the model must not see: its rows may lack it, nothing about them is refused, and what
/// they are called does not depend on where chunks end.
#[test]
fn rows_are_grouped_by_a_category_that_is_no_feature() {
    let groups = ["b", "", "\"c, d\"", "7"];
    let of = |row: usize| groups[(row / 9000 + row % 2) % 4];
    let rows = plane(40_000);
    let csv = rows.lines().enumerate().fold(String::new(), |csv, (line, row)| match line {
        0 => csv + "who,group,name," + row + "\n",
        line => csv + &format!("r{line},{},n{line},{row}\n", of(line)),
    });
    let mut options = ReadOptions::new("y");
    (options.exclude, options.id) = (vec!["group".into(), "name".into()], Some("who".into()));
    // Levels and what becomes of others are for features.
    let declared = ColumnOptions { levels: vec!["b".into()], unseen: Unseen::Refuse, ..of_kind(Kind::Category) };
    for column in [of_kind(Kind::Category), declared] {
        options.columns = [("group".to_owned(), column), ("name".to_owned(), of_kind(Kind::Category))].into();
        let table = read_csv(csv.as_bytes(), &options).unwrap();
        let train = TrainOptions::default();
        let (gathered, _) = gather(|| Ok(csv.as_bytes()), &options, &train).unwrap();
        for gathered in [Gathered::of(&table, &train), gathered] {
            let found = slices(&gathered, &["group".to_owned()]).unwrap();
            let names: Vec<&str> = found[0].groups.iter().map(|group| group.name.as_str()).collect();
            assert_eq!(names, ["(missing)", "7", "b", "c, d"]);
            let mut rows = 0;
            for (group, written) in found[0].groups.iter().zip(["", "7", "b", "\"c, d\""]) {
                rows += group.rows.len();
                let is_one = |row: &usize| of(gathered.held_out().line(*row).unwrap() as usize - 1) == written;
                assert!(group.rows.iter().all(is_one), "{}", group.name);
            }
            assert_eq!(rows, gathered.held_out().rows());
            // As many levels as rows are no groups, and no error of the data.
            for column in ["name", "who"] {
                let error = slices(&gathered, &[column.to_owned()]).unwrap_err();
                assert!(error.to_string().contains("nor a category of at most 1000 levels"), "{error}");
            }
        }
    }
}

#[test]
fn groups_have_names_of_their_own() {
    let names = |csv: &str, column: &str, kind: Kind| -> Vec<String> {
        let table = read(csv, declare(column, of_kind(kind))).unwrap();
        let found = slices(&Gathered::of(&table, &TrainOptions::default()), &[column.to_owned()]).unwrap();
        found[0].groups.iter().map(|group| group.name.clone()).collect()
    };
    let rows = |of: &dyn Fn(u32) -> String| -> String { (0..300).map(|row| format!("{},{row}\n", of(row))).collect() };
    let days = format!("day,y\n{}", rows(&|row| format!("2024-{:02}-{:02}", row % 12 + 1, row % 28 + 1)));
    let tenths = names(&days, "day", Kind::Date);
    assert!(tenths[1].starts_with("above 2024-") && tenths[1].contains(" up to 2024-"), "{tenths:?}");
    let two = format!("day,y\n{}", rows(&|row| format!("2024-01-0{}", row % 2 + 1)));
    assert_eq!(names(&two, "day", Kind::Date), ["2024-01-01", "2024-01-02"]);

    let close = format!("x,y\n{}", rows(&|row| format!("{}", 123.456 + f64::from(row % 2) / 1000.0)));
    assert_eq!(names(&close, "x", Kind::Float), ["123.456", "123.457"]);
    let close = format!("x,y\n{}", rows(&|row| format!("{}", 123.456 + f64::from(row) / 1e6)));
    let mut tenths = names(&close, "x", Kind::Float);
    assert_eq!(tenths.len(), 10);
    tenths.dedup();
    assert_eq!(tenths.len(), 10, "{tenths:?}");

    let classes =
        format!("x,y\n{}", (0..100).map(|row| format!("{row},{}\n", ["no", "yes"][row % 2])).collect::<String>());
    assert_eq!(names(&classes, "y", Kind::Category), ["no", "yes"]);
}
