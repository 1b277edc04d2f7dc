use mlci_train::{
    Accumulator, BLOCK_ROWS, Block, BlockError, BlockQr, Fit as _, LinearOptions, Moments, Ols, OrderedMerge,
    Statistic,
    ndarray::{ArrayView2, s},
};
use proptest::prelude::*;

use super::{NAMES, apart, solve, table};

/// The rows of each piece of `rows` rows that `cuts` (shares of them) make.
fn pieces<'a>(values: &'a [f64], width: usize, cuts: &[f64]) -> Vec<&'a [f64]> {
    let rows = values.len() / width;
    let mut edges: Vec<usize> = cuts.iter().map(|cut| (cut * rows as f64) as usize).chain([0, rows]).collect();
    edges.sort_unstable();
    edges.dedup();
    edges.windows(2).map(|edge| &values[edge[0] * width..edge[1] * width]).collect()
}

fn merged<S: Statistic>(pieces: &[&[f64]], features: usize) -> S {
    let each = pieces.iter().map(|rows| S::of(Block::new(rows, features).unwrap()).unwrap());
    let merged = each.reduce(|mut merged, next| {
        merged.merge(&next).unwrap();
        merged
    });
    merged.unwrap()
}

/// Bits, not only values: pieces of any size on one thread, and blocks by number in any order, give one result.
fn same_bits<S: Statistic + PartialEq + std::fmt::Debug>(
    values: &[f64],
    features: usize,
    cuts: &[f64],
    order: &[u64],
) -> Result<(), TestCaseError> {
    let width = features + 1;
    let whole = S::of(Block::new(values, features).unwrap()).unwrap();
    let mut accumulator = Accumulator::<S>::new(features);
    for rows in pieces(values, width, cuts) {
        accumulator.push(Block::new(rows, features).unwrap()).unwrap();
    }
    prop_assert_eq!(&accumulator.finish().unwrap(), &whole);

    let mut blocks: Vec<(u64, &[f64])> = (0..).zip(values.chunks(BLOCK_ROWS * width)).collect();
    blocks.sort_by_key(|(number, _)| order.get(*number as usize).copied().unwrap_or_default());
    let mut ordered = OrderedMerge::new();
    for (number, rows) in &blocks {
        ordered.insert(*number, S::of(Block::new(rows, features).unwrap()).unwrap()).unwrap();
    }
    prop_assert_eq!(ordered.waiting(), 0);
    prop_assert_eq!(&ordered.finish(blocks.len() as u64).unwrap(), &whole);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_result_has_the_same_bits_however_the_rows_came(
        seed in 0..u64::MAX,
        rows in 30..6000_usize,
        features in 1..6_usize,
        cuts in prop::collection::vec(0.0..1.0, 0..20),
        order in prop::collection::vec(0..u64::MAX, 6),
    ) {
        let values = table(seed, rows, features, 1.0);
        same_bits::<Moments>(&values, features, &cuts, &order)?;
        same_bits::<BlockQr>(&values, features, &cuts, &order)?;
    }

    /// Whatever `Moments` accepts, up to its condition number, two machines or more get to 1e-12.
    #[test]
    fn a_fit_to_merged_pieces_is_the_fit_to_the_whole(
        seed in 0..u64::MAX,
        rows in 60..6000_usize,
        features in 2..12_usize,
        magnitude in -1.6..0.5,
        cuts in prop::collection::vec(0.0..1.0, 1..6),
    ) {
        let values = table(seed, rows, features, 10_f64.powf(magnitude));
        let pieces = pieces(&values, features + 1, &cuts);
        let options = LinearOptions::default();
        let (names, qr) = (&NAMES[..features], solve::<BlockQr>(&values, features, options).unwrap());
        let by_qr = merged::<BlockQr>(&pieces, features).solve(names, &options).unwrap();
        prop_assert!(apart(&qr, &by_qr) < 1e-12, "{}", apart(&qr, &by_qr));
        let whole = solve::<Moments>(&values, features, options);
        let parts = merged::<Moments>(&pieces, features).solve(names, &options);
        // At the limit itself rounding decides.
        prop_assume!(whole.is_ok() == parts.is_ok());
        prop_assert_eq!(whole.is_ok(), qr.condition <= Moments::CONDITION, "{}", qr.condition);
        if let (Ok(whole), Ok(parts)) = (whole, parts) {
            prop_assert!(apart(&whole, &parts) < 1e-12, "{} at {}", apart(&whole, &parts), qr.condition);
            prop_assert!(apart(&whole, &qr) < 1e-12);
            prop_assert_eq!(whole.rows, rows as u64);
        }
    }

    /// The same coefficients as by linfa, which is given the whole matrix.
    #[test]
    fn the_fit_is_that_of_ols(seed in 0..u64::MAX, rows in 20..300_usize, features in 1..10_usize) {
        let values = table(seed, rows, features, 1.0);
        let all = ArrayView2::from_shape((rows, features + 1), &values).unwrap();
        let fitted = Ols.fit(all.slice(s![.., ..features]), all.column(features), &NAMES[..features]).unwrap();
        let mut whole = solve::<Moments>(&values, features, LinearOptions::default()).unwrap();
        let mlci_model::Estimator::Linear(linear) = fitted else { panic!() };
        let intercept = (whole.linear.intercept - linear.intercept).abs();
        prop_assert!(intercept < 1e-9 * linear.intercept.abs().max(1.0), "{intercept}");
        let found = whole.clone();
        whole.linear = linear;
        prop_assert!(apart(&found, &whole) < 1e-11, "{}", apart(&found, &whole));
    }
}

fn weights_repeat_rows<S: Statistic>() {
    let values = table(3, 2000, 3, 1.0);
    let weights: Vec<f64> = (0..2000).map(|row| f64::from(row % 4)).collect();
    let block = Block::new(&values, 3).unwrap().weighted(&weights).unwrap();
    let mut in_pieces = Accumulator::<S>::new(3);
    let (early, late) = (Block::new(&values[..4 * 700], 3).unwrap(), Block::new(&values[4 * 700..], 3).unwrap());
    in_pieces.push(early.weighted(&weights[..700]).unwrap()).unwrap();
    in_pieces.push(late.weighted(&weights[700..]).unwrap()).unwrap();
    let repeated: Vec<f64> =
        values.chunks(4).zip(&weights).flat_map(|(row, weight)| row.repeat(*weight as usize)).collect();
    for intercept in [true, false] {
        let options = LinearOptions { intercept, ..LinearOptions::default() };
        let repeated = solve::<S>(&repeated, 3, options);
        // Without the intercept, columns about 100 are nearly the same.
        let (Ok(weighted), Ok(repeated)) = (S::of(block).unwrap().solve(&NAMES[..3], &options), repeated) else {
            assert!(!intercept);
            continue;
        };
        assert!(apart(&weighted, &repeated) < 1e-11, "{}", apart(&weighted, &repeated));
        super::near(weighted.linear.intercept, repeated.linear.intercept, 1e-10);
        assert_eq!((weighted.rows, repeated.rows), (1500, 3000));
    }
    assert_eq!(in_pieces.finish().unwrap().means(), S::of(block).unwrap().means());
}

#[test]
fn a_row_of_weight_three_is_three_rows_and_of_weight_zero_none() {
    weights_repeat_rows::<Moments>();
    weights_repeat_rows::<BlockQr>();
}

#[test]
fn a_block_of_weight_zero_changes_nothing() {
    let values = table(5, 50, 2, 1.0);
    let nothing = Block::new(&values, 2).unwrap().weighted(&[0.0; 50]).unwrap();
    let mut before = Moments::of(nothing).unwrap();
    let all = Moments::of(Block::new(&values, 2).unwrap()).unwrap();
    before.merge(&all).unwrap();
    let mut after = all.clone();
    after.merge(&Moments::of(nothing).unwrap()).unwrap();
    let fit = |moments: &Moments| moments.solve(&NAMES[..2], &LinearOptions::default()).unwrap();
    assert_eq!(fit(&after).linear, fit(&all).linear);
    assert!(apart(&fit(&before), &fit(&all)) < 1e-14);
    assert_eq!((before.rows(), after.rows()), (50, 50));
}

#[test]
fn numbers_of_blocks() {
    let values = table(1, 20, 1, 1.0);
    let of = || Moments::of(Block::new(&values, 1).unwrap()).unwrap();
    let mut ordered = OrderedMerge::new();
    ordered.insert(2, of()).unwrap();
    ordered.insert(0, of()).unwrap();
    assert_eq!(ordered.waiting(), 1);
    for number in [0, 2] {
        assert_eq!(ordered.insert(number, of()).unwrap_err(), BlockError::Twice { number });
    }
    assert_eq!(ordered.finish(3).unwrap_err(), BlockError::Missing { number: 1, blocks: 3 });
    assert_eq!(OrderedMerge::<Moments>::new().finish(0).unwrap_err(), BlockError::Empty);
}

fn goes_through_serde<S>()
where
    S: Statistic + PartialEq + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let values = table(7, 2500, 4, 1.0);
    let written = S::of(Block::new(&values, 4).unwrap()).unwrap();
    let text = serde_json::to_string(&written).unwrap();
    assert_eq!(serde_json::from_str::<S>(&text).unwrap(), written);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Whatever part is missing a number, or has a wrong one, is refused.
    for part in ["/centre/mean", "/centre/rest", "/centre/low", "/centre/high", "/scatter", "/lost", "/r"] {
        let mut shorter = value.clone();
        if let Some(part) = shorter.pointer_mut(part) {
            part.as_array_mut().unwrap().pop();
            serde_json::from_value::<S>(shorter).unwrap_err();
        }
    }
    let mut negative = value.clone();
    *negative.pointer_mut("/centre/weight").unwrap() = (-1.0).into();
    serde_json::from_value::<S>(negative).unwrap_err();
}

#[test]
fn another_machine_gets_the_same_bits_or_an_error() {
    goes_through_serde::<Moments>();
    goes_through_serde::<BlockQr>();
}

/// More columns than a panel of reflections and a tile of products have, and a last block of fewer rows than columns.
#[test]
fn many_columns() {
    for (rows, features) in [(1100, 40), (1024 + 90, 150), (2048 + 3, 300)] {
        let values = table(2, rows, features, 3.0);
        let names: Vec<String> = (0..features).map(|column| format!("x{column}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = ArrayView2::from_shape((rows, features + 1), &values).unwrap();
        let expected = Ols.fit(all.slice(s![.., ..features]), all.column(features), &names).unwrap();
        let mlci_model::Estimator::Linear(expected) = expected else { panic!() };
        let block = Block::new(&values, features).unwrap();
        let options = LinearOptions::default();
        for found in
            [Moments::of(block).unwrap().solve(&names, &options), BlockQr::of(block).unwrap().solve(&names, &options)]
        {
            let found = found.unwrap();
            let mut of_linfa = found.clone();
            of_linfa.linear = expected.clone();
            assert!(apart(&found, &of_linfa) < 1e-12, "{}", apart(&found, &of_linfa));
        }
    }
}

/// Whole numbers a million million away from zero are the same numbers there: only what is done to them costs digits.
fn offset_costs_nothing<S: Statistic>() {
    let row = |row: u64, offset: f64| {
        let (a, b) = ((row * row % 101) as f64, (row * 7 % 53) as f64);
        [offset + a, b - offset, 3.0 * a - b + (row % 11) as f64]
    };
    let rows = |offset: f64| (0..5000).flat_map(|number| row(number, offset)).collect::<Vec<f64>>();
    let (near, far) = (rows(0.0), rows(1e12));
    let options = LinearOptions::default();
    let near = solve::<S>(&near, 2, options).unwrap();
    let pieces = pieces(&far, 3, &[0.21, 0.5, 0.77]);
    for far in [solve::<S>(&far, 2, options), merged::<S>(&pieces, 2).solve(&NAMES[..2], &options)] {
        let (far, near) = (far.unwrap().linear.coefficients, &near.linear.coefficients);
        far.iter().zip(near).for_each(|(far, near)| super::near(*far, *near, 1e-12));
    }
}

#[test]
fn a_large_offset_costs_no_digits() {
    offset_costs_nothing::<Moments>();
    offset_costs_nothing::<BlockQr>();
}
