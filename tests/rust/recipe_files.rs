//! Recipe files: parsing, errors that name the field, and which stages a `--set` reaches.

use std::collections::BTreeSet;

use crossdub::workflow::recipe::{Change, Recipe};
use crossdub::workflow::stage::Stage;
use crossdub::workflow::sweep;
use serde_json::Value;

use crate::recipes::TINY;
use crate::shared::repository;

/// A change of a stage that has its quantization in a table replaces what the table says.
#[test]
fn a_change_replaces_a_field_of_the_quantize_table() {
    let quantized = format!("{TINY}quantize = {{ precision = 3, cap = 7 }}\n");
    let precision = |changes: &[Change]| {
        let recipe = Recipe::read(&quantized, changes).expect("valid");
        let config = recipe.stages.last().and_then(|stage| stage.train_config()).expect("it trains").clone();
        (config.quantize_precision.to_string(), config.quantize_cap.to_string())
    };
    let last = Recipe::read(&quantized, &[]).expect("valid").stages.last().expect("a stage").name.clone();
    assert_eq!(precision(&[]), ("3".to_owned(), "7".to_owned()));
    let change = Change::new(&format!("{last}.quantize_precision"), Value::from(8));
    assert_eq!(precision(&[change]), ("8".to_owned(), "7".to_owned()));
}

#[test]
fn invalid_recipes_name_the_field() {
    let read = |text: &str| Recipe::read(text, &[]).expect_err(text).to_string();
    let stage = "[[stage]]\nname = 'a'\nkind = 'train'\n";
    for (text, named) in [
        ("data = 'builtin'", "stage"),
        (stage, "data"),
        (&format!("data = 'builtin'\nlamda = 1\n{stage}"), "lamda"),
        (&format!("data = 'builtin'\nratios = [1]\n{stage}"), "ratios"),
        (&format!("data = 'builtin'\n{stage}lamda = 1"), "a.lamda"),
        (&format!("data = 'builtin'\n{stage}tile = 64"), "a.tile"),
        (&format!("data = 'builtin'\n{stage}rule = 'exact'"), "a.rule"),
        (&format!("data = 'builtin'\n{stage}epochs = 0"), "a.epochs"),
        (&format!("data = 'builtin'\n{stage}{stage}"), "two stages"),
        (&format!("data = 'builtin'\n{}", stage.replace("train", "prune")), "a.weights"),
        (&format!("data = 'builtin'\n{}", stage.replace("train", "bake")), "bake"),
        (&format!("data = 'builtin'\n{}", stage.replace("'a'", "'../a'")), "stage.name"),
        ("data = builtin", "reading the recipe"),
    ] {
        let error = read(text);
        assert!(error.contains(named) && error.lines().count() == 1, "{error}");
    }
    let changed = |set: &str| Recipe::read(TINY, &[sweep::parse_change(set).expect("valid")]);
    for bad in
        ["nothing=1", "none.lambda=1", "dub.rule=exact", "clean.kind=prune", "lambda=x", "prune.ratios=x"]
    {
        assert!(changed(bad).is_err(), "{bad}");
    }
    let recipe = changed("lambda=0.5").expect("valid");
    let lambdas: Vec<f64> = recipe.stages.iter().filter_map(|s| Some(s.train_config()?.lambda)).collect();
    assert_eq!(lambdas, [0.5; 4], "a change without a stage reaches all of them");
    let recipe = Recipe::read(TINY, &[Change::new("dub.lambda", Value::from(0.5))]).expect("valid");
    let lambdas: Vec<f64> = recipe.stages.iter().filter_map(|s| Some(s.train_config()?.lambda)).collect();
    assert_eq!(lambdas, [1e-3, 0.5, 1e-3, 1e-3]);
}

/// Pruning comes after hours of training, so its errors must be reported before them.
#[test]
fn invalid_pruning_stages_are_rejected_before_training() {
    for (set, named) in [
        ("prune.ratios=[1,200,3]", "prune.ratios (200)"),
        ("prune.ratios=[1,2]", "3 crossbar layers"),
        ("prune.rule=budget", "prune.target (none)"),
        ("prune.compensate=true", ""),
    ] {
        let change = sweep::parse_change(set).expect("valid");
        match Recipe::read(TINY, &[change]) {
            Ok(_) => assert!(named.is_empty(), "{set}"),
            Err(error) => assert!(!named.is_empty() && error.to_string().contains(named), "{error}"),
        }
    }
    let both = |first: &str, second: &str| {
        let changes = [first, second].map(|set| sweep::parse_change(set).expect("valid"));
        Recipe::read(TINY, &changes).expect_err(second).to_string()
    };
    assert!(both("prune.rule=budget", "prune.target=0.5").contains("prune.target (0.5)"));
    assert!(both("prune.compensate=true", "prune.images=0").contains("prune.images (0)"));
    for name in ["../out", "", ".", "..", "a/b", "a\\nb"] {
        let text = TINY.replace("name = \"tiny\"", &format!("name = \"{name}\""));
        assert!(
            Recipe::read(&text, &[]).expect_err(name).to_string().starts_with("invalid name ("),
            "{name}"
        );
    }
}

/// Image fields and devices can't differ between a recipe and its stages.
#[test]
fn changes_of_image_size_and_devices_reach_the_recipe_and_all_stages() {
    let change = |field, value| Change::new(field, value);
    let changes = [change("side", Value::from(64)), change("devices", Value::from("cpu,cpu"))];
    let recipe = Recipe::read(TINY, &changes).expect("valid");
    let stages = recipe.stages.iter().filter_map(Stage::train_config);
    for config in stages.chain([&recipe.config]) {
        assert_eq!((config.side, config.devices.to_string().as_str()), (64, "cpu,cpu"));
    }
    let stage = "data = 'builtin'\n[[stage]]\nname = 'a'\nkind = 'train'\nside = 64";
    assert!(Recipe::read(stage, &[]).expect_err("for a single stage").to_string().contains("a.side"));
}

#[test]
fn all_recipes_of_the_repository_parse() {
    let folder = repository().join("recipes");
    let recipes = std::fs::read_dir(folder).expect("lists").flatten().map(|entry| entry.path());
    let mut names = BTreeSet::new();
    for path in recipes.filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let recipe = Recipe::read(&text, &[]).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert_eq!(path.file_stem().and_then(|name| name.to_str()), Some(recipe.name.as_str()));
        assert!(!recipe.description.is_empty(), "{}", path.display());
        names.insert(recipe.name);
    }
    assert!(names.contains("builtin-quick"));
}
