//! What one converter's conversion costs, and all models side by side over bits.

use serde::{Deserialize, Serialize};

use crate::adc::converter::Converter;
use crate::adc::{AdcParams, EnergyUnit};
use crate::config::SCHEMA_VERSION;
use crate::error::Result;

/// What `crossdub adc --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct ConverterReport {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// The model's name.
    pub model: String,
    /// Bits of a conversion.
    pub bits: u32,
    /// Dynamic energy of a conversion, pJ; absent in unitless models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_pj: Option<f64>,
    /// Energy of a conversion in bits; present in unitless models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<f64>,
    /// Area of all converters, um2, if the source has it.
    pub area_um2: Option<f64>,
    /// Time of a conversion, ns, if the source has it.
    pub time_ns: Option<f64>,
    /// Whether this is beyond the model's range.
    pub extrapolated: bool,
}

/// What a conversion of `bits` bits costs.
///
/// # Errors
/// If no converter has that many bits, or they are beyond the model's range and the converter does not
/// extrapolate.
///
/// ```
/// use crossdub::adc::AdcModel;
/// use crossdub::adc::converter::Converter;
/// use crossdub::report::converter_report;
///
/// let report = converter_report(&Converter::from(AdcModel::Isaac), 8)?;
/// assert_eq!((report.energy_pj, report.area_um2), (Some(1.67), Some(1200.0)));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn converter_report(converter: &Converter, bits: u32) -> Result<ConverterReport> {
    let cost = converter.cost(bits)?;
    let physical = cost.unit == EnergyUnit::Picojoules;
    Ok(ConverterReport {
        schema_version: SCHEMA_VERSION,
        model: converter.id().to_owned(),
        bits,
        energy_pj: physical.then_some(cost.energy),
        energy: (!physical).then_some(cost.energy),
        area_um2: cost.area_um2,
        time_ns: cost.time_ns,
        extrapolated: cost.extrapolated,
    })
}

/// Energies of all models over bits, for a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct AdcComparison {
    /// Version of this object's fields.
    pub schema_version: u32,
    /// Bits of each value in the curves.
    pub bits: Vec<u32>,
    /// One curve per model.
    pub models: Vec<AdcCurve>,
}

/// One model over bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[non_exhaustive]
pub struct AdcCurve {
    /// The model's name.
    pub model: String,
    /// `bits` or `pJ`.
    pub unit: EnergyUnit,
    /// Energy of a conversion.
    pub energy: Vec<f64>,
    /// Area of all converters, um2, if the source has it.
    pub area_um2: Option<Vec<f64>>,
    /// Time of a conversion, ns, if the source has it.
    pub time_ns: Option<Vec<f64>>,
    /// Whether each value is beyond the model's range.
    pub extrapolated: Vec<bool>,
}

/// Compares all published models, and a custom one if given, marking extrapolated values.
///
/// # Errors
/// If a parameter is out of range or `bits` holds a number above 16.
///
/// ```
/// use crossdub::adc::AdcParams;
/// use crossdub::report::compare;
///
/// let comparison = compare(&[4, 8], &AdcParams::default(), None)?;
/// assert_eq!((comparison.bits.len(), comparison.models.len()), (2, 11));
/// let walden = comparison.models.iter().find(|curve| curve.model == "walden").unwrap();
/// assert_eq!(walden.energy[1] / walden.energy[0], 16.0);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn compare(bits: &[u32], params: &AdcParams, custom: Option<&Converter>) -> Result<AdcComparison> {
    let mut converters = Converter::all_published(params)?;
    converters.extend(custom.cloned());
    let curve = |converter: &Converter| {
        let costs = bits.iter().map(|&bits| converter.cost(bits)).collect::<Result<Vec<_>>>()?;
        Ok(AdcCurve {
            model: converter.id().to_owned(),
            unit: converter.unit(),
            energy: costs.iter().map(|cost| cost.energy).collect(),
            area_um2: costs.iter().map(|cost| cost.area_um2).collect(),
            time_ns: costs.iter().map(|cost| cost.time_ns).collect(),
            extrapolated: costs.iter().map(|cost| cost.extrapolated).collect(),
        })
    };
    let models = converters.iter().map(curve).collect::<Result<Vec<_>>>()?;
    Ok(AdcComparison { schema_version: SCHEMA_VERSION, bits: bits.to_vec(), models })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_converter_takes_no_area_and_no_time() {
        let comparison = compare(&[0, 8], &AdcParams::default(), None).expect("valid");
        let puma = comparison.models.iter().find(|curve| curve.model == "puma").expect("there");
        assert_eq!(puma.energy[0], 0.0);
        let (area, time) = (puma.area_um2.as_ref().expect("known"), puma.time_ns.as_ref().expect("known"));
        assert!(area[0] == 0.0 && area[1] > 0.0 && time[0] == 0.0 && time[1] > 0.0);
    }

    #[test]
    fn all_models_have_a_curve_over_all_bits() {
        let bits: Vec<u32> = (1..=16).collect();
        let comparison = compare(&bits, &AdcParams::default(), None).expect("valid");
        assert_eq!(comparison.models.len(), crate::adc::AdcModel::ALL.len());
        for curve in &comparison.models {
            assert_eq!((curve.energy.len(), curve.extrapolated.len()), (16, 16), "{}", curve.model);
            assert!(curve.energy.iter().all(|energy| energy.is_finite() && *energy > 0.0), "{}", curve.model);
        }
        let isaac = comparison.models.iter().find(|curve| curve.model == "isaac").expect("listed");
        let marked: Vec<u32> = bits
            .iter()
            .zip(&isaac.extrapolated)
            .filter(|(_, marked)| **marked)
            .map(|(bits, _)| *bits)
            .collect();
        assert_eq!(marked, [1, 2, 3, 11, 12, 13, 14, 15, 16]);
        assert!(compare(&[17], &AdcParams::default(), None).is_err());
    }
}
