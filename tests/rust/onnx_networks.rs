//! torchvision's networks against onnxruntime and PyTorch, where `tests/onnx/networks.py` has made them: they are too
//! large for the repository.

use std::fs;
use std::path::PathBuf;

use crossdub::onnx::{OnnxModel, Tensor};

use crate::shared::{json, relative_difference};

const NETWORKS: [&str; 7] =
    ["vgg11", "resnet50", "mobilenet_v2", "efficientnet_b0", "convnext_tiny", "vit_b_16", "resnet18_qdq"];

fn floats(path: PathBuf) -> Vec<f32> {
    let bytes = fs::read(path).expect("readable");
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

#[test]
fn torchvision_networks_give_what_onnxruntime_gives() {
    let Some(folder) = std::env::var_os("CROSSDUB_ONNX_NETWORKS").map(PathBuf::from) else {
        eprintln!("skipped: set CROSSDUB_ONNX_NETWORKS to a folder that tests/onnx/networks.py filled");
        return;
    };
    for name in NETWORKS {
        for exporter in ["torchscript", "dynamo"] {
            let file = |ending: &str| folder.join(format!("{name}.{exporter}.{ending}"));
            let bytes = fs::read(file("onnx")).expect("readable");
            let model = OnnxModel::from_bytes(bytes, |_| unreachable!("all weights are in the file"));
            let network = model.and_then(|model| model.network(&[])).expect("reads");
            let facts = json(&file("json"));
            let counted = facts["positions"].as_object().expect("an object").values();
            let mut counted: Vec<u64> = counted.map(|count| count.as_u64().expect("a number")).collect();
            let positions = network.layers().iter().map(|layer| layer.positions.clone().expect("known"));
            let mut positions: Vec<u64> = positions.collect();
            counted.sort_unstable();
            positions.sort_unstable();
            assert_eq!(positions, counted, "{name} by {exporter}");
            let image = Tensor::from_floats(network.input_shapes()[0].to_vec(), floats(file("input.f32")));
            let scores = network.run(vec![image]).expect("runs").remove(0);
            let apart = relative_difference(scores.as_floats().expect("floats"), &floats(file("output.f32")));
            eprintln!("{name} by {exporter}: {apart:.1e}");
            assert!(apart < 1e-4, "{name} by {exporter}: {apart}");
        }
    }
}
