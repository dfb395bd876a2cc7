//! The paper's numbers: the improvements of all published runs follow from their histograms.

use crossdub::adc::{AdcEnergy, AdcModel};
use crossdub::report::{published, published_markdown};

use crate::shared::{json, numbers, repository};

#[test]
fn all_published_runs_are_reproduced() {
    let published = json(&repository().join("crate/data/published_runs.json"));
    let runs = published["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 69);
    for run in runs {
        let tile = run["tile"].as_u64().expect("a tile") as usize;
        let histogram: Vec<u64> = numbers(&run["histogram"]).into_iter().map(|n| n as u64).collect();
        let energy = AdcEnergy::from_histogram(AdcModel::Paper, tile, &histogram).expect("fits");
        let expected = run["improvement_linear"].as_f64();
        let close = match (energy.improvement, expected) {
            (Some(got), Some(expected)) => (got - expected).abs() < 1e-3,
            (got, expected) => got == expected,
        };
        assert!(close, "{}: {:?} for {expected:?}", run["log"], energy.improvement);
        let lossless = AdcEnergy::from_histogram(AdcModel::Lossless, tile, &histogram).expect("fits");
        assert!(lossless.actual >= energy.actual, "distinguishing all sums never takes fewer bits");
    }
    for headline in published["headlines"].as_array().expect("headlines") {
        let tile = headline["tile"].as_u64().expect("a tile") as usize;
        let histogram: Vec<u64> = numbers(&headline["histogram"]).into_iter().map(|n| n as u64).collect();
        let got = AdcEnergy::from_histogram(AdcModel::Paper, tile, &histogram)
            .expect("fits")
            .improvement
            .expect("a ratio");
        let expected = headline["improvement"].as_f64().expect("a ratio");
        assert!((got - expected).abs() < 5e-3, "{got} for {expected}");
    }
}

/// `docs/what-it-saves.md` equals the output of `crossdub published`.
#[test]
fn the_page_of_published_runs_is_up_to_date() {
    let page = published_markdown(&published().expect("embedded"));
    let kept = std::fs::read_to_string(repository().join("docs/what-it-saves.md")).expect("readable");
    assert!(page == kept, "run: crossdub published --out docs/what-it-saves.md");
}
