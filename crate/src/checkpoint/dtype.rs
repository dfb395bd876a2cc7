//! Element types of stored tensors: their names, their sizes, and their values as floats.

use half::{bf16, f16};

/// How a tensor's elements are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Dtype {
    F16,
    BF16,
    #[default]
    F32,
    F64,
    /// Sign, 4 exponent and 3 mantissa bits, without infinities ("fn").
    F8E4M3,
    /// The same with the exponent's bias 8 and without a negative zero ("fnuz").
    F8E4M3Fnuz,
    F8E5M2,
    F8E5M2Fnuz,
    /// Powers of two: scales of blocks.
    F8E8M0,
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    C64,
    /// PyTorch's quantized integers, which carry their scales.
    QInt8,
    QUInt8,
    QInt32,
    /// A type without numbers for us, with the bytes of an element; 0 if unknown.
    Other(&'static str, u8),
}

impl Dtype {
    /// Bytes of one element; 0 if unknown.
    pub fn size(self) -> u64 {
        match self {
            Self::F8E4M3
            | Self::F8E4M3Fnuz
            | Self::F8E5M2
            | Self::F8E5M2Fnuz
            | Self::F8E8M0
            | Self::Bool
            | Self::I8
            | Self::U8
            | Self::QInt8
            | Self::QUInt8 => 1,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 | Self::QInt32 => 4,
            Self::F64 | Self::I64 | Self::U64 | Self::C64 => 8,
            Self::Other(_, size) => u64::from(size),
        }
    }

    /// PyTorch's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F8E4M3 => "float8_e4m3fn",
            Self::F8E4M3Fnuz => "float8_e4m3fnuz",
            Self::F8E5M2 => "float8_e5m2",
            Self::F8E5M2Fnuz => "float8_e5m2fnuz",
            Self::F8E8M0 => "float8_e8m0fnu",
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
            Self::U64 => "uint64",
            Self::C64 => "complex64",
            Self::QInt8 => "qint8",
            Self::QUInt8 => "quint8",
            Self::QInt32 => "qint32",
            Self::Other(name, _) => name,
        }
    }

    /// The name in a safetensors header; `None` if the format has no such type.
    pub fn safetensors_name(self) -> Option<&'static str> {
        Some(match self {
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::F8E8M0 => "F8_E8M0",
            Self::Bool => "BOOL",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::I16 => "I16",
            Self::U16 => "U16",
            Self::I32 => "I32",
            Self::U32 => "U32",
            Self::I64 => "I64",
            Self::U64 => "U64",
            Self::C64 => "C64",
            Self::F8E4M3Fnuz
            | Self::F8E5M2Fnuz
            | Self::QInt8
            | Self::QUInt8
            | Self::QInt32
            | Self::Other(..) => return None,
        })
    }

    /// The type of this name in a safetensors header.
    pub fn from_safetensors(dtype: ::safetensors::Dtype) -> Self {
        use ::safetensors::Dtype as Theirs;
        match dtype {
            Theirs::F16 => Self::F16,
            Theirs::BF16 => Self::BF16,
            Theirs::F32 => Self::F32,
            Theirs::F64 => Self::F64,
            Theirs::F8_E4M3 => Self::F8E4M3,
            Theirs::F8_E5M2 => Self::F8E5M2,
            Theirs::F8_E8M0 => Self::F8E8M0,
            Theirs::BOOL => Self::Bool,
            Theirs::I8 => Self::I8,
            Theirs::U8 => Self::U8,
            Theirs::I16 => Self::I16,
            Theirs::U16 => Self::U16,
            Theirs::I32 => Self::I32,
            Theirs::U32 => Self::U32,
            Theirs::I64 => Self::I64,
            Theirs::U64 => Self::U64,
            Theirs::C64 => Self::C64,
            Theirs::F4 => Self::Other("float4_e2m1", 0),
            Theirs::F6_E2M3 => Self::Other("float6_e2m3", 0),
            Theirs::F6_E3M2 => Self::Other("float6_e3m2", 0),
            _ => Self::Other("an unknown type", 0),
        }
    }

    /// Whether the elements are numbers on their own: floats of at least 16 bits.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Whether the elements are floats of 8 bits, which usually have a scale beside them.
    pub fn is_float8(self) -> bool {
        matches!(self, Self::F8E4M3 | Self::F8E4M3Fnuz | Self::F8E5M2 | Self::F8E5M2Fnuz)
    }

    /// Whether the elements carry their scale.
    pub fn is_quantized(self) -> bool {
        matches!(self, Self::QInt8 | Self::QUInt8 | Self::QInt32)
    }

    /// The values of elements that lie in a row; integers of quantized types, and nothing for types
    /// without numbers. `big_endian` is the order of their bytes.
    pub fn decode(self, raw: &[u8], big_endian: bool) -> Vec<f32> {
        match self {
            Self::F16 => words(raw, big_endian, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => words(raw, big_endian, |b| bf16::from_le_bytes(b).to_f32()),
            Self::F32 => words(raw, big_endian, f32::from_le_bytes),
            Self::F64 => words(raw, big_endian, |b| f64::from_le_bytes(b) as f32),
            Self::F8E4M3 => bytes(raw, |b| float8(b, 3, 7, Special::OnlyNan)),
            Self::F8E4M3Fnuz => bytes(raw, |b| float8(b, 3, 8, Special::Fnuz)),
            Self::F8E5M2 => bytes(raw, |b| float8(b, 2, 15, Special::Ieee)),
            Self::F8E5M2Fnuz => bytes(raw, |b| float8(b, 2, 16, Special::Fnuz)),
            Self::F8E8M0 => bytes(raw, |b| match b {
                255 => f32::NAN,
                power => 2_f32.powi(i32::from(power) - 127),
            }),
            Self::I8 | Self::QInt8 => bytes(raw, |b| f32::from(b as i8)),
            Self::U8 | Self::QUInt8 | Self::Bool => bytes(raw, f32::from),
            Self::I16 => words(raw, big_endian, |b| f32::from(i16::from_le_bytes(b))),
            Self::U16 => words(raw, big_endian, |b| f32::from(u16::from_le_bytes(b))),
            Self::I32 | Self::QInt32 => words(raw, big_endian, |b| i32::from_le_bytes(b) as f32),
            Self::U32 => words(raw, big_endian, |b| u32::from_le_bytes(b) as f32),
            Self::I64 => words(raw, big_endian, |b| i64::from_le_bytes(b) as f32),
            Self::U64 => words(raw, big_endian, |b| u64::from_le_bytes(b) as f32),
            Self::C64 | Self::Other(..) => Vec::new(),
        }
    }
}

fn words<const N: usize>(raw: &[u8], big_endian: bool, from: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (words, _) = raw.as_chunks::<N>();
    if !big_endian {
        return words.iter().map(|word| from(*word)).collect();
    }
    let value = |word: &[u8; N]| {
        let mut word = *word;
        word.reverse();
        from(word)
    };
    words.iter().map(value).collect()
}

fn bytes(raw: &[u8], from: impl Fn(u8) -> f32) -> Vec<f32> {
    raw.iter().map(|&byte| from(byte)).collect()
}

/// What the largest exponent, or a negative zero, stands for.
#[derive(Clone, Copy, PartialEq)]
enum Special {
    /// Infinity and NaN, as in IEEE 754.
    Ieee,
    /// Only all ones is NaN.
    OnlyNan,
    /// Only the negative zero is NaN.
    Fnuz,
}

/// An 8-bit float with this many mantissa bits.
fn float8(byte: u8, mantissa_bits: u32, bias: i32, special: Special) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let magnitude = u32::from(byte & 0x7f);
    let exponent = magnitude >> mantissa_bits;
    let mantissa = magnitude & ((1 << mantissa_bits) - 1);
    let last = 0x7f >> mantissa_bits;
    match special {
        Special::Fnuz if byte == 0x80 => return f32::NAN,
        Special::OnlyNan if magnitude == 0x7f => return f32::NAN,
        Special::Ieee if exponent == last => {
            return if mantissa == 0 { sign * f32::INFINITY } else { f32::NAN };
        }
        _ => {}
    }
    let (significand, exponent) = match exponent {
        0 => (mantissa, 1),
        exponent => (mantissa | 1 << mantissa_bits, exponent),
    };
    sign * significand as f32 * 2_f32.powi(exponent as i32 - bias - mantissa_bits as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bit_floats_have_their_published_values() {
        let of = |dtype: Dtype, byte| dtype.decode(&[byte], false)[0];
        // Largest, smallest normal and smallest subnormal numbers of Micikevicius et al. 2022.
        assert_eq!(of(Dtype::F8E4M3, 0b0111_1110), 448.0);
        assert_eq!(of(Dtype::F8E4M3, 0b0000_1000), 2_f32.powi(-6));
        assert_eq!(of(Dtype::F8E4M3, 0b1000_0001), -(2_f32.powi(-9)));
        assert!(of(Dtype::F8E4M3, 0x7f).is_nan());
        assert_eq!(of(Dtype::F8E5M2, 0b0111_1011), 57_344.0);
        assert_eq!(of(Dtype::F8E5M2, 0b0000_0001), 2_f32.powi(-16));
        assert_eq!(of(Dtype::F8E5M2, 0b0111_1100), f32::INFINITY);
        assert_eq!(of(Dtype::F8E4M3Fnuz, 0x7f), 240.0);
        assert!(of(Dtype::F8E4M3Fnuz, 0x80).is_nan());
        assert_eq!(of(Dtype::F8E5M2Fnuz, 0x7f), 57_344.0);
        assert_eq!((of(Dtype::F8E8M0, 127), of(Dtype::F8E8M0, 126)), (1.0, 0.5));
    }

    #[test]
    fn integers_and_halves_of_either_byte_order() {
        assert_eq!(Dtype::I8.decode(&[0x80, 0xff, 1], false), [-128.0, -1.0, 1.0]);
        assert_eq!(Dtype::I32.decode(&(-7_i32).to_le_bytes(), false), [-7.0]);
        assert_eq!(Dtype::F32.decode(&1.5_f32.to_be_bytes(), true), [1.5]);
        assert_eq!(Dtype::F16.decode(&[0x00, 0x3c], false), [1.0]);
        assert_eq!(Dtype::Other("float4_e2m1", 0).decode(&[1], false), [0.0; 0]);
    }
}
