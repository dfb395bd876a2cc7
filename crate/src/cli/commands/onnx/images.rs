//! Images as a model's input takes them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::cli::files;
use crate::cli::files::image_files;
use crate::cli::files::pictures::decode_files;
use crate::cli::options::data::DataOptions;
use crate::cli::options::network::NetworkOptions;
use crate::cli::output;
use crate::config::{DataSource, Standardize, TrainConfig};
use crate::data::batch::Batch;
use crate::data::imagenet::LoaderConfig;
use crate::data::loader::{DataLoader, LabeledDataset};
use crate::data::standardization::Standardization;
use crate::data::{SIDE, TrainTest};
use crate::error::{Error, Result};
use crate::network::spec::CHANNELS;
use crate::onnx::{OnnxNetwork, Tensor};
use crate::parallel;

/// The images that a model takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageInput {
    standardize: Standardize,
    outputs: usize,
    height: usize,
    width: usize,
}

impl ImageInput {
    /// The only input of a model, for one image.
    ///
    /// # Errors
    /// If it takes something else.
    pub fn new(network: &OnnxNetwork, path: &Path, options: &NetworkOptions) -> Result<Self> {
        let standardize = options.fields().standardize.unwrap_or(Standardize::Auto);
        let outputs = network.output_len();
        match network.input_shapes()[..] {
            [&[1, CHANNELS, height, width]] => Ok(Self { standardize, outputs, height, width }),
            ref shapes => {
                let why = format!("it takes {shapes:?}, but images are [1, 3, height, width]");
                Err(Error::file("running ONNX", files::display_path(path), why))
            }
        }
    }

    /// The data set whose standardization image files get: CIFAR's for images of its size, so that a picture answers as it
    /// does from CIFAR's own files.
    fn data_of_files(self) -> DataSource {
        match (self.height, self.width, self.outputs) {
            (SIDE, SIDE, 100) => DataSource::Cifar100,
            (SIDE, SIDE, _) => DataSource::Cifar10,
            _ => DataSource::ImageNet,
        }
    }

    fn side(self) -> usize {
        self.height.max(self.width)
    }

    /// Opens the images of a run, scaled to the input's size where their files allow it.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn open(self, data: &DataOptions) -> Result<DataLoader> {
        self.open_path(&data.data, data.holdout, data.seed, data.loader.into())
    }

    /// As [`ImageInput::open`], by a path.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn open_path(
        self,
        path: &Path,
        holdout: usize,
        seed: u64,
        loader_config: LoaderConfig,
    ) -> Result<DataLoader> {
        let (side, standardize) = (self.side(), self.standardize);
        let mut config = TrainConfig { side, standardize, holdout, seed, ..TrainConfig::default() };
        let mut loader = match files::open_dataset(path, &mut config, loader_config) {
            // Images that come in one size are scaled here.
            Err(error) if error.field_name() == Some("side") => {
                config.side = 0;
                files::open_dataset(path, &mut config, loader_config)?
            }
            opened => opened?,
        };
        if let Some(note) = loader.match_outputs(self.outputs, &[])? {
            output::status_once(&note);
        }
        Ok(loader)
    }

    /// Opens image files without labels.
    ///
    /// # Errors
    /// If one can't be read.
    pub fn open_files(self, paths: &[PathBuf]) -> Result<DataLoader> {
        let names = (0..self.outputs).map(|class| class.to_string()).collect();
        let standardization = Standardization::new(self.standardize, self.data_of_files(), None);
        if self.data_of_files() == DataSource::ImageNet {
            let images = image_files::open_single_images(paths, self.side(), names)?;
            return Ok(images.standardized(standardization).into());
        }
        // The whole picture, as networks of such images are trained.
        let mut test = decode_files(paths, names)?;
        test.standardization = standardization;
        Ok(TrainTest { train: test.clone(), test }.into())
    }

    /// The inputs of each image of a batch.
    pub fn tensors(self, batch: &Batch, side: usize) -> Vec<Vec<Tensor>> {
        let image = |pixels: &[f32]| {
            let planes = pixels.chunks_exact(side * side);
            let scaled = planes.flat_map(|plane| scale(plane, side, self.height, self.width)).collect();
            vec![Tensor::from_floats(vec![1, CHANNELS, self.height, self.width], scaled)]
        };
        batch.images.chunks_exact(CHANNELS * side * side).map(image).collect()
    }

    /// The first output of a model for each image of a range: `[images][classes]`, and their labels.
    ///
    /// # Errors
    /// If an image can't be read, or the model can't run.
    pub fn scores(
        self,
        network: &OnnxNetwork,
        data: &dyn LabeledDataset,
        range: Range<usize>,
        mut done: impl FnMut(usize),
    ) -> Result<Vec<(Vec<f32>, i32)>> {
        let mut all = Vec::with_capacity(range.len());
        for batch in data.batches(range, images_at_once()) {
            let batch = batch?;
            let images = self.tensors(&batch, data.side());
            let count = images.len();
            let scores = parallel::map(count, |at| {
                let outputs = network.run(images[at].clone())?;
                Ok(outputs.first().map(Tensor::to_floats).unwrap_or_default())
            });
            for (scores, &label) in scores.into_iter().zip(&batch.labels) {
                all.push((scores?, label));
            }
            done(count);
        }
        Ok(all)
    }
}

/// Images that run side by side: one a core.
pub fn images_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(16)
}

/// A square plane in another size, linearly between pixel centres.
fn scale(plane: &[f32], side: usize, height: usize, width: usize) -> Vec<f32> {
    if (side, side) == (height, width) {
        return plane.to_vec();
    }
    let place = |at: usize, size: usize| {
        let centre = ((at as f32 + 0.5) * side as f32 / size as f32 - 0.5).clamp(0.0, (side - 1) as f32);
        let first = centre.floor() as usize;
        (first, (first + 1).min(side - 1), centre - first as f32)
    };
    let columns: Vec<_> = (0..width).map(|at| place(at, width)).collect();
    let mut scaled = Vec::with_capacity(height * width);
    for (top, bottom, down) in (0..height).map(|at| place(at, height)) {
        scaled.extend(columns.iter().map(|&(left, right, across)| {
            let row = |row: usize| {
                let [from, to] = [left, right].map(|column| plane[row * side + column]);
                from + (to - from) * across
            };
            row(top) + (row(bottom) - row(top)) * down
        }));
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_are_standardized_as_cifars() {
        let data = |side, outputs| {
            let standardize = Standardize::Auto;
            ImageInput { standardize, outputs, height: side, width: side }.data_of_files()
        };
        assert_eq!(data(32, 10), DataSource::Cifar10);
        assert_eq!(data(32, 100), DataSource::Cifar100);
        assert_eq!(data(32, 7), DataSource::Cifar10);
        assert_eq!(data(224, 10), DataSource::ImageNet);
    }

    #[test]
    fn planes_are_scaled_between_pixel_centres() {
        let plane = [0.0, 1.0, 2.0, 3.0];
        assert_eq!(scale(&plane, 2, 2, 2), plane);
        assert_eq!(scale(&plane, 2, 1, 1), [1.5]);
        assert_eq!(scale(&plane, 2, 4, 4)[..4], [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(scale(&plane, 2, 2, 4)[4..], [2.0, 2.25, 2.75, 3.0]);
    }
}
