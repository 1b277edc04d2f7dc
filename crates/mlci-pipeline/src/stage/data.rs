use std::cell::OnceCell;

use mlci_core::Digest;
use mlci_train::DataReport;
use serde::{Deserialize, Serialize};

use super::Stage;
use crate::{config::canonical, error::Result, pipeline::Pipeline, words::count};

/// Reads the data under its schema and digests it.
pub(crate) struct DataStage<'p> {
    pipeline: &'p Pipeline,
    /// What the file held when it was asked whether there is work to do.
    seen: OnceCell<Digest>,
}

impl<'p> DataStage<'p> {
    pub(crate) fn new(pipeline: &'p Pipeline) -> Self {
        Self { pipeline, seen: OnceCell::new() }
    }
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
        let content = self.pipeline.data_digest()?;
        let content = *self.seen.get_or_init(|| content);
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
        let read = match self.seen.get() {
            Some(seen) => self.pipeline.gathered_of(seen)?,
            None => self.pipeline.gathered()?,
        };
        Ok(DataOutput { digest: read.digest, bytes: read.bytes, report: read.gathered.report().clone() })
    }

    fn note(&self, output: &DataOutput) -> String {
        let report = &output.report;
        let dropped = report.rows_read - report.rows_kept;
        let dropped = if dropped == 0 { String::new() } else { format!(", {} dropped", count(dropped, "row")) };
        format!(
            "{}, {}{dropped} ({})",
            count(report.rows_kept, "row"),
            count(report.columns.len() as u64, "column"),
            output.digest.short()
        )
    }
}
