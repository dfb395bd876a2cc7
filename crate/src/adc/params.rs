//! [`AdcParams`]: what the models take besides bits.

use serde::{Deserialize, Serialize};

use super::models::{mnsim, neurosim_flash, neurosim_sar, walden};
use crate::error::{Error, Result};

/// Parameters of a converter besides its bits. Each model uses the ones that name it and ignores the rest.
///
/// ```
/// use crossdub::adc::AdcParams;
///
/// assert!(AdcParams::default().validate().is_ok());
/// let error = AdcParams { tech_nm: 0.0, ..AdcParams::default() }.validate().unwrap_err();
/// assert_eq!(error.to_string(), "invalid tech_nm (0): must be 1 to 1000 nm");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdcParams {
    /// Feature size, nm (`accelergy`).
    pub tech_nm: f64,
    /// Conversions a second of all converters together, Hz (`accelergy`).
    pub rate: f64,
    /// Converters that share that rate (`accelergy`).
    pub adcs: u32,
    /// Whether to answer beyond a model's range; such answers are marked.
    pub extrapolate: bool,
    /// Resistance of a column, ohm, read at 0.5 V (`neurosim-*`); `None` leaves out the column's own
    /// power.
    pub column_ohm: Option<f64>,
    /// Figure of merit (`walden`).
    pub walden_fom: walden::WaldenFom,
    /// Transistors (`neurosim-sar`).
    pub neurosim_process: neurosim_sar::Process,
    /// Time of a conversion, ns (`neurosim-flash`).
    pub flash_ns: f64,
    /// Number of the source's converter (`mnsim`).
    pub mnsim_converter: u32,
}

impl Default for AdcParams {
    fn default() -> Self {
        Self {
            tech_nm: 32.0,
            rate: 1e9,
            adcs: 1,
            extrapolate: false,
            column_ohm: None,
            walden_fom: walden::WaldenFom::Best,
            neurosim_process: neurosim_sar::Process::Lstp,
            flash_ns: 1.0,
            mnsim_converter: mnsim::DEFAULT,
        }
    }
}

impl AdcParams {
    /// Checks every field's range.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        let within = |field, value: f64, low: f64, high: f64, unit: &str| {
            let why = format!("must be {low} to {high} {unit}");
            if (low..=high).contains(&value) { Ok(()) } else { Err(Error::field(field, value, why)) }
        };
        within("tech_nm", self.tech_nm, 1.0, 1000.0, "nm")?;
        within("rate", self.rate, 1.0, 1e15, "conversions a second")?;
        within("adcs", f64::from(self.adcs), 1.0, 1e6, "converters")?;
        within("flash_ns", self.flash_ns, neurosim_flash::NS.0, neurosim_flash::NS.1, "ns")?;
        if let Some(ohm) = self.column_ohm {
            within("column_ohm", ohm, 1.0, 1e12, "ohm")?;
        }
        self.walden_fom.validate()?;
        mnsim::converter(self.mnsim_converter).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_out_of_range_are_named() {
        let check = |field: &str, change: fn(&mut AdcParams)| {
            let mut params = AdcParams::default();
            change(&mut params);
            let error = params.validate().expect_err("rejected").to_string();
            assert!(error.contains(field), "{error}");
        };
        check("tech_nm", |p| p.tech_nm = 0.0);
        check("tech_nm", |p| p.tech_nm = f64::NAN);
        check("rate", |p| p.rate = -1.0);
        check("adcs", |p| p.adcs = 0);
        check("flash_ns", |p| p.flash_ns = 0.5);
        check("column_ohm", |p| p.column_ohm = Some(0.0));
        check("mnsim_converter", |p| p.mnsim_converter = 10);
        check("walden_fom", |p| p.walden_fom = walden::WaldenFom::Femtojoules(f64::INFINITY));
    }
}
