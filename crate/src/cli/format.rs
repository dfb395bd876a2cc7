//! Results as text: aligned tables, numbers, durations.
//!
//! The table is a dozen lines and escapes control characters; a table crate would replace only the padding.

use crate::adc::AdcEnergy;
use crate::report::AdcEnergies;

/// Aligns rows into columns: the first to the left, the others to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escape_control_chars(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| {
            if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Escapes characters that would move the cursor or change colours: names may come from untrusted files.
fn escape_control_chars(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hides(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Tiles by level, with the sparsity that each level guarantees.
pub fn level_table(counts: &[u64], almost: Option<&[u64]>) -> String {
    let mut rows = vec![vec!["level".to_owned(), "minimum sparsity".to_owned(), "tiles".to_owned()]];
    if almost.is_some() {
        rows[0].push("almost-zero tiles".to_owned());
    }
    for (level, &count) in counts.iter().enumerate() {
        let sparsity = 100.0 * (1.0 - 0.5_f64.powi(level as i32));
        let share =
            if level + 1 == counts.len() { "no active rows".to_owned() } else { format!("{sparsity:.2} %") };
        let mut row = vec![level.to_string(), share, count.to_string()];
        row.extend(almost.and_then(|almost| almost.get(level)).map(u64::to_string));
        rows.push(row);
    }
    table(&rows)
}

/// An improvement as a factor; `None` if no conversions are left.
pub fn improvement(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "nothing left to convert".to_owned(), |ratio| format!("{ratio:.3}x"))
}

/// A number with four significant digits, in scientific notation if it is far from 1.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e6).contains(&size) => {
            let digits = (3 - size.log10().floor() as i32).max(0) as usize;
            let text = format!("{value:.digits$}");
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
        _ => format!("{value:.3e}"),
    }
}

/// ADC energy by both unitless models.
pub fn energy_table(energies: &AdcEnergies) -> String {
    let row = |name: &str, energy: &AdcEnergy| {
        vec![
            name.to_owned(),
            energy.dense.to_string(),
            energy.actual.to_string(),
            improvement(energy.improvement),
        ]
    };
    let head = ["ADC energy, in bits", "dense", "pruned", "improvement"].map(str::to_owned).to_vec();
    let mut rows = vec![
        head,
        row("paper (one bit per level)", &energies.paper),
        row("lossless (every sum distinct)", &energies.lossless),
    ];
    rows.extend(energies.lossless_sliced.iter().map(|energy| row("lossless-sliced (by set cells)", energy)));
    table(&rows)
}

/// Seconds as `40 s`, `2 min 05 s` or `1 h 30 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `part` of `whole` in percent.
pub fn percentage(part: usize, whole: usize) -> String {
    format!("{:.2} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Mebibytes, rounded up.
pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// A count with commas between thousands.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.71367, "1.714"),
            (8.0, "8"),
            (0.0123456, "0.01235"),
            (46_679.4, "46679"),
            (2.5e9, "2.500e9"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn tables_align() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["bbb".to_owned(), "7".to_owned()]];
        assert_eq!(table(&rows), "a    10\nbbb   7\n");
    }
}
