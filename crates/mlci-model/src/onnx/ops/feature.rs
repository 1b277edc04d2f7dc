//! `FeatureVectorizer` and `ArrayFeatureExtractor`: columns put together, and picked out.

use tract_onnx::{
    model::{OnnxOpRegister, ParsingContext},
    pb::NodeProto,
    tract_hir::{
        internal::*,
        tract_core::ops::{
            array::{Gather, TypedConcat},
            cast::cast,
        },
    },
};

pub(super) fn register(register: &mut OnnxOpRegister) {
    register.insert("FeatureVectorizer", |_: &ParsingContext, node: &NodeProto| {
        let widths: Vec<i64> = node.get_attr_vec("inputdimensions")?;
        let widths = widths.into_iter().map(|width| Ok(usize::try_from(width)?)).collect::<TractResult<_>>()?;
        Ok((expand(FeatureVectorizer { widths }), vec![]))
    });
    register.insert("ArrayFeatureExtractor", |_: &ParsingContext, _: &NodeProto| {
        Ok((expand(ArrayFeatureExtractor), vec![]))
    });
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FeatureVectorizer {
    widths: Vec<usize>,
}

impl Expansion for FeatureVectorizer {
    fn name(&self) -> StaticName {
        "FeatureVectorizer".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, self.widths.len())?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.equals(&outputs[0].rank, 2)?;
        s.equals(&outputs[0].shape[0], &inputs[0].shape[0])?;
        s.equals(&outputs[0].shape[1], self.widths.iter().sum::<usize>().to_dim())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut columns = Vec::with_capacity(inputs.len());
        for (place, (input, width)) in inputs.iter().zip(&self.widths).enumerate() {
            let fact = model.outlet_fact(*input)?.clone();
            let mut x = *input;
            if fact.rank() == 1 {
                x = model.wire_node(format!("{prefix}.column_{place}"), AxisOp::Add(1), &[x])?[0];
            }
            let shape = model.outlet_fact(x)?.shape.to_tvec();
            let is_wide = matches!(shape.as_slice(), [_, found] if *found == width.to_dim());
            ensure!(is_wide, "its input {place} is {shape:?}, and not {width} wide");
            if fact.datum_type != f32::datum_type() {
                x = model.wire_node(format!("{prefix}.to_f32_{place}"), cast(f32::datum_type()), &[x])?[0];
            }
            columns.push(x);
        }
        model.wire_node(prefix, TypedConcat::new(1), &columns)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ArrayFeatureExtractor;

/// The places that are picked, which have to be known beforehand.
fn places(tensor: &Tensor) -> TractResult<Tensor> {
    let tensor = tensor.cast_to::<i64>()?.into_owned();
    let count = tensor.len();
    tensor.into_shape(&[count])
}

impl Expansion for ArrayFeatureExtractor {
    fn name(&self) -> StaticName {
        "ArrayFeatureExtractor".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        s.equals(&outputs[0].datum_type, &inputs[0].datum_type)?;
        s.given_2(&inputs[0].shape, &inputs[1].shape, move |s, mut shape, picked| {
            let count: TDim = picked.iter().cloned().product();
            match shape.last_mut() {
                Some(last) if !picked.is_empty() => *last = count,
                _ => bail!("it picks from {shape:?} by {picked:?}"),
            }
            if shape.len() == 1 {
                shape.insert(0, 1.to_dim());
            }
            s.equals(&outputs[0].shape, shape)
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let places = model.outlet_fact(inputs[1])?.konst.as_deref().map(places).transpose()?;
        let places = places.context("which features it extracts is not known beforehand")?;
        let fact = model.outlet_fact(inputs[0])?.clone();
        let axis = fact.rank().checked_sub(1).context("it takes features")?;
        if let Ok(width) = fact.shape[axis].to_usize() {
            let is_there = |place: &i64| usize::try_from(*place).is_ok_and(|place| place < width);
            let outside = places.to_plain_array_view::<i64>()?.iter().copied().find(|place| !is_there(place));
            ensure!(outside.is_none(), "it extracts feature {outside:?} of {width}");
        }
        let places = model.add_const(format!("{prefix}.places"), places)?;
        let mut x = model.wire_node(format!("{prefix}.picked"), Gather::new(axis), &[inputs[0], places])?;
        if fact.rank() == 1 {
            x = model.wire_node(format!("{prefix}.row"), AxisOp::Add(0), &x)?;
        }
        Ok(x)
    }
}
