use super::{Layout, csv, infer, mlflow, predict};
use mlci_model::Unseen;

use crate::{
    refusal::Refusal,
    tests::{coloured, model},
};

/// Rows of the model `a` (in g/L), `b acid`, `n` (an integer).
type Rows = Vec<f64>;

fn layout() -> Layout {
    Layout::of(&model("demo"))
}

fn read(format: &str, body: &[u8]) -> Result<Rows, Refusal> {
    read_by(&layout(), format, body)
}

fn read_by(layout: &Layout, format: &str, body: &[u8]) -> Result<Rows, Refusal> {
    let batch = match format {
        "predict" => predict::read(layout, body),
        "mlflow" => mlflow::read(layout, body),
        "csv" => csv::read(layout, body),
        _ => infer::read(layout, "y", body).map(|request| request.batch),
    }?;
    assert_eq!(batch.values.len(), batch.rows * 3);
    Ok(batch.values)
}

#[track_caller]
fn reads(format: &str, bodies: &[&str], expected: &[f64]) {
    for body in bodies {
        assert_eq!(read(format, body.as_bytes()).as_deref(), Ok(expected), "{body}");
    }
}

/// `says` is a part of the message.
#[track_caller]
fn refuses(format: &str, body: impl AsRef<[u8]>, says: &str, field: Option<&str>, row: Option<usize>) {
    let shown = String::from_utf8_lossy(body.as_ref()).chars().take(200).collect::<String>();
    let refusal = read(format, body.as_ref()).expect_err(&shown);
    let (error, named, at) = refusal.parts();
    assert!(error.contains(says), "{shown}\n{error:?} does not say {says:?}");
    assert_eq!((named, at), (field, row), "{shown}\n{error}");
}

#[test]
fn plain_rows() {
    let one = [
        r#"{"a": 1.5, "b acid": 2, "n": 3}"#,
        r#"{"n": 3.0, "a": 15e-1, "b acid": 2}"#,
        r#"[{"b acid": 2, "n": 3, "a": 1.5}]"#,
        r#"[[1.5, 2, 3]]"#,
        r#"{"rows": [[1.5, 2, 3]]}"#,
        r#"{"rows": [{"a": 1.5, "b\u0020acid": 2, "n": 3}]}"#,
        "\u{feff} [[1.5, 2, 3]]\n",
    ];
    reads("predict", &one, &[1.5, 2.0, 3.0]);
    let two = [r#"[[1,2,3],{"a":4,"b acid":5,"n":6}]"#, r#"{"rows":[[1,2,3],[4,5,6]]}"#];
    reads("predict", &two, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    reads("predict", &["[[-0.0, 1e-400, -3]]"], &[-0.0, 0.0, -3.0]);
    // A quick parser of JSON reads these one unit in the last place off.
    for format in ["predict", "csv"] {
        let body = if format == "csv" {
            "a,b acid,n\n51.248178375505404,-93.31137037688033,3"
        } else {
            "[[51.248178375505404, -93.31137037688033, 3]]"
        };
        reads(format, &[body], &[51.248178375505404, -93.31137037688033, 3.0]);
    }
}

#[test]
fn plain_rows_that_do_not_fit() {
    let no = |body: &str, says, field, row| refuses("predict", body, says, field, row);
    no(r#"{"a":1,"n":3}"#, "row 0: the field `b acid` is missing", Some("b acid"), Some(0));
    no(r#"[[1,2,3],{}]"#, "row 1: the field `a` is missing", Some("a"), Some(1));
    no(r#"{"a":1,"B-Acid":2,"n":3}"#, "no field `B-Acid`; did you mean `b acid`?", Some("B-Acid"), Some(0));
    no(r#"{"zzz":1}"#, "no field `zzz`", Some("zzz"), Some(0));
    no(r#"{"a":1,"a":1,"b acid":2,"n":3}"#, "`a` is there twice", Some("a"), Some(0));
    no(r#"{"a":"1.5","b acid":2,"n":3}"#, "expected a finite number in g/L, got the text \"1.5\"", Some("a"), Some(0));
    no(r#"[[1,2,3],[1,null,3]]"#, "got null", Some("b acid"), Some(1));
    no(r#"[[1,2,true]]"#, "got true", Some("n"), Some(0));
    no(r#"[[[1],2,3]]"#, "got a list", Some("a"), Some(0));
    no(r#"{"a":{},"b acid":2,"n":3}"#, "got an object", Some("a"), Some(0));
    no(r#"[[1,2,3.5]]"#, "expected a whole number of at most 2^53, got 3.5", Some("n"), Some(0));
    no(r#"[[1,2,9007199254740994]]"#, "2^53", Some("n"), Some(0));
    no(r#"[[1,2,3],[1,1e999,3]]"#, "a number too large", Some("b acid"), Some(1));
    no(r#"[[1,2,3],[1,-1e999,3]]"#, "a number too large", Some("b acid"), Some(1));
    no(r#"[[1,NaN,3]]"#, "got NaN, which is no JSON", Some("b acid"), Some(0));
    no("[[1,2,3],\n [1,2,-Infinity]]", "got -Infinity, which is no JSON", Some("n"), Some(1));
    no(r#"[[1,2]]"#, "row 0: expected 3 values, got 2", None, Some(0));
    no(r#"[[1,2,3],[1,2,3,4,5]]"#, "row 1: expected 3 values, got 5", None, Some(1));
    no("[1,2,3]", "row 0: expected an object of fields or a list of values, got the number 1", None, Some(0));
    no("[null]", "got null", None, Some(0));
    no("[]", "no rows", None, None);
    no(r#"{"rows":[]}"#, "no rows", None, None);
    no("{}", "`a` is missing", Some("a"), Some(0));
    no(r#"{"rows":[[1,2,3]],"extra":1}"#, "`extra` beside `rows`", Some("extra"), None);
    no(r#"{"rows":5}"#, "expected a list of rows", None, None);
    no("5", "the JSON does not fit", None, None);
    no("", "the body is empty", None, None);
    no(" \n", "the body is empty", None, None);
    no("[[1,2,3]] [", "trailing characters at line 1 column 11", None, None);
    no("[[1,2,3],\n[4,5", "line 2 column 4 (is the body cut off?)", None, None);
    no("{'a': 1}", "not valid JSON: key must be a string at line 1 column 2", None, None);
    refuses("predict", b"[[1,2,\xff]]", "not valid JSON", None, None);
    refuses("predict", b"{\"\xff\":1}", "not valid JSON", None, None);
}

#[test]
fn hostile_bodies_are_refused_cheaply() {
    let deep = "[".repeat(1_000_000);
    refuses("predict", &deep, "got a list", Some("a"), Some(0));
    refuses("mlflow", format!(r#"{{"inputs":{deep}"#), "got a list", Some("a"), Some(0));
    let nested = format!(r#"{{"params":{deep}"#);
    refuses("mlflow", &nested, "not valid JSON", None, None);
    refuses("infer", format!(r#"{{"id":{deep}"#), "the JSON does not fit", None, None);
    let long = format!(r#"{{"{}":1}}"#, "x".repeat(1_000_000));
    refuses("predict", &long, "no field `xxx", Some(&format!("{}…", "x".repeat(60))), Some(0));
    refuses("predict", format!("[[1,2,{}]]", "9".repeat(400)), "a number too large", Some("n"), Some(0));
}

#[test]
fn one_feature_takes_bare_numbers() {
    let mut parts = model("demo").parts().clone();
    parts.schema.features.truncate(1);
    parts.profiles.truncate(1);
    let mlci_model::Estimator::Linear(linear) = &mut parts.estimator else { unreachable!() };
    linear.coefficients.truncate(1);
    let layout = Layout::of(&mlci_model::Model::new(parts).unwrap());
    assert_eq!(predict::read(&layout, b"[1, 2.5, [3], {\"a\": 4}]").unwrap().values, [1.0, 2.5, 3.0, 4.0]);
}

#[test]
fn mlflow_formats() {
    let bodies = [
        r#"{"dataframe_split":{"columns":["a","b acid","n"],"data":[[1,2,3],[4,5,6]]}}"#,
        r#"{"dataframe_split":{"columns":["n","x","a","b acid"],"index":[0,1],"data":[[3,"?",1,2],[6,null,4,5]]}}"#,
        r#"{"dataframe_split":{"data":[[3,1,2],[6,4,5]],"columns":["n","a","b acid"]}}"#,
        r#"{"dataframe_records":[{"a":1,"b acid":2,"n":3},{"n":6,"y":null,"b acid":5,"a":4}],"params":{"t":[1]}}"#,
        r#"{"instances":[[1,2,3],[4,5,6]],"signature_name":"x"}"#,
        r#"{"instances":[{"a":1,"b acid":2,"n":3},{"a":4,"b acid":5,"n":6}]}"#,
        r#"{"inputs":[[1,2,3],[4,5,6]]}"#,
        r#"{"inputs":{"a":[1,4],"b acid":[[2],[5]],"y":["p","q"],"n":[3,6]}}"#,
    ];
    reads("mlflow", &bodies, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    reads("mlflow", &[r#"{"inputs":{"a":1,"b acid":2,"n":3}}"#], &[1.0, 2.0, 3.0]);
}

#[test]
fn mlflow_input_that_does_not_fit() {
    let no = |body: &str, says, field, row| refuses("mlflow", body, says, field, row);
    no("[[1,2,3]]", "an object with one of the keys dataframe_split", None, None);
    no("{}", "the object is empty", None, None);
    no(r#"{"dataframe_spilt":{}}"#, "did you mean `dataframe_split`?", Some("dataframe_spilt"), None);
    no(r#"{"inputs":[[1,2,3]],"instances":[[1,2,3]]}"#, "`instances` beside `inputs`", Some("instances"), None);
    no(r#"{"inputs":[]}"#, "no rows", None, None);
    no(r#"{"inputs":{"a":[],"b acid":[],"n":[]}}"#, "no rows", None, None);
    no(r#"{"inputs":{"a":[1,2],"b acid":[1],"n":[1,2]}}"#, "`b acid` has 1 values, `a` has 2", Some("b acid"), None);
    no(r#"{"inputs":{"a":[1],"b acid":[1,2],"n":[1]}}"#, "`b acid` has 2 values, `a` has 1", Some("b acid"), None);
    no(r#"{"inputs":{"a":[1],"a":[1],"n":[1]}}"#, "`a` is there twice", Some("a"), None);
    no(r#"{"inputs":{"a":[1],"n":[1]}}"#, "`b acid` is missing", Some("b acid"), None);
    no(r#"{"inputs":{"a":[1,null],"n":[1]}}"#, "row 1, field `a`", Some("a"), Some(1));
    no(r#"{"inputs":{"a":[1],"n":[[1,2]]}}"#, "a list of another length", Some("n"), Some(0));
    no(r#"{"dataframe_records":[{"a":1,"n":3,"b_acid":2}]}"#, "missing; is it `b_acid`?", Some("b acid"), Some(0));
    let split = |columns: &str, data: &str| format!(r#"{{"dataframe_split":{{"columns":{columns},"data":{data}}}}}"#);
    let names = r#"["a","b acid","n"]"#;
    no(&split(names, "[[1,2,3],[1,2]]"), "row 1: expected 3 values, got 2", None, Some(1));
    no(&split(names, "[[1,2,3,4]]"), "row 0: expected 3 values, got 4", None, Some(0));
    no(&split(r#"["a","b acid"]"#, "[[1,2]]"), "the field `n` is missing", Some("n"), None);
    no(&split(r#"["a","b acids","n"]"#, "[]"), "missing; is it `b acids`?", Some("b acid"), None);
    no(&split(r#"["a","b acid","n","a"]"#, "[]"), "the column `a` is there twice", Some("a"), None);
    no(&split("[0,1,2]", "[]"), "expected a string", None, None);
    no(r#"{"dataframe_split":{"data":[[1,2,3]]}}"#, "has no `columns`", Some("columns"), None);
    no(r#"{"dataframe_split":{"column":["a"]}}"#, "did you mean `columns`?", Some("column"), None);
    no(r#"{"dataframe_split":{"data":[[1,2,"x"]],"columns":["a","b acid","n"]}}"#, "got the text", Some("n"), Some(0));
}

#[test]
fn csv_tables() {
    let bodies = [
        "a,b acid,n\n1,2,3\n4,5,6\n",
        "\u{feff},a,b acid,n\r\n0,1,2,3\r\n1,4,5,6",
        "n,\"b acid\",a,y\n3,2,1,\"x\ny\"\n 6 ,5e0,4.0,\n",
    ];
    reads("csv", &bodies, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn csv_that_does_not_fit() {
    let no = |body: &str, says, field, row| refuses("csv", body, says, field, row);
    no("", "the body is empty", None, None);
    no("a,b acid,n\n", "no rows", None, None);
    no("1,2,3\n", "`a` is missing", Some("a"), None);
    no("a,b-acid,n\n1,2,3\n", "missing; is it `b-acid`?", Some("b acid"), None);
    no("a,a,b acid,n\n", "the column `a` is there twice", Some("a"), None);
    no("a,b acid,n\n1,2,3\n1,2\n", "row 1: expected 3 values, got 2", None, Some(1));
    no("a,b acid,n\n1,,3\n", "got nothing", Some("b acid"), Some(0));
    no("a,b acid,n\n1,NA,3\n", "got the text \"NA\", which counts as missing", Some("b acid"), Some(0));
    no("a,b acid,n\n1,nan,3\n", "got the text \"nan\", which counts as missing", Some("b acid"), Some(0));
    no("a,b acid,n\n1,-inf,3\n", "got -inf", Some("b acid"), Some(0));
    no("a,b acid,n\n1,1e999,3\n", "a number too large", Some("b acid"), Some(0));
    no("a,b acid,n\n1,2,3.5\n", "a whole number", Some("n"), Some(0));
    refuses("csv", b"a,b acid,n\n1,\xff,3\n", "not UTF-8", Some("b acid"), Some(0));
    refuses("csv", b"\xff\n1\n", "the CSV header is not UTF-8", None, None);
}

/// An inference request of these tensors: name, shape, datatype, data.
fn tensors(tensors: &[(&str, &str, &str, &str)]) -> String {
    let tensor = |(name, shape, datatype, data): &(&str, &str, &str, &str)| {
        format!(r#"{{"name":"{name}","shape":{shape},"datatype":"{datatype}","data":{data}}}"#)
    };
    format!(r#"{{"inputs":[{}]}}"#, tensors.iter().map(tensor).collect::<Vec<_>>().join(","))
}

#[test]
fn inference_requests() {
    let columns = [("n", "[2]", "INT8", "[3,6]"), ("a", "[2,1]", "FP32", "[1,4]"), ("b acid", "[2]", "FP64", "[2,5]")];
    let nested =
        [("a", "[2,1]", "FP32", "[[1],[4]]"), ("b acid", "[2]", "UINT64", "[2,5]"), ("n", "[2]", "INT64", "[3,6]")];
    let bodies = [
        tensors(&columns),
        tensors(&nested),
        tensors(&[("input", "[2,3]", "FP64", "[1,2,3,4,5,6]")]),
        tensors(&[("input", "[2,3]", "INT32", "[[1,2,3],[4,5,6]]")]),
        r#"{"parameters":{"p":[]},"inputs":[{"data":[1,2,3,4,5,6],"parameters":{},"datatype":"FP32","shape":[2,3],
            "name":"x"}],"outputs":[{"name":"y"}]}"#
            .to_owned(),
    ];
    let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
    reads("infer", &bodies, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let with_id = r#"{"id":"ä\n","inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#;
    assert_eq!(infer::read(&layout(), "y", with_id.as_bytes()).unwrap().id.as_deref(), Some("ä\n"));
}

#[test]
fn inference_requests_that_do_not_fit() {
    let no = |list: &[(&str, &str, &str, &str)], says, field, row| refuses("infer", tensors(list), says, field, row);
    let (a, b, n) = (("a", "[1]", "FP64", "[1]"), ("b acid", "[1]", "FP64", "[1]"), ("n", "[1]", "INT8", "[1]"));
    no(&[], "`a` is missing", Some("a"), None);
    no(&[a, b], "the field `n` is missing", Some("n"), None);
    no(&[a, b, ("m", "[1]", "FP64", "[1]")], "no input `m`", Some("m"), None);
    no(&[a, a, b], "`a` is there twice", Some("a"), Some(0));
    no(&[a, b, n, n], "more than 3 tensors", Some("inputs"), None);
    no(&[a, b, ("n", "[2]", "INT8", "[1,2]")], "`n` has 2 rows, the first 1", Some("n"), None);
    no(&[a, b, ("n", "[1]", "INT8", "[1.5]")], "a whole number", Some("n"), Some(0));
    no(&[a, b, ("n", "[1]", "FP32", "[1.5]")], "a whole number", Some("n"), Some(0));
    no(&[a, b, ("n", "[1]", "INT8", "[300]")], "expected INT8 values, got 300", Some("n"), Some(0));
    no(&[("a", "[1]", "UINT8", "[-1]"), b, n], "expected UINT8 values, got -1", Some("a"), Some(0));
    no(&[("a", "[1]", "BOOL", "[1]"), b, n], "the datatype `BOOL`", Some("a"), None);
    no(&[("a", "[1]", "FP64", "[true]"), b, n], "got true", Some("a"), Some(0));
    no(&[("a", "[2]", "FP64", "[1]"), b, n], "of shape [2] has 1 values", Some("a"), None);
    no(&[("a", "[1,1,1]", "FP64", "[1]"), b, n], "the shape [1, 1, 1]", Some("a"), None);
    no(&[("a", "[0]", "FP64", "[]"), b, n], "no rows", Some("a"), None);
    let huge = "[18446744073709551615,18446744073709551615]";
    no(&[("x", huge, "FP64", "[1]")], "has 1 values", Some("x"), None);
    no(&[("x", "[-1]", "FP64", "[1]")], "the JSON does not fit", None, None);
    no(&[("x", "[1,2]", "FP64", "[1,2]")], "the shape [1, 2], expected [n, 3]", Some("x"), None);
    no(&[("x", "[2,3]", "FP64", "[[1,2,3],[4,5]]")], "the data of `x` is uneven", Some("x"), Some(1));
    no(&[("x", "[2,3]", "FP64", "[1,2,3,[4,5,6]]")], "uneven", Some("x"), Some(3));
    no(&[("x", "[2,3]", "FP64", "[[1,2,3],4,5,6]")], "uneven", Some("x"), Some(1));
    no(&[("x", "[2,3]", "FP64", "[[1,2],[3,4],[5,6]]")], "as its data is nested", Some("x"), None);
    no(&[("x", "[2,3]", "FP64", "[[1,2,3],[4,null,6]]")], "got null", Some("b acid"), Some(1));
    no(&[("x", "[2,3]", "FP64", "[1,2,3,4,5,6.5]")], "a whole number", Some("n"), Some(1));
    no(&[("x", "[1,3]", "FP64", "[1,[[2]],3]")], "got a list", Some("b acid"), Some(0));
    no(&[("x", "[1,3]", "FP64", "\"AAAA\"")], "expected a list of values", None, None);
    let no = |body: &str, says, field| refuses("infer", body, says, field, None);
    no("{}", "`inputs` is missing", None);
    no(r#"{"input":[]}"#, "no key `input`; did you mean `inputs`?", Some("input"));
    no(r#"{"inputs":[],"inputs":[]}"#, "`inputs` is there twice", Some("inputs"));
    no(r#"{"inputs":[{"name":"a","shape":[1],"data":[1]}]}"#, "no `datatype`", Some("inputs[0].datatype"));
    no(r#"{"id":5,"inputs":[]}"#, "expected a string", None);
    no(r#"{"outputs":[{"name":"z"}],"inputs":[]}"#, "no output `z`", Some("z"));
}

/// Bodies of a colour (red, green, 7), `a` (5 where it is missing) and a day, which all give these values.
#[track_caller]
fn reads_colours(unseen: Unseen, format: &str, bodies: &[&str], expected: &[f64]) {
    let layout = Layout::of(&coloured(unseen));
    for body in bodies {
        assert_eq!(read_by(&layout, format, body.as_bytes()).as_deref(), Ok(expected), "{body}");
    }
}

/// A tensor request of a colour and a day; `a` is filled in where `tensor` is none of it.
fn bytes(colour: &str, tensor: &str) -> String {
    format!(
        r#"{{"inputs":[{{"name":"colour","shape":[2],"datatype":"BYTES","data":{colour}}},{tensor}
            {{"data":["1970-01-02","1970-01-01T06:00:00Z"],"name":"day","shape":[2,1],"datatype":"BYTES"}}]}}"#
    )
}

#[test]
fn levels_dates_and_missing_values() {
    let expected = [1.0, 5.0, 1.0, 2.0, 0.5, 0.25];
    let reads = |format: &str, bodies: &[&str]| reads_colours(Unseen::Refuse, format, bodies, &expected);
    reads(
        "predict",
        &[
            r#"[{"colour":"green","day":"1970-01-02"},{"a":0.5,"day":"1970-01-01T06:00:00Z","colour":7}]"#,
            r#"[["green",null,"1970-01-02"],["7",0.5,"1970-01-01 06:00"]]"#,
            r#"[[" green ",5,"1970-01-02"],[7,0.5,"1970-01-01T07:00:00+01:00"]]"#,
        ],
    );
    reads(
        "mlflow",
        &[
            r#"{"dataframe_split":{"data":[["green",null,"1970-01-02"],[7,0.5,"1970-01-01T06:00Z"]],"columns":["colour","a","day"]}}"#,
            r#"{"inputs":{"colour":["green",7],"a":[null,0.5],"day":[["1970-01-02"],"1970-01-01T06:00Z"]}}"#,
        ],
    );
    reads(
        "csv",
        &[
            "colour,a,day\ngreen,,1970-01-02\n 7 ,0.5,1970-01-01T06:00Z\n",
            "day,a,colour\n1970-01-02,NA,green\n1970-01-01T06:00Z,.5,7\n",
        ],
    );
    let a = r#"{"name":"a","datatype":"FP64","shape":[2],"data":[null,0.5]},"#;
    let whole = r#"{"inputs":[{"name":"x","shape":[2,3],"datatype":"BYTES",
        "data":[["green",null,"1970-01-02"],[7,0.5,"1970-01-01T06:00Z"]]}]}"#;
    reads("infer", &[&bytes(r#"["green","7"]"#, a), whole]);
    // Without `a` at all.
    let expected = [1.0, 5.0, 1.0, 2.0, 5.0, 0.25];
    let reads = |format: &str, body: &str| reads_colours(Unseen::Refuse, format, &[body], &expected);
    reads("infer", &bytes(r#"["green","7"]"#, ""));
    reads("mlflow", r#"{"inputs":{"colour":["green",7],"day":["1970-01-02","1970-01-01T06:00Z"]}}"#);
    reads("csv", "colour,day\ngreen,1970-01-02\n7,1970-01-01T06:00Z\n");
    reads_colours(Unseen::Base, "predict", &[r#"[["pink",0,"1970-01-01"]]"#], &[0.0, 0.0, 0.0]);
    // One feature takes bare texts.
    let mut parts = coloured(Unseen::Refuse).parts().clone();
    parts.schema.features.truncate(1);
    parts.profiles.truncate(1);
    parts.golden.clear();
    let mlci_model::Estimator::Linear(linear) = &mut parts.estimator else { unreachable!() };
    linear.coefficients.truncate(2);
    let layout = Layout::of(&mlci_model::Model::new(parts).unwrap());
    assert_eq!(predict::read(&layout, br#"["green", 7, ["red"]]"#).unwrap().values, [1.0, 2.0, 0.0]);
}

#[test]
fn texts_that_do_not_fit() {
    let layout = Layout::of(&coloured(Unseen::Refuse));
    let no = |format: &str, body: &str, says: &str, field: &str, row: usize| {
        let refusal = read_by(&layout, format, body.as_bytes()).expect_err(body);
        let (error, named, at) = refusal.parts();
        assert!(error.contains(says), "{body}\n{error:?} does not say {says:?}");
        assert_eq!((named, at), (Some(field), Some(row)), "{body}");
    };
    let levels = "expected one of \"red\", \"green\", \"7\", got";
    no("predict", r#"[["pink",0,"1970-01-01"]]"#, &format!("{levels} the text \"pink\""), "colour", 0);
    no("predict", r#"[["gren",0,"1970-01-01"]]"#, "did you mean `green`?", "colour", 0);
    no("predict", r#"[[8,0,"1970-01-01"]]"#, &format!("{levels} 8"), "colour", 0);
    no("predict", r#"[[true,0,"1970-01-01"]]"#, &format!("{levels} true"), "colour", 0);
    no("predict", r#"[[null,0,"1970-01-01"]]"#, "got null (the model takes no missing values here)", "colour", 0);
    no("predict", r#"[["NA",0,"1970-01-01"]]"#, "\"NA\", which counts as missing", "colour", 0);
    no("predict", r#"[["red","0","1970-01-01"]]"#, "expected a finite number, got the text \"0\"", "a", 0);
    no("predict", r#"[["red",0,"01.02.1970"]]"#, "expected a date, such as \"2024-02-29\"", "day", 0);
    no("predict", r#"[["red",0,5]]"#, "got 5", "day", 0);
    no("predict", r#"[{"colour":"red"}]"#, "the field `day` is missing", "day", 0);
    no("mlflow", r#"{"inputs":{"colour":["red","pink"],"day":["1970-01-01","1970-01-01"]}}"#, "\"pink\"", "colour", 1);
    no("csv", "colour,day\nred,1970-01-01\ngrene,1970-01-01\n", "did you mean `green`?", "colour", 1);
    no("csv", "colour,day\nred,\n", "got nothing (the model takes no missing values here)", "day", 0);
    no("infer", &bytes(r#"["green","pink"]"#, ""), "\"pink\"", "colour", 1);
    no("infer", &bytes(r#"["green",[1]]"#, ""), "uneven", "colour", 1);
    no("infer", &bytes(r#"["green",{}]"#, ""), "got an object", "colour", 1);
    let texts = |data| format!(r#"{{"name":"a","datatype":"FP64","shape":[2],"data":{data}}},"#);
    no(
        "infer",
        &bytes(r#"["green","red"]"#, &texts(r#"["1",2]"#)),
        "FP64 values (texts are BYTES), got the text",
        "a",
        0,
    );
    let late = r#"{"inputs":[{"data":["pink"],"shape":[1],"datatype":"BYTES","name":"colour"},
        {"name":"day","shape":[1],"datatype":"BYTES","data":["1970-01-01"]}]}"#;
    no("infer", late, "\"pink\"", "colour", 0);
}
