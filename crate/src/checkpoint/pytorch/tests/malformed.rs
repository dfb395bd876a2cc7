//! Files made to break a reader: each ends in one line, or in tensors, never in a panic.

use super::fixtures::{Program, floats, legacy, zip};
use crate::checkpoint::{Checkpoint, NamedTensor, safetensors};

/// A network that each format below holds.
fn network() -> Program {
    Program::new().dict(|p| {
        p.text("state_dict").dict(|p| {
            p.tensor("module.conv.weight", "FloatStorage", "0", 0, &[2, 1, 1, 2], &[1, 2, 2, 2]).tensor(
                "module.conv.bias",
                "FloatStorage",
                "1",
                0,
                &[2],
                &[1],
            )
        })
    })
}

fn storages() -> Vec<(&'static str, Vec<u8>)> {
    vec![("0", floats(&[1.0, 2.0, 3.0, 4.0])), ("1", floats(&[5.0, 6.0]))]
}

/// Every kind of tensor that is put together from others.
fn kinds() -> Vec<u8> {
    let mut header = String::from("{");
    let mut end = 0;
    for (name, dtype, shape, size) in [
        ("a.weight_orig", "F32", "[2,2]", 16),
        ("a.weight_mask", "F32", "[2,2]", 16),
        ("b.weight_g", "F32", "[2,1]", 8),
        ("b.weight_v", "F32", "[2,2]", 16),
        ("c.parametrizations.weight.original", "F32", "[2,2]", 16),
        ("c.parametrizations.weight.0._u", "F32", "[2]", 8),
        ("c.parametrizations.weight.0._v", "F32", "[2]", 8),
        ("d.weight", "F8_E4M3", "[2,2]", 4),
        ("d.weight_scale_inv", "F32", "[1,1]", 4),
        ("e.weight", "I8", "[2,2]", 4),
        ("e.scale", "F32", "[2]", 8),
        ("student.conv.weight", "F32", "[1,1,1,1]", 4),
        ("teacher.conv.weight", "F32", "[1,1,1,1]", 4),
        ("f.analog_tile_state.analog_tile_weights", "F32", "[1,1]", 4),
        ("f.analog_tile_state.shared_weights", "F32", "[1,1]", 4),
    ] {
        let start = end;
        end += size;
        let comma = if start == 0 { "" } else { "," };
        header += &format!(
            "{comma}\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}"
        );
    }
    headed(&(header + "}"), end)
}

fn files() -> Vec<Vec<u8>> {
    let (pickle, storages) = (network().stop(), storages());
    let plain = zip(&pickle, &storages, false);
    let weights = Checkpoint::from_bytes(&plain).expect("readable");
    let safe = safetensors::write(&weights).expect("writable");
    vec![plain, zip(&pickle, &storages, true), legacy(&pickle, &storages), safe]
}

/// The one line that rejects a file.
fn rejection(bytes: &[u8]) -> String {
    let line = Checkpoint::from_bytes(bytes).expect_err("rejected").to_string();
    assert!(!line.contains('\n') && line.len() < 400, "{line}");
    line
}

fn check(bytes: &[u8], expected: &str) {
    let line = rejection(bytes);
    assert!(line.contains(expected), "{line} lacks {expected}");
}

/// A zip checkpoint of a single tensor.
fn single(offset: i64, shape: &[i64], stride: &[i64]) -> Vec<u8> {
    let program = Program::new().dict(|p| p.tensor("a", "FloatStorage", "0", offset, shape, stride));
    zip(&program.stop(), &storages(), false)
}

#[test]
fn all_formats_agree() {
    let expected = [
        NamedTensor { name: "conv.weight".into(), shape: vec![2, 1, 1, 2], data: vec![1.0, 3.0, 2.0, 4.0] },
        NamedTensor { name: "conv.bias".into(), shape: vec![2], data: vec![5.0, 6.0] },
    ];
    for file in files() {
        assert_eq!(Checkpoint::from_bytes(&file).expect("readable").tensors, expected);
    }
}

#[test]
fn truncated_anywhere() {
    for file in files() {
        for end in 0..file.len() {
            rejection(&file[..end]);
        }
    }
}

#[test]
fn flipped_bits() {
    // Xorshift: the same flips in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for file in files().into_iter().chain([kinds()]) {
        for _ in 0..3000 {
            let mut file = file.clone();
            for _ in 0..=random() % 3 {
                let at = random() % file.len();
                file[at] = if random() % 2 == 0 { random() as u8 } else { file[at] ^ (1 << (random() % 8)) };
            }
            match Checkpoint::from_bytes(&file) {
                Ok(weights) => {
                    let _ = (weights.account(true), weights.matrices(true), safetensors::write(&weights));
                }
                Err(error) => assert!(!error.to_string().contains('\n')),
            }
        }
    }
}

#[test]
fn flipped_pickles() {
    // Inside the archive, where no checksum is in the way.
    let pickle = network().stop();
    for at in 0..pickle.len() {
        for byte in 0..=255 {
            let mut pickle = pickle.clone();
            pickle[at] = byte;
            let _ = Checkpoint::from_bytes(&zip(&pickle, &storages(), false));
            let _ = Checkpoint::from_bytes(&legacy(&pickle, &storages()));
        }
    }
}

#[test]
fn tensors_beyond_their_storage() {
    check(&single(0, &[5], &[1]), "reaches beyond its storage");
    check(&single(4, &[1], &[1]), "reaches beyond its storage");
    check(&single(0, &[2, 2], &[i64::MAX, 1]), "reaches beyond its storage");
    check(&single(i64::MAX, &[4, 2], &[i64::MAX, 1]), "overflows");
    check(&single(0, &[1 << 62, 8], &[0, 0]), "overflows");
    check(&single(0, &[1 << 40], &[0]), "far larger than the file");
    check(&single(-1, &[1], &[1]), "negative offset");
    check(&single(0, &[-1], &[1]), "shape is not understood");
    check(&single(0, &[1], &[]), "differ in length");
}

#[test]
fn pickles_that_misuse_the_machine() {
    let rejected = |program: Program, why: &str| check(&zip(&program.stop(), &[], false), why);
    rejected(Program::new().raw(b"0"), "pops an empty stack");
    rejected(Program::new().raw(b"N()R"), "pops an empty stack");
    rejected(Program::new().raw(b"t"), "has no matching MARK");
    rejected(Program::new().raw(b"h\x05"), "reads an unset memo entry");
    rejected(Program::new().raw(b"I1\n"), "text kind");
    rejected(Program::new().raw(b"\xff"), "instruction 0xff");
    rejected(Program::new().raw(b"X\xff\xff\xff\xff"), "truncated");
    rejected(Program::new().raw(b"}"), "no named tensors");
    rejected(Program::new().call("os", "system"), "no named tensors");
}

#[test]
fn deep_and_repeated_nesting() {
    // A list in a list, half a million deep: nothing here recurses.
    let deep = Program::new().raw(&b"]".repeat(1 << 19)).raw(&b"a".repeat((1 << 19) - 1));
    check(&zip(&deep.stop(), &[], false), "no named tensors");
    check(&zip(&b"N".repeat((1 << 21) + 1), &[], false), "too many steps");
    // Each dictionary holds the one before twice: 2^31 names.
    let leaf = Program::new().dict(|p| p.tensor("t", "FloatStorage", "0", 0, &[1], &[1]));
    let laughs = (0..30u8).fold(leaf.raw(b"q\0"), |p, i| {
        p.raw(b"0").dict(|p| p.text("a").raw(&[b'h', i]).text("b").raw(&[b'h', i])).raw(&[b'q', i + 1])
    });
    check(&zip(&laughs.stop(), &storages(), false), "too many tensors");
    // A dictionary that contains itself.
    let cycle = Program::new().raw(b"}q\0(").text("model").raw(b"h\0u");
    check(&zip(&cycle.stop(), &[], false), "no named tensors");
}

#[test]
fn zip_bombs_and_missing_entries() {
    let zeros = vec![0; 32 << 20];
    let program = Program::new().dict(|p| p.tensor("a", "FloatStorage", "0", 0, &[8], &[1]));
    check(&zip(&program.stop(), &[("0", zeros)], true), "compression");
    let program = Program::new().dict(|p| p.tensor("a", "FloatStorage", "0", 0, &[8], &[1]));
    check(&zip(&program.stop(), &[], false), "no entry data/0");
    check(&zip(&network().stop(), &[("../byteorder", b"odd".to_vec())], false), "byte order");
    check(b"PK\x03\x04", "truncated or damaged");
}

#[test]
fn legacy_files_with_wrong_sizes() {
    let mut file = legacy(&network().stop(), &storages());
    let at = file.len() - 8 - 8; // the count of the last storage
    file[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    check(&file, "overflows");
    check(&[0x80, 2, b'}', b'.', 0, 0, 0, 0, 0], "not one that torch.save wrote");
}

/// A safetensors file of a header and this many zeros.
fn headed(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes
}

#[test]
fn inconsistent_safetensors_headers() {
    let tensor = |shape: &str, from: u64, to: u64| {
        format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}}}")
    };
    assert!(Checkpoint::from_bytes(&headed(&tensor("[2]", 0, 8), 8)).is_ok());
    check(&headed(&tensor("[2]", 0, 8), 7), "take 8 bytes, 7 are there");
    check(&headed(&tensor("[2]", 0, 8), 9), "take 8 bytes, 9 are there");
    check(&headed(&tensor("[2]", 0, 4), 4), "damaged");
    check(&headed(&tensor("[2]", 4, 12), 12), "damaged");
    check(&headed(&tensor("[9223372036854775807,9]", 0, 8), 8), "damaged");
    check(&headed(&tensor("[-1]", 0, 8), 8), "damaged");
    check(&headed(&"[".repeat(100_000), 8), "neither");
    check(&headed(&format!("{{\"a\":{}", "[".repeat(100_000)), 8), "damaged");
    check(&headed("{}", 0), "no tensor");
    let end = u64::MAX - 3 - u64::from(u8::MAX);
    check(&headed(&tensor(&format!("[{}]", end / 4), 0, end), 8), "damaged");
    // Their sum with the header's length would wrap around to the file's.
    let bytes = "{\"a\":{\"dtype\":\"U8\",\"shape\":[18446744073709551000],\"data_offsets\":[0,18446744073709551000]}}";
    check(&headed(bytes, 8), "8 are there");
    let mut long = headed("{}", 0);
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    check(&long, "bytes long");
    check(b"", "empty");
    check(b"<!doctype html>", "web page");
}
