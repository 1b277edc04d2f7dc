//! Co-moments of rows that have levels, without the columns of 0 and 1 that these stand for.

use mlci_model::Design;

use crate::linear::{Block, BlockError, Centre, Moments, centre::Centred, moments::products};

/// The columns that are no levels' side by side, and where all are.
struct Split {
    /// Row by row, the target last.
    dense: Vec<f64>,
    /// The place of each of these columns among all.
    places: Vec<usize>,
    /// Row by row, the columns that are 1.
    present: Vec<Vec<usize>>,
    /// How many rows have each column that is a level's; `None`: it is not.
    counts: Vec<Option<f64>>,
}

impl Split {
    /// Of rows of the values of features and, last, the target.
    fn of(rows: &[f64], features: usize, design: &Design) -> Self {
        let target = design.width();
        let is_dense = |column: &usize| *column == target || !design.is_level(*column);
        let places: Vec<usize> = (0..=target).filter(is_dense).collect();
        let mut counts: Vec<Option<f64>> = (0..=target).map(|column| (!is_dense(&column)).then_some(0.0)).collect();
        let count = rows.len() / (features + 1);
        let (mut dense, mut present) = (Vec::with_capacity(count * places.len()), Vec::with_capacity(count));
        for row in rows.chunks_exact(features + 1) {
            let [values @ .., of_target] = row else { continue };
            let mut levels = Vec::new();
            design.each(values, |column, value| match counts.get_mut(column).and_then(Option::as_mut) {
                Some(count) => {
                    *count += 1.0;
                    levels.push(column);
                }
                None => dense.push(value),
            });
            dense.push(*of_target);
            present.push(levels);
        }
        Self { dense, places, present, counts }
    }
}

/// The place of a pair of columns in a lower triangle.
fn place(a: usize, b: usize) -> usize {
    let (row, column) = (a.max(b), a.min(b));
    row * (row + 1) / 2 + column
}

/// What [`Moments::of_piece`] makes of the columns of the design: to rounding, and of levels alone better, since how
/// often they come together is a whole number.
///
/// Of levels `i` and `j` in `n_i` and `n_j` rows of `n`, and together in `n_ij`, the centred product is
/// `(n·n_ij - n_i·n_j) / n`; of a level and a number it is the sum of the number, less its mean, over the rows of the level.
pub(super) fn moments(rows: &[f64], features: usize, design: &Design) -> Result<Moments, BlockError> {
    let Split { dense, places, present, counts } = Split::of(rows, features, design);
    if present.is_empty() {
        return Err(BlockError::Empty);
    }
    let block = Block::of_width(&dense, places.len())?;
    // In the order of all columns, as errors name them.
    let named = |error| match error {
        BlockError::NotFinite { row, column, value } => {
            BlockError::NotFinite { row, column: places.get(column).copied().unwrap_or(column), value }
        }
        BlockError::TooLarge { column } => {
            BlockError::TooLarge { column: places.get(column).copied().unwrap_or(column) }
        }
        other => other,
    };
    let about_mean = Centred::of(block).map_err(named)?;
    let among_numbers = products(&about_mean).map_err(named)?;
    let Centred { centre: of_dense, values: centred, shift, .. } = about_mean;
    let (width, total) = (counts.len(), present.len() as f64);

    let mut scatter = vec![0.0; width * (width + 1) / 2];
    for (levels, numbers) in present.iter().zip(centred.chunks_exact(places.len())) {
        for (upto, level) in levels.iter().enumerate() {
            for other in levels.iter().take(upto + 1) {
                scatter[place(*level, *other)] += 1.0;
            }
            for (number, at) in numbers.iter().zip(&places) {
                scatter[place(*level, *at)] += number;
            }
        }
    }
    let mut numbers = vec![None; width];
    places.iter().enumerate().for_each(|(number, at)| numbers[*at] = Some(number));
    for (row, (count, number)) in counts.iter().zip(&numbers).enumerate() {
        for (column, (other_count, other_number)) in counts.iter().zip(&numbers).take(row + 1).enumerate() {
            let at = &mut scatter[place(row, column)];
            match (count, other_count, number, other_number) {
                (Some(count), Some(other), ..) => *at = (total * *at - count * other) / total,
                (Some(count), None, _, Some(number)) | (None, Some(count), Some(number), _) => {
                    *at -= count * shift[*number];
                }
                (_, _, Some(number), Some(other)) => *at = among_numbers[place(*number, *other)],
                _ => {}
            }
        }
    }
    let of = |of_number: &[f64], of_count: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let column = |(count, number): (&Option<f64>, &Option<usize>)| match (count, number) {
            (Some(count), _) => of_count(*count),
            (None, number) => number.and_then(|number| of_number.get(number)).copied().unwrap_or_default(),
        };
        counts.iter().zip(&numbers).map(column).collect()
    };
    let share = |count: f64| count / total;
    let centre = Centre {
        rows: of_dense.rows,
        weight: of_dense.weight,
        mean: of(&of_dense.mean, &share),
        // What the division has left.
        rest: of(&of_dense.rest, &|count| (-share(count)).mul_add(total, count) / total),
        low: of(&of_dense.low, &|count| f64::from(u8::from(count == total))),
        high: of(&of_dense.high, &|count| f64::from(u8::from(count > 0.0))),
    };
    Ok(Moments::of_sums(centre, scatter))
}

#[cfg(test)]
mod tests {
    use mlci_model::{Column, Kind, Range, Unseen};

    use super::*;
    use crate::{BlockQr, LinearOptions, Statistic as _, linear::block::Summary as _};

    fn design(kinds: &[usize]) -> Design {
        let column = |(number, levels): (usize, &usize)| match levels {
            0 => Column::new(&format!("x{number}"), Kind::Float, None, Range { min: 0.0, max: 1.0 }),
            levels => {
                let names = (0..*levels).map(|level| format!("l{level}")).collect();
                Column::category(&format!("c{number}"), names, Unseen::Refuse)
            }
        };
        Design::of(&kinds.iter().enumerate().map(column).collect::<Vec<_>>())
    }

    /// Numbers far from 0, and levels, some of which no row has.
    fn rows(kinds: &[usize], count: u32) -> Vec<f64> {
        let of = |row: u32, column: usize| {
            let mixed = f64::from(row * 7919 + 104_729 * (column as u32 + 1) * (row % 13 + 1)) % 1009.0 / 1009.0;
            match kinds.get(column).copied().unwrap_or_default() {
                0 => 1e4 + mixed,
                levels => (mixed * (levels as f64 - 0.5)).floor(),
            }
        };
        (0..count).flat_map(|row| (0..=kinds.len()).map(move |column| of(row, column))).collect()
    }

    #[test]
    fn the_same_as_of_the_columns_written_out() {
        for kinds in [&[3, 0, 4, 0][..], &[0, 0, 2], &[5], &[2, 2, 2], &[1, 3, 0]] {
            for count in [1, 2, 50, 1024] {
                let (rows, design) = (rows(kinds, count), design(kinds));
                let found = moments(&rows, kinds.len(), &design).unwrap();
                let mut columns = Vec::new();
                for row in rows.chunks_exact(kinds.len() + 1) {
                    let (target, values) = row.split_last().unwrap();
                    design.expand(values, &mut columns);
                    columns.push(*target);
                }
                let whole = Moments::of_piece(Block::new(&columns, design.width()).unwrap()).unwrap();
                let (ours, theirs) = (serde_json::to_value(&found).unwrap(), serde_json::to_value(&whole).unwrap());
                for part in ["rows", "weight", "low", "high"] {
                    assert_eq!(ours["centre"][part], theirs["centre"][part], "{kinds:?}, {count}: {part}");
                }
                let near =
                    |a: f64, b: f64, size: f64| assert!((a - b).abs() <= 1e-12 * size, "{a} {b} {kinds:?} {count}");
                found.means().iter().zip(whole.means()).for_each(|(a, b)| near(*a, *b, 1e4));
                for (a, b) in ours["scatter"].as_array().unwrap().iter().zip(theirs["scatter"].as_array().unwrap()) {
                    near(a.as_f64().unwrap(), b.as_f64().unwrap(), f64::from(count));
                }
            }
        }
    }

    #[test]
    fn levels_are_fitted_as_by_a_qr() {
        let kinds = [4, 0, 3];
        let (rows, design) = (rows(&kinds, 900), design(&[3, 0, 2]));
        // Levels that a few rows have are taken for the base level here.
        let names: Vec<&str> = design.names().iter().map(String::as_str).collect();
        let fit = moments(&rows, 3, &design).unwrap().solve(&names, &LinearOptions::default()).unwrap();
        let qr = BlockQr::of_design(&rows, 3, &design).unwrap().solve(&names, &LinearOptions::default()).unwrap();
        for (a, b) in fit.linear.coefficients.iter().zip(&qr.linear.coefficients) {
            assert!((a - b).abs() < 1e-11, "{a} {b}");
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_named_by_its_column() {
        let design = design(&[3, 0]);
        let refused = moments(&[1.0, 2.0, 3.0, 0.0, f64::NAN, 1.0], 2, &design).unwrap_err();
        assert!(matches!(refused, BlockError::NotFinite { row: 1, column: 2, .. }), "{refused}");
        let refused = moments(&[1.0, 1e300, 3.0, 0.0, -1e300, 1.0], 2, &design).unwrap_err();
        assert_eq!(refused, BlockError::TooLarge { column: 2 });
        assert_eq!(moments(&[], 2, &design).unwrap_err(), BlockError::Empty);
    }
}
