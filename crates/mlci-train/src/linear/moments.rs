use mlci_model::Design;
use ndarray::{Array2, ArrayView2, linalg::general_mat_mul, s};
use serde::{Deserialize, Serialize};

use crate::{
    FitError,
    linear::{
        Block, BlockError, Centre, LinearFit, LinearOptions, Statistic,
        block::Summary,
        centre::{Centred, two_sum},
        factor::Factor,
        levels,
        problem::Problem,
    },
};

/// Co-moments are computed in tiles of this many columns, of which only those of one half are: a measured compromise.
const TILE: usize = 128;

/// Count, means and centred co-moments of rows: enough for least squares, in one pass.
///
/// Each block is centred by its own mean before its products are summed, by matrix multiplication; blocks are put
/// together by Chan, Golub & LeVeque (The American Statistician 37, 1983), with what rounding takes from the sums kept
/// beside them. Memory is two triangles of (p + 1)² / 2 numbers.
///
/// Products square the condition number `κ` of the columns (centred, of length 1): coefficients have a relative error
/// of about `κ²·1e-16`. Up to [`Moments::CONDITION`] two halves of the rows, merged, give the coefficients of the whole
/// to 1e-12, and beyond it [`Moments::solve`] refuses: [`BlockQr`](crate::BlockQr) takes over, in a second pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Moments {
    centre: Centre,
    /// Row by row the lower triangle of `Σ w·(x - mean)·(x - mean)ᵀ`, and what rounding has taken from it.
    scatter: Vec<f64>,
    lost: Vec<f64>,
}

/// What was read and is not checked yet.
#[derive(Deserialize)]
struct Parts {
    centre: Centre,
    scatter: Vec<f64>,
    lost: Vec<f64>,
}

impl TryFrom<Parts> for Moments {
    type Error = &'static str;

    fn try_from(Parts { centre, scatter, lost }: Parts) -> Result<Self, Self::Error> {
        let centre = centre.checked(&scatter)?.checked(&lost)?;
        if (0..centre.width()).any(|column| scatter[diagonal(column)] < 0.0) {
            return Err("a statistic holds a negative sum of squares");
        }
        Ok(Self { centre, scatter, lost })
    }
}

impl Moments {
    /// The largest condition number of the columns, centred and of length 1, that sums of products can deal with.
    pub const CONDITION: f64 = 30.0;

    /// What it is of rows that have these columns alone, which ascend and have the target last.
    pub(crate) fn select(&self, columns: &[usize]) -> Self {
        let pairs = columns
            .iter()
            .enumerate()
            .flat_map(|(row, column)| columns.iter().take(row + 1).map(move |other| column * (column + 1) / 2 + other));
        let places: Vec<usize> = pairs.collect();
        let of = |values: &[f64]| places.iter().filter_map(|place| values.get(*place).copied()).collect();
        Self { centre: self.centre.select(columns), scatter: of(&self.scatter), lost: of(&self.lost) }
    }

    pub(super) fn of_sums(centre: Centre, scatter: Vec<f64>) -> Self {
        Self { centre, lost: vec![0.0; scatter.len()], scatter }
    }
}

/// The lower triangle of the products of all columns about their means, row by row.
pub(super) fn products(Centred { centre, values, shift, .. }: &Centred) -> Result<Vec<f64>, BlockError> {
    let width = centre.width();
    let rows = values.len() / width;
    let mut scatter = vec![0.0; width * (width + 1) / 2];
    let shape = |_| BlockError::Shape { what: "numbers in whole rows", found: values.len(), width };
    let centred = ArrayView2::from_shape((rows, width), values).map_err(shape)?;
    let mut tile = Array2::zeros((TILE.min(width), TILE.min(width)));
    for top in (0..width).step_by(TILE) {
        let bottom = width.min(top + TILE);
        for left in (0..bottom).step_by(TILE) {
            let right = width.min(left + TILE);
            let mut tile = tile.slice_mut(s![..bottom - top, ..right - left]);
            let (a, b) = (centred.slice(s![.., top..bottom]), centred.slice(s![.., left..right]));
            general_mat_mul(1.0, &a.t(), &b, 0.0, &mut tile);
            for (row, products) in (top..bottom).zip(tile.rows()) {
                let end = right.min(row + 1);
                let start = row * (row + 1) / 2;
                let moved = centre.weight * shift[row];
                let places = scatter[start + left..start + end].iter_mut();
                for ((place, product), shift) in places.zip(products).zip(&shift[left..end]) {
                    *place = product - moved * shift;
                }
            }
        }
    }
    match (0..width).find(|column| !scatter[diagonal(*column)].is_finite()) {
        Some(column) => Err(BlockError::TooLarge { column }),
        None => Ok(scatter),
    }
}

impl Summary for Moments {
    fn of_piece(block: Block<'_>) -> Result<Self, BlockError> {
        let centred = Centred::of(block)?;
        let scatter = products(&centred)?;
        Ok(Self::of_sums(centred.centre, scatter))
    }

    fn of_design(rows: &[f64], features: usize, design: &Design) -> Result<Self, BlockError> {
        levels::moments(rows, features, design)
    }

    fn centre(&self) -> &Centre {
        &self.centre
    }
}

impl Statistic for Moments {
    fn squares(&self) -> Vec<f64> {
        (0..self.centre.width()).map(diagonal).map(|place| self.scatter[place] + self.lost[place]).collect()
    }

    fn merge(&mut self, later: &Self) -> Result<(), BlockError> {
        self.centre.refuse_other_width(&later.centre)?;
        let (apart, between) = self.centre.merge(&later.centre);
        let (mut mine, mut lost) = (self.scatter.as_mut_slice(), self.lost.as_mut_slice());
        let (mut theirs, mut theirs_lost) = (later.scatter.as_slice(), later.lost.as_slice());
        for (row, of_row) in apart.iter().enumerate() {
            let (Some((a, b)), Some((c, d))) = (mine.split_at_mut_checked(row + 1), lost.split_at_mut_checked(row + 1))
            else {
                break;
            };
            let (Some((e, f)), Some((g, h))) =
                (theirs.split_at_checked(row + 1), theirs_lost.split_at_checked(row + 1))
            else {
                break;
            };
            let moved = of_row * between;
            for ((((mine, lost), theirs), theirs_lost), apart) in a.iter_mut().zip(c).zip(e).zip(g).zip(&apart) {
                let (sum, first) = two_sum(*mine, *theirs);
                let (sum, second) = two_sum(sum, moved * apart);
                *mine = sum;
                *lost += theirs_lost + (first + second);
            }
            (mine, lost, theirs, theirs_lost) = (b, d, f, h);
        }
        Ok(())
    }

    fn solve(&self, names: &[&str], options: &LinearOptions) -> Result<LinearFit, FitError> {
        let problem = Problem::new(&self.centre, names, options)?;
        let mean: Vec<f64> = self.centre.mean.iter().zip(&self.centre.rest).map(|(mean, rest)| mean + rest).collect();
        let mut products: Vec<f64> = self.scatter.iter().zip(&self.lost).map(|(sum, lost)| sum + lost).collect();
        let mut rest = products.as_mut_slice();
        for (row, of_row) in mean.iter().enumerate() {
            let Some((products, below)) = rest.split_at_mut_checked(row + 1) else { break };
            if !options.intercept {
                let moved = self.centre.weight * of_row;
                products.iter_mut().zip(&mean).for_each(|(product, mean)| *product += moved * mean);
            }
            if let Some(square) = products.last_mut().filter(|_| row + 1 < mean.len()) {
                *square += options.penalty;
            }
            rest = below;
        }
        let squares: Vec<f64> = (0..mean.len()).map(|row| products[diagonal(row)]).collect();
        let lengths = problem.lengths(squares.iter().map(|square| square.sqrt()))?;
        let mut start = 0;
        for (row, length) in lengths.iter().enumerate() {
            let end = start + row + 1;
            products[start..end].iter_mut().zip(&lengths).for_each(|(product, other)| *product /= length * other);
            start = end;
        }
        problem.solve_products(&Factor::cholesky(products, mean.len()), &lengths)
    }
}

fn diagonal(row: usize) -> usize {
    row * (row + 1) / 2 + row
}
