use mlci_model::Value;

use crate::{
    Table,
    read::{Chunk, ColumnOptions, MissingPolicy, Plan, ReadError, ReadOptions, RowUnit, rows_of},
};

fn read(text: &str, has_quotes: bool, options: &ReadOptions) -> Result<Table, ReadError> {
    let header = ["a", "b", "note", "y", "id"].map(str::to_owned).to_vec();
    let plan = Plan::new(header, RowUnit::Line, options).unwrap();
    let chunk = Chunk { bytes: text.as_bytes().to_vec(), line: 2, lines: 0, is_open: false, has_quotes };
    rows_of(&chunk, &plan, options)?.finish()
}

fn same(text: &str, set: impl FnOnce(&mut ReadOptions)) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut options = ReadOptions::new("y");
    options.exclude = vec!["note".into()];
    options.id = Some("id".into());
    set(&mut options);
    match (read(text, false, &options), read(text, true, &options)) {
        (Ok(plain), Ok(slow)) => {
            let bits = |table: &Table| -> Vec<u64> {
                table.features.iter().chain(&table.target).map(|value| value.to_bits()).collect()
            };
            proptest::prop_assert_eq!(bits(&plain), bits(&slow));
            proptest::prop_assert_eq!((&plain.lines, &plain.hashes), (&slow.lines, &slow.hashes));
            proptest::prop_assert_eq!(
                (&plain.spare, &plain.ids, &plain.categories),
                (&slow.spare, &slow.ids, &slow.categories)
            );
            proptest::prop_assert_eq!((&plain.schema, &plain.report), (&slow.schema, &slow.report));
        }
        (plain, slow) => {
            let text = |read: Result<Table, ReadError>| read.map(|_| ()).map_err(|error| format!("{error:?} {error}"));
            proptest::prop_assert_eq!(text(plain), text(slow));
        }
    }
    Ok(())
}

fn check(text: &str) -> Result<(), proptest::test_runner::TestCaseError> {
    same(text, |_| {})?;
    same(text, |options| options.missing = MissingPolicy::Drop)?;
    same(text, |options| {
        options.missing = MissingPolicy::Drop;
        let (min, max) = (Some(Value::Number(-1.0)), Some(Value::Number(50.0)));
        let bounds = ColumnOptions { min, max, max_missing: Some(0.2), ..ColumnOptions::default() };
        options.columns.insert("a".into(), bounds);
    })?;
    same(text, |options| {
        options.id = None;
        options.features = Some(vec!["b".into()]);
        let whole = ColumnOptions { kind: Some(mlci_model::Kind::Integer), ..ColumnOptions::default() };
        options.columns.insert("b".into(), whole);
    })?;
    for (levels, fill) in [(vec![], None), (vec!["3", "1", "x"], Some("x")), (vec![], Some("9"))] {
        for missing in [MissingPolicy::Stop, MissingPolicy::Drop] {
            same(text, |options| {
                options.missing = missing;
                let levels = levels.iter().map(|level| (*level).to_owned()).collect();
                let fill = fill.map(|fill| Value::Text(fill.to_owned()));
                let kind = Some(mlci_model::Kind::Category);
                options.columns.insert("a".into(), ColumnOptions { kind, levels, fill, ..ColumnOptions::default() });
                let unique = ColumnOptions { unique: true, ..ColumnOptions::default() };
                options.columns.insert("id".into(), unique);
                options.columns.insert("note".into(), ColumnOptions { kind, ..ColumnOptions::default() });
            })?;
        }
    }
    same(text, |options| {
        let kind = Some(mlci_model::Kind::Category);
        options.columns.insert("b".into(), ColumnOptions { kind, ..ColumnOptions::default() });
        options.missing = MissingPolicy::Drop;
    })
}

#[test]
fn what_is_not_plain_is_read_as_ever() {
    for text in [
        "",
        "\n",
        "1,2,x,3,r1\n",
        "1,2,x,3,r1",
        "1,2,,3,\n",
        "\n\n1,2,x,3,r1\n\n2,3,4,5,6\n",
        "1,2,x,3\n",
        "1,2,x,3,r,1\n",
        " 1,2,x,3,r1\n",
        "1,2,x ,3,r1\n",
        "1,2,x,3,r1 \n",
        "1,,x,3,r1\n2,2,5,3,r2\n",
        "1,inf,x,3,r1\n",
        ",,,,\n",
        "1,2,\u{e9},3,r1\n",
        "9007199254740993,2,x,3,r1\n",
        "1.5,2.25,7,3,r1\n1,2,8,3,r2\n",
        "-0,-0.0,7,3,\n",
        "1,x,7,3,r\n",
        "60,1,7,3,r\n",
        "1,2.5,7,3,r\n",
        "1,2,NA,3,NA\n",
        "+1,1e3,1e3,.5,5.\n",
    ] {
        check(text).unwrap();
    }
}

proptest::proptest! {
    #[test]
    fn plain_rows_are_read_as_others(text in "((-?[0-9]{0,3}(\\.[0-9]{0,3})?|NA|inf| 7|x)(,|\n)){0,30}") {
        check(&text)?;
    }

    #[test]
    fn whole_rows_too(text in "(-?[0-9]{1,3}(\\.[0-9]{0,3})?,-?[0-9]{1,3},[a-z0-9 \u{e9}]{0,2},[0-9.]{1,4},[0-9]?\n){0,6}") {
        check(&text)?;
    }

    #[test]
    fn whatever_comes(text in "[-0-9.,\neNa \t\u{feff}\u{0}]{0,60}") {
        check(&text)?;
    }
}
