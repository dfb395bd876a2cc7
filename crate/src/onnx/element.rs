//! The types that a tensor's elements have in an ONNX file.

use std::fmt;

/// An element's type; the code is ONNX's `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ElementType {
    F32,
    F64,
    F16,
    BF16,
    I4,
    U4,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    Bool,
    /// Text, complex numbers and other types that no crossbar layer has, by their code.
    Other(i32),
}

impl ElementType {
    /// The type of a code.
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        match code {
            1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            4 => Self::U16,
            5 => Self::I16,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            12 => Self::U32,
            13 => Self::U64,
            16 => Self::BF16,
            21 => Self::U4,
            22 => Self::I4,
            other => Self::Other(other),
        }
    }

    /// Whether it is computed in floating point.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::F16 | Self::BF16)
    }

    /// Bits of one element in a file; none for types without a fixed size.
    #[must_use]
    pub fn bits(self) -> Option<usize> {
        Some(match self {
            Self::I4 | Self::U4 => 4,
            Self::I8 | Self::U8 | Self::Bool => 8,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 16,
            Self::F32 | Self::I32 | Self::U32 => 32,
            Self::F64 | Self::I64 | Self::U64 => 64,
            Self::Other(_) => return None,
        })
    }

    /// The smallest and largest integer; of 64 bits, those of `i64`.
    #[must_use]
    pub fn range(self) -> (i64, i64) {
        match self {
            Self::I4 => (-8, 7),
            Self::U4 => (0, 15),
            Self::I8 => (-128, 127),
            Self::U8 => (0, 255),
            Self::I16 => (-32_768, 32_767),
            Self::U16 => (0, 65_535),
            Self::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Self::U32 => (0, i64::from(u32::MAX)),
            Self::Bool => (0, 1),
            _ => (i64::MIN, i64::MAX),
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::I4 => "int4",
            Self::U4 => "uint4",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
            Self::U64 => "uint64",
            Self::Bool => "bool",
            Self::Other(8) => "string",
            Self::Other(14 | 15) => "complex",
            Self::Other(17..=20) => "float8",
            Self::Other(23) => "float4",
            Self::Other(code) => return write!(f, "type {code}"),
        })
    }
}
