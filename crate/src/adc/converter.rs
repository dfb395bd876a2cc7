//! One converter: what is asked of it, what a conversion costs, and how far its model reaches.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AdcModel;
use super::models::{accelergy, isaac, mnsim, murmann, neurosim_flash, neurosim_sar, paper, puma, walden};
use crate::adc::models::custom::CustomModel;
use crate::config::Resolution;
use crate::error::{Error, Result};

/// The most bits of a converter.
pub const MAX_BITS: u32 = 16;

/// What is asked of a converter apart from its bits. A model ignores what it does not use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdcParams {
    /// Feature size, nm (`accelergy`).
    pub tech_nm: f64,
    /// Conversions a second of all converters together, Hz (`accelergy`).
    pub rate: f64,
    /// Converters that share that rate (`accelergy`).
    pub adcs: u32,
    /// Whether answers beyond a model's range are wanted; they are marked.
    pub extrapolate: bool,
    /// Resistance of a column, ohm, read at 0.5 V (`neurosim-*`); none leaves the column's own power out.
    pub column_ohm: Option<f64>,
    /// Which figure of merit (`walden`).
    pub walden_fom: walden::WaldenFom,
    /// Which transistors (`neurosim-sar`).
    pub neurosim_process: neurosim_sar::Process,
    /// Time of a conversion, ns (`neurosim-flash`).
    pub flash_ns: f64,
    /// Which of the source's converters (`mnsim`).
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
            let why = format!("takes {low} to {high} {unit}");
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

/// In what an energy is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnergyUnit {
    /// Bits: the unitless models.
    Bits,
    /// Picojoules.
    #[serde(rename = "pJ")]
    Picojoules,
}

impl fmt::Display for EnergyUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bits => "bits",
            Self::Picojoules => "pJ",
        })
    }
}

/// Where a request lies outside the range that a model was made for.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfRange {
    /// The setting, or `bits`.
    pub field: &'static str,
    /// What was asked.
    pub value: f64,
    /// What the model was made for.
    pub range: String,
}

/// What a model says of one conversion; energies in its [`EnergyUnit`].
#[derive(Debug, Clone, PartialEq)]
pub struct ModelEstimate {
    /// Dynamic energy of one conversion, leakage apart.
    pub energy: f64,
    /// Area of all converters, um2, where the source has it.
    pub area_um2: Option<f64>,
    /// Time of one conversion, ns, where the source has it.
    pub time_ns: Option<f64>,
    /// Whether and where this goes beyond the model's range.
    pub out_of_range: Option<OutOfRange>,
}

impl ModelEstimate {
    /// An energy alone, within the model's range.
    pub(super) fn from_energy(energy: f64) -> Self {
        Self { energy, area_um2: None, time_ns: None, out_of_range: None }
    }

    /// Marks the answer when `bits` is not in the range.
    pub(super) fn within_bits(mut self, bits: u32, low: u32, high: u32) -> Self {
        if self.out_of_range.is_none() && !(low..=high).contains(&bits) {
            let range = format!("{low} to {high} bits");
            self.out_of_range = Some(OutOfRange { field: "bits", value: f64::from(bits), range });
        }
        self
    }
}

/// What one conversion costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Dynamic energy of one conversion, leakage apart.
    pub energy: f64,
    /// Its unit.
    pub unit: EnergyUnit,
    /// Area of all converters, um2.
    pub area_um2: Option<f64>,
    /// Time of one conversion, ns.
    pub time_ns: Option<f64>,
    /// Whether the model was asked beyond its range.
    pub extrapolated: bool,
}

/// A model of a converter: published, or the user's own.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelSource {
    /// From the literature.
    Published(AdcModel),
    /// From the user's file.
    Custom(CustomModel),
}

/// A converter: a model and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Converter {
    kind: ModelSource,
    params: AdcParams,
}

impl Converter {
    /// A converter of checked settings.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn new(kind: ModelSource, params: AdcParams) -> Result<Self> {
        params.validate()?;
        Ok(Self { kind, params })
    }

    /// The same converter, answering beyond its model's range too, marked.
    #[must_use]
    pub fn extrapolating(mut self) -> Self {
        self.params.extrapolate = true;
        self
    }

    /// The unitless model that has this resolution's name; `paper` for a fixed one.
    #[must_use]
    pub fn unitless(resolution: Resolution) -> Self {
        let model = match resolution {
            Resolution::Paper | Resolution::Bits(_) => AdcModel::Paper,
            Resolution::Lossless => AdcModel::Lossless,
            Resolution::LosslessSliced => AdcModel::LosslessSliced,
        };
        Self { kind: ModelSource::Published(model), params: AdcParams::default() }
    }

    /// Each published model with the same settings, extrapolating where it must.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn all_published(params: &AdcParams) -> Result<Vec<Self>> {
        let params = AdcParams { extrapolate: true, ..params.clone() };
        AdcModel::ALL
            .into_iter()
            .map(|model| Self::new(ModelSource::Published(model), params.clone()))
            .collect()
    }

    /// The model's name in options and JSON.
    pub fn id(&self) -> &str {
        match &self.kind {
            ModelSource::Published(model) => model.id(),
            ModelSource::Custom(own) => &own.name,
        }
    }

    /// Whether it belongs in a table at a resolution: the unitless models are one, under the name
    /// of each resolution, so each is shown at its own (`paper` at a fixed one too).
    pub fn is_shown_at(&self, resolution: Resolution) -> bool {
        match &self.kind {
            ModelSource::Published(AdcModel::Paper) => {
                matches!(resolution, Resolution::Paper | Resolution::Bits(_))
            }
            ModelSource::Published(model) if model.is_unitless() => model.resolution() == resolution,
            _ => true,
        }
    }

    /// Whether it is the unitless model of this resolution's name.
    pub fn is_unitless_at(&self, resolution: Resolution) -> bool {
        self.unit() == EnergyUnit::Bits && self.is_shown_at(resolution)
    }

    /// Converters that share its rate and area.
    pub fn adcs(&self) -> u32 {
        match &self.kind {
            ModelSource::Published(AdcModel::Accelergy) => self.params.adcs,
            _ => 1,
        }
    }

    /// In what its energies are counted.
    pub fn unit(&self) -> EnergyUnit {
        match &self.kind {
            ModelSource::Published(model) if model.is_unitless() => EnergyUnit::Bits,
            _ => EnergyUnit::Picojoules,
        }
    }

    /// What a conversion of `bits` bits costs. No bits, no conversion: 0 in every model.
    ///
    /// # Errors
    /// When `bits` is above [`MAX_BITS`], or outside the model's range without permission.
    pub fn cost(&self, bits: u32) -> Result<Cost> {
        if bits > MAX_BITS {
            return Err(Error::field("bits", bits, format!("a converter has 0 to {MAX_BITS} bits")));
        }
        let estimate = self.estimate(bits);
        if let (Some(out_of_range), false) = (&estimate.out_of_range, self.params.extrapolate) {
            let why = format!("{} is made for {}; --extrapolate goes beyond", self.id(), out_of_range.range);
            return Err(Error::field(out_of_range.field, out_of_range.value, why));
        }
        Ok(Cost {
            energy: estimate.energy,
            unit: self.unit(),
            area_um2: estimate.area_um2,
            time_ns: estimate.time_ns,
            extrapolated: estimate.out_of_range.is_some(),
        })
    }

    fn estimate(&self, bits: u32) -> ModelEstimate {
        if bits == 0 {
            return ModelEstimate::from_energy(0.0);
        }
        let params = &self.params;
        match &self.kind {
            ModelSource::Custom(own) => own.estimate(bits),
            ModelSource::Published(model) => match model {
                AdcModel::Paper | AdcModel::Lossless | AdcModel::LosslessSliced => paper::estimate(bits),
                AdcModel::Murmann => murmann::estimate(bits),
                AdcModel::Walden => walden::estimate(bits, params.walden_fom),
                AdcModel::Accelergy => accelergy::estimate(bits, params),
                AdcModel::Isaac => isaac::estimate(bits),
                AdcModel::Puma => puma::estimate(bits),
                AdcModel::NeurosimSar => neurosim_sar::estimate(bits, params),
                AdcModel::NeurosimFlash => neurosim_flash::estimate(bits, params),
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
        Converter::new(ModelSource::Published(AdcModel::from_id(id).expect("known")), params).expect("valid")
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
    fn no_bits_cost_nothing_and_each_bit_costs_something_in_every_model() {
        for model in AdcModel::ALL {
            assert_eq!(energy(model.id(), 0), 0.0, "{}", model.id());
            for bits in 1..=MAX_BITS {
                assert!(energy(model.id(), bits) > 0.0, "{} at {bits}", model.id());
            }
        }
    }

    #[test]
    fn beyond_its_range_a_model_asks_for_permission() {
        let refused = converter("accelergy", |_| {}).cost(3).expect_err("made for 4 bits and more");
        assert!(refused.to_string().starts_with("invalid bits (3): accelergy is made for 4 to"), "{refused}");
        assert!(converter("accelergy", |s| s.extrapolate = true).cost(3).expect("a cost").extrapolated);
        assert!(!converter("accelergy", |s| s.extrapolate = true).cost(8).expect("a cost").extrapolated);
        let fast = converter("accelergy", |s| s.rate = 2e10).cost(8).expect_err("too fast");
        assert!(fast.to_string().contains("rate"), "{fast}");
        assert!(converter("isaac", |_| {}).cost(11).is_err());
        assert!(converter("paper", |s| s.extrapolate = true).cost(17).is_err(), "never above 16");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let refuse = |field: &str, change: fn(&mut AdcParams)| {
            let mut params = AdcParams::default();
            change(&mut params);
            let said = params.validate().expect_err("refused").to_string();
            assert!(said.contains(field), "{said}");
        };
        refuse("tech_nm", |s| s.tech_nm = 0.0);
        refuse("tech_nm", |s| s.tech_nm = f64::NAN);
        refuse("rate", |s| s.rate = -1.0);
        refuse("adcs", |s| s.adcs = 0);
        refuse("flash_ns", |s| s.flash_ns = 0.5);
        refuse("column_ohm", |s| s.column_ohm = Some(0.0));
        refuse("mnsim_converter", |s| s.mnsim_converter = 10);
        refuse("walden_fom", |s| s.walden_fom = walden::WaldenFom::Femtojoules(f64::INFINITY));
    }
}
