//! Data in, model out: reads CSV, fits, evaluates and gates a model.
