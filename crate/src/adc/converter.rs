//! One converter: what is asked of it, what a conversion costs, and how far its model reaches.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Model;
use super::models::{accelergy, isaac, mnsim, murmann, neurosim_flash, neurosim_sar, paper, puma, walden};
use crate::adc::models::custom::OwnModel;
use crate::config::Resolution;
use crate::error::{Error, Result};

/// The most bits of a converter.
pub const MAX_BITS: u32 = 16;

/// What is asked of a converter apart from its bits. A model ignores what it does not use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
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
    pub walden_fom: walden::Figure,
    /// Which transistors (`neurosim-sar`).
    pub neurosim_process: neurosim_sar::Process,
    /// Time of a conversion, ns (`neurosim-flash`).
    pub flash_ns: f64,
    /// Which of the source's converters (`mnsim`).
    pub mnsim_converter: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tech_nm: 32.0,
            rate: 1e9,
            adcs: 1,
            extrapolate: false,
            column_ohm: None,
            walden_fom: walden::Figure::Best,
            neurosim_process: neurosim_sar::Process::Lstp,
            flash_ns: 1.0,
            mnsim_converter: mnsim::DEFAULT,
        }
    }
}

impl Settings {
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
pub enum Unit {
    /// Bits: the unitless models.
    Bits,
    /// Picojoules.
    #[serde(rename = "pJ")]
    Picojoules,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bits => "bits",
            Self::Picojoules => "pJ",
        })
    }
}

/// Where a request lies outside the range that a model was made for.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// The setting, or `bits`.
    pub field: &'static str,
    /// What was asked.
    pub value: f64,
    /// What the model was made for.
    pub range: String,
}

/// What a model says of one conversion; energies in its [`Unit`].
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Dynamic energy of one conversion, leakage apart.
    pub energy: f64,
    /// Area of all converters, um2, where the source has it.
    pub area_um2: Option<f64>,
    /// Time of one conversion, ns, where the source has it.
    pub time_ns: Option<f64>,
    /// Whether and where this goes beyond the model's range.
    pub outside: Option<Outside>,
}

impl Estimate {
    /// An energy alone, within the model's range.
    pub(super) fn of_energy(energy: f64) -> Self {
        Self { energy, area_um2: None, time_ns: None, outside: None }
    }

    /// Marks the answer when `bits` is not in the range.
    pub(super) fn for_bits(mut self, bits: u32, low: u32, high: u32) -> Self {
        if self.outside.is_none() && !(low..=high).contains(&bits) {
            let range = format!("{low} to {high} bits");
            self.outside = Some(Outside { field: "bits", value: f64::from(bits), range });
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
    pub unit: Unit,
    /// Area of all converters, um2.
    pub area_um2: Option<f64>,
    /// Time of one conversion, ns.
    pub time_ns: Option<f64>,
    /// Whether the model was asked beyond its range.
    pub extrapolated: bool,
}

/// A model of a converter: published, or the user's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// From the literature.
    Published(Model),
    /// From the user's file.
    Own(OwnModel),
}

/// A converter: a model and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Converter {
    kind: Kind,
    settings: Settings,
}

impl Converter {
    /// A converter of checked settings.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn new(kind: Kind, settings: Settings) -> Result<Self> {
        settings.validate()?;
        Ok(Self { kind, settings })
    }

    /// The same converter, answering beyond its model's range too, marked.
    #[must_use]
    pub fn extrapolating(mut self) -> Self {
        self.settings.extrapolate = true;
        self
    }

    /// The unitless model that has this resolution's name; `paper` for a fixed one.
    #[must_use]
    pub fn unitless(resolution: Resolution) -> Self {
        let model = match resolution {
            Resolution::Paper | Resolution::Bits(_) => Model::Paper,
            Resolution::Lossless => Model::Lossless,
            Resolution::LosslessSliced => Model::LosslessSliced,
        };
        Self { kind: Kind::Published(model), settings: Settings::default() }
    }

    /// Each published model with the same settings, extrapolating where it must.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn all_published(settings: &Settings) -> Result<Vec<Self>> {
        let settings = Settings { extrapolate: true, ..settings.clone() };
        Model::ALL.into_iter().map(|model| Self::new(Kind::Published(model), settings.clone())).collect()
    }

    /// The model's name in options and JSON.
    pub fn id(&self) -> &str {
        match &self.kind {
            Kind::Published(model) => model.id(),
            Kind::Own(own) => &own.name,
        }
    }

    /// Whether it belongs in a table at a resolution: the unitless models are one, under the name
    /// of each resolution, so each is shown at its own (`paper` at a fixed one too).
    pub fn is_shown_at(&self, resolution: Resolution) -> bool {
        match &self.kind {
            Kind::Published(Model::Paper) => matches!(resolution, Resolution::Paper | Resolution::Bits(_)),
            Kind::Published(model) if model.is_unitless() => model.resolution() == resolution,
            _ => true,
        }
    }

    /// Whether it is the unitless model of this resolution's name.
    pub fn is_unitless_at(&self, resolution: Resolution) -> bool {
        self.unit() == Unit::Bits && self.is_shown_at(resolution)
    }

    /// Converters that share its rate and area.
    pub fn adcs(&self) -> u32 {
        match &self.kind {
            Kind::Published(Model::Accelergy) => self.settings.adcs,
            _ => 1,
        }
    }

    /// In what its energies are counted.
    pub fn unit(&self) -> Unit {
        match &self.kind {
            Kind::Published(model) if model.is_unitless() => Unit::Bits,
            _ => Unit::Picojoules,
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
        if let (Some(outside), false) = (&estimate.outside, self.settings.extrapolate) {
            let why = format!("{} is made for {}; --extrapolate goes beyond", self.id(), outside.range);
            return Err(Error::field(outside.field, outside.value, why));
        }
        Ok(Cost {
            energy: estimate.energy,
            unit: self.unit(),
            area_um2: estimate.area_um2,
            time_ns: estimate.time_ns,
            extrapolated: estimate.outside.is_some(),
        })
    }

    fn estimate(&self, bits: u32) -> Estimate {
        if bits == 0 {
            return Estimate::of_energy(0.0);
        }
        let settings = &self.settings;
        match &self.kind {
            Kind::Own(own) => own.estimate(bits),
            Kind::Published(model) => match model {
                Model::Paper | Model::Lossless | Model::LosslessSliced => paper::estimate(bits),
                Model::Murmann => murmann::estimate(bits),
                Model::Walden => walden::estimate(bits, settings.walden_fom),
                Model::Accelergy => accelergy::estimate(bits, settings),
                Model::Isaac => isaac::estimate(bits),
                Model::Puma => puma::estimate(bits),
                Model::NeurosimSar => neurosim_sar::estimate(bits, settings),
                Model::NeurosimFlash => neurosim_flash::estimate(bits, settings),
                Model::Mnsim => mnsim::estimate(bits, settings.mnsim_converter),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converter(id: &str, change: impl FnOnce(&mut Settings)) -> Converter {
        let mut settings = Settings::default();
        change(&mut settings);
        Converter::new(Kind::Published(Model::from_id(id).expect("known")), settings).expect("valid")
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
        for model in Model::ALL {
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
        let refuse = |field: &str, change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            let said = settings.validate().expect_err("refused").to_string();
            assert!(said.contains(field), "{said}");
        };
        refuse("tech_nm", |s| s.tech_nm = 0.0);
        refuse("tech_nm", |s| s.tech_nm = f64::NAN);
        refuse("rate", |s| s.rate = -1.0);
        refuse("adcs", |s| s.adcs = 0);
        refuse("flash_ns", |s| s.flash_ns = 0.5);
        refuse("column_ohm", |s| s.column_ohm = Some(0.0));
        refuse("mnsim_converter", |s| s.mnsim_converter = 10);
        refuse("walden_fom", |s| s.walden_fom = walden::Figure::Femtojoules(f64::INFINITY));
    }
}
