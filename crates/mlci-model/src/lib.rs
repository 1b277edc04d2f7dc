//! What a trained model is: schema, coefficients, reference profile, file format and prediction.
