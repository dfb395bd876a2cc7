//! The whole way from files to batches, on pictures made here.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Pictures as PNG files, drawn when they are asked for; every 50th is damaged where wanted.
struct Pictures {
    damaged: bool,
    read: Arc<AtomicUsize>,
}

impl ReadImage for Pictures {
    fn read_image(&self, image: ImageRef<'_>) -> std::result::Result<Vec<u8>, String> {
        self.read.fetch_add(1, Ordering::Relaxed);
        let number: usize = image.name.parse().map_err(|_| "no such picture".to_owned())?;
        if self.damaged && number % 50 == 49 {
            return Ok(vec![0xff, 0xd8, 0xff]);
        }
        let picture = image::RgbImage::from_fn(40 + number as u32 % 7, 50, |x, y| {
            image::Rgb([(x * 5) as u8, (y * 5) as u8, (number * 3) as u8])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).map_err(|why| why.to_string())?;
        Ok(bytes.into_inner())
    }
}

fn data(threads: usize, damaged: bool, max_bad: f64) -> (ImageNet, Arc<AtomicUsize>) {
    let mut index = Index { classes: ["a", "b", "c"].map(str::to_owned).to_vec(), ..Index::default() };
    for number in 0..100 {
        let name = number.to_string();
        let image = ImageRef { container: "pictures", name: &name, span: None, label: number % 3 };
        index.train.push(image).expect("fits");
        if number < 55 {
            index.val.push(image).expect("fits");
        }
    }
    let read = Arc::new(AtomicUsize::new(0));
    let reader = Box::new(Pictures { damaged, read: Arc::clone(&read) });
    let loader_config = LoaderConfig { threads, ahead: 2, max_bad };
    (ImageNet::new(index, reader, 32, loader_config).expect("valid"), read)
}

const CONFIG: BatchConfig = BatchConfig { seed: 5, batch: 30, augment: true };

fn batches(data: &mut ImageNet, from: u64) -> Vec<Batch> {
    (from..7).map(|at| data.training_batch(CONFIG, at / 3, at % 3).expect("reads")).collect()
}

#[test]
fn pixels_depend_on_seed_and_place_alone() {
    let whole = batches(&mut data(1, false, 0.0).0, 0);
    assert_eq!(whole[0].images.len(), 30 * 3 * 32 * 32);
    assert_ne!(whole[0], whole[3], "each epoch draws anew");
    assert!(whole == batches(&mut data(3, false, 0.0).0, 0), "any number of threads");
    assert!(whole[4..] == batches(&mut data(2, false, 0.0).0, 4), "from the middle of an epoch");
    let mut other = data(2, false, 0.0).0;
    let seeded = BatchConfig { seed: 6, ..CONFIG };
    assert_ne!(other.training_batch(seeded, 0, 0).expect("reads"), whole[0]);
    // Asked for something else, the same reader begins anew.
    assert!(other.training_batch(CONFIG, 1, 1).expect("reads") == whole[4]);
}

#[test]
fn evaluation_sees_every_image_once_in_order() {
    let (data, _) = data(3, false, 0.0);
    let labels = |range, size| -> Vec<i32> {
        data.batches(range, size).flat_map(|batch| batch.expect("reads").labels).collect()
    };
    let expected: Vec<i32> = (0..55).map(|at| at % 3).collect();
    assert_eq!(labels(0..55, 20), expected);
    assert_eq!(labels(10..15, 2), expected[10..15]);
    let sizes: Vec<usize> = data.batches(0..55, 20).map(|b| b.expect("reads").labels.len()).collect();
    assert_eq!(sizes, [20, 20, 15]);
}

#[test]
fn bad_files_are_left_out_and_named_until_they_are_too_many() {
    let (mut few, _) = data(2, true, 2.0);
    let images: usize = (0..3).map(|at| few.training_batch(CONFIG, 0, at).expect("reads").labels.len()).sum();
    let seen = few.batches(0..55, 55).map(|batch| batch.expect("reads").labels.len()).sum::<usize>();
    assert!((88..=90).contains(&images) && seen == 54, "{images} {seen}");
    assert!(few.skipped().iter().any(|(file, why)| file == "pictures/49" && why.contains("truncated")));
    let (many, _) = data(2, true, 0.5);
    let result: Result<Vec<Batch>> = many.batches(0..55, 55).collect();
    assert!(result.is_err_and(|why| why.to_string().contains("at most 0.5 %")));
}

#[test]
fn only_a_few_batches_are_read_ahead() {
    let (mut data, read) = data(2, false, 0.0);
    data.training_batch(CONFIG, 0, 0).expect("reads");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(read.load(Ordering::Relaxed) <= 3 * 30, "one handed out, two ahead");
}
