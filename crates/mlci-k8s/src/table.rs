use std::fmt;

use http::{Request, header::ACCEPT};
use serde_json::Value;

use crate::{
    call::Action,
    cluster::Cluster,
    error::Result,
    logs::selector,
    name::{Name, Namespace},
};

/// A table as `kubectl get` prints it: the API server itself makes it (Kubernetes documentation, "Receiving resources as
/// Tables"). The columns of `-o wide` are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns, such as `Name`, `Ready`, `Status`.
    pub columns: Vec<String>,
    /// The rows, each with a text for every column.
    pub rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    /// In upper case and aligned, with three blanks between columns, as kubectl does; one line a row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head: Vec<_> = self.columns.iter().map(|name| name.to_uppercase()).collect();
        let lines = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<_> = (0..head.len()).filter_map(width).collect();
        for line in lines() {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("   ").trim_end())?;
        }
        Ok(())
    }
}

impl Cluster {
    /// The pods of a workload as a table, as `kubectl get pods` prints them.
    ///
    /// # Errors
    /// The errors of every call.
    pub async fn pods(&self, namespace: &Namespace, name: &Name) -> Result<Table> {
        self.table("pods", namespace, name).await
    }

    /// The Service of a workload as a table, as `kubectl get services` prints it.
    ///
    /// # Errors
    /// The errors of every call.
    pub async fn services(&self, namespace: &Namespace, name: &Name) -> Result<Table> {
        self.table("services", namespace, name).await
    }

    async fn table(&self, resource: &'static str, namespace: &Namespace, name: &Name) -> Result<Table> {
        // The labels' keys hold `/`, and `=` and `,` stand between them.
        let selector = selector(name).replace('/', "%2F").replace('=', "%3D").replace(',', "%2C");
        let path = format!("/api/v1/namespaces/{namespace}/{resource}?labelSelector={selector}");
        let action = Action::all("list", resource, namespace.as_str());
        let answer: Value = self
            .call(&action, || async {
                let request = Request::get(&path).header(ACCEPT, "application/json;as=Table;v=v1;g=meta.k8s.io");
                self.client.request(request.body(Vec::new()).map_err(kube::Error::HttpError)?).await
            })
            .await?;
        Ok(read(&answer))
    }
}

fn read(answer: &Value) -> Table {
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let columns = list(answer, "columnDefinitions");
    // Columns with a priority above 0 are for the wide form.
    let narrow: Vec<_> =
        columns.iter().map(|it| it.get("priority").and_then(Value::as_i64).unwrap_or(0) == 0).collect();
    let keep = |cells: Vec<Value>| -> Vec<String> {
        let cells = cells.into_iter().zip(&narrow).filter(|(_, narrow)| **narrow);
        cells.map(|(cell, _)| cell.as_str().map_or_else(|| cell.to_string(), ToOwned::to_owned)).collect()
    };
    Table {
        columns: keep(columns.iter().map(|it| it.get("name").cloned().unwrap_or_default()).collect()),
        rows: list(answer, "rows").iter().map(|row| keep(list(row, "cells"))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wide_columns_are_left_out_and_the_rest_is_aligned() {
        let table = read(&json!({
            "kind": "Table",
            "columnDefinitions": [
                { "name": "Name", "priority": 0 }, { "name": "Restarts" }, { "name": "IP", "priority": 1 }, { "name": "Age" },
            ],
            "rows": [{ "cells": ["wine-1", 0, "10.0.0.1", "5s"] }, { "cells": ["wine-quality-2", 12, "10.0.0.2", "1m"] }],
        }));
        let text = "NAME             RESTARTS   AGE\nwine-1           0          5s\nwine-quality-2   12         1m\n";
        assert_eq!(table.to_string(), text);
    }

    #[test]
    fn an_answer_without_rows_is_an_empty_table() {
        assert_eq!(read(&json!({ "columnDefinitions": [], "rows": null })), Table::default());
        assert_eq!(read(&json!("no table")), Table::default());
    }
}
