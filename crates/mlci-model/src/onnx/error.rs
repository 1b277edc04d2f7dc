/// An ONNX file that cannot be taken as a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// This build cannot read ONNX.
    #[error("this build of mlci does not read ONNX: build it with `--features onnx`")]
    NotBuilt,
    /// The bytes are no ONNX model.
    #[error("not an ONNX model: {0}")]
    Parse(String),
    /// The weights are in another file.
    #[error(
        "the tensor `{0}` is in another file; export the model as one file (`onnx.save(model, path, save_as_external_data=False)`)"
    )]
    External(String),
    /// There are operators that are not known here.
    #[error("{count} not supported: {}", .operators.join(", "), count = counted(.operators.len(), "operator is", "operators are"))]
    Operators {
        /// Their names, each with the name of the first node that has it.
        operators: Vec<String>,
    },
    /// The inputs are not the features.
    #[error(
        "the model takes {}, and the data has {}: {why}",
        .inputs.join(", "), .features.join(", ")
    )]
    Inputs {
        /// The inputs of the graph, with their types.
        inputs: Vec<String>,
        /// The features, with their types.
        features: Vec<String>,
        /// What does not fit.
        why: String,
    },
    /// No output holds the prediction.
    #[error("no output of the model is a prediction of `{target}`: {why}; it gives {}", .outputs.join(", "))]
    Output {
        /// The target.
        target: String,
        /// The outputs of the graph, with their types.
        outputs: Vec<String>,
        /// What was looked for, and how to export it.
        why: String,
    },
    /// The classes of the graph are not the levels of the target.
    #[error("the model tells {} apart, and the levels of `{target}` are {}", .classes.join(", "), .levels.join(", "))]
    Classes {
        /// The target.
        target: String,
        /// The classes of the graph.
        classes: Vec<String>,
        /// The levels of the target.
        levels: Vec<String>,
    },
    /// The graph is larger than what is run here.
    #[error("the model is too large to be run: {0}")]
    Limit(String),
    /// What was noted of inputs and outputs is not what the graph and the schema say.
    #[error("the model's inputs and outputs are not those that were noted when it was taken: take its ONNX file again")]
    Binding,
    /// The graph contradicts itself.
    #[error("the graph of the model cannot be run: {0}")]
    Graph(String),
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
