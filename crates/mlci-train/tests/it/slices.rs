//! Groups of the rows held out.

use mlci_train::{Gathered, SliceError, TrainOptions, slices, split};

use crate::{exclude, plane, read};

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
    assert!(matches!(refused("note"), SliceError::Unusable { .. }));
}
