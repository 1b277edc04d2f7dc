use serde_json::json;

use crate::{config, event::Finished, pipeline::Pipeline};

impl Pipeline {
    /// Every value in force, and where it came from.
    pub fn show_config(&self) -> Finished {
        self.command("config", |ending| {
            ending.text = Some(config::render(self.loaded()));
            ending.result = Some(json!({"values": self.config(), "origins": self.loaded().origins}));
            Ok(())
        })
    }
}
