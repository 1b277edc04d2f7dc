use serde_json::{Value, json};

/// The data source that the person has chosen.
pub(crate) fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// A panel, before it has a number and a place.
pub(crate) struct Panel {
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    /// Of the 24 columns.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// PromQL, and how its series are called.
    queries: Vec<(String, &'static str)>,
    limit: Option<f64>,
}

impl Panel {
    const fn new(kind: &'static str, title: &'static str, unit: &'static str, width: u32, height: u32) -> Self {
        Self { kind, title, description: "", unit, width, height, queries: Vec::new(), limit: None }
    }

    /// One number.
    pub(crate) const fn stat(title: &'static str, unit: &'static str) -> Self {
        Self::new("stat", title, unit, 6, 4)
    }

    /// Lines over time.
    pub(crate) const fn lines(title: &'static str, unit: &'static str) -> Self {
        Self::new("timeseries", title, unit, 12, 8)
    }

    /// A histogram over time.
    pub(crate) const fn heatmap(title: &'static str, unit: &'static str) -> Self {
        Self::new("heatmap", title, unit, 12, 8)
    }

    /// Labels and values of now.
    pub(crate) const fn table(title: &'static str) -> Self {
        Self::new("table", title, "short", 12, 8)
    }

    pub(crate) fn query(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.queries.push((expr.into(), legend));
        self
    }

    pub(crate) const fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Shows from when on there is an alert.
    pub(crate) const fn limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn render(&self, id: usize, x: u32, y: u32) -> Value {
        let mut defaults = json!({"unit": self.unit});
        if let Some(limit) = self.limit {
            let steps = json!([{"color": "green", "value": null}, {"color": "red", "value": limit}]);
            defaults["thresholds"] = json!({"mode": "absolute", "steps": steps});
            if self.kind == "timeseries" {
                defaults["custom"] = json!({"thresholdsStyle": {"mode": "line"}});
            } else {
                defaults["color"] = json!({"mode": "thresholds"});
            }
        }
        let mut panel = json!({
            "id": id,
            "type": self.kind,
            "title": self.title,
            "datasource": datasource(),
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": self.targets(),
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": self.options(),
        });
        if !self.description.is_empty() {
            panel["description"] = json!(self.description);
        }
        panel
    }

    fn targets(&self) -> Vec<Value> {
        let instant = matches!(self.kind, "stat" | "table");
        let format = match self.kind {
            "table" => "table",
            "heatmap" => "heatmap",
            _ => "time_series",
        };
        let target = |(index, (expr, legend)): (usize, &(String, &str))| {
            json!({
                "refId": char::from(b'A' + u8::try_from(index).unwrap_or_default()).to_string(),
                "datasource": datasource(),
                "expr": expr,
                "legendFormat": legend,
                "format": format,
                "instant": instant,
                "range": !instant,
            })
        };
        self.queries.iter().enumerate().map(target).collect()
    }

    fn options(&self) -> Value {
        match self.kind {
            "timeseries" => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            "stat" => json!({
                "colorMode": "value",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            }),
            // The buckets come as Prometheus has them.
            "heatmap" => json!({"calculate": false, "yAxis": {"unit": self.unit}}),
            _ => json!({"showHeader": true}),
        }
    }
}
