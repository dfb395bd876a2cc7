//! The file with an ADC plan: one row per tile, as CSV or JSON.

use std::path::Path;

use crate::cli::files::io::{display_path, write};
use crate::config::HardwareConfig;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::report::adc_plan;

const ACTION: &str = "writing the ADC plan";

/// Where to write an ADC plan, and in which format.
#[derive(Debug, Clone, Copy)]
pub struct AdcPlanFile<'a> {
    path: &'a Path,
    csv: bool,
}

impl<'a> AdcPlanFile<'a> {
    /// Takes the format from the extension.
    ///
    /// # Errors
    /// If the extension is neither `.csv` nor `.json`.
    pub fn new(path: &'a Path) -> Result<Self> {
        let csv = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => true,
            Some("json") => false,
            _ => return Err(Error::field("adc_plan", display_path(path), "must end in .csv or .json")),
        };
        Ok(Self { path, csv })
    }

    /// Writes the plan of these layers.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(self, layers: &[Matrix], hardware: &HardwareConfig) -> Result<()> {
        let plan = adc_plan(layers, hardware);
        let text = if self.csv {
            plan.to_csv()
        } else {
            let fail = |why| Error::file(ACTION, display_path(self.path), why);
            serde_json::to_string(&plan).map_err(fail)? + "\n"
        };
        write(ACTION, self.path, text.as_bytes())
    }
}
