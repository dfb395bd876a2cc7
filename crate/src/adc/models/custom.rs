//! A custom model from TOML: a table, a line or an exponential.
//!
//! ```toml
//! name = "sar-28nm"      # optional
//! [[table]]              # one per number of bits; interpolated on a logarithmic axis
//! bits = 4
//! energy_pj = 0.8
//! area_um2 = 350.0       # optional, as is time_ns
//! [[table]]
//! bits = 8
//! energy_pj = 1.7
//! ```
//!
//! or `[linear]` with `base_pj` and `per_bit_pj`: `E = base_pj + per_bit_pj * b`; or `[exponential]`
//! with `base_pj` and `per_code_pj`: `E = base_pj + per_code_pj * 2^b`. Both accept `bits = [low, high]`,
//! the range they are made for (default 1 to 16), `area_um2` and `time_ns`.

use serde::Deserialize;
use toml::Spanned;

use crate::adc::estimate::{MAX_BITS, ModelEstimate};
use crate::adc::models::table::{LogTable, TablePoint};
use crate::error::{Error, Result};

/// A checked custom model.
///
/// ```
/// use crossdub::adc::AdcParams;
/// use crossdub::adc::converter::{Converter, ModelSource};
/// use crossdub::adc::models::custom::CustomModel;
///
/// let toml = "name = 'sar-28nm'\n[linear]\nbase_pj = 0.5\nper_bit_pj = 0.25\nbits = [4, 10]\n";
/// let model = CustomModel::from_toml(toml, "unnamed")?;
/// let converter = Converter::new(ModelSource::Custom(model), AdcParams::default())?;
/// assert_eq!((converter.id(), converter.cost(8)?.energy), ("sar-28nm", 2.5));
///
/// let error = CustomModel::from_toml("[linear]\nbase_pj = 1\nper_bit_pj = -2\n", "x").unwrap_err();
/// assert!(error.to_string().contains("line 3: the factor is -2"));
/// # Ok::<(), crossdub::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CustomModel {
    /// The model's name in reports.
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
struct ModelToml {
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
    /// Parses a model. `default_name` is used if the file has no `name`.
    ///
    /// # Errors
    /// Names the line that is wrong.
    pub fn from_toml(text: &str, default_name: &str) -> Result<Self> {
        let source = LineIndex { text };
        let document: ModelToml = toml::from_str(text).map_err(|why| {
            let at = why.span().map_or(0, |span| span.start);
            source.error(at, why.message())
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
            _ => return Err(source.error(0, "must hold one of [[table]], [linear] and [exponential]")),
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

/// The text, to turn offsets into line numbers.
struct LineIndex<'a> {
    text: &'a str,
}

impl LineIndex<'_> {
    fn error(&self, at: usize, why: &str) -> Error {
        let line = 1 + self.text.bytes().take(at).filter(|&byte| byte == b'\n').count();
        Error::file("reading a converter's model", "", format!("line {line}: {why}"))
    }

    /// A number above 0 and at most 1e12.
    fn positive(&self, field: &str, value: &Spanned<f64>) -> Result<f64> {
        match *value.get_ref() {
            number if number > 0.0 && number <= 1e12 => Ok(number),
            number => {
                let why = format!("{field} is {number}, but must be more than 0 and at most 1e12");
                Err(self.error(value.span().start, &why))
            }
        }
    }

    fn optional(&self, field: &str, value: Option<&Spanned<f64>>) -> Result<Option<f64>> {
        value.map(|value| self.positive(field, value)).transpose()
    }

    fn bits(&self, at: usize, bits: i64) -> Result<u32> {
        match u32::try_from(bits) {
            Ok(bits) if (1..=MAX_BITS).contains(&bits) => Ok(bits),
            _ => Err(self.error(at, &format!("bits is {bits}, but must be 1 to {MAX_BITS}"))),
        }
    }

    fn table(&self, written: &[Spanned<PointToml>]) -> Result<LogTable> {
        let mut rows: Vec<TablePoint> = Vec::new();
        for spanned in written {
            let row = spanned.get_ref();
            let bits = self.bits(row.bits.span().start, *row.bits.get_ref())?;
            if rows.last().is_some_and(|last| last.bits >= bits) {
                return Err(self.error(
                    row.bits.span().start,
                    &format!("{bits} bits must be more than those of the table before"),
                ));
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
                let why = format!("{field} is {number}, but must be 0 to 1e12");
                Err(self.error(value.span().start, &why))
            }
        };
        let (low, high) = match bits {
            None => (1, MAX_BITS),
            Some(range) => {
                let at = range.span().start;
                let [low, high] = *range.get_ref();
                if low > high {
                    return Err(
                        self.error(at, &format!("bits is [{low}, {high}], but must be the lower end first"))
                    );
                }
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

    fn parse(text: &str) -> Result<CustomModel> {
        CustomModel::from_toml(text, "mine")
    }

    #[test]
    fn parses_the_three_shapes() {
        let table = "name = 'sar'\n[[table]]\nbits = 4\nenergy_pj = 1.0\ntime_ns = 5\n[[table]]\nbits = 6\nenergy_pj = 4.0\n";
        let table = parse(table).expect("valid");
        assert_eq!(table.name, "sar");
        assert!((table.estimate(5).energy - 2.0).abs() < 1e-12);
        assert_eq!(table.estimate(5).time_ns, Some(5.0));
        assert!(table.estimate(7).out_of_range.is_some() && table.estimate(4).out_of_range.is_none());
        let line = parse("[linear]\nbase_pj = 0.5\nper_bit_pj = 0.25\nbits = [4, 8]\narea_um2 = 900\n")
            .expect("valid");
        assert_eq!((line.name.as_str(), line.estimate(8).energy), ("mine", 2.5));
        assert_eq!((line.estimate(8).area_um2, line.estimate(9).out_of_range.is_some()), (Some(900.0), true));
        let curve = parse("exponential = { base_pj = 0.0, per_code_pj = 0.001 }").expect("valid");
        assert!((curve.estimate(10).energy - 1.024).abs() < 1e-12);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, word) in [
            ("[linear]\nbase_pj = 1\n", 1, "per_bit_pj"),
            ("[linear]\nbase_pj = 1\nper_bit_pj = -2\n", 3, "-2"),
            ("[linear]\nbase_pj = 1\nper_bit_pj = 'x'\n", 3, "f64"),
            ("\n[[table]]\nbits = 17\nenergy_pj = 1\n", 3, "17"),
            ("[[table]]\nbits = 4\nenergy_pj = nan\n", 3, "NaN"),
            ("[[table]]\nbits = 4\nenergy_pj = 1\n[[table]]\nbits = 4\nenergy_pj = 2\n", 5, "more than"),
            ("[[table]]\nbits = 4\nenergy = 1\n", 3, "energy"),
            ("[linear]\nbase_pj = 1\nper_bit_pj = 1\nbits = [10, 4]\n", 4, "[10, 4]"),
            ("name = 'x'\n", 1, "[linear]"),
            ("name = 'x'\nbits = = 3\n", 2, ""),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(&format!("line {line}:")) && error.contains(word), "{text:?}: {error}");
        }
    }
}
