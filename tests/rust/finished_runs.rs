//! Reports of finished runs stay readable, and reports with errors are rejected by field.

use crossdub::html::page;
use crossdub::html::run::FinishedRun;
use crossdub::prune::PruneRule;
use crossdub::workflow::stage::StageKind;
use crossdub::workflow::stage_report::StagePruning;
use serde_json::Value;

use crate::shared::repository;

fn recorded() -> Vec<u8> {
    std::fs::read(repository().join("web/runs/recorded/builtin-quick.json")).expect("readable")
}

/// The run that comes with the page was written by version 0.1.0.
#[test]
fn the_recorded_run_is_read() {
    let run = FinishedRun::read("quick", &recorded()).expect("a report");
    let stages: Vec<_> = run.stages.iter().map(|stage| (stage.name.as_deref(), stage.kind)).collect();
    let expected = [
        (Some("clean"), StageKind::Train),
        (Some("dub"), StageKind::Train),
        (Some("prune"), StageKind::Prune),
        (Some("finetune"), StageKind::Finetune),
    ];
    assert_eq!(stages, expected);
    let [clean, _, prune, finetune] = run.stages.as_slice() else { panic!("four stages") };
    assert_eq!((clean.accuracy, clean.epochs.len(), clean.zeros), (Some(97.45), 5, 0));
    assert_eq!(clean.config.as_ref().map(|config| config.epochs), Some(5));
    assert_eq!((prune.zeros, prune.weights), (19_392, 23_472));
    assert_eq!((prune.energy.paper.dense, prune.energy.paper.actual), (120.0, 51.0));
    assert!(prune.stats.is_some() && clean.stats.is_none());
    let Some(StagePruning::Recipe(fields)) = &prune.pruning else { panic!("{:?}", prune.pruning) };
    assert_eq!((fields.rule, fields.ratios.as_slice()), (PruneRule::Exact, &[40.0, 90.0, 97.0][..]));
    assert_eq!((finetune.accuracy, run.maps().len(), run.seed()), (Some(98.1), 3, 0));
    let text = page("Recorded", &[run]);
    assert!(text.contains("builtin-quick") && text.contains("2.353x"));
}

#[test]
fn a_report_is_written_as_it_was_read() {
    let before: Value = serde_json::from_slice(&recorded()).expect("JSON");
    let run = FinishedRun::read("quick", &recorded()).expect("a report");
    let after = serde_json::to_value(&run.report).expect("JSON");
    for (name, value) in before.as_object().expect("an object") {
        match name.as_str() {
            // Later versions add fields to these.
            "spec" | "hardware" | "analysis" | "stages" | "maps" | "training" => {
                assert!(!after[name].is_null(), "{name}");
            }
            _ => assert_eq!(&after[name], value, "{name}"),
        }
    }
    for (before, after) in before["stages"].as_array().into_iter().flatten().zip(&run.report.stages) {
        let after = serde_json::to_value(after).expect("JSON");
        for name in ["name", "kind", "id", "accuracy", "histogram", "energy", "pruning", "epochs", "forced"] {
            assert_eq!(before.get(name), after.get(name), "{name} of {}", before["name"]);
        }
    }
}

#[test]
fn errors_name_the_field() {
    let mut report: Value = serde_json::from_slice(&recorded()).expect("JSON");
    report["stages"][1]["energy"]["paper"]["dense"] = Value::from("many");
    let error = FinishedRun::read("quick", report.to_string().as_bytes()).expect_err("rejected");
    assert!(error.to_string().contains("stages[1].energy.paper.dense"), "{error}");
    for bytes in [&b""[..], b"[]", b"{}", b"{\"spec\":", b"\xff\xfe"] {
        let error = FinishedRun::read("quick", bytes).expect_err("rejected").to_string();
        assert!(error.starts_with("reading a report (quick)") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_map_may_not_claim_more_tiles_than_it_has() {
    for (across, down) in [(1_u64, 1_u64 << 40), (1 << 40, 0), (u64::MAX / 2, 4)] {
        let mut report: Value = serde_json::from_slice(&recorded()).expect("JSON");
        report["maps"][1]["across"] = across.into();
        report["maps"][1]["down"] = down.into();
        let error = FinishedRun::read("quick", report.to_string().as_bytes()).expect_err("rejected");
        assert!(error.to_string().contains("maps[1].level"), "{error}");
    }
}

/// Two seeds so far apart that their deviation is larger than their mean: the axis still shows both.
#[test]
fn a_large_deviation_leaves_the_axis_readable() {
    let seed = |seed: u64, actual: f64| {
        let mut report: Value = serde_json::from_slice(&recorded()).expect("JSON");
        report["spec"]["seed"] = seed.into();
        report["seed"] = seed.into();
        for stage in report["stages"].as_array_mut().expect("stages") {
            let dense = stage["energy"]["paper"]["dense"].as_f64().expect("a number");
            stage["energy"]["paper"]["actual"] = actual.into();
            stage["energy"]["paper"]["improvement"] = (dense / actual).into();
        }
        FinishedRun::read("quick", report.to_string().as_bytes()).expect("a report")
    };
    let text = page("Two seeds", &[seed(0, 110.0), seed(1, 6.0)]);
    assert!(text.contains("logarithmic") && text.matches("<text class=\"tick").count() < 300);
    assert!(!text.contains("e-30"));
}

/// Pictures in folders are read as ImageNet is, and are no rivals of the runs that were published on it.
#[test]
fn only_a_thousand_classes_are_imagenet() {
    let named = |classes: usize| {
        let mut report: Value = serde_json::from_slice(&recorded()).expect("JSON");
        report["data"]["name"] = "imagenet".into();
        report["data"]["classes"] = classes.into();
        FinishedRun::read("quick", report.to_string().as_bytes()).expect("a report").data_name()
    };
    assert_eq!((named(1000).as_str(), named(2).as_str()), ("imagenet", "images of 2 classes"));
}
