use ndarray::{Array2, ArrayView2};

/// The triangle `R` of columns of length 1, the target last, column by column.
#[derive(Debug)]
pub(super) struct Factor {
    columns: Vec<f64>,
    width: usize,
    /// A column of which nothing could be told from rounding once those before it were taken away.
    pub(super) lost: bool,
}

/// What is left of the square of a column's length has to be more than this, to be more than rounding.
const PIVOT: f64 = 1e-13;

/// Estimates of singular values stop at this relative change, or after so many steps.
const SETTLED: f64 = 1e-3;
const STEPS: usize = 50;

/// In one order on every machine, and in eight sums that go into vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

impl Factor {
    /// Of products, row by row the lower triangle, all of whose diagonal is 1.
    pub(super) fn cholesky(mut products: Vec<f64>, width: usize) -> Self {
        let mut lost = false;
        let mut start = 0;
        for row in 0..width {
            let (done, rest) = products.split_at_mut(start);
            let this = &mut rest[..=row];
            let mut above = 0;
            for column in 0..row {
                let before = &done[above..=above + column];
                let pivot = before[column];
                let product = this[column] - dot(&this[..column], &before[..column]);
                this[column] = if pivot == 0.0 { 0.0 } else { product / pivot };
                above += column + 1;
            }
            let left = this[row] - dot(&this[..row], &this[..row]);
            let is_target = row + 1 == width;
            let is_lost = !is_target && left <= PIVOT;
            lost |= is_lost;
            this[row] = if is_lost { 0.0 } else { left.max(0.0).sqrt() };
            start += row + 1;
        }
        Self { columns: products, width, lost }
    }

    /// Of the triangle of columns of these lengths.
    pub(super) fn of_triangle(r: ArrayView2<'_, f64>, lengths: &[f64]) -> Self {
        let width = lengths.len();
        let mut columns = Vec::with_capacity(width * (width + 1) / 2);
        for (position, (column, length)) in r.columns().into_iter().zip(lengths).enumerate() {
            columns.extend(column.iter().take(position + 1).map(|value| value / length));
        }
        Self { columns, width, lost: false }
    }

    pub(super) fn features(&self) -> usize {
        self.width - 1
    }

    fn column(&self, position: usize) -> &[f64] {
        let start = position * (position + 1) / 2;
        &self.columns[start..=start + position]
    }

    /// The target along the columns, and what is left of it.
    pub(super) fn target(&self) -> (&[f64], f64) {
        let (left, along) = self.column(self.features()).split_last().unwrap_or((&0.0, &[]));
        (along, left.abs())
    }

    /// The triangle of the features.
    pub(super) fn triangle(&self) -> Array2<f64> {
        let features = self.features();
        let mut triangle = Array2::zeros((features, features));
        for (position, mut column) in triangle.columns_mut().into_iter().enumerate() {
            column.iter_mut().zip(self.column(position)).for_each(|(place, value)| *place = *value);
        }
        triangle
    }

    /// Solves `R·w = z`.
    pub(super) fn backward(&self, z: &[f64]) -> Vec<f64> {
        let mut w = z.to_vec();
        for position in (0..self.features()).rev() {
            let (before, from) = w.split_at_mut(position);
            let column = self.column(position);
            from[0] /= column[position];
            before.iter_mut().zip(column).for_each(|(value, entry)| *value -= from[0] * entry);
        }
        w
    }

    /// Solves `Rᵀ·x = b`, where all of `b` before `first` is zero.
    fn forward_from(&self, first: usize, b: &mut [f64]) {
        for position in first..self.features() {
            let column = self.column(position);
            b[position] = (b[position] - dot(&column[first..position], &b[first..position])) / column[position];
        }
    }

    /// Solves `Rᵀ·x = b`.
    pub(super) fn forward(&self, mut b: Vec<f64>) -> Vec<f64> {
        self.forward_from(0, &mut b);
        b
    }

    /// The diagonal of `(RᵀR)⁻¹`: for columns of length 1 about their mean, by how much more the variance of each
    /// coefficient is than if the columns were orthogonal.
    pub(super) fn inflation(&self) -> Vec<f64> {
        let mut unit = vec![0.0; self.features()];
        let each = (0..self.features()).map(|position| {
            unit.fill(0.0);
            unit[position] = 1.0;
            self.forward_from(position, &mut unit);
            dot(&unit[position..], &unit[position..])
        });
        each.collect()
    }

    /// The ratio of the largest to the smallest singular value of the features, to about two digits: by the power
    /// method on `RᵀR` and on its inverse (Golub & Van Loan, *Matrix Computations*, 4th ed., §7.3 and §8.2).
    pub(super) fn condition(&self) -> f64 {
        let largest = self.grow(|vector| {
            let mut image = vec![0.0; vector.len()];
            for (position, weight) in vector.iter().enumerate() {
                image.iter_mut().zip(self.column(position)).for_each(|(sum, entry)| *sum += weight * entry);
            }
            (0..vector.len()).map(|position| dot(self.column(position), &image[..=position])).collect()
        });
        let smallest = self.grow(|vector| self.backward(&self.forward(vector)));
        (largest * smallest).sqrt().max(1.0)
    }

    /// How much `step` makes of the vector that it makes most of.
    fn grow(&self, step: impl Fn(Vec<f64>) -> Vec<f64>) -> f64 {
        // Any vector will do that is not orthogonal to the one sought; this one has no pattern that data would have.
        let mut vector: Vec<f64> =
            (0..self.features()).map(|position| 1.0 + (position as f64 * 2.399_963_229_728_653).sin() / 2.0).collect();
        let mut growth = 0.0;
        for _ in 0..STEPS {
            let length = dot(&vector, &vector).sqrt();
            vector.iter_mut().for_each(|value| *value /= length);
            vector = step(vector);
            let now = dot(&vector, &vector).sqrt();
            let settled = (now - growth).abs() <= SETTLED * now;
            growth = now;
            if settled {
                break;
            }
        }
        growth
    }
}
