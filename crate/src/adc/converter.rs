//! [`Converter`]: a model with its parameters, and what one conversion costs.

use super::estimate::{EnergyUnit, ModelEstimate};
use super::models::custom::CustomModel;
use super::models::{accelergy, isaac, mnsim, murmann, neurosim_flash, neurosim_sar, paper, puma, walden};
use super::params::AdcParams;
use crate::config::{AdcModel, Resolution};
use crate::error::{Error, ErrorKind, Result};

pub use super::estimate::MAX_BITS;

/// What one conversion costs.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ConversionCost {
    /// Dynamic energy of one conversion, without leakage.
    pub energy: f64,
    /// The unit of `energy`.
    pub unit: EnergyUnit,
    /// Area of all converters, um2, if the source has it.
    pub area_um2: Option<f64>,
    /// Time of one conversion, ns, if the source has it.
    pub time_ns: Option<f64>,
    /// Whether this is beyond the range that the model was made for.
    pub extrapolated: bool,
}

/// Where a converter's model comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ModelSource {
    /// The literature.
    Published(AdcModel),
    /// The user's file.
    Custom(CustomModel),
}

/// A converter: a model and its parameters.
///
/// ```
/// use crossdub::adc::converter::{Converter, ModelSource};
/// use crossdub::adc::{AdcModel, AdcParams};
///
/// // Picojoules of an 8-bit conversion differ twentyfold between models.
/// let params = AdcParams::default();
/// for (model, picojoules) in [
///     (AdcModel::Murmann, 0.2765),
///     (AdcModel::Walden, 0.0906),
///     (AdcModel::Accelergy, 1.7137),
///     (AdcModel::Isaac, 1.67),
///     (AdcModel::Puma, 1.8),
/// ] {
///     let converter = Converter::new(ModelSource::Published(model), params.clone())?;
///     assert!((converter.cost(8)?.energy - picojoules).abs() < 1e-4, "{model}");
/// }
/// // Accelergy covers 4 bits and more; below that it must be allowed to extrapolate.
/// let accelergy = Converter::from(AdcModel::Accelergy);
/// assert!(accelergy.cost(3).is_err());
/// assert!(accelergy.extrapolating().cost(3)?.extrapolated);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Converter {
    source: ModelSource,
    params: AdcParams,
}

impl From<AdcModel> for Converter {
    /// A published model with default parameters.
    fn from(model: AdcModel) -> Self {
        Self { source: ModelSource::Published(model), params: AdcParams::default() }
    }
}

impl Converter {
    /// A model with checked parameters.
    ///
    /// # Errors
    /// Names the parameter that is out of range.
    pub fn new(source: ModelSource, params: AdcParams) -> Result<Self> {
        params.validate()?;
        Ok(Self { source, params })
    }

    /// The same converter, answering beyond its model's range as well; such answers are marked.
    #[must_use]
    pub fn extrapolating(mut self) -> Self {
        self.params.extrapolate = true;
        self
    }

    /// The unitless model named like this resolution; `paper` for a fixed number of bits.
    #[must_use]
    pub fn unitless(resolution: Resolution) -> Self {
        Self::from(match resolution {
            Resolution::Paper | Resolution::Bits(_) => AdcModel::Paper,
            Resolution::Lossless => AdcModel::Lossless,
            Resolution::LosslessSliced => AdcModel::LosslessSliced,
        })
    }

    /// Every published model with the same parameters, extrapolating where needed.
    ///
    /// # Errors
    /// Names the parameter that is out of range.
    pub fn all_published(params: &AdcParams) -> Result<Vec<Self>> {
        let params = AdcParams { extrapolate: true, ..params.clone() };
        let published = |model| Self::new(ModelSource::Published(model), params.clone());
        AdcModel::ALL.into_iter().map(published).collect()
    }

    /// The model's name in options and JSON.
    pub fn id(&self) -> &str {
        match &self.source {
            ModelSource::Published(model) => model.id(),
            ModelSource::Custom(model) => &model.name,
        }
    }

    /// Whether a table shows it at this resolution. The unitless models are one model under the name of
    /// each resolution, so each is shown at its own only (`paper` at a fixed number of bits as well).
    pub fn is_shown_at(&self, resolution: Resolution) -> bool {
        match &self.source {
            ModelSource::Published(AdcModel::Paper) => {
                matches!(resolution, Resolution::Paper | Resolution::Bits(_))
            }
            ModelSource::Published(model) if model.is_unitless() => model.resolution() == resolution,
            _ => true,
        }
    }

    /// Whether it is the unitless model named like this resolution.
    pub fn is_unitless_at(&self, resolution: Resolution) -> bool {
        self.unit() == EnergyUnit::Bits && self.is_shown_at(resolution)
    }

    /// Converters that share its rate and area.
    pub fn adcs(&self) -> u32 {
        match &self.source {
            ModelSource::Published(AdcModel::Accelergy) => self.params.adcs,
            _ => 1,
        }
    }

    /// The unit of its energies.
    pub fn unit(&self) -> EnergyUnit {
        match &self.source {
            ModelSource::Published(model) if model.is_unitless() => EnergyUnit::Bits,
            _ => EnergyUnit::Picojoules,
        }
    }

    /// What a conversion of `bits` bits costs; 0 bits cost 0 in every model.
    ///
    /// # Errors
    /// If `bits` is above [`MAX_BITS`], or beyond the model's range without permission to extrapolate.
    pub fn cost(&self, bits: u32) -> Result<ConversionCost> {
        if bits > MAX_BITS {
            return Err(Error::field("bits", bits, format!("a converter has 0 to {MAX_BITS} bits")));
        }
        let estimate = self.estimate(bits);
        if let (Some(beyond), false) = (&estimate.out_of_range, self.params.extrapolate) {
            return Err(Error::new(ErrorKind::OutsideModelRange {
                model: self.id().to_owned(),
                field: beyond.field.to_owned(),
                value: beyond.value.to_string(),
                range: beyond.range.clone(),
            }));
        }
        Ok(ConversionCost {
            energy: estimate.energy,
            unit: self.unit(),
            area_um2: estimate.area_um2,
            time_ns: estimate.time_ns,
            extrapolated: estimate.out_of_range.is_some(),
        })
    }

    fn estimate(&self, bits: u32) -> ModelEstimate {
        if bits == 0 {
            // No converter: it takes nothing of what the source has values for.
            let nothing = |value: Option<f64>| value.map(|_| 0.0);
            let ModelEstimate { area_um2, time_ns, .. } = self.estimate(8);
            let none = ModelEstimate::from_energy(0.0);
            return ModelEstimate { area_um2: nothing(area_um2), time_ns: nothing(time_ns), ..none };
        }
        let params = &self.params;
        match &self.source {
            ModelSource::Custom(model) => model.estimate(bits),
            ModelSource::Published(model) => match model {
                AdcModel::Paper | AdcModel::Lossless | AdcModel::LosslessSliced => paper::estimate(bits),
                AdcModel::Murmann => murmann::estimate(bits),
                AdcModel::Walden => walden::estimate(bits, params.walden_fom),
                AdcModel::Accelergy => {
                    let AdcParams { tech_nm, rate, adcs, .. } = *params;
                    accelergy::Accelergy { tech_nm, rate, adcs }.estimate(bits)
                }
                AdcModel::Isaac => isaac::estimate(bits),
                AdcModel::Puma => puma::estimate(bits),
                AdcModel::NeurosimSar => {
                    neurosim_sar::estimate(bits, params.neurosim_process, params.column_ohm)
                }
                AdcModel::NeurosimFlash => neurosim_flash::estimate(bits, params.flash_ns, params.column_ohm),
                AdcModel::Mnsim => mnsim::estimate(bits, params.mnsim_converter),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converter(id: &str, change: impl FnOnce(&mut AdcParams)) -> Converter {
        let mut params = AdcParams::default();
        change(&mut params);
        Converter::new(ModelSource::Published(id.parse().expect("known")), params).expect("valid")
    }

    fn energy(id: &str, bits: u32) -> f64 {
        converter(id, |s| (s.extrapolate, s.mnsim_converter) = (true, 1)).cost(bits).expect("a cost").energy
    }

    /// The ratios of 8 to 4 bits that hardware.md opens with.
    #[test]
    fn the_choice_of_model_decides_the_answer() {
        let expected = [
            ("murmann", 1.04),
            ("accelergy", 1.86),
            ("puma", 2.0),
            ("paper", 2.0),
            ("isaac", 2.11),
            ("neurosim-sar", 2.41),
            ("neurosim-flash", 17.0),
            ("walden", 16.0),
        ];
        for (id, ratio) in expected {
            let got = energy(id, 8) / energy(id, 4);
            assert!((got - ratio).abs() < 0.01, "{id}: {got} for {ratio}");
        }
    }

    #[test]
    fn zero_bits_are_free_and_all_others_cost_energy_in_every_model() {
        for model in AdcModel::ALL {
            assert_eq!(energy(model.id(), 0), 0.0, "{model}");
            for bits in 1..=MAX_BITS {
                assert!(energy(model.id(), bits) > 0.0, "{model} at {bits}");
            }
        }
    }

    #[test]
    fn estimates_beyond_a_range_need_permission_and_are_marked() {
        let error = converter("accelergy", |_| {}).cost(3).expect_err("made for 4 bits and more");
        assert!(error.to_string().starts_with("invalid bits (3): accelergy covers 4 to"), "{error}");
        assert!(converter("accelergy", |s| s.extrapolate = true).cost(3).expect("a cost").extrapolated);
        assert!(!converter("accelergy", |s| s.extrapolate = true).cost(8).expect("a cost").extrapolated);
        let fast = converter("accelergy", |s| s.rate = 2e10).cost(8).expect_err("too fast");
        assert!(fast.to_string().contains("rate"), "{fast}");
        assert!(converter("isaac", |_| {}).cost(11).is_err());
        assert!(converter("paper", |s| s.extrapolate = true).cost(17).is_err(), "never above 16");
    }
}
