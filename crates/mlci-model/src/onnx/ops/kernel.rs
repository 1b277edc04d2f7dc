//! What operators of one input and one output have in common.

use tract_onnx::tract_hir::internal::*;

/// A function of one tensor.
pub(super) trait Kernel: std::fmt::Debug + Send + Sync + 'static {
    const NAME: &'static str;

    /// The type and shape of what it gives.
    fn output(&self, datum: DatumType, shape: &[TDim]) -> TractResult<(DatumType, TVec<TDim>)>;

    fn run(&self, input: &Tensor) -> TractResult<Tensor>;
}

/// A kernel as an operator of tract.
#[derive(Debug)]
pub(super) struct Apply<K>(Arc<K>);

impl<K: Kernel> Apply<K> {
    pub(super) fn boxed(kernel: K) -> (Box<dyn InferenceOp>, Vec<String>) {
        (expand(Self(Arc::new(kernel))), vec![])
    }
}

impl<K> Clone for Apply<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> PartialEq for Apply<K> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<K> Eq for Apply<K> {}

impl<K: Kernel> Expansion for Apply<K> {
    fn name(&self) -> StaticName {
        K::NAME.into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        s.given_2(&inputs[0].datum_type, &inputs[0].shape, move |s, datum, shape| {
            let (datum, shape) = self.0.output(plain(datum), &shape)?;
            s.equals(&outputs[0].datum_type, datum)?;
            s.equals(&outputs[0].shape, shape)
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl<K: Kernel> Op for Apply<K> {
    fn name(&self) -> StaticName {
        K::NAME.into()
    }

    op_as_typed_op!();
}

impl<K: Kernel> EvalOp for Apply<K> {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let output = match input.datum_type() == TDim::datum_type() {
            true => self.0.run(&*input.cast_to::<i64>()?)?,
            false => self.0.run(&input)?,
        };
        Ok(tvec!(output.into_tvalue()))
    }
}

impl<K: Kernel> TypedOp for Apply<K> {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let fact = inputs.first().context("it takes one input")?;
        let (datum, shape) = self.0.output(plain(fact.datum_type), &fact.shape.to_tvec())?;
        Ok(tvec!(datum.fact(shape)))
    }

    as_op!();
}

/// tract takes 64-bit integers for dimensions in places.
fn plain(datum: DatumType) -> DatumType {
    if datum == TDim::datum_type() { i64::datum_type() } else { datum }
}

/// Checks that there is one value for all features, or one each.
pub(super) fn check_width(what: &str, count: usize, shape: &[TDim]) -> TractResult<()> {
    let width = shape.last().and_then(|width| width.to_usize().ok());
    ensure!(
        count == 1 || width.is_none_or(|width| width == count),
        "there are {count} values of {what} for {} features",
        width.unwrap_or_default()
    );
    Ok(())
}
