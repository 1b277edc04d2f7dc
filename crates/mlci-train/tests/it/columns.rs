use mlci_model::{Column, Kind, Range, Schema};
use mlci_train::{ColumnOptions, DataReport, Distinct, Key, ReadError, ReadOptions, Role, ndarray::array};

use crate::{declare, drop_missing, exclude, read, refused};

#[test]
fn headers_that_cannot_be_used() {
    refused("a,,y\n1,2,3\n", |_| {}, &["column 2 of the header has no name"]);
    refused("a,y, a \n1,2,3\n", |_| {}, &["names `a` twice (columns 1 and 3)"]);
    refused(b"a,\xff,y\n1,2,3\n", |_| {}, &["the header is not valid UTF-8", "iconv"]);
    refused("a;b;y\n1;2;3\n", |_| {}, &["`[data] delimiter = ';'`"]);
    assert!(read("a;b;y\n1;2;3\n", |options| options.delimiter = b';').is_ok());
    for delimiter in [b'"', b'\n', b'\r', 0xff] {
        let error = refused("a,y\n1,2\n", |options| options.delimiter = delimiter, &["cannot separate fields"]);
        assert!(matches!(error, ReadError::InvalidDelimiter { .. }));
    }
}

#[track_caller]
fn unknown(set: impl FnOnce(&mut ReadOptions), key: Key, says: &[&str]) {
    let error = refused("alpha,beta,y\n1,2,3\n", set, says);
    assert!(matches!(error, ReadError::UnknownColumn { key: found, .. } if found == key), "{error:?}");
}

#[test]
fn names_that_are_not_there() {
    unknown(|options| options.target = "Y".into(), Key::Target, &["`[data] target` names `Y`", "did you mean `y`?"]);
    unknown(|options| options.target = "zzz".into(), Key::Target, &["the columns are `alpha`, `beta`, `y`"]);
    unknown(exclude(&["betta"]), Key::Exclude, &["`[data] exclude` names `betta`", "did you mean `beta`?"]);
    unknown(|options| options.features = Some(vec!["alhpa".into()]), Key::Features, &["did you mean `alpha`?"]);
    unknown(|options| options.id = Some("id".into()), Key::Id, &["`[data] id` names `id`"]);
    unknown(declare("alfa", ColumnOptions::default()), Key::Columns, &["`[data.columns]` names `alfa`"]);
}

#[track_caller]
fn conflict(features: Option<&[&str]>, excluded: &[&str], id: Option<&str>, keys: (Key, Key)) {
    let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let error = read("a,b,y\n1,2,3\n", |options| {
        options.features = features.map(list);
        options.exclude = list(excluded);
        options.id = id.map(str::to_owned);
    })
    .unwrap_err();
    assert!(matches!(error, ReadError::Conflict { first, second, .. } if (first, second) == keys), "{error:?}");
}

#[test]
fn columns_with_two_roles() {
    conflict(Some(&["a", "y"]), &[], None, (Key::Target, Key::Features));
    conflict(Some(&["a", "b"]), &["b"], None, (Key::Features, Key::Exclude));
    conflict(Some(&["a"]), &[], Some("a"), (Key::Id, Key::Features));
    conflict(None, &["y"], None, (Key::Target, Key::Exclude));
    conflict(None, &[], Some("y"), (Key::Target, Key::Id));
    conflict(Some(&["a", "a"]), &[], None, (Key::Features, Key::Features));
    refused("a,y\n1,2\n", exclude(&["a"]), &["no features are left"]);
    refused("a,y\n1,2\n", |options| options.features = Some(vec![]), &["no features are left"]);
}

#[test]
fn kinds_are_inferred_or_declared() {
    let csv = "a,b,c,y\n1,1.0,1e3,1\n-2,2,5,2\n";
    let table = read(csv, |_| {}).unwrap();
    let kinds: Vec<Kind> = table.schema().features.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [Kind::Integer, Kind::Float, Kind::Float]);

    let column = |kind, min: Option<f64>, max: Option<f64>| ColumnOptions {
        kind: Some(kind),
        unit: Some("g/L".into()),
        min: min.map(Into::into),
        max: max.map(Into::into),
        ..ColumnOptions::default()
    };
    let table = read(csv, declare("b", column(Kind::Integer, Some(1.0), Some(2.0)))).unwrap();
    let expected = Column::new("b", Kind::Integer, Some("g/L".into()), Range { min: 1.0, max: 2.0 });
    assert_eq!(table.schema().features[1], expected);

    refused("a,y\n1.5,1\n", declare("a", column(Kind::Integer, None, None)), &["`1.5` is not a whole number"]);
    let says = ["line 2, column `a`: `-2` is outside", "(at least 0)"];
    refused("a,y\n-2,1\n1,1\n", declare("a", column(Kind::Float, Some(0.0), None)), &says);
    refused("a,y\n3,1\n1,1\n", declare("a", column(Kind::Float, Some(0.0), Some(2.0))), &["(0 to 2)"]);
    let error = refused("a,y\n1,1\n", declare("a", column(Kind::Float, Some(2.0), Some(1.0))), &["no value is"]);
    assert!(matches!(error, ReadError::InvalidBounds { .. }));
    refused("a,y\n1,1\n", declare("a", column(Kind::Float, Some(f64::NAN), None)), &["`min` is NaN"]);
}

#[test]
fn what_another_model_wants() {
    let csv = "a,b,c,note,y\n1,2,3,x,4\n5,6,7,z,8\n";
    let table = read(csv, |options| options.features = Some(vec!["b".into(), "a".into()])).unwrap();
    assert_eq!(table.features(), array![[2.0, 1.0], [6.0, 5.0]]);
    let schema = |names: &[&str]| Schema {
        features: names.iter().map(|name| Column::observed(name, Kind::Float, None, &[1.0]).unwrap()).collect(),
        target: table.schema().target.clone(),
    };
    assert_eq!(table.matrix_for(&schema(&["c", "a"])).unwrap(), array![[3.0, 1.0], [7.0, 5.0]]);
    let error = table.matrix_for(&schema(&["a", "y", "note", "d"])).unwrap_err();
    assert_eq!(
        (error.absent.as_slice(), error.unusable.as_slice()),
        (["d".to_owned()].as_slice(), ["y".to_owned(), "note".to_owned()].as_slice())
    );
}

#[test]
fn the_report_describes_every_column() {
    let csv = "id,a,note,spare,y\nr1,1,x,1,1\nr2,2,,2,2\nr3,NA,x,3,3\nr4,3,z,4,4\n";
    let table = read(csv, |options| {
        drop_missing(options);
        options.id = Some("id".into());
        options.exclude = vec!["note".into(), "spare".into()];
    })
    .unwrap();
    let report = table.report();
    let found: Vec<_> = report
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.role, column.kind, column.missing, column.distinct))
        .collect();
    let integer = Some(Kind::Integer);
    assert_eq!(
        found,
        [
            ("id", Role::Id, None, 0, Distinct::Exactly(3)),
            ("a", Role::Feature, integer, 1, Distinct::Exactly(3)),
            ("note", Role::Unused, None, 1, Distinct::Exactly(2)),
            ("spare", Role::Unused, integer, 0, Distinct::Exactly(3)),
            ("y", Role::Target, integer, 0, Distinct::Exactly(3)),
        ]
    );
    let a = report.columns[1].profile.as_ref().unwrap();
    assert_eq!((a.count, a.min, a.max, a.mean, a.standard_deviation), (3, 1.0, 3.0, 2.0, 1.0));
    let json = serde_json::to_string(report).unwrap();
    assert_eq!(&serde_json::from_str::<DataReport>(&json).unwrap(), report);
}

#[test]
fn many_different_values_are_counted_up_to_a_limit() {
    let csv: String =
        std::iter::once("a,y\n".to_owned()).chain((0..1001).map(|row| format!("{row},{}\n", row % 1000))).collect();
    let table = read(csv, |_| {}).unwrap();
    let distinct: Vec<Distinct> = table.report().columns.iter().map(|column| column.distinct).collect();
    assert_eq!(distinct, [Distinct::MoreThan(1000), Distinct::Exactly(1000)]);
}
