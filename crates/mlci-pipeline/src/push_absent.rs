//! In place of the pushes in a program without the feature `monitor`.

use std::time::Instant;

use mlci_core::Label;

use crate::{end::Ending, error::Error, pipeline::Pipeline};

impl Pipeline {
    /// The command line does not come here with such a configuration; who embeds the pipeline might.
    pub(crate) fn push_along(&self, _: &str, _: Option<&Label>, _: &Ending, _: Option<&Error>, _: Instant) {
        if self.config().monitor.pushgateway.is_some() {
            self.warn("[monitor] pushgateway needs the feature `monitor`, which this program was built without");
        }
    }
}
