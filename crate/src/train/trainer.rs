//! A training run, advanced one step at a time by its caller, such as the page's worker or the command line. Between
//! steps it can be paused, evaluated, drawn, checkpointed or dropped.

use std::ops::Range;

use crate::checkpoint::Checkpoint;
use crate::config::{HardwareConfig, TrainConfig};
use crate::data::batch::steps_per_epoch;
use crate::data::loader::DataLoader;
use crate::device::ComputeDevice;
use crate::distributed::device_group::DeviceGroup;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::parameters::{ExportKind, export, import};
use crate::network::spec::initialize;
use crate::network::{Network, NetworkSpec};
use crate::step::masks::Masks;
use crate::step::state::TrainState;
use crate::step::straight_through::with_quantized_weights;
use crate::train::divergence::DivergenceDetector;
use crate::train::evaluate::{Evaluation, evaluate};
use crate::train::progress::{HistoryEntry, Speed};
use crate::train::quantization::{Quantization, StartWeights};
use crate::train::teacher::Teacher;

/// A training run.
///
/// ```
/// # #[cfg(feature = "cpu")] pollster::block_on(async {
/// use crossdub::config::{ClassifierWidths, DeviceChoice, HardwareConfig, TrainConfig};
/// use crossdub::data::synthetic;
/// use crossdub::device::ComputeDevice;
/// use crossdub::train::trainer::Trainer;
///
/// let config = TrainConfig {
///     plan: "4 M 8 M".parse()?,
///     classifier: ClassifierWidths::default(),
///     batch: 8,
///     ..TrainConfig::default()
/// };
/// let data = synthetic::generate(0, 16, 10);
/// let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
/// let memory = 1 << 30;
/// let mut trainer = Trainer::new(config, HardwareConfig::default(), data, device, memory, None)?;
///
/// let progress = trainer.step().await?;
/// assert_eq!((progress.step, progress.steps_per_epoch), (1, 2));
/// assert!(progress.loss.is_finite());
///
/// let evaluation = trainer.evaluate(10).await?;
/// assert_eq!(evaluation.images, 10);
/// # Ok::<(), crossdub::Error>(())
/// # }).unwrap();
/// ```
pub struct Trainer {
    pub(crate) config: TrainConfig,
    pub(crate) hardware: HardwareConfig,
    pub(crate) network_spec: NetworkSpec,
    pub(crate) state: TrainState,
    pub(super) quantization: Option<Quantization>,
    pub(super) teacher: Option<Teacher>,
    pub(crate) step: u64,
    pub(crate) history: Vec<HistoryEntry>,
    pub(crate) divergence: DivergenceDetector,
    pub(crate) data: DataLoader,
    pub(crate) compute: ComputeDevice,
    pub(crate) group: DeviceGroup,
    pub(super) speed: Speed,
}

impl Trainer {
    /// Prepares a run, with the weights given or drawn from the seed.
    ///
    /// Checks that the network fits into `memory` bytes before it allocates anything large.
    ///
    /// # Errors
    /// When a field is out of range, the network does not fit, the data is empty, or the weights belong to another
    /// network.
    pub fn new(
        config: TrainConfig,
        hardware: HardwareConfig,
        data: impl Into<DataLoader>,
        compute: ComputeDevice,
        memory: u64,
        weights: Option<&Checkpoint>,
    ) -> Result<Self> {
        Self::with_weights(config, hardware, data.into(), compute, memory, weights.map(StartWeights::Given))
    }

    /// The same with weights that may be those of an interrupted run.
    pub(super) fn with_weights(
        config: TrainConfig,
        hardware: HardwareConfig,
        mut data: DataLoader,
        compute: ComputeDevice,
        memory: u64,
        weights: Option<StartWeights<'_>>,
    ) -> Result<Self> {
        config.validate()?;
        hardware.validate()?;
        if data.train_len() == 0 || data.test().is_empty() {
            return Err(Error::field("data", config.holdout, "leaves no images to train or to evaluate on"));
        }
        let network_spec = NetworkSpec::from_config(&config, data.classes().len())?;
        if network_spec.side() != data.test().side() {
            let reason = format!("the images have {}", data.test().side());
            return Err(Error::field("side", network_spec.side(), reason));
        }
        network_spec.check_memory(config.batch.min(data.train_len()), memory)?;
        compute.check(config.precision)?;
        let device = compute.device.clone().autodiff();
        let drawn;
        let weights = if let Some(weights) = weights {
            weights
        } else {
            drawn = initialize(&network_spec, config.seed);
            StartWeights::Given(&drawn)
        };
        let (quantization, quantized) =
            Quantization::start(&config, &hardware, &network_spec, &mut data, weights)?.unzip();
        let weights = quantized.as_ref().unwrap_or(weights.checkpoint());
        let network = import(Network::new(&network_spec, &device), &network_spec, weights)?
            .with_kernels(config.kernels);
        Ok(Self {
            config,
            hardware,
            network_spec,
            state: TrainState::new(network),
            quantization,
            teacher: None,
            step: 0,
            history: Vec::new(),
            divergence: DivergenceDetector::default(),
            data,
            compute,
            group: DeviceGroup::default(),
            speed: Speed::default(),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The description of the network.
    pub fn network_spec(&self) -> &NetworkSpec {
        &self.network_spec
    }

    /// The hardware that the regularizer targets.
    pub fn hardware(&self) -> &HardwareConfig {
        &self.hardware
    }

    /// Targets other hardware from the next step on.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn set_hardware(&mut self, hardware: HardwareConfig) -> Result<()> {
        hardware.validate()?;
        if let Some(quantization) = &mut self.quantization {
            quantization.set_hardware(&hardware);
        }
        self.hardware = hardware;
        Ok(())
    }

    /// Starts another stage of the same network on the same data, from these weights: step, momentum, masks, teacher and
    /// history are reset.
    ///
    /// # Errors
    /// When a field is out of range, or the stage needs another network or other data.
    pub fn start_stage(&mut self, config: TrainConfig, weights: &Checkpoint) -> Result<()> {
        let hardware = self.hardware.clone();
        self.restart(config, &hardware, StartWeights::Given(weights))
    }

    /// The same with weights that may be those of an interrupted run, quantized for this hardware.
    pub(super) fn restart(
        &mut self,
        config: TrainConfig,
        hardware: &HardwareConfig,
        weights: StartWeights<'_>,
    ) -> Result<()> {
        config.validate()?;
        if NetworkSpec::from_config(&config, self.network_spec.classes())? != self.network_spec {
            return Err(Error::field("plan", config.plan, "can't change within a run"));
        }
        self.compute.check(config.precision)?;
        let data = |config: &TrainConfig| (config.data, config.holdout, config.limit, config.seed);
        if data(&config) != data(&self.config) {
            return Err(Error::field("data", format!("{:?}", config.data), "can't change within a run"));
        }
        let (mut quantization, quantized) =
            Quantization::start(&config, hardware, &self.network_spec, &mut self.data, weights)?.unzip();
        if let Some(quantization) = &mut quantization {
            quantization.set_hardware(&self.hardware);
        }
        self.state = TrainState::new(self.import(quantized.as_ref().unwrap_or(weights.checkpoint()))?);
        (self.quantization, self.teacher) = (quantization, None);
        self.group.invalidate();
        (self.step, self.divergence) = (0, DivergenceDetector::default());
        self.history.clear();
        self.config = config;
        Ok(())
    }

    /// Sets the weights whose mask is 0 to zero, and keeps them at zero in every following step.
    ///
    /// ```
    /// # #[cfg(feature = "cpu")] pollster::block_on(async {
    /// # use crossdub::config::{ClassifierWidths, DeviceChoice, HardwareConfig, TrainConfig};
    /// # use crossdub::device::ComputeDevice;
    /// # use crossdub::train::trainer::Trainer;
    /// # let config = TrainConfig { plan: "4 M".parse()?, classifier: ClassifierWidths::default(), batch: 8, ..TrainConfig::default() };
    /// # let data = crossdub::data::synthetic::generate(0, 8, 10);
    /// # let device = ComputeDevice::open(&DeviceChoice::Cpu).await?;
    /// # let mut trainer = Trainer::new(config, HardwareConfig::default(), data, device, 1 << 30, None)?;
    /// // Prune a weight; its mask follows from the zero.
    /// let mut weights = trainer.weights().await?;
    /// let conv = weights.tensors.iter_mut().find(|tensor| tensor.shape.len() == 4).unwrap();
    /// conv.data[0] = 0.0;
    /// trainer.set_masks(&weights.masks()).await?;
    ///
    /// trainer.step().await?;
    /// assert_eq!(trainer.weights().await?.get("features.0.weight").unwrap().data[0], 0.0);
    /// # Ok::<(), crossdub::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// When the masks belong to another network, or the device fails.
    pub async fn set_masks(&mut self, masks: &Checkpoint) -> Result<()> {
        let weights = self.weights().await?;
        self.set_masks_from(masks, &weights)
    }

    /// The same with the current weights at hand.
    pub(super) fn set_masks_from(&mut self, masks: &Checkpoint, weights: &Checkpoint) -> Result<()> {
        let masks = Masks::new(masks, weights, &self.state.network, &self.network_spec)?;
        self.state.network = masks.apply(self.state.network.clone());
        self.state.masks = Some(masks);
        self.group.invalidate();
        Ok(())
    }

    /// Whether pruned weights are kept at zero.
    pub fn has_masks(&self) -> bool {
        self.state.masks.is_some()
    }

    /// Whether it learns from another network beside the labels.
    pub fn has_teacher(&self) -> bool {
        self.teacher.is_some()
    }

    /// The first device, which holds the network.
    pub fn compute(&self) -> &ComputeDevice {
        &self.compute
    }

    /// Number of steps taken.
    pub fn step_number(&self) -> u64 {
        self.step
    }

    /// Number of steps per epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        steps_per_epoch(self.data.train_len(), self.config.batch) as u64
    }

    /// Number of steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.steps_per_epoch() * self.config.epochs as u64
    }

    /// Number of complete epochs.
    pub fn epochs_done(&self) -> usize {
        (self.step / self.steps_per_epoch()) as usize
    }

    /// Whether all steps are done.
    pub fn finished(&self) -> bool {
        self.step >= self.total_steps()
    }

    /// The history, one entry per step.
    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }

    /// Records the previewed improvements of ADC energy at the last step.
    pub fn record_improvement(&mut self, paper: Option<f64>, lossless: Option<f64>) {
        if let Some(entry) = self.history.last_mut() {
            entry.improvement_paper = paper;
            entry.improvement_lossless = lossless;
        }
    }

    /// The source of images.
    pub fn data(&self) -> &DataLoader {
        &self.data
    }

    /// Images per second over the last steps.
    pub fn images_per_second(&self) -> Option<f64> {
        self.speed.images_per_second()
    }

    /// Accuracy on at most `images` held-out images, recorded in the history.
    ///
    /// # Errors
    /// When accuracy has fallen back to chance, or the device fails.
    pub async fn evaluate(&mut self, images: usize) -> Result<Evaluation> {
        let network = self.forward_network().await?;
        let test = self.data.test();
        let evaluation = evaluate(&network, test, self.first_images(images), &self.compute).await?;
        if let Some(entry) = self.history.last_mut() {
            entry.accuracy = Some(evaluation.accuracy);
        }
        self.divergence.check_accuracy(self.step, evaluation.accuracy, self.network_spec.classes())?;
        Ok(evaluation)
    }

    /// The current weights, under PyTorch's names. Quantized ones are integers times their steps, and their quantizers
    /// are with them.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn weights(&self) -> Result<Checkpoint> {
        let weights = export(&self.state.network, &self.network_spec, ExportKind::Weights).await?;
        match &self.quantization {
            Some(quantization) => quantization.quantized(&weights, self.step),
            None => Ok(weights),
        }
    }

    /// The weights that the optimizer moves: the same but for a quantized network, whose integers they become.
    pub(super) async fn float_weights(&self) -> Result<Checkpoint> {
        let weights = export(&self.state.network, &self.network_spec, ExportKind::Weights).await?;
        match &self.quantization {
            Some(quantization) => quantization.with_constants(weights),
            None => Ok(weights),
        }
    }

    /// The network of a forward pass.
    pub(super) async fn forward_network(&self) -> Result<Network> {
        let network = &self.state.network;
        let Some(quantization) = &self.quantization else { return Ok(network.clone()) };
        let needs = |name: &str| quantization.needs(name);
        let floats = export(network, &self.network_spec, ExportKind::Selected(&needs)).await?;
        Ok(with_quantized_weights(network, quantization.values(&floats, self.step)?))
    }

    /// The current crossbar layers.
    ///
    /// # Errors
    /// When the device fails, or a weight is not finite.
    pub async fn matrices(&self) -> Result<Vec<Matrix>> {
        self.weights().await?.matrices(false)
    }

    /// A network of its own: that of the run may still have statistics of its last forward pass to take over.
    fn import(&self, weights: &Checkpoint) -> Result<Network> {
        let network = Network::new(&self.network_spec, &self.compute.device.clone().autodiff());
        Ok(import(network, &self.network_spec, weights)?.with_kernels(self.config.kernels))
    }

    /// The first `images` held-out images.
    fn first_images(&self, images: usize) -> Range<usize> {
        0..images.min(self.data.test().len())
    }
}
