//! Tensors of an inference request, checked and put together as rows.

use super::{Batch, Extras, Layout, Reader, quoted, shorten};
use crate::refusal::Refusal;

/// A tensor as it came, with its data flat.
#[derive(Debug, Default)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    pub(super) datatype: String,
    pub(super) data: Data,
}

#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) values: Vec<f64>,
    /// What came in place of numbers, by its index; the value there is NaN.
    others: Vec<(usize, Option<String>)>,
    /// The length of the inner lists, where the data came nested.
    pub(super) inner: Option<usize>,
}

/// An element of a tensor's data.
pub(super) enum Raw {
    Number(f64),
    Text(String),
    Missing,
}

impl Data {
    pub(super) fn push(&mut self, element: Raw) {
        let index = self.values.len();
        match element {
            Raw::Number(number) => return self.values.push(number),
            Raw::Text(text) => self.others.push((index, Some(text))),
            Raw::Missing => self.others.push((index, None)),
        }
        self.values.push(f64::NAN);
    }

    /// Turns what came into values of the features, where `place` says the row and the feature of an index.
    fn settle(&mut self, layout: &Layout, place: impl Fn(usize) -> (usize, usize)) -> Result<(), Refusal> {
        let mut others = std::mem::take(&mut self.others).into_iter().peekable();
        for (index, value) in self.values.iter_mut().enumerate() {
            let (row, feature) = place(index);
            *value = match others.next_if(|(at, _)| *at == index) {
                None => layout.number(row, feature, *value)?,
                Some((_, Some(text))) => layout.text(row, feature, &text)?,
                Some((_, None)) => layout.missing(row, feature, "null")?,
            };
        }
        Ok(())
    }
}

/// What the tensors of a request have to be.
pub(super) fn shapes(layout: &Layout) -> String {
    let (width, names) = (layout.width(), layout.names());
    format!("one tensor a feature, of shape [n] ({names}), or one of shape [n, {width}]")
}

/// Puts the tensors together as rows.
pub(super) fn assemble(layout: &Layout, mut tensors: Vec<Tensor>) -> Result<Batch, Refusal> {
    let width = layout.width();
    for tensor in &tensors {
        tensor.check()?;
    }
    let whole = match tensors.as_slice() {
        [one] => one.shape.len() == 2 && layout.position(&one.name, 0).is_none(),
        _ => false,
    };
    if whole && let Some(mut tensor) = tensors.pop() {
        if tensor.shape.get(1) != Some(&(width as u64)) {
            return Err(tensor.misshapen(&format!("[n, {width}]: {}", layout.names())));
        }
        tensor.data.settle(layout, |index| (index / width, index % width))?;
        let values = tensor.data.values;
        return Ok(Batch { rows: values.len() / width, values });
    }

    let mut reader = Reader::new(layout, Extras::Refuse);
    let rows = tensors.first().map_or(0, |tensor| tensor.data.values.len());
    reader.values = vec![f64::NAN; rows * width];
    for (index, tensor) in tensors.iter_mut().enumerate() {
        let Some(feature) = layout.position(&tensor.name, index) else {
            let name = shorten(&tensor.name);
            let hint = layout.suggestion(&tensor.name);
            return Err(Refusal::input(format!("the model has no input `{name}`{hint}"))
                .field(&name)
                .expected(&shapes(layout)));
        };
        if !matches!(tensor.shape.as_slice(), [_] | [_, 1]) {
            return Err(tensor.misshapen("[n] or [n, 1]"));
        }
        let found = tensor.data.values.len();
        if found != rows {
            return Err(Refusal::input(format!("the tensor `{}` has {found} rows, the first {rows}", tensor.name))
                .field(&tensor.name)
                .expected("tensors of the same length"));
        }
        tensor.data.settle(layout, |row| (row, feature))?;
        for (row, value) in tensor.data.values.iter().enumerate() {
            reader.row = row;
            reader.put(row * width, feature, *value)?;
        }
    }
    let is_there = |feature| tensors.iter().any(|tensor| tensor.name == layout.name(feature));
    let seen: Vec<bool> = (0..width).map(is_there).collect();
    reader.refuse_absent(&seen)?;
    reader.fill_absent(&seen);
    reader.rows = rows;
    reader.finish()
}

impl Tensor {
    fn misshapen(&self, expected: &str) -> Refusal {
        let (name, shape) = (shorten(&self.name), &self.shape);
        Refusal::input(format!("the tensor `{name}` has the shape {shape:?}, expected {expected}"))
            .field(&name)
            .expected(expected)
    }

    /// Checks the data against the shape and the datatype.
    fn check(&self) -> Result<(), Refusal> {
        let name = shorten(&self.name);
        let size = self.shape.iter().try_fold(1_u64, |size, length| size.checked_mul(*length));
        let found = self.data.values.len();
        if size != Some(found as u64) {
            let text = format!("the tensor `{name}` of shape {:?} has {found} values", self.shape);
            return Err(Refusal::input(text).field(&name).expected("as many values as the shape says"));
        }
        let last = if self.shape.len() > 1 { self.shape.last().copied() } else { None };
        if let Some(inner) = self.data.inner
            && last != Some(inner as u64)
        {
            return Err(self.misshapen(&format!("[n, {inner}], as its data is nested")));
        }
        if found == 0 {
            return Err(Refusal::input(format!("the tensor `{name}` has no rows"))
                .field(&name)
                .expected("one or more"));
        }
        let text = self.data.others.iter().find_map(|(index, text)| Some((index, text.as_ref()?)));
        if let Some((index, text)) = text.filter(|_| self.datatype != "BYTES") {
            let row = index / usize::try_from(last.unwrap_or(1)).unwrap_or(1).max(1);
            let expected = format!("{} values (texts are BYTES)", shorten(&self.datatype));
            return Err(Refusal::value(Some(row), &name, &expected, &quoted(text)));
        }
        let (min, max) = match self.datatype.as_str() {
            "BYTES" | "FP16" | "FP32" | "FP64" => return Ok(()),
            "INT8" => (f64::from(i8::MIN), f64::from(i8::MAX)),
            "INT16" => (f64::from(i16::MIN), f64::from(i16::MAX)),
            "INT32" => (f64::from(i32::MIN), f64::from(i32::MAX)),
            "INT64" => (i64::MIN as f64, i64::MAX as f64),
            "UINT8" => (0.0, f64::from(u8::MAX)),
            "UINT16" => (0.0, f64::from(u16::MAX)),
            "UINT32" => (0.0, f64::from(u32::MAX)),
            "UINT64" => (0.0, u64::MAX as f64),
            other => {
                let expected = "FP64, FP32, FP16, INT or UINT of 8, 16, 32 or 64 bits, or BYTES";
                let text = format!("the tensor `{name}` has the datatype `{}`, expected {expected}", shorten(other));
                return Err(Refusal::input(text).field(&name).expected(expected));
            }
        };
        // NaN stands where something else came, which is looked at later.
        let wrong = |value: &f64| !value.is_nan() && (value.fract() != 0.0 || !(min..=max).contains(value));
        if let Some((index, value)) = self.data.values.iter().enumerate().find(|(_, value)| wrong(value)) {
            let row = index / usize::try_from(last.unwrap_or(1)).unwrap_or(1).max(1);
            return Err(Refusal::value(Some(row), &name, &format!("{} values", self.datatype), &value.to_string()));
        }
        Ok(())
    }
}
