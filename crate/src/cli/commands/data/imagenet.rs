//! `crossdub data imagenet`: indexes or unpacks ImageNet's archives, or indexes images in another layout,
//! so that runs start without searching.

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::files;
use crate::cli::files::archives;
use crate::cli::files::image_files;
use crate::cli::output;
use crate::config::SCHEMA_VERSION;
use crate::data::imagenet::index::{ImageRef, Index, Listing};
use crate::error::{Error, Result};

/// Index or unpack ImageNet's archives, and check that no image is missing
///
/// DIR holds ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz; or train/ and val/ with
/// one folder per class; or WebDataset shards. Indexing needs almost no disk space and reads only the archives' headers.
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub data imagenet /data/imagenet\n         \
    crossdub data imagenet /data/archives --unpack --out /scratch/imagenet")]
pub struct DataImagenetArgs {
    /// Folder with the archives, image folders or shards
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// Folder for the index or the unpacked images [default: DIR]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Unpack the archives into train/ and val/; an interrupted unpacking resumes
    #[arg(long)]
    unpack: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct DataImagenetOutput {
    schema_version: u32,
    classes: usize,
    train: usize,
    val: usize,
    /// Whether the counts were checked against the development kit.
    checked: bool,
    index: String,
}

/// Runs the command.
pub fn run(args: &DataImagenetArgs) -> Result<()> {
    let (from, out) = (&args.from, args.out.as_deref().unwrap_or(&args.from));
    if !from.is_dir() {
        return Err(Error::file("looking for images", files::display_path(from), "not a folder"));
    }
    std::fs::create_dir_all(out)
        .map_err(|why| Error::file("making a folder", files::display_path(out), &why).with_source(why))?;
    let kit = archives::DevKit::open(from)?;
    let mut index = if args.unpack {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:28} {pos}/{len} classes, {eta} left") {
            bar.set_style(style);
        }
        archives::unpack(from, out, &bar)?;
        bar.finish_and_clear();
        image_files::build_index(out)?
    } else {
        image_files::build_index(from)?
    };
    if let Some(kit) = &kit {
        kit.check(&index, &files::display_path(from))?;
    }
    if !args.unpack && out != from.as_path() {
        index = with_absolute_paths(index, from)?;
    }
    let path = out.join(image_files::INDEX_FILE);
    files::write_with("writing an index", &path, |file| {
        let mut file = BufWriter::new(file);
        index.write(&mut file)?;
        std::io::Write::flush(&mut file)
    })?;
    let result = DataImagenetOutput {
        schema_version: SCHEMA_VERSION,
        classes: index.classes.len(),
        train: index.train.len(),
        val: index.val.len(),
        checked: kit.is_some(),
        index: files::display_path(&path),
    };
    output::print_result(args.json, &result, || describe(&result))
}

/// The same index with absolute folders, to be stored elsewhere than the images.
fn with_absolute_paths(index: Index, from: &Path) -> Result<Index> {
    let from = from
        .canonicalize()
        .map_err(|why| Error::file("finding a folder", files::display_path(from), &why).with_source(why))?;
    let listing = |old: &Listing| -> Result<Listing> {
        let mut new = Listing::default();
        for at in 0..old.len() {
            let image = old.image(at);
            let container = files::display_path(&from.join(image.container));
            new.push(ImageRef { container: &container, ..image })?;
        }
        Ok(new)
    };
    let (train, val) = (listing(&index.train)?, listing(&index.val)?);
    Ok(Index { train, val, ..index })
}

fn describe(result: &DataImagenetOutput) -> String {
    let counted =
        if result.checked { "as in the development kit" } else { "not checked: no development kit" };
    format!(
        "{} classes, {} training and {} validation images ({counted}): {}\n",
        result.classes, result.train, result.val, result.index
    )
}
