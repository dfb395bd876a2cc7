//! The page's TypeScript types are those of the Rust ones that reach it.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crossdub::config::{HardwareConfig, TrainConfig};
use crossdub::prune::PruneStats;
use crossdub::report::{AdcComparison, Inference, Published, TileDetail, View};
use crossdub::simulate::column_trace::ColumnTrace;
use crossdub::simulate::report::SimulationReport;
use crossdub::train::evaluate::Evaluation;
use crossdub::workflow::interactive::preview::PruneSettings;
use crossdub::workflow::interactive::{InteractiveProgress, StageProgress};
use crossdub::workflow::report::RunReport;
use ts_rs::{Config, TS, TypeVisitor};

use crate::shared::repository;

/// Collects the declarations of a type and of all types it refers to, by name.
struct Declarations {
    config: Config,
    seen: BTreeSet<TypeId>,
    by_name: BTreeMap<String, String>,
}

impl Declarations {
    fn add<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        if T::output_path().is_some() {
            let docs = T::docs().unwrap_or_default();
            let text = format!("{docs}export {}\n", T::decl(&self.config));
            let name = T::ident(&self.config);
            let other = self.by_name.insert(name.clone(), text.clone());
            assert!(other.is_none_or(|other| other == text), "two different types are named {name}");
        }
        T::visit_dependencies(self);
    }
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        self.add::<T>();
    }
}

#[test]
fn generated_types_are_current() {
    let config = Config::new().with_large_int("number");
    let mut all = Declarations { config, seen: BTreeSet::new(), by_name: BTreeMap::new() };
    all.add::<TrainConfig>();
    all.add::<HardwareConfig>();
    all.add::<View>();
    all.add::<TileDetail>();
    all.add::<Inference>();
    all.add::<AdcComparison>();
    all.add::<Published>();
    all.add::<SimulationReport>();
    all.add::<ColumnTrace>();
    all.add::<Evaluation>();
    all.add::<PruneStats>();
    all.add::<PruneSettings>();
    all.add::<StageProgress>();
    all.add::<InteractiveProgress>();
    all.add::<RunReport>();
    let body: Vec<String> = all.by_name.into_values().collect();
    let head = "// Generated from the Rust types by `UPDATE_TYPES=1 cargo test types`: do not edit.\n\n";
    let text = head.to_owned() + &body.join("\n");
    let path = repository().join("web/types/generated.d.ts");
    if std::env::var_os("UPDATE_TYPES").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, &text).expect("written");
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    assert!(recorded == text, "web/types/generated.d.ts is not current: run UPDATE_TYPES=1 cargo test types");
}
