//! `crossdub adc`: energy, area and time of converters.

use clap::Args;

use crate::adc::AdcModel;
use crate::adc::converter::MAX_BITS;
use crate::cli::format;
use crate::cli::options::converter::{ConverterOptions, converter};
use crate::cli::output;
use crate::error::{Error, Result};
use crate::report::{AdcComparison, ConverterReport, compare, converter_report};

/// Energy, area and time of a converter, by one published model or by all side by side
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub adc --model accelergy --bits 8 --tech-nm 32\n         \
                        crossdub adc --compare --bits 1..10")]
pub struct AdcArgs {
    /// Model: paper, lossless, lossless-sliced, murmann, walden, accelergy, isaac, puma, neurosim-sar,
    /// neurosim-flash, mnsim, or a TOML file with your own
    #[arg(long, visible_alias = "adc", required_unless_present = "compare", value_name = "MODEL")]
    model: Option<String>,
    /// Bits per conversion; with --compare also a range (1..10, inclusive) or a list (4,6,8)
    #[arg(long, default_value = "8", allow_hyphen_values = true, value_name = "BITS")]
    bits: String,
    /// Compare all models at these bits, marking extrapolated values; --model adds your own
    #[arg(long)]
    compare: bool,
    #[command(flatten)]
    converter: ConverterOptions,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &AdcArgs) -> Result<()> {
    let settings = args.converter.settings()?;
    let bits = parse_bits(&args.bits)?;
    if args.compare {
        let mut wide = settings;
        wide.extrapolate = true;
        // Published models are in the comparison already.
        let name = args.model.as_deref().filter(|name| name.parse::<AdcModel>().is_err());
        let own = name.map(|name| converter(name, wide.clone())).transpose()?;
        let comparison = compare(&bits, &wide, own.as_ref())?;
        return output::print_result(args.json, &comparison, || table(&comparison));
    }
    let name = args.model.as_deref().unwrap_or("paper");
    let [bits] = bits[..] else {
        return Err(Error::field("bits", &args.bits, "must be one number; use --compare for several"));
    };
    let report = converter_report(&converter(name, settings)?, bits)?;
    output::print_result(args.json, &report, || describe(&report))
}

/// Parses `8`, `1..10` or `4,6,8`.
fn parse_bits(text: &str) -> Result<Vec<u32>> {
    let invalid =
        || Error::field("bits", text, format!("must be 0 to {MAX_BITS}, such as 8, 1..10 or 4,6,8"));
    let number = |part: &str| match part.trim().parse::<u32>() {
        Ok(bits) if bits <= MAX_BITS => Ok(bits),
        _ => Err(invalid()),
    };
    if let Some((low, high)) = text.split_once("..") {
        let (low, high) = (number(low)?, number(high.trim_start_matches('='))?);
        return if low <= high { Ok((low..=high).collect()) } else { Err(invalid()) };
    }
    text.split(',').map(number).collect()
}

fn describe(report: &ConverterReport) -> String {
    let energy = match (report.energy_pj, report.energy) {
        (Some(pj), _) => format!("{} pJ", format::number(pj)),
        (None, bits) => format!("{} (unitless)", bits.unwrap_or_default()),
    };
    let optional = |value: Option<f64>, unit: &str| {
        value.map_or_else(
            || "not in the source".to_owned(),
            |value| format!("{} {unit}", format::number(value)),
        )
    };
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("model", report.model.clone()),
        row("bits", report.bits.to_string()),
        row("energy per conversion", energy),
        row("area", optional(report.area_um2, "um2")),
        row("time per conversion", optional(report.time_ns, "ns")),
    ];
    if report.extrapolated {
        rows.push(row("", "extrapolated beyond the model's range".to_owned()));
    }
    format::table(&rows)
}

fn table(comparison: &AdcComparison) -> String {
    let mut rows = vec![vec!["energy per conversion".to_owned(), "unit".to_owned()]];
    rows[0].extend(comparison.bits.iter().map(|bits| format!("{bits} b")));
    for curve in &comparison.models {
        let mut row = vec![curve.model.clone(), curve.unit.to_string()];
        let marked = curve.energy.iter().zip(&curve.extrapolated);
        row.extend(marked.map(|(energy, beyond)| format::number(*energy) + if *beyond { "*" } else { "" }));
        rows.push(row);
    }
    format::table(&rows) + "* extrapolated beyond the model's range\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_a_number_a_range_or_a_list() {
        assert_eq!(parse_bits("8"), Ok(vec![8]));
        assert_eq!(parse_bits("1..3"), Ok(vec![1, 2, 3]));
        assert_eq!(parse_bits("4,6"), Ok(vec![4, 6]));
        for bad in ["17", "-1", "3..1", "1..17", "", "x", "1,,2"] {
            assert!(parse_bits(bad).is_err(), "{bad}");
        }
    }
}
