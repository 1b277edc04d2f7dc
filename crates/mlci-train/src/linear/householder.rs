use ndarray::{Array2, ArrayViewMut2, Axis, linalg::general_mat_mul, s};

/// Columns that are reflected one by one before the rest is, by matrix multiplication.
const PANEL: usize = 32;

/// Makes `r` the triangle of `r` on top of `rows`; `rows` is used up. Of `rows` the first `dense` may be full, and those
/// after them form an upper triangle.
///
/// Householder reflections in blocks (Schreiber & Van Loan, *A Storage-Efficient WY Representation for Products of
/// Householder Transformations*, SIAM J. Sci. Stat. Comput. 10, 1989), which leave the zeros of `r` alone as in
/// communication-avoiding QR (Demmel, Grigori, Hoemmen & Langou, SIAM J. Sci. Comput. 34, 2012).
///
/// `r` is (q, q) and `rows` (m, q), both column by column in memory.
pub(super) fn absorb(r: &mut Array2<f64>, mut rows: ArrayViewMut2<'_, f64>, dense: usize) {
    let (height, width) = rows.dim();
    let filled = |column: usize| height.min(dense.saturating_add(column + 1));
    for first in (0..width).step_by(PANEL) {
        let end = width.min(first + PANEL);
        let count = end - first;
        let height = filled(end - 1);
        let (mut panel, mut right) = rows.view_mut().split_at(Axis(1), end);
        let mut panel = panel.slice_mut(s![..height, first..]);
        let mut right = right.slice_mut(s![..height, ..]);
        let mut t = Array2::<f64>::zeros((count, count));
        for column in 0..count {
            let (mut done, mut rest) = panel.view_mut().split_at(Axis(1), column);
            let (mut vector, mut rest) = rest.view_mut().split_at(Axis(1), 1);
            let filled = filled(first + column);
            let mut vector = vector.column_mut(0);
            let mut vector = vector.slice_mut(s![..filled]);
            let square = vector.dot(&vector);
            // Nothing to take away; also where squares are too small to be numbers, which then change nothing.
            if square == 0.0 {
                continue;
            }
            let head = r[[first + column, first + column]];
            let length = (head * head + square).sqrt();
            let new = if head > 0.0 { -length } else { length };
            let scale = (new - head) / new;
            vector /= head - new;
            r[[first + column, first + column]] = new;
            for (other, mut rest) in rest.columns_mut().into_iter().enumerate() {
                let mut rest = rest.slice_mut(s![..filled]);
                let top = &mut r[[first + column, first + column + 1 + other]];
                let along = scale * (*top + vector.dot(&rest));
                *top -= along;
                rest.scaled_add(-along, &vector);
            }
            // T, of which the reflections together are `I - V·T·Vᵀ`.
            let onto = done.slice_mut(s![..filled, ..]).t().dot(&vector);
            let entries = t.slice(s![..column, ..column]).dot(&onto);
            t.slice_mut(s![..column, column]).assign(&(entries * -scale));
            t[[column, column]] = scale;
        }
        if right.ncols() == 0 {
            continue;
        }
        let mut top = r.slice_mut(s![first..end, end..]);
        let mut along = top.to_owned();
        general_mat_mul(1.0, &panel.t(), &right, 1.0, &mut along);
        let along = t.t().dot(&along);
        top -= &along;
        general_mat_mul(-1.0, &panel, &along, 1.0, &mut right);
    }
}
