//! The energy per inference as text.

use crate::adc::AdcEnergy;
use crate::cli::format;
use crate::config::Granularity;
use crate::report::{DenseAndActual, Inference, InferenceRow};

/// The tables of an inference.
pub fn describe(inference: &Inference, weight_bits: usize) -> String {
    let crossbars = inference.crossbars;
    let side_by_side = if weight_bits > 1 { format!(", {weight_bits} side by side") } else { String::new() };
    let mut text = format!(
        "\n{} crossbars if dense ({} weight slices{side_by_side}, {} polarities), {} without the empty tiles, {} with at least one set cell; \
         {} input slices\n",
        crossbars.dense,
        inference.weight_slices,
        inference.polarities,
        crossbars.pruned,
        crossbars.with_set_cells,
        inference.input_slices,
    );
    text += "improvements count what pruning saves; \"mapping alone\" counts what partly filled crossbars save without it\n";
    if !inference.zero_weight_is_zero_cell {
        text += "offset mapping: zero weights are not zero cells, so pruning saves no bits by active rows\n";
    }
    if inference.positions.is_none() {
        text +=
            "per tile only: give --model, --plan or --positions to count the conversions of an inference\n";
    }
    if let Some(share) = inference.adc_share {
        let source = inference.adc_share_source.as_deref().unwrap_or("as given");
        text +=
            &format!("converters' share of the energy before pruning: {:.1} %, {source}\n", 100.0 * share);
    }
    let mut head = vec!["model", "resolution", "per", "mapping alone", "improvement per tile"];
    let known = inference.positions.is_some();
    if known {
        head.extend(["per inference", "dense", "actual", "unit"]);
    }
    if inference.adc_share.is_some() {
        head.push("whole accelerator");
    }
    head.extend(["area, mm2", "latency, ms"]);
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(inference.table.iter().map(|row| line(row, known, inference.adc_share.is_some())));
    text += "\n";
    text += &format::table(&rows);
    if inference.table.iter().any(|row| row.extrapolated) {
        text += "* extrapolated beyond the model's range\n";
    }
    if let Some(row) = inference.table.first().filter(|_| known) {
        text += &layers(row);
    }
    text
}

fn line(row: &InferenceRow, known: bool, whole: bool) -> Vec<String> {
    let ratio = |energy: Option<AdcEnergy>| match energy {
        None => "-".to_owned(),
        Some(energy) => format::improvement(energy.improvement),
    };
    let pair = |pair: Option<DenseAndActual<f64>>, per: f64| {
        pair.map_or_else(
            || "-".to_owned(),
            |pair| format!("{} -> {}", format::number(pair.dense / per), format::number(pair.actual / per)),
        )
    };
    let mark = if row.extrapolated { "*" } else { "" };
    let per = match row.per {
        Granularity::Tile => "tile",
        Granularity::Column => "column",
    };
    let mapping = if known { row.mapping_per_inference } else { row.mapping_per_tile };
    let mut cells = vec![
        format!("{}{mark}", row.model),
        row.resolution.to_string(),
        per.to_owned(),
        ratio(mapping),
        ratio(row.per_tile),
    ];
    if known {
        let number = |of: fn(&AdcEnergy) -> f64| {
            row.per_inference.as_ref().map_or_else(|| "-".to_owned(), |energy| format::number(of(energy)))
        };
        cells.push(ratio(row.per_inference));
        cells.extend([number(|e| e.dense), number(|e| e.actual), row.unit.to_string()]);
    }
    if whole {
        cells.push(row.whole_improvement.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}x")));
    }
    cells.extend([pair(row.area_um2, 1e6), pair(row.latency_ns, 1e6)]);
    cells
}

/// The layers of a row, usually the first.
fn layers(row: &InferenceRow) -> String {
    let head = ["layer", "dense conversions", "actual", "improvement", "energy share"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for layer in &row.layers {
        let conversions = layer.conversions.unwrap_or(DenseAndActual { dense: 0, actual: 0 });
        rows.push(vec![
            layer.name.clone(),
            conversions.dense.to_string(),
            conversions.actual.to_string(),
            layer
                .per_inference
                .map_or_else(|| "-".to_owned(), |energy| format::improvement(energy.improvement)),
            layer.share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share)),
        ]);
    }
    format!("\nby {} at resolution {}:\n{}", row.model, row.resolution, format::table(&rows))
}
