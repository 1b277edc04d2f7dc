use mlci_core::{Digest, digest_file};
use mlci_train::DataReport;
use serde::{Deserialize, Serialize};

use super::Stage;
use crate::{config::canonical, error::Result, pipeline::Pipeline};

/// Reads the data under its schema and digests it.
pub(crate) struct DataStage<'p> {
    pub(crate) pipeline: &'p Pipeline,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DataOutput {
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
    pub(crate) report: DataReport,
}

impl Stage for DataStage<'_> {
    type Output = DataOutput;

    fn name(&self) -> &'static str {
        "data"
    }

    fn inputs(&self) -> Result<Digest> {
        let data = &self.pipeline.config().data;
        // The content decides, not the time stamp: a change that restores it is a change.
        let (content, _) = digest_file(&self.pipeline.resolve(&data.path))?;
        Ok(Digest::builder()
            .part(content.as_bytes())
            .part(canonical(data).as_bytes())
            .part(self.pipeline.code().as_bytes())
            .finish())
    }

    fn holds(&self, _: &DataOutput) -> Result<bool> {
        Ok(true)
    }

    fn work(&self) -> Result<DataOutput> {
        let table = self.pipeline.table()?;
        Ok(DataOutput { digest: table.digest, bytes: table.bytes, report: table.table.report().clone() })
    }

    fn note(&self, output: &DataOutput) -> String {
        let report = &output.report;
        let dropped = report.rows_read - report.rows_kept;
        let dropped = if dropped == 0 { String::new() } else { format!(", {dropped} rows dropped") };
        format!("{} rows, {} columns{dropped} ({})", report.rows_kept, report.columns.len(), output.digest.short())
    }
}
