//! Image files into ResNet18: are they decoded as fast as the device trains?

use std::fs;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::{DONE, StepOutcome, out_of_time, skipped};
use crate::cli::commands::prove::context::{Context, device_memory};
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::cli::measure::timing::{median, timed};
use crate::config::{DataSource, HardwareConfig, NetworkName, Precision, RegularizerKind, TrainConfig};
use crate::data::imagenet::LoaderConfig;
use crate::error::{Error, Result};
use crate::train::trainer::Trainer;

/// The size of ImageNet's typical picture.
const WIDTH: u32 = 500;
const HEIGHT: u32 = 375;
const QUALITY: u8 = 90;
/// Distinct pictures; each is linked so often that an epoch has hundreds.
const PICTURES: usize = 24;
const COPIES: usize = 24;
const CLASSES: usize = 4;
/// Steps before the measurement, and at most in it.
const WARM_UP: usize = 2;
const MOST: usize = 30;

/// Measures the reading alone, then training with it.
pub fn measure(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let compute = context.open_device()?;
    let folder = context.fresh_folder()?;
    write_pictures(&folder)?;
    let batch = if context.is_slow(&compute) { 8 } else { 128 };
    let mut config = TrainConfig {
        regularizer: RegularizerKind::Gated,
        data: DataSource::ImageNet,
        batch,
        learning_rate: 0.01,
        epochs: 1000,
        precision: Precision::F32,
        ..TrainConfig::default()
    };
    config.set_model(NetworkName::ResNet18);
    let loader_config = LoaderConfig::default();
    record.fact("device", context.label.clone())?;
    record.fact("threads that decode", loader_config.threads.to_string())?;
    let data = files::open_dataset(&folder, &mut config, loader_config)?;
    let memory = device_memory(&compute);
    let made =
        Trainer::new(config, HardwareConfig { tile: 64, ..Default::default() }, data, compute, memory, None);
    let mut trainer = match made {
        Ok(trainer) => trainer,
        Err(error) => return Ok(skipped(format!("too little memory: {error}"))),
    };
    let (mut times, mut waits) = (Vec::new(), Vec::new());
    for step in 0..WARM_UP + MOST {
        if context.seconds_until(0.7) <= 0.0 {
            break;
        }
        let (progress, time) = timed(|| pollster::block_on(trainer.step()));
        let progress = progress?;
        if step >= WARM_UP {
            times.push(time);
            waits.extend(progress.data_wait_percent);
        }
    }
    drop(trainer);
    let n = times.len();
    if n == 0 {
        return Ok(out_of_time("no step ended in time after the warm-up"));
    }
    let speed = 1000.0 * batch as f64 / median(times);
    record.figure("training", &format!("resnet18 from JPEG files, batch {batch}"), speed, "images/s", n)?;
    record.note(format!(
        "pictures of {WIDTH} x {HEIGHT}, quality {QUALITY}; steps with the gated regularizer"
    ))?;
    let n = waits.len();
    record.figure("wait", "share of the time that the device waits for images", median(waits), "%", n)?;
    if context.seconds_until(1.0) < 10.0 {
        record.missing("reading", "the files alone, without training", "images/s", "no time was left")?;
        return Ok(DONE);
    }
    let path = files::display_path(&folder);
    let answer = context.json_of(&["bench", "--only", "images", "--images", &path, "--json"])?;
    let milliseconds = answer["measurements"][0]["ours_ms"].as_f64().unwrap_or(f64::NAN);
    let images = answer["measurements"][0]["n"].as_u64().unwrap_or(0) as usize;
    record.figure(
        "reading",
        "the files alone, without training",
        1000.0 / milliseconds,
        "images/s",
        images,
    )?;
    record.note("mean over n images, in at least 8 s")?;
    Ok(DONE)
}

/// Writes pictures with edges, gradients and noise, in folders of classes.
fn write_pictures(folder: &Path) -> Result<()> {
    for at in 0..PICTURES {
        let class = folder.join("train").join(format!("class{}", at % CLASSES));
        let val = folder.join("val").join(format!("class{}", at % CLASSES));
        let fail =
            |why: &dyn std::fmt::Display| Error::file("writing pictures", files::display_path(folder), why);
        for made in [&class, &val] {
            fs::create_dir_all(made).map_err(|why| fail(&why))?;
        }
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
        let pixels = picture(at as u32);
        encoder.write_image(&pixels, WIDTH, HEIGHT, ExtendedColorType::Rgb8).map_err(|why| fail(&why))?;
        for copy in 0..COPIES {
            fs::write(class.join(format!("{at}-{copy}.jpg")), &bytes).map_err(|why| fail(&why))?;
        }
        fs::write(val.join(format!("{at}.jpg")), &bytes).map_err(|why| fail(&why))?;
    }
    Ok(())
}

fn picture(seed: u32) -> Vec<u8> {
    let mut noise = seed.wrapping_mul(747_796_405) | 1;
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let edge = if ((x + seed * 13) / 40 + (y + seed * 7) / 40).is_multiple_of(2) { 90 } else { 0 };
            let grain = noise >> 28;
            pixels.extend(
                [x * 120 / WIDTH, y * 120 / HEIGHT, (x + y) / 8].map(|base| (base + edge + grain) as u8),
            );
        }
    }
    pixels
}
