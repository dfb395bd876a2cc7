//! A run taken through its story by hand, one thing at a time: train, look, prune, fine-tune, and
//! back to the trained weights. The page's trainer; a recipe does the same in one go.

pub mod preview;
mod simulation;
pub mod simulator;
pub mod stage;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::preview::{Choice, Layers};
use self::stage::{Kind, Stage};
use crate::checkpoint::Weights;
use crate::config::{HardwareConfig, TrainConfig, apply};
use crate::error::{Error, Result};
use crate::report::{AdcPlan, TileDetail, View, adc_plan};
use crate::train::checkpoint::Checkpoint;
use crate::train::evaluate::Evaluation;
use crate::train::progress::{HistoryEntry, Progress};
use crate::train::trainer::Trainer;
use crate::workflow::interactive::simulator::Live;
use crate::workflow::{self, Report};

/// A run and where in its story it is.
pub struct InteractiveRun {
    session: Trainer,
    layers: Layers,
    /// What is behind the present phase of training; none while the network is as it was trained.
    earlier: Option<CompletedStages>,
    /// The network on simulated crossbars, as it was when that was asked for.
    proof: Option<Live>,
}

/// The phases behind the present one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompletedStages {
    /// The stages done: trained, pruned, perhaps fine-tuned.
    pub stages: Vec<Stage>,
    /// The run as it was set up.
    pub spec: TrainConfig,
    /// One entry a step of these phases.
    pub history: Vec<HistoryEntry>,
    /// Epochs of these phases.
    pub epochs: usize,
    /// The checkpoint of the trained network, to go back to.
    #[serde(skip)]
    pub trained: Vec<u8>,
}

/// A step's progress, and how many steps were before its phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct InteractiveProgress {
    /// Of the present phase.
    #[serde(flatten)]
    pub progress: Progress,
    /// Steps of the phases before.
    pub before: u64,
}

/// How far the present phase is, known before it takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Steps of the phases before.
    pub before: u64,
    /// Steps done of the present phase.
    pub step: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Steps of the present phase.
    pub total_steps: u64,
    /// Whether the present phase is at its end.
    pub finished: bool,
}

/// A run's report with its stages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InteractiveReport {
    /// The report, its history over all phases.
    #[serde(flatten)]
    pub whole: Report,
    /// The stages; the last is the present one.
    pub stages: Vec<Stage>,
}

impl InteractiveRun {
    /// Takes up a session, at its beginning or with phases behind it.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn new(session: Trainer, earlier: Option<CompletedStages>) -> Result<Self> {
        let layers = Layers::new(session.matrices().await?);
        Ok(Self { session, layers, earlier, proof: None })
    }

    /// The session.
    pub fn session(&self) -> &Trainer {
        &self.session
    }

    /// What is behind the present phase.
    pub fn earlier(&self) -> Option<&CompletedStages> {
        self.earlier.as_ref()
    }

    /// Maps to other hardware. The masks stay; levels and energy are counted anew.
    ///
    /// # Errors
    /// When a field is out of range.
    pub fn set_hardware(&mut self, hardware: HardwareConfig) -> Result<()> {
        self.session.set_hardware(hardware)
    }

    /// One step of the present phase.
    ///
    /// # Errors
    /// When the run has diverged, or the device fails.
    pub async fn step(&mut self) -> Result<InteractiveProgress> {
        let progress = self.session.step().await?;
        Ok(InteractiveProgress { progress, before: self.steps_before() })
    }

    /// How far the present phase is.
    pub fn position(&self) -> Position {
        Position {
            before: self.steps_before(),
            step: self.session.step_number(),
            steps_per_epoch: self.session.steps_per_epoch(),
            total_steps: self.session.total_steps(),
            finished: self.session.finished(),
        }
    }

    fn steps_before(&self) -> u64 {
        self.earlier.as_ref().and_then(|earlier| earlier.history.last()).map_or(0, |entry| entry.step)
    }

    /// Accuracy of the present weights, noted in the history.
    ///
    /// # Errors
    /// When the run has diverged back to chance, or the device fails.
    pub async fn evaluate(&mut self, images: usize) -> Result<Evaluation> {
        self.session.evaluate(images).await
    }

    /// Takes up the present weights: what views, tiles and reports then speak of.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn refresh(&mut self) -> Result<()> {
        self.layers = Layers::new(self.session.matrices().await?);
        Ok(())
    }

    /// What pruning is previewed: none once it is done.
    fn previewed(&self, choice: Choice) -> Option<Choice> {
        self.earlier.is_none().then_some(choice)
    }

    /// Analysis, preview and maps, the previewed improvements noted in the history.
    ///
    /// # Errors
    /// When the choice is out of range.
    pub fn view(&mut self, choice: Choice) -> Result<View> {
        let previewed = self.previewed(choice);
        let view = self.layers.view(self.session.hardware(), previewed)?;
        let energy = &view.preview.energy;
        self.session.note_improvement(energy.paper.improvement, energy.lossless.improvement);
        Ok(view)
    }

    /// One tile's cells.
    ///
    /// # Errors
    /// When the choice is out of range, or there is no such tile.
    pub fn tile(&mut self, at: (usize, usize), choice: Choice) -> Result<TileDetail> {
        let previewed = self.previewed(choice);
        self.layers.tile(self.session.hardware(), at, previewed)
    }

    /// What each tile's converters need: of the layers pruned as previewed, or as they are once they
    /// are pruned.
    ///
    /// # Errors
    /// When the choice is out of range.
    pub fn adc_plan(&mut self, choice: Choice) -> Result<AdcPlan> {
        let previewed = self.previewed(choice);
        let hardware = self.session.hardware();
        Ok(adc_plan(self.layers.chosen(hardware, previewed)?, hardware))
    }

    /// Masks of the same layers: 0 where a weight is zero, 1 where it stays.
    ///
    /// # Errors
    /// When the choice is out of range, or the device fails.
    pub async fn masks(&mut self, choice: Choice) -> Result<Weights> {
        let previewed = self.previewed(choice);
        let pruned = self.layers.chosen(self.session.hardware(), previewed)?.to_vec();
        Ok(self.session.weights().await?.with_layers(pruned).masks())
    }

    /// Accuracy on at most `images` held-out images if pruned so, without doing it.
    ///
    /// # Errors
    /// When the choice is out of range, or the device fails.
    pub async fn try_out(&mut self, choice: Choice, images: usize) -> Result<Evaluation> {
        self.refresh().await?;
        let (pruned, _) = self.layers.pruned(self.session.hardware(), choice)?;
        let weights = self.session.weights().await?.with_layers(pruned.to_vec());
        self.session.evaluate_with(&weights, images).await
    }

    /// Prunes: measures before and after on at most `images` held-out images, and from here on
    /// keeps what is zero at zero. Training goes on as fine-tuning.
    ///
    /// # Errors
    /// When it is pruned already, the choice is out of range, or the device fails. The run is then
    /// as it was.
    pub async fn prune(&mut self, choice: Choice, images: usize) -> Result<()> {
        if self.earlier.is_some() {
            return Err(Error::invalid_state("pruning", "the network is pruned already: undo that first"));
        }
        self.refresh().await?;
        let hardware = self.session.hardware().clone();
        let before = self.session.weights().await?;
        let (pruned, outcome) = self.layers.pruned(&hardware, choice)?;
        let pruned = pruned.to_vec();
        let weights = before.clone().with_layers(pruned.clone());
        let trained = self.session.evaluate_with(&before, images).await?;
        let after = self.session.evaluate_with(&weights, images).await?;
        let trained = Stage {
            steps: self.session.step_number(),
            spec: Some(self.session.spec().clone()),
            ..Stage::of(Kind::Train, self.layers.present(), &hardware).measured(&trained)
        };
        let stage = Stage {
            pruning: Some(choice),
            outcome: Some(outcome),
            ..Stage::of(Kind::Prune, &pruned, &hardware).measured(&after)
        };
        let earlier = CompletedStages {
            stages: vec![trained, stage],
            spec: self.session.spec().clone(),
            history: self.session.history().to_vec(),
            epochs: self.session.epochs_done(),
            trained: self.session.checkpoint().await?,
        };
        self.session.begin_phase(earlier.spec.for_finetuning(), &weights)?;
        self.session.set_masks(&weights.masks()).await?;
        self.earlier = Some(earlier);
        self.refresh().await
    }

    /// Begins fine-tuning, with the authors' settings but for these fields; steps then follow. What
    /// was fine-tuned before stays, as an earlier stage.
    ///
    /// # Errors
    /// When the network is not pruned, a field can't be had, or the device fails.
    pub async fn finetune(&mut self, fields: &Map<String, Value>) -> Result<()> {
        let Some(earlier) = &self.earlier else {
            return Err(Error::invalid_state("fine-tuning", "the network is not pruned yet"));
        };
        let (spec, _) = apply(&earlier.spec.for_finetuning(), self.session.hardware(), fields)?;
        let weights = self.session.weights().await?;
        let done = (self.session.step_number() > 0).then(|| self.present_stage());
        let (history, epochs) = (self.history(), self.session.epochs_done());
        self.session.begin_phase(spec, &weights)?;
        self.session.set_masks(&weights.masks()).await?;
        if let (Some(earlier), Some(stage)) = (&mut self.earlier, done) {
            earlier.stages.push(stage);
            earlier.history = history;
            earlier.epochs += epochs;
        }
        Ok(())
    }

    /// Back to the trained weights, their momentum and their place in the run.
    ///
    /// # Errors
    /// When nothing is pruned.
    pub async fn undo(&mut self) -> Result<()> {
        let Some(earlier) = &self.earlier else {
            return Err(Error::invalid_state("undoing", "nothing is pruned"));
        };
        Checkpoint::read(&earlier.trained)?.restore(&mut self.session)?;
        self.earlier = None;
        self.refresh().await
    }

    /// One entry a step over all phases.
    fn history(&self) -> Vec<HistoryEntry> {
        let before = self.steps_before();
        let mut history = self.earlier.as_ref().map_or_else(Vec::new, |earlier| earlier.history.clone());
        let own = self.session.history().iter();
        history.extend(own.map(|entry| HistoryEntry { step: before + entry.step, ..entry.clone() }));
        history
    }

    /// The stage the run is in.
    fn present_stage(&self) -> Stage {
        let kind = if self.earlier.is_some() { Kind::Finetune } else { Kind::Train };
        let measured = self.session.history().iter().rev().find_map(|entry| entry.accuracy);
        Stage {
            steps: self.session.step_number(),
            accuracy: measured,
            spec: Some(self.session.spec().clone()),
            ..Stage::of(kind, self.layers.present(), self.session.hardware())
        }
    }

    /// The stages done, and the present one once it has taken a step.
    pub fn stages(&self) -> Vec<Stage> {
        let mut stages = self.earlier.as_ref().map_or_else(Vec::new, |earlier| earlier.stages.clone());
        if self.earlier.is_none() || self.session.step_number() > 0 {
            stages.push(self.present_stage());
        }
        stages
    }

    /// The run's report: its specification as it was set up, its history over all phases.
    pub fn report(&self) -> InteractiveReport {
        let stages = self.stages();
        let mut whole = workflow::report(&self.session, self.layers.present());
        if let Some(earlier) = &self.earlier {
            whole.spec = earlier.spec.clone();
            whole.training.step += self.steps_before();
            whole.training.epoch += earlier.epochs;
            whole.training.history = self.history();
            whole.training.loss = whole.training.history.last().map(|entry| entry.loss);
            whole.training.accuracy = stages.iter().rev().find_map(|stage| stage.accuracy);
        }
        InteractiveReport { whole, stages }
    }
}
