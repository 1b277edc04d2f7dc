use mlci_train::{Split, Table, folds, split};
use proptest::prelude::*;

use crate::read;

fn table(rows: &[(u8, u8)]) -> Table {
    let mut csv = String::from("a,y\n");
    for (a, y) in rows {
        csv += &format!("{a},{y}\n");
    }
    read(csv, |_| {}).unwrap()
}

fn rows() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::vec((0..20_u8, 0..20_u8), 1..80)
}

proptest! {
    #[test]
    fn nobody_changes_sides_when_rows_come_or_move(old in rows(), new in rows(), seed: u64, fraction in 0.0..1.0) {
        let before = split(&table(&old), seed, fraction);
        let appended = split(&table(&[old.clone(), new.clone()].concat()), seed, fraction);
        let kept: Vec<usize> = appended.test.iter().copied().filter(|row| *row < old.len()).collect();
        prop_assert_eq!(&kept, &before.test);
        let prepended = split(&table(&[new.clone(), old].concat()), seed, fraction);
        let kept: Vec<usize> = prepended.test.iter().filter_map(|row| row.checked_sub(new.len())).collect();
        prop_assert_eq!(kept, before.test);
    }

    #[test]
    fn equal_rows_stay_together(rows in rows(), seed: u64) {
        let table = table(&rows);
        let Split { train, test } = split(&table, seed, 0.5);
        prop_assert!(train.iter().all(|a| test.iter().all(|b| rows[*a] != rows[*b])));
        let folds = folds(&table, &train, seed, 3);
        for (index, fold) in folds.iter().enumerate() {
            let others = folds.iter().enumerate().filter(|(other, _)| *other != index).flat_map(|(_, rows)| rows);
            prop_assert!(others.into_iter().all(|b| fold.iter().all(|a| rows[*a] != rows[*b])));
        }
    }

    #[test]
    fn nobody_changes_folds_when_rows_come(old in rows(), new in rows(), seed: u64, k in 1..9_usize) {
        let fold = |rows: &[(u8, u8)]| {
            let all: Vec<usize> = (0..rows.len()).collect();
            let mut folds = folds(&table(rows), &all, seed, k);
            folds.iter_mut().for_each(|fold| fold.retain(|row| *row < old.len()));
            folds
        };
        prop_assert_eq!(fold(&old), fold(&[old.clone(), new].concat()));
    }

    #[test]
    fn every_row_has_one_place(rows in rows(), seed: u64, fraction in 0.0..1.0, k in 1..9_usize) {
        let table = table(&rows);
        let Split { train, test } = split(&table, seed, fraction);
        let mut all = [train.clone(), test].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..table.rows()).collect::<Vec<_>>());
        let folds = folds(&table, &train, seed, k);
        prop_assert_eq!(folds.len(), k);
        let mut all = folds.concat();
        all.sort_unstable();
        prop_assert_eq!(all, train);
    }

    #[test]
    fn a_larger_share_only_adds(rows in rows(), seed: u64, a in 0.0..1.0, b in 0.0..1.0) {
        let table = table(&rows);
        let (small, large) = (split(&table, seed, f64::min(a, b)), split(&table, seed, f64::max(a, b)));
        prop_assert!(small.test.iter().all(|row| large.test.contains(row)));
    }
}

/// 2,000 different rows at 0.2: binomial, mean 400, standard deviation √(2,000·0.2·0.8) = 18; five of them.
#[test]
fn the_share_is_about_what_was_asked_for() {
    let csv: String = std::iter::once("a,y\n".to_owned()).chain((0..2000).map(|row| format!("{row},1\n"))).collect();
    let table = read(csv, |_| {}).unwrap();
    let test = split(&table, 7, 0.2).test;
    assert!(test.len().abs_diff(400) < 90, "{}", test.len());
    assert_ne!(split(&table, 8, 0.2).test, test);
    // 1,600 in five folds: mean 320, standard deviation √(1,600·0.2·0.8) = 16; five of them.
    let train = split(&table, 7, 0.2).train;
    let folds = folds(&table, &train, 7, 5);
    assert!(folds.iter().all(|fold| fold.len().abs_diff(train.len() / 5) < 80), "{folds:?}");
}

#[test]
fn shares_at_and_beyond_the_ends() {
    let table = table(&[(1, 1), (2, 2), (3, 3)]);
    for (fraction, test) in [(0.0, 0), (-1.0, 0), (f64::NAN, 0), (1.0, 3), (2.0, 3)] {
        assert_eq!(split(&table, 0, fraction).test.len(), test, "{fraction}");
    }
    assert_eq!(folds(&table, &[0, 1, 2], 0, 0), Vec::<Vec<usize>>::new());
}

#[test]
fn columns_that_are_no_features_count_and_writing_does_not() {
    let full = read("a,b,y\n1,x,2\n1,z,2\n3,x,4\n", |options| options.exclude = vec!["b".into()]).unwrap();
    assert_ne!(full.row_hash(0), full.row_hash(1));
    let spaced = read("a , b,y\r\n\" 1 \",x,2\r\n1,z,2\r\n\r\n3,x,4", |options| {
        options.exclude = vec!["b".into()];
    })
    .unwrap();
    for row in 0..3 {
        assert_eq!(spaced.row_hash(row), full.row_hash(row));
    }
    // Fields do not run into each other.
    let table = read("a,b,y\n1,12,2\n11,2,2\n", |_| {}).unwrap();
    assert_ne!(table.row_hash(0), table.row_hash(1));
}
