//! A model of the user's own, from TOML: a table, a line or an exponential.
//!
//! ```toml
//! name = "sar-28nm"      # optional
//! [[table]]              # one for each resolution; straight on a logarithmic axis between them
//! bits = 4
//! energy_pj = 0.8
//! area_um2 = 350.0       # optional, as is time_ns
//! [[table]]
//! bits = 8
//! energy_pj = 1.7
//! ```
//!
//! or `[linear]` with `base_pj` and `per_bit_pj`: `E = base_pj + per_bit_pj * b`; or `[exponential]`
//! with `base_pj` and `per_code_pj`: `E = base_pj + per_code_pj * 2^b`. Both take `bits = [low, high]`,
//! the range they are made for (1 to 16 without), `area_um2` and `time_ns`.

use serde::Deserialize;
use toml::Spanned;

use crate::adc::converter::{MAX_BITS, ModelEstimate};
use crate::adc::models::table::{LogTable, TablePoint};
use crate::error::{Error, Result};

/// A checked model.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomModel {
    /// Its name, for reports.
    pub name: String,
    shape: Shape,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    LogTable(LogTable),
    Linear(Formula),
    Exponential(Formula),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Formula {
    base_pj: f64,
    factor_pj: f64,
    low: u32,
    high: u32,
    area_um2: Option<f64>,
    time_ns: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    table: Vec<Spanned<PointToml>>,
    linear: Option<Spanned<LinearToml>>,
    exponential: Option<Spanned<ExponentialToml>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointToml {
    bits: Spanned<i64>,
    energy_pj: Spanned<f64>,
    area_um2: Option<Spanned<f64>>,
    time_ns: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinearToml {
    base_pj: Spanned<f64>,
    per_bit_pj: Spanned<f64>,
    bits: Option<Spanned<[i64; 2]>>,
    area_um2: Option<Spanned<f64>>,
    time_ns: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExponentialToml {
    base_pj: Spanned<f64>,
    per_code_pj: Spanned<f64>,
    bits: Option<Spanned<[i64; 2]>>,
    area_um2: Option<Spanned<f64>>,
    time_ns: Option<Spanned<f64>>,
}

impl CustomModel {
    /// Reads a model; `default_name` is for one that names itself not.
    ///
    /// # Errors
    /// Names the line that can't be used.
    pub fn from_toml(text: &str, default_name: &str) -> Result<Self> {
        let source = Source { text };
        let document: Document = toml::from_str(text).map_err(|why| {
            let at = why.span().map_or(0, |span| span.start);
            source.refuse(at, why.message())
        })?;
        let name = document.name.clone().unwrap_or_else(|| default_name.to_owned());
        let shape = match (&document.table[..], &document.linear, &document.exponential) {
            (rows @ [_, ..], None, None) => Shape::LogTable(source.table(rows)?),
            ([], Some(line), None) => {
                let w = line.get_ref();
                Shape::Linear(source.formula(
                    [&w.base_pj, &w.per_bit_pj],
                    w.bits.as_ref(),
                    [w.area_um2.as_ref(), w.time_ns.as_ref()],
                )?)
            }
            ([], None, Some(curve)) => {
                let w = curve.get_ref();
                Shape::Exponential(source.formula(
                    [&w.base_pj, &w.per_code_pj],
                    w.bits.as_ref(),
                    [w.area_um2.as_ref(), w.time_ns.as_ref()],
                )?)
            }
            _ => return Err(source.refuse(0, "takes one of [[table]], [linear] and [exponential]")),
        };
        Ok(Self { name, shape })
    }

    /// What a conversion costs.
    pub(crate) fn estimate(&self, bits: u32) -> ModelEstimate {
        let of_formula = |formula: &Formula, times: f64| {
            ModelEstimate {
                energy: formula.base_pj + formula.factor_pj * times,
                area_um2: formula.area_um2,
                time_ns: formula.time_ns,
                out_of_range: None,
            }
            .within_bits(bits, formula.low, formula.high)
        };
        match &self.shape {
            Shape::LogTable(table) => table.estimate(bits),
            Shape::Linear(formula) => of_formula(formula, f64::from(bits)),
            Shape::Exponential(formula) => of_formula(formula, 2_f64.powi(bits as i32)),
        }
    }
}

/// The text, to turn places into lines.
struct Source<'a> {
    text: &'a str,
}

impl Source<'_> {
    fn refuse(&self, at: usize, why: &str) -> Error {
        let line = 1 + self.text.bytes().take(at).filter(|&byte| byte == b'\n').count();
        Error::file("reading a converter's model", "", format!("line {line}: {why}"))
    }

    /// A number above 0 that makes sense in its unit.
    fn positive(&self, field: &str, value: &Spanned<f64>) -> Result<f64> {
        match *value.get_ref() {
            number if number > 0.0 && number <= 1e12 => Ok(number),
            number => {
                let why = format!("{field} is {number}, it takes more than 0 and at most 1e12");
                Err(self.refuse(value.span().start, &why))
            }
        }
    }

    fn optional(&self, field: &str, value: Option<&Spanned<f64>>) -> Result<Option<f64>> {
        value.map(|value| self.positive(field, value)).transpose()
    }

    fn bits(&self, at: usize, bits: i64) -> Result<u32> {
        match u32::try_from(bits) {
            Ok(bits) if (1..=MAX_BITS).contains(&bits) => Ok(bits),
            _ => Err(self.refuse(at, &format!("bits is {bits}, it takes 1 to {MAX_BITS}"))),
        }
    }

    fn table(&self, written: &[Spanned<PointToml>]) -> Result<LogTable> {
        let mut rows: Vec<TablePoint> = Vec::new();
        for spanned in written {
            let row = spanned.get_ref();
            let bits = self.bits(row.bits.span().start, *row.bits.get_ref())?;
            if rows.last().is_some_and(|last| last.bits >= bits) {
                return Err(
                    self.refuse(row.bits.span().start, &format!("{bits} bits don't follow in rising order"))
                );
            }
            rows.push(TablePoint {
                bits,
                energy_pj: self.positive("energy_pj", &row.energy_pj)?,
                area_um2: self.optional("area_um2", row.area_um2.as_ref())?,
                time_ns: self.optional("time_ns", row.time_ns.as_ref())?,
            });
        }
        Ok(LogTable::new(rows))
    }

    fn formula(
        &self,
        [base, factor]: [&Spanned<f64>; 2],
        bits: Option<&Spanned<[i64; 2]>>,
        [area, time]: [Option<&Spanned<f64>>; 2],
    ) -> Result<Formula> {
        let not_negative = |field: &str, value: &Spanned<f64>| match *value.get_ref() {
            number if (0.0..=1e12).contains(&number) => Ok(number),
            number => {
                let why = format!("{field} is {number}, it takes 0 to 1e12");
                Err(self.refuse(value.span().start, &why))
            }
        };
        let (low, high) = match bits {
            None => (1, MAX_BITS),
            Some(range) => {
                let at = range.span().start;
                let [low, high] = *range.get_ref();
                (self.bits(at, low)?, self.bits(at, high)?)
            }
        };
        Ok(Formula {
            base_pj: not_negative("base_pj", base)?,
            factor_pj: not_negative("the factor", factor)?,
            low,
            high,
            area_um2: self.optional("area_um2", area)?,
            time_ns: self.optional("time_ns", time)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CustomModel> {
        CustomModel::from_toml(text, "mine")
    }

    #[test]
    fn the_three_shapes_are_read() {
        let table = "name = 'sar'\n[[table]]\nbits = 4\nenergy_pj = 1.0\ntime_ns = 5\n[[table]]\nbits = 6\nenergy_pj = 4.0\n";
        let table = read(table).expect("valid");
        assert_eq!(table.name, "sar");
        assert!((table.estimate(5).energy - 2.0).abs() < 1e-12);
        assert_eq!(table.estimate(5).time_ns, Some(5.0));
        assert!(table.estimate(7).out_of_range.is_some() && table.estimate(4).out_of_range.is_none());
        let line = read("[linear]\nbase_pj = 0.5\nper_bit_pj = 0.25\nbits = [4, 8]\narea_um2 = 900\n")
            .expect("valid");
        assert_eq!((line.name.as_str(), line.estimate(8).energy), ("mine", 2.5));
        assert_eq!((line.estimate(8).area_um2, line.estimate(9).out_of_range.is_some()), (Some(900.0), true));
        let curve = read("exponential = { base_pj = 0.0, per_code_pj = 0.001 }").expect("valid");
        assert!((curve.estimate(10).energy - 1.024).abs() < 1e-12);
    }

    #[test]
    fn a_refusal_names_the_line() {
        for (text, line, word) in [
            ("[linear]\nbase_pj = 1\n", 1, "per_bit_pj"),
            ("[linear]\nbase_pj = 1\nper_bit_pj = -2\n", 3, "-2"),
            ("[linear]\nbase_pj = 1\nper_bit_pj = 'x'\n", 3, "f64"),
            ("\n[[table]]\nbits = 17\nenergy_pj = 1\n", 3, "17"),
            ("[[table]]\nbits = 4\nenergy_pj = nan\n", 3, "NaN"),
            ("[[table]]\nbits = 4\nenergy_pj = 1\n[[table]]\nbits = 4\nenergy_pj = 2\n", 5, "rising"),
            ("[[table]]\nbits = 4\nenergy = 1\n", 3, "energy"),
            ("name = 'x'\n", 1, "[linear]"),
            ("name = 'x'\nbits = = 3\n", 2, ""),
        ] {
            let said = read(text).expect_err(text).to_string();
            assert!(said.contains(&format!("line {line}:")) && said.contains(word), "{text:?}: {said}");
        }
    }
}
